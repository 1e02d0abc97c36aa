"""Posteriors as an ArviZ tree: parameter names attached once, ready for netCDF."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .fit import Fit

if TYPE_CHECKING:
    import xarray as xr


def fit_group(group: str, predictor: str, model: str) -> str:
    """Path of one fit in the tree: ``<0.1``, ``l_z``, ``line + scatter`` -> ``/age_below_0.1/l_z/line_scatter``."""
    age = group.replace("<", "below_").replace(">", "above_")
    return f"/age_{age}/{predictor}/{model.replace(' + ', '_')}"


def inference_data(fit: Fit, *, draws: int = 4000) -> xr.DataTree:
    """Draws, log-likelihood and data of one fit as ArviZ InferenceData (a `xarray.DataTree`).

    Parameters
    ----------
    fit : Fit
    draws : int
        At most about so many draws are kept, evenly spaced.
    """
    import arviz_base as az

    post = fit.posterior
    each = max(1, draws // post.chains.shape[0])
    step = max(1, post.chains.shape[1] // each)
    chains = post.chains[:, ::step][:, :each]
    with warnings.catch_warnings():
        # An ensemble has more walkers (chains) than independent draws of each: nothing is transposed.
        warnings.filterwarnings("ignore", message="Found chain dimension to be longer")
        tree: Any = az.from_dict(
            {
                "posterior": {
                    name: np.ascontiguousarray(chains[..., n]) for n, name in enumerate(fit.model.parameters)
                },
                "log_likelihood": {"feh": fit.log_likelihood(chains.shape[0] * chains.shape[1])},
                "observed_data": {"feh": fit.sample.y},
                "constant_data": {"x": fit.sample.x, "x_error": fit.sample.x_error, "feh_error": fit.sample.y_error},
            },
            coords={"cluster": list(fit.sample.cluster)},
            dims={name: ["cluster"] for name in ("feh", "x", "x_error", "feh_error")},
        )
    tree.attrs = {
        "age_group_gyr": fit.group,
        "predictor": fit.predictor.name,
        "predictor_scale": fit.predictor.scale,
        "predictor_unit": fit.predictor.unit,
        "model": fit.model.name,
        "sampler": post.sampler,
        "converged": int(post.converged),
    }
    for name in fit.model.parameters:
        tree["posterior"][name].attrs["units"] = fit.model.unit(name, fit.predictor.unit)
    # Times and versions would make two equal runs differ.
    for node in tree.subtree:
        for key in ("created_at", "creation_library", "creation_library_version", "creation_library_language"):
            node.attrs.pop(key, None)
    out: xr.DataTree = tree
    return out


def packed(tree: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    """How to write a tree: compressed; the log-likelihoods, most of the numbers, in single precision."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for node in tree.subtree:
        out[node.path] = {
            str(name): {"zlib": True, "complevel": 4, **({"dtype": "float32"} if name == "feh" else {})}
            for name in node.data_vars
            if node.name in {"posterior", "log_likelihood"}
        }
    return out


def posterior_tree(fits: Sequence[Fit], *, draws: int = 1000) -> xr.DataTree:
    """All fits in one tree, each under `fit_group`."""
    import xarray as xr

    parts: dict[str, Any] = {}
    for fit in fits:
        root = fit_group(fit.group, fit.predictor.name, fit.model.name)
        one: Any = inference_data(fit, draws=draws)
        parts[root] = xr.Dataset(attrs=one.attrs)
        parts |= {f"{root}/{name}": node.to_dataset() for name, node in one.children.items()}
    return xr.DataTree.from_dict(parts)
