"""Tables of the comparison with the literature."""

from __future__ import annotations

from dataclasses import replace

from .core import Column, Schema
from .definitions import CLUSTER, CLUSTERS
from .definitions.columns import real


def _text(name: str, description: str, *, nullable: bool = True, ucd: str = "meta.note") -> Column:
    return Column(name, "string", "", ucd, description, nullable)


def _count(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, "int32", "", "meta.number", description, nullable, "%5d", minimum=0)


def _optional(name: str) -> Column:
    return replace(CLUSTERS[name], nullable=True)


_OBJECT = _text("object", "Canonical key of the object the name stands for", nullable=False, ucd="meta.id")
_QUANTITY = _text("quantity", "What was measured: rv (km/s) or feh (dex)", nullable=False)

LISTED_OBJECTS = Schema(
    "listed_objects",
    "One row per cluster of a literature catalogue",
    (
        replace(CLUSTER, description="Cluster name as the catalogue writes it"),
        Column("row", "int64", "", "meta.id", "Row of the file, from 1", False, "%6d"),
        *(_optional(n) for n in ("ra", "dec", "pmra", "pmdec", "parallax", "r50")),
        _text("aliases", "Further names the catalogue gives, separated by semicolons", ucd="meta.id"),
    ),
    key=("row",),
)

LISTED_VALUES = Schema(
    "listed_values",
    "One row per value a literature catalogue gives for a cluster",
    (
        Column("row", "int64", "", "meta.id", "Row of the file, from 1", False, "%6d"),
        _QUANTITY,
        _text("resolution", "high, medium, low, mixed or photometric", nullable=False),
        real("value", "", "stat.value", "The value, in the unit of its quantity", "%9.4f", nullable=False),
        real("value_error", "", "stat.error", "Its uncertainty", "%8.4f", error_of="value", minimum=0.0),
        _count("n", "Number of stars behind it"),
        _text("reference", "Where the catalogue took it from", ucd="meta.ref"),
    ),
    key=("row", "quantity", "resolution"),
)

PAIRS = Schema(
    "pairs",
    "Two rows that stand for one object: by which names, and whether position, motion and parallax agree",
    (
        _OBJECT,
        replace(CLUSTER, description="Name in the first catalogue"),
        _text("other", "Name in the second catalogue", nullable=False, ucd="meta.id"),
        _text("matched_by", "name (the same canonical form) or alias", nullable=False),
        real("separation", "deg", "pos.angDistance", "Angular separation of the two positions", "%9.4f"),
        real("separation_limit", "deg", "pos.angDistance;stat.max", "Largest separation accepted", "%9.4f"),
        real("pm_difference", "mas / yr", "pos.pm;arith.diff", "Length of the proper-motion difference", "%8.3f"),
        real("parallax_difference", "mas", "pos.parallax;arith.diff", "Parallax, second minus first", "%8.3f"),
        _text(
            "verdict",
            "agrees; unchecked (nothing to compare); wrong position (motion and parallax agree); different object",
            nullable=False,
        ),
    ),
)

COMPARISON = Schema(
    "comparison",
    "One row per cluster in common: our value, theirs, and ours minus theirs",
    (
        _OBJECT,
        CLUSTER,
        _text("other", "Name in the other catalogue", nullable=False, ucd="meta.id"),
        real("ours", "", "stat.value", "Value of the first catalogue", "%9.4f", nullable=False),
        real("ours_error", "", "stat.error", "Its uncertainty", "%8.4f", error_of="ours", minimum=0.0),
        _count("ours_n", "Number of stars behind it"),
        real("theirs", "", "stat.value", "Value of the second catalogue", "%9.4f", nullable=False),
        real("theirs_error", "", "stat.error", "Its uncertainty", "%8.4f", error_of="theirs", minimum=0.0),
        _count("theirs_n", "Number of stars behind it"),
        _text("source", "Where the second catalogue took it from", ucd="meta.ref"),
        real("difference", "", "stat.value;arith.diff", "ours - theirs", "%9.4f", nullable=False),
        Column("outlier", "bool", "", "meta.code", "Beyond the robust limit around the median", False),
        _text("verdict", "Of the pair: agrees, unchecked or wrong position", nullable=False),
    ),
    key=("object",),
)

