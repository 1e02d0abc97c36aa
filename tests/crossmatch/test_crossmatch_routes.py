"""Two routes to the members: survey x members, and survey x Gaia x members."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from melotte.core.randomness import Streams
from melotte.crossmatch import match_positions
from melotte.schema.gaia import gaia_release
from melotte.validation.simulate import SimulationSettings, simulate


@pytest.mark.parametrize("seed", [1, 2])
def test_both_routes_give_the_same_member_stars(seed: int) -> None:
    """Same pairs, separations, angles; only the full route knows the neighbours that are no members."""
    survey = simulate(SimulationSettings(n_clusters=60, n_field_spectra=1000), Streams(seed))
    spectra = survey.spectra.select(
        pl.col("obsid").cast(pl.String).alias("spectrum_id"), "ra", "dec", ref_epoch=pl.lit(2000.0)
    )
    members = survey.members.select(
        "ra", "dec", "pmra", "pmdec", "phot_g_mean_mag",
        source_id="Source", ref_epoch=pl.lit(gaia_release("DR2").epoch),
    )  # fmt: skip
    # Gaia is the members and 30 times as many others, a third of them in the fibre of a member.
    rng = np.random.default_rng(seed)
    n = 30 * members.height
    near = members.sample(n, with_replacement=True, seed=seed)
    spread = np.where(rng.random(n) < 0.33, 2.0, 200.0) / 3600
    field = near.with_columns(
        ra=(pl.col("ra") + rng.normal(0, spread)) % 360,
        dec=pl.col("dec") + rng.normal(0, spread),
        pmra=pl.Series(rng.normal(0, 20, n)),
        pmdec=pl.Series(rng.normal(0, 20, n)),
        phot_g_mean_mag=pl.Series(rng.uniform(12, 20, n)),
        source_id=pl.Series(np.arange(n) + 2**62),
    )
    gaia = pl.concat([members, field.select(members.columns)]).sample(fraction=1.0, shuffle=True, seed=seed)

    direct = match_positions(spectra, members, radius_arcsec=3.5, gaia_release="DR2")
    everything = match_positions(spectra, gaia, radius_arcsec=3.5, gaia_release="DR2")
    through = everything.join(members.select("source_id"), on="source_id", how="semi", maintain_order="left")

    same = ["spectrum_id", "source_id", "separation", "position_angle", "propagated"]
    assert direct.height > 300
    assert direct.select(same).equals(through.select(same))
    # The blend fraction needs the full route.
    assert (through["n_in_radius"] >= direct["n_in_radius"]).all()
    assert (through["n_in_radius"] > direct["n_in_radius"]).mean() > 0.5
    assert (through["flux_fraction"] <= direct["flux_fraction"]).all()
    assert (through["flux_fraction"] < 0.99).sum() > 50
