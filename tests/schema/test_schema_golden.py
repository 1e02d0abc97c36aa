"""Every schema, word by word: a change of a name, unit, UCD, label, format, order or key shows in a diff.

``MELOTTE_UPDATE_GOLDEN=1 pytest tests/schema/test_schema_golden.py`` writes the file anew, to be read and committed.
"""

from __future__ import annotations

import difflib
import os
import pkgutil
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import melotte
from melotte.schema import Column, Schema

GOLDEN = Path(__file__).parent / "golden" / "schemas.txt"


def schemas() -> list[Schema]:
    """Every schema that some module of the package holds under a public or private name."""
    found: dict[str, Schema] = {}
    for module in pkgutil.walk_packages(melotte.__path__, "melotte."):
        if module.name.endswith("__main__"):
            continue
        try:
            names = vars(import_module(module.name))
        except ModuleNotFoundError as error:  # an extra that is not installed; none of those modules has a schema
            if (error.name or "").startswith("melotte"):
                raise
            continue
        for value in names.values():
            if isinstance(value, Schema):
                found[text(value)] = value
    return [found[key] for key in sorted(found)]


def text(schema: Schema) -> str:
    """A schema as lines: all that differs from the default of a column, in the order of the table."""
    lines = [f"[{schema.name}] {schema.description}", f"key: {', '.join(schema.key) or '-'}"]
    for number, column in enumerate(schema, 1):
        lines.append(f"{number:3d} {column.name}")
        for field in fields(Column)[1:]:
            value = getattr(column, field.name)
            if field.name == "codes":
                lines += [f"      code {code}: {meaning}" for code, meaning in value]
            elif field.name in {"dtype", "nullable"} or value not in ("", None):
                lines.append(f"      {field.name}: {value}")
    return "\n".join(lines) + "\n"


def test_schemas_are_those_of_the_golden_file():
    now = "\n".join(text(s) for s in schemas())
    if os.environ.get("MELOTTE_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(now, encoding="utf-8")
    golden = GOLDEN.read_text(encoding="utf-8")
    changes = list(difflib.unified_diff(golden.splitlines(), now.splitlines(), "golden", "now", lineterm=""))
    assert not changes, "schemas changed; if that is meant, see the head of this test file\n" + "\n".join(changes)


def test_the_net_holds_the_tables_users_see():
    names = {s.name for s in schemas()}
    assert {"spectra", "stars", "members", "clusters", "dynamics", "ledger", "gradients", "outliers"} <= names


def test_the_text_of_a_schema_shows_every_change_of_a_column():
    column = Column("rv", "float64", "km / s", "spect.dopplerVeloc", "RV", format="%9.3f", label="RV")
    one = text(Schema("t", "T", (column,), key=("rv",)))
    for field, value in {
        "name": "vr",
        "dtype": "float32",
        "unit": "m / s",
        "ucd": "meta",
        "description": "V",
        "nullable": False,
        "format": "%9.2f",
        "label": "V",
        "minimum": 0.0,
        "codes": (("1", "one"),),
    }.items():
        other = Column(**{f.name: getattr(column, f.name) for f in fields(Column)} | {field: value})
        assert text(Schema("t", "T", (other,), key=(other.name,))) != one, field
