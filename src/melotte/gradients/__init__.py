"""The metallicity distribution: [Fe/H] of clusters against radius, angular momentum and energy, by age."""

from .comparison import compare
from .fit import Fit, Refusal
from .groups import AgeGroup, Predictor, age_groups, predictor, predictor_table
from .models import Model, evaluate
from .posterior import fit_group, inference_data, posterior_tree
from .stage import GradientsResult, fit_table, flat_tail_test
from .table import parameter_table, table6_latex

__all__ = [
    "AgeGroup",
    "Fit",
    "GradientsResult",
    "Model",
    "Predictor",
    "Refusal",
    "age_groups",
    "compare",
    "evaluate",
    "fit_group",
    "fit_table",
    "flat_tail_test",
    "inference_data",
    "parameter_table",
    "posterior_tree",
    "predictor",
    "predictor_table",
    "table6_latex",
]
