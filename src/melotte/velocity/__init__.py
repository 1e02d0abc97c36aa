"""Radial-velocity quality control, cluster velocities and the survey's zero point (Fu et al. 2022, Sect. 2.1)."""

from .selection import CLUSTER_VELOCITIES, VelocityResult, select
from .zeropoint import ZeroPoint, zero_point

__all__ = ["CLUSTER_VELOCITIES", "VelocityResult", "ZeroPoint", "select", "zero_point"]
