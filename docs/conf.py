"""Sphinx configuration."""

from __future__ import annotations

from importlib.metadata import version as _version
from pathlib import Path

from melotte.schema import DYNAMICS, SNAPSHOTS, TABLES, Schema
from melotte.schema.gradients import COMPARISON, FLAT_TAIL, GRADIENTS
from melotte.schema.literature import LEDGER, OFFSETS, PROBLEMS, SOLUTIONS, SURVEY_PAIRS
from melotte.schema.structure import TABLES as STRUCTURE

project = "Melotte"
author = "The Melotte developers"
copyright = "2026, The Melotte developers"  # noqa: A001
release = _version("melotte")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_param = False  # types in numpydoc fields are prose, not targets
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = f"Melotte {release}"
html_static_path = ["_static"]
exclude_patterns = ["_build", "generated/*.inc", "benchmarks_table.md"]
copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True


def _columns(name: str, table: Schema) -> str:
    lines = [
        f"## `{name}.*`: {table.description}",
        "",
        "| column | type | unit | UCD | CDS label | missing? | description |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in table:
        relation = f" (uncertainty of `{c.error_of}`)" if c.error_of else ""
        relation += f" (scatter of `{c.scatter_of}`)" if c.scatter_of else ""
        lines.append(
            f"| `{c.name}` | {c.dtype} | {c.unit} | {c.ucd} | {c.cds_label} | {'yes' if c.nullable else 'no'} "
            f"| {c.description.replace('|', chr(92) + '|')}{relation} |"
        )
    return "\n".join(lines) + "\n"


def _write_columns(*_: object) -> None:
    """Write the page of all columns from the schema, so that it cannot disagree with the files."""
    target = Path(__file__).parent / "generated" / "columns.md"
    target.parent.mkdir(exist_ok=True)
    tables = {
        **TABLES,
        "orbits": DYNAMICS,
        "snapshots": SNAPSHOTS,
        "tables/gradients": GRADIENTS,
        "tables/model_comparison": COMPARISON,
        "tables/flat_tail": FLAT_TAIL,
        **{f"tables/structure_{name}": table for name, table in STRUCTURE.items()},
        "tables/ledger_rv": LEDGER,
        "tables/literature_offsets": OFFSETS,
        "tables/literature_problems": PROBLEMS,
        "tables/zero_points": SOLUTIONS,
        "tables/survey_pairs": SURVEY_PAIRS,
    }
    intro = "# Every column\n\nGenerated from the schema that also writes the files.\n\n"
    text = intro + "\n".join(_columns(name, table) for name, table in tables.items())
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def _no_inline_type(app: object, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Keep napoleon from reading ``text: more text`` of an attribute as ``type: description``: its first line only."""
    if what == "attribute" and lines:
        lines.insert(0, "\u200b")  # not blank for napoleon, and invisible


def setup(app: object) -> None:
    """Register the generated page, and what comes before napoleon (priority 500)."""
    app.connect("builder-inited", _write_columns)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", _no_inline_type, priority=400)  # type: ignore[attr-defined]
