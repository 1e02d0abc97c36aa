"""identify: by id, by position, by both; the releases never mixed; the audit of the survey's ids."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melotte.config import CrossmatchConfig
from melotte.crossmatch import audit_ids, identify, propagate
from melotte.crossmatch.audit import AUDIT, VERDICTS
from melotte.errors import CrossmatchError
from melotte.schema.definitions import MATCHES, MEMBERS, SPECTRA

BIG = 2**60


def members_frame(n: int = 40, release: str = "DR2", seed: int = 1) -> pl.DataFrame:
    """Stars a degree apart, of two clusters; the first three are members of both."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "cluster": ["A"] * n + ["B"] * 3,
            "source_id": np.r_[np.arange(n), np.arange(3)] + BIG + 1,
            "ra": np.r_[np.arange(n), np.arange(3)] * 1.0,
            "dec": np.full(n + 3, 20.0),
            "ref_epoch": np.full(n + 3, 2015.5),
            "pmra": (pm := rng.normal(0, 100, n))[np.r_[0:n, 0:3]],
            "pmdec": -pm[np.r_[0:n, 0:3]],
            "phot_g_mean_mag": np.full(n + 3, 14.0),
        }
    ).with_columns(gaia_release=pl.lit(release), n_clusters=pl.lit(1, dtype=pl.Int32))
    return MEMBERS.conform(frame)


def spectra_of(members: pl.DataFrame, column: str | None = "source_id_dr2") -> pl.DataFrame:
    """One spectrum per star at its J2000 place, with the star's id in one of the columns."""
    stars = members.unique("source_id", maintain_order=True)
    ra, dec = propagate(
        *(stars[c].to_numpy() for c in ("ra", "dec", "pmra", "pmdec")), from_epoch=2015.5, to_epoch=2000.0
    )
    frame = pl.DataFrame(
        {"spectrum_id": [f"o{i}" for i in range(stars.height)], "ra": ra, "dec": dec, "ref_epoch": 2000.0}
    )
    if column:
        frame = frame.with_columns(stars["source_id"].alias(column))
    return SPECTRA.conform(frame)


@pytest.mark.parametrize("method", ["auto", "source_id", "position"])
def test_every_star_found_once(method: str) -> None:
    members = members_frame()
    spectra = spectra_of(members)
    result = identify(spectra, members, settings=CrossmatchConfig(method=method))
    assert result.frame["source_id"].to_list() == spectra["source_id_dr2"].to_list()
    assert result.frame["spectrum_id"].to_list() == spectra["spectrum_id"].to_list()
    assert result.frame["separation"].max() < 1e-8
    assert result.frame["propagated"].all()
    assert set(result.frame["method"]) == {"position" if method == "position" else "source_id"}
    assert result.frame["n_in_radius"].to_list() == [1] * 40  # members of two clusters are one source
    assert result.frame["flux_fraction"].to_list() == [1.0] * 40
    assert result.steps[0].came_in == result.steps[0].went_on == 40


def test_ids_of_the_other_release_are_never_joined() -> None:
    members = members_frame()
    spectra = spectra_of(members, "source_id_dr3")
    with pytest.raises(CrossmatchError, match=r"members carry Gaia DR2 ids.*it gives Gaia DR3 ids only") as error:
        identify(spectra, members, settings=CrossmatchConfig(method="source_id"))
    assert 'method = "position"' in error.value.message
    assert "Gaia DR3 ids" in str(error.value.hint)
    result = identify(spectra, members, settings=CrossmatchConfig())
    assert set(result.frame["method"]) == {"position"}
    assert any("Gaia DR3 ids only" in note for note in result.notes)
    # The ids belong to other stars: were they joined, the pairs would be these.
    shifted = spectra.with_columns(pl.col("source_id_dr3").shift(1))
    assert identify(shifted, members, settings=CrossmatchConfig()).frame.equals(result.frame)
    with pytest.raises(CrossmatchError, match="it gives no Gaia ids"):
        identify(spectra_of(members, None), members, settings=CrossmatchConfig(method="source_id"))


def test_auto_decides_row_by_row_and_says_so() -> None:
    members = members_frame()
    spectra = spectra_of(members).with_columns(
        source_id_dr2=pl.when(pl.int_range(pl.len()) % 4 > 0).then("source_id_dr2")
    )
    result = identify(spectra, members, settings=CrossmatchConfig())
    assert result.frame["method"].to_list() == ["position" if i % 4 == 0 else "source_id" for i in range(40)]
    assert result.frame["source_id"].to_list() == spectra_of(members)["source_id_dr2"].to_list()
    assert "30 spectra by the survey's Gaia DR2 ids, 10 without one by position" in result.notes[0]
    only_ids = identify(spectra, members, settings=CrossmatchConfig(method="source_id"))
    assert only_ids.frame.height == 30
    assert dict(only_ids.steps[0].lost)["without a Gaia DR2 id"] == 10


def test_a_batch_without_ids_by_chance_is_no_error() -> None:
    members = members_frame()
    batch = spectra_of(members).with_columns(source_id_dr2=pl.lit(None, dtype=pl.Int64))
    ids_only = CrossmatchConfig(method="source_id")
    with pytest.raises(CrossmatchError):
        identify(batch, members, settings=ids_only)
    assert identify(batch, members, settings=ids_only, gaia_releases={"DR2"}).frame.is_empty()


