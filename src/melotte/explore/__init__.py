"""The page of a catalogue: linked views, a table to search, a page per cluster, the account of the run."""

from .account import Picture
from .page import rewrite_page, write_page
from .reviews import read_reviews

__all__ = ["Picture", "read_reviews", "rewrite_page", "write_page"]
