"""The published catalogue of Fu et al. 2022 in the columns of the stages, read from the local mirror."""

from __future__ import annotations

from pathlib import Path

import polars as pl

_NUMBERS = {
    "ra": "RA_ICRS",
    "dec": "DE_ICRS",
    "distance": "DistPc",
    "pmra": "pmRA*",
    "pmdec": "pmDE",
    "log_age": "AgeNN",
    "rv_med": "RVmed",
    "rv_med_error": "e_RVmed",
    "feh_med": "[Fe/H]med",
    "feh_med_error": "e_[Fe/H]med",
    "feh_scatter": "s_[Fe/H]",
}


def fu2022_clusters(data_dir: Path) -> pl.DataFrame:
    """The published velocities and [Fe/H] with the places, motions and ages of Cantat-Gaudin et al. 2020."""
    published, parameters = (pl.read_csv(data_dir / "clusters" / f"{name}.csv") for name in ("fu2022", "cantat2020"))
    return published.join(parameters, on="Cluster", how="left", maintain_order="left").select(
        pl.col("Cluster").alias("cluster"),
        *(pl.col(old).cast(pl.Float64, strict=False).alias(new) for new, old in _NUMBERS.items()),
        pl.col("Nflag1").cast(pl.Int32).alias("n_rv"),
        pl.col("Nflag12").cast(pl.Int32).alias("n_feh"),
    )
