"""One canonical form of a cluster name: what makes two spellings the same name.

No catalogue is consulted here: that ``Praesepe`` is ``NGC 2632`` is a fact of an alias table, that ``ngc_2632`` is
``NGC 2632`` is a matter of spelling.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from importlib import resources

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ο": "omicron", "π": "pi",
    "ρ": "rho", "σ": "sigma", "ς": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi",
    "ω": "omega",
}  # fmt: skip
_MINUS = dict.fromkeys("‐‑‒–—―−﹣－", "-")
_TRANSLATE = str.maketrans(_GREEK | _MINUS | {"＋": "+", "_": " ", "\N{NO-BREAK SPACE}": " "})
# What SIMBAD and Sesame put before a name: the object class, or the paper that numbered the objects.
_CLASS = re.compile(r"^(?:name|cl\*?|ass|open cluster)\s+(?=[a-z\[])")
_TRAILING = re.compile(r"(?<=\w) (?:(?:open|star) )?cluster$")
_PAPER = re.compile(r"^\[([a-z]+\d{4}[a-z]?)\]\s*(?:cl\s+)?")
_NUMBERED = re.compile(r"^([a-z][a-z .'/-]*?)[\s.-]*0*(\d+)\s*([a-z]?)$")
_NUMBERED_COMPACT = re.compile(r"^([a-z]+)(\d.*)$")
_DROP = re.compile(r"[\s\-._'’`\"()/]")


@cache
def _spellings() -> tuple[dict[str, str], dict[str, str]]:
    text = (resources.files(__package__) / "data" / "prefixes.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return dict(data["abbreviations"]), dict(data["papers"])


def abbreviations() -> dict[str, str]:
    """Customary abbreviations of catalogue names, in canonical letters: ``mel`` for ``melotte``."""
    return dict(_spellings()[0])


def canonical(name: str, *, keep_zeros: bool = False) -> str:
    """The canonical form of a cluster name.

    Parameters
    ----------
    name : str
        A name as somebody writes it. A pair joined by a comma is two names: see `split_names`.
    keep_zeros : bool
        Keep the leading zeros of the number: tells ``LP 05`` from ``LP 5`` where both exist.

    Returns
    -------
    str
        Lower-case letters and digits; ``+`` is written ``p``. Case, blanks, underscores, hyphens, dots, apostrophes,
        accents, SIMBAD's ``Cl `` and ``NAME ``, leading zeros of the number and the customary abbreviations of
        catalogue names (``Mel``, ``Cr``, ``BH``) make no difference; Greek letters are spelled out.
        Empty if the name holds neither a letter nor a digit.

    Examples
    --------
    >>> canonical("Cl Melotte 088"), canonical("Mel_88"), canonical("vdBergh-Hagen 99"), canonical("BH 99")
    ('melotte88', 'melotte88', 'vdbh99', 'vdbh99')
    >>> canonical("Skiff J0507+30.8")
    'skiffj0507p308'
    """
    text = name.lower().replace("_", " ") if name.isascii() else _plain(name)
    text = " ".join(text.strip(" '\"").split())
    abbreviations, papers = _spellings()
    text = _TRAILING.sub("", _CLASS.sub("", text))
    if found := _PAPER.match(text):
        text = f"{papers.get(found[1], found[1])} {text[found.end() :]}".strip()
    # Leading zeros go only where the number ends the name: in ESO 065-02 or J0507+30.8 they are part of it.
    if not keep_zeros and (found := _NUMBERED.match(text)):
        text = f"{found[1]} {found[2]}{found[3]}"
    compact = _DROP.sub("", text).replace("+", "p")
    compact = "".join(c for c in compact if c.isalnum())
    if (found := _NUMBERED_COMPACT.match(compact)) and found[1] in abbreviations:
        compact = abbreviations[found[1]] + found[2]
    return compact


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKD", name.translate(_TRANSLATE)).lower().translate(_TRANSLATE)
    return "".join(c for c in text if not unicodedata.combining(c))


def split_names(name: str) -> list[str]:
    """The names a cell holds: catalogues join two names of one cluster by a comma (``VDB_85, vdBergh_85``)."""
    return [part.strip() for part in re.split(r"[,;]", name) if part.strip()]
