"""Membership lists -> MEMBERS, cluster catalogues -> CLUSTERS."""

from __future__ import annotations

from .clusters import read_clusters
from .lists import read_members

__all__ = ["read_clusters", "read_members"]
