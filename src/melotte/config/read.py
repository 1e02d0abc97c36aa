"""TOML -> settings, or an error that names every wrong key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ..errors import ConfigError
from .values import SettingsT
from .whole import Config

#: Every section a configuration file may have: those of a run, and those of steps that run alone.
SECTIONS = (*Config.model_fields, "calibration", "zero_points")


def parse(data: dict[str, Any], *, where: str | Path = "configuration") -> Config:
    """Validate a configuration given as nested dictionaries.

    Raises
    ------
    ConfigError
        Naming every wrong key with what was expected.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(error), where=where, hint=_hint(error)) from error


def load(path: str | Path) -> Config:
    """Read and validate a TOML configuration.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or has a wrong key.
    """
    return parse(_read_toml(Path(path)), where=path)


def load_section(path: str | Path, name: str, model: type[SettingsT]) -> SettingsT:
    """Read and validate one section of a TOML file, for a step that runs alone.

    The keys of the other sections are not looked at, but their names must be sections that exist: a misspelt section
    would be ignored otherwise.

    Parameters
    ----------
    path : str or path
        The file.
    name : str
        The section; its defaults if the file has none.
    model : type
        Its settings class.

    Returns
    -------
    Settings

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, has a wrong key in this section, or a section that does not exist.
    """
    content = _read_toml(Path(path))
    for section in content:
        if section not in SECTIONS:
            raise ConfigError(f"[{section}]: unknown section", where=path, hint=_nearest(section, SECTIONS))
    try:
        return model.model_validate(content.get(name, {}))
    except ValidationError as error:
        raise ConfigError(_explain(error, (name,)), where=path, hint=_hint(error, model)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError("no such configuration file", where=path, hint="check the path") from error
    except IsADirectoryError as error:
        raise ConfigError("this is a directory", where=path, expected="a TOML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 text (byte {error.start})", where=path, expected="a TOML file") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", where=path) from error


def _key(location: tuple[int | str, ...]) -> str:
    section, *rest = location
    names = ".".join(str(part) for part in rest if not str(part).startswith("function-"))
    return f"[{section}] {names}" if names else f"[{section}]"


def _explain(error: ValidationError, within: tuple[str, ...] = ()) -> str:
    lines = []
    for problem in error.errors():
        location = (*within, *problem["loc"])
        key = _key(location) if location else "the file"
        match problem["type"]:
            case "extra_forbidden":
                text = f"{key}: unknown key"
            case "missing":
                text = f"{key}: missing"
            case "value_error":
                text = f"{key}: {problem['msg'].removeprefix('Value error, ')}"
            case _:
                text = f"{key}: got {problem['input']!r}; {problem['msg']}"
        lines.append(text)
    return lines[0] if len(lines) == 1 else "\n  " + "\n  ".join(lines)


def _hint(error: ValidationError, model: type[BaseModel] = Config) -> str | None:
    """Suggest the nearest known key for the first unknown one; ``model`` is what was validated."""
    for problem in error.errors():
        if problem["type"] != "extra_forbidden":
            continue
        *parents, wrong = problem["loc"]
        known = _keys(model, parents)
        if known:
            return _nearest(str(wrong), known)
    return None


def _keys(model: type[BaseModel], parents: Sequence[int | str]) -> list[str]:
    """The keys of the section that ``parents`` lead to, through optional sections and tables of sections."""
    here: list[type[BaseModel]] = [model]
    for parent in parents:
        fields = [m.model_fields[str(parent)].annotation for m in here if str(parent) in m.model_fields]
        # A number or the key of a table of sections leads to the same models.
        here = [found for annotation in fields for found in _models(annotation)] or here
    return list(dict.fromkeys(name for m in here for name in m.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]


def _nearest(wrong: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"the names here are: {', '.join(known)}"
