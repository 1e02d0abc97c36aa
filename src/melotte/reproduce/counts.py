"""Sections 1 and 2: what can be counted in the published catalogues themselves."""

from __future__ import annotations

import polars as pl

from ..tables.reader import open_table
from .inputs import Inputs
from .judge import Finding
from .numbers import published

_FU = "published catalogue"


def counts(inputs: Inputs) -> list[Finding]:
    """Numbers of clusters and stars, and how the means of the clusters lie from their medians."""
    frame = inputs.catalogue
    n_all, n_feh = frame["n_all"], frame["n_feh"]
    many = frame.filter(pl.col("n_rv") >= 2)
    rv = (many["rv_mean"] - many["rv_med"]).abs()
    with_feh = frame.filter(pl.col("feh_med").is_not_null())
    feh = (with_feh["feh_mean"] - with_feh["feh_med"]).abs()
    types = published()
    found = [
        Finding("zhong2020.clusters", _rows(inputs, "zhong2020"), "Zhong et al. 2020"),
        Finding("cantat2020.clusters", _rows(inputs, "cantat2020"), "Cantat-Gaudin et al. 2020"),
        Finding("soubiran2018.clusters", _rows(inputs, "soubiran2018"), "Soubiran et al. 2018"),
        Finding("dr8.afgk", sum(types[f"dr8.{t}"].value for t in "afgk"), "the paper's own numbers"),
        Finding("stars", float(n_all.sum()), _FU, note="sum of Nall; a star of two clusters counts twice"),
        Finding("clusters", float(frame.height), _FU),
        Finding("clusters.many", float((n_all >= 2).sum()), _FU),
        Finding("clusters.one", float((n_all == 1).sum()), _FU),
        Finding("rv.mean-median", _mean(rv), _FU, note=f"over the {rv.len()} clusters with two or more flag-1 stars"),
        Finding("rv.mean-median.below", 100.0 * _mean(rv < _mean(rv)), _FU, note="of the same clusters"),
        Finding("feh.clusters", float((n_feh >= 1).sum()), _FU),
        Finding("feh.clusters.3", float((n_feh >= 3).sum()), _FU),
        Finding("feh.mean-median", _mean(feh), _FU, note=f"over the {feh.len()} clusters with [Fe/H]"),
        Finding("feh.mean-median.below", 100.0 * _mean(feh < _mean(feh)), _FU, note="of the same clusters"),
    ]
    southern = frame.row(int(frame["dec"].arg_min() or 0), named=True)
    note = f"of cluster centres, not of stars: {southern['cluster']}"
    return [*found, Finding("dec.min", southern["dec"], _FU, note=note)]


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).to_numpy().mean())


def _rows(inputs: Inputs, name: str) -> float:
    reader = open_table(inputs.files[name][0])
    column = next(iter(reader.columns))
    return float(sum(batch.height for batch in reader.batches([column], 1_000_000)))
