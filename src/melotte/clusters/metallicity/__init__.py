"""Stellar-parameter quality control, cluster [Fe/H], and the cluster catalogue (Fu et al. 2022, Sect. 2.2)."""

from .assembly import assemble
from .selection import CLUSTER_METALLICITIES, MetallicityResult, select

__all__ = ["CLUSTER_METALLICITIES", "MetallicityResult", "assemble", "select"]
