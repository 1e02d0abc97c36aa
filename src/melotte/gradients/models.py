r"""Models of [Fe/H] as a function of a predictor: their shapes and parameters.

The shapes, with u = (x - x0) / w (x0 the median and w the standard deviation of the clusters' x), are linear in their
coefficients once the knee is known:

========== =================================================== ===========================================
line       b u + c                                             slope, intercept
parabola   a u^2 + b u + c                                     Fu et al. 2022, Eq. 1
broken     level + slope_in (u - knee)_- + slope_out (u - knee)_+   two lines that meet at the knee
plateau    level + slope_in (u - knee)_-                       the same with a flat tail (Sect. 4.1)
========== =================================================== ===========================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

import numpy as np

from .groups import Array

Shape = Literal["line", "parabola", "broken", "plateau"]

#: Coefficients of each shape; exponents of the scale of x in their unit (dex / x^n).
_COEFFICIENTS: Final[dict[Shape, tuple[tuple[str, int], ...]]] = {
    "line": (("b", 1), ("c", 0)),
    "parabola": (("a", 2), ("b", 1), ("c", 0)),
    "broken": (("level", 0), ("slope_in", 1), ("slope_out", 1), ("knee", -1)),
    "plateau": (("level", 0), ("slope_in", 1), ("knee", -1)),
}
#: Clusters beyond the number of coefficients below which a model is refused.
_SPARE_FIXED: Final = 2
_SPARE_SCATTER: Final = 5
_SPARE_OUTLIERS: Final = 12


@dataclass(frozen=True, slots=True)
class Model:
    """A shape, with or without intrinsic scatter and outliers."""

    shape: Shape
    scatter: bool = False
    outliers: bool = False

    @property
    def name(self) -> str:
        """For example ``parabola + scatter``."""
        return " + ".join(
            [self.shape, *(["scatter"] if self.scatter else []), *(["outliers"] if self.outliers else [])]
        )

    @classmethod
    def named(cls, name: str) -> Model:
        """The model of a `name`."""
        shape, *more = name.split(" + ")
        return cls(cast(Shape, shape), "scatter" in more, "outliers" in more)

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients of the shape."""
        return tuple(n for n, _ in _COEFFICIENTS[self.shape])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        more = (["scatter"] if self.scatter else []) + (["outlier_fraction", "outlier_width"] if self.outliers else [])
        return (*self.coefficients, *more)

    @property
    def linear(self) -> bool:
        """Whether the shape is linear in its coefficients (no knee)."""
        return self.shape in {"line", "parabola"}

    @property
    def minimum(self) -> int:
        """The fewest clusters that carry the model."""
        spare = _SPARE_OUTLIERS if self.outliers else _SPARE_SCATTER if self.scatter else _SPARE_FIXED
        return len(self.coefficients) + spare

    def refusal(self, clusters: int) -> str | None:
        """Why so many clusters cannot be fitted, as a sentence; None if they can."""
        if clusters >= self.minimum:
            return None
        noun = "cluster does" if clusters == 1 else "clusters do"
        shape = {"broken": "broken line", "plateau": "line with a plateau"}.get(self.shape, self.shape)
        text = f"{clusters} {noun} not carry a {shape}"
        if self.scatter:
            text += " with scatter"
        if self.outliers:
            text += (" and" if self.scatter else " with") + " outliers"
        spare = self.minimum - len(self.coefficients)
        return (
            f"{text}: it has {len(self.parameters)} parameters and needs at least {self.minimum} clusters, "
            f"{spare} more than coefficients of the shape"
        )

    def unit(self, parameter: str, x_unit: str) -> str:
        """The unit of a parameter, `astropy.units` notation, for a predictor in ``x_unit``."""
        power = dict(_COEFFICIENTS[self.shape]).get(parameter, 0)
        if parameter == "outlier_fraction":
            return ""
        if power < 0:
            return x_unit
        if power == 0 or not x_unit:
            return "dex"
        return f"dex / ({x_unit})" + (f"{power}" if power > 1 else "")


def evaluate(shape: Shape, parameters: Array, x: Array) -> Array:
    """The shape at x.

    Parameters
    ----------
    shape : str
    parameters : ndarray, shape (S, P)
        In the order of ``Model.parameters``; those after the coefficients are not used.
    x : ndarray, shape (M,)

    Returns
    -------
    ndarray, shape (S, M)
    """
    t = [parameters[:, n : n + 1] for n in range(len(_COEFFICIENTS[shape]))]
    if shape == "line":
        out: Array = t[0] * x + t[1]
    elif shape == "parabola":
        out = (t[0] * x + t[1]) * x + t[2]
    elif shape == "broken":
        out = t[0] + t[1] * np.minimum(x - t[3], 0.0) + t[2] * np.maximum(x - t[3], 0.0)
    else:
        out = t[0] + t[1] * np.minimum(x - t[2], 0.0)
    return out
