"""Tables of clusters from anywhere, for the metallicity distribution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ... import datasets
from ...config import GradientsConfig
from ...errors import ReadError, SchemaError
from ...gradients import predictor
from ...gradients.groups import feh_error_column
from ...literature import Resolver, load_resolver
from ...literature.names import safe_key
from ...schema import Column
from ...tables.decode import Place, to_float, to_text, unit_factor
from ...tables.reader import open_table

#: Customary names of the column with the names of the clusters.
_NAMES = ("cluster", "Cluster", "Name", "name")


def read_gradients_table(
    source: str | Path, settings: GradientsConfig, *, data_dir: Path | None = None
) -> pl.DataFrame:
    """The columns of a table that ``[gradients]`` names, in the units of the fit.

    Parameters
    ----------
    source : path or str
        FITS, VOTable, ECSV, Parquet or CSV; or the name of a dataset.
    settings : GradientsConfig
        Names of the columns.
    data_dir : path, optional
        Local mirror.

    Returns
    -------
    polars.DataFrame
        One row per named cluster; radii in kpc, angular momentum in kpc km/s, energy in km2/s2. A column without a
        unit is taken to be in these.

    Raises
    ------
    ReadError, DatasetError
        If the file is missing or cannot be read.
    SchemaError
        If it has no column of names, or a unit or a value is wrong.
    """
    path = datasets.locate(source, data_dir=data_dir)
    raw, units = _columns(path)
    name = next((n for n in (settings.cluster, *_NAMES) if n in raw.columns), None)
    if name is None:
        raise SchemaError(
            f"there is no column {settings.cluster!r}",
            where=path,
            expected="a column with the names of the clusters",
            hint=f"name it: [gradients] cluster; the table has {', '.join(raw.columns[:30])}",
        )
    data = [to_text(raw[name], Place(path, name)).alias(settings.cluster)]
    for column in _wanted(settings):
        if column.name in raw.columns and column.name != name:
            place = Place(path, column.name)
            factor = unit_factor(units.get(column.name, ""), column, place)
            data.append((to_float(raw[column.name], place) * factor).alias(column.name))
    return pl.DataFrame(data).filter(pl.col(settings.cluster).is_not_null())


def join_tables(
    frame: pl.DataFrame, tables: Sequence[str | Path], settings: GradientsConfig, *, data_dir: Path | None = None
) -> pl.DataFrame:
    """Add the columns a table lacks from others, by cluster name under any alias.

    A cluster that the other table lists twice gets nothing from it.

    Parameters
    ----------
    frame : polars.DataFrame
        From `read_gradients_table`, or any with the column ``[gradients] cluster``.
    tables, settings, data_dir
        As for `read_gradients_table`.

    Raises
    ------
    SchemaError
        If a table adds nothing.
    """
    if not tables:
        return frame
    resolver = load_resolver(data_dir=data_dir)
    for source in tables:
        other = read_gradients_table(source, settings, data_dir=data_dir)
        new = [c for c in other.columns if c not in frame.columns]
        if not new:
            raise SchemaError(
                "this table adds no column",
                where=str(source),
                expected=f"one of {', '.join(c.name for c in _wanted(settings) if c.name not in frame.columns)}",
                hint="name its columns in [gradients]",
            )
        right = _keyed(other, settings, resolver).unique("object", keep="none").select("object", *new)
        frame = _keyed(frame, settings, resolver).join(right, on="object", how="left", maintain_order="left")
        frame = frame.drop("object")
    return frame


def _keyed(frame: pl.DataFrame, settings: GradientsConfig, resolver: Resolver) -> pl.DataFrame:
    keys = [safe_key(resolver, name) for name in frame[settings.cluster]]
    return frame.with_columns(pl.Series("object", keys, dtype=pl.String))


def _wanted(settings: GradientsConfig) -> list[Column]:
    """The numbers that the fit can use, with their units."""

    def column(name: str, unit: str) -> Column:
        return Column(name, "float64", unit, "", name)

    errors = dict.fromkeys([feh_error_column(settings), "feh_scatter", "feh_med_error"])
    age = "" if settings.age_unit == "log yr" else settings.age_unit
    wanted = [column(settings.feh, "dex"), *(column(n, "dex") for n in errors), column(settings.stars, "")]
    if settings.age_edges:
        wanted.append(column(settings.age, age or "dex"))
    for name in dict.fromkeys([*settings.predictors, *(("l_z", "energy") if settings.flat_tail else ())]):
        unit = {"l_z": "kpc km / s", "energy": "km2 / s2"}.get(name, predictor(name).unit)
        wanted += [column(name, unit), column(f"{name}_error", unit)]
    return wanted


def _columns(path: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """A whole table, and the units it gives."""
    if path.suffix == ".ecsv":
        from astropy.table import Table

        try:
            table = Table.read(path, format="ascii.ecsv")
        except Exception as error:  # those of astropy and YAML
            raise ReadError(f"cannot be read: {error}", where=path, expected="ECSV") from error
        data = {n: pl.Series(n, table[n].tolist(), strict=False) for n in table.colnames}  # masked: None
        return pl.DataFrame(data), {n: str(table[n].unit) for n in table.colnames if table[n].unit is not None}
    reader = open_table(path)
    batches = list(reader.batches(list(reader.columns), 1_000_000))
    raw = pl.concat(batches) if batches else pl.DataFrame(schema=dict.fromkeys(reader.columns, pl.String))
    return raw, {n: c.unit for n, c in reader.columns.items() if c.unit}
