"""Products: tables in every format, the report, the provenance record, what to cite."""

from ..tables.about import About
from ..tables.write import FORMATS, read_table, write_table
from .citation import citation_text, write_citation
from .paper import published_columns, write_paper_table
from .provenance import InputFile, update_outputs, write_provenance
from .report import Picture, write_report

__all__ = [
    "FORMATS",
    "About",
    "InputFile",
    "Picture",
    "citation_text",
    "published_columns",
    "read_table",
    "update_outputs",
    "write_citation",
    "write_paper_table",
    "write_provenance",
    "write_report",
    "write_table",
]
