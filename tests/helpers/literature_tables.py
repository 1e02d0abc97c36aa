"""Invented clusters and catalogues for the tests of the literature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from melotte.literature import Listing
from melotte.schema.literature import LISTED_OBJECTS, LISTED_VALUES

#: Invented clusters: position (deg), proper motion (mas/yr), parallax (mas), half-number radius (deg).
PLACES: dict[str, tuple[float, float, float, float, float, float]] = {
    "Melotte 301": (10.0, 20.0, -5.0, 2.0, 1.5, 0.2),
    "Melotte 302": (80.0, -10.0, 1.0, 1.0, 0.8, 0.1),
    "Melotte 303": (359.98, 60.0, -2.0, -2.0, 0.5, 0.1),
    "Melotte 304": (180.0, 0.0, 10.0, 10.0, 3.0, 0.5),
    "Melotte 305": (200.0, 45.0, 0.0, -6.0, 1.0, 0.15),
    "Melotte 306": (250.0, -60.0, 4.0, 0.0, 2.0, 0.3),
}

Row = Mapping[str, object]


def make_listing(
    name: str,
    rows: Sequence[Row],
    *,
    date: str = "2020-01",
    incomplete: str = "",
    preference: tuple[tuple[str, str], ...] = (("rv", "low"), ("feh", "low")),
) -> Listing:
    """A catalogue of rows with ``cluster``, optional ``at`` (name in PLACES), ``rv``, ``feh``, ``n``, ``error``, ..."""
    objects, values = [], []
    for number, row in enumerate(rows, 1):
        place = PLACES.get(str(row.get("at", row["cluster"])))
        astrometry = dict(zip(("ra", "dec", "pmra", "pmdec", "parallax", "r50"), place or (None,) * 6, strict=True))
        astrometry |= {k: v for k, v in row.items() if k in astrometry}
        objects.append({"cluster": row["cluster"], "row": number, "aliases": row.get("aliases"), **astrometry})
        for quantity, resolution in preference:
            if row.get(quantity) is not None:
                values.append(
                    {
                        "row": number,
                        "quantity": quantity,
                        "resolution": resolution,
                        "value": row[quantity],
                        "value_error": row.get("error"),
                        "n": row.get("n"),
                        "reference": row.get("reference"),
                    }
                )
    return Listing(
        name=name,
        title=name,
        objects=LISTED_OBJECTS.conform(
            pl.DataFrame(objects, schema=LISTED_OBJECTS.polars_schema()) if objects else LISTED_OBJECTS.empty()
        ),
        values=LISTED_VALUES.conform(
            pl.DataFrame(values, schema=LISTED_VALUES.polars_schema()) if values else LISTED_VALUES.empty()
        ),
        date=date,
        incomplete=incomplete,
        preference=preference,
    )
