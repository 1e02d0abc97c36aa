"""The zero point of the survey's velocities against a reference survey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from ...config import ZeroPointConfig
from ...schema import MEMBER_STARS, SPECTRA, STARS
from ...schema.gaia import RELEASES, gaia_release
from ...stars import weighted_means

#: Standard error of a median over that of a mean, for a Gaussian: sqrt(pi / 2).
_MEDIAN_FACTOR = float(np.sqrt(np.pi / 2))
#: Standard deviation over median absolute deviation, for a Gaussian.
_MAD_TO_SD = 1.4826022185056018


@dataclass(frozen=True)
class ZeroPoint:
    """The distribution of RV_reference - RV_survey over flag-1 stars.

    Attributes
    ----------
    n : int
        Number of stars in common.
    median, mean, sd : float or None
        Of the differences, km/s; ``sd`` with n - 1. None below the minimum number of stars.
    median_error : float or None
        sqrt(pi / 2) * s / sqrt(n) with s = 1.4826 * MAD, the asymptotic standard error of the median of a Gaussian
        core of that width, km/s: outliers (binaries) do not enter, and nothing is drawn at random.
    pairs : polars.DataFrame
        source_id, spectrum_id, gaia_release (of the ids compared), rv, rv_reference, difference (km/s).
    notes : tuple of str
        Why there is no zero point, if there is none.
    """

    n: int
    median: float | None
    mean: float | None
    sd: float | None
    median_error: float | None
    pairs: pl.DataFrame
    notes: tuple[str, ...] = ()

    def numbers(self) -> dict[str, float] | None:
        """``n``, ``median``, ``error`` (of the median), ``mean`` and ``sd``; None if there is no zero point."""
        if self.median is None or self.median_error is None or self.mean is None or self.sd is None:
            return None
        return {
            "n": self.n,
            "median": self.median,
            "error": self.median_error,
            "mean": self.mean,
            "sd": self.sd,
        }


def zero_point(members: pl.DataFrame, reference: pl.DataFrame, *, settings: ZeroPointConfig) -> ZeroPoint:
    """Compare the survey's velocities with a reference survey's, star by star.

    Parameters
    ----------
    members : polars.DataFrame
        MEMBER_STARS; its stars of flag 1 or 12 are used, each once.
    reference : polars.DataFrame
        A STARS or SPECTRA table; spectra of one source are averaged (inverse variance). Stars meet by the source_id
        of the newest Gaia release where both tables have one, then the next: ids of different releases are never
        compared.
    settings : ZeroPointConfig
        Minimum number of stars.

    Returns
    -------
    ZeroPoint

    Raises
    ------
    SchemaError
        If a table is not of its schema.
    """
    MEMBER_STARS.validate(members, where="members")
    is_stars = "gaia_release" in reference.columns
    (STARS if is_stars else SPECTRA).validate(reference, where="zero-point reference")
    used = members.filter(pl.col("flag") >= 1).unique("source_id", keep="first", maintain_order=True)
    reference = reference.filter(pl.col("rv").is_not_null())
    found: list[pl.DataFrame] = []
    for release in (r.name for r in reversed(RELEASES)):
        left = used.with_columns(_id_in(release).alias("join_id"))
        right = _reference_means(
            reference.with_columns(
                (_id_in(release) if is_stars else pl.col(gaia_release(release).id_column)).alias("join_id")
            ).filter(pl.col("join_id").is_not_null())
        )
        pairs = left.join(right, on="join_id", how="inner").select(
            "source_id",
            "spectrum_id",
            pl.lit(release).alias("gaia_release"),
            "rv",
            "rv_reference",
            (pl.col("rv_reference") - pl.col("rv")).alias("difference"),
        )
        found.append(pairs)
        used = used.join(pairs, on="source_id", how="anti")
    # A spectrum that several sources share is one measurement.
    pairs = pl.concat(found).sort("source_id").unique("spectrum_id", keep="first", maintain_order=True)
    n = pairs.height
    if n < settings.minimum_stars:
        note = f"no zero point: {n} stars in common with the reference, {settings.minimum_stars} needed"
        return ZeroPoint(n, None, None, None, None, pairs, (note,))
    difference = pairs["difference"].to_numpy()
    median = float(np.median(difference))
    spread = _MAD_TO_SD * float(np.median(np.abs(difference - median)))
    return ZeroPoint(
        n=n,
        median=median,
        mean=float(np.mean(difference)),
        sd=float(np.std(difference, ddof=1)),
        median_error=_MEDIAN_FACTOR * spread / float(np.sqrt(n)),
        pairs=pairs,
    )


def _id_in(release: str) -> pl.Expr:
    """The star's source_id in a Gaia release: its own, or the one the survey gives; null if neither."""
    given = pl.col(gaia_release(release).id_column)
    return pl.when(pl.col("gaia_release") == release).then("source_id").otherwise(given)


def _reference_means(spectra: pl.DataFrame) -> pl.DataFrame:
    """One velocity per ``join_id``."""
    spectra = spectra.sort(
        "join_id", "snr", "spectrum_id", descending=[False, True, False], nulls_last=True, maintain_order=True
    )
    starts = np.flatnonzero(spectra["join_id"].is_first_distinct().to_numpy())
    means = weighted_means(spectra["rv"], spectra["rv_error"], starts)
    return pl.DataFrame({"join_id": spectra["join_id"][starts], "rv_reference": means.mean})
