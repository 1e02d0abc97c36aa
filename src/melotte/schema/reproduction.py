"""The numbers of a paper beside the recomputed ones."""

from __future__ import annotations

from .core import Column, Schema


def _text(name: str, label: str, description: str, *, nullable: bool = False) -> Column:
    ucd = "meta.id" if name == "id" else "meta.note"
    return Column(name, "string", "", ucd, description, nullable, label=label)


def _number(name: str, label: str, ucd: str, description: str, **more: object) -> Column:
    return Column(name, "float64", "", ucd, description, format="%14.6f", label=label, **more)  # type: ignore[arg-type]


REPRODUCTION = Schema(
    "reproduction",
    "One row per number of the paper: theirs, ours, the difference, the verdict and its cause",
    (
        _text("id", "ID", "Identifier of the number"),
        _text("place", "Place", "Section, table or figure of the paper"),
        _text("quantity", "Quantity", "What it is"),
        _text("unit", "Unit", "Unit of the values; empty if there is none", nullable=True),
        _text("kind", "Kind", "count, printed, about, estimate, posterior or column: which tolerance applies"),
        _text("basis", "Basis", "What ours was computed from; empty if it was not", nullable=True),
        _text("printed", "Printed", "Value of the paper as printed, with its error"),
        _text("found", "Found", "Value found here, two digits more, with its error", nullable=True),
        _number("paper", "Paper", "stat.value", "Value of the paper"),
        _number("paper_error", "e_Paper", "stat.error", "Its uncertainty", error_of="paper", minimum=0.0),
        _number("ours", "Ours", "stat.value", "Value found here"),
        _number("ours_error", "e_Ours", "stat.error", "Its uncertainty", error_of="ours", minimum=0.0),
        _number("difference", "Diff", "stat.value;arith.diff", "Ours minus the paper's"),
        _number("scale", "Scale", "stat.value", "Unit of deviation: a standard deviation, or one of the last digit"),
        _number("deviation", "Dev", "stat.value", "difference / scale"),
        _number("tolerance", "Tol", "stat.value", "Largest deviation that agrees"),
        _text("verdict", "Verdict", "agrees, differs or not computable"),
        _text("cause", "Cause", "Why it differs, or unexplained; why it cannot be computed", nullable=True),
        _text("evidence", "Evidence", "The test of the cause, with its numbers; remarks", nullable=True),
    ),
    key=("id",),
)
