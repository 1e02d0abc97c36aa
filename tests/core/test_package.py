"""The package from outside: its front door and what it imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import melotte

ROOT = Path(__file__).resolve().parents[2]
#: Import name -> name of the distribution, where they differ.
DISTRIBUTION = {"distributed": "dask", "mpl_toolkits": "matplotlib"}
#: Recognised if a user brings it, never needed.
BROUGHT = {"pandas"}
DEVELOPMENT = {"test", "lint", "docs"}


def test_every_public_name_is_there_and_listed() -> None:
    assert {"run", "Catalogue", "Config", "orbits", "match", "simulate", "fetch", "errors"} <= set(dir(melotte))
    for name in dir(melotte):
        assert getattr(melotte, name) is not None


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("astropy", "polars", "numba", "scipy", "matplotlib")
    code = f"import sys, melotte; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "melotte", "--help"], capture_output=True, text=True, check=True)
    assert "reproduce" in done.stdout


def test_every_import_is_declared() -> None:
    """What the source imports is a dependency or in an extra, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(d for name, group in extras.items() if name not in DEVELOPMENT for d in group)]
    declared = {re.split(r"[\[<>=!~ ;]", line)[0].lower() for line in lines}
    missing = set()
    for path in Path(melotte.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"melotte"} - BROUGHT:
                if DISTRIBUTION.get(top, top).replace("_", "-") not in declared:
                    missing.add((top, path.name))
    assert missing == set()
