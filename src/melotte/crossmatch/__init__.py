"""Cross-match: which Gaia source is in the fibre, at the epoch of the spectrum (Fu et al. 2022, Sect. 2).

Two routes lead to the members of a cluster and give the same stars, separations and angles:

- members first: `identify` (or `match_positions`) on the membership list. Any member within the radius is by definition
  one of "all Gaia sources within the radius", so that no Gaia table is needed.
- full: `match_files`, `match_lsdb` or `match_cds` on Gaia itself, then a join with the members. Needed for what the
  neighbours that are no members decide: ``n_in_radius`` and ``flux_fraction``, the share of a blend in the light that
  the fibre collected.

Engines, all with the same rows: `match_positions` in memory, `match_files` from Parquet to Parquet,
`match_lsdb` on HATS catalogues, `match_cds` through the CDS X-Match service.
"""

from __future__ import annotations

from .audit import audit_ids
from .cds import match_cds
from .epoch import propagate
from .files import MatchReport, match_files
from .identify import identify
from .local import match_positions
from .scale import dask_client, match_lsdb

__all__ = [
    "MatchReport",
    "audit_ids",
    "dask_client",
    "identify",
    "match_cds",
    "match_files",
    "match_lsdb",
    "match_positions",
    "propagate",
]
