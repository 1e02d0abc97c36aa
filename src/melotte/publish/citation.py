"""The CITATION file: what to cite for a catalogue made with Melotte."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..core.files import write_text

#: Distribution, what its authors ask to be cited (bibcode or DOI where there is one).
_SOFTWARE = (
    ("astropy", "2022ApJ...935..167A", "Astropy Collaboration 2022, ApJ, 935, 167"),
    ("numpy", "2020Natur.585..357H", "Harris et al. 2020, Nature, 585, 357"),
    ("scipy", "2020NatMe..17..261V", "Virtanen et al. 2020, Nature Methods, 17, 261"),
    ("matplotlib", "2007CSE.....9...90H", "Hunter 2007, Computing in Science & Engineering, 9, 90"),
    ("numba", "doi:10.1145/2833157.2833162", "Lam, Pitrou & Seibert 2015, Proc. LLVM-HPC 2015, 7"),
    ("astroquery", "2019AJ....157...98G", "Ginsburg et al. 2019, AJ, 157, 98"),
    ("polars", "https://pola.rs", "Polars developers"),
    ("pyarrow", "https://arrow.apache.org", "Apache Arrow developers"),
)

#: The same for what only some products need.
_OPTIONAL = (
    ("emcee", "2013PASP..125..306F", "Foreman-Mackey et al. 2013, PASP, 125, 306"),
    ("arviz-base", "2019JOSS....4.1143K", "Kumar et al. 2019, Journal of Open Source Software, 4, 1143"),
    ("mocpy", "2019ASPC..521..487B", "Boch 2019, ASP Conf. Ser. 521, 487"),
)

#: The paper whose method the quality control and the cluster averages follow.
METHOD = ("2022A&A...668A...4F", "Fu et al. 2022, A&A, 668, A4")


def software_versions() -> dict[str, str]:
    """Version of each package that shapes the result and is installed."""
    found = {"melotte": version("melotte")}
    for name in (*(s[0] for s in (*_SOFTWARE, *_OPTIONAL)), "jinja2", "pydantic", "pooch", "rich", "typer"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def citation_text(
    citations: Sequence[tuple[str, str]],
    *,
    models: Sequence[tuple[str, str]] = (),
    versions: Mapping[str, str] | None = None,
    also: Collection[str] = (),
) -> str:
    """What to cite: method, catalogues, models, software.

    Parameters
    ----------
    citations : sequence of (str, str)
        Bibcode (or another key) and text of every catalogue used; a key given twice appears once.
    models : sequence of (str, str)
        The same of the Galactic potential and the solar parameters.
    versions : mapping, optional
        Versions of the software; those installed now by default.
    also : collection of str
        Packages used besides those every run uses.

    Returns
    -------
    str
    """
    versions = versions or software_versions()
    catalogues = {key: text for key, text in citations if key != METHOD[0]}
    packages = (*_SOFTWARE, *(item for item in _OPTIONAL if item[0] in also))
    software = [(key, f"{name} {versions[name]}: {text}") for name, key, text in packages if name in versions]
    sections = (
        ("Method", [METHOD]),
        ("Catalogues", list(catalogues.items())),
        ("Galactic potential and Sun", list(models)),
        ("Software", [("melotte", f"melotte {versions['melotte']}"), *software]),
    )
    lines = ["If you use this catalogue, please cite what it was made from."]
    for title, entries in sections:
        if entries:
            lines += ["", title, "-" * len(title)]
            lines += [f"{key}\n    {text}" for key, text in entries]
    return "\n".join(lines) + "\n"


def write_citation(path: Path, citations: Sequence[tuple[str, str]]) -> Path:
    """Write `citation_text` to a file, usually ``CITATION``.

    Raises
    ------
    PublishError
        If the file cannot be written.
    """
    return write_text(path, citation_text(citations))
