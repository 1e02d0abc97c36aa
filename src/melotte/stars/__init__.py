"""Repeat spectra -> one row per star, and the join of stars with the membership list.

Rules, the same for every survey:

- A spectrum matched to several sources counts for each of them: the fibre collects the light of all.
- A spectrum without a valid error (missing, or zero) of a quantity does not enter the mean of that quantity. If no
  spectrum of the star has a valid error, the value is that of the spectrum of highest S/N that has one, its error
  missing.
- The error of a weighted mean is multiplied by sqrt(chi2 / (n - 1)) where that is larger than 1.
"""

from .averages import WeightedMeans, has_valid_error, weighted_means
from .clusters import assign
from .repeats import QUANTITIES, combine, separation_arcsec

__all__ = [
    "QUANTITIES",
    "WeightedMeans",
    "assign",
    "combine",
    "has_valid_error",
    "separation_arcsec",
    "weighted_means",
]
