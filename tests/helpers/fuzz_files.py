"""Every reader of single files with a small valid file, for ``fuzz_readers.py``."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survey_files import lamost_rows, write_csv, write_fits, write_parquet, write_votable


@dataclass(frozen=True)
class Reader:
    """A reader under test: a function of a path, and the bytes of a file it can read."""

    name: str
    suffix: str
    read: Callable[[Path], Any]
    valid: bytes


def readers(directory: Path) -> list[Reader]:
    """Every reader of one file, with a valid file."""
    return [
        *_surveys(directory),
        *_lists(directory),
        *_tables(directory),
        *_texts(),
    ]


def _surveys(directory: Path) -> list[Reader]:
    from melotte.config import SurveyConfig
    from melotte.inputs.surveys import open_survey

    columns = {"ra": "ra", "dec": "dec", "rv": "rv", "rv_error": "rv_err", "teff": "teff", "feh": "feh", "snr": "snrg"}
    spelled = {
        name: {"column": column, "unit": unit} if unit else column
        for name, column in columns.items()
        for unit in [{"ra": "deg", "dec": "deg", "rv": "km/s", "rv_error": "km/s", "teff": "K", "feh": "dex"}.get(name)]
    }

    def adapted(adapter: str) -> Callable[[Path], Any]:
        more: dict[str, Any] = {"columns": {**spelled, "spectrum_id": "obsid"}} if adapter == "table" else {}
        return lambda path: open_survey(SurveyConfig(adapter=adapter, file=str(path), **more)).read()  # type: ignore[arg-type]

    rows = lamost_rows(n=6)
    writers: dict[str, Callable[..., Path]] = {
        ".csv": write_csv,
        ".csv.gz": write_csv,
        ".fits": write_fits,
        ".fits.gz": write_fits,
        ".parquet": write_parquet,
        ".vot": write_votable,
    }
    found = []
    for suffix, write in writers.items():
        valid = write(directory / f"dr8{suffix}", rows).read_bytes()
        if suffix.endswith(".gz"):  # without the time
            valid = gzip.compress(gzip.decompress(valid), mtime=0)
        found += [Reader(f"survey {a}{suffix}", suffix, adapted(a), valid) for a in ("lamost", "table")]
    # Their layouts are what is new: the readers of the other formats are those above.
    for adapter, columns in _other_surveys().items():
        for suffix in (".csv", ".fits", ".parquet"):
            valid = writers[suffix](directory / f"{adapter}{suffix}", columns).read_bytes()
            found.append(Reader(f"survey {adapter}{suffix}", suffix, adapted(adapter), valid))
    return found


def _other_surveys() -> dict[str, dict[str, list[Any]]]:
    """Rows in the shape of the other surveys' catalogues, every column of their layouts."""
    n = range(6)
    ids, numbers = [2**60 + i for i in n], [0.5 + i for i in n]
    stars = {"teff": [5000.0 + 100 * i for i in n], "logg": [2.0 + 0.4 * i for i in n]}
    return {
        "apogee": {
            "APOGEE_ID": [f"2M0{i}123456+1234567" for i in n],
            **dict.fromkeys(("PMRA", "PMDEC", "VHELIO_AVG", "VSCATTER", "FE_H", "FE_H_ERR"), numbers),
        },
        "boss": {
            "SDSS_ID": [70_000_000 + i for i in n],
            "GaiaDR3_ID": ids,
            "Teff": stars["teff"],
            "logg": stars["logg"],
            **dict.fromkeys(("RAdeg", "DEdeg", "PMRA", "PMDE", "V_RAD", "E_V_RAD", "FeH_CLAM"), numbers),
            "E_FeH_CLAM": [0.01] * 6,
        },
        "gaia_rvs": {
            "source_id": ids,
            "ref_epoch": [2016.0] * 6,
            "teff_gspphot": stars["teff"],
            "logg_gspphot": stars["logg"],
            "rv_nb_transits": [3 + i for i in n],
            **dict.fromkeys(("ra", "dec", "pmra", "pmdec", "parallax"), numbers),
            **dict.fromkeys(("phot_g_mean_mag", "bp_rp", "radial_velocity"), numbers),
            "radial_velocity_error": [0.4] * 6,
        },
    }


