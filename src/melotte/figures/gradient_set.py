"""The figures of a run's metallicity distribution: which are drawn, under which name, with which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl
from matplotlib.figure import Figure

from ..gradients import Fit, GradientsResult, Model
from .corner import corner
from .gradients import group_label, look_back, metallicity_distribution, residuals

Drawing = tuple[Callable[[], Figure], str]
_MODELS: Final = {
    "line": "straight lines",
    "parabola": "parabolas",
    "broken": "broken lines",
    "plateau": "lines with a flat tail",
}
_AXES: Final = {"radius": "Galactocentric radius at look-back times", "motion": "angular momentum and energy"}


def gradient_drawings(result: GradientsResult) -> Mapping[str, Drawing]:
    """The figures of a result, drawn when asked for.

    Parameters
    ----------
    result : GradientsResult
        With its fits.

    Returns
    -------
    mapping
        File stem -> (function that draws, caption): ``metallicity_radius`` (Fig. 8: R_GC at each look-back time),
        ``metallicity_motion`` (Fig. 10: L_Z and energy), ``metallicity_NAME`` for any other predictor, all with the
        model ``drawn_model`` of the settings; ``residuals_NAME`` of the predictors of today; ``corner_GROUP``, for
        each group the model that predicts best against the first predictor.
    """
    if not result.fits:
        return {}
    shape = _drawn(result)
    fits = [f for f in result.fits if f.model.shape == shape]
    names = list(dict.fromkeys(f.predictor.name for f in fits))
    panels = {
        "radius": [n for n in names if look_back(fits[[f.predictor.name for f in fits].index(n)].predictor)],
        "motion": [n for n in names if n in {"l_z", "energy"}],
    }
    rest = [n for n in names if n not in {*panels["radius"], *panels["motion"]}]
    panels |= {n: [n] for n in rest}
    curve = _MODELS[shape]
    refused = {r.group: r.clusters for r in result.refusals if r.model.shape == shape}
    missing = ", ".join(group_label(group, clusters) for group, clusters in refused.items())
    absent = f" Not fitted, too few clusters: {missing}." if missing else ""
    drawings: dict[str, Drawing] = {}
    for stem, chosen in panels.items():
        if chosen:
            what = _AXES.get(stem, stem.replace("_", " "))
            caption = f"[Fe/H] against {what}, by age: {curve}; bands: 16th to 84th percentile.{absent}"
            drawings[f"metallicity_{stem}"] = (_distribution(fits, chosen), caption)
    for name in [*panels["radius"][:1], *panels["motion"], *rest]:
        drawings[f"residuals_{name}"] = (
            _residuals([f for f in fits if f.predictor.name == name]),
            f"What {curve} leave over against {name.replace('_', ' ')}, in standard deviations.",
        )
    first = result.fits[0].predictor.name
    best = result.comparison.filter((pl.col("predictor") == first) & (pl.col("delta_loo") == 0.0))
    for group, model in best.select("group", "model").iter_rows():
        fit = next(f for f in result.fits if (f.group, f.predictor.name, f.model.name) == (group, first, model))
        stem = f"corner_{str(group).replace('<', 'below_').replace('>', 'above_')}"
        label = group_label(fit.group, len(fit.sample))
        drawings[stem] = (_corner(fit), f"Posterior of the model that predicts best, {model}: {label}.")
    return drawings


def _drawn(result: GradientsResult) -> str:
    """The model of the settings; where it was not fitted, the one that predicts best most often."""
    shapes = {f.model.shape for f in result.fits}
    wanted = str(result.settings.drawn_model)
    if wanted in shapes:
        return wanted
    best = result.comparison.filter(pl.col("delta_loo") == 0.0)["model"].value_counts(sort=True)
    return Model.named(best["model"][0]).shape


def _distribution(fits: list[Fit], names: list[str]) -> Callable[[], Figure]:
    return lambda: metallicity_distribution(fits, predictors=names)


def _residuals(fits: list[Fit]) -> Callable[[], Figure]:
    return lambda: residuals(fits)


def _corner(fit: Fit) -> Callable[[], Figure]:
    return lambda: corner(fit)
