"""From the potential on the nodes to one polynomial per cell."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline

from ..errors import DatasetError
from .build import edges, exterior, grid_potential, nodes
from .components import Array, MassModel, data_file

log = logging.getLogger(__name__)


class Table(NamedTuple):
    """What the kernels read."""

    coefficients: Array  #: (cells in R, cells in z, 36): power of z slow, power of R fast
    scale: Array  #: inverse cell widths [1/kpc]
    exterior: Array  #: halo constants and multipole moments


def _taylor(x: Array, values: Array, *, even: bool) -> Array:
    """Quintic spline along the first axis as polynomials of the place in the cell, shape (6, cells, ...).

    At x = 0 the first derivative vanishes; the third too if ``even`` (the axis R = 0), not so in the mid-plane, where
    the density of an exponential disc has an edge in |z|.
    """
    zero = np.zeros(values.shape[1:])
    conditions = [(1, zero), (3, zero)] if even else [(1, zero)]
    knots = np.concatenate([[x[0]] * 6, x[1 if even else 2 : -3], [x[-1]] * 6])
    spline = make_interp_spline(x, values, k=5, t=knots, bc_type=(conditions, None))
    inner = edges()
    width = np.diff(inner).reshape((-1,) + (1,) * (values.ndim - 1))
    factorial = (1.0, 1.0, 2.0, 6.0, 24.0, 120.0)
    return np.stack([spline(inner[:-1], nu=n) * width**n / factorial[n] for n in range(6)])


def tabulate(values: Array, outside: Array) -> Table:
    """The table through given node values, shape (nodes in R, nodes in z)."""
    x = nodes()
    in_z = np.moveaxis(_taylor(x, np.ascontiguousarray(values.T), even=False), -1, 0)  # (R, 6, cells z)
    both = _taylor(x, np.ascontiguousarray(in_z), even=True)  # (6, cells R, 6, cells z)
    coefficients = np.ascontiguousarray(both.transpose(1, 3, 2, 0)).reshape(both.shape[1], both.shape[3], 36)
    return Table(coefficients, 1.0 / np.diff(edges()), outside)


def make_table(model: MassModel) -> Table:
    """The table of a mass model: from the stored node values if they are those of the model, computed otherwise."""
    if model.name.isidentifier():  # the name may be of a user's file: it leads nowhere else
        try:
            with data_file(f"{model.name}.npz").open("rb") as stream, np.load(stream) as data:
                if np.array_equal(data["parameters"], model.parameters) and np.array_equal(data["nodes"], nodes()):
                    return tabulate(data["potential"], data["exterior"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            log.warning("the stored potential of %r is damaged and is computed again: %s", model.name, error)
    log.info("computing the potential of %r on %d x %d nodes", model.name, nodes().size, nodes().size)
    return tabulate(grid_potential(model, nodes(), nodes()), exterior(model))


def store(model: MassModel, path: Path) -> None:
    """Compute the node values of a model and write them, as `make_table` reads them.

    Raises
    ------
    DatasetError
        If the file cannot be written.
    """
    values, outside = grid_potential(model, nodes(), nodes()), exterior(model)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as stream:
            np.savez(stream, parameters=model.parameters, nodes=nodes(), potential=values, exterior=outside)
        Path(stream.name).chmod(0o644)
        os.replace(stream.name, path)  # noqa: PTH105
    except OSError as error:
        raise DatasetError(f"cannot be written: {error.strerror}", where=path) from error
