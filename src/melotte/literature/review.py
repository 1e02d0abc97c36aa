"""A catalogue against the literature, all of it in one call: what `melotte compare` shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import DatasetError, MelotteError
from ..schema import Schema
from ..schema.literature import OFFSETS, PROBLEMS
from .compare import CompareSettings, Comparison, compare
from .compilation import open_listing
from .ledger import Ledger, LedgerSettings, make_ledger
from .listing import Listing, read_literature
from .names import Resolver, load_resolver
from .search import searched
from .tables import first_table, known_table

#: Where motions and parallaxes come from if a catalogue has none (Fu et al. 2022 publish positions only).
ASTROMETRY = "cantat2020"


@dataclass(frozen=True)
class Review:
    """Comparisons, the tables of known clusters and the ledgers, by quantity.

    Attributes
    ----------
    comparisons : mapping
        Quantity -> catalogue -> comparison.
    tables : mapping
        File stem -> (frame, schema): ``known_rv`` (Table 1), ``first_rv`` (Table 2), ``known_feh`` (Table 3),
        ``first_feh`` (Tables 4 and 5 in one).
    ledgers : mapping
        Quantity -> ledger.
    notes : tuple of str
        What was not done and why.
    """

    comparisons: Mapping[str, Mapping[str, Comparison]]
    tables: Mapping[str, tuple[pl.DataFrame, Schema]]
    ledgers: Mapping[str, Ledger]
    notes: tuple[str, ...] = ()

    def offsets(self) -> pl.DataFrame:
        """Every offset found, `melotte.schema.literature.OFFSETS`."""
        rows = [
            {
                "quantity": quantity,
                "first": found.ours,
                "second": found.theirs,
                "at_least": minimum,
                **asdict(offset),
            }
            for quantity, by_name in self.comparisons.items()
            for found in by_name.values()
            for minimum, offset in [(0, found.offset), *((c.minimum, c.offset) for c in found.by_count)]
        ]
        return OFFSETS.conform(
            pl.DataFrame(rows, schema_overrides=OFFSETS.polars_schema()) if rows else OFFSETS.empty()
        )

    def problems(self) -> pl.DataFrame:
        """Pairs not believed, wrong coordinates, clusters listed twice: `melotte.schema.literature.PROBLEMS`."""
        every = [p for by_name in self.comparisons.values() for c in by_name.values() for p in c.problems]
        every += [p for ledger in self.ledgers.values() for p in ledger.problems]
        rows = [
            {"kind": p.kind, "catalogue": p.catalogue, "names": ", ".join(p.names), "detail": p.detail}
            for p in dict.fromkeys(every)
        ]
        return _conformed(rows, PROBLEMS)

    def summary(self) -> str:
        """The whole account, for a terminal."""
        lines = [c.summary() for by_name in self.comparisons.values() for c in by_name.values()]
        lines += [ledger.summary() for ledger in self.ledgers.values()]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _conformed(rows: list[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema_overrides=schema.polars_schema()) if rows else schema.empty()
    return schema.conform(frame, where=schema.name)


def review(
    ours: Listing,
    catalogues: Sequence[str],
    *,
    until: dt.date | None = None,
    data_dir: Path | None = None,
    resolver: Resolver | None = None,
    catalogue: pl.DataFrame | None = None,
    settings: CompareSettings | None = None,
    ledger: LedgerSettings | None = None,
) -> Review:
    """Compare a catalogue with others and, on request, say which of its values are the first.

    Parameters
    ----------
    ours : Listing
        `from_catalogue` of a run, or a literature catalogue.
    catalogues : sequence of str
        Literature records or compilations to compare with; each for every quantity both have.
    until : datetime.date, optional
        Keep a ledger of first determinations: every catalogue at hand that was published by then is searched, not
        only ``catalogues``.
    data_dir : path, optional
        Local mirror.
    resolver : Resolver, optional
        The aliases; by default those at hand.
    catalogue : polars.DataFrame, optional
        CATALOGUE of the run: gives Table 1 and 3 the mean and the scatter.
    settings : CompareSettings, optional
        Choices of the comparison.
    ledger : LedgerSettings, optional
        Choices of the ledger.

    Returns
    -------
    Review

    Raises
    ------
    DatasetError
        If a named catalogue does not exist or is not on this machine.
    MelotteError
        If no quantity is in both catalogues.
    """
    resolver = resolver or load_resolver(data_dir=data_dir)
    notes = list(resolver.notes)
    lacking = [n for n in ("pmra", "parallax", "r50") if ours.objects[n].null_count() == ours.objects.height > 0]
    if lacking:
        try:
            ours = ours.with_astrometry(read_literature(ASTROMETRY, data_dir=data_dir), resolver)
            notes.append(f"{ours.name} gives no {', '.join(lacking)}: those of {ASTROMETRY} check the pairs")
        except DatasetError as error:
            notes.append(f"pairs are checked without {', '.join(lacking)}: {error.found}")
    others = [open_listing(name, resolver, data_dir=data_dir) for name in catalogues]
    quantities = list(dict.fromkeys(q for q, _ in ours.preference))
    comparisons: dict[str, dict[str, Comparison]] = {}
    for other in others:
        shared = [q for q in quantities if q in {p for p, _ in other.preference}]
        if not shared:
            raise MelotteError(
                f"{ours.name} and {other.name} have no quantity in common",
                expected=f"one of {', '.join(quantities) or 'rv, feh'}",
            )
        for quantity in shared:
            found = compare(ours, other, quantity, resolver, settings=settings)
            comparisons.setdefault(quantity, {})[other.name] = found
    spectroscopic = {(o.name, q) for o in others for q in quantities if o.is_spectroscopic(q)}
    tables = {}
    for quantity, by_name in comparisons.items():
        if counted := {n: c for n, c in by_name.items() if (n, quantity) in spectroscopic}:
            tables[f"known_{quantity}"] = known_table(ours, counted, catalogue=catalogue)
        notes += [f"{n} gives {quantity} without spectra: not in the table" for n in by_name if n not in counted]
    ledgers: dict[str, Ledger] = {}
    for quantity in quantities if until is not None else ():
        assert until is not None
        search = searched(
            quantity,
            resolver,
            until=until,
            without=[ours.name],
            resolutions=(ledger or LedgerSettings()).resolutions,
            data_dir=data_dir,
        )
        ledgers[quantity] = make_ledger(ours, quantity, search, resolver, until=until, settings=ledger)
        if not ledgers[quantity].frame.is_empty():
            tables[f"first_{quantity}"] = first_table(ledgers[quantity], catalogue=catalogue)
    return Review(comparisons, tables, ledgers, tuple(notes))
