"""What is drawn and published, and how the run is computed."""

from __future__ import annotations

from typing import Annotated, Literal

from astropy import units as u
from pydantic import Field

from .values import Angle, Settings


class FiguresConfig(Settings):
    """``[figures]``: which figures are drawn."""

    #: Clusters that get their own figures: names, or the ``largest`` so many.
    clusters: tuple[str, ...] = ()
    largest: Annotated[int, Field(ge=0)] = 3
    formats: tuple[Literal["pdf", "png", "svg"], ...] = ("pdf", "png")
    #: Stars in report.html at most, clusters with the most velocities first: a page of 50,000 stars has some 30 MB.
    page_stars: Annotated[int, Field(ge=0)] = 50_000


class PublishConfig(Settings):
    """``[publish]``: what ``melotte publish`` says about the catalogue that the run cannot know."""

    #: Title, authors (``"Surname I."``) and abstract of the paper; they open the CDS ReadMe and the AAS tables.
    title: str | None = None
    authors: tuple[str, ...] = ()
    abstract: str | None = None
    #: Paragraphs of the ReadMe's description; made from the configuration of the run if empty.
    description: tuple[str, ...] = ()
    #: The journal's keywords, and those of the CDS list (ADC_Keywords).
    keywords: tuple[str, ...] = ()
    adc_keywords: tuple[str, ...] = ("Clusters, open", "Radial velocities", "Abundances, [Fe/H]")
    #: The paper: bibcode, and journal with volume and page.
    bibcode: Annotated[str, Field(pattern=r"^[0-9]{4}[A-Za-z0-9.&]{15}$")] | None = None
    journal: str | None = None
    #: Name of the catalogue at the CDS, such as ``J/A+A/668/A4``.
    catalogue: str | None = None
    #: Data Origin (IVOA note "Data Origin in the VO"): DOI of the tables, their version, who publishes them, under
    #: which licence.
    doi: Annotated[str, Field(pattern=r"^10\.[0-9]{4,}/\S+$")] | None = None
    version: str | None = None
    publisher: str | None = None
    contact: str | None = None
    rights: str | None = None
    rights_uri: str | None = None
    acknowledgements: str | None = None
    #: HEALPix order of the footprint: 10 are cells of 3.4 arcmin (IVOA MOC 2.0).
    moc_order: Annotated[int, Field(ge=0, le=29)] = 10
    #: HATS: most stars in one partition, and the width of the margin for cross-matches at its edges.
    hats_rows: Annotated[int, Field(ge=1)] = 100_000
    hats_margin: Angle = u.Quantity(5.0, "arcsec")
    #: With more stars than this the provenance names the members of a cluster by a rule, not one by one.
    provenance_stars: Annotated[int, Field(ge=0)] = 100_000


class RunConfig(Settings):
    """``[run]``: what concerns the computation, not the science."""

    seed: Annotated[int, Field(ge=0)] = 20221101
    title: str | None = None
