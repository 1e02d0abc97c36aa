"""How a catalogue was made, in sentences: the description of a ReadMe, from the resolved configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from ..config import Config
from ..schema import CATALOGUE, DYNAMICS, MEMBER_STARS, Column, Schema
from ..schema.result import Step, describe_losses
from .citation import METHOD


def story(
    config: Config,
    *,
    clusters: pl.DataFrame,
    members: pl.DataFrame,
    steps: Sequence[Step],
    notes: Sequence[str],
    sources: Mapping[str, str],
    simulated: bool = False,
) -> list[str]:
    """Paragraphs that say how the numbers came about.

    Parameters
    ----------
    config : Config
        The configuration of the run.
    clusters, members : polars.DataFrame
        Tables of `CATALOGUE` and `MEMBER_STARS`.
    steps : sequence of Step
        Where each row went.
    notes : sequence of str
        What a user must know.
    sources : mapping
        Role of an input (``members``, ``clusters``) -> what it is.
    simulated : bool
        Whether the data are simulated.
    """
    survey = config.survey.name or config.survey.adapter
    listed = sources.get("members", config.members.catalogue)
    centres = sources.get("clusters", config.clusters.catalogue)
    out = ["SIMULATED DATA: every star and cluster was drawn from a model."] if simulated else []
    measured = bool((clusters["n_rv"] > 0).any())
    what = "Radial velocities and [Fe/H]" if measured else "[Fe/H]"
    out.append(
        f"{what} of {clusters.height} open clusters from {members.height} stars of {survey} that "
        f"are members of a cluster with a probability {config.members.probability} in this list: {listed}. Positions, "
        f"proper motions, distances and ages of the clusters: {centres}. The method is that of {METHOD[1]}."
    )
    out.append(_velocity(config) if measured else "Radial velocity: the survey gives none.")
    out.append(_metallicity(config, measured))
    if config.galaxy is not None and measured:
        out.append(_orbits(config))
    account = "\n".join(_step(step) for step in steps)
    out.append(f"Where each row went:\n{account}")
    if notes:
        out.append("To be known:\n" + "\n".join(f"- {note}" for note in notes))
    return out


def omitted(tables: Iterable[tuple[str, Sequence[Column]]]) -> str | None:
    """The sentence about columns left out of the fixed-width files; None if there are none."""
    parts = [f"{', '.join(c.cds_label for c in columns)} of {name}" for name, columns in tables if columns]
    return f"Columns without a value in any row are left out: {'; '.join(parts)}." if parts else None


def _label(schema: Schema, name: str) -> str:
    return schema[name].cds_label


def _velocity(config: Config) -> str:
    c = {name: _label(CATALOGUE, name) for name in CATALOGUE.names}
    flag = _label(MEMBER_STARS, "flag")
    clip = config.velocity.model_dump(mode="json")["clip"]
    return (
        f"Radial velocity: every member's velocity is drawn {config.velocity.draws} times from a Gaussian with its "
        f"error; members within {clip} of the mean of all draws have {flag} 1. {c['rv_med']} and "
        f"{c['rv_mean']} are the centres of the medians and of the means of the draws of these stars, "
        f"{c['rv_med_error']} and {c['rv_mean_error']} their standard deviations, {c['rv_scatter']} the scatter from "
        f"star to star. They keep the zero point of the survey; {c['rv_corrected']} has it removed where a reference "
        "was given."
    )


def _metallicity(config: Config, velocities: bool) -> str:
    c = {name: _label(CATALOGUE, name) for name in CATALOGUE.names}
    low, high = (str(t) for t in config.metallicity.model_dump(mode="json")["teff"])
    cool = config.metallicity.model_dump(mode="json")["cool_dwarf_teff"]
    before, after = ("stars of flag 1", 12) if velocities else ("stars of the membership list", 2)
    return (
        f"[Fe/H]: {before} with a temperature of {low} to {high} that are not dwarfs below {cool} have "
        f"{_label(MEMBER_STARS, 'flag')} {after}; {c['feh_med']}, {c['feh_mean']} and their errors follow from "
        f"{config.metallicity.draws} draws in the same way."
    )


def _orbits(config: Config) -> str:
    galaxy: Any = config.galaxy
    settings = galaxy.model_dump(mode="json")
    sun = settings["sun"] if isinstance(settings["sun"], str) else "given in the provenance record"
    return (
        f"Orbits: potential {settings['potential']}, solar parameters {sun}, look-back times to "
        f"{settings['lookback']} in steps of {settings['step']}; started from the {settings['velocity']} radial "
        f"velocity. Percentiles (16, 50, 84) are those of {settings['draws']} draws of the observables. "
        f"{_label(DYNAMICS, 'l_z')} is positive for disc rotation; axes are right-handed unless the column says "
        "otherwise."
    )


def _step(step: Step) -> str:
    losses = describe_losses(step)
    return f"- {step.name}: {step.came_in:,} {step.unit} in, {step.went_on:,} on" + (
        f"; left out: {losses}" if losses else ""
    )
