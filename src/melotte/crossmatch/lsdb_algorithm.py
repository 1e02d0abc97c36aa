"""The local engine as a crossmatch algorithm of LSDB. Imported only where LSDB is."""

from __future__ import annotations

from typing import Any

import lsdb.core.crossmatch.abstract_crossmatch_algorithm as _lsdb
import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import polars as pl
import pyarrow as pa

from ..errors import CrossmatchError
from .index import SkyIndex, Sources, in_order, release_epoch

_TYPES = {
    "separation": pa.float64(),
    "position_angle": pa.float64(),
    "n_in_radius": pa.int32(),
    "flux_fraction": pa.float64(),
    "propagated": pa.bool_(),
}


class EpochCrossmatch(_lsdb.AbstractCrossmatchAlgorithm):  # type: ignore[misc,unused-ignore]
    """All sources within a radius at each spectrum's own epoch; every pair, not the nearest so many.

    Parameters
    ----------
    radius_arcsec : float
        Search radius.
    gaia_release : str
        Release of the sources; gives the epoch of rows without ``ref_epoch``.
    """

    extra_columns = pd.DataFrame({name: pd.Series(dtype=pd.ArrowDtype(kind)) for name, kind in _TYPES.items()})

    def __init__(self, radius_arcsec: float, gaia_release: str) -> None:
        super().__init__()
        self.radius_arcsec = float(radius_arcsec)
        self.gaia_release = gaia_release

    def validate(self, left: Any, right: Any) -> None:
        """Check before any partition is read."""
        super().validate(left, right)
        release_epoch(self.gaia_release)
        if right.margin is None or right.margin.hc_structure.catalog_info.margin_threshold < self.radius_arcsec:
            raise CrossmatchError(
                f"the margin of the source catalogue is narrower than the radius of {self.radius_arcsec:g} arcsec"
            )

    def perform_crossmatch(self, crossmatch_args: Any) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
        """Pairs of one partition of the spectra and one of the sources with its margin."""
        left, right = crossmatch_args.left_df, crossmatch_args.right_df
        index = SkyIndex(
            _floats(left, "ra"), _floats(left, "dec"), _floats(left, "ref_epoch"), radius_arcsec=self.radius_arcsec
        )
        frame = pl.DataFrame({n: _floats(right, n) for n in right.columns if n != "source_id"}).with_columns(
            pl.Series("source_id", right["source_id"].to_numpy(dtype=np.int64))
        )
        pairs = index.find(Sources.from_frame(frame, gaia_release=self.gaia_release))
        ordered = in_order(pairs, pl.Series(left["spectrum_id"].astype(str).tolist(), dtype=pl.String))
        ids = frame["source_id"].to_numpy()
        by_id = np.argsort(ids, kind="stable")
        found = pairs.source_id[ordered.order]
        right_rows = by_id[np.searchsorted(ids[by_id], found)]
        separation = pairs.separation[ordered.order]
        angle = np.where(separation > 0.0, pairs.angle[ordered.order], np.nan)
        extra = {
            "separation": pa.array(separation),
            "position_angle": pa.array(angle, from_pandas=True),
            "n_in_radius": pa.array(ordered.number),
            "flux_fraction": pa.array(ordered.fraction, from_pandas=True),
            "propagated": pa.array(pairs.moved[ordered.order]),
        }
        columns = {n: pd.Series(v, dtype=pd.ArrowDtype(_TYPES[n])) for n, v in extra.items()}
        return pairs.spectrum[ordered.order].astype(np.int64), right_rows, pd.DataFrame(columns)


def _floats(frame: Any, name: str) -> np.ndarray:
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return np.ascontiguousarray(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
