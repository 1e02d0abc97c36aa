"""Saved stages: what a later run can start from, refused if it was made from anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from .errors import ReadError
from .publish.files import replacing, sha256, write_text
from .result import Step


@dataclass(frozen=True)
class Product:
    """What one stage made: tables, the account of the rows, notes, and single numbers."""

    frames: Mapping[str, pl.DataFrame]
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Store:
    """Reads and writes the products of the stages below one directory.

    Parameters
    ----------
    directory : pathlib.Path or None
        Where the stages are kept; nothing is written if None.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def save(self, stage: str, product: Product, *, key: str) -> None:
        """Write a product; the record that makes it valid is written last."""
        if self.directory is None:
            return
        record = self._record(stage)
        record.unlink(missing_ok=True)
        digests = {}
        for name, frame in product.frames.items():
            with replacing(self._table(stage, name)) as temporary:
                frame.write_parquet(temporary)
            digests[name] = sha256(self._table(stage, name))
        content = {
            "key": key,
            "tables": digests,
            "steps": [asdict(step) | {"lost": dict(step.lost)} for step in product.steps],
            "notes": list(product.notes),
            "facts": dict(product.facts),
        }
        write_text(record, json.dumps(content, indent=1))

    def load(self, stage: str, *, key: str) -> Product:
        """Read a product that was saved with the same key.

        Raises
        ------
        ReadError
            If the stage was not saved, was saved from other inputs or settings, or does not match its checksum.
        """
        assert self.directory is not None
        again = "run without --from, or with an earlier stage"
        record = self._record(stage)
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            saved_key, tables = content["key"], content["tables"]
        except FileNotFoundError as error:
            raise ReadError(f"stage {stage!r} is not saved here", where=self.directory, hint=again) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReadError(f"the record of stage {stage!r} cannot be read", where=record, hint=again) from error
        if saved_key != key:
            raise ReadError(
                f"stage {stage!r} was saved from other inputs, settings or another version of Melotte",
                where=record,
                expected="the inputs and settings of this run, up to this stage",
                hint=again,
            )
        frames = {}
        for name, digest in tables.items():
            path = self._table(stage, name)
            if not path.is_file() or sha256(path) != digest:
                raise ReadError("this saved table is missing or was changed", where=path, hint=again)
            frames[name] = pl.read_parquet(path)
        return Product(
            frames,
            tuple(Step(**step) for step in content["steps"]),
            tuple(content["notes"]),
            content["facts"],
        )

    def _record(self, stage: str) -> Path:
        assert self.directory is not None
        return self.directory / f"{stage}.json"

    def _table(self, stage: str, name: str) -> Path:
        assert self.directory is not None
        return self.directory / f"{stage}.{name}.parquet"
