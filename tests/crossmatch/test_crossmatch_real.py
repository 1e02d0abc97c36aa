"""Published catalogues: stars of known identity, found again by their positions alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from melotte.config import CrossmatchConfig, MembersConfig, SurveyConfig
from melotte.crossmatch import audit_ids, identify, match_positions
from melotte.inputs.members import read_members
from melotte.inputs.surveys import open_survey


@pytest.fixture(scope="module")
def members(data_dir: Path) -> pl.DataFrame:
    """All 401,448 members of Cantat-Gaudin et al. 2018, of any probability."""
    frame = read_members(MembersConfig(catalogue="cantat2018", probability=">= 0"), data_dir=data_dir).frame
    assert frame.height == 401_448
    return frame


@pytest.fixture(scope="module")
def lamost(data_dir: Path) -> pl.DataFrame:
    survey = SurveyConfig(adapter="lamost", file="surveys/lamost_lrs_clusters.csv")
    frame = open_survey(survey, data_dir=data_dir).read().frame
    assert frame.height == 691
    return frame


def test_lamost_members_by_position_alone(lamost: pl.DataFrame, members: pl.DataFrame) -> None:
    """At least 99.5 % of the members get their true DR2 id, and so the nearest; measured: all of them."""
    true = lamost.filter(pl.col("source_id_dr2").is_in(members["source_id"].implode()))
    assert true.height == 597
    result = identify(
        lamost.with_columns(source_id_dr2=pl.lit(None, dtype=pl.Int64), source_id_dr3=pl.lit(None, dtype=pl.Int64)),
        members,
        settings=CrossmatchConfig(method="position"),
    )
    nearest = result.frame.unique("spectrum_id", keep="first", maintain_order=True)
    found = true.join(nearest, on="spectrum_id", how="left")
    right = (found["source_id"] == found["source_id_dr2"]).fill_null(False)
    assert right.sum() >= 0.995 * true.height
    # The stars that are no members find none: no positional match without the id being a member's.
    others = result.frame.filter(~pl.col("spectrum_id").is_in(true["spectrum_id"].implode()))
    assert others.is_empty()
    # What else is in the radius is a second member in the fibre, always farther than the true star.
    extra = result.frame.join(true, left_on=["spectrum_id", "source_id"], right_on=["spectrum_id", "source_id_dr2"],
                              how="anti")  # fmt: skip
    assert extra.height == result.facts["spectra_with_several_members"] == 2
    assert (extra["n_in_radius"] == 2).all()


def test_lamost_by_id_and_by_position_agree(lamost: pl.DataFrame, members: pl.DataFrame) -> None:
    by_id = identify(lamost, members, settings=CrossmatchConfig(method="source_id")).frame
    by_position = identify(lamost, members, settings=CrossmatchConfig(method="position")).frame
    columns = ["spectrum_id", "source_id", "separation", "position_angle", "n_in_radius", "flux_fraction", "propagated"]
    both = by_id.join(by_position, on=["spectrum_id", "source_id"], how="left", suffix="_p")
    assert by_id.height == 597
    assert by_id.select(columns).equals(
        both.select("spectrum_id", "source_id", *(pl.col(f"{c}_p").alias(c) for c in columns[2:]))
    )
    # The file's ra2000, dec2000 were computed from Gaia DR2: what is left is rounding and perspective.
    assert by_id["separation"].quantile(0.99) < 0.01
    audit = audit_ids(lamost, members, radius_arcsec=3.5, gaia_release="DR2")
    assert dict(audit.facts) == {"agrees": 597, "not nearest": 0, "beyond radius": 0, "other source": 0, "no id": 0}


def test_without_propagation_stars_would_move_away(lamost: pl.DataFrame, members: pl.DataFrame) -> None:
    """The proper motions matter: 15.5 years of them are 30 times the residual."""
    still = members.with_columns(pmra=pl.lit(None, dtype=pl.Float64))
    moved = match_positions(lamost, members, radius_arcsec=3.5, gaia_release="DR2")["separation"].median()
    unmoved = match_positions(lamost, still, radius_arcsec=3.5, gaia_release="DR2")
    assert not unmoved["propagated"].any()
    assert unmoved["separation"].median() > 30 * moved


def test_apogee_by_2mass_names(data_dir: Path, members: pl.DataFrame) -> None:
    """Stars with a Cantat-Gaudin probability in OCCAM DR16: that probability and those Gaia proper motions come back.

    The file has no Gaia id; what identifies a member is its cluster, its probability and its DR2 proper motion,
    none of which the match uses for the spectrum.
    """
    from astropy.table import Table

    survey = open_survey(SurveyConfig(adapter="apogee", file="surveys/occam_member_dr16.fits"), data_dir=data_dir)
    result = identify(survey.read().frame, members, settings=CrossmatchConfig())
    assert set(result.frame["method"]) == {"position"}
    raw = Table.read(data_dir / "surveys" / "occam_member_dr16.fits")
    truth = (
        pl.DataFrame(
            {
                "spectrum_id": [str(v).strip() for v in raw["APOGEE_ID"]],
                "occam": [str(v).strip().replace(" ", "_") for v in raw["CLUSTER"]],
                **{n: np.asarray(raw[n], dtype=np.float64) for n in ("CG_PROB", "PMRA", "PMDEC")},
            }
        )
        .unique()
        .filter(pl.col("CG_PROB") > 0)
    )
    assert truth.height == 1917
    nearest = result.frame.unique("spectrum_id", keep="first", maintain_order=True)
    found = truth.join(nearest, on="spectrum_id", how="left").join(
        members.select("source_id", "cluster", "pmra", "pmdec", "probability"),
        left_on=["source_id", "occam"],
        right_on=["source_id", "cluster"],
        how="left",
    )
    right = (
        ((pl.col("PMRA") - pl.col("pmra")).abs() < 0.01)
        & ((pl.col("PMDEC") - pl.col("pmdec")).abs() < 0.01)
        & ((pl.col("CG_PROB") - pl.col("probability")).abs() < 0.01)
    )
    assert found.select(right.fill_null(False).mean()).item() >= 0.995
