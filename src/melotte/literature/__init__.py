"""What was known before: names, comparison with the literature, first determinations, zero points of surveys."""

from .aliases import AliasTable, Clash, read_aliases
from .canonical import canonical, split_names
from .check import Pairing, PairLimits, Problem, audit, pair
from .compare import CompareSettings, Comparison, compare, compare_named
from .compilation import compile_values, open_listing
from .equations import SolveSettings
from .errors import NameResolutionError, NameServiceError
from .ledger import Ledger, LedgerSettings, make_ledger
from .listing import Listing, from_catalogue, read_literature, read_record
from .local import LocalNames
from .measurements import cluster_measurements, member_measurements, star_measurements
from .names import Resolved, Resolver, load_resolver
from .online import find_online, resolve_online
from .records import LiteratureRecord, compilations, literature, parse_record
from .review import Review, review
from .search import Searched, searched
from .settings import compare_settings, ledger_settings, solve_settings
from .statistics import Offset, describe
from .tables import first_table, known_table
from .zero_points import Network, solve

__all__ = [
    "AliasTable",
    "Clash",
    "CompareSettings",
    "Comparison",
    "Ledger",
    "LedgerSettings",
    "Listing",
    "LiteratureRecord",
    "LocalNames",
    "NameResolutionError",
    "NameServiceError",
    "Network",
    "Offset",
    "PairLimits",
    "Pairing",
    "Problem",
    "Resolved",
    "Resolver",
    "Review",
    "Searched",
    "SolveSettings",
    "audit",
    "canonical",
    "cluster_measurements",
    "compare",
    "compare_named",
    "compare_settings",
    "compilations",
    "compile_values",
    "describe",
    "find_online",
    "first_table",
    "from_catalogue",
    "known_table",
    "ledger_settings",
    "literature",
    "load_resolver",
    "make_ledger",
    "member_measurements",
    "open_listing",
    "pair",
    "parse_record",
    "read_aliases",
    "read_literature",
    "read_record",
    "resolve_online",
    "review",
    "searched",
    "solve",
    "solve_settings",
    "split_names",
    "star_measurements",
]
