"""What to cite for the catalogues a result was made from."""

from __future__ import annotations

from collections.abc import Iterable

from .model import VizierSource, record

#: The paper that describes VizieR, for catalogues that came from there.
VIZIER = "VizieR (CDS, Strasbourg): Ochsenbein, F., Bauer, P., & Marcout, J. 2000, A&AS, 143, 23"


def citations(names: Iterable[str]) -> str:
    """The papers behind some datasets, one a line, each once.

    Raises
    ------
    DatasetError
        If a name is not registered.
    """
    items = [record(name) for name in names]
    lines: dict[str, None] = {}
    for item in items:
        ends = [f"doi:{item.doi}" if item.doi else "", item.bibcode or ""]
        lines[", ".join(part for part in (item.citation, *ends) if part)] = None
    if any(isinstance(item.source, VizierSource) for item in items):
        lines[f"{VIZIER}, doi:10.26093/cds/vizier"] = None
    return "\n".join(lines)


def bibtex(names: Iterable[str]) -> str:
    """BibTeX entries of the same papers: bibcode as the key, DOI and ADS address, the citation as the note."""
    entries: dict[str, str] = {}
    for item in (record(name) for name in names):
        key = item.bibcode or item.name
        fields = {"note": item.citation, "doi": item.doi, "year": key[:4] if item.bibcode else None}
        if item.bibcode:
            fields["adsurl"] = f"https://ui.adsabs.harvard.edu/abs/{item.bibcode.replace('&', '%26')}"
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        entries.setdefault(key, f"@misc{{{key},\n{body}\n}}")
    return "\n\n".join(entries.values())
