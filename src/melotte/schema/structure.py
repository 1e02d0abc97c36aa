"""The structure of the disc: outliers, flare, clouds, Radcliffe wave."""

from __future__ import annotations

from dataclasses import replace

from .core import Column, Schema
from .definitions import CATALOGUE, CLUSTER
from .definitions.columns import labelled
from .dynamics import DYNAMICS


def _text(name: str, label: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "string", "", "meta.note" if nullable else "meta.id", description, nullable, label=label)


def _count(name: str, label: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, "int32", "", "meta.number", description, nullable, "%5d", label=label, minimum=0)


def _flag(name: str, label: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "bool", "", "meta.code", description, nullable, label=label)


def _probability(name: str, label: str, description: str) -> Column:
    return labelled(name, label, "", "stat.probability", description, "%9.3e", minimum=0.0, maximum=1.0)


_X = "pos.cartesian.{};pos.galactic"
_PLACE = (
    labelled("glon", "GLON", "deg", "pos.galactic.lon", "Galactic longitude", "%8.3f", minimum=0.0, maximum=360.0),
    labelled("glat", "GLAT", "deg", "pos.galactic.lat", "Galactic latitude", "%8.3f", minimum=-90.0, maximum=90.0),
    labelled("x", "X", "pc", _X.format("x"), "Heliocentric, towards the Galactic centre", "%8.1f"),
    labelled("y", "Y", "pc", _X.format("y"), "Heliocentric, along Galactic rotation", "%8.1f"),
    labelled("z", "Z", "pc", _X.format("z"), "Heliocentric, towards the north Galactic pole", "%8.1f"),
)
_AGE = labelled("age", "Age", "Myr", "time.age", "Age", "%8.1f", minimum=0.0)
#: Any table may lack the number of stars.
_FEH = tuple(replace(CATALOGUE[n], nullable=True) for n in ("feh_med", "feh_med_error", "n_feh"))

OUTLIERS = Schema(
    "outliers",
    "Clusters off the ridge of the thin disc in energy and angular momentum, and at its ends",
    (
        CLUSTER,
        _count("n_rv", "Nflag1", "Number of stars used for the radial velocity"),
        DYNAMICS["l_z"],
        DYNAMICS["energy"],
        labelled("ridge", "Eridge", "km2 / s2", "phys.energy;stat.fit", "Energy of the ridge at this l_z", "%10.2f"),
        labelled(
            "excess",
            "dE",
            "km2 / s2",
            "phys.energy;arith.diff",
            "Energy above that of the circular orbit of the same l_z",
            "%9.2f",
        ),
        labelled(
            "excess_noise",
            "ndE",
            "km2 / s2",
            "stat.error;phys.energy",
            "Mean excess that the measurement errors alone make",
            "%9.2f",
            minimum=0.0,
        ),
        labelled(
            "random_speed",
            "Vran",
            "km / s",
            "phys.veloc",
            "Speed whose kinetic energy is the excess",
            "%8.3f",
            minimum=0.0,
        ),
        _count("rank", "Rank", "Rank of the excess in units of the ridge's scatter, uncertainties ignored; 1: largest"),
        _probability("p_value_ignoring", "P0", "p_value with the uncertainties ignored"),
        _probability(
            "p_value", "P", "Probability that a thin-disc cluster with these errors lies as far off the ridge"
        ),
        _probability("p_value_heated", "Pheat", "p_value if the scatter of the thin disc grows with age"),
        _probability("p_outlier_ignoring", "Pout0", "p_outlier with the uncertainties ignored"),
        _probability("p_outlier", "Pout", "Posterior probability of not belonging to the thin disc"),
        labelled(
            "end_deviation",
            "Dend",
            "",
            "stat.value",
            "Distance of ln l_z from the median of the clusters, in robust standard deviations",
            "%7.3f",
        ),
        _probability("p_end", "Pend", "Probability, over the draws, of lying beyond the stated end of the ridge"),
        _count("rank_any", "RankA", "Rank of the distance off or along the ridge together, uncertainties ignored"),
        _flag("off_ignoring", "Off0", "Off the ridge by the stated rule, uncertainties ignored", nullable=True),
        _flag("off", "Off", "Off the ridge by the stated rule, with its uncertainties", nullable=True),
        _flag("off_heated", "OffH", "Off by the same rule if the scatter grows with age", nullable=True),
        _flag("end", "End", "At an end of the ridge for more than half of the draws", nullable=True),
        _text("reason", "Reason", "Why the cluster was not judged", nullable=True),
    ),
    key=("cluster",),
)

