"""Membership lists -> MEMBERS, cluster catalogues -> CLUSTERS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from .config import ClustersConfig, ColumnSource, GaiaRelease, MembersConfig, Threshold
from .constants import GAIA_EPOCH
from .datasets import locate
from .errors import EmptyResultError, SchemaError
from .result import Result, Step
from .schema import CLUSTERS, MEMBERS, Schema
from .surveys.decode import Place, to_count, to_float, to_int, to_text, unit_factor
from .surveys.layout import Source, column, resolve
from .surveys.reader import TableReader, open_table
from .surveys.table import from_map

#: Probabilities published in decimal steps are compared after rounding to this many digits, so that a 0.7 stored as
#: a 32-bit float (0.69999999) is 0.7.
PROBABILITY_DIGITS = 6
#: File formats tried for a registered name go through `melotte.datasets.locate`.
_CHUNK = 500_000


@dataclass(frozen=True)
class _Catalogue:
    """A published catalogue: where it lies, how its columns are named, which Gaia release it speaks of."""

    dataset: str
    sources: Mapping[str, Source]
    gaia_release: GaiaRelease = "DR2"


_MEMBERS: dict[str, _Catalogue] = {
    # Cantat-Gaudin et al. 2018, A&A 618, A93.
    "cantat2018": _Catalogue(
        "cantat2018_members",
        {
            "cluster": column("Cluster", required=True),
            "source_id": column("Source", "GaiaDR2", required=True),
            "ra": column("ra", "RA_ICRS", required=True),
            "dec": column("dec", "DE_ICRS", required=True),
            "pmra": column("pmra", "pmRA*", "pmRA"),
            "pmdec": column("pmdec", "pmDE"),
            "parallax": column("parallax", "plx"),
            "phot_g_mean_mag": column("phot_g_mean_mag", "Gmag"),
            "bp_rp": column("bp_rp", "BP-RP"),
            "probability": column("PMemb", "proba", required=True),
        },
    ),
    # Cantat-Gaudin et al. 2020, A&A 640, A1; VizieR table nodup: members of probability 0.7 and higher only.
    "cantat2020": _Catalogue(
        "cantat2020_members",
        {
            "cluster": column("Cluster", required=True),
            "source_id": column("GaiaDR2", "Source", required=True),
            "ra": column("RA_ICRS", "ra", required=True),
            "dec": column("DE_ICRS", "dec", required=True),
            "pmra": column("pmRA*", "pmRA"),
            "pmdec": column("pmDE", "pmdec"),
            "parallax": column("plx", "parallax"),
            "phot_g_mean_mag": column("Gmag", "phot_g_mean_mag"),
            "bp_rp": column("BP-RP", "bp_rp"),
            "probability": column("proba", "PMemb", required=True),
        },
    ),
    # Tarricq et al. 2022, A&A 659, A59: Gaia EDR3, whose identifiers and astrometry are those of DR3.
    "tarricq2022": _Catalogue(
        "tarricq2022_members",
        {
            "cluster": column("Cluster", required=True),
            "source_id": column("Source", "GaiaEDR3", required=True),
            "ra": column("ra", "RA_ICRS", required=True),
            "dec": column("dec", "DE_ICRS", required=True),
            "pmra": column("pmra", "pmRA"),
            "pmdec": column("pmdec", "pmDE"),
            "parallax": column("parallax", "plx"),
            "phot_g_mean_mag": column("phot_g_mean_mag", "Gmag"),
            "bp_rp": column("bp_rp", "BP-RP"),
            "probability": column("PMemb", "Proba", "proba", required=True),
        },
        "DR3",
    ),
    # Hunt & Reffert 2023, A&A 673, A114.
    "hunt2023": _Catalogue(
        "hunt2023_members",
        {
            "cluster": column("Name", "Cluster", required=True),
            "source_id": column("GaiaDR3", "Source", required=True),
            "ra": column("RA_ICRS", "ra", required=True),
            "dec": column("DE_ICRS", "dec", required=True),
            "pmra": column("pmRA", "pmra"),
            "pmdec": column("pmDE", "pmdec"),
            "parallax": column("Plx", "parallax"),
            "phot_g_mean_mag": column("Gmag", "phot_g_mean_mag"),
            "bp_rp": column("BP-RP", "bp_rp"),
            "probability": column("Prob", "probability", required=True),
        },
        "DR3",
    ),
}

_CLUSTERS: dict[str, _Catalogue] = {
    # The 2018 catalogue has distances (the mode of the likelihood), but neither ages nor extinctions.
    "cantat2018": _Catalogue(
        "cantat2018",
        {
            "cluster": column("Cluster", required=True),
            "ra": column("RAJ2000", required=True),
            "dec": column("DEJ2000", required=True),
            "pmra": column("pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("plx"),
            "r50": column("r50"),
            "n_members": column("Nstars"),
            "distance": column("dmode", required=True),
        },
    ),
    "cantat2020": _Catalogue(
        "cantat2020",
        {
            "cluster": column("Cluster", required=True),
            "ra": column("RA_ICRS", required=True),
            "dec": column("DE_ICRS", required=True),
            "pmra": column("pmRA*", "pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("plx"),
            "r50": column("r50"),
            "n_members": column("nbstars07"),
            "log_age": column("AgeNN", required=True),
            "a_v": column("AVNN", required=True),
            "distance_modulus": column("DMNN", required=True),
            "distance": column("DistPc", required=True),
        },
    ),
    # Dias et al. 2021, MNRAS 504, 356.
    "dias2021": _Catalogue(
        "dias2021",
        {
            "cluster": column("Cluster", required=True),
            "ra": column("RA_ICRS", required=True),
            "dec": column("DE_ICRS", required=True),
            "pmra": column("pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("Plx"),
            "r50": column("r50"),
            "n_members": column("N"),
            "log_age": column("logage", required=True),
            "a_v": column("Av", required=True),
            "distance": column("Dist", required=True),
        },
    ),
    "hunt2023": _Catalogue(
        "hunt2023",
        {
            "cluster": column("Name", required=True),
            "ra": column("RA_ICRS", required=True),
            "dec": column("DE_ICRS", required=True),
            "pmra": column("pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("Plx"),
            "r50": column("r50"),
            "n_members": column("N"),
            "log_age": column("logAge50", required=True),
            "a_v": column("AV50", required=True),
            "distance_modulus": column("MOD50", required=True),
            "distance": column("dist50", required=True),
        },
        "DR3",
    ),
}


def comparable_name(name: str) -> str:
    """A cluster name for comparing: case, blanks, underscores and hyphens do not count (no alias is resolved)."""
    return "".join(c for c in name.lower() if c not in " _-")


def read_members(config: MembersConfig, *, data_dir: Path | None = None) -> Result:
    """Read a membership list and apply the probability cut.

    Parameters
    ----------
    config : MembersConfig
        The ``[members]`` section.
    data_dir : path, optional
        Directory of the local mirror.

    Returns
    -------
    Result
        MEMBERS: one row per star and cluster that passes. A star of several clusters (after the cut) is kept in each;
        ``n_clusters`` says in how many. ``rejected`` lists the rows dropped, with the reason.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is missing, damaged, or a column or value is not what it must be.
    EmptyResultError
        If no row passes.

    Notes
    -----
    Whether the threshold itself passes is part of it (``>= 0.7`` or ``> 0.7``): Cantat-Gaudin et al. publish
    probabilities in steps of 0.1, and their 2020 counts (nbstars07) are those of ``>= 0.7``.
    """
    if config.catalogue == "table":
        sources: Mapping[str, Source] = _mapped(config.columns, MEMBERS, "members.columns")
        release: GaiaRelease = config.gaia_release or "DR3"
        file = config.file or ""
    else:
        catalogue = _MEMBERS[config.catalogue]
        sources, release = catalogue.sources, catalogue.gaia_release
        file = config.file or catalogue.dataset
    reader = open_table(locate(file, data_dir=data_dir))
    frame = _read(reader, sources, MEMBERS)
    came_in = frame.height
    if not came_in:
        raise EmptyResultError("the membership list has no rows", where=reader.path, hint="check the file")
    if "probability" not in frame.columns:
        frame = frame.with_columns(pl.lit(1.0).alias("probability"))
    _check_probability(frame, reader.path)
    frame = frame.with_columns(_reason(config.probability))
    rejected = frame.filter(pl.col("reason").is_not_null())
    frame = frame.filter(pl.col("reason").is_null())
    if not frame.height:
        raise EmptyResultError(
            f"none of the {came_in:,} rows is a member with probability {config.probability}",
            where=reader.path,
            hint="lower [members] probability",
        )
    key = ["cluster", "source_id"]
    again = frame.filter(~pl.struct(key).is_first_distinct())
    rejected = pl.concat([rejected, again.with_columns(pl.lit("listed twice in the same cluster").alias("reason"))])
    frame = frame.filter(pl.struct(key).is_first_distinct()).with_columns(
        pl.lit(release).alias("gaia_release"),
        pl.len().over("source_id").cast(pl.Int32).alias("n_clusters"),
        _wrapped("ra"),
    )
    epoch = pl.lit(GAIA_EPOCH[release])
    known = pl.col("ref_epoch").fill_null(epoch) if "ref_epoch" in frame.columns else epoch
    frame = frame.with_columns(known.alias("ref_epoch"))
    lost = {str(reason): int(count) for reason, count in rejected["reason"].value_counts(sort=True).iter_rows()}
    return Result(
        MEMBERS.conform(frame, where=reader.path),
        MEMBERS,
        rejected=rejected.select("row", *key, "probability", "reason"),
        settings=config,
        steps=(Step("probability cut", "members", came_in, lost),),
        notes=tuple(_sharing(frame)),
        facts={
            "path": reader.path,
            "clusters": frame["cluster"].n_unique(),
            "stars": frame["source_id"].n_unique(),
        },
    )


def read_clusters(config: ClustersConfig, *, data_dir: Path | None = None) -> Result:
    """Read a cluster catalogue.

    Parameters
    ----------
    config : ClustersConfig
        The ``[clusters]`` section.
    data_dir : path, optional
        Directory of the local mirror.

    Returns
    -------
    Result
        CLUSTERS: one row per cluster, missing values masked.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is missing, damaged, or a column or value is not what it must be.
    EmptyResultError
        If the catalogue is empty.
    """
    if config.catalogue == "table":
        sources: Mapping[str, Source] = _mapped(config.columns, CLUSTERS, "clusters.columns")
        file = config.file or ""
    else:
        catalogue = _CLUSTERS[config.catalogue]
        sources, file = catalogue.sources, config.file or catalogue.dataset
    reader = open_table(locate(file, data_dir=data_dir))
    frame = _read(reader, sources, CLUSTERS)
    came_in = frame.height
    if not came_in:
        raise EmptyResultError("the cluster catalogue has no rows", where=reader.path, hint="check the file")
    needed = ("cluster", "ra", "dec")
    complete = pl.all_horizontal(pl.col(n).is_not_null() for n in needed)
    rejected = frame.filter(~complete).with_columns(pl.lit("no name or position").alias("reason"))
    frame = frame.filter(complete).with_columns(_wrapped("ra"))
    missing = {n: int(frame[n].null_count()) for n in ("distance", "log_age") if n in frame.columns}
    absent = [n for n in ("distance", "log_age", "a_v", "distance_modulus") if n not in frame.columns]
    notes = [f"{count} of {frame.height} clusters have no {name}" for name, count in missing.items() if count]
    notes += [f"the catalogue gives no {', no '.join(absent)}"] if absent else []
    return Result(
        CLUSTERS.conform(frame, where=reader.path),
        CLUSTERS,
        rejected=rejected.select("row", "cluster", "reason"),
        settings=config,
        steps=(Step("cluster catalogue", "clusters", came_in, {"no name or position": rejected.height}),),
        notes=tuple(notes),
        facts={"path": reader.path},
    )


def _mapped(columns: Mapping[str, ColumnSource], schema: Schema, section: str) -> dict[str, Source]:
    computed = {"gaia_release", "n_clusters"}
    allowed = [n for n in schema.names if n not in computed]
    needed = [c.name for c in schema if not c.nullable and c.name in allowed]
    return from_map(columns, allowed, needed, section=section)


def _read(reader: TableReader, sources: Mapping[str, Source], schema: Schema) -> pl.DataFrame:
    """Every mapped column of the file, decoded, with the row number."""
    found = resolve(reader, sources)
    names = sorted(set(found.values()))
    frames = []
    first = 1
    for raw in reader.batches(names, _CHUNK):
        data = [pl.int_range(first, first + raw.height, dtype=pl.Int64, eager=True).alias("row")]
        for target, source in sources.items():
            if target in found or source.value is not None:
                data.append(_decode(raw, reader, found.get(target), source, schema, target, first))
        frames.append(pl.DataFrame(data))
        first += raw.height
    if not frames:
        return pl.DataFrame(schema={"row": pl.Int64, **{n: schema[n].polars_dtype for n in sources}})
    return pl.concat(frames)


def _decode(
    raw: pl.DataFrame,
    reader: TableReader,
    name: str | None,
    source: Source,
    schema: Schema,
    target: str,
    first: int,
) -> pl.Series:
    what = schema[target]
    place = Place(reader.path, name or f"{target} (a constant)", first)
    series = raw[name] if name else pl.Series([source.value] * raw.height)
    if what.dtype == "string":
        return to_text(series, place, source.missing).alias(target)
    if what.dtype == "int64":
        return to_int(series, place, source.missing).alias(target)
    if what.dtype == "int32":
        return to_count(series, place, source.missing).alias(target)
    unit = reader.columns[name].unit if name else ""
    unit = source.unit if source.forced else unit or source.unit
    factor = unit_factor(unit, what, place)
    values = to_float(series, place, source.missing)
    return (values if factor == 1.0 else values * factor).alias(target)


def _check_probability(frame: pl.DataFrame, path: Path) -> None:
    wrong = frame.filter(~pl.col("probability").is_between(0.0, 1.0))
    if wrong.height:
        raise SchemaError(
            f"row {wrong['row'][0]}: the membership probability is {wrong['probability'][0]:g}",
            where=path,
            expected="a probability between 0 and 1",
            hint='percentages are divided by 100 with the unit "percent" in the column map',
        )


def _reason(threshold: Threshold) -> pl.Expr:
    probability = pl.col("probability").round(PROBABILITY_DIGITS)
    incomplete = pl.any_horizontal(pl.col(n).is_null() for n in ("cluster", "source_id", "ra", "dec"))
    return (
        pl.when(incomplete)
        .then(pl.lit("no cluster name, source_id or position"))
        .when(pl.col("probability").is_null())
        .then(pl.lit("no membership probability"))
        .when(~threshold.passes(probability))
        .then(pl.lit(f"probability not {threshold}"))
        .alias("reason")
    )


def _wrapped(name: str) -> pl.Expr:
    angle = pl.col(name)
    return pl.when(angle >= 360.0).then(angle - 360.0).when(angle < 0.0).then(angle + 360.0).otherwise(angle)


def _sharing(frame: pl.DataFrame) -> Sequence[str]:
    shared = frame.filter(pl.col("n_clusters") > 1)
    if not shared.height:
        return []
    stars, clusters = shared["source_id"].n_unique(), shared["cluster"].n_unique()
    return [f"{stars:,} stars are members of more than one of {clusters:,} clusters; they are kept in each"]
