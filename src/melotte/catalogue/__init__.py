"""The result of a run, the views of its clusters, and the directory that holds it."""

from .catalogue import Catalogue
from .views import ClusterView, Plots

__all__ = ["Catalogue", "ClusterView", "Plots"]
