"""What every product says about itself besides its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import polars as pl


def identifier(key: str) -> str:
    """A bibcode with its scheme (``bibcode:2022A&A...668A...4F``); anything else as it is."""
    return f"bibcode:{key}" if re.fullmatch(r"[0-9]{4}[A-Za-z0-9.&]{15}", key) else key


@dataclass(frozen=True)
class About:
    """Origin of a product.

    Attributes
    ----------
    citations : sequence of (str, str)
        Bibcode (or another key) and full text of every catalogue that went in.
    epoch : float or None
        Julian epoch of all coordinates of the table; taken from its ``ref_epoch`` column where there is one.
    simulated : bool
        Whether the table was made from simulated data.
    origin : sequence of (str, str)
        More of the Data Origin: ``creator``, ``rights_uri``, ``is_derived_from``...
    """

    citations: Sequence[tuple[str, str]] = ()
    epoch: float | None = None
    simulated: bool = False
    origin: Sequence[tuple[str, str]] = ()

    def infos(self) -> list[tuple[str, str, str]]:
        """Name, value and explanation; the names are those of the IVOA note "Data Origin in the VO" where it has one.

        No date of writing is given: the same run gives the same file.
        """
        infos = [("server_software", f"melotte {version('melotte')}", "")]
        infos.extend((name, value, "") for name, value in self.origin)
        if self.simulated:
            infos.append(("simulated", "true", "these are not observations"))
        infos.extend(("cites", identifier(key), text) for key, text in self.citations)
        return infos

    def lines(self) -> list[str]:
        """The same as lines of text."""
        return [f"{name}: {value}" + (f" ({text})" if text else "") for name, value, text in self.infos()]

    def epoch_of(self, frame: pl.DataFrame) -> float | None:
        """The one epoch of the coordinates of ``frame``, None if there are several or none is known."""
        if "ref_epoch" in frame.columns:
            epochs = frame["ref_epoch"].unique()
            if len(epochs) == 1 and epochs[0] is not None:
                return float(epochs[0])
            if epochs.null_count() != len(epochs):
                return None
        return self.epoch
