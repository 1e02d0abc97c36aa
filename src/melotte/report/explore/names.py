"""Every name of every cluster, and what a script needs to find one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...literature import NameResolutionError, canonical, load_resolver, split_names
from ...literature.canonical import abbreviations


def aliases(clusters: Sequence[str], *, data_dir: Path | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Names of the clusters and their canonical forms.

    Parameters
    ----------
    clusters : sequence of str
        Names as the catalogue writes them.
    data_dir : path, optional
        Local mirror with the alias table; without it the proper names and Messier numbers are known.

    Returns
    -------
    names : dict
        ``also``: per cluster its other names; ``keys``: per cluster the canonical forms of all its names;
        ``abbreviations``: of catalogue names, by the customary short form.
    notes : tuple of str
        What a reader must know (for example that no alias table was found).
    """
    resolver = load_resolver(data_dir=data_dir)
    also: list[list[str]] = []
    keys: list[list[str]] = []
    for name in clusters:
        own = {canonical(part) for part in [name, *split_names(name)]} - {""}
        try:
            found = resolver.find(name)
        except NameResolutionError:  # several objects claim it: none of their other names is believed
            found = None
        others = [n for n in (found.aliases if found else ()) if canonical(n) not in own]
        also.append(others)
        keys.append(sorted(own | {canonical(n) for n in others}))
    return {"also": also, "keys": keys, "abbreviations": abbreviations()}, resolver.notes
