"""Section 3: comparison with the literature, and first determinations (Tables 1 to 5, Figs. 6 and 7)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from ..literature import (
    Comparison,
    Ledger,
    Listing,
    Resolver,
    compare,
    describe,
    first_table,
    from_catalogue,
    known_table,
    load_resolver,
    make_ledger,
    open_listing,
    searched,
)
from ..schema import Schema
from ..tables.reader import open_table
from .inputs import CATALOGUE_NAME, Inputs
from .judge import Explanation, Finding, missing
from .numbers import new_clusters, published

#: The catalogues of Sect. 3, by quantity, in the order of Tables 1 and 3.
HRS: Final = "fu2022_hrs"
_FU: Final = "published catalogue"


@dataclass(frozen=True)
class Review:
    """Comparisons and ledgers of the published catalogue.

    Attributes
    ----------
    comparisons : mapping
        (catalogue, quantity) -> comparison.
    ledgers : mapping
        Quantity -> ledger.
    tables : mapping
        ``table1`` to ``table5`` -> (frame, schema).
    """

    comparisons: Mapping[tuple[str, str], Comparison]
    ledgers: Mapping[str, Ledger]
    tables: Mapping[str, tuple[pl.DataFrame, Schema]]


def review(inputs: Inputs, *, until: dt.date) -> Review:
    """Compare the published catalogue with what the paper compared it with, and keep the ledgers."""
    data_dir = inputs.data_dir
    resolver = load_resolver(data_dir=data_dir)
    # Positions, motions, parallaxes and radii of the pairs' check: those of the catalogue's own source.
    ours: Listing = from_catalogue(inputs.catalogue, name=CATALOGUE_NAME).with_astrometry(
        open_listing("cantat2020", resolver, data_dir=data_dir), resolver
    )
    names = {"rv": [inputs.tarricq, "dias2021", "zhong2020"], "feh": [HRS, "zhong2020"]}
    comparisons: dict[tuple[str, str], Comparison] = {}
    ledgers: dict[str, Ledger] = {}
    tables: dict[str, tuple[pl.DataFrame, Schema]] = {}
    for quantity, catalogues in names.items():
        by_name = {n: compare(ours, _open(n, resolver, inputs), quantity, resolver) for n in catalogues}
        comparisons |= {(n, quantity): c for n, c in by_name.items()}
        search = searched(quantity, resolver, until=until, catalogues=catalogues, data_dir=data_dir)
        ledgers[quantity] = make_ledger(ours, quantity, search, resolver, until=until)
        known = known_table(ours, by_name, catalogue=inputs.catalogue)
        tables["table1" if quantity == "rv" else "table3"] = known
    tables["table2"] = first_table(ledgers["rv"], catalogue=inputs.catalogue)
    tables["table4"] = first_table(ledgers["feh"], catalogue=inputs.catalogue, at_least=3)
    tables["table5"] = first_table(ledgers["feh"], catalogue=inputs.catalogue, fewer_than=3)
    return Review(comparisons, ledgers, dict(sorted(tables.items())))


def _open(name: str, resolver: Resolver, inputs: Inputs) -> Listing:
    return open_listing(name, resolver, data_dir=inputs.data_dir)


def findings(inputs: Inputs, found: Review) -> list[Finding]:
    """Every number of Section 3 and of the printed rows of Tables 1 and 3."""
    return [
        *_velocities(inputs, found),
        *_metallicities(inputs, found),
        *_first_velocities(found),
        *_first_metallicities(found),
        *_printed_rows(inputs, found),
    ]


def release_scatter(found: Review, *, stars: int = 10) -> dict[str, float]:
    """Robust scatter of the published catalogue about Zhong et al. 2020, clusters with many stars on both sides.

    ``rv`` in km/s, ``feh`` in dex.
    """
    return {q: found.comparisons["zhong2020", q].at_least(stars).robust_sd or 0.0 for q in ("rv", "feh")}


def _velocities(inputs: Inputs, found: Review) -> list[Finding]:
    """Fig. 6 and Table 1."""
    tarricq, dias, zhong = (found.comparisons[n, "rv"] for n in (inputs.tarricq, "dias2021", "zhong2020"))
    by_spelling = [c.frame.filter(pl.col("cluster") == pl.col("other")).height for c in (dias, zhong)]
    whole = inputs.tarricq == "tarricq2021"
    part = "" if whole else f"{tarricq.offset.n} of the rows at hand, the part quoted by Netopil et al. 2022"
    hangs = found.ledgers["rv"].first()
    known = found.tables["table1"][0].height
    # If the missing rows held exactly the clusters that are not in Table 2, the sum would be the published one.
    elsewhere = len(hangs) - len(_listed(hangs, new_clusters(2)))
    return [
        Finding(
            "rv.tarricq.n",
            float(tarricq.offset.n),
            inputs.tarricq,
            explanations=[Explanation("missing input table", not whole and tarricq.offset.n < 308, part)],
        ),
        Finding(
            "rv.tarricq.median",
            -(tarricq.offset.median or 0.0),
            inputs.tarricq,
            error=tarricq.offset.median_error,
            explanations=[_as_dias_says(tarricq, dias)],
            note=part,
        ),
        Finding("rv.dias.n", float(dias.offset.n), "dias2021", note=f"{by_spelling[0]} by spelling alone"),
        Finding("rv.dias.median", -(dias.offset.median or 0.0), "dias2021"),
        Finding("rv.zhong.n", float(zhong.offset.n), "zhong2020", note=f"{by_spelling[1]} by spelling alone"),
        Finding("rv.zhong.median", -(zhong.offset.median or 0.0), "zhong2020"),
        Finding(
            "rv.known",
            float(known),
            "the three catalogues",
            explanations=[
                Explanation(
                    "missing input table",
                    not whole and known + elsewhere == 342,
                    f"{known} for certain; {elsewhere} more, not in Table 2, can only be in the missing rows: "
                    f"{known + elsewhere} in all",
                )
            ],
        ),
    ]


def _as_dias_says(tarricq: Comparison, dias: Comparison) -> Explanation:
    """Whether the clusters at hand differ less than the others in the other catalogue too."""
    shared = describe(dias.frame.join(tarricq.frame.select("object"), on="object", how="semi")["difference"])
    three = tarricq.offset.median, dias.offset.median, shared.median
    if any(value is None for value in three) or tarricq.offset.median_error is None:
        return Explanation("missing input table", False, "")
    subset, every, same = (-float(value or 0.0) for value in three)
    expected = subset + every - same
    return Explanation(
        "missing input table",
        abs(expected - published()["rv.tarricq.median"].value) <= 2 * tarricq.offset.median_error,
        f"the clusters at hand are no fair sample: {shared.n} of them are in Dias et al. 2021 and give {same:.2f} "
        f"there, all {dias.offset.n} give {every:.2f}; shifted by that difference ours is {expected:.2f}",
    )


def _metallicities(inputs: Inputs, found: Review) -> list[Finding]:
    """Fig. 7 and Table 3."""
    hrs, zhong = found.comparisons[HRS, "feh"], found.comparisons["zhong2020", "feh"]
    hrs3, zhong3 = hrs.at_least(3), zhong.at_least(3)
    common = _all_in_common(inputs, found)
    with_zeros = common.filter(pl.col("feh_med").is_not_null())
    difference = with_zeros["feh_med"] - with_zeros["feh"]
    none = int((with_zeros["n"] == 0).sum())
    zeros = f"with the {none} values of no star counted as 0.0, {with_zeros.height} clusters give"
    mean, sd = float(difference.to_numpy().mean()), float(difference.to_numpy().std(ddof=1))
    known = found.tables["table3"][0]
    listed = _listed(known, (*new_clusters(4), *new_clusters(5)))
    rebuilt = Explanation(
        "compilation rebuilt",
        known.height - len(listed) == int(published()["feh.known"].value),
        f"put together from Spina et al. 2022 and Netopil et al. 2022; with Zhong et al. 2020 it makes "
        f"{known.height - len(listed)} clusters known that the paper does not list as new, as published: the same "
        "clusters, but a few of them by other sources",
    )
    few_theirs, few_ours = ((common[n] < 3).sum() for n in ("n", "n_feh"))
    over_all = f"over all {common.height} clusters in common with Zhong et al. 2020, with [Fe/H] or not:"
    found_hrs = [
        Finding("feh.hrs.n", float(hrs.offset.n), HRS, explanations=[rebuilt]),
        *_estimate("feh.hrs", hrs.offset.n, hrs.offset.mean, hrs.offset.sd, 82, HRS, rebuilt),
        *_estimate(
            "feh.hrs3", hrs3.n, hrs3.mean, hrs3.sd, hrs3.n, HRS, rebuilt, f"{hrs3.n} clusters with known counts"
        ),
        Finding(
            "feh.hrs.cross",
            float((hrs.frame["theirs_n"] < 3).sum()),
            HRS,
            explanations=[rebuilt],
            note=f"{hrs.frame['theirs_n'].null_count()} more give no number of stars",
        ),
        Finding("feh.hrs.square", float((hrs.frame["ours_n"] < 3).sum()), HRS, explanations=[rebuilt]),
    ]
    return [
        *found_hrs,
        Finding("feh.zhong.n", float(zhong.offset.n), "zhong2020"),
        Finding(
            "feh.zhong.mean",
            zhong.offset.mean,
            "zhong2020",
            explanations=[
                Explanation("placeholders counted", round(mean, 2) == 0.02, f"{zeros} a mean of {mean:.4f}"),
            ],
        ),
        Finding(
            "feh.zhong.sd",
            zhong.offset.sd,
            "zhong2020",
            explanations=[
                Explanation("placeholders counted", round(sd, 2) == 0.23, f"{zeros} {sd:.4f}"),
            ],
        ),
        Finding("feh.zhong3.mean", zhong3.mean, "zhong2020", note=f"{zhong3.n} clusters"),
        Finding(
            "feh.zhong3.sd",
            zhong3.sd,
            "zhong2020",
            note=f"{zhong3.n} clusters",
        ),
        Finding(
            "feh.zhong.cross",
            float((zhong.frame["theirs_n"] < 3).sum()),
            "zhong2020",
            explanations=[
                Explanation("counted over all clusters in common", few_theirs == 75, f"{over_all} {few_theirs}")
            ],
        ),
        Finding(
            "feh.zhong.square",
            float((zhong.frame["ours_n"] < 3).sum()),
            "zhong2020",
            explanations=[Explanation("counted over all clusters in common", few_ours == 92, f"{over_all} {few_ours}")],
        ),
        Finding(
            "feh.known",
            float(known.height),
            "the catalogues of Table 3",
            explanations=[_known_after_all(listed, known.height - len(listed) == 218)],
        ),
    ]


def _estimate(
    stem: str, n: int, mean: float | None, sd: float | None, n_paper: int, basis: str, why: Explanation, note: str = ""
) -> list[Finding]:
    """Mean and scatter of another compilation, with the errors of both."""
    if mean is None or sd is None:
        return [missing(f"{stem}.{k}", "fewer than two clusters in common") for k in ("mean", "sd")]
    paper_sd = published()[f"{stem}.sd"].value
    return [
        Finding(f"{stem}.mean", mean, basis, sd / n**0.5, [why], paper_sd / n_paper**0.5, note),
        Finding(f"{stem}.sd", sd, basis, sd / (2 * n) ** 0.5, [why], paper_sd / (2 * n_paper) ** 0.5, note),
    ]


def _all_in_common(inputs: Inputs, found: Review) -> pl.DataFrame:
    """Clusters in common with Zhong et al. 2020 and its [Fe/H] column as it stands, values of no star included."""
    pairs = found.comparisons["zhong2020", "rv"].frame.select("cluster", "other")
    reader = open_table(inputs.files["zhong2020"][0])
    raw = pl.concat(list(reader.batches(["Cluster", "[Fe/H]", "o_[Fe/H]"], 1_000_000))).select(
        pl.col("Cluster").str.strip_chars().alias("other"),
        pl.col("[Fe/H]").cast(pl.Float64).alias("feh"),
        pl.col("o_[Fe/H]").cast(pl.Float64).cast(pl.Int32).alias("n"),
    )
    ours = inputs.catalogue.select("cluster", "feh_med", "n_feh")
    return pairs.join(raw, on="other").join(ours, on="cluster")


def _listed(frame: pl.DataFrame, names: tuple[str, ...]) -> list[str]:
    """The clusters of a table that the paper lists by name; some rows hold two names."""
    wanted = set(names)
    return [c for c in frame["cluster"] if wanted & {part.strip() for part in c.split(",")}]


def _known_after_all(clusters: list[str], adds_up: bool) -> Explanation:
    return Explanation(
        "listed as new, but known", bool(clusters) and adds_up, f"in Table 4 or 5, but known: {', '.join(clusters)}"
    )


def _first_velocities(found: Review) -> list[Finding]:
    """Table 2."""
    ledger = found.ledgers["rv"]
    waiting = ledger.first()
    names = _listed(waiting, new_clusters(2))
    certain = ledger.count("first")
    return [
        Finding(
            "rv.first",
            float(certain),
            "the three catalogues",
            explanations=[
                Explanation(
                    "missing input table",
                    waiting["hangs_on"].null_count() == 0 and len(names) == 44,
                    f"{waiting.height} clusters are in no row at hand, the {len(names)} of Table 2 among them; each "
                    "hangs on the missing rows of Tarricq et al. 2021",
                )
            ],
        ),
        Finding("rv.first.names", float(len(names)), "the three catalogues"),
    ]


def _first_metallicities(found: Review) -> list[Finding]:
    """Tables 4 and 5."""
    ledger = found.ledgers["feh"]
    first = {4: ledger.first(at_least=3), 5: ledger.first(fewer_than=3)}
    names = {t: _listed(frame, new_clusters(t)) for t, frame in first.items()}
    known = ledger.frame.filter(pl.col("status") == "known")
    after_all = {t: _listed(known, new_clusters(t)) for t in first}
    where = {t: [_where(ledger, c) for c in after_all[t]] for t in first}
    basis = "the catalogues of Table 3"
    out = []
    for table, key in ((4, "feh.first.3"), (5, "feh.first.1")):
        adds_up = first[table].height + len(after_all[table]) == len(new_clusters(table))
        why = _known_after_all(where[table], adds_up)
        out += [
            Finding(key, float(first[table].height), basis, explanations=[why]),
            Finding(f"{key}.names", float(len(names[table])), basis, explanations=[why]),
        ]
    both = first[4].height + first[5].height
    lost = after_all[4] + after_all[5]
    why = _known_after_all(where[4] + where[5], both + len(lost) == 137)
    return [Finding("feh.first", float(both), basis, explanations=[why]), *out]


def _where(ledger: Ledger, cluster: str) -> str:
    row = ledger.frame.row(by_predicate=pl.col("cluster") == cluster, named=True)
    return f"{cluster} ({row['known_in']})"


#: Columns of the printed rows: key -> column of the comparison.
_PARTS: Final = {"": "theirs", ".error": "theirs_error", ".n": "theirs_n"}


def _printed_rows(inputs: Inputs, found: Review) -> list[Finding]:
    """The literature values of the rows of Tables 1 and 3 that the paper prints."""
    catalogues = {"tarricq": inputs.tarricq, "dias": "dias2021", "zhong": "zhong2020", "hrs": HRS}
    out = []
    for key in published():
        table, cluster, source, *rest = [*key.split("."), "", "", ""]
        if table not in {"t1", "t3"}:
            continue
        part = f".{rest[0]}" if rest[0] else ""
        comparison = found.comparisons[catalogues[source], "rv" if table == "t1" else "feh"]
        frame = comparison.frame.filter(pl.col("cluster") == cluster.upper())
        if frame.is_empty():
            out.append(missing(key, f"the cluster is not among the rows of {comparison.theirs} at hand"))
            continue
        value = frame[_PARTS[part]][0]
        if value is None:
            out.append(missing(key, f"{comparison.theirs} does not give it"))
            continue
        source_name = frame["source"][0]
        rescaled = Explanation(
            "compilation rebuilt",
            source == "hrs",
            f"{source_name}: Spina et al. 2022 shift the surveys and projects to one scale",
        )
        out.append(Finding(key, float(value), comparison.theirs, explanations=[rescaled]))
    return out
