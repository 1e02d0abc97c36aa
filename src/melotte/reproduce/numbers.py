"""The numbers the paper prints, each with the place where it stands; none of the rows of its catalogue."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import DatasetError
from .settings import Kind

FOLDER = "data"


class Published(BaseModel):
    """One number of the paper.

    Attributes
    ----------
    id : str
        Unique.
    where : str
        Section, table or figure.
    quantity : str
        What it is.
    text : str
        As printed, which gives the number of digits.
    error : str
        Its uncertainty as printed, if it has one.
    unit : str
    kind : str
        Which tolerance applies (`melotte.reproduce.settings.Tolerances`).
    impossible : str
        Why it cannot be computed from published data, if that is so whatever is at hand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9_.<>+-]+$")]
    where: str
    quantity: str
    text: Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$")]
    error: Annotated[str, Field(pattern=r"^(\d+(\.\d+)?)?$")] = ""
    unit: str = ""
    kind: Kind
    impossible: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Published:
        if self.kind == "count" and "." in self.text:
            raise ValueError("a count is a whole number")
        return self

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def uncertainty(self) -> float | None:
        """Its error."""
        return float(self.error) if self.error else None

    @property
    def unit_of_last_digit(self) -> float:
        """One unit of the last digit printed."""
        return float(10.0 ** -len(self.text.partition(".")[2]))


def read(name: str) -> dict[str, Any]:
    """One of the TOML files of published numbers."""
    path = resources.files(__package__) / FOLDER / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def published() -> dict[str, Published]:
    """Every number of the text and of Tables 1, 3 and 6 by id.

    Raises
    ------
    DatasetError
        If a file says what it cannot say, or gives an id twice.
    """
    found: dict[str, Published] = {}
    rows = [*_plain(read("text")), *_plain(read("tables")), *_table6(read("table6"))]
    for row in rows:
        try:
            number = Published.model_validate(row)
        except ValidationError as error:
            raise DatasetError(f"not a published number: {error}", where=str(row.get("id", row))) from error
        if number.id in found:
            raise DatasetError("an id is given twice", where=number.id)
        found[number.id] = number
    return found


def _plain(content: dict[str, Any]) -> list[dict[str, Any]]:
    """``[[group]]`` tables: ``where`` and ``numbers``, each [id, quantity, text, error, unit, kind]."""
    rows = []
    for group in content["group"]:
        for entry in group["numbers"]:
            names = ("id", "quantity", "text", "error", "unit", "kind")
            row = {"where": group["where"], **dict(zip(names, entry, strict=True))}
            if "impossible" in group:
                row["impossible"] = group["impossible"]
            rows.append(row)
    return rows


#: Predictors of Table 6 and the symbols of their coefficients.
PREDICTORS = ("r_gc_0_myr", "l_z", "energy")
#: Words for the ids.
SHORT = {"r_gc_0_myr": "rgc", "l_z": "lz", "energy": "energy"}


def _table6(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Medians and distances to the 84th and 16th percentile, as printed."""
    rows = []
    for group in content["group"]:
        for name, key in SHORT.items():
            for coefficient, (median, up, down) in zip("abc", group[name], strict=True):
                stem = f"t6.{group['age']}.{key}.{coefficient}"
                what = f"{coefficient}{group['number']} of [Fe/H] against {key}, {group['age']} Gyr"
                base = {"where": "Table 6", "kind": "posterior"}
                width = f"{(float(up) + float(down)) / 2:.6g}"
                rows.append(base | {"id": stem, "quantity": what, "text": median, "error": width})
                rows.append(base | {"id": f"{stem}.up", "quantity": f"{what}: 84 % - median", "text": up})
                rows.append(base | {"id": f"{stem}.down", "quantity": f"{what}: median - 16 %", "text": down})
    return rows


def new_clusters(table: int) -> tuple[str, ...]:
    """Names of the clusters in Table 2, 4 or 5, as printed there."""
    return tuple(read("new")[f"table{table}"].split())
