"""How a step reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (what is done, done, total).
Progress = Callable[[str, int, int | None], None]
