"""Small tables of the schemas, made up for the tests of the science stages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from melotte.config import StarsConfig
from melotte.schema import CLUSTERS, MATCHES, MEMBERS, SPECTRA
from melotte.stars import assign, combine

Rows = Sequence[Mapping[str, Any]]


def spectra(rows: Rows) -> pl.DataFrame:
    """SPECTRA; by default at RA 10, Dec 20."""
    if not rows:
        return SPECTRA.empty()
    base = {"ra": 10.0, "dec": 20.0, "ref_epoch": 2000.0}
    filled = [{"spectrum_id": f"s{i}", **base, **row} for i, row in enumerate(rows)]
    known = {c.name: c.polars_dtype for c in SPECTRA}
    names = {name for row in filled for name in row}
    return SPECTRA.conform(pl.DataFrame(filled, schema={n: known[n] for n in SPECTRA.names if n in names}))


def matches(pairs: Sequence[tuple[str, int]], *, method: str = "source_id", release: str = "DR2") -> pl.DataFrame:
    """MATCHES of (spectrum_id, source_id) pairs."""
    rows = [
        {"spectrum_id": s, "source_id": i, "gaia_release": release, "propagated": True, "method": method}
        for s, i in pairs
    ]
    names = ["spectrum_id", "source_id", "gaia_release", "propagated", "method"]
    return MATCHES.conform(pl.DataFrame(rows, schema={n: MATCHES[n].polars_dtype for n in names}))


def members(pairs: Sequence[tuple[str, int]], *, release: str = "DR2") -> pl.DataFrame:
    """MEMBERS of (cluster, source_id) pairs."""
    ids = [i for _, i in pairs]
    rows = [
        {
            "cluster": c,
            "source_id": i,
            "gaia_release": release,
            "ra": 10.0,
            "dec": 20.0,
            "ref_epoch": 2015.5,
            "pmra": 1.0,
            "pmdec": -1.0,
            "phot_g_mean_mag": 12.0,
            "probability": 0.9,
            "n_clusters": ids.count(i),
        }
        for c, i in pairs
    ]
    names = list(rows[0]) if rows else MEMBERS.names
    return MEMBERS.conform(pl.DataFrame(rows, schema={n: MEMBERS[n].polars_dtype for n in names}))


def clusters(ages: Mapping[str, float | None]) -> pl.DataFrame:
    """CLUSTERS of name -> log age."""
    rows = [{"cluster": c, "ra": 10.0, "dec": 20.0, "log_age": a, "distance": 500.0} for c, a in ages.items()]
    names = ["cluster", "ra", "dec", "log_age", "distance"]
    return CLUSTERS.conform(pl.DataFrame(rows, schema={n: CLUSTERS[n].polars_dtype for n in names}))


def stars(rows: Rows) -> pl.DataFrame:
    """Stars of clusters as `melotte.stars.assign` gives them: one spectrum each; rows need ``cluster``."""
    table = spectra([{k: v for k, v in row.items() if k not in {"cluster", "source_id"}} for row in rows])
    ids = [row.get("source_id", i + 1) for i, row in enumerate(rows)]
    found = matches(list(zip(table["spectrum_id"], ids, strict=True)), method="position")
    listed = members([(row["cluster"], i) for row, i in zip(rows, ids, strict=True)])
    return assign(combine(table, found, settings=StarsConfig()).frame, listed)


def isochrone_grid() -> pl.DataFrame:
    """A made-up grid in PARSEC's columns: MH -0.25 and 0, log age 9.0 and 9.1, straight branches.

    Main sequence (phase 1): log g 4.6 from 3500 to 6500 K. Giant branch (phase 3): log g from 1.5 at 4000 K to 3.5 at
    5000 K.
    """
    dwarfs = [(0.5 + i / 100, 3500.0 + 100 * i, 4.6, 1.0) for i in range(31)]
    giants = [(2.0 - i / 100, 4000.0 + 100 * i, 1.5 + 0.2 * i, 3.0) for i in range(11)]
    rows = [
        {
            "MH": mh,
            "logAge": age,
            "Mini": mass,
            "logTe": math.log10(teff),
            "logg": logg,
            "phase": phase,
            "Gmag_DR2": 8.0 - mass,
            "G_BPmag_DR2": 8.4 - mass,
            "G_RPmag_DR2": 7.4 - mass,
        }
        for mh in (-0.25, 0.0)
        for age in (9.0, 9.1)
        for mass, teff, logg, phase in dwarfs + giants
    ]
    return pl.DataFrame(rows)
