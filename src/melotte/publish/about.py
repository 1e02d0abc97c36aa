"""What every product says about itself besides its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import polars as pl


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
    """

    citations: Sequence[tuple[str, str]] = ()
    epoch: float | None = None
    simulated: bool = False

    def infos(self) -> list[tuple[str, str]]:
        """Name and value pairs; the names are those of the IVOA note "Data Origin in the VO" where it has one.

        No date is given: the same run gives the same file.
        """
        infos = [("server_software", f"melotte {version('melotte')}")]
        if self.simulated:
            infos.append(("simulated", "true: these are not observations"))
        infos.extend(("cites", key) for key, _ in self.citations)
        infos.extend(("citation", f"{key}: {text}") for key, text in self.citations)
        return infos

    def epoch_of(self, frame: pl.DataFrame) -> float | None:
        """The one epoch of the coordinates of ``frame``, None if there are several or none is known."""
        if "ref_epoch" in frame.columns:
            epochs = frame["ref_epoch"].unique()
            if len(epochs) == 1 and epochs[0] is not None:
                return float(epochs[0])
            if epochs.null_count() != len(epochs):
                return None
        return self.epoch
