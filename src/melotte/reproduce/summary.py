"""The screen the reproduction ends with."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from .judge import AGREES, DIFFERS, NOT_COMPUTABLE, UNEXPLAINED

#: Parts of the comparison: label -> how the ids begin.
_PARTS: dict[str, tuple[str, ...]] = {
    "text and figures": (),
    "Tables 1 and 3": ("t1.", "t3."),
    "Table 6": ("t6.",),
    "orbital columns": ("column.",),
    "clusters from stars": ("stars.",),
}
#: Lines of single numbers shown for the text.
_SHOWN = 12


def part_of(key: str) -> str:
    """The part of the paper a number belongs to."""
    return next((name for name, starts in _PARTS.items() if starts and key.startswith(starts)), "text and figures")


def screen(comparison: pl.DataFrame, out: Path, seconds: float) -> str:
    """Counts by part and verdict, causes, what differs in the text, files; 24 lines or so."""
    table = comparison.with_columns(
        part=pl.col("id").map_elements(part_of, return_dtype=pl.String),
        unexplained=pl.col("cause") == UNEXPLAINED,
    )
    heads = ("compared", AGREES, DIFFERS, "unexplained", NOT_COMPUTABLE)
    lines = [f"{'Fu et al. 2022':<22}" + "".join(f"{h:>16}" for h in heads)]
    for part in (*_PARTS, "all"):
        rows = table if part == "all" else table.filter(pl.col("part") == part)
        counts = {v: rows.filter(pl.col("verdict") == v).height for v in (AGREES, DIFFERS, NOT_COMPUTABLE)}
        numbers = (
            counts[AGREES] + counts[DIFFERS],
            counts[AGREES],
            counts[DIFFERS],
            int(rows["unexplained"].fill_null(False).sum()),
            counts[NOT_COMPUTABLE],
        )
        lines.append(f"{part:<22}" + "".join(f"{n:>16,}" for n in numbers))
    differing = table.filter(pl.col("verdict") == DIFFERS)
    lines += ["", "why numbers differ:", *_columns(differing)]
    text = differing.filter(pl.col("part") == "text and figures")
    lines += ["", f"what differs in the text ({text.height}; paper -> here):"]
    lines += [f"  {_line(row)}" for row in text.head(_SHOWN).iter_rows(named=True)]
    if text.height > _SHOWN:
        lines.append(f"  ... and {text.height - _SHOWN} more in {out / 'reproduction.csv'}")
    lines += [
        "",
        f"{out}: reproduction.csv (every number), report.html, explorer.html, tables/, figures/, stars/",
    ]
    return "\n".join(lines)


def _columns(differing: pl.DataFrame) -> list[str]:
    """The causes with their numbers, in two columns."""
    by_cause = differing.group_by("cause").len().sort("len", "cause", descending=[True, False])
    texts = [f"{n:>5}  {cause}" for cause, n in by_cause.iter_rows()]
    half = (len(texts) + 1) // 2
    right = [*texts[half:], ""]
    return [f"{a:<58}{b}".rstrip() for a, b in zip(texts[:half], right, strict=False)]


def _line(row: dict[str, object]) -> str:
    return f"{row['place']}, {row['quantity']}: {row['printed']} -> {row['found']} {row['unit'] or ''}".rstrip()
