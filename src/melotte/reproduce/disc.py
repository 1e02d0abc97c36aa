"""Sections 4.1 and 4.2: the structure of the disc (Figs. 11 to 14, Table 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from ..config import GalaxyConfig, StructureConfig
from ..core.randomness import Streams
from ..literature import describe
from ..structure import (
    AlongWaveResult,
    FlareResult,
    NearCloudsResult,
    OutliersResult,
    along_wave,
    flare,
    near_clouds,
    outliers,
    read_sightlines,
    read_wave,
    table7,
)
from .inputs import Inputs
from .judge import Explanation, Finding, missing
from .numbers import published
from .orbits import Chains

#: Clusters the paper names as outliers of Fig. 11 (Sect. 4.1).
NAMED: Final = (
    "NGC_6791",
    "Berkeley_29",
    "Berkeley_34",
    "Berkeley_19",
    "Berkeley_32",
    "UPK_39",
    "Berkeley_17",
    "NGC_7128",
)
#: Robust standard deviations from the median beyond which a value is left out of a range.
_FAR: Final = 5.0
#: Distances from the wave between which the paper's choice by eye must lie to be called a matter of the rule [pc].
_WAVE_RANGE: Final = (100.0, 300.0)


@dataclass(frozen=True)
class Disc:
    """Outliers, flare, clouds and wave.

    Attributes
    ----------
    outliers : OutliersResult
        Measurement errors ignored, as in the paper.
    flare : FlareResult
    clouds : NearCloudsResult
    wave : AlongWaveResult
        The curve of Konietzka et al. 2024; that of Alves et al. 2020 is not published as a table.
    settings : StructureConfig
    """

    outliers: OutliersResult
    flare: FlareResult
    clouds: NearCloudsResult
    wave: AlongWaveResult
    settings: StructureConfig


def run_disc(inputs: Inputs, chains: Chains, *, rng: Streams) -> Disc:
    """Apply the stated rules of `melotte.structure` to the published catalogue."""
    settings = StructureConfig(draws=0)
    galaxy = GalaxyConfig.model_validate({"draws": 0, "velocity": "uncorrected"})
    frame, data_dir = inputs.catalogue, inputs.data_dir
    return Disc(
        outliers(chains.right.frame, settings=settings, rng=rng, clusters=frame, galaxy=galaxy),
        flare(chains.right.frame, frame, settings=settings, rng=rng),
        near_clouds(frame, read_sightlines(settings.clouds, data_dir=data_dir), settings=settings, rng=rng),
        along_wave(frame, read_wave(settings.wave, data_dir=data_dir), settings=settings, rng=rng),
        settings,
    )


def findings(found: Disc) -> list[Finding]:
    """Numbers of Sections 4.1 (Fig. 11) and 4.2."""
    return [_outliers(found), *_young(found), *_wave(found)]


def _outliers(found: Disc) -> Finding:
    rows = {r["cluster"]: r for r in found.outliers.frame.iter_rows(named=True)}
    off = {c for c, r in rows.items() if r["off_ignoring"] or r["end"]}
    hit = [c for c in NAMED if c in off]
    lost = [c for c in NAMED if c in rows and c not in off]
    absent = [c for c in NAMED if c not in rows]
    judged = found.outliers.facts["judged"]
    texts = [f"{len(off)} clusters are off the ridge or at its ends by the rule"]
    texts += [f"{c} is not: rank {rows[c]['rank_any']} of {judged}" for c in lost]
    # UPK_93, with its digits exchanged, is in no catalogue of the paper.
    swapped = {c: _exchanged(c) for c in absent}
    texts += [
        f"{c} is not in the catalogue" + (f", but {s} is, and is off the ridge" if s in off else "")
        for c, s in swapped.items()
    ]
    explained = all(s in off for s in swapped.values())
    ranked = all((rows[c]["rank_any"] or judged) <= judged // 10 for c in lost)
    evidence = "; ".join(texts)
    causes = [
        Explanation("misprint", bool(absent) and explained and len(hit) + len(absent) == len(NAMED), evidence),
        Explanation("misprint, and no rule in the paper", bool(absent) and explained and ranked, evidence),
        Explanation("no rule in the paper", not absent and ranked, evidence),
    ]
    return Finding(
        "iom.outliers", float(len(hit)), "orbits, right chain", explanations=causes, note=f"found: {', '.join(hit)}"
    )


def _exchanged(name: str) -> str:
    """A name with the last two digits exchanged."""
    return name[:-2] + name[-1] + name[-2]


def _young(found: Disc) -> list[Finding]:
    """The range of the clusters of Fig. 13, without values far from all others."""
    rows = found.clouds.frame.filter(
        pl.col("feh_med").is_not_null() & (pl.col("n_feh") >= found.settings.minimum_feh_stars)
    )
    if rows.height < 3:
        return [missing(k, "fewer than three young clusters with [Fe/H]") for k in ("young.range", "young.factor")]
    middle = describe(rows["feh_med"])
    far = (rows["feh_med"] - (middle.median or 0.0)).abs() > _FAR * (middle.robust_sd or 0.0)
    kept = rows.filter(~far)["feh_med"].to_numpy()
    value = float(kept.max() - kept.min())
    left = ", ".join(f"{c} ({v:.2f})" for c, v in rows.filter(far).select("cluster", "feh_med").iter_rows())
    note = f"{len(kept)} clusters of three or more stars within {found.settings.reach:g}" + (
        f", without {left}" if left else ""
    )
    basis = "published catalogue, Cantat-Gaudin et al. 2020"
    printed = published()["young.range"].value, published()["young.factor"].value
    own = Explanation(
        "the paper's numbers do not agree with each other",
        abs(10.0 ** printed[0] - printed[1]) > 0.1 and abs(value - printed[0]) <= 0.1,
        f"{printed[0]} dex are a factor {10.0 ** printed[0]:.2f}, not {printed[1]}",
    )
    return [
        Finding("young.range", value, basis, note=note),
        Finding("young.factor", 10.0**value, basis, explanations=[own], note=note),
    ]


def _wave(found: Disc) -> list[Finding]:
    listed = table7(found.wave, found.settings)
    near, far = _WAVE_RANGE
    measured = found.wave.frame.filter(
        pl.col("feh_med").is_not_null() & (pl.col("n_feh") >= found.settings.minimum_feh_stars)
    )
    within_pc = {d: measured.filter(pl.col("wave_distance") <= d) for d in (near, far)}
    counts = {d: rows.height for d, rows in within_pc.items()}
    basis = f"published catalogue, wave of Konietzka et al. 2024, within {found.settings.wave_distance:g}"
    within = f"{counts[near]} within {near:g} pc, {counts[far]} within {far:g} pc"
    paper = published()["radcliffe.n"].value
    out = [
        Finding(
            "radcliffe.n",
            float(listed.height),
            basis,
            explanations=[Explanation("no rule in the paper", counts[near] <= paper <= counts[far], within)],
            note=f"with [Fe/H] of three or more stars; {found.wave.members.height} in all",
        )
    ]
    relative = found.wave.facts["feh_relative_to_sun"]
    if relative is None:
        return [*out, *(missing(f"radcliffe.{k}", "no cluster along the wave has [Fe/H]") for k in ("max", "min"))]
    for key, position in (("radcliffe.min", 0), ("radcliffe.max", 1)):
        tops = [10.0 ** rows["feh_med"].to_numpy() for rows in within_pc.values()]
        ends = [float(values.max() if key == "radcliffe.max" else values.min()) for values in tops if len(values)]
        value = published()[key].value
        why = Explanation(
            "no rule in the paper",
            min(ends) - 0.1 <= value <= max(ends) + 0.1,
            f"{min(ends):.2f} to {max(ends):.2f} for {near:g} to {far:g} pc",
        )
        out.append(Finding(key, relative[position], basis, explanations=[why]))
    return out
