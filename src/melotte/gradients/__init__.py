"""The metallicity distribution: [Fe/H] of clusters against radius, angular momentum and energy, by age."""

from .comparison import compare
from .fit import Fit, Refusal
from .groups import AgeGroup, Predictor, age_groups, cluster_table, predictor, predictor_table
from .models import Model, evaluate
from .posterior import fit_group, inference_data, packed, posterior_tree
from .saved import from_frames, to_frames
from .stage import GradientsResult, analyse, fit_table, flat_tail_test, flat_tails
from .summary import flat_tail_sentences
from .table import parameter_table, table6_latex

__all__ = [
    "AgeGroup",
    "Fit",
    "GradientsResult",
    "Model",
    "Predictor",
    "Refusal",
    "age_groups",
    "analyse",
    "cluster_table",
    "compare",
    "evaluate",
    "fit_group",
    "fit_table",
    "flat_tail_sentences",
    "flat_tail_test",
    "flat_tails",
    "from_frames",
    "inference_data",
    "packed",
    "parameter_table",
    "posterior_tree",
    "predictor",
    "predictor_table",
    "table6_latex",
    "to_frames",
]
