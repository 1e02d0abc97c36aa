"""Numbers and the words that follow them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import melotte
from melotte.core.words import plural


@pytest.mark.parametrize(
    ("n", "verb", "text"),
    [
        (0, "", "0 stars"),
        (1, "", "1 star"),
        (2, "", "2 stars"),
        (1, "are", "1 star is"),
        (1200, "have", "1,200 stars have"),
    ],
)
def test_plural(n: int, verb: str, text: str) -> None:
    assert plural(n, "star", verb) == text


def test_no_message_counts_with_a_fixed_verb() -> None:
    """``{n} stars are`` reads wrong for one star: such messages go through `plural`."""
    fixed = re.compile(r"\{[^{}]+\} (?:stars|clusters|rows|spectra|values) (?:are|have|pass|lie|were)\b")
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(melotte.__file__).parent.rglob("*.py")
        if "reproduce" not in path.parts  # tables of many rows, never of one
        for line in path.read_text(encoding="utf-8").splitlines()
        if fixed.search(line)
    ]
    assert not found, found
