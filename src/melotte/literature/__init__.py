"""What was known before: names, comparison with the literature, first determinations."""

from .canonical import canonical, split_names
from .errors import NameResolutionError, NameServiceError
from .listing import Listing, compile_values, from_catalogue, open_listing, read_literature, read_record
from .names import AliasTable, Clash, LocalNames, Resolved, Resolver, load_resolver, read_aliases
from .records import LiteratureRecord, compilations, literature, parse_record

__all__ = [
    "AliasTable",
    "Clash",
    "Listing",
    "LiteratureRecord",
    "LocalNames",
    "NameResolutionError",
    "NameServiceError",
    "Resolved",
    "Resolver",
    "canonical",
    "compilations",
    "compile_values",
    "from_catalogue",
    "literature",
    "load_resolver",
    "open_listing",
    "parse_record",
    "read_aliases",
    "read_literature",
    "read_record",
    "split_names",
]