def _lists(directory: Path) -> list[Reader]:
    import polars as pl

    from melotte.clusters.isochrones import load_isochrones
    from melotte.config import ClustersConfig, MembersConfig
    from melotte.core.randomness import Streams
    from melotte.inputs.members import read_clusters
    from melotte.literature import read_literature
    from melotte.validation.simulate import SimulationSettings, simulate

    sky = simulate(SimulationSettings(n_clusters=4, n_field_spectra=1, max_members=3), Streams(1))
    members, clusters = sky.members.head(8), sky.clusters
    grid = {n: [0.1 * i for i in range(6)] for n in ("MH", "Mini", "logTe", "logg", "phase")}
    grid |= {n: [float(i) for i in range(6)] for n in ("logAge", "Gmag_DR2", "G_BPmag_DR2", "G_RPmag_DR2")}
    mine = clusters.with_columns(pl.lit("3").alias("x"))

    as_lists = members.to_dict(as_series=False)
    packed = write_fits(directory / "m.fits", as_lists), write_parquet(directory / "m.parquet", as_lists)
    return [
        Reader("members.csv", ".csv", _members(MembersConfig), members.write_csv().encode()),
        Reader("members.fits", ".fits", _members(MembersConfig), packed[0].read_bytes()),
        Reader("members.parquet", ".parquet", _members(MembersConfig), packed[1].read_bytes()),
        Reader(
            "clusters.csv",
            ".csv",
            lambda p: read_clusters(ClustersConfig(catalogue="cantat2020", file=str(p))),
            mine.write_csv().encode(),
        ),
        Reader("isochrones.csv", ".csv", load_isochrones, pl.DataFrame(grid).write_csv().encode()),
        Reader(
            "literature.csv",
            ".csv",
            lambda p: read_literature("soubiran2018", file=p),
            _literature("soubiran2018"),
        ),
    ]


def _members(config: Any) -> Callable[[Path], Any]:
    from melotte.inputs.members import read_members

    return lambda p: read_members(config(catalogue="cantat2018", file=str(p)))


def _literature(name: str) -> bytes:
    import polars as pl

    from melotte.literature.records import literature

    columns = sorted(literature()[name].columns())
    return pl.DataFrame({c: [f"{10 + i}" for i in range(4)] for c in columns}).write_csv().encode()


def _tables(directory: Path) -> list[Reader]:
    import polars as pl
    from astropy.table import Table

    from melotte.config import GradientsConfig
    from melotte.publish import read_table, write_table
    from melotte.schema import CLUSTERS, to_qtable
    from melotte.workflow.standalone.gradients_input import _wanted, join_tables, read_gradients_table
    from melotte.workflow.standalone.orbits import ORBIT_INPUT, read_orbit_input
    from melotte.workflow.standalone.structure import STRUCTURE_INPUT, read_structure_input

    def frame(schema: Any) -> Any:
        values: dict[str, Any] = {"string": ["a", "b", "c"], "int64": [1, 2, 3], "int32": [1, 2, 3], "bool": [True] * 3}
        return schema.conform(pl.DataFrame({c.name: values.get(c.dtype, [0.1, 0.2, 0.3]) for c in schema}))

    found = [
        Reader(f"read_table{path.suffix}", path.suffix, lambda p: read_table(p, CLUSTERS), path.read_bytes())
        for path in write_table(frame(CLUSTERS), CLUSTERS, directory / "clusters")
    ]
    settings = GradientsConfig()
    wanted = {c.name: [0.1, 0.2, 0.3] for c in _wanted(settings)} | {"cluster": ["a", "b", "c"]}
    for suffix, form in ((".fits", "fits"), (".vot", "votable"), (".ecsv", "ascii.ecsv"), (".parquet", "")):
        orbits, gradients = directory / f"orbits{suffix}", directory / f"gradients{suffix}"
        structure = directory / f"structure{suffix}"
        if form:
            to_qtable(frame(ORBIT_INPUT), ORBIT_INPUT).write(orbits, format=form, overwrite=True)
            to_qtable(frame(STRUCTURE_INPUT), STRUCTURE_INPUT).write(structure, format=form, overwrite=True)
            Table(wanted).write(gradients, format=form, overwrite=True)
        else:
            write_parquet(orbits, frame(ORBIT_INPUT).to_dict(as_series=False))
            write_parquet(structure, frame(STRUCTURE_INPUT).to_dict(as_series=False))
            write_parquet(gradients, wanted)
        found.append(Reader(f"melotte orbits{suffix}", suffix, read_orbit_input, orbits.read_bytes()))
        found.append(Reader(f"melotte structure{suffix}", suffix, read_structure_input, structure.read_bytes()))
        found.append(
            Reader(
                f"melotte gradients{suffix}",
                suffix,
                lambda p: read_gradients_table(p, settings),
                gradients.read_bytes(),
            )
        )
    names = pl.DataFrame(wanted).write_csv().encode()
    first, rest = pl.DataFrame({"cluster": ["a", "b", "c"], "n_feh": [1, 2, 3]}), read_gradients_table
    found.append(Reader("melotte gradients.csv", ".csv", lambda p: rest(p, settings), names))
    found.append(Reader("melotte gradients --join.csv", ".csv", lambda p: join_tables(first, [p], settings), names))
    return found


