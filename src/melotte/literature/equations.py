"""The equations of the zero points of surveys: elimination of the objects, extra scatter, clipping."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .statistics import describe

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SolveSettings:
    """Choices of the common solution.

    Attributes
    ----------
    clip : float
        Measurements farther than this many standard deviations from the others of their object leave (binaries, wrong
        stars), the worst of each object first.
    error_floor : float
        Smallest error believed, km/s.
    unknown_error : float
        Error taken where a survey gives none, km/s.
    minimum : int
        Objects a survey must share with others to be solved for.
    """

    clip: float = 4.0
    error_floor: float = 0.05
    unknown_error: float = 5.0
    minimum: int = 3


@dataclass(frozen=True)
class Fit:
    """Offsets of the solved surveys (km/s), their covariance, and which measurements were used."""

    solved: tuple[str, ...]
    offsets: Floats
    covariance: Floats
    scatter: dict[tuple[str, str], float]
    used: NDArray[np.bool_]
    chi2: float
    dof: int


class Equations:
    """The measurements as arrays: one entry per measurement, sorted by object."""

    def __init__(self, shared: pl.DataFrame, names: list[str], settings: SolveSettings) -> None:
        self.names = names
        self.kinds: list[str] = sorted(shared["kind"].unique().to_list())
        self.value = shared["value"].to_numpy()
        error = shared["error"].fill_null(settings.unknown_error).to_numpy()
        self.error = np.maximum(error, settings.error_floor)
        self.survey = np.array([names.index(s) for s in shared["survey"]])
        self.kind = np.array([self.kinds.index(k) for k in shared["kind"]])
        self.object = (shared.select(pl.struct("kind", "object").rank("dense").alias("i"))["i"].to_numpy() - 1).astype(
            int
        )

    def connected(self, reference: str, minimum: int) -> list[str]:
        """Surveys reached from the reference through pairs with at least ``minimum`` objects in common."""
        table = np.zeros((self.object.max() + 1, len(self.names)), dtype=np.int64)
        table[self.object, self.survey] = 1
        common = table.T @ table
        reached, edge = {self.names.index(reference)}, [self.names.index(reference)]
        while edge:
            here = edge.pop()
            for other in np.flatnonzero(common[here] >= minimum):
                if int(other) not in reached:
                    reached.add(int(other))
                    edge.append(int(other))
        return [n for i, n in enumerate(self.names) if i in reached]

    def fit(self, solved: list[str], reference: str, settings: SolveSettings) -> Fit:
        """Extra scatter first, then solution and clipping in turn until the measurements used stay the same."""
        columns = {self.names.index(n): i for i, n in enumerate(solved)}
        members = {*columns, self.names.index(reference)}
        inside = np.array([s in members for s in self.survey])
        scatter = self._extra(sorted(members))
        variance = self.error**2 + scatter[self.survey, self.kind] ** 2
        used = inside.copy()
        offsets = self._start(sorted(members), columns)
        # Measurements only leave, per object the worst first, so that the loop ends: at most one step per survey.
        while True:
            weight = np.where(used, 1 / variance, 0.0)
            residual, spread = self._residuals(offsets, weight, variance)
            worst = self._worst(np.where(used, np.abs(residual) / np.sqrt(spread), 0.0))
            leaving = used & (worst > settings.clip)
            if not leaving.any():
                break
            used &= ~leaving
            offsets, _ = self._normal(np.where(used, 1 / variance, 0.0), columns)
        weight = np.where(used, 1 / variance, 0.0)
        offsets, covariance = self._normal(weight, columns)
        counted = used & self._shared(used)
        corrected, many = self.value - offsets[self.survey], self.object.max() + 1
        total = np.bincount(self.object, weights=weight, minlength=many)
        mean = np.bincount(self.object, weights=weight * corrected, minlength=many)
        mean = np.divide(mean, total, out=np.zeros(many), where=total > 0)
        chi2 = float(np.sum(weight[counted] * (corrected - mean[self.object])[counted] ** 2))
        dof = int(counted.sum()) - len(np.unique(self.object[counted])) - len(solved)
        if dof > 0:
            covariance = covariance * max(1.0, chi2 / dof)
        found = {
            (self.names[s], self.kinds[k]): float(scatter[s, k])
            for s, k in itertools.product(sorted(members), range(len(self.kinds)))
            if np.any(used & (self.survey == s) & (self.kind == k))
        }
        order = [self.names.index(n) for n in solved]
        return Fit(tuple(solved), offsets[order], covariance, found, used | ~inside, chi2, dof)

    def _worst(self, deviation: Floats) -> Floats:
        """The deviations, zero but for the largest of each object (ties: all of them, neither can be preferred)."""
        largest = np.zeros(self.object.max() + 1)
        np.maximum.at(largest, self.object, deviation)
        return np.where(deviation >= largest[self.object] * (1 - 1e-9), deviation, 0.0)

    def _start(self, members: list[int], columns: dict[int, int]) -> Floats:
        """Offsets from the medians of the pairwise differences: a start that outliers do not move."""
        rows, right = [], []
        for (a, b), k in itertools.product(itertools.combinations(members, 2), range(len(self.kinds))):
            one, two = self._common(a, b, k)
            direct = describe(self.value[one] - self.value[two])
            if direct.median is None:
                continue
            row = np.zeros(len(columns))
            for s, sign in ((a, 1.0), (b, -1.0)):
                if s in columns:
                    row[columns[s]] = sign
            weight = 1 / max(direct.median_error or 1.0, 1e-3)
            rows.append(weight * row)
            right.append(weight * direct.median)
        offsets = np.zeros(len(self.names))
        if rows and columns:
            offsets[list(columns)] = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
        return offsets

    def _shared(self, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
        counts = np.bincount(self.object, weights=used, minlength=self.object.max() + 1)
        return np.asarray(counts[self.object] > 1)

    def _normal(self, weight: Floats, columns: dict[int, int]) -> tuple[Floats, Floats]:
        """Solve the normal equations after elimination of the objects' true values."""
        size, many = len(columns), self.object.max() + 1
        total = np.bincount(self.object, weights=weight, minlength=many)
        mean = np.bincount(self.object, weights=weight * self.value, minlength=many)
        mean = np.divide(mean, total, out=np.zeros(many), where=total > 0)
        by_survey = np.zeros((many, size))
        solved = np.array([s in columns for s in self.survey])
        at = np.array([columns.get(int(s), 0) for s in self.survey])
        by_survey[self.object[solved], at[solved]] = weight[solved]
        share = np.divide(by_survey, total[:, None], out=np.zeros_like(by_survey), where=total[:, None] > 0)
        matrix = np.diag(by_survey.sum(axis=0)) - by_survey.T @ share
        right = np.zeros(size)
        np.add.at(right, at[solved], (weight * (self.value - mean[self.object]))[solved])
        covariance = np.linalg.pinv(matrix, hermitian=True)
        offsets = np.zeros(len(self.names))
        offsets[list(columns)] = covariance @ right
        return offsets, covariance

    def _residuals(self, offsets: Floats, weight: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """Residual of each measurement against the others of its object, and its expected variance.

        Leaving the measurement itself out keeps one wild value from hiding in the mean it pulls.
        """
        many = self.object.max() + 1
        value = self.value - offsets[self.survey]
        total = np.bincount(self.object, weights=weight, minlength=many)[self.object] - weight
        sums = np.bincount(self.object, weights=weight * value, minlength=many)[self.object] - weight * value
        others = np.divide(sums, total, out=value.copy(), where=total > 1e-12)
        spread = variance + np.divide(1.0, total, out=np.zeros_like(total), where=total > 1e-12)
        return value - others, spread

    def _extra(self, members: list[int]) -> Floats:
        """Extra scatter per survey and kind of object, shape (surveys, kinds), km/s.

        The robust variance of the differences of two surveys, less what their errors explain, is the sum of the extra
        variances of both. All pairs together are solved for variances that are not negative (the "three-cornered hat"
        of Gray & Allan 1974, Proc. 28th Annual Symposium on Frequency Control, 243, for any number of surveys); what
        the pairs leave open (two surveys only) is shared equally.
        """
        from scipy.optimize import lsq_linear

        scatter = np.zeros((len(self.names), len(self.kinds)))
        for k in range(len(self.kinds)):
            rows, right = [], []
            for a, b in itertools.combinations(members, 2):
                one, two = self._common(a, b, k)
                if len(one) < 3:
                    continue
                width = describe(self.value[one] - self.value[two]).robust_sd or 0.0
                excess = width**2 - float(np.median(self.error[one] ** 2 + self.error[two] ** 2))
                row = np.zeros(len(members))
                row[[members.index(a), members.index(b)]] = 1.0
                # The relative error of a robust variance of n differences goes as 1 / sqrt(n).
                weight = np.sqrt(len(one)) / max(width**2, 1e-6)
                rows.append(weight * row)
                right.append(weight * excess)
            if not rows:
                continue
            ridge = 1e-4 * float(np.max(np.abs(rows))) * np.eye(len(members))
            matrix = np.vstack([*rows, ridge])
            found = lsq_linear(matrix, np.concatenate([right, np.zeros(len(members))]), bounds=(0.0, np.inf))
            scatter[members, k] = np.sqrt(found.x)
        return scatter

    def _common(self, a: int, b: int, kind: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the measurements of two surveys for the objects both have."""
        one = np.flatnonzero((self.survey == a) & (self.kind == kind))
        two = np.flatnonzero((self.survey == b) & (self.kind == kind))
        _, i, j = np.intersect1d(self.object[one], self.object[two], return_indices=True)
        return one[i], two[j]
