"""The parameters as tables: one row per parameter, and Table 6 of Fu et al. 2022 in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from ..errors import MelotteError
from ..schema.gradients import GRADIENTS
from .fit import Fit
from .groups import predictor

#: Predictors of Table 6, in its order.
TABLE6: Final = ("r_gc_0_myr", "l_z", "energy")


def parameter_table(fits: Sequence[Fit]) -> pl.DataFrame:
    """One row per fitted parameter, `melotte.schema.gradients.GRADIENTS`."""
    rows: list[dict[str, Any]] = []
    for fit in fits:
        post = fit.posterior
        rows += [
            {
                "group": fit.group,
                "predictor": fit.predictor.name,
                "model": fit.model.name,
                "parameter": name,
                "unit": fit.model.unit(name, fit.predictor.unit) or None,
                "n_clusters": len(fit.sample),
                "median": post.median[n],
                "p16": post.p16[n],
                "p84": post.p84[n],
                "sd": post.sd[n],
                "optimum": post.optimum[n],
                "sampler": post.sampler,
                "steps": post.steps,
                "tau": post.tau,
                "ess": post.ess[n],
                "r_hat": post.r_hat[n],
                "converged": post.converged,
            }
            for n, name in enumerate(fit.model.parameters)
        ]
    names = GRADIENTS.polars_schema()
    frame = pl.DataFrame(rows, schema=names).with_columns(pl.col("tau", "ess", "r_hat").fill_nan(None))
    return GRADIENTS.conform(frame, where="gradients")


def table6_latex(table: pl.DataFrame, *, model: str = "parabola", predictors: Sequence[str] = TABLE6) -> str:
    """Table 6: parameters down, predictors across, oldest group first; median with the 84th and 16th percentile.

    Parameters
    ----------
    table : polars.DataFrame
        From `parameter_table`.
    model : str
        ``Model.name`` of the model to show.
    predictors : sequence of str
        Columns of the table.

    Returns
    -------
    str
        One ``table`` environment. A dagger marks chains that have not converged.

    Raises
    ------
    MelotteError
        If the table has no such model.
    """
    rows = table.filter((pl.col("model") == model) & pl.col("predictor").is_in(list(predictors)))
    if not rows.height:
        known = ", ".join(table["model"].unique(maintain_order=True))
        raise MelotteError(f"no fit of the model {model!r}", where="Table 6", expected=known)
    cells = {(r["group"], r["parameter"], r["predictor"]): r for r in rows.iter_rows(named=True)}
    groups = rows["group"].unique(maintain_order=True).to_list()
    lines = [
        r"\begin{table}",
        rf"\caption{{Parameters of the model ``{model}'' fitted to the [Fe/H] of clusters in age groups: median of the "
        r"posterior with the distance to its 84th and 16th percentile.}",
        r"\begin{tabular}{ll" + "r" * len(predictors) + "}",
        r"\hline\hline",
        " & ".join(["Age (Gyr)", "par.", *(f"${predictor(p).symbol}$" for p in predictors)]) + r" \\",
        r"\hline",
    ]
    unconverged = False
    for number, group in reversed(list(enumerate(groups, start=1))):
        names = rows.filter(pl.col("group") == group)["parameter"].unique(maintain_order=True)
        for place, name in enumerate(names):
            label = f"${group}$" if group[0] in "<>" else group.replace("-", "--")
            texts = [label if place == 0 else "", f"${_symbol(name)}_{{{number}}}$"]
            for p in predictors:
                row = cells.get((group, name, p))
                unconverged |= row is not None and not row["converged"]
                texts.append(_cell(row))
            lines.append(" & ".join(texts) + r" \\")
    lines += [r"\hline", r"\end{tabular}"]
    if unconverged:
        lines.append(r"\tablefoot{$^\dagger$ The chain has not converged.}")
    return "\n".join([*lines, r"\end{table}", ""])


def _symbol(parameter: str) -> str:
    return parameter if len(parameter) == 1 else rf"\mathrm{{{parameter.replace('_', chr(92) + ' ')}}}"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return r"\ldots"
    up, down = row["p84"] - row["median"], row["median"] - row["p16"]
    mark = "" if row["converged"] else r"^\dagger"
    return f"${row['median']:z.3f}^{{+{up:.3f}}}_{{-{down:.3f}}}{mark}$"
