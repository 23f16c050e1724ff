"""Files and folders of this machine, such that they survive a loss of power."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that a loss of power does not take them away."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Have the content of ``source`` as the file ``target``, as a link to it where possible."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another filesystem, one without links, or a file of another user
        shutil.copyfile(source, target)


def flush(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_older(status: os.stat_result, age: timedelta | None) -> bool:
    """Whether nothing was done to the file for that long, be it writing, linking or touching."""
    return age is None or time.time() - status.st_ctime >= age.total_seconds()
