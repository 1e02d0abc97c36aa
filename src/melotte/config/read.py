"""TOML -> settings, or an error that names every wrong key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigError
from .values import SettingsT
from .whole import Config


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
    """Read and validate one section of a TOML file, for a step that runs alone; the others are not looked at.

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
        If the file is missing, not TOML, or has a wrong key in this section.
    """
    try:
        return model.model_validate(_read_toml(Path(path)).get(name, {}))
    except ValidationError as error:
        raise ConfigError(_explain(error, (name,)), where=path) from error


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


def _hint(error: ValidationError) -> str | None:
    """Suggest the nearest known key for the first unknown one."""
    import difflib

    for problem in error.errors():
        if problem["type"] != "extra_forbidden":
            continue
        *parents, wrong = problem["loc"]
        model: Any = Config
        for parent in parents:
            field = getattr(model, "model_fields", {}).get(parent)
            model = None if field is None else field.annotation
        known = list(getattr(model, "model_fields", {}))
        close = difflib.get_close_matches(str(wrong), known, n=1)
        if close:
            return f"did you mean {close[0]!r}?"
        if known:
            return f"the keys here are: {', '.join(known)}"
    return None
