"""``melotte match``: the cross-match of Parquet files."""

from __future__ import annotations

from pathlib import Path

from ...config import CrossmatchConfig
from ...core.progress import Progress
from ...crossmatch import MatchReport, match_files
from ...errors import ConfigError, CrossmatchError
from ...schema.gaia import gaia_release as record


def run_match(
    spectra: Path,
    sources: Path,
    out: Path,
    *,
    radius: str,
    gaia_release: str,
    jobs: int | None = None,
    progress: Progress,
) -> MatchReport:
    """Cross-match Parquet files; see `melotte.crossmatch.match_files`."""
    gaia_release = record(gaia_release, error=CrossmatchError, where="--gaia-release").name
    try:
        settings = CrossmatchConfig.model_validate({"radius": radius})
    except ValueError as error:
        raise ConfigError(f"{radius!r} is no radius", where="--radius", expected='for example "3.5 arcsec"') from error
    return match_files(
        spectra,
        sources,
        out,
        radius_arcsec=float(settings.radius.to_value("arcsec")),
        gaia_release=gaia_release,
        threads=jobs,
        progress=progress,
    )
