"""The figures of the paper from the data at hand; a caption says what is not the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from .. import figures
from ..catalogue.catalogue import Catalogue
from ..errors import MelotteError
from ..figures.gradients import metallicity_distribution
from ..figures.look import DOUBLE, new_figure, style
from ..figures.structure import flare, integrals_of_motion
from ..figures.structure_local import near_clouds
from ..figures.structure_local import wave as wave_figure
from .disc import Disc
from .inputs import Inputs
from .literature import HRS, Review
from .metallicity import LOOKBACK, Distribution
from .orbits import Chains

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Cool dwarfs are the point of Fig. 4, two clusters of different age that of Fig. 5.
_FIG2, _FIG4, _FIG5 = "NGC_2548", "NGC_2632", ("Melotte_22", "NGC_2682")


@dataclass(frozen=True)
class Drawing:
    """One figure of the paper.

    Attributes
    ----------
    draw : callable
        Gives the figure.
    caption : str
        What it shows, and in what it is not the paper's.
    """

    draw: Callable[[], Figure]
    caption: str


def star_figures(run: Catalogue) -> dict[str, Drawing]:
    """Figures 1 to 5."""
    sample = f"Drawn from {run.members.height:,} stars of {len(run)} clusters ({run.survey})"
    drawings = {
        "fig01": Drawing(
            run.plot.sky,
            f"Fig. 1: members of the list (grey) and those observed. {sample}.",
        )
    }
    rv = _there(run, [_FIG2], count="n_rv")[0]
    drawings["fig02"] = Drawing(
        lambda: run.plot.rv(rv), f"Fig. 2: selection by radial velocity, {_name(rv)}. {sample}.{_instead(rv, _FIG2)}"
    )
    if run.zero_point:
        drawings["fig03"] = Drawing(
            run.plot.zero_point, f"Fig. 3: radial velocities of Gaia DR3 minus those of LAMOST. {sample}."
        )
    kiel = _coolest(run)
    drawings["fig04"] = Drawing(
        lambda: run.plot.kiel(kiel),
        f"Fig. 4: surface gravity and [Fe/H] against temperature, {_name(kiel)}. {sample}.{_instead(kiel, _FIG4)}",
    )
    two = _there(run, _FIG5, count="n_all")
    other = [c for c in two if c not in _FIG5]
    drawings["fig05"] = Drawing(
        lambda: _colour_magnitude(run, two),
        f"Fig. 5: colour-magnitude diagrams of {' and '.join(map(_name, two))}. {sample}."
        + (_instead(other[0], _FIG5[0]) if other else ""),
    )
    return drawings


def _name(cluster: str) -> str:
    return cluster.replace("_", " ")


def _instead(used: str, wanted: str) -> str:
    return "" if used == wanted else f" {_name(wanted)} of the paper is not among them."


def _there(run: Catalogue, wanted: list[str] | tuple[str, ...], *, count: str) -> list[str]:
    """The wanted clusters; those without stars here replaced by the richest others."""
    rows = run.frame.sort(count, "cluster", descending=[True, False])["cluster"].to_list()
    have = [c for c in wanted if c in rows]
    more = [c for c in rows if c not in have]
    return [*have, *more][: len(wanted)]


def _coolest(run: Catalogue) -> str:
    """NGC 2632, or the cluster with the most cool dwarfs."""
    if _FIG4 in run.frame["cluster"].to_list():
        return _FIG4
    settings = run.config.metallicity
    cool = run.members.filter(
        (pl.col("teff") < settings.cool_dwarf_teff.value) & (pl.col("logg") > settings.dwarf_logg.value)
    )
    if cool.is_empty():
        return run.largest(1)[0]
    counts = cool.group_by("cluster").len().sort("len", "cluster", descending=[True, False])
    return str(counts["cluster"][0])


def _colour_magnitude(run: Catalogue, clusters: list[str]) -> Figure:
    with style():
        figure = new_figure(DOUBLE, 0.48 * DOUBLE * len(clusters))
        axes = figure.subplots(len(clusters), 2, squeeze=False)
        for number, (row, cluster) in enumerate(zip(axes, clusters, strict=True)):
            run.plot.cmd(cluster, axes=list(row))
            legend = row[0].get_legend()
            # A legend over one panel would push its colour bar away.
            if legend is not None:
                # The age of the isochrone is that of its own row: the common legend leaves it out.
                handles, labels = legend.legend_handles, [t.get_text() for t in legend.get_texts()]
                labels = ["isochrone" if label.startswith("isochrone") else label for label in labels]
                legend.remove()
                if number == 0:
                    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def catalogue_figures(inputs: Inputs, review: Review, chains: Chains, distribution: Distribution) -> dict[str, Drawing]:
    """Figures 6 to 10."""
    catalogue = inputs.catalogue
    many = catalogue.filter(pl.col("n_all") >= 2).select("cluster")
    orbits = chains.right.frame.join(many, on="cluster", how="semi")
    few_feh = pl.when(pl.col("n_feh") >= 3).then(pl.col("feh_med")).alias("feh_med")
    wrong = "the published orbits start from velocities that are not turned to the cluster's azimuth"
    part = "" if inputs.tarricq == "tarricq2021" else " Of Tarricq et al. 2021 only the rows at hand."
    rv = {_TITLES[n]: review.comparisons[n, "rv"].frame for n in (inputs.tarricq, "dias2021", "zhong2020")}
    feh = {_TITLES[n]: review.comparisons[n, "feh"].frame for n in (HRS, "zhong2020")}
    return {
        "fig06": Drawing(
            lambda: figures.literature_panels(rv, quantity=figures.RV, mark_few=False, ours_label="Fu et al. 2022"),
            f"Fig. 6: radial velocities of the catalogue against the literature.{part}",
        ),
        "fig07": Drawing(
            lambda: figures.literature_panels(feh, quantity=figures.FEH, ours_label="Fu et al. 2022"),
            "Fig. 7: [Fe/H] of the catalogue against the literature. High resolution as compiled by Spina et al. 2022 "
            "and Netopil et al. 2022; values of Zhong et al. 2020 from no star are left out.",
        ),
        "fig08": Drawing(
            lambda: metallicity_distribution(distribution.past.fits, predictors=LOOKBACK),
            "Fig. 8: [Fe/H] against R_GC at six look-back times, by age. Orbits by the right chain: " + wrong + ".",
        ),
        "fig09": Drawing(
            lambda: figures.eccentricity(orbits, catalogue.with_columns(few_feh)),
            "Fig. 9: eccentricity against apocentre by age and by [Fe/H], clusters of two or more stars. By the right "
            f"chain: {wrong}.",
        ),
        "fig10": Drawing(
            lambda: metallicity_distribution(distribution.table6.fits, predictors=("l_z", "energy")),
            "Fig. 10: [Fe/H] against angular momentum and energy, by age; the curves are those of Table 6.",
        ),
    }


def disc_figures(inputs: Inputs, disc: Disc) -> dict[str, Drawing]:
    """Figures 11 to 14."""
    clouds, wave, few = disc.clouds, disc.wave, disc.settings.minimum_feh_stars
    if wave.curve is None:
        raise MelotteError("the wave has no curve", where="fig14")
    curve = pl.DataFrame(dict(zip("xyz", wave.curve.points.T, strict=True)))
    return {
        "fig11": Drawing(
            lambda: integrals_of_motion(disc.outliers, inputs.catalogue, minimum_feh_stars=few),
            "Fig. 11: energy against angular momentum, clusters of two or more stars, with the ridge of the thin disc "
            "and what lies off it by a stated rule.",
        ),
        "fig12": Drawing(
            lambda: flare(disc.flare.clusters, disc.flare.curve),
            "Fig. 12: height against R_GC by rotation; all clusters, younger and older than 500 Myr, with the fitted "
            "flare.",
        ),
        "fig13": Drawing(
            lambda: near_clouds(clouds.frame, clouds.sightlines, minimum_feh_stars=few),
            "Fig. 13: clusters younger than 100 Myr over the molecular clouds of Zucker et al. 2020, by [Fe/H] and "
            "by age.",
        ),
        "fig14": Drawing(
            lambda: wave_figure(wave.frame, curve, clouds.sightlines, minimum_feh_stars=few),
            "Fig. 14: young clusters along the Radcliffe wave. The curve is that of Konietzka et al. 2024; the paper "
            "chose its 24 clusters by eye after Alves et al. 2020.",
        ),
    }


#: Titles of the panels.
_TITLES: Final[Mapping[str, str]] = {
    "tarricq2021": "Tarricq et al. 2021",
    "tarricq2021_subset": "Tarricq et al. 2021",
    "dias2021": "Dias et al. 2021",
    "zhong2020": "Zhong et al. 2020",
    HRS: "high resolution",
}