LEDGER = Schema(
    "ledger",
    "One row per cluster with a value: whether it is the first, and what was looked at to say so",
    (
        CLUSTER,
        _OBJECT,
        _QUANTITY,
        real("value", "", "stat.value", "Our value", "%9.4f", nullable=False),
        real("value_error", "", "stat.error", "Its uncertainty", "%8.4f", error_of="value", minimum=0.0),
        _count("n", "Number of stars behind it"),
        _text(
            "status",
            "first; known; near miss (an unmatched object is close by: to be judged); open (a searched catalogue is "
            "incomplete)",
            nullable=False,
        ),
        _text("known_in", "Catalogues that have a value, in order of publication", ucd="meta.ref"),
        _text("hangs_on", "Incomplete catalogues that could hold a value", ucd="meta.ref"),
        _text("near_miss", "Nearest unmatched object with a value: its name and catalogue"),
        real("near_miss_separation", "deg", "pos.angDistance", "Its angular separation", "%8.4f"),
        real("near_miss_pm", "mas / yr", "pos.pm;arith.diff", "Its proper-motion difference", "%8.3f"),
        _text("searched", "Catalogues searched, with their dates", nullable=False, ucd="meta.ref"),
        _text("names_tried", "Names under which the cluster was looked for", nullable=False, ucd="meta.id"),
        _text("search_date", "Catalogues published up to this date were searched", nullable=False, ucd="time"),
    ),
    key=("cluster", "quantity"),
)

OFFSETS = Schema(
    "literature_offsets",
    "One row per comparison of two catalogues and smallest number of stars: first minus second",
    (
        _QUANTITY,
        _text("first", "First catalogue", nullable=False, ucd="meta.ref"),
        _text("second", "Second catalogue", nullable=False, ucd="meta.ref"),
        _count("at_least", "Stars on both sides, at least; 0: all clusters, with or without a number", nullable=False),
        _count("n", "Clusters in common", nullable=False),
        real(
            "median", "", "stat.value;arith.diff;stat.median", "Median of first - second, unit of the quantity", "%9.4f"
        ),
        real("median_error", "", "stat.error", "Its standard error", "%8.4f", error_of="median", minimum=0.0),
        real("mean", "", "stat.value;arith.diff;stat.mean", "Mean of first - second", "%9.4f"),
        real("mean_error", "", "stat.error", "Its standard error", "%8.4f", error_of="mean", minimum=0.0),
        real("sd", "", "stat.stdev", "Standard deviation", "%8.4f", minimum=0.0),
        real("robust_sd", "", "stat.stdev", "1.4826 times the median absolute deviation", "%8.4f", minimum=0.0),
    ),
    key=("quantity", "first", "second", "at_least"),
)

PROBLEMS = Schema(
    "literature_problems",
    "What was found wrong when catalogues were matched by name",
    (
        _text(
            "kind",
            "alias of two objects, listed twice, same place two names, wrong position, different object",
            nullable=False,
        ),
        _text("catalogue", "Where", nullable=False, ucd="meta.ref"),
        _text("names", "The names involved", nullable=False, ucd="meta.id"),
        _text("detail", "The numbers", nullable=False),
    ),
)

ZERO_POINTS = Schema(
    "zero_points",
    "One row per survey: what must be added to its velocities to be on the scale of the reference survey",
    (
        _text("survey", "Name of the survey", nullable=False, ucd="meta.id"),
        real("zero_point", "km / s", "spect.dopplerVeloc;arith.diff", "To be added to the survey's values", "%8.3f"),
        real(
            "zero_point_error",
            "km / s",
            "stat.error",
            "Its standard error",
            "%7.3f",
            error_of="zero_point",
            minimum=0.0,
        ),
        _count("n_stars", "Stars it shares with other surveys", nullable=False),
        _count("n_clusters", "Clusters it shares with other surveys", nullable=False),
        _text("note", "Why there is no zero point, or that this is the reference"),
    ),
    key=("survey",),
)

SURVEY_PAIRS = Schema(
    "survey_pairs",
    "One row per pair of surveys and kind of object in common: the direct difference beside the common solution",
    (
        _text("first", "First survey", nullable=False, ucd="meta.id"),
        _text("second", "Second survey", nullable=False, ucd="meta.id"),
        _text("kind", "star or cluster", nullable=False),
        _count("n", "Objects in common", nullable=False),
        real("median", "km / s", "stat.value;arith.diff;stat.median", "Median of first - second", "%8.3f"),
        real("median_error", "km / s", "stat.error", "Its standard error", "%7.3f", error_of="median", minimum=0.0),
        real("sd", "km / s", "stat.stdev", "Standard deviation of first - second", "%8.3f", minimum=0.0),
        real("solution", "km / s", "stat.value;arith.diff", "First - second by the common solution", "%8.3f"),
        real("tension", "", "stat.value", "(median - solution) over the combined standard error", "%6.2f"),
    ),
    key=("first", "second", "kind"),
)

#: What a solution of the zero points was made from.
_FROM = _text("made_from", "stars in common, clusters in common, or both together", nullable=False)
SOLUTIONS = Schema(
    "zero_points", ZERO_POINTS.description, (_FROM, *ZERO_POINTS.columns), key=("made_from", *ZERO_POINTS.key)
)
