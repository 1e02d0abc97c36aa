"""A survey file as a stream of SPECTRA batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...core.constants import ARCSEC_PER_RAD
from ...core.words import plural
from ...errors import EmptyResultError, SchemaError
from ...schema import SPECTRA
from ...schema.gaia import ID_COLUMNS, RELEASES
from ...schema.result import Result, Step
from ...tables.decode import Place, constant, decode, to_text
from ...tables.expression import condition_name, derived
from ...tables.reader import TableReader
from .layout import Layout, Source, column, resolve, unit_of
from .seen import Seen
from .uncertainty import NOT_POSITIVE, apply_errors, error_factor, plan_errors

#: Two rows of one Gaia source: each may lie a match radius (3.5 arcsec) from it, and files round coordinates.
SAME_SOURCE_ARCSEC = 10.0
#: Velocities without a unit that all lie within this, of so many stars, are redshifts.
LARGEST_REDSHIFT = 0.01
FEWEST_VELOCITIES = 3
#: More rejected rows than this are counted, but not listed one by one.
LISTED_REJECTIONS = 200_000


class Survey:
    """A survey opened for reading.

    Attributes
    ----------
    name : str
        Name of the survey for figures and tables.
    path : pathlib.Path
        The file.
    n_rows : int or None
        Rows in the file, where the format says it without reading them.
    gaia_releases : tuple of str
        The Gaia releases (``"DR3"``) whose source_id the file gives; others are null.
    measures : frozenset of str
        Which of ``rv`` and ``feh`` the file gives at all.
    notes : list of str
        What a user must know (floors, constants, ignored columns); complete after reading.
    """

    def __init__(
        self,
        reader: TableReader,
        layout: Layout,
        *,
        name: str | None = None,
        floors: Mapping[str, float] | None = None,
        settings: Any = None,
    ) -> None:
        self.path: Path = reader.path
        self.n_rows = reader.n_rows
        self.name = name or layout.title
        self._layout = layout
        self._configured = dict(floors or {})
        self._settings = settings
        reader = derived(reader, [s.expr for s in layout.sources.values() if s.expr], layout.conditions)
        self._reader = reader
        kept = {f"_keep {text}": column(condition_name(text), required=True) for text in layout.conditions}
        self._sources = {**layout.sources, **{f"_{k}": s for k, s in layout.extra.items()}, **kept}
        self._conditions = {f"keep: {text}": pl.col(f"_keep {text}") == "true" for text in layout.conditions}
        self._found = resolve(reader, self._sources)
        self._units = {
            target: unit_of(reader, self._found.get(target), source, SPECTRA[target])
            for target, source in self._sources.items()
            if target in SPECTRA
        }
        for target in self._units:  # before the first batch
            if target in self._found:
                error_factor(reader, self._found, self._sources, target)
        self.gaia_releases = tuple(r.name for r in RELEASES if r.id_column in self._found)
        constant = {target for target, source in self._sources.items() if source.value is not None}
        self.measures = frozenset({"rv", "feh"} & (set(self._found) | constant))
        self.notes: list[str] = list(layout.notes)
        self._reset()

    def _reset(self) -> None:
        self._rows = 0
        self._lost: dict[str, int] = {}
        self._listed: list[pl.DataFrame] = []
        self._spectra = Seen(("u8",))
        self._sources_seen = {i: Seen(("f4", "f4")) for i in ID_COLUMNS}
        self.notes = list(self._layout.notes)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Where each row of the file went; complete after reading."""
        return (Step(f"reading {self.name}", "rows", self._rows, dict(self._lost)),)

    @property
    def rejected(self) -> pl.DataFrame:
        """Rows that were dropped: row in the file (from 1), spectrum_id, reason; the first 200,000 of them."""
        if not self._listed:
            return pl.DataFrame(schema={"row": pl.Int64, "spectrum_id": pl.String, "reason": pl.String})
        return pl.concat(self._listed)

    def batches(self, size: int = 200_000) -> Iterator[pl.DataFrame]:
        """Yield the survey as SPECTRA tables of up to ``size`` rows.

        Parameters
        ----------
        size : int
            Rows read at a time; bounds the memory.

        Yields
        ------
        polars.DataFrame
            Rows of the SPECTRA schema; rejected rows are missing.

        Raises
        ------
        SchemaError, ReadError
            If a column or value is not what it must be, naming file, row and column.
        EmptyResultError
            If the file has no rows, or none is left.
        """
        self._reset()
        plans, notes = plan_errors(
            self._reader,
            self._found,
            self._sources,
            floors=self._layout.floors,
            configured=self._configured,
            title=self.name,
        )
        self.notes.extend(notes)
        kept = without_error = 0
        for raw in self._reader.batches(sorted(set(self._found.values())), size):
            frame = self._decode(raw, self._rows + 1)
            if not self._rows:
                self._refuse_redshifts(frame["rv"])
            self._rows += raw.height
            frame = self._reject(apply_errors(frame, plans))
            frame = self._without_repeats(frame)
            self._check_sources(frame)
            out = SPECTRA.conform(frame, where=self.path)
            kept += out.height
            without_error += out.filter(pl.col("rv").is_not_null() & pl.col("rv_error").is_null()).height
            if out.height:
                yield out
        if not self._rows:
            raise EmptyResultError("the survey has no rows", where=self.path, hint="check the file")
        if not kept:
            raise EmptyResultError(
                f"none of the {self._rows:,} rows can be used: {self._lost}", where=self.path, hint="check the file"
            )
        if without_error:
            self.notes.append(f"{self.name}: {plural(without_error, 'row', 'have')} a velocity without an error")

    def _refuse_redshifts(self, rv: pl.Series) -> None:
        """A column of redshifts read as km/s would give every star a velocity of nearly zero."""
        if "rv" not in self._found or self._units["rv"]:
            return
        values = rv.drop_nulls()
        if len(values) >= FEWEST_VELOCITIES and float(values.abs().max()) <= LARGEST_REDSHIFT:  # type: ignore[arg-type]
            raise SchemaError(
                f"column {self._found['rv']!r}: all {len(values):,} velocities lie within {LARGEST_REDSHIFT:g}: "
                "this is a redshift, not a velocity in km/s",
                where=self.path,
                expected="radial velocities in km/s",
                hint='give the unit: rv = { column = "...", unit = "redshift" } (or "km/s" if they are velocities)',
            )

    def read(self) -> Result:
        """Read the whole survey at once (for surveys that fit in memory)."""
        frame = pl.concat(list(self.batches()))
        return Result(
            frame,
            SPECTRA,
            rejected=self.rejected,
            settings=self._settings,
            steps=self.steps,
            notes=tuple(self.notes),
        )

    # --- one batch ---------------------------------------------------------------------------------------------

    def _decode(self, raw: pl.DataFrame, first: int) -> pl.DataFrame:
        height = raw.height
        data = [pl.Series("_row", np.arange(first, first + height))]
        for target, source in self._sources.items():
            if target in self._found or source.value is not None:
                data.append(self._values(raw, target, source, first).alias(target))
        frame = pl.DataFrame(data)
        absent = [c for c in SPECTRA if c.name not in frame.columns]
        frame = frame.with_columns(*(pl.lit(None, dtype=c.polars_dtype).alias(c.name) for c in absent))
        if self._layout.prepare:
            frame = self._layout.prepare(frame)
        return frame.with_columns(
            pl.col("ref_epoch").fill_null(self._layout.epoch),
            pl.col("spectrum_id").fill_null(pl.lit("row ") + pl.col("_row").cast(pl.String)),
        )

    def _values(self, raw: pl.DataFrame, target: str, source: Source, first: int) -> pl.Series:
        if source.value is not None:
            place = Place(self.path, f"{target} (a constant)")
            series = constant(source.value, raw.height)
        else:
            place = Place(self.path, self._found[target], first)
            series = raw[self._found[target]]
        if target not in SPECTRA:
            return to_text(series, place, source.missing)
        return decode(series, SPECTRA[target], place, unit=self._units[target], missing=source.missing)

    def _reject(self, frame: pl.DataFrame) -> pl.DataFrame:
        ra, dec = pl.col("ra"), pl.col("dec")
        rules: dict[str, pl.Expr] = {
            **self._layout.keep,
            **self._conditions,
            "no position": ra.is_not_null() & dec.is_not_null(),
            "position outside the sky": ra.is_between(-180.0, 360.0) & dec.is_between(-90.0, 90.0),
            NOT_POSITIVE: ~pl.col("_bad_rv_error"),
        }
        if self._layout.drop_without_rv:
            rules["no radial velocity"] = pl.col("rv").is_not_null()
        reason = pl.lit(None, dtype=pl.String)
        for text, rule in reversed(rules.items()):
            reason = pl.when(~rule.fill_null(False)).then(pl.lit(text)).otherwise(reason)
        frame = frame.with_columns(reason.alias("_reason"))
        self._drop(frame.filter(pl.col("_reason").is_not_null()))
        frame = frame.filter(pl.col("_reason").is_null())
        # 360 and negative right ascensions are legal spellings; below zero by less than an ulp is 0, not 360.
        wrapped = pl.when(ra >= 360.0).then(ra - 360.0).when(ra < 0.0).then(ra + 360.0).otherwise(ra)
        return frame.with_columns(wrapped.alias("ra")).with_columns(
            pl.when(ra >= 360.0).then(0.0).otherwise(ra).alias("ra")
        )

    def _drop(self, rows: pl.DataFrame) -> None:
        if not rows.height:
            return
        for reason, count in rows["_reason"].value_counts().iter_rows():
            self._lost[reason] = self._lost.get(reason, 0) + count
        room = LISTED_REJECTIONS - sum(f.height for f in self._listed)
        if room > 0:
            columns = (pl.col("_row").alias("row"), pl.col("spectrum_id"), pl.col("_reason").alias("reason"))
            self._listed.append(rows.select(*columns).head(room))

    def _without_repeats(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Drop rows repeated as they are (a star listed under two clusters); number other repeats of an id."""
        measured = ["ra", "dec", "rv", "rv_error", "teff", "logg", "feh", "snr", "obs_mjd"]
        frame = frame.with_columns(
            pl.col("spectrum_id").hash().alias("_key"), pl.struct(measured).hash().alias("_content")
        )
        known, (content,) = self._spectra.lookup(frame["_key"].to_numpy())
        frame = frame.with_columns(pl.Series("_known", known), pl.Series("_first", content))
        first = pl.col("_key").is_first_distinct() & ~pl.col("_known")
        frame = frame.with_columns(
            first.alias("_new"),
            pl.when(pl.col("_known")).then("_first").otherwise(pl.col("_content").first().over("_key")).alias("_first"),
        )
        new = frame.filter(pl.col("_new"))
        self._spectra.add(new["_key"].to_numpy(), new["_content"].to_numpy())
        same = ~pl.col("_new") & (pl.col("_first") == pl.col("_content"))
        repeats = frame.filter(same)
        self._drop(repeats.with_columns(pl.lit("the same row listed again").alias("_reason")))
        frame = frame.filter(~same)
        numbered = pl.col("spectrum_id") + "#" + pl.col("_row").cast(pl.String)
        return frame.with_columns(pl.when("_new").then("spectrum_id").otherwise(numbered).alias("spectrum_id"))

    def _check_sources(self, frame: pl.DataFrame) -> None:
        """One Gaia source has one position: anything else is a wrong id or a wrong position."""
        for name in ID_COLUMNS:
            if name not in self._found:
                continue
            rows = frame.filter(pl.col(name).is_not_null()).select(name, "ra", "dec", "_row")
            rows = rows.with_columns(
                pl.col("ra").first().over(name).alias("ra0"), pl.col("dec").first().over(name).alias("dec0")
            )
            keys = rows[name].to_numpy().astype(np.uint64)
            known, (ra, dec) = self._sources_seen[name].lookup(keys)
            ra0 = np.where(known, ra, rows["ra0"].to_numpy())
            dec0 = np.where(known, dec, rows["dec0"].to_numpy())
            apart = _separation_arcsec(rows["ra"].to_numpy(), rows["dec"].to_numpy(), ra0, dec0)
            wrong = np.flatnonzero(apart > SAME_SOURCE_ARCSEC)
            if len(wrong):
                i = int(wrong[0])
                raise SchemaError(
                    f"row {rows['_row'][i]}, column {self._found[name]!r}: {rows[name][i]} lies {apart[i]:.1f} arcsec "
                    "from an earlier row with the same identifier",
                    where=self.path,
                    expected=f"one position per Gaia source (within {SAME_SOURCE_ARCSEC:g} arcsec)",
                    hint="correct the identifier or the coordinates of these rows",
                )
            new = np.flatnonzero(rows[name].is_first_distinct().to_numpy() & ~known)
            self._sources_seen[name].add(keys[new], rows["ra"].to_numpy()[new], rows["dec"].to_numpy()[new])


def _separation_arcsec(ra1: Any, dec1: Any, ra2: Any, dec2: Any) -> Any:
    """Great-circle separation of positions in degrees (haversine: exact for small angles)."""
    ra1, dec1, ra2, dec2 = (np.deg2rad(np.asarray(x, dtype=np.float64)) for x in (ra1, dec1, ra2, dec2))
    half = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))) * ARCSEC_PER_RAD
