"""The command line. Exit status: 0 the result is complete, 2 usage or input error, 1 a fault of Melotte itself."""

from __future__ import annotations

import sys

from ..errors import MelotteError

# The order is that of ``melotte --help``.
# isort: off
from . import run, demo, show, fetch, match, orbits, gradients, structure  # noqa: F401
from . import compare, zeropoints, publish, explore, reproduce  # noqa: F401
from . import calibrate  # noqa: F401

# isort: on
from .common import app, damaged_code, err_console

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Entry point: turn errors into one readable message and the right exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    # --debug is accepted anywhere on the line.
    arguments = [*(["--debug"] if debug else []), *(a for a in arguments if a != "--debug")]
    try:
        app(args=arguments, prog_name="melotte")  # ends in SystemExit; usage errors with status 2
    except MelotteError as error:
        if debug:
            raise
        err_console.print(f"melotte: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        if (place := damaged_code(error)) is not None:
            message = f"melotte: {place}: compiled code that numba keeps here is damaged: {type(error).__name__}"
            hint = "delete the *.nbi and *.nbc files there; they are made again"
            err_console.print(f"{message}\n  what to do: {hint}", markup=False, soft_wrap=True)
            sys.exit(2)
        message = f"melotte: internal error: {type(error).__name__}: {error}"
        err_console.print(
            f"{message}\n  what to do: run again with --debug and report it", markup=False, soft_wrap=True
        )
        sys.exit(1)
