"""Member list and cluster catalogue joined by identity: the functions alone, and in a whole run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melotte.catalogue.catalogue import Catalogue
from melotte.core.randomness import Streams
from melotte.errors import ReadError
from melotte.literature import AliasTable, Resolver
from melotte.literature.aliases import proper_names
from melotte.schema import CLUSTERS, MEMBERS
from melotte.validation.demonstration import CONFIG
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow import identity, pipeline
from melotte.workflow.identity import Identity, under_member_names
from melotte.workflow.pipeline import compute

# Name, RA, Dec (deg), proper motion (mas/yr), r50 (deg): Cantat-Gaudin et al. 2020, rounded.
PLACES = {
    "NGC_2682": (132.846, 11.814, -10.97, -2.95, 0.166),
    "Melotte_22": (56.601, 24.114, 19.99, -45.55, 1.277),
    "NGC_188": (11.798, 85.244, -2.31, -0.95, 0.267),
    "vdBergh_1": (99.265, 3.075, -0.36, -0.72, 0.053),
    "Stock_2": (33.856, 59.522, 15.97, -13.60, 0.998),
    "LP_5": (200.0, 0.0, 1.0, 1.0, 0.2),
}
SPELLINGS = {
    "NGC_2682": ["NGC_2682", "NGC 2682", "NGC2682", "ngc2682", "Ngc-2682", "M 67", "M67", "Melotte 94"],
    "Melotte_22": ["Melotte_22", "Mel 22", "Melotte 22", "Pleiades", "M45", "Cl Melotte 22"],
    "NGC_188": ["NGC_188", "NGC 188", "NGC_0188", "ngc188"],
    "vdBergh_1": ["vdBergh_1", "vdBergh 1", "VDBERGH_1"],
    "Stock_2": ["Stock_2", "stock 2", "STOCK2"],
    "LP_5": ["LP_5", "LP 5", "lp5"],
}


def catalogue(names: list[str] | None = None, places: dict[str, tuple[float, ...]] = PLACES) -> pl.DataFrame:
    rows = [(name, *places[name], 9.0 + 0.1 * i, 900.0 + i) for i, name in enumerate(names or places)]
    columns = ["cluster", "ra", "dec", "pmra", "pmdec", "r50", "log_age", "distance"]
    return CLUSTERS.conform(pl.DataFrame(rows, schema=columns, orient="row"))


def members(names: dict[str, str]) -> pl.DataFrame:
    """Seven stars around each cluster: by the name they are listed under, the cluster of `PLACES`."""
    rng = np.random.default_rng(1)
    rows = []
    for number, (name, true) in enumerate(names.items()):
        ra, dec, pmra, pmdec, r50 = PLACES[true]
        for star in range(7):
            east, north = rng.normal(0.0, r50, 2)
            position = ((ra + east / np.cos(np.radians(dec))) % 360.0, min(dec + north, 89.9))
            rows.append((name, 1000 * number + star, *position, pmra, pmdec))
    frame = pl.DataFrame(rows, schema=["cluster", "source_id", "ra", "dec", "pmra", "pmdec"], orient="row")
    return MEMBERS.conform(
        frame.with_columns(
            pl.lit(1.0).alias("probability"),
            pl.lit("DR2").alias("gaia_release"),
            pl.lit(2015.5).alias("ref_epoch"),
            pl.lit(1, pl.Int32).alias("n_clusters"),
        )
    )


def names() -> Resolver:
    return Resolver([proper_names()])


def never() -> Resolver:
    pytest.fail("the alias table was asked for")


def parameters(found: Identity, spelled: dict[str, str]) -> list[tuple[str, float, float]]:
    """Age and distance each cluster gets, under its name in `PLACES`."""
    listed = {row["cluster"]: row for row in found.frame.iter_rows(named=True)}
    return sorted(
        (true, listed[name]["log_age"], listed[name]["distance"]) for name, true in spelled.items() if name in listed
    )


def test_exact_names_are_left_alone_and_ask_for_no_alias():
    clusters = catalogue()
    found = under_member_names(members({name: name for name in PLACES}), clusters, never)
    assert found.frame is clusters
    assert (found.joined, found.refused, found.notes(PLACES), found.alias_dataset) == ({}, {}, (), None)


@settings(max_examples=60, deadline=None)
@given(
    spelled=st.fixed_dictionaries({name: st.sampled_from(written) for name, written in SPELLINGS.items()}),
    seed=st.integers(0, 1000),
)
def test_any_spelling_in_any_order_gets_the_same_parameters(spelled: dict[str, str], seed: int):
    by_name = {written: true for true, written in spelled.items()}
    shuffled = members(by_name).sample(fraction=1.0, shuffle=True, seed=seed)
    clusters = catalogue().sample(fraction=1.0, shuffle=True, seed=seed)
    exact = under_member_names(members({name: name for name in PLACES}), catalogue(), never)
    found = under_member_names(shuffled, clusters, names)
    assert parameters(found, by_name) == parameters(exact, {name: name for name in PLACES})
    assert set(found.frame["cluster"]) == set(by_name)
    assert not found.refused
    # The rows themselves: nothing but the name changed.
    assert found.frame.drop("cluster").equals(clusters.drop("cluster"))
    assert found.notes(by_name) == under_member_names(members(by_name), catalogue(), names).notes(by_name)


def test_spelling_needs_no_alias_table():
    found = under_member_names(members({"ngc 2682": "NGC_2682"}), catalogue(), never)
    assert found.joined["ngc 2682"].listed == "NGC_2682"
    assert found.notes(["ngc 2682"]) == (
        "1 cluster has another name in the cluster catalogue (spelling): ngc 2682 = NGC_2682",
    )


def test_a_cluster_without_parameters_is_said_once_with_what_comes_nearest():
    def none() -> Resolver:
        return Resolver(notes=("names are matched by spelling only: no alias table",))

    found = under_member_names(members({"M 67": "NGC_2682", "NGC 188": "NGC_188"}), catalogue(), none)
    assert list(found.joined) == ["NGC 188"]
    joined, absent, why = found.notes(["M 67", "NGC 188"])
    assert "NGC 188 = NGC_188" in joined
    assert absent.startswith("1 cluster is not in the cluster catalogue: no age, no distance: M 67 (")
    assert "nearest in position: NGC_2682, 0." in absent
    assert why == "names are matched by spelling only: no alias table"
    assert found.notes(["NGC 188"]) == (joined,)  # a cluster the survey has no star of is not spoken of


def test_a_name_spelled_nearly_so_is_only_offered():
    found = under_member_names(members({"NGC 2628": "NGC_188"}), catalogue(), names)
    assert not found.joined
    assert "in name: NGC_2682" in found.notes(["NGC 2628"])[0]


@pytest.mark.parametrize("name", ["NGC 2682", "M 67"])
def test_a_namesake_elsewhere_in_the_sky_is_not_joined(name: str):
    found = under_member_names(members({name: "Stock_2"}), catalogue(), names)
    assert not found.joined
    assert "NGC_2682" in set(found.frame["cluster"])
    (note,) = found.notes([name])
    assert "not joined with NGC_2682: its members lie" in note
    assert "1.00 accepted" in note


def test_a_wide_cluster_may_be_off_by_its_radius():
    far = {"Stock_2": (33.856, 59.522 + 2.5, 15.97, -13.60, 0.998)}
    found = under_member_names(members({"stock 2": "Stock_2"}), catalogue(places=far), names)
    assert list(found.joined) == ["stock 2"]
    found = under_member_names(
        members({"stock 2": "Stock_2"}), catalogue(places={"Stock_2": (33.856, 64.0, 0, 0, 0.998)}), names
    )
    assert not found.joined


def test_a_motion_that_disagrees_is_said():
    other = {"NGC_2682": (132.846, 11.814, 5.0, -2.95, 0.166)}
    joined, doubt = under_member_names(members({"M 67": "NGC_2682"}), catalogue(places=other), names).notes(["M 67"])
    assert "M 67 = NGC_2682" in joined
    assert "perhaps not one cluster: M 67 = NGC_2682 (proper motions differ by 15.97 mas/yr)" in doubt


@pytest.mark.parametrize(
    ("listed", "given_to"),
    [
        (["NGC_2682", "NGC 2682"], "NGC_2682"),  # the same spelling before another
        (["NGC_2682", "M 67"], "NGC_2682"),
        (["ngc 2682", "M 67"], "ngc 2682"),  # another spelling before an alias
        (["ngc 2682", "NGC2682"], None),  # none is nearer
        (["M 67", "Melotte 94"], None),
    ],
)
def test_two_clusters_of_the_list_never_share_a_row(listed: list[str], given_to: str | None):
    for order in (listed, listed[::-1]):
        found = under_member_names(members(dict.fromkeys(order, "NGC_2682")), catalogue(), names)
        got = [name for name in listed if name in set(found.frame["cluster"])]
        assert got == ([given_to] if given_to else [])
        assert set(found.refused) == set(listed) - set(got)
        assert all("of the member list as well" in why for why in found.refused.values())
        assert found.frame.height == len(PLACES)


def test_two_rows_of_one_name_are_ambiguous():
    twice = {"NGC 2682": PLACES["NGC_2682"], "NGC_2682": PLACES["NGC_2682"]}
    for name in ("ngc2682", "M 67"):
        found = under_member_names(members({name: "NGC_2682"}), catalogue(places=twice), names)
        assert not found.joined
        assert "stands for 2 rows: NGC 2682, NGC_2682" in found.notes([name])[0]


def test_an_alias_of_two_objects_is_refused():
    tables = AliasTable("one", (("NGC 2682", "Old 1"), ("Stock 2", "Old 1")))
    found = under_member_names(members({"Old 1": "NGC_2682"}), catalogue(), lambda: Resolver([tables]))
    assert not found.joined
    assert "stands for 2 objects" in found.notes(["Old 1"])[0]


def test_leading_zeros_tell_two_rows_apart():
    two = {"LP_05": (20.0, 0.0, 1.0, 1.0, 0.2), "LP_5": PLACES["LP_5"]}
    found = under_member_names(members({"lp 5": "LP_5"}), catalogue(places=two), never)
    assert found.joined["lp 5"].listed == "LP_5"


def test_zeros_of_a_name_written_without_separators():
    one = {"ESO_092_05": PLACES["NGC_188"]}
    found = under_member_names(members({"eso09205": "NGC_188"}), catalogue(places=one), never)
    assert found.joined["eso09205"].listed == "ESO_092_05"


def test_a_damaged_alias_table_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def damaged(**_: object) -> Resolver:
        raise ReadError("it is not a table", where="names.csv")

    monkeypatch.setattr(identity, "load_resolver", damaged)
    found = identity.names_at_hand(tmp_path)
    assert found.notes == ("names are matched by spelling only: it is not a table",)
    assert found.find("M 67") is not None


# --- in a run ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    simulate(SimulationSettings(n_clusters=12, n_field_spectra=200), Streams(5)).write(directory)
    return directory


@pytest.fixture(scope="module")
def exact(inputs: Path) -> Catalogue:
    return compute(CONFIG, data_dir=inputs)


def respelt(inputs: Path, to: Path, pattern: str, by: str) -> Path:
    for path in inputs.glob("*.csv"):
        (to / path.name).write_bytes(path.read_bytes())
    table = pl.read_csv(to / "members.csv")
    table.with_columns(pl.col("Cluster").str.replace(pattern, by)).write_csv(to / "members.csv")
    return to


@pytest.mark.parametrize("by", ["sim $1", "SIM$1", "Sim-00$1"])
def test_a_run_with_other_spellings_gives_the_same_catalogue(inputs: Path, exact: Catalogue, tmp_path: Path, by: str):
    found = compute(CONFIG, data_dir=respelt(inputs, tmp_path, "SIM_0*(.*)", by))
    assert set(found.frame["cluster"]) == {by.replace("$1", name[4:].lstrip("0")) for name in exact.frame["cluster"]}
    number = pl.col("cluster").str.extract(r"(\d+)").cast(pl.Int64)
    one, two = exact.frame.sort(number), found.frame.sort(number)
    for name in exact.frame.columns:
        if name == "cluster":
            continue
        if not one[name].dtype.is_float():
            assert one[name].equals(two[name]), name
            continue
        assert one[name].is_null().equals(two[name].is_null()), name
        difference = (one[name] - two[name]).abs().fill_null(0.0)
        if name in CLUSTERS:
            assert difference.max() == 0.0, name
        elif name.removesuffix("_error") in DRAWN:  # the generator of a cluster is that of its name
            error = one[name.removesuffix("_error") + "_error"].fill_null(1.0)
            assert (difference <= 0.2 * error).all(), name
        else:  # sums over clusters, in the order of their names
            assert (difference <= 1e-8 * one[name].abs().fill_null(1.0)).all(), name
    assert not [note for note in found.notes if "not in the cluster catalogue" in note]
    assert len([note for note in found.notes if "another name in the cluster catalogue (spelling)" in note]) == 1
    assert not [note for note in exact.notes if "cluster catalogue" in note]


#: Quantities of a catalogue found by random draws.
DRAWN = {f"{quantity}_{which}" for quantity in ("rv", "feh") for which in ("med", "mean")} | {"rv_corrected"}


def test_a_saved_stage_is_good_as_long_as_the_names_join_alike(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    respelt(inputs, data, "SIM_0*2$", "Nix 2")
    aliases = {"table": AliasTable("later", ())}
    monkeypatch.setattr(pipeline, "names_at_hand", lambda _: Resolver([aliases["table"]]))
    before = compute(CONFIG, data_dir=data, out=out)
    assert before["Nix 2"].row["distance"] is None
    again = compute(CONFIG, data_dir=data, out=out, from_stage="orbits")
    assert again.frame.equals(before.frame)
    assert again.notes == before.notes
    assert [note for note in again.notes if note.startswith("1 cluster is not in the cluster catalogue")]
    # The alias becomes known: what did not depend on it is still good, the catalogue without it is not.
    aliases["table"] = AliasTable("later", (("SIM 2", "Nix 2"),))
    with pytest.raises(ReadError, match="'metallicity' was saved from other inputs"):
        compute(CONFIG, data_dir=data, out=out, from_stage="orbits")
    after = compute(CONFIG, data_dir=data, out=out, from_stage="metallicity")
    assert after["Nix 2"].row["distance"] is not None
    assert after["Nix 2"].row["rv_med"] == before["Nix 2"].row["rv_med"]
    assert compute(CONFIG, data_dir=data, out=out, from_stage="orbits").frame.equals(after.frame)


def test_the_alias_table_used_is_an_input_of_the_run(inputs: Path, tmp_path: Path):
    respelt(inputs, tmp_path, "SIM_0*2$", "Nix 2")
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "ucc_all_names.csv").write_text("Names\nSIM 2;Nix 2\n", encoding="utf-8")
    found = compute(CONFIG, data_dir=tmp_path)
    assert found["Nix 2"].row["distance"] is not None
    assert found.inputs["cluster names"][0].name == "ucc_all_names.csv"
    assert [note for note in found.notes if "(alias): Nix 2 = SIM_0002" in note]