ECCENTRICITIES = Schema(
    "eccentricities",
    "Eccentricity and apocentre of the clusters, with age and [Fe/H]",
    (
        CLUSTER,
        *(DYNAMICS[f"{n}{s}"] for n in ("r_apo", "ecc") for s in ("", "_p16", "_p84")),
        CATALOGUE["log_age"],
        *_FEH,
        _count("n_rv", "Nflag1", "Number of stars used for the radial velocity"),
        _flag("by_age", "ByAge", "Shown by age: an age, and enough stars behind the velocity"),
        _flag("by_feh", "ByFeH", "Shown by [Fe/H]: enough stars behind it"),
    ),
    key=("cluster",),
)

FIT = Schema(
    "structure_fit",
    "Fitted parameters of the disc",
    (
        _text("subject", "Subject", "What was fitted: ridge, flare"),
        _text("group", "Group", "Clusters fitted"),
        _text("model", "Model", "Form of the model"),
        _text("parameter", "Par", "Parameter"),
        Column("unit", "string", "", "meta.unit", "Unit of the parameter; empty if dimensionless", True, label="Unit"),
        _count("n_clusters", "Ncl", "Number of clusters", nullable=False),
        labelled("value", "Value", "", "stat.fit.param", "Value", "%13.5e"),
        labelled("p16", "p16", "", "stat.fit.param;stat.value", "Lower end of the 68 % interval", "%13.5e"),
        labelled("p84", "p84", "", "stat.fit.param;stat.value", "Upper end of the 68 % interval", "%13.5e"),
    ),
    key=("subject", "group", "model", "parameter"),
)

TESTS = Schema(
    "structure_tests",
    "Tests of the structure of the disc, the clouds and the wave",
    (
        _text("test", "Test", "What is tested, against which null hypothesis"),
        _text("group", "Group", "Clusters it concerns"),
        _count("n_clusters", "Ncl", "Number of clusters", nullable=False),
        _text("statistic", "Stat", "Name of the statistic"),
        labelled("observed", "Obs", "", "stat.value", "Its value", "%13.5e"),
        labelled("expected", "Exp", "", "stat.value;stat.mean", "Its mean under the null hypothesis", "%13.5e"),
        labelled("spread", "Spread", "", "stat.stdev", "Its standard deviation under the null hypothesis", "%13.5e"),
        _probability("p_value", "P", "Probability under the null hypothesis of a value at least as extreme"),
        _text("method", "Method", "How p_value was found"),
    ),
    key=("test", "group", "statistic"),
)

FLARE_CURVE = Schema(
    "flare_curve",
    "Vertical scale of the clusters against Galactocentric radius",
    (
        _text("group", "Group", "Clusters fitted"),
        DYNAMICS["r_gc"],
        labelled("scale", "h", "kpc", "pos.distance;stat.fit", "Vertical scale", "%8.4f", minimum=0.0),
        labelled(
            "scale_p16", "h16", "kpc", "stat.value;pos.distance", "16th percentile of scale", "%8.4f", minimum=0.0
        ),
        labelled(
            "scale_p84", "h84", "kpc", "stat.value;pos.distance", "84th percentile of scale", "%8.4f", minimum=0.0
        ),
    ),
    key=("group", "r_gc"),
)

SIGHTLINES = Schema(
    "sightlines",
    "Molecular clouds: one row per sightline",
    (
        _text("cloud", "Cloud", "Cloud or star-forming region"),
        *_PLACE,
        labelled("distance", "Dist", "pc", "pos.distance", "Median distance", "%8.1f", nullable=False, minimum=0.0),
        labelled("distance_p16", "D16", "pc", "stat.value;pos.distance", "16th percentile", "%8.1f", minimum=0.0),
        labelled("distance_p84", "D84", "pc", "stat.value;pos.distance", "84th percentile", "%8.1f", minimum=0.0),
    ),
)

