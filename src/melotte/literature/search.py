"""Which catalogues are searched for a value: those published in time, and those of them that are not at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets import data_dirs, locate
from ..errors import DatasetError
from .compilation import open_listing
from .listing import Listing
from .names import Resolver
from .records import SPECTROSCOPIC, literature


@dataclass(frozen=True)
class Searched:
    """Catalogues for a search: those at hand, and those that are not."""

    listings: tuple[Listing, ...]
    missing: tuple[str, ...] = ()


def searched(
    quantity: str,
    resolver: Resolver,
    *,
    until: dt.date,
    catalogues: Sequence[str] | None = None,
    without: Sequence[str] = (),
    resolutions: Sequence[str] = SPECTROSCOPIC,
    data_dir: Path | None = None,
) -> Searched:
    """The literature to search.

    Parameters
    ----------
    quantity : str
        ``rv`` or ``feh``.
    resolver : Resolver
        For compilations.
    until : datetime.date
        Catalogues published later (by month) are left out.
    catalogues : sequence of str, optional
        Records or compilations; by default every record with the quantity.
    without : sequence of str
        Records to leave out (the catalogue under test).
    resolutions : sequence of str
        Classes of values that count.
    data_dir : path, optional
        Local mirror.

    Returns
    -------
    Searched
        Catalogues that are not on this machine are in ``missing``, not passed over.

    Raises
    ------
    DatasetError
        If the local mirror is not a directory, or a name is neither a record nor a compilation.
    """
    data_dirs(data_dir)  # a mistyped mirror is an error, not a mirror without catalogues
    known = literature()
    if catalogues is None:
        catalogues = [
            n for n, r in known.items() if any(v.quantity == quantity and v.resolution in resolutions for v in r.values)
        ]
        # A subset stands for its table only where the table is not at hand.
        whole = {n for n in catalogues if _at_hand(n, data_dir)}
        catalogues = [n for n in catalogues if known[n].subset_of not in whole]
        stood_for = {known[n].subset_of for n in catalogues if n in whole} - {None}
        catalogues = [n for n in catalogues if n not in stood_for]
    listings, missing = [], []
    for name in catalogues:
        if name in without:
            continue
        if name in known and not _at_hand(name, data_dir):
            if _month(known[name].date) <= (until.year, until.month):
                missing.append(name)
            continue
        listing = open_listing(name, resolver, data_dir=data_dir)
        if listing.published_by(until):
            listings.append(listing)
    listings.sort(key=lambda item: (item.date, item.name))
    return Searched(tuple(listings), tuple(missing))


def _at_hand(name: str, data_dir: Path | None) -> bool:
    if name not in literature():
        return True
    try:
        locate(name, data_dir=data_dir)
    except DatasetError:
        return False
    return True


def _month(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("-")))
