"""Where the processes of a server share what they count."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it have random names, and are of one account
_PREFIX = "greenroom-metrics-"
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_IN_USE = "in-use"
_NEW_SECONDS = 60.0
"""So young, a folder may be somebody's who has not marked it yet."""


def make_folder(data: Path, memory: Path = MEMORY) -> tuple[Path, int]:
    """A new folder, and the descriptor of the file in it that says that it is in use.

    It is in memory where that is possible, so that a full disk does not matter to it. What servers
    have left behind that were killed is removed.

    Raises:
        OSError: it cannot be made.
    """
    place = memory if os.access(memory, os.W_OK) else data.absolute()
    for folder in place.glob(f"{_PREFIX}*"):
        if _is_left(folder):
            remove_folder(folder)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        mark = os.open(folder / _IN_USE, os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(mark, fcntl.LOCK_EX)
    except OSError:
        remove_folder(folder)
        raise
    return folder, mark


def use_folder(folder: Path) -> None:
    """Have ``prometheus-client`` find the folder when it is imported."""
    os.environ[_VARIABLE] = str(folder)


def remove_folder(folder: Path) -> None:
    """Remove it, when no process of the server runs any more."""
    shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether it is ours, and no process runs that has made it, or was forked from that one."""
    try:
        status = folder.stat()
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _NEW_SECONDS:
            return False
        with (folder / _IN_USE).open("rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:  # it is in use, or was removed just now
        return False
    return True
