"""Theirs against ours: the verdict on one number, and on all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from ..errors import MelotteError
from ..schema.reproduction import REPRODUCTION
from .numbers import Published
from .settings import Tolerances

AGREES: Final = "agrees"
DIFFERS: Final = "differs"
NOT_COMPUTABLE: Final = "not computable"
UNEXPLAINED: Final = "unexplained"


@dataclass(frozen=True)
class Explanation:
    """A cause for a difference and the test that decides whether it holds.

    Attributes
    ----------
    cause : str
        One of `melotte.reproduce.causes.CAUSES`.
    holds : bool
        Whether the test of this run says so.
    evidence : str
        The test with its numbers.
    """

    cause: str
    holds: bool
    evidence: str


@dataclass(frozen=True)
class Finding:
    """What this run found for one number of the paper.

    Attributes
    ----------
    id : str
    ours : float or None
        None: it could not be computed, ``note`` says why.
    error : float or None
        Standard deviation of ours.
    basis : str
        What it was computed from.
    explanations : sequence of Explanation
        Tried in this order if it differs.
    paper_error : float or None
        Error of the paper's value where the paper gives none.
    note : str
        A remark.
    """

    id: str
    ours: float | None
    basis: str = ""
    error: float | None = None
    explanations: Sequence[Explanation] = ()
    paper_error: float | None = None
    note: str = ""


def missing(number: str, why: str) -> Finding:
    """A number that cannot be computed here."""
    return Finding(number, None, note=why)


def judge(number: Published, finding: Finding, tolerances: Tolerances) -> dict[str, Any]:
    """One row of `melotte.schema.reproduction.REPRODUCTION`.

    Raises
    ------
    MelotteError
        If the value found is not finite, or an estimate comes without any error.
    """
    row: dict[str, Any] = {
        "id": number.id,
        "place": number.where,
        "quantity": number.quantity,
        "unit": number.unit or None,
        "kind": number.kind,
        "printed": number.text + (f" +- {number.error}" if number.error else ""),
        "paper": number.value,
        "paper_error": number.uncertainty,
        "tolerance": getattr(tolerances, "count" if number.kind == "column" else number.kind),
    }
    if finding.ours is None:
        return row | {"verdict": NOT_COMPUTABLE, "cause": finding.note, "tolerance": None}
    if not math.isfinite(finding.ours):
        raise MelotteError(f"the value found is {finding.ours}", where=number.id, expected="a finite number")
    difference = finding.ours - number.value
    scale = _scale(number, finding)
    deviation = difference / scale
    tolerance = row["tolerance"]
    if number.kind == "posterior":
        tolerance += 0.5 * number.unit_of_last_digit / scale
    agrees = abs(deviation) <= tolerance * (1.0 + 1e-9)
    row |= {
        "basis": finding.basis,
        "found": _text(number, finding),
        "ours": finding.ours,
        "ours_error": finding.error,
        "difference": difference,
        "scale": scale,
        "deviation": deviation,
        "tolerance": tolerance,
        "verdict": AGREES if agrees else DIFFERS,
        "evidence": finding.note or None,
    }
    if agrees:
        return row
    found = next((e for e in finding.explanations if e.holds), None)
    cause = UNEXPLAINED if found is None else found.cause
    texts = [e.evidence for e in finding.explanations] if found is None else [found.evidence]
    return row | {"cause": cause, "evidence": "; ".join(t for t in (*texts, finding.note) if t) or None}


def _text(number: Published, finding: Finding) -> str:
    digits = len(number.text.partition(".")[2]) + (0 if number.kind in {"count", "column"} else 2)
    error = "" if finding.error is None else f" +- {finding.error:.{digits}f}"
    return f"{finding.ours:.{digits}f}{error}"


def _scale(number: Published, finding: Finding) -> float:
    if number.kind in {"count", "column"}:
        return 1.0
    if number.kind in {"printed", "about"}:
        return _last_digit(number)
    theirs = number.uncertainty if number.uncertainty is not None else finding.paper_error
    if number.kind == "posterior":
        width = theirs if theirs is not None else finding.error
    else:
        width = math.hypot(theirs or 0.0, finding.error or 0.0)
    if not width:
        raise MelotteError(f"a value of kind {number.kind!r} has no error to be judged by", where=number.id)
    return width


def _last_digit(number: Published) -> float:
    """One unit of the last digit that means something: "about 900" is to the hundred."""
    digits = number.text.lstrip("-")
    if number.kind == "about" and "." not in digits:
        return float(10.0 ** (len(digits) - len(digits.rstrip("0"))))
    return number.unit_of_last_digit


def table(
    numbers: Iterable[Published], findings: Sequence[Finding], tolerances: Tolerances, *, absent: str
) -> pl.DataFrame:
    """All rows, in the order of the numbers.

    Parameters
    ----------
    numbers : iterable of Published
    findings : sequence of Finding
        At most one for each number.
    tolerances : Tolerances
    absent : str
        Why a number without a finding could not be computed.

    Raises
    ------
    MelotteError
        If a finding belongs to no number or to one that has another finding.
    """
    numbers = list(numbers)
    by_id: dict[str, Finding] = {}
    known = {n.id for n in numbers}
    for finding in findings:
        if finding.id in by_id or finding.id not in known:
            raise MelotteError("a value for no number, or a second one", where=finding.id)
        by_id[finding.id] = finding
    rows = []
    for number in numbers:
        default = missing(number.id, number.impossible or absent)
        rows.append(judge(number, by_id.get(number.id, default), tolerances))
    frame = pl.DataFrame(rows, schema_overrides=REPRODUCTION.polars_schema(), infer_schema_length=None)
    return REPRODUCTION.conform(frame, where="reproduction")
