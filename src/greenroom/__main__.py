"""The ``greenroom`` command, also as ``python -m greenroom``: reads the program and runs it."""

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom.server.supervisor import Order


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["serve"]:
        _serve()
    else:
        _run()


def _serve() -> None:
    """Supervise. What reads the command line, and all else, is a process of its own."""
    from greenroom.server.supervisor import Supervisor

    Supervisor(_run).run()


def _run(order: "Order | None" = None) -> None:
    # What is read at the start stays: to look for garbage in it takes a tenth of the time, and
    # nothing that forks later has to look through it again. It is looked for once the command and
    # what it is made of are there (see greenroom.cli).
    gc.disable()
    from greenroom.cli import main as run

    try:
        run(order)
    finally:
        if not gc.isenabled():  # no command was run, and nothing is left that somebody has to end
            gc.freeze()


if __name__ == "__main__":
    main()
