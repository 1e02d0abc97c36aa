"""The structure of the disc: integrals of motion, the flare, molecular clouds and the Radcliffe wave."""

from .clouds import NearCloudsResult, near_clouds, read_sightlines
from .curve import Curve
from .draws import phase_draws
from .eccentricity import EccentricitiesResult, eccentricities
from .flare import FlareResult, flare
from .integrals import OutliersResult, outliers
from .radcliffe import AlongWaveResult, along_wave, read_wave, table7
from .ridge import CircularOrbits, Ridge
from .stage import Structure, analyse

__all__ = [
    "AlongWaveResult",
    "CircularOrbits",
    "Curve",
    "EccentricitiesResult",
    "FlareResult",
    "NearCloudsResult",
    "OutliersResult",
    "Ridge",
    "Structure",
    "along_wave",
    "analyse",
    "eccentricities",
    "flare",
    "near_clouds",
    "outliers",
    "phase_draws",
    "read_sightlines",
    "read_wave",
    "table7",
]
