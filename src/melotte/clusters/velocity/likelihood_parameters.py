"""Stars, parameters and priors of the mixture model."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Stars:
    """Values of the stars, cluster after cluster.

    Attributes
    ----------
    value, error : ndarray, shape (n,)
        In one unit.
    probability : ndarray, shape (n,)
        Of membership, before the value is looked at.
    root_mass : ndarray, shape (n,)
        Cube root of the mass of the primary in solar masses (of no effect without binaries).
    offsets : ndarray of int64, shape (n_clusters + 1,)
        Cluster k holds the stars ``offsets[k]:offsets[k + 1]``; none is empty.
    """

    value: FloatArray
    error: FloatArray
    probability: FloatArray
    root_mass: FloatArray
    offsets: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, k: int) -> slice:
        """The stars of cluster ``k``."""
        return slice(int(self.offsets[k]), int(self.offsets[k + 1]))

    def take(self, clusters: IntArray) -> Stars:
        """Some of the clusters."""
        rows = np.concatenate([np.arange(self.offsets[k], self.offsets[k + 1]) for k in clusters])
        offsets = np.concatenate([[0], np.cumsum(np.diff(self.offsets)[clusters])]).astype(np.int64)
        return Stars(self.value[rows], self.error[rows], self.probability[rows], self.root_mass[rows], offsets)


@dataclass(frozen=True)
class Survey:
    """What all clusters share.

    Attributes
    ----------
    error_scale : float
        The published errors are multiplied by this.
    error_floor : float
        Added to them in quadrature, unit of the values.
    unlisted : float
        Probability of a star of membership probability 1 to belong to the field.
    trust : float
        Power of the membership probability p: the prior of the field is 1 - (1 - unlisted) p^trust.
    field_width : float
        Standard deviation of the field about the cluster, unit of the values.
    binary_fraction : float
        Mean of the clusters' binary fractions.
    """

    error_scale: float
    error_floor: float
    unlisted: float
    trust: float
    field_width: float
    binary_fraction: float

    def variance(self, error: FloatArray) -> FloatArray:
        """Square of the true error."""
        return np.asarray((self.error_scale * error) ** 2 + self.error_floor**2)

    def field_prior(self, probability: FloatArray) -> FloatArray:
        """Probability to belong to the field, before the value is looked at."""
        return np.asarray(1 - (1 - self.unlisted) * np.clip(probability, 1e-3, 1.0) ** self.trust)


@dataclass(frozen=True)
class Prior:
    """Priors: of the survey's parameters (centre and width in ln, of the fractions in logit) and of the clusters'.

    Attributes
    ----------
    centre : Survey
        Medians.
    width : Survey
        Standard deviations.
    dispersion : float
        Scale of the half-normal prior of each cluster's dispersion, unit of the values.
    concentration : float
        Of the beta prior of each cluster's binary fraction about the survey's: a + b.
    binaries : bool
        Whether there are binaries (of [Fe/H] there are none).
    """

    centre: Survey
    width: Survey
    dispersion: float
    concentration: float = 10.0
    binaries: bool = True

    @property
    def free(self) -> list[int]:
        """Indices of the parameters that are fitted: those whose prior has a width."""
        return [
            i
            for i, (f, w) in enumerate(zip(fields(Survey), astuple(self.width), strict=True))
            if w > 0 and (self.binaries or f.name != "binary_fraction")
        ]


_LOGIT = {"unlisted", "binary_fraction"}
#: Beyond so many standard deviations of its prior no parameter is looked for.
REACH = 4.0


def at_edge(survey: Survey, prior: Prior) -> tuple[str, ...]:
    """Errors and widths that ended where the search ends: the data are not as the model has them."""
    z = (to_line(survey) - to_line(prior.centre)) / np.maximum(np.array(astuple(prior.width)), 1e-12)
    names = [f.name for f in fields(Survey)]
    watched = {"error_scale", "error_floor", "field_width"}
    return tuple(names[i] for i in prior.free if names[i] in watched and abs(z[i]) > 0.99 * REACH)


def to_line(survey: Survey) -> FloatArray:
    """The parameters on the whole real line: logarithms, of the fractions logits."""
    values = [
        np.log(x) - np.log1p(-x) if f.name in _LOGIT else np.log(x)
        for f, x in zip(fields(Survey), astuple(survey), strict=True)
    ]
    return np.array(values)


def from_line(line: FloatArray) -> Survey:
    """The inverse of `to_line`."""
    values = [
        1 / (1 + np.exp(-x)) if f.name in _LOGIT else np.exp(x) for f, x in zip(fields(Survey), line, strict=True)
    ]
    return Survey(*(float(v) for v in values))
