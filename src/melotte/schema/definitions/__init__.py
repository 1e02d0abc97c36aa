"""The tables stages meet in, column by column.

Spelling follows the Gaia archive (``source_id``, ``pmra``, ``parallax_error``). ``_error`` is an uncertainty,
``_scatter`` the star-to-star standard deviation; the two are never mixed.
"""

from .catalogue import CATALOGUE, TABLES
from .columns import CLUSTER, GAIA_RELEASE, SPECTRUM_ID
from .inputs import CLUSTERS, MATCHES, MEMBERS, SPECTRA
from .stars import MEMBER_STARS, STARS

__all__ = [
    "CATALOGUE",
    "CLUSTER",
    "CLUSTERS",
    "GAIA_RELEASE",
    "MATCHES",
    "MEMBERS",
    "MEMBER_STARS",
    "SPECTRA",
    "SPECTRUM_ID",
    "STARS",
    "TABLES",
]
