"""LAMOST LRS and MRS stellar parameter catalogues, DR5 to DR11, and copies with Gaia ids.

Column names (LAMOST data release documents of DR5 to DR11, https://www.lamost.org):

* ``obsid`` identifies an LRS spectrum; an MRS spectrum is identified by ``mobsid`` (``obsid`` repeats).
* Coordinates: ``objra``/``objdec`` (DR5 to DR7 databases), ``ra``/``dec`` (position in the input catalogue; all
  files), ``ra_obs``/``dec_obs`` (where the fibre pointed; DR7 on). The input position is preferred: a fibre
  deliberately set beside a bright star keeps the star's own position there. ICRS, J2000.
* ``gaia_source_id`` (text; DR7 on). DR7 and DR8 were cross-matched with Gaia DR2 (LRS data production description
  of DR8, Sect. 1). Of later releases this adapter claims nothing: set ``[survey] gaia_release``, otherwise the
  ids are not used.
* MRS: ``teff_lasp``, ``logg_lasp``, ``feh_lasp`` and ``rv_lasp1`` (calibrated to standard stars) before
  ``rv_lasp0``; DR6 MRS has ``rv_b1`` and ``rv_br1`` only. One velocity column is used for all rows.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from ...schema.gaia import RELEASES
from ...schema.gaia import gaia_release as record
from ...schema.gaia import names as release_names
from ...tables.reader import TableReader
from .layout import Layout, Source, column

#: Error sentinels of the MRS catalogues.
_NO_ERROR = (9999.0,)
#: LASP looks for velocities within 1000 km/s: a larger error is a sentinel that went through an average of
#: visits (9999 / sqrt(n) in the MRS cluster file).
_LARGEST_RV_ERROR = 1000.0
#: Fibres on a star: targets and flux standards. The others are sky, unused, misplaced or dead.
_ON_STAR = ("obj", "f-std")
#: Gaia release of ``gaia_source_id`` by LAMOST data release.
GAIA_OF_RELEASE = {7: "DR2", 8: "DR2"}
_IMPUTED = "rv_error, teff_error, logg_error, feh_error: imputed"

_RV_PAIRS = (
    ("rv", "rv_err"),
    ("rv_lasp1", "rv_lasp1_err"),
    ("rv_lasp0", "rv_lasp0_err"),
    ("rv_br1", "rv_br1_err"),
    ("rv_b1", "rv_b1_err"),
)


def layout(reader: TableReader, gaia_release: str | None) -> Layout:
    """The layout of a LAMOST file, by the columns it has."""
    names = {name.lower() for name in reader.columns}
    rv, rv_error = next((p for p in _RV_PAIRS if p[0] in names), _RV_PAIRS[0])
    sources: dict[str, Source] = {
        "spectrum_id": column("mobsid", "obsid"),
        **{release.id_column: column(release.archive_id) for release in RELEASES},
        "ra": column("ra", "ra2000", "objra", "ra_obs", required=True),
        "dec": column("dec", "dec2000", "objdec", "dec_obs", required=True),
        "parallax": column("parallax"),
        "phot_g_mean_mag": column("gaia_g_mean_mag", "gmag"),
        "obs_mjd": column("mjd", "lmjd"),
        "rv": column(rv, required=True),
        "rv_error": column(rv_error, missing=_NO_ERROR),
        "teff": column("teff", "teff_lasp", required=True),
        "teff_error": column("teff_err", "teff_lasp_err", missing=_NO_ERROR),
        "logg": column("logg", "logg_lasp", required=True),
        "logg_error": column("logg_err", "logg_lasp_err", missing=_NO_ERROR),
        "feh": column("feh", "feh_lasp", required=True),
        "feh_error": column("feh_err", "feh_lasp_err", missing=_NO_ERROR),
        "snr": column("snrg", "snr"),
        "n_visits": column("nobs"),
    }
    extra = {
        "fibertype": column("fibertype"),
        "class": column("class"),
        "imputed": column("imputed_uncertainties_flag"),
        "bp": column("bpmag", "gaia_bp_mean_mag"),
        "rp": column("rpmag", "gaia_rp_mean_mag"),
    }
    notes = [] if rv == "rv" else [f"LAMOST: the velocities are those of column {rv}"]
    if "gaia_source_id" in names:
        release = gaia_release or _release_of(reader.path)
        if release:
            sources[record(release).id_column] = column("gaia_source_id")
            notes.append(f"LAMOST: gaia_source_id is taken as Gaia {release}")
        else:
            notes.append(
                "LAMOST: gaia_source_id is not used: which Gaia release it belongs to is not known for this file; "
                f"set [survey] gaia_release to {release_names()}"
            )
    if not {"obsid", "mobsid"} & names:
        # Copies with one row per star have no obsid: the Gaia id is the star's name.
        sources["spectrum_id"] = column(*(r.archive_id for r in RELEASES), "gaia_source_id")
    return Layout(
        title="LAMOST",
        sources=sources,
        extra=extra,
        prepare=_prepare,
        keep={
            "the fibre is not on a star (fibertype)": _optional("_fibertype", _ON_STAR),
            "not classified as a star": _optional("_class", ("star",)),
        },
        notes=tuple(notes),
    )


def _release_of(path: Path) -> str | None:
    """Gaia release by the data release in the file name (``dr8_v2.0_LRS_stellar.fits.gz``)."""
    match = re.search(r"(?:^|[^a-z0-9])dr(\d{1,2})(?!\d)", path.name.lower())
    return GAIA_OF_RELEASE.get(int(match[1])) if match else None


def _optional(name: str, accepted: tuple[str, ...]) -> pl.Expr:
    text = pl.col(name)
    return text.is_null() | text.str.to_lowercase().is_in(accepted)


def _prepare(frame: pl.DataFrame) -> pl.DataFrame:
    absent = [n for n in ("_fibertype", "_class", "_imputed", "_bp", "_rp") if n not in frame.columns]
    frame = frame.with_columns(*(pl.lit(None, dtype=pl.String).alias(n) for n in absent))
    imputed = pl.col("_imputed").str.to_lowercase().is_in(["true", "1", "t"])
    bp, rp = (pl.col(n).cast(pl.Float64, strict=False) for n in ("_bp", "_rp"))
    colour = pl.when(bp.is_between(-5, 40) & rp.is_between(-5, 40)).then(bp - rp)
    return frame.with_columns(
        pl.when(imputed).then(pl.lit(_IMPUTED)).alias("error_note"),
        colour.alias("bp_rp"),
        pl.when(pl.col("rv_error") <= _LARGEST_RV_ERROR).then(pl.col("rv_error")).alias("rv_error"),
    )
