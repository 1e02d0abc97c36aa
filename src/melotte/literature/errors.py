"""What can go wrong with a name."""

from __future__ import annotations

from ..errors import MelotteError


class NameResolutionError(MelotteError):
    """A name that no object, or more than one, answers to.

    Attributes
    ----------
    near : tuple of str
        Names that are spelled alike, nearest first; for an ambiguous name the objects that claim it.
    """

    def __init__(self, found: str, *, near: tuple[str, ...] = (), **more: str | None) -> None:
        self.near = near
        if near and not more.get("hint"):
            more["hint"] = f"did you mean {' or '.join(near)}?"
        super().__init__(found, **more)


class NameServiceError(MelotteError):
    """The online name service could not be asked, or answered what cannot be used."""
