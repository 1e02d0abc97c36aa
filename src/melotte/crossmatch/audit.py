"""Audit of the Gaia ids a survey supplies against the sky."""

from __future__ import annotations

import polars as pl

from ..errors import CrossmatchError
from ..schema import Column, Schema
from ..schema.definitions import GAIA_RELEASE, SPECTRUM_ID
from ..schema.gaia import gaia_release as record
from ..schema.result import Result, Step
from .identify import separations
from .local import match_positions

#: What a row of the audit can say, in the order of the report.
VERDICTS = {
    "agrees": "the survey's id is the nearest source",
    "not nearest": "the survey's id is within the radius, but another source is nearer",
    "beyond radius": "the survey's id is in the list, but farther than the radius",
    "other source": "the survey's id is not in the list, and another source is within the radius",
    "no id": "the survey gives no id, and a source is within the radius",
}

AUDIT = Schema(
    "id_audit",
    "One row per spectrum whose survey-supplied Gaia id can be compared with the sky",
    (
        SPECTRUM_ID,
        GAIA_RELEASE,
        Column("survey_id", "int64", "", "meta.id", "Gaia identifier given by the survey", True, "%19d"),
        Column(
            "survey_separation",
            "float64",
            "arcsec",
            "pos.angDistance",
            "Separation of that source at the epoch of the spectrum; missing if it is not in the list",
            True,
            "%9.5f",
            minimum=0.0,
        ),
        Column(
            "nearest_id", "int64", "", "meta.id", "Gaia identifier of the nearest source in the radius", True, "%19d"
        ),
        Column(
            "nearest_separation",
            "float64",
            "arcsec",
            "pos.angDistance",
            "Separation of the nearest source at the epoch of the spectrum",
            True,
            "%9.5f",
            minimum=0.0,
        ),
        Column(
            "n_in_radius", "int32", "", "meta.number", "Sources of the list within the radius", False, "%3d", minimum=0
        ),
        Column("verdict", "string", "", "meta.code", "; ".join(f"{k}: {v}" for k, v in VERDICTS.items()), False),
    ),
    key=("spectrum_id",),
)


def audit_ids(spectra: pl.DataFrame, sources: pl.DataFrame, *, radius_arcsec: float, gaia_release: str) -> Result:
    """Compare the Gaia ids of a survey with what lies at its positions.

    Parameters
    ----------
    spectra : polars.DataFrame
        SPECTRA with the id column of ``gaia_release`` (``source_id_dr3``).
    sources : polars.DataFrame
        Gaia sources as for `match_positions`: a membership list or Gaia itself.
    radius_arcsec : float
        Search radius.
    gaia_release : str
        Release of ``sources``.

    Returns
    -------
    Result
        `AUDIT`, by verdict and then by separation, widest first. Spectra of which the list holds neither the id nor
        anything within the radius cannot be judged; the steps count them. ``facts`` has the number of each verdict.

    Raises
    ------
    CrossmatchError
        If the survey gives no id of the release.
    """
    column = record(gaia_release, error=CrossmatchError).id_column
    if column not in spectra.columns or (spectra.height and not spectra[column].is_not_null().any()):
        raise CrossmatchError(
            f"the survey gives no Gaia {gaia_release} ids, there is nothing to audit",
            expected=f"ids in {column}",
            hint="audit against a source list of the release the survey uses",
        )
    unique = sources.unique(subset="source_id", keep="first", maintain_order=True)
    matched = match_positions(spectra, unique, radius_arcsec=radius_arcsec, gaia_release=gaia_release)
    nearest = matched.unique(subset="spectrum_id", keep="first", maintain_order=True).select(
        "spectrum_id", "n_in_radius", nearest_id="source_id", nearest_separation="separation"
    )
    known = spectra.filter(pl.col(column).is_in(unique["source_id"].implode()))
    stars = known.select(source_id=column).join(unique, on="source_id", how="left", maintain_order="left")
    of_survey = known.select("spectrum_id").with_columns(
        separations(known, stars, gaia_release=gaia_release)["separation"].alias("survey_separation")
    )
    table = (
        spectra.select("spectrum_id", survey_id=column)
        .join(of_survey, on="spectrum_id", how="left", maintain_order="left")
        .join(nearest, on="spectrum_id", how="left", maintain_order="left")
    )
    judged = table.filter(pl.col("survey_separation").is_not_null() | pl.col("nearest_id").is_not_null())
    verdict = (
        pl.when(pl.col("survey_id").is_null())
        .then(pl.lit("no id"))
        .when(pl.col("survey_separation").is_null())
        .then(pl.lit("other source"))
        .when(pl.col("survey_separation") > radius_arcsec)
        .then(pl.lit("beyond radius"))
        .when(pl.col("survey_id") != pl.col("nearest_id"))
        .then(pl.lit("not nearest"))
        .otherwise(pl.lit("agrees"))
    )
    judged = judged.with_columns(
        verdict=verdict, gaia_release=pl.lit(gaia_release), n_in_radius=pl.col("n_in_radius").fill_null(0)
    )
    counts = {name: int((judged["verdict"] == name).sum()) for name in VERDICTS}
    frame = (
        judged.with_columns(
            _rank=pl.col("verdict").replace_strict({n: i for i, n in enumerate(VERDICTS)}, return_dtype=pl.Int32),
            _width=pl.max_horizontal("survey_separation", "nearest_separation"),
        )
        .sort("_rank", "_width", "spectrum_id", descending=[True, True, False])
        .drop("_rank", "_width")
    )
    wrong = sum(counts[name] for name in ("not nearest", "beyond radius", "other source"))
    return Result(
        frame=AUDIT.conform(frame),
        schema=AUDIT,
        settings={"radius_arcsec": radius_arcsec, "gaia_release": gaia_release},
        steps=(
            Step(
                "audit of survey ids",
                "spectra",
                spectra.height,
                {"with neither their id nor any source of the list near": spectra.height - judged.height},
            ),
        ),
        notes=(
            f"{counts['agrees']:,} of {judged.height - counts['no id']:,} Gaia {gaia_release} ids of the survey are "
            f"the nearest source within {radius_arcsec:g} arcsec; {wrong:,} disagree: "
            + ", ".join(f"{counts[n]:,} {n}" for n in ("not nearest", "beyond radius", "other source")),
        ),
        facts=counts,
    )
