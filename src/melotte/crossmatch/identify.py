"""From spectra and a membership list to the pairs that go on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ..core.constants import J2000
from ..core.words import plural
from ..errors import CrossmatchError
from ..schema.definitions import MATCHES
from ..schema.gaia import RELEASES
from ..schema.gaia import gaia_release as record
from ..schema.result import Result, Step
from .index import Sources, floats, release_epoch, wrapped
from .local import check_unique_spectra, match_positions

if TYPE_CHECKING:
    from ..config import CrossmatchConfig


def identify(
    spectra: pl.DataFrame,
    members: pl.DataFrame,
    *,
    settings: CrossmatchConfig,
    gaia_releases: Collection[str] | None = None,
) -> Result:
    """Find the member of each spectrum, by the survey's own Gaia ids or on the sky.

    Parameters
    ----------
    spectra : polars.DataFrame
        SPECTRA: a whole survey or one batch of it; batches give the rows the whole survey gives.
    members : polars.DataFrame
        MEMBERS of one Gaia release. A star in several clusters is one source.
    settings : CrossmatchConfig
        ``method`` and ``radius``.

        - ``source_id`` joins the column of the members' release (``source_id_dr3``). Ids
          of another release are never joined: the same number can be another star.
        - ``position`` matches on the sky and ignores the survey's ids.
        - ``auto`` decides row by row: a spectrum with an id of the right release is joined by it, one without is
          matched on the sky. The notes say how many went which way.
    gaia_releases : collection of str, optional
        Releases of which the survey gives ids (`Survey.gaia_releases`). Needed where ``spectra`` is a batch: one
        batch can be without ids by chance. By default, those with any id in ``spectra``.

    Returns
    -------
    Result
        MATCHES. Pairs joined by id carry their separation at the spectrum's epoch and are **kept** even beyond the
        radius (the survey may know better than its own coordinates); their number and the worst of them are in the
        notes, and `melotte.crossmatch.audit_ids` lists them. ``n_in_radius`` and ``flux_fraction`` of such a pair
        are missing.

    Raises
    ------
    CrossmatchError
        If the members mix Gaia releases, or ``source_id`` is asked for and the survey has no id of their release.
    """
    release = release_of(members)
    radius = float(settings.radius.to_value("arcsec"))
    column = record(release).id_column
    sources = members.unique(subset="source_id", keep="first", maintain_order=True)
    check_unique_spectra(spectra["spectrum_id"])
    has_id = _has(spectra, column)
    offered = set(gaia_releases or ())
    if gaia_releases is None:
        offered = {r.name for r in RELEASES if _has(spectra, r.id_column).any()}
    others = [r.name for r in RELEASES if r.name in offered and r.name != release]
    if settings.method == "source_id" and spectra.height and release not in offered:
        raise _no_ids(release, others)

    by_id = spectra.filter(has_id) if settings.method != "position" else spectra.clear()
    by_position = spectra.filter(~has_id) if settings.method != "position" else spectra
    lost_ids = 0
    if settings.method == "source_id":
        lost_ids, by_position = by_position.height, spectra.clear()

    joined = join_ids(by_id, sources, column=column, radius_arcsec=radius, gaia_release=release)
    matched = match_positions(by_position, sources, radius_arcsec=radius, gaia_release=release)
    rows = spectra.select("spectrum_id").with_row_index("_row")
    frame = (
        pl.concat([joined, matched])
        .join(rows, on="spectrum_id", how="left")
        .sort("_row", "separation", "source_id")
        .select(MATCHES.names)
    )
    beyond = joined.filter(pl.col("separation") > radius)
    blends = int((matched["spectrum_id"].value_counts()["count"] > 1).sum())
    n_joined, n_matched = joined["spectrum_id"].n_unique(), matched["spectrum_id"].n_unique()
    return Result(
        frame=frame,
        schema=MATCHES,
        settings=settings,
        steps=(
            Step(
                "cross-match",
                "spectra",
                spectra.height,
                {
                    f"without a Gaia {release} id": lost_ids,
                    "with the id of no member": by_id.height - n_joined,
                    f"with no member within {radius:g} arcsec": by_position.height - n_matched,
                },
            ),
        ),
        notes=_notes(
            settings.method,
            release,
            by_id.height,
            by_position.height,
            others,
            beyond,
            radius,
            blends,
        ),
        facts={
            "gaia_release": release,
            "spectra_by_source_id": n_joined,
            "spectra_by_position": n_matched,
            "pairs": frame.height,
            "spectra_with_several_members": blends,
            "id_pairs_beyond_radius": beyond.height,
            "pairs_not_propagated": int((~frame["propagated"]).sum()),
            "epochs_assumed_j2000": int(spectra["ref_epoch"].null_count()) if "ref_epoch" in spectra.columns else 0,
        },
    )


def release_of(members: pl.DataFrame) -> str:
    """The one Gaia release of a membership list.

    Raises
    ------
    CrossmatchError
        If there are several, or one that is not known.
    """
    releases = members["gaia_release"].unique().sort().to_list()
    if not releases:
        raise CrossmatchError("the membership list is empty", hint="lower [members] probability")
    if len(releases) > 1:
        raise CrossmatchError(
            f"the membership list mixes Gaia releases: {', '.join(map(str, releases))}",
            expected="ids of one release; the same number can be another star in another release",
            hint="run the releases separately",
        )
    release = str(releases[0])
    release_epoch(release)
    return release


def join_ids(
    spectra: pl.DataFrame, sources: pl.DataFrame, *, column: str, radius_arcsec: float, gaia_release: str
) -> pl.DataFrame:
    """Join spectra and unique sources on the survey's id; separations computed at the spectrum's epoch.

    Parameters
    ----------
    spectra, sources : polars.DataFrame
        As for `match_positions`; ``sources`` without repeated ids.
    column : str
        The column of ``spectra`` that holds the id.
    radius_arcsec : float
        Radius of ``n_in_radius`` and ``flux_fraction``.
    gaia_release : str
        Release of both.

    Returns
    -------
    polars.DataFrame
        MATCHES with ``method`` ``source_id``.
    """
    if spectra.is_empty():
        return MATCHES.empty()
    known = spectra.filter(pl.col(column).is_in(sources["source_id"].implode()))
    pairs = known.select("spectrum_id", pl.col(column).alias("source_id"))
    measured = separations(
        known, known.select(pl.col(column).alias("source_id")).join(
            sources, on="source_id", how="left", maintain_order="left"
        ),
        gaia_release=gaia_release,
    )  # fmt: skip
    around = match_positions(known, sources, radius_arcsec=radius_arcsec, gaia_release=gaia_release).select(
        "spectrum_id", "source_id", "n_in_radius", "flux_fraction"
    )
    return (
        pl.concat([pairs, measured], how="horizontal")
        .join(around, on=["spectrum_id", "source_id"], how="left", maintain_order="left")
        .with_columns(gaia_release=pl.lit(gaia_release), method=pl.lit("source_id"))
        .select(MATCHES.names)
        .cast(MATCHES.polars_schema())
    )


def separations(spectra: pl.DataFrame, sources: pl.DataFrame, *, gaia_release: str) -> pl.DataFrame:
    """Separation, position angle and ``propagated`` of row i of ``spectra`` and row i of ``sources``.

    The numbers are those of the search, to the last bit.
    """
    from . import _kernels as kernels

    stars = Sources.from_frame(sources, gaia_release=gaia_release)
    epoch = floats(spectra, "ref_epoch")
    separation, angle = np.empty(spectra.height), np.empty(spectra.height)
    kernels.pairwise(
        wrapped(floats(spectra, "ra")),
        floats(spectra, "dec"),
        np.where(np.isnan(epoch), J2000, epoch),
        stars.ra_deg,
        stars.dec_deg,
        stars.pmra_masyr,
        stars.pmdec_masyr,
        stars.epoch,
        separation,
        angle,
    )
    return pl.DataFrame(
        {
            "separation": separation,
            "position_angle": pl.Series(np.where(separation > 0.0, angle, np.nan)).fill_nan(None),
            "propagated": ~(np.isnan(stars.pmra_masyr) | np.isnan(stars.pmdec_masyr)),
        }
    )


def _has(spectra: pl.DataFrame, column: str) -> pl.Series:
    if column not in spectra.columns:
        return pl.repeat(False, spectra.height, dtype=pl.Boolean, eager=True)
    return spectra[column].is_not_null()


def _no_ids(release: str, others: list[str]) -> CrossmatchError:
    listed = " and ".join(others)
    offer = f"it gives Gaia {listed} ids only" if others else "it gives no Gaia ids"
    return CrossmatchError(
        f'[crossmatch] method = "source_id" cannot work: the members carry Gaia {release} ids, the survey has none; '
        f"{offer}",
        expected=f"Gaia {release} ids in the survey ({record(release).id_column})",
        hint=f'method = "position" matches on the sky and needs no ids; or use a membership list with Gaia {listed} ids'
        if others
        else 'method = "position" matches on the sky and needs no ids',
    )


def _notes(
    method: str,
    release: str,
    n_id: int,
    n_position: int,
    others: list[str],
    beyond: pl.DataFrame,
    radius: float,
    blends: int,
) -> tuple[str, ...]:
    notes = []
    if method == "auto":
        if n_id and n_position:
            notes.append(
                f"cross-match: {n_id:,} spectra by the survey's Gaia {release} ids, {n_position:,} without one by "
                f"position within {radius:g} arcsec"
            )
        elif n_id:
            notes.append(f"cross-match: {n_id:,} spectra by the survey's Gaia {release} ids")
        elif n_position:
            why = f"has Gaia {' and '.join(others)} ids only" if others else f"gives no Gaia {release} id for them"
            notes.append(
                f"cross-match: {n_position:,} spectra by position within {radius:g} arcsec: the members are Gaia "
                f"{release}, the survey {why}"
            )
    if beyond.height:
        worst = beyond.sort("separation", descending=True).row(0, named=True)
        notes.append(
            f"{beyond.height:,} pairs joined by source_id are more than {radius:g} arcsec apart and were kept; the "
            f"widest is spectrum {worst['spectrum_id']} at {worst['separation']:.2f} arcsec from Gaia {release} "
            f"{worst['source_id']}"
        )
    if blends:
        notes.append(
            f"{plural(blends, 'spectrum', 'have')} several members within {radius:g} arcsec; each pair is a row"
        )
    return tuple(notes)
