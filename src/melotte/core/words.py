"""Words that follow a number."""

from __future__ import annotations

#: Verbs of the messages, plural to singular.
_SINGULAR = {"are": "is", "have": "has", "were": "was", "do": "does", "use": "uses", "pass": "passes", "lie": "lies"}

#: Nouns without the regular plural.
_PLURAL = {"spectrum": "spectra"}


def plural(n: int, noun: str, verb: str = "") -> str:
    """``1 star``, ``2 stars``; with a verb in the plural: ``1 star is``, ``2 stars are``.

    Parameters
    ----------
    n : int
        The number.
    noun : str
        In the singular.
    verb : str
        In the plural; one of those known here.
    """
    words = f"{n:,} {noun}" if n == 1 else f"{n:,} {_PLURAL.get(noun, noun + 's')}"
    if not verb:
        return words
    return f"{words} {_SINGULAR[verb] if n == 1 else verb}"
