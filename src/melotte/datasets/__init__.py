"""The published catalogues Melotte works with: what they are, where they lie, how to get and check them."""

from __future__ import annotations

from .archive import fetch
from .check import Verified, verify
from .cite import bibtex, citations
from .find import Listed, cache_directory, data_dirs, list_datasets, locate
from .model import Content, ManualSource, Record, UrlSource, VizierSource, record, records

__all__ = [
    "Content",
    "Listed",
    "ManualSource",
    "Record",
    "UrlSource",
    "Verified",
    "VizierSource",
    "bibtex",
    "cache_directory",
    "citations",
    "data_dirs",
    "fetch",
    "list_datasets",
    "locate",
    "record",
    "records",
    "verify",
]
