"""The published catalogues Melotte works with: what they are, where they lie, how to get and check them."""

from __future__ import annotations

from .find import Listed, cache_directory, data_dirs, list_datasets, locate
from .model import Content, ManualSource, Record, UrlSource, VizierSource, record, records

__all__ = [
    "Content",
    "Listed",
    "ManualSource",
    "Record",
    "UrlSource",
    "VizierSource",
    "cache_directory",
    "data_dirs",
    "list_datasets",
    "locate",
    "record",
    "records",
]
