"""The metallicity distribution: one row per fitted parameter, and one per compared model."""

from __future__ import annotations

from .core import Column, Schema


def _text(name: str, label: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "string", "", "meta.id" if not nullable else "meta.note", description, nullable, label=label)


def _float(name: str, label: str, ucd: str, description: str, fmt: str, *, unit: str = "", **more: object) -> Column:
    return Column(name, "float64", unit, ucd, description, format=fmt, label=label, **more)  # type: ignore[arg-type]


def _count(name: str, label: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "int32", "", "meta.number", description, nullable, "%6d", label=label, minimum=0)


_FIT = (
    _text("group", "Age", "Age group [Gyr]; a cluster on an edge belongs to the older group"),
    _text("predictor", "Pred", "Column [Fe/H] is a function of; l_z is divided by 10^3, energy by 10^5"),
    _text("model", "Model", "Shape, with or without intrinsic scatter and outliers"),
)

GRADIENTS = Schema(
    "gradients",
    "Parameters of [Fe/H] as a function of radius, angular momentum and energy",
    (
        *_FIT,
        _text("parameter", "Par", "Parameter of the model"),
        Column("unit", "string", "", "meta.unit", "Unit of the parameter; empty if dimensionless", True, label="Unit"),
        _count("n_clusters", "Ncl", "Number of clusters fitted"),
        _float("median", "Med", "stat.fit.param;stat.median", "Median of the posterior", "%12.5f"),
        _float("p16", "p16", "stat.fit.param;stat.value", "16th percentile of the posterior", "%12.5f"),
        _float("p84", "p84", "stat.fit.param;stat.value", "84th percentile of the posterior", "%12.5f"),
        _float("sd", "sd", "stat.fit.param;stat.stdev", "Standard deviation of the posterior", "%12.5f", minimum=0.0),
        _float("optimum", "Best", "stat.fit.param", "Value at the maximum of the posterior", "%12.5f"),
        _text("sampler", "Sampler", "exact (independent draws of a Gaussian posterior), emcee, or emcee (legacy)"),
        _count("steps", "Nstep", "Steps kept of the chain (draws per chain of an exact posterior)"),
        _float(
            "tau",
            "tau",
            "stat.value",
            "Integrated autocorrelation time [steps], worst parameter; empty for an exact posterior",
            "%8.2f",
        ),
        _float("ess", "ESS", "stat.value", "Effective sample size, smaller of bulk and tail", "%9.1f"),
        _float("r_hat", "Rhat", "stat.value", "Rank-normalised split R-hat", "%8.5f"),
        Column(
            "converged",
            "bool",
            "",
            "meta.code.qual",
            "Whether the chain converged before its budget ended",
            False,
            label="Conv",
        ),
    ),
    key=("group", "predictor", "model", "parameter"),
)

COMPARISON = Schema(
    "model_comparison",
    "Models of [Fe/H] compared, or refused",
    (
        *_FIT,
        _count("n_clusters", "Ncl", "Number of clusters in the group"),
        _count("n_parameters", "Npar", "Number of parameters"),
        _float("log_likelihood", "lnL", "stat.likelihood", "Log-likelihood at the maximum of the posterior", "%10.3f"),
        _float(
            "elpd_loo",
            "LOO",
            "stat.value",
            "Expected log density of a new cluster times n_clusters, by PSIS-LOO",
            "%10.3f",
        ),
        _float(
            "elpd_loo_error",
            "e_LOO",
            "stat.error",
            "Standard error of elpd_loo",
            "%9.3f",
            error_of="elpd_loo",
            minimum=0.0,
        ),
        _float("delta_loo", "dLOO", "stat.value", "elpd_loo minus that of the best model (zero or negative)", "%9.3f"),
        _float(
            "delta_loo_error",
            "e_dLOO",
            "stat.error",
            "Standard error of delta_loo, cluster by cluster",
            "%9.3f",
            error_of="delta_loo",
            minimum=0.0,
        ),
        _float(
            "pareto_k", "k", "stat.value", "Largest Pareto k: above 0.7 one cluster makes elpd_loo unreliable", "%7.3f"
        ),
        _float("elpd_waic", "WAIC", "stat.value", "The same expectation by WAIC (on the scale of elpd_loo)", "%10.3f"),
        _float("bic", "BIC", "stat.value", "Bayesian information criterion, k ln n - 2 ln L", "%10.3f"),
        _float(
            "delta_bic", "dBIC", "stat.value", "BIC minus the smallest of the models compared", "%9.3f", minimum=0.0
        ),
        _text("verdict", "Verdict", "What it means", nullable=True),
        _text("refused", "Refused", "Why the model was not fitted", nullable=True),
    ),
    key=("group", "predictor", "model"),
)

FLAT_TAIL = Schema(
    "flat_tail",
    "Straight line, parabola and flat tail compared in the old groups (Fu et al. 2022, Sect. 4.1)",
    (
        _text("errors", "Errors", "median: error of the cluster's [Fe/H] and intrinsic scatter; scatter: as published"),
        *COMPARISON.columns,
    ),
    key=("errors", *COMPARISON.key),
)
