"""Orbits and integrals of motion: one row per cluster, and one per cluster and look-back time."""

from __future__ import annotations

from dataclasses import replace

from .core import Column, Schema
from .definitions import CLUSTER
from .definitions.columns import labelled

_QUANTITIES: tuple[Column, ...] = (
    labelled(
        "u_lsr",
        "ULSR",
        "km / s",
        "phys.veloc;pos.galactic",
        "Velocity towards the Galactic centre (heliocentric axis), the Sun's motion added",
        "%9.4f",
    ),
    labelled(
        "v_lsr",
        "VLSR",
        "km / s",
        "phys.veloc;pos.galactic",
        "Velocity along Galactic rotation (heliocentric axis), the Sun's motion and the circular velocity added",
        "%9.4f",
    ),
    labelled(
        "w_lsr",
        "WLSR",
        "km / s",
        "phys.veloc;pos.galactic",
        "Velocity towards the north Galactic pole, the Sun's motion added",
        "%9.4f",
    ),
    labelled(
        "l_x",
        "LX",
        "kpc km / s",
        "phys.angMomentum;pos.galactocentric",
        "Angular momentum about the axis from the Sun to the Galactic centre, sign as published",
        "%10.3f",
    ),
    labelled(
        "l_y",
        "LY",
        "kpc km / s",
        "phys.angMomentum;pos.galactocentric",
        "Angular momentum about the axis along rotation at the Sun, sign as published (left-handed axes)",
        "%10.3f",
    ),
    labelled(
        "l_z",
        "LZ",
        "kpc km / s",
        "phys.angMomentum;pos.galactocentric",
        "Angular momentum about the rotation axis, positive for disc rotation",
        "%10.3f",
    ),
    labelled(
        "r_gc",
        "RGC",
        "kpc",
        "pos.distance;pos.galactocentric",
        "Distance from the rotation axis of the Galaxy",
        "%9.5f",
        minimum=0.0,
    ),
    labelled(
        "z_gc", "ZGC", "kpc", "pos.cartesian.z;pos.galactocentric", "Height above the Galactic mid-plane", "%9.5f"
    ),
    labelled(
        "v_r",
        "VR",
        "km / s",
        "phys.veloc;pos.galactocentric",
        "Velocity away from the rotation axis",
        "%9.4f",
    ),
    labelled(
        "v_phi",
        "Vphi",
        "km / s",
        "phys.veloc.rotat;pos.galactocentric",
        "Velocity of rotation about the Galactic axis, positive for disc rotation",
        "%9.4f",
    ),
    labelled(
        "r_peri",
        "Peri",
        "kpc",
        "pos.distance;pos.galactocentric;stat.min",
        "Smallest distance from the Galactic centre along the orbit",
        "%9.5f",
        minimum=0.0,
    ),
    labelled(
        "r_apo",
        "Apo",
        "kpc",
        "pos.distance;pos.galactocentric;stat.max",
        "Largest distance from the Galactic centre along the orbit",
        "%9.5f",
        minimum=0.0,
    ),
    labelled(
        "ecc",
        "ecc",
        "",
        "src.orbital.eccentricity",
        "(r_apo - r_peri) / (r_apo + r_peri)",
        "%8.6f",
        minimum=0.0,
        maximum=1.0,
    ),
    labelled(
        "z_max",
        "Zmax",
        "kpc",
        "pos.cartesian.z;pos.galactocentric;stat.max",
        "Largest distance from the mid-plane along the orbit",
        "%9.5f",
        minimum=0.0,
    ),
    labelled(
        "guiding_radius",
        "Rg",
        "kpc",
        "pos.distance;pos.galactocentric",
        "Radius of the circular orbit of the same l_z",
        "%9.5f",
        minimum=0.0,
    ),
    labelled(
        "energy",
        "Energy",
        "km2 / s2",
        "phys.energy",
        "Total energy per unit mass; zero at infinity (in the published chain: GalPot's zero point)",
        "%10.2f",
    ),
)

_WORD = {"p16": "16th percentile", "p50": "median", "p84": "84th percentile"}


def percentiles(column: Column) -> tuple[Column, ...]:
    """Columns of the 16th, 50th and 84th percentile of the draws of a column."""
    return tuple(
        replace(
            column,
            name=f"{column.name}_{p}",
            label=f"{column.label}{p[1:]}",
            ucd=f"{column.ucd};stat.{'median' if p == 'p50' else 'percentile'}",
            description=f"{word[0].upper()}{word[1:]} of the draws of {column.name}",
        )
        for p, word in _WORD.items()
    )


#: Names of the quantities that are sampled, in the order of the table.
SAMPLED = tuple(c.name for c in _QUANTITIES)

DYNAMICS = Schema(
    "dynamics",
    "Orbits and integrals of motion of the clusters",
    (
        CLUSTER,
        *_QUANTITIES,
        *(p for c in _QUANTITIES for p in percentiles(c)),
        labelled(
            "j_r",
            "JR",
            "kpc km / s",
            "phys.angMomentum;pos.galactocentric",
            "Radial action in the Staeckel approximation",
            "%10.3f",
            minimum=0.0,
        ),
        labelled(
            "j_z",
            "JZ",
            "kpc km / s",
            "phys.angMomentum;pos.galactocentric",
            "Vertical action in the Staeckel approximation",
            "%10.3f",
            minimum=0.0,
        ),
        labelled(
            "energy_error",
            "dE",
            "",
            "stat.error;phys.energy",
            "Largest relative change of the energy along the orbit",
            "%8.1e",
            minimum=0.0,
        ),
        Column(
            "n_draws",
            "int32",
            "",
            "meta.number",
            "Draws behind the percentiles (bound, energy conserved)",
            True,
            "%6d",
            label="Ndraw",
            minimum=0,
        ),
        Column(
            "rv_zero_point",
            "string",
            "",
            "meta.note",
            "Radial velocity used: corrected (zero point removed) or uncorrected",
            True,
            label="RVused",
        ),
        Column("reason", "string", "", "meta.note", "Why the row has no orbit", True, label="Reason"),
    ),
    key=("cluster",),
)

_SNAPSHOT = (DYNAMICS["r_gc"], DYNAMICS["z_gc"])

SNAPSHOTS = Schema(
    "snapshots",
    "Places of the clusters at look-back times",
    (
        CLUSTER,
        labelled(
            "lookback",
            "tback",
            "Myr",
            "time.duration",
            "Look-back time",
            "%8.2f",
            nullable=False,
            minimum=0.0,
        ),
        labelled(
            "x",
            "X",
            "kpc",
            "pos.cartesian.x;pos.galactocentric",
            "Place on the axis from the Galactic centre away from the Sun (right-handed axes, the Sun at negative x)",
            "%9.5f",
        ),
        labelled(
            "y",
            "Y",
            "kpc",
            "pos.cartesian.y;pos.galactocentric",
            "Place on the axis along rotation at the Sun today",
            "%9.5f",
        ),
        *_SNAPSHOT,
        *(p for c in _SNAPSHOT for p in percentiles(c)),
    ),
    key=("cluster", "lookback"),
)
