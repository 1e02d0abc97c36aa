"""Membership lists -> MEMBERS, cluster catalogues -> CLUSTERS."""

from __future__ import annotations

from .clusters import comparable_name, read_clusters
from .lists import read_members

__all__ = ["comparable_name", "read_clusters", "read_members"]
