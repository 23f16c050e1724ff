"""The ``greenroom`` command, also as ``python -m greenroom``: reads the program and runs it."""

import gc


def main() -> None:
    """Run the command line."""
    # What is read at the start stays: to look for garbage in it takes a tenth of the time, and
    # nothing that forks later has to look through it again. It is looked for once the command and
    # what it is made of are there (see greenroom.cli).
    gc.disable()
    from greenroom.cli import main as run

    try:
        run()
    finally:
        if not gc.isenabled():  # no command was run, and nothing is left that somebody has to end
            gc.freeze()


if __name__ == "__main__":
    main()