def package(package: str, *names: str) -> bytes:
    """A file that ships with Melotte."""
    from importlib import resources

    return resources.files(package).joinpath(*names).read_bytes()


def _texts() -> list[Reader]:
    from melotte import config
    from melotte.datasets.model import parse_record
    from melotte.galaxy.components import read_model
    from melotte.literature.records import parse_record as parse_literature

    record = package("melotte.datasets", "records", "cantat2018_members.toml")
    listing = package("melotte.literature", "records", "soubiran2018.toml")
    model = package("melotte.galaxy", "data", "mcmillan2017.toml")
    toml = b"""[survey]
adapter = "table"
file = "a.csv"
rv_error_floor = "0.5 km/s"
columns = { spectrum_id = "id", ra = { column = "ra", unit = "deg" }, rv = { column = "v", missing = [-9999] } }
[members]
catalogue = "cantat2018"
probability = ">= 0.7"
[clusters]
catalogue = "cantat2020"
[crossmatch]
radius = "3.5 arcsec"
[velocity]
clip = "2 sigma"
draws = 500
[galaxy]
sun = "fu2022"
lookback = "500 Myr"
[gradients]
[run]
seed = 3
"""
    steps = b"""[publish]
authors = ["A. Body"]
moc_order = 8
hats_margin = "5 arcsec"
[literature]
few = 3
[structure]
near = "100 pc"
[gradients]
age_edges = ["500 Myr"]
[zero_points]
reference = "boss"
surveys = [{ adapter = "boss", file = "a.fits" }, { adapter = "apogee", file = "b.fits" }]
[calibration]
seed = 1
[figures]
formats = ["png"]
[velocity]
draws = 10
[run]
seed = 3
"""
    return [
        Reader("configuration.toml", ".toml", config.load, toml),
        Reader("sections of one step.toml", ".toml", _sections, steps),
        Reader("mass model.toml", ".toml", read_model, model),
        Reader("dataset record.toml", ".toml", lambda p: parse_record(_text(p), where=p.name), record),
        Reader("literature record.toml", ".toml", lambda p: parse_literature(_text(p), where=p.name), listing),
    ]


def _sections(path: Path) -> None:
    from melotte import config
    from melotte.validation.calibration.run import _settings
    from melotte.validation.calibration.settings import CalibrationConfig

    models: dict[str, Any] = {"publish": config.PublishConfig, "literature": config.LiteratureConfig}
    models |= {"structure": config.StructureConfig, "gradients": config.GradientsConfig}
    models |= {"zero_points": config.ZeroPointsConfig, "figures": config.FiguresConfig, "run": config.RunConfig}
    models |= {"calibration": CalibrationConfig}
    for name, model in models.items():
        config.load_section(path, name, model)
    _settings(path)


def _text(path: Path) -> str:
    """These ship with the package: text for certain."""
    return path.read_bytes().decode(errors="replace")
