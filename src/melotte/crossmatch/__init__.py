"""Cross-match: which Gaia source is in the fibre, at the epoch of the spectrum (Fu et al. 2022, Sect. 2)."""

from __future__ import annotations

from .audit import audit_ids
from .cds import match_cds
from .epoch import propagate
from .files import MatchReport, match_files
from .identify import identify
from .local import match_positions

__all__ = ["MatchReport", "audit_ids", "identify", "match_cds", "match_files", "match_positions", "propagate"]
