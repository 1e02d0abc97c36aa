"""Galactocentric frames, the gravitational potential, orbits and integrals of motion."""

from .coordinates import from_skycoord
from .orbits import Orbits, integrate_orbits
from .potential import Axisymmetric, Potential, TabulatedPotential, load_potential
from .sink import parquet_sink
from .stage import DynamicsResult, compare_chains, dynamics, with_chosen_velocity
from .sun import Sun, solar, solar_sets

__all__ = [
    "Axisymmetric",
    "DynamicsResult",
    "Orbits",
    "Potential",
    "Sun",
    "TabulatedPotential",
    "compare_chains",
    "dynamics",
    "from_skycoord",
    "integrate_orbits",
    "load_potential",
    "parquet_sink",
    "solar",
    "solar_sets",
    "with_chosen_velocity",
]
