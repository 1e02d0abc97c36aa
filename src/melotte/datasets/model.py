"""What a record of a published catalogue says, and the records shipped with the package.

One TOML file per catalogue lies in ``records/``. A record holds facts about a catalogue (where it is published, what
its table must contain, how it is cited), never any of its rows.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import DatasetError

ModelT = TypeVar("ModelT", bound=BaseModel)

Kind = Literal["survey", "members", "clusters", "clouds", "isochrones", "names", "potential"]

#: Endings of the files that have rows and columns; the rest are checked by their checksum alone.
TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".fits", ".fits.gz")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VizierSource(_Frozen):
    """A table of the VizieR service of the CDS.

    Attributes
    ----------
    catalogue : str
        Name of the catalogue, such as ``J/A+A/640/A1``.
    table : str or None
        Name of the table in it; where None, the one table that has the columns of the record.
    select : tuple of str
        Columns asked for; all where empty.
    rename : mapping
        VizieR name -> name in the file, for columns that do not keep their name.
    """

    type: Literal["vizier"]
    catalogue: Annotated[str, Field(pattern=r"^[A-Z]+/[A-Za-z0-9+/._-]+$")]
    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    select: tuple[str, ...] = ()
    rename: dict[str, str] = Field(default_factory=dict)

    @property
    def query(self) -> str:
        """What VizieR is asked for."""
        return self.catalogue if self.table is None else f"{self.catalogue}/{self.table}"

    @property
    def address(self) -> str:
        """The page of the catalogue."""
        return f"https://vizier.cds.unistra.fr/viz-bin/VizieR?-source={self.query}"


class UrlSource(_Frozen):
    """A file behind an address.

    ``confirmed`` is false where the address follows the archive's naming scheme but was not seen to answer.
    ``instructions`` say what to do by hand if it does not.
    """

    type: Literal["url"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    confirmed: bool = True
    instructions: str = ""

    @property
    def address(self) -> str:
        """The address of the file."""
        return self.url


class ManualSource(_Frozen):
    """A file that only a person can get (a login, a query to compose, a table to put together)."""

    type: Literal["manual"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    instructions: Annotated[str, Field(min_length=20)]

    @property
    def address(self) -> str:
        """Where to start."""
        return self.url


Source = Annotated[VizierSource | UrlSource | ManualSource, Field(discriminator="type")]


class Content(_Frozen):
    """What the file must hold.

    Attributes
    ----------
    rows : int or None
        Rows of the table as published; None for a file that is not a table.
    exact : bool
        False where ``rows`` was counted in a copy and the archive may hold more; fewer is an error all the same.
    columns : tuple of str
        Columns that must be there, in the file's spelling.
    optional : tuple of str
        Columns that may be there (computed by the service on request, row numbers).
    subsets : mapping
        Row counts of known incomplete copies and why they are short: such a copy is accepted and the reason reported.
    sha256 : str or None
        Checksum, only where the publisher never rewrites the file.
    delimiter : str
        Between the columns of a text table.
    """

    rows: Annotated[int, Field(gt=0)] | None = None
    exact: bool = True
    columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    subsets: dict[int, str] = Field(default_factory=dict)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    delimiter: Literal[",", "|", "\t", ";"] = ","

    @model_validator(mode="after")
    def _consistent(self) -> Content:
        names = [*self.columns, *self.optional]
        if len(set(names)) != len(names):
            raise ValueError("a column is named twice")
        if (self.rows is None) != (not self.columns):
            raise ValueError('"rows" and "columns" go together')
        if self.rows is None and self.sha256 is None:
            raise ValueError("a file that is not a table needs a checksum")
        return self


class Record(_Frozen):
    """One published catalogue.

    Attributes
    ----------
    name : str
        What a configuration and ``melotte fetch`` call it.
    file : str
        Path below the data directory, the same in a local mirror and in the cache.
    also : tuple of str
        Other files that may take its place (another format of the same catalogue).
    bibcode, doi, citation, licence : str
        Of the paper or the archive; ``citation`` is a sentence for the acknowledgements.
    units : mapping
        Unit of a column, for columns the reader of the file has to know.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: Annotated[str, Field(min_length=5)]
    kind: Kind
    file: str
    also: tuple[str, ...] = ()
    bibcode: Annotated[str, Field(pattern=r"^\d{4}[A-Za-z0-9&.]{14}[A-Z]$")] | None = None
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    citation: Annotated[str, Field(min_length=20)]
    licence: Annotated[str, Field(min_length=5)]
    note: str = ""
    source: Source
    content: Content
    units: dict[str, str] = Field(default_factory=dict)

    @field_validator("file", "also")
    @classmethod
    def _inside_the_data_directory(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for item in (value,) if isinstance(value, str) else value:
            path = PurePosixPath(item)
            if path.is_absolute() or ".." in path.parts or len(path.parts) != 2:
                raise ValueError(f"{item!r} is not of the form kind/file")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Record:
        if self.content.rows is None and self.file.endswith(TABLE_SUFFIXES):
            raise ValueError("a table needs its rows and columns")
        known = {*self.content.columns, *self.content.optional}
        if unknown := [name for name in self.units if name not in known]:
            raise ValueError(f"units of unknown columns {unknown}")
        if isinstance(self.source, VizierSource) and (
            unknown := [name for name in self.source.rename.values() if name not in known]
        ):
            raise ValueError(f"columns renamed to unknown names {unknown}")
        return self

    @property
    def rows(self) -> int | None:
        """Rows of the table as published; None for a file that is not a table."""
        return self.content.rows

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that serves, the preferred one first."""
        return (self.file, *self.also)


def parse_record(text: str, *, where: str) -> Record:
    """Validate one record.

    Parameters
    ----------
    text : str
        TOML.
    where : str
        Name of the file, for the message.

    Raises
    ------
    DatasetError
        If it is not TOML or says something a record cannot say.
    """
    return parse_as(Record, text, where=where, expected="a valid dataset record")


def parse_as(model: type[ModelT], text: str, *, where: str, expected: str) -> ModelT:
    """Validate a record of any kind; `DatasetError` if it is not TOML or says something it cannot say."""
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"not TOML: {error}", where=where) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise DatasetError(problems, where=where, expected=expected) from error


@cache
def _load() -> dict[str, Record]:
    found: dict[str, Record] = {}
    folder = resources.files(__package__) / "records"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".toml"):
            continue
        item = parse_record(entry.read_text(encoding="utf-8"), where=entry.name)
        if entry.name != f"{item.name}.toml":
            raise DatasetError(f"holds the record {item.name!r}", where=entry.name, expected=f"{item.name}.toml")
        found[item.name] = item
    return found


def records() -> dict[str, Record]:
    """All registered catalogues by name."""
    return dict(_load())


def record(name: str) -> Record:
    """The record of one catalogue.

    Raises
    ------
    DatasetError
        If nothing of that name is registered; the message lists near names.
    """
    known = _load()
    if name in known:
        return known[name]
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    raise DatasetError(
        f"no dataset is called {name!r}",
        expected=f"for example {', '.join(near)}" if near else f"one of {', '.join(known)}",
        hint="`melotte fetch` without a name lists the datasets",
    )
