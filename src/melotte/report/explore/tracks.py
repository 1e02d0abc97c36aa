"""What the pages of the clusters draw beside the stars: members, isochrones, orbits, the range of velocities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import astropy.units as u
import numpy as np
import polars as pl

from ...catalogue.catalogue import Catalogue
from ...catalogue.views import ClusterView
from ...errors import MelotteError
from ...figures._common import RV_FLAGS, drawn_points, flags, value, values
from ...figures.parameters import giant_boundary
from ...figures.velocity import velocity_window
from ...galaxy.stage import chain_of, measured, with_chosen_velocity
from . import encode

#: Time between the points of an orbit that is drawn.
ORBIT_STEP: Final = u.Quantity(2.0, "Myr")


def drawn(catalogue: Catalogue) -> list[str]:
    """The clusters whose stars are in the page, in the order of the catalogue: those with the most stars used.

    As many as have no more than ``[figures] page_stars`` stars together; a cluster that does not fit is passed over.
    """
    counts = catalogue.members.group_by("cluster").len()
    sizes = catalogue.frame.select("cluster", "n_rv").join(counts, on="cluster", how="left").fill_null(0)
    room, chosen = catalogue.config.figures.page_stars, set()
    for name, n in sizes.sort("n_rv", "cluster", descending=[True, False]).select("cluster", "len").iter_rows():
        if n <= room:
            chosen.add(name)
            room -= n
    return [name for name in catalogue.frame["cluster"] if name in chosen]


def members(catalogue: Catalogue, clusters: Sequence[str]) -> dict[str, Any]:
    """Colour and magnitude of the membership list, cluster by cluster."""
    listed = catalogue.member_list.filter(
        pl.col("cluster").is_in(list(clusters)), pl.col("bp_rp").is_not_null(), pl.col("phot_g_mean_mag").is_not_null()
    )
    by_name = {str(key[0]): part for key, part in listed.partition_by("cluster", as_dict=True).items()}
    parts = [
        {"x": values(by_name[name], "bp_rp"), "y": values(by_name[name], "phot_g_mean_mag")} if name in by_name else {}
        for name in clusters
    ]
    return encode.ragged(parts, ("x", "y"))


def isochrones(views: Sequence[ClusterView]) -> dict[str, Any]:
    """Isochrones in the Kiel diagram (each once) and, seen at the distance of the cluster, in the colour-magnitude one.

    Returns
    -------
    dict
        ``kiel`` and ``cmd``: ragged arrays; ``of``: per cluster the row of ``kiel``, -1 for none; ``label``: per row of
        ``kiel``.
    """
    known: dict[tuple[float, float], int] = {}
    kiel: list[dict[str, Any]] = []
    cmd: list[dict[str, Any]] = []
    labels: list[str] = []
    of: list[int] = []
    for view in views:
        found, row = view.isochrone(), view.row
        cmd.append({})
        if found is None:
            of.append(-1)
            continue
        key = (found.mh, found.log_age)
        if key not in known:
            known[key] = len(kiel)
            points = drawn_points(found.points)
            kiel.append({"x": values(points, "teff"), "y": values(points, "logg")})
            labels.append(f"isochrone, log age {found.log_age:.1f}, [M/H] {found.mh:+.1f}")
        of.append(known[key])
        modulus, a_v = value(row, "distance_modulus"), value(row, "a_v")
        if np.isfinite(modulus) and np.isfinite(a_v):
            seen = drawn_points(found.magnitudes(modulus, a_v))
            cmd[-1] = {"x": values(seen, "bp_rp"), "y": values(seen, "phot_g_mean_mag")}
    names = ("x", "y")
    return {"kiel": encode.ragged(kiel, names), "cmd": encode.ragged(cmd, names), "of": of, "label": labels}


def orbits(catalogue: Catalogue, clusters: Sequence[str]) -> dict[str, Any]:
    """The orbits from today backwards, in the potential and from the place and velocity of the run.

    Parameters
    ----------
    catalogue : Catalogue
    clusters : sequence of str
        Which, in the order of the catalogue.

    Returns
    -------
    dict
        ``times`` (Myr), and x, y, R, z (kpc) of shape (clusters, times) end to end; ``reason``: why none is drawn, by
        cluster, and ``missing``: why there is none at all.
    """
    settings, frame = catalogue.config.galaxy, catalogue.frame.filter(pl.col("cluster").is_in(list(clusters)))
    if catalogue.orbits is None or settings is None:
        return {"missing": "This run computed no orbits: its configuration has no [galaxy] section."}
    try:
        chain = chain_of(settings.model_copy(update={"step": ORBIT_STEP}))
    except MelotteError as error:
        return {"missing": f"The potential of this run is not at hand here: {error.found}"}
    start = measured(with_chosen_velocity(frame, model=catalogue.config.velocity.model), settings)
    _, found = chain.run(start, chain.sun, chain.potential)
    x, y, z = np.moveaxis(found.position, -1, 0)
    joined = frame.select("cluster").join(
        catalogue.orbits.select("cluster", "reason"), on="cluster", how="left", maintain_order="left"
    )
    return {
        "missing": "",
        "n": int(x.shape[1]),
        "step": float(ORBIT_STEP.value),
        "sun": [float(v) for v in chain.sun.position],
        "reason": joined["reason"].to_list(),
        **{name: encode.array(v, "f4") for name, v in (("x", x), ("y", y), ("r", np.hypot(x, y)), ("z", z))},
    }


def selection(views: Sequence[ClusterView], stars: Sequence[pl.DataFrame], catalogue: Catalogue) -> dict[str, Any]:
    """Per cluster: the velocity range in view, mean and spread of its Gaussian, and the giants' limit in log g."""
    low, high, mean, sigma = [], [], [], []
    limits: list[dict[str, Any]] = []
    for view, own in zip(views, stars, strict=True):
        rv, error = values(own, "rv"), values(own, "rv_error")
        drawn = np.isfinite(rv) & np.isfinite(error) & (error > 0)
        used = drawn & np.isin(flags(own), RV_FLAGS)
        window, spread = (np.nan, np.nan), np.nan
        if drawn.any():
            bounds = (float(values(own, name)[drawn][0]) for name in ("rv_low", "rv_high"))
            window = velocity_window(rv[drawn], error[drawn], *bounds)
        if used.any():
            # Standard deviation of the pooled draws of the stars used (Fu et al. 2022, Sect. 2.1).
            spread = float(np.sqrt(np.var(rv[used]) + np.mean(error[used] ** 2)))
        low.append(window[0])
        high.append(window[1])
        mean.append(value(view.row, "rv_mean"))
        sigma.append(spread)
        teff, logg = giant_boundary(own, catalogue.config.metallicity)
        limits.append({"x": teff, "y": logg})
    return {
        **{k: encode.array(v) for k, v in (("low", low), ("high", high), ("mean", mean), ("sigma", sigma))},
        "limit": encode.ragged(limits, ("x", "y")),
    }
