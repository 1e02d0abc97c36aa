"""Repeat spectra -> one row per star, and the join of stars with the membership list.

Rules, the same for every survey:

- A spectrum matched to several sources counts for each of them: the fibre collects the light of all.
- A spectrum without a valid error (missing, or zero) of a quantity does not enter the mean of that quantity. If no
  spectrum of the star has a valid error, the value is that of the spectrum of highest S/N that has one, its error
  missing.
- The error of a weighted mean is multiplied by sqrt(chi2 / (n - 1)) where that is larger than 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from .config import StarsConfig
from .constants import MAS_PER_DEG
from .errors import SchemaError
from .result import Result, Step
from .schema import MATCHES, MEMBERS, SPECTRA, STARS

#: Quantities that are averaged; each has a ``_error`` column.
QUANTITIES = ("rv", "teff", "logg", "feh")

#: Taken as a set from the spectrum of highest S/N.
_FROM_BEST = (
    "spectrum_id",
    "ra",
    "dec",
    "ref_epoch",
    "pmra",
    "pmdec",
    "separation",
    "n_in_radius",
    "flux_fraction",
    "method",
    "snr",
)
#: Properties of the star: the first spectrum, in order of S/N, that has a value.
_FIRST_KNOWN = ("source_id_dr2", "source_id_dr3", "parallax", "phot_g_mean_mag", "bp_rp")

_ARCSEC_PER_DEG = 3600.0


def has_valid_error(quantity: str) -> pl.Expr:
    """Whether a row has a value of ``quantity`` and a positive error of it."""
    return pl.col(quantity).is_not_null() & (pl.col(f"{quantity}_error") > 0).fill_null(False)


def weighted_mean(quantity: str) -> list[pl.Expr]:
    """Aggregations of the inverse-variance mean of one quantity within a group.

    Parameters
    ----------
    quantity : str
        A column with a ``_error`` partner, in the same unit. Within a group, rows are ordered by falling S/N.

    Returns
    -------
    list of polars.Expr
        The mean, its error (inflated by the reduced chi, see the module) and the columns ``<quantity>_chi2`` and
        ``<quantity>_n_valid``.
    """
    valid = has_valid_error(quantity)
    value = pl.col(quantity).filter(valid)
    weight = pl.col(f"{quantity}_error").filter(valid) ** -2
    n = valid.sum()
    # Deviations from one of the values keep the mean of equal values exactly equal to them.
    origin = value.first()
    mean = origin + ((value - origin) * weight).sum() / weight.sum()
    chi2 = ((value - mean) ** 2 * weight).sum()
    inflation = pl.when(n > 1).then((chi2 / (n - 1)).sqrt().clip(lower_bound=1.0)).otherwise(1.0)
    return [
        pl.when(n > 0).then(mean).otherwise(pl.col(quantity).drop_nulls().first()).alias(quantity),
        pl.when(n > 0).then(weight.sum() ** -0.5 * inflation).alias(f"{quantity}_error"),
        pl.when(n > 1).then(chi2).alias(f"{quantity}_chi2"),
        n.alias(f"{quantity}_n_valid"),
    ]


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
    _one_release(matches["gaia_release"], "matches")
    pairs = _pairs(spectra, matches)
    _check_positions(pairs, radius_arcsec)
    stars = _aggregate(pairs, settings)
    n_repeats = pairs.height - stars.height
    several = matches["spectrum_id"].is_duplicated()
    n_blended = matches["spectrum_id"].filter(several).n_unique()
    notes = []
    if n_blended:
        notes.append(f"{n_blended:,} spectra have more than one source in the radius; each source gets the spectrum")
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


def assign(stars: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The stars of each cluster.

    Parameters
    ----------
    stars : polars.DataFrame
        A STARS table.
    members : polars.DataFrame
        A MEMBERS table of the same Gaia release.

    Returns
    -------
    polars.DataFrame
        One row per (cluster, source_id), sorted so: the STARS columns, then cluster, probability and n_clusters.
        Coordinates, epoch and proper motion are those of the membership list (Gaia's); parallax, G and BP-RP are
        the list's where it has them, else the survey's.

    Raises
    ------
    SchemaError
        If the two tables are of different Gaia releases.
    """
    STARS.validate(stars, where="stars")
    MEMBERS.validate(members, where="members")
    ours, theirs = _one_release(stars["gaia_release"], "stars"), _one_release(members["gaia_release"], "members")
    if ours and theirs and ours != theirs:
        raise SchemaError(
            f"the stars have Gaia {ours} ids, the members Gaia {theirs} ids",
            where="source_id",
            expected="ids of one release; the same number can mean another star in another release",
            hint="match the survey by position, or choose a membership list of the survey's release",
        )
    as_set = ("ra", "dec", "ref_epoch", "pmra", "pmdec")
    if_known = ("parallax", "phot_g_mean_mag", "bp_rp")
    listed = members.select(
        "source_id", "cluster", "probability", "n_clusters", pl.col(*as_set, *if_known).name.suffix("_list")
    )
    return (
        stars.join(listed, on="source_id", how="inner")
        .with_columns(
            *(pl.col(f"{name}_list").alias(name) for name in as_set),
            *(pl.coalesce(f"{name}_list", name).alias(name) for name in if_known),
        )
        .select(*STARS.names, "cluster", "probability", "n_clusters")
        .sort("cluster", "source_id")
    )


def _one_release(releases: pl.Series, where: str) -> str | None:
    found = releases.unique().sort().to_list()
    if len(found) > 1:
        raise SchemaError(
            f"source identifiers of several Gaia releases in one table: {', '.join(found)}",
            where=where,
            expected="one release",
            hint="match each release separately",
        )
    return found[0] if found else None


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
    from scipy.stats import chi2 as chi2_distribution

    values: Iterable[pl.Expr]
    if settings.combine == "mean":
        values = [
            *(expression for quantity in QUANTITIES for expression in weighted_mean(quantity)),
            pl.when(pl.col("n_visits").is_not_null().any()).then(pl.col("n_visits").sum()).alias("n_visits"),
            pl.col("error_note").drop_nulls().unique(maintain_order=True).str.join("; ").alias("error_note"),
        ]
    else:
        best = [name for q in QUANTITIES for name in (q, f"{q}_error")] + ["n_visits", "error_note"]
        rv_mean = {e.meta.output_name(): e for e in weighted_mean("rv")}
        values = [*(pl.col(name).first() for name in best), rv_mean["rv_chi2"], rv_mean["rv_n_valid"]]
    stars = pairs.group_by("source_id", maintain_order=True).agg(
        pl.col("gaia_release").first(),
        pl.len().alias("n_spectra"),
        *(pl.col(name).first() for name in _FROM_BEST),
        *(pl.col(name).drop_nulls().first() for name in _FIRST_KNOWN),
        *values,
    )
    freedom = stars["rv_n_valid"].cast(pl.Float64).to_numpy() - 1
    chi2 = stars["rv_chi2"].to_numpy()  # NaN where missing
    with np.errstate(invalid="ignore"):
        probability = chi2_distribution.sf(chi2, np.where(freedom > 0, freedom, np.nan))
    return stars.with_columns(
        pl.Series("rv_chi2_probability", probability).fill_nan(None),
        pl.when(pl.col("error_note") != "").then(pl.col("error_note")).alias("error_note"),
    )