NEAR_CLOUDS = Schema(
    "near_clouds",
    "Young clusters and their nearest molecular cloud",
    (
        CLUSTER,
        *_PLACE,
        _AGE,
        *_FEH,
        _text("cloud", "Cloud", "Cloud of the nearest sightline", nullable=True),
        labelled("separation", "Sep", "pc", "pos.distance", "Distance to it in space", "%8.1f", minimum=0.0),
        labelled("separation_p16", "Sep16", "pc", "stat.value;pos.distance", "16th percentile", "%8.1f", minimum=0.0),
        labelled("separation_p50", "Sep50", "pc", "pos.distance;stat.median", "Median", "%8.1f", minimum=0.0),
        labelled("separation_p84", "Sep84", "pc", "stat.value;pos.distance", "84th percentile", "%8.1f", minimum=0.0),
        _probability("p_near", "Pnear", "Share of the draws of both distances with a cloud within the stated distance"),
        _flag("near", "Near", "Whether a cloud lies within the stated distance"),
        _count("place", "Place", "Number of the group of co-located clusters it belongs to"),
    ),
    key=("cluster",),
)

PLACES = Schema(
    "colocated",
    "Co-located young clusters: spread of their [Fe/H] against its errors",
    (
        _count("place", "Place", "Number of the group; 0: all groups together", nullable=False),
        _text("clouds", "Clouds", "Clouds its clusters lie near", nullable=True),
        _count("n_clusters", "Ncl", "Number of clusters with [Fe/H]", nullable=False),
        _text("errors", "Errors", "Errors used: formal, or with the external error"),
        labelled("feh_mean", "Mean", "dex", "phys.abund.Fe;stat.mean", "Weighted mean of [Fe/H]", "%7.3f"),
        labelled(
            "feh_range", "Range", "dex", "phys.abund.Fe;arith.diff", "Largest minus smallest", "%7.3f", minimum=0.0
        ),
        labelled(
            "chi2", "chi2", "", "stat.fit.chi2", "Chi-square about the mean (of each group)", "%9.2f", minimum=0.0
        ),
        _count("dof", "dof", "Degrees of freedom", nullable=False),
        _probability("p_value", "P", "Probability of a larger chi-square if the clusters have one [Fe/H]"),
        labelled(
            "intrinsic",
            "sint",
            "dex",
            "stat.stdev;phys.abund.Fe",
            "Spread beyond the errors, maximum likelihood",
            "%7.3f",
            minimum=0.0,
        ),
    ),
    key=("place", "errors"),
)

ALONG_WAVE = Schema(
    "wave",
    "Young clusters along the Radcliffe wave",
    (
        CLUSTER,
        *_PLACE,
        _AGE,
        *_FEH,
        labelled("wave_distance", "Dwave", "pc", "pos.distance", "Distance to the curve", "%8.1f", minimum=0.0),
        labelled("wave_distance_p16", "Dw16", "pc", "stat.value;pos.distance", "16th percentile", "%8.1f", minimum=0.0),
        labelled("wave_distance_p84", "Dw84", "pc", "stat.value;pos.distance", "84th percentile", "%8.1f", minimum=0.0),
        _probability("p_member", "Pwave", "Share of the draws of the distance within the stated distance of the curve"),
        labelled(
            "along", "s", "pc", "pos.distance", "Length along the curve from its first point", "%8.1f", minimum=0.0
        ),
        labelled(
            "phase",
            "Phase",
            "",
            "time.phase",
            "Phase of the undulation in cycles: 0 upward through the plane, 0.25 crest, 0.75 trough",
            "%7.4f",
        ),
        _flag("at_end", "End", "Whether the nearest point is an end of the curve"),
        _flag("member", "Member", "Whether it lies within the stated distance"),
    ),
    key=("cluster",),
)

#: Table 7 of Fu et al. 2022.
TABLE7 = Schema(
    "table7",
    "Clusters along the Radcliffe wave",
    (CLUSTER, *_PLACE, _AGE, *_FEH),
    key=("cluster",),
)

#: Every table of the analyses, by the end of its file stem ``structure_NAME``.
TABLES = {
    "eccentricities": ECCENTRICITIES,
    "outliers": OUTLIERS,
    "flare_curve": FLARE_CURVE,
    "near_clouds": NEAR_CLOUDS,
    "colocated": PLACES,
    "sightlines": SIGHTLINES,
    "wave": ALONG_WAVE,
    "fit": FIT,
    "tests": TESTS,
}
