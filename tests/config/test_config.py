"""The configuration refuses what it does not understand and says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from melotte import config
from melotte.config.read import SECTIONS
from melotte.errors import ConfigError

MINIMAL: dict[str, Any] = {
    "survey": {"adapter": "lamost", "file": "survey.csv"},
    "members": {"catalogue": "cantat2018"},
    "clusters": {"catalogue": "cantat2020"},
}


def test_defaults_are_those_of_the_paper():
    cfg = config.parse(MINIMAL)
    assert cfg.crossmatch.radius == 3.5 * u.arcsec
    assert cfg.velocity.draws == 5000
    assert cfg.velocity.clip == 2.0
    assert cfg.metallicity.teff == (4000 * u.K, 7500 * u.K)
    assert cfg.metallicity.cool_dwarf_teff == 5000 * u.K


def test_resolved_configuration_parses_to_itself():
    cfg = config.parse({**MINIMAL, "zero_point": {"reference": {"adapter": "gaia_rvs", "file": "rvs.csv"}}})
    again = config.parse(cfg.resolved())
    assert again == cfg


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("velocity", {"clip": 2}, r"\[velocity\] clip.*2 sigma"),
        ("velocity", {"clip": "2 km/s"}, r"\[velocity\] clip"),
        ("velocity", {"clip": "0 sigma"}, r"\[velocity\] clip.*positive"),
        ("velocity", {"drws": 5}, r"\[velocity\] drws: unknown key"),
        ("velocity", {"draws": 1}, r"\[velocity\] draws"),
        ("crossmatch", {"radius": 3.5}, r"\[crossmatch\] radius: 3.5 has no unit"),
        ("crossmatch", {"radius": "3.5"}, r"\[crossmatch\] radius.*no unit"),
        ("crossmatch", {"radius": "3.5 km"}, r"\[crossmatch\] radius.*wrong dimension"),
        ("crossmatch", {"radius": "-1 arcsec"}, r"\[crossmatch\] radius.*positive"),
        ("crossmatch", {"radius": "nan arcsec"}, r"\[crossmatch\] radius.*not finite"),
        ("crossmatch", {"radius": True}, r"\[crossmatch\] radius"),
        ("members", {"catalogue": "cantat2018", "probability": 0.7}, r"\[members\] probability.*>= 0.7"),
        ("members", {"catalogue": "cantat2018", "probability": "> 70"}, r"\[members\] probability.*0 and 1"),
        ("members", {"catalogue": "table"}, r"\[members\].*needs"),
        ("metallicity", {"teff": ["7500 K", "4000 K"]}, r"\[metallicity\].*not below"),
        ("survey", {"adapter": "table", "file": "x"}, r"\[survey\].*columns"),
        ("survey", {"adapter": "lamost"}, r"\[survey\] file: missing"),
        ("veloctiy", {}, r"\[veloctiy\]: unknown key"),
    ],
)
def test_a_wrong_value_is_named_with_key_and_file(section: str, content: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        config.parse({**MINIMAL, section: content}, where="my.toml")
    assert "my.toml" in str(caught.value)


def test_unknown_key_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'clip'"):
        config.parse({**MINIMAL, "velocity": {"clp": "2 sigma"}})


def test_units_are_converted():
    cfg = config.parse({**MINIMAL, "crossmatch": {"radius": "0.001 deg"}})
    assert cfg.crossmatch.radius.to_value("arcsec") == pytest.approx(3.6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such configuration file"),
        (b"[survey\n", "not valid TOML"),
        (b"title = '\xff'\n", "not UTF-8"),
        (b"", r"\[survey\]: missing"),
    ],
)
def test_unreadable_files(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        config.load(path)
    assert "run.toml" in str(caught.value)


def test_a_directory_is_not_a_configuration(tmp_path: Path):
    with pytest.raises(ConfigError, match="directory"):
        config.load(tmp_path)


def test_threshold_says_whether_the_limit_passes():
    assert config.parse(
        {**MINIMAL, "members": {"catalogue": "cantat2018", "probability": ">= 0.7"}}
    ).members.probability.passes(0.7)
    assert not config.parse(
        {**MINIMAL, "members": {"catalogue": "cantat2018", "probability": "> 0.7"}}
    ).members.probability.passes(0.7)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda s: (
            st.lists(s, max_size=3)
            | st.dictionaries(st.sampled_from(["file", "adapter", "teff", "columns", "x"]), s, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_nonsense_raises_nothing_but_config_error(value: Any):
    for section in ("survey", "members", "crossmatch", "velocity", "metallicity", "nonsense"):
        try:
            config.parse({**MINIMAL, section: value})
        except ConfigError:
            continue


@pytest.mark.parametrize(
    ("content", "found", "hint"),
    [
        ("[galaxi]\ndraws = 5\n", "[galaxi]", "'galaxy'"),
        ("[galaxy]\ndraw = 5\n", "[galaxy] draw", "'draws'"),
        ("[metalicity]\n", "[metalicity]", "'metallicity'"),
    ],
)
def test_a_step_alone_refuses_what_it_does_not_know(content: str, found: str, hint: str, tmp_path: Path) -> None:
    """A misspelt section or key of ``--config`` is named with the nearest that exists, and not ignored."""
    path = tmp_path / "my.toml"
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        config.load_section(path, "galaxy", config.GalaxyConfig)
    assert found in str(error.value)
    assert hint in str(error.value)


def test_every_section_of_a_run_and_of_a_step_is_known(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("".join(f"[{name}]\n" for name in SECTIONS))
    assert config.load_section(path, "galaxy", config.GalaxyConfig) == config.GalaxyConfig()


@pytest.mark.parametrize(
    ("section", "wrong", "near"), [("galaxy", "lookbak", "lookback"), ("gradients", "predictor", "predictors")]
)
def test_optional_sections_suggest_the_nearest_key(section: str, wrong: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        config.parse({**MINIMAL, "galaxy": {}, section: {wrong: 1}})


def test_dask_settings_are_refused_by_a_run() -> None:
    with pytest.raises(ConfigError, match="used by no run"):
        config.parse({**MINIMAL, "crossmatch": {"dask": {"workers": 2}}})
