"""The page of a catalogue: linked views, a table to search, a page per cluster, the account of the run."""

from .page import rewrite_page, write_page
from .reviews import read_reviews

__all__ = ["read_reviews", "rewrite_page", "write_page"]
