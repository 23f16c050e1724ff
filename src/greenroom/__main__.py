"""The ``greenroom`` command, also as ``python -m greenroom``: reads the program and runs it."""

import gc
import importlib
import sys


def main() -> None:
    """Run the command line."""
    # What is read at the start stays: to look for garbage in it takes a tenth of the time, and
    # nothing that forks later has to look through it again. It is looked for once the command and
    # what it is made of are there (see greenroom.cli).
    gc.disable()
    _read_without("structlog", "rich")
    from greenroom.cli import main as run

    try:
        run()
    finally:
        if not gc.isenabled():  # no command was run, and nothing is left that somebody has to end
            gc.freeze()


def _read_without(module: str, another: str) -> None:
    """Import a module as if another one were not installed, which it would import and never use.

    structlog would read rich, for tracebacks in colour: 50 ms and 4 MiB of every start.
    """
    if another in sys.modules:
        return
    sys.modules[another] = None  # type: ignore[assignment]  # what Python takes for not there
    try:
        importlib.import_module(module)
    finally:
        del sys.modules[another]


if __name__ == "__main__":
    main()
