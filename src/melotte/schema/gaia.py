"""The Gaia releases: everything that depends on which release an identifier belongs to, one record each.

A new release is a new record here; code loops over `RELEASES`. The same number can be another star in another
release: identifiers of different releases are never compared.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import MelotteError, SchemaError


@dataclass(frozen=True, slots=True)
class ParallaxBias:
    """What the parallaxes of a release are off by (published minus true) and who says so."""

    prescription: str
    source: str
    #: The constant, in mas, where the prescription is one.
    constant: float | None = None
    #: The column to subtract, where the release gives one.
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """The archive's table from the release before to this one: one row per pair of neighbours."""

    table: str
    #: Identifier in the release before, identifier in this release.
    old_id: str
    new_id: str
    #: Distance of the two positions at one epoch, mas.
    distance: str = "angular_distance"
    #: Difference of the G magnitudes, mag.
    magnitude: str = "magnitude_difference"


@dataclass(frozen=True, slots=True)
class GaiaRelease:
    """One Gaia data release.

    Attributes
    ----------
    name : str
        As in the column ``gaia_release``: ``DR3``.
    epoch : float
        Reference epoch of the astrometry, Julian year (TCB).
    source : str
        Where the epoch is published.
    archive_table : str
        The table of sources in the Gaia archive.
    parallax_bias : ParallaxBias
    aliases : tuple of str
        Other names with the same identifiers and astrometry.
    vizier : str or None
        The table of sources at VizieR and CDS X-Match; None while there is none.
    crosswalk : Crosswalk or None
        From the release before.
    draft : str or None
        Day the record was written from the draft data model; None for a public release.
    """

    name: str
    epoch: float
    source: str
    archive_table: str
    parallax_bias: ParallaxBias
    aliases: tuple[str, ...] = ()
    vizier: str | None = None
    crosswalk: Crosswalk | None = None
    draft: str | None = None

    @property
    def id_column(self) -> str:
        """Column of Melotte's tables for the identifier that a survey gives: ``source_id_dr3``."""
        return f"source_id_{self.name.lower()}"

    @property
    def id_label(self) -> str:
        """Label of the identifier in published lists: ``GaiaDR3``."""
        return f"Gaia{self.name}"

    @property
    def archive_id(self) -> str:
        """Column of the archive's crosswalks and of copies that carry several releases: ``dr3_source_id``."""
        return f"{self.name.lower()}_source_id"

    @property
    def xmatch_table(self) -> str | None:
        """The table's name at the CDS X-Match service."""
        return None if self.vizier is None else f"vizier:{self.vizier}"

    @property
    def title(self) -> str:
        """Name with its early release: ``(E)DR3``."""
        return f"(E){self.name}" if f"E{self.name}" in self.aliases else self.name


#: From the oldest to the newest.
RELEASES: Final[tuple[GaiaRelease, ...]] = (
    GaiaRelease(
        "DR2",
        2015.5,
        source="Lindegren et al. 2018, A&A 616, A2",
        archive_table="gaiadr2.gaia_source",
        vizier="I/345/gaia2",
        parallax_bias=ParallaxBias("constant", "Lindegren et al. 2018, A&A 616, A2 (quasars)", constant=-0.029),
    ),
    GaiaRelease(
        "DR3",
        2016.0,
        aliases=("EDR3",),
        source="Lindegren et al. 2021, A&A 649, A2",
        archive_table="gaiadr3.gaia_source",
        vizier="I/355/gaiadr3",
        crosswalk=Crosswalk("gaiadr3.dr2_neighbourhood", "dr2_source_id", "dr3_source_id"),
        parallax_bias=ParallaxBias(
            "function of magnitude, colour and ecliptic latitude", "Lindegren et al. 2021, A&A 649, A4"
        ),
    ),
    GaiaRelease(
        "DR4",
        2017.5,
        source="draft data model, https://www.cosmos.esa.int/web/gaia/dr4",
        archive_table="gaiadr4.gaia_source",
        crosswalk=Crosswalk("gaiadr4.dr3_neighbourhood", "dr3_source_id", "dr4_source_id"),
        parallax_bias=ParallaxBias("column of the release", "draft data model", column="tentative_parallax_bias"),
        draft="2026-11-27",
    ),
)

#: Columns of SPECTRA and of the tables made from it that hold the survey's identifiers, from the oldest release.
ID_COLUMNS: Final[tuple[str, ...]] = tuple(r.id_column for r in RELEASES)


def names(conjunction: str = "or") -> str:
    """The releases in a sentence: ``DR2, DR3 or DR4``."""
    *first, last = (r.name for r in RELEASES)
    return f"{', '.join(first)} {conjunction} {last}"


def gaia_release(name: str, *, error: type[MelotteError] = SchemaError, where: str | Path | None = None) -> GaiaRelease:
    """The record of a release, by its name or an alias (``EDR3``, ``Gaia DR3``), whatever the case.

    Raises
    ------
    MelotteError
        Of the class ``error``, if there is no such release.
    """
    known = {alias: release for release in RELEASES for alias in (release.name, *release.aliases)}
    asked = str(name).upper().removeprefix("GAIA").strip(" _-")
    if asked not in known:
        near = difflib.get_close_matches(asked, known, n=1, cutoff=0.5)
        raise error(
            f"no Gaia release {name!r}",
            where=where,
            expected=names(),
            hint=f"did you mean {known[near[0]].name!r}?" if near else None,
        )
    return known[asked]
