"""Where the processes of a server share what they count."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_IN_USE = "in-use"


@contextmanager
def metrics_folder(data: Path) -> Iterator[Path]:
    """A new folder below ``data``, which ``prometheus-client`` finds when it is imported.

    It is removed at the end; what servers have left behind that were killed is removed as well.
    """
    place = data.absolute() / "metrics"
    place.mkdir(0o700, exist_ok=True)
    for folder in place.iterdir():
        if not _is_in_use(folder):
            shutil.rmtree(folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=place))
    with (folder / _IN_USE).open("wb") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        os.environ[_VARIABLE] = str(folder)
        try:
            yield folder
        finally:
            os.environ.pop(_VARIABLE, None)
            shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    """Whether a process that made it, or was forked from it, still runs."""
    try:
        with (folder / _IN_USE).open("rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