def test_pairs_by_id_beyond_the_radius_are_kept_and_named() -> None:
    members = members_frame()
    spectra = spectra_of(members).with_columns(
        dec=pl.when(pl.col("spectrum_id") == "o7").then(pl.col("dec") + 10 / 3600).otherwise("dec")
    )
    result = identify(spectra, members, settings=CrossmatchConfig(method="source_id"))
    row = result.frame.row(7, named=True)
    assert row["separation"] == pytest.approx(10.0, abs=1e-6)
    assert row["position_angle"] == pytest.approx(180.0, abs=1e-6)
    assert row["n_in_radius"] is None
    assert row["flux_fraction"] is None
    assert any("1 pairs joined by source_id" in note and "o7 at 10.00 arcsec" in note for note in result.notes)
    assert result.facts["id_pairs_beyond_radius"] == 1


def test_the_radius_is_that_of_the_settings() -> None:
    members = members_frame()
    spectra = spectra_of(members, None).with_columns(pl.col("dec") + 3.0 / 3600)
    near = identify(spectra, members, settings=CrossmatchConfig(radius="2.9 arcsec"))
    assert near.frame.is_empty()
    assert dict(near.steps[0].lost) == {
        "without a Gaia DR2 id": 0,
        "with the id of no member": 0,
        "with no member within 2.9 arcsec": 40,
    }
    assert identify(spectra, members, settings=CrossmatchConfig(radius="0.06 arcmin")).frame.height == 40


def test_releases_must_not_be_mixed_nor_missing() -> None:
    members = members_frame()
    spectra = spectra_of(members)
    mixed = pl.concat([members, members_frame(release="DR3").with_columns(cluster=pl.lit("C"))])
    for wrong, message in ((mixed, "mixes Gaia releases: DR2, DR3"), (members.clear(), "membership list is empty")):
        with pytest.raises(CrossmatchError, match=message):
            identify(spectra, wrong, settings=CrossmatchConfig())
    with pytest.raises(CrossmatchError, match="no Gaia release 'DR7'"):
        identify(spectra, members.with_columns(gaia_release=pl.lit("DR7")), settings=CrossmatchConfig())
    with pytest.raises(CrossmatchError, match="'o3' occurs more than once"):
        identify(pl.concat([spectra, spectra[3:4]]), members, settings=CrossmatchConfig())


@pytest.mark.parametrize("method", ["auto", "source_id", "position"])
def test_no_spectra(method: str) -> None:
    result = identify(SPECTRA.empty(), members_frame(), settings=CrossmatchConfig(method=method))
    assert result.frame.is_empty()
    MATCHES.validate(result.frame)


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 50), seed=st.integers(0, 99), method=st.sampled_from(["auto", "source_id", "position"]))
def test_batches_give_what_the_whole_gives(size: int, seed: int, method: str) -> None:
    members = members_frame(seed=seed)
    rng = np.random.default_rng(seed)
    spectra = spectra_of(members).with_columns(
        pl.col("dec") + rng.normal(0, 2 / 3600, 40),
        source_id_dr2=pl.when(pl.Series(rng.random(40) < 0.7)).then("source_id_dr2"),
    )
    config = CrossmatchConfig(method=method)
    whole = identify(spectra, members, settings=config, gaia_releases={"DR2"})
    parts = [identify(b, members, settings=config, gaia_releases={"DR2"}) for b in spectra.iter_slices(size)]
    assert whole.frame.equals(pl.concat([p.frame for p in parts]))
    assert whole.steps[0].went_on == sum(p.steps[0].went_on for p in parts)


def test_audit_names_every_kind_of_disagreement() -> None:
    members = members_frame()
    neighbour = members[10:11].with_columns(
        cluster=pl.lit("C"), source_id=pl.lit(BIG + 999), dec=pl.col("dec") + 1 / 3600
    )
    sources = pl.concat([members, neighbour])
    change = pl.col("spectrum_id")
    spectra = spectra_of(members).with_columns(
        source_id_dr2=pl.when(change == "o1")
        .then(None)
        .when(change == "o2")
        .then(BIG + 500)
        .when(change == "o10")
        .then(BIG + 999)
        .otherwise("source_id_dr2"),
        dec=pl.when(change == "o3").then(pl.col("dec") + 8 / 3600).otherwise("dec"),
        ra=pl.when(change == "o4").then(pl.col("ra") + 0.5).otherwise("ra"),
    )
    spectra = spectra.with_columns(source_id_dr2=pl.when(change == "o4").then(BIG + 501).otherwise("source_id_dr2"))
    audit = audit_ids(spectra, sources, radius_arcsec=3.5, gaia_release="DR2")
    AUDIT.validate(audit.frame)
    verdicts = dict(audit.frame.select("spectrum_id", "verdict").iter_rows())
    special = {"o1": "no id", "o2": "other source", "o3": "beyond radius", "o10": "not nearest"}
    assert verdicts == {f"o{i}": special.get(f"o{i}", "agrees") for i in range(40) if i != 4}
    assert audit.facts == {"agrees": 35, "not nearest": 1, "beyond radius": 1, "other source": 1, "no id": 1}
    assert list(audit.facts) == list(VERDICTS)
    assert audit.steps[0].went_on == 39
    rows = {r["spectrum_id"]: r for r in audit.frame.iter_rows(named=True)}
    assert rows["o3"]["survey_separation"] == pytest.approx(8.0, abs=1e-6)
    assert (rows["o3"]["nearest_id"], rows["o3"]["n_in_radius"]) == (None, 0)
    assert (rows["o10"]["nearest_id"], rows["o10"]["n_in_radius"]) == (BIG + 11, 2)
    assert rows["o10"]["survey_separation"] == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(CrossmatchError, match="no Gaia DR3 ids"):
        audit_ids(spectra, sources, radius_arcsec=3.5, gaia_release="DR3")
