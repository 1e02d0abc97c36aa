"""Repeat spectra -> one row per star."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..config import StarsConfig
from ..core.constants import MAS_PER_DEG
from ..core.words import plural
from ..errors import SchemaError
from ..schema import MATCHES, SPECTRA, STARS
from ..schema.gaia import ID_COLUMNS
from ..schema.result import Result, Step
from .averages import FloatArray, first_known, weighted_means
from .clusters import one_release

#: Quantities that are averaged; each has a ``_error`` column.
QUANTITIES = ("rv", "teff", "logg", "feh")

#: Properties of the star, from the first spectrum in order of S/N that has a value; all else not averaged is that of
#: the spectrum of highest S/N.
_FIRST_KNOWN = (*ID_COLUMNS, "parallax", "phot_g_mean_mag", "bp_rp")

_ARCSEC_PER_DEG = 3600.0


def combine(
    spectra: pl.DataFrame, matches: pl.DataFrame, *, settings: StarsConfig, radius_arcsec: float = 3.5
) -> Result:
    """One row per star: its repeat spectra combined.

    Parameters
    ----------
    spectra : polars.DataFrame
        A SPECTRA table; spectra without a match do not count.
    matches : polars.DataFrame
        A MATCHES table, of one Gaia release.
    settings : StarsConfig
        ``mean``: inverse-variance means of rv, teff, logg, feh; ``best``: the values of the spectrum of highest S/N.
        Everything else (coordinates, separation, snr) is that spectrum's in both cases; ``n_visits`` is summed and
        ``error_note`` joined where means are taken.
    radius_arcsec : float
        Spectra that share a Gaia id by the survey's own identification must lie within this distance of each other
        (plus what proper motion does between their epochs).

    Returns
    -------
    Result
        STARS, sorted by ``source_id``. ``rv_chi2`` and its probability (of a larger value for a constant velocity,
        n - 1 degrees of freedom) concern the spectra with a valid RV error, two or more.

    Raises
    ------
    SchemaError
        If spectra of one source lie apart, a matched spectrum occurs twice or not at all, or the Gaia releases are
        mixed.
    """
    SPECTRA.validate(spectra, where="spectra")
    MATCHES.validate(matches, where="matches")
    one_release(matches["gaia_release"], "matches")
    pairs = _pairs(spectra, matches)
    _check_positions(pairs, radius_arcsec)
    stars = _aggregate(pairs, settings)
    n_repeats = pairs.height - stars.height
    several = matches["spectrum_id"].is_duplicated()
    n_blended = matches["spectrum_id"].filter(several).n_unique()
    notes = []
    if n_blended:
        notes.append(
            f"{plural(n_blended, 'spectrum', 'have')} more than one source in the radius; each gets the spectrum"
        )
    return Result(
        frame=STARS.conform(stars, where="stars"),
        schema=STARS,
        settings=settings,
        steps=(
            Step(
                "stars",
                "pairs of a spectrum and a source",
                pairs.height,
                {"repeat spectra, combined with another of the same star": n_repeats},
            ),
        ),
        notes=tuple(notes),
        facts={"n_stars": stars.height, "n_repeats": n_repeats, "n_blended_spectra": n_blended},
    )


def _pairs(spectra: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    matched = spectra.join(matches.select("spectrum_id").unique(), on="spectrum_id", how="semi")
    twice = matched["spectrum_id"].is_duplicated()
    if twice.any():
        raise SchemaError(
            f"spectrum {matched['spectrum_id'].filter(twice)[0]!r} occurs more than once",
            where="spectra, column spectrum_id",
            expected="one row per spectrum",
            hint="choose a column that identifies the spectrum",
        )
    pairs = matches.join(matched, on="spectrum_id", how="inner")
    if pairs.height < matches.height:
        lost = matches.join(matched, on="spectrum_id", how="anti")["spectrum_id"]
        raise SchemaError(
            f"{len(lost):,} matches name a spectrum that is not in the table, the first {lost[0]!r}",
            where="matches, column spectrum_id",
            expected="matches made from these spectra",
        )
    return pairs.sort(
        "source_id", "snr", "spectrum_id", descending=[False, True, False], nulls_last=True, maintain_order=True
    )


def _check_positions(pairs: pl.DataFrame, radius_arcsec: float) -> None:
    """Refuse spectra that the survey gives the same id at different places.

    Pairs found by position are within the radius of their source by construction.
    """
    repeated = pairs.filter((pl.col("method") != "position") & (pl.len().over("source_id") > 1))
    if repeated.is_empty():
        return
    repeated = repeated.with_columns(
        *(pl.col(c).first().over("source_id").alias(f"{c}_0") for c in ("ra", "dec", "ref_epoch")),
        pl.col("spectrum_id").first().over("source_id").alias("spectrum_id_0"),
    )
    apart = separation_arcsec(*(repeated[c].to_numpy() for c in ("ra", "dec", "ra_0", "dec_0")))
    moved = repeated.select(
        (
            (pl.col("pmra") ** 2 + pl.col("pmdec") ** 2).sqrt()
            * (pl.col("ref_epoch") - pl.col("ref_epoch_0")).abs()
            * (_ARCSEC_PER_DEG / MAS_PER_DEG)
        ).fill_null(0.0)
    ).to_series()
    wrong = np.flatnonzero(apart > radius_arcsec + moved.to_numpy())
    if wrong.size:
        row = repeated.row(int(wrong[0]), named=True)
        raise SchemaError(
            f"source_id {row['source_id']} stands for different places: spectra {row['spectrum_id_0']!r} and "
            f"{row['spectrum_id']!r} are {apart[wrong[0]]:.1f} arcsec apart ({wrong.size:,} such spectra in all)",
            where="spectra, column source_id",
            expected=f"spectra of one source within {radius_arcsec:g} arcsec",
            hint='the identifiers are wrong, or were read as floating-point numbers; match with method = "position"',
        )


def separation_arcsec(ra_deg: np.ndarray, dec_deg: np.ndarray, ra2_deg: np.ndarray, dec2_deg: np.ndarray) -> np.ndarray:
    """Great-circle separation in arcsec (haversine formula: exact for small angles, wraps in right ascension)."""
    ra1, dec1, ra2, dec2 = (np.deg2rad(x) for x in (ra_deg, dec_deg, ra2_deg, dec2_deg))
    h = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    return np.asarray(np.rad2deg(2 * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0)))) * _ARCSEC_PER_DEG)


def _aggregate(pairs: pl.DataFrame, settings: StarsConfig) -> pl.DataFrame:
    """One row per source of the sorted pairs; the first row of a source is its spectrum of highest S/N."""
    from scipy.stats import chi2 as chi2_distribution

    ids = pairs["source_id"].to_numpy()
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else np.empty(0, dtype=np.int64)
    n_spectra = np.diff(np.append(starts, len(ids)))
    stars = pairs[starts].with_columns(
        pl.Series("n_spectra", n_spectra, dtype=pl.Int32),
        *(_gather(pairs[name], first_known(pairs[name], starts)) for name in _FIRST_KNOWN),
    )
    means = {q: weighted_means(pairs[q], pairs[f"{q}_error"], starts) for q in QUANTITIES}
    if settings.combine == "mean":
        visits = pairs["n_visits"].fill_null(0).to_numpy()
        summed = np.add.reduceat(visits, starts) if len(starts) else visits
        stars = stars.with_columns(
            *(_from_numpy(q, found.mean) for q, found in means.items()),
            *(_from_numpy(f"{q}_error", found.error) for q, found in means.items()),
            pl.when(pl.Series(summed) > 0).then(pl.Series(summed)).alias("n_visits"),
        )
        notes = (
            pairs.filter(pl.col("error_note").is_not_null() & (pl.len().over("source_id") > 1))
            .group_by("source_id")
            .agg(pl.col("error_note").unique(maintain_order=True).str.join("; ").alias("all_notes"))
        )
        stars = stars.join(notes, on="source_id", how="left", maintain_order="left").with_columns(
            pl.coalesce("all_notes", "error_note").alias("error_note")
        )
    rv = means["rv"]
    with np.errstate(invalid="ignore"):
        probability = chi2_distribution.sf(rv.chi2, np.where(rv.n_valid > 1, rv.n_valid - 1, np.nan))
    return stars.with_columns(_from_numpy("rv_chi2", rv.chi2), _from_numpy("rv_chi2_probability", probability))


def _from_numpy(name: str, values: FloatArray) -> pl.Series:
    return pl.Series(name, values, dtype=pl.Float64).fill_nan(None)


def _gather(values: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
    """The values of these rows; null for a negative row."""
    index = pl.Series(rows)
    return values.gather(index.set(index < 0, None))
