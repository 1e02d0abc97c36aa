"""Radial-velocity quality control, cluster velocities and the survey's zero point (Fu et al. 2022, Sect. 2.1)."""

from .absent import by_membership
from .likelihood import MixtureResult, velocity_model
from .likelihood_shared import share, shared_error, with_shared_error
from .selection import CLUSTER_VELOCITIES, VelocityResult, select
from .zeropoint import ZeroPoint, zero_point

__all__ = [
    "CLUSTER_VELOCITIES",
    "MixtureResult",
    "VelocityResult",
    "ZeroPoint",
    "by_membership",
    "select",
    "share",
    "shared_error",
    "velocity_model",
    "with_shared_error",
    "zero_point",
]
