"""Every exception and warning Melotte raises on purpose.

A message says what was found, where (file, row, column), what was expected and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class MelotteError(Exception):
    """An error a user can act on.

    Parameters
    ----------
    found : str
        What was found, as one sentence.
    where : str or pathlib.Path, optional
        File, table, row or column in which it was found.
    expected : str, optional
        What was expected instead.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self,
        found: str,
        *,
        where: str | Path | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.found = found
        self.where = None if where is None else str(where)
        self.expected = expected
        self.hint = hint
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole message, one fact a line."""
        lines = [self.found if self.where is None else f"{self.where}: {self.found}"]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.hint:
            lines.append(f"  what to do: {self.hint}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.message


class ConfigError(MelotteError):
    """The configuration file is wrong: unknown key, bare number, wrong dimension, missing input."""


class DatasetError(MelotteError):
    """A published catalogue could not be found, fetched or verified."""


class ReadError(MelotteError):
    """A file could not be read as the format it claims to be."""


class SchemaError(MelotteError):
    """A table lacks a column, or a column has the wrong type, unit or values."""


class CrossmatchError(MelotteError):
    """Spectra and Gaia sources cannot be matched as asked."""


class EmptyResultError(MelotteError):
    """A step left nothing to work on: empty survey, no member matched."""


class ConvergenceError(MelotteError):
    """A sampler or integrator did not reach the accuracy asked for."""


class PublishError(MelotteError):
    """A product could not be written, or does not read back equal."""


class MelotteWarning(UserWarning):
    """The result is usable but degraded; it is marked in the table and in the summary."""
