"""Products: tables in every format, the report, the provenance record."""

from .about import About
from .tables import FORMATS, read_table, write_table

__all__ = ["FORMATS", "About", "read_table", "write_table"]
