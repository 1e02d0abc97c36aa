"""Giants told from dwarfs: by the cluster's isochrone, or by a fixed log g."""

from __future__ import annotations

import polars as pl

from ...config import MetallicityConfig
from ...errors import MelotteError
from ...stars import has_valid_error
from ..isochrones import Isochrones

#: Warm flag-1 stars needed to choose the isochrone's metallicity by their median [Fe/H]; solar otherwise.
_STARS_FOR_MH = 3


def limits(settings: MetallicityConfig) -> tuple[float, float, float, float]:
    """Teff limits, cool-dwarf Teff (K) and fixed log g (dex)."""
    low, high = (float(t.to_value("K")) for t in settings.teff)
    return low, high, float(settings.cool_dwarf_teff.to_value("K")), float(settings.dwarf_logg.to_value("dex"))


def giant_rules(
    members: pl.DataFrame, clusters: pl.DataFrame, isochrones: Isochrones | None, settings: MetallicityConfig
) -> pl.DataFrame:
    """Per cluster the rule and, where it is the isochrone, which one."""
    _, high, cool, _ = limits(settings)
    warm = pl.col("flag").is_in([1, 2]) & has_valid_error("feh") & pl.col("teff").is_between(cool, high)
    estimate = (
        members.group_by("cluster", maintain_order=True)
        .agg(pl.col("feh").filter(warm).median().alias("mh"), warm.sum().alias("n_warm"))
        .with_columns(pl.when(pl.col("n_warm") >= _STARS_FOR_MH).then("mh").otherwise(0.0).alias("mh"))
        .join(clusters.select("cluster", "log_age"), on="cluster", how="left", maintain_order="left")
    )
    rows = []
    for cluster, mh, log_age in estimate.select("cluster", "mh", "log_age").iter_rows():
        isochrone, why = None, None
        if settings.giant_rule == "isochrone":
            if isochrones is None:
                why = "no isochrones given"
            elif log_age is None:
                why = "no age in the cluster catalogue"
            else:
                try:
                    isochrone = isochrones.nearest(log_age, mh)
                except MelotteError as error:
                    why = error.found
        rows.append(
            {
                "cluster": cluster,
                "giant_rule": "fixed" if isochrone is None else "isochrone",
                "isochrone_log_age": None if isochrone is None else isochrone.log_age,
                "isochrone_mh": None if isochrone is None else isochrone.mh,
                "why": why,
            }
        )
    schema = {
        "cluster": pl.String,
        "giant_rule": pl.String,
        "isochrone_log_age": pl.Float64,
        "isochrone_mh": pl.Float64,
        "why": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def dividing(
    members: pl.DataFrame, rules: pl.DataFrame, isochrones: Isochrones | None, settings: MetallicityConfig
) -> pl.DataFrame:
    """Set ``logg_giant`` and ``giant_rule`` of the stars cooler than the cool-dwarf limit; null for the others."""
    _, _, cool_teff, fixed_logg = limits(settings)
    members = members.drop("logg_giant", "giant_rule").with_row_index("row")
    cool = (
        members.filter(pl.col("teff") < cool_teff)
        .select("row", "cluster", "teff")
        .join(rules, on="cluster", how="left", maintain_order="left")
    )
    parts = [cool.filter(pl.col("giant_rule") == "fixed").with_columns(pl.lit(fixed_logg).alias("logg_giant"))]
    by_isochrone = cool.filter(pl.col("giant_rule") == "isochrone")
    for (age, mh), part in by_isochrone.group_by("isochrone_log_age", "isochrone_mh", maintain_order=True):
        assert isochrones is not None  # the rule is "isochrone" only with a grid
        logg = isochrones.logg_dividing(part["teff"].to_numpy(), float(age), float(mh))
        # An isochrone without a giant branch has no dividing value: such stars fall back to the fixed one, marked.
        logg_giant = pl.Series("logg_giant", logg).fill_nan(None)
        parts.append(
            part.with_columns(logg_giant).with_columns(
                pl.when(pl.col("logg_giant").is_null())
                .then(pl.lit("fixed"))
                .otherwise("giant_rule")
                .alias("giant_rule"),
                pl.col("logg_giant").fill_null(fixed_logg),
            )
        )
    found = pl.concat([part.select("row", "logg_giant", "giant_rule") for part in parts])
    return members.join(found, on="row", how="left", maintain_order="left").drop("row")
