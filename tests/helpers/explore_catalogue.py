"""A made-up catalogue of any size for the tests of the explorer, with names that would break a careless page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from melotte.catalogue.catalogue import Catalogue
from melotte.clusters.isochrones import Isochrones
from melotte.config import parse
from melotte.core.randomness import Streams
from melotte.galaxy import dynamics
from melotte.publish import Picture, write_provenance
from melotte.report.explore import write_page
from melotte.schema import CATALOGUE, MEMBER_STARS, MEMBERS
from melotte.schema.result import Step

EVIL = ("<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", "'\"&amp;%2F#\\u003c")
KNOWN = ("Melotte_22", "NGC_2682", "NGC_2632", "Berkeley_17")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
#: Beyond 2^53: a double would round it.
FIRST_ID = 9_007_199_254_740_993


def made_up(
    n_clusters: int = 12, n_stars: int = 120, *, galaxy: bool = True, evil: bool = True, seed: int = 5
) -> Catalogue:
    """A catalogue whose columns are consistent enough to draw; the last cluster has neither distance nor [Fe/H]."""
    rng = np.random.default_rng(seed)
    names = [*KNOWN, *(EVIL if evil else ())]
    names = (names + [f"Sim_{i}" for i in range(n_clusters)])[:n_clusters]
    stars = _stars(names, n_stars, rng)
    frame = _clusters(names, stars, rng)
    settings: dict[str, Any] = {
        "survey": {"adapter": "lamost", "file": "lamost.csv", "name": "made-up survey"},
        "members": {"catalogue": "cantat2018", "file": "members.csv"},
        "clusters": {"catalogue": "cantat2020", "file": "clusters.csv"},
        "run": {"title": "Made-up " + (EVIL[0] if evil else "clusters")},
    }
    if galaxy:
        settings["galaxy"] = {"draws": 0}
    config = parse(settings, where="test")
    orbits = snapshots = None
    if config.galaxy is not None:
        found = dynamics(frame, settings=config.galaxy, rng=Streams(seed))
        orbits, snapshots = found.frame, found.snapshots
    return Catalogue(
        frame=frame,
        members=stars,
        rejected=pl.DataFrame(),
        member_list=_listed(names, 40 * n_clusters, rng),
        survey="made-up survey",
        zero_point=None,
        zero_point_pairs=None,
        orbits=orbits,
        snapshots=snapshots,
        isochrones=_isochrones(),
        config=config,
        config_name="test.toml",
        steps=(Step("matching", "spectra", n_stars + 3, {"no member " + names[-1]: 3}),),
        notes=(f"{names[0]}: a note on it", f"general words, {names[min(4, n_clusters - 1)]} among them"),
        inputs={},
        started=datetime(2026, 1, 2, tzinfo=UTC),
    )


def _stars(names: list[str], n: int, rng: np.random.Generator) -> pl.DataFrame:
    weight = 1.0 / np.arange(1, len(names) + 1)
    owner = np.concatenate([np.arange(len(names)), rng.choice(len(names), n - len(names), p=weight / weight.sum())])
    rv = owner % 60 - 30.0 + rng.normal(0, 4, n)
    flag = rng.choice([12, 1, 0], n, p=[0.7, 0.2, 0.1])
    flag[: len(names)] = 12
    some = lambda values: pl.Series(np.where(rng.random(n) < 0.03, np.nan, values)).fill_nan(None)  # noqa: E731
    stars = pl.DataFrame(
        {
            "cluster": [names[i] for i in owner],
            "source_id": np.arange(FIRST_ID, FIRST_ID + n),
            "gaia_release": ["DR2"] * n,
            "spectrum_id": [f"s{i}" for i in range(n)],
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-10, 60, n),
            "ref_epoch": np.full(n, 2015.5),
            "method": ["position"] * n,
            "n_spectra": np.ones(n, dtype=np.int32),
            "n_clusters": np.ones(n, dtype=np.int32),
            "snr": rng.uniform(10, 200, n),
            "rv": rv,
            "rv_error": rng.uniform(1, 6, n),
            "teff": some(rng.uniform(3800, 8500, n)),
            "logg": some(rng.uniform(1.5, 4.9, n)),
            "feh": some(rng.normal(-0.1, 0.15, n)),
            "feh_error": rng.uniform(0.02, 0.1, n),
            "phot_g_mean_mag": some(rng.uniform(9, 17, n)),
            "bp_rp": some(rng.uniform(0.2, 2.2, n)),
            "probability": np.full(n, 0.9),
            "rv_low": owner % 60 - 38.0,
            "rv_high": owner % 60 - 22.0,
            "rv_deviation": rng.normal(0, 1, n),
            "flag": flag,
            "reason": [f"RV {v:.1f} km/s is within <2> sigma & used: Teff within 4000 to 7500 K" for v in rv],
        }
    )
    return MEMBER_STARS.conform(stars.with_columns(pl.col("flag", "n_spectra", "n_clusters").cast(pl.Int32)))


def _clusters(names: list[str], stars: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    n = len(names)
    counts = pl.DataFrame({"cluster": names}).join(stars.group_by("cluster").len(), on="cluster", how="left")
    total = counts["len"].to_numpy()
    distance, feh = rng.uniform(200, 4000, n), rng.normal(-0.1, 0.15, n)
    distance[-1], feh[-1] = np.nan, np.nan
    frame = pl.DataFrame(
        {
            "cluster": names,
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-10, 60, n),
            "pmra": rng.normal(0, 2, n),
            "pmdec": rng.normal(0, 2, n),
            "parallax": rng.uniform(0.2, 5, n),
            "distance": pl.Series(distance).fill_nan(None),
            "log_age": rng.uniform(7, 9.7, n),
            "a_v": rng.uniform(0, 2, n),
            "distance_modulus": rng.uniform(6.5, 13, n),
            "n_all": total,
            "n_rv": total,
            "rv_med": np.arange(n) % 60 - 30.0 + 1 / 3,
            "rv_med_error": rng.uniform(0.2, 3, n),
            "rv_mean": np.arange(n) % 60 - 30.0,
            "n_feh": np.where(np.arange(n) < n - 1, total, 0),
            "feh_med": pl.Series(feh).fill_nan(None),
            "feh_med_error": pl.Series(np.where(np.isnan(feh), np.nan, 0.03)).fill_nan(None),
            "note": [None] * (n - 1) + ["radial velocity of <b>one</b> star"],
        }
    )
    return CATALOGUE.conform(frame.with_columns(pl.col("n_all", "n_rv", "n_feh").cast(pl.Int32)))


def _listed(names: list[str], n: int, rng: np.random.Generator) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "cluster": [names[i] for i in rng.integers(len(names), size=n)],
            "source_id": np.arange(10**18, 10**18 + n),
            "gaia_release": ["DR2"] * n,
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-10, 60, n),
            "ref_epoch": np.full(n, 2015.5),
            "phot_g_mean_mag": rng.uniform(9, 18, n),
            "bp_rp": rng.uniform(0.2, 2.5, n),
            "probability": np.full(n, 0.9),
            "n_clusters": np.ones(n, dtype=np.int32),
        }
    )
    return MEMBERS.conform(frame)


def _isochrones() -> Isochrones:
    """Straight lines with the ends of a main sequence and a giant branch; the size of a real grid."""
    mass = np.linspace(0.3, 2.0, 250)
    rows = [
        {
            "MH": mh,
            "logAge": age,
            "Mini": m,
            "logTe": 3.6 + 0.1 * m - (0.25 if m > 1.5 else 0.0),
            "logg": 4.8 - 0.3 * m - (2.0 if m > 1.5 else 0.0),
            "phase": 1.0 if m <= 1.5 else 3.0,
            "Gmag_DR2": 9.0 - 4 * m,
            "G_BPmag_DR2": 9.6 - 4.3 * m,
            "G_RPmag_DR2": 8.3 - 3.7 * m,
        }
        for mh in (-0.2, 0.0)
        for age in np.arange(7.0, 9.9, 0.1).round(1)
        for m in mass
    ]
    return Isochrones(pl.DataFrame(rows))


def write(directory: Path, catalogue: Catalogue, **more: Any) -> Path:
    """The page of a catalogue, with a figure and the record of its run."""
    (directory / "figures").mkdir(parents=True, exist_ok=True)
    (directory / "figures" / "sky.png").write_bytes(PNG)
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    record = write_provenance(
        directory / "provenance.json",
        inputs=[],
        config=json.loads(json.dumps(catalogue.config.resolved())),
        steps=catalogue.steps,
        notes=catalogue.notes,
        outputs=[],
        started=started,
        finished=started + timedelta(seconds=30),
        citations=[("2022A&A...668A...4F", "Fu et al. 2022")],
    )
    arguments: dict[str, Any] = {
        "facts": {"zero point": "+4.66 ± 0.10 km/s"},
        "pictures": [Picture(directory / "figures" / "sky.png", "The sky.")],
        "provenance": record,
    }
    return write_page(directory / "report.html", catalogue, **{**arguments, **more})
