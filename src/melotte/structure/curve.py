"""A curve in space: the nearest point on it, the length along it, the phase of its undulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SchemaError

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Curve:
    """Straight lines between points.

    Attributes
    ----------
    points : ndarray, shape (K, 3)
        Heliocentric Galactic place [pc], in order.
    length : ndarray, shape (K,)
        Length along the curve from the first point [pc].
    """

    points: Array
    length: Array

    @classmethod
    def through(cls, points: Array) -> Curve:
        """The curve through the points.

        Raises
        ------
        SchemaError
            If there are fewer than two points, a value is missing, or a point is repeated.
        """
        points = np.asarray(points, dtype=float)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or not np.isfinite(points).all():
            raise SchemaError("not a curve in space", where="wave", expected="two or more points x, y, z, all known")
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        if (steps == 0).any():
            raise SchemaError(f"point {int(np.argmin(steps)) + 2} is its predecessor", where="wave", expected="a curve")
        return cls(points, np.concatenate([[0.0], np.cumsum(steps)]))

    def nearest(self, places: Array) -> tuple[Array, Array]:
        """Distance from places (N, 3) to the curve, and the length along it of the nearest point, shapes (N,) [pc]."""
        start, step = self.points[:-1], np.diff(self.points, axis=0)
        size = (step**2).sum(axis=1)
        distance, along = np.empty(len(places)), np.empty(len(places))
        for n, place in enumerate(places):
            share = np.clip(((place - start) * step).sum(axis=1) / size, 0.0, 1.0)
            away = np.linalg.norm(start + share[:, None] * step - place, axis=1)
            best = int(away.argmin())
            distance[n] = away[best]
            along[n] = self.length[best] + share[best] * (self.length[best + 1] - self.length[best])
        return distance, along

    def distances(self, places: Array) -> Array:
        """Distance of many places (N, 3) to points every 2 pc of the curve, shape (N,): too large by at most 1 pc."""
        from scipy.spatial import cKDTree

        fine = np.arange(0.0, self.length[-1], 2.0)
        dense = np.stack([np.interp(fine, self.length, self.points[:, k]) for k in range(3)], axis=1)
        found: Array = cKDTree(np.concatenate([dense, self.points[-1:]])).query(places)[0]
        return found

    def phase(self, along: Array) -> Array:
        """Phase of the undulation of z at lengths along the curve, in cycles; NaN outside the marks.

        Marks are crossings of z = 0 (upwards 0, downwards 0.5) and the extreme between two crossings (crest 0.25,
        trough 0.75); in between the phase is linear in length. It grows by one from wave to wave.
        """
        z = self.points[:, 2]
        # A point in the plane itself belongs to the side the curve comes from.
        known = np.flatnonzero(z)
        side = (
            np.sign(z[known[np.maximum(np.searchsorted(known, np.arange(len(z)), side="right") - 1, 0)]])
            if len(known)
            else z
        )
        cross = np.flatnonzero(side[:-1] * side[1:] < 0)
        if len(cross) < 2:
            return np.full(len(along), np.nan)
        step = np.diff(self.length)[cross]
        marks = self.length[cross] + step * z[cross] / (z[cross] - z[cross + 1])
        first = 0.0 if side[cross[0]] < 0 else 0.5
        at, value = [], []
        for n, mark in enumerate(marks):
            at.append(float(mark))
            value.append(first + 0.5 * n)
            if n + 1 < len(marks):
                between = np.arange(cross[n] + 1, cross[n + 1] + 1)
                at.append(float(self.length[between[np.argmax(np.abs(z[between]))]]))
                value.append(first + 0.5 * n + 0.25)
        out: Array = np.interp(along, at, value, left=np.nan, right=np.nan)
        return out
