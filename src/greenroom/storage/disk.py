"""Files and folders of this machine, such that they survive a loss of power."""

import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from greenroom.c_library import c_function
from greenroom.storage.blobs import StorageFull, StorageUnavailable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk says that takes no more."""

_SYNC_FILE_RANGE_WRITE = 2
_WHOLE_FILE = (ctypes.c_int64(0), ctypes.c_int64(0))
_FICLONE = 0x40049409
"""Linux's request to share the blocks of another file; an error on other systems."""


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk of ``folder`` says into ``StorageUnavailable`` or ``StorageFull``."""
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        if error.errno in FULL:
            raise StorageFull(f"The disk of {folder} is full: {said}.") from error
        raise StorageUnavailable(
            f"The folder {folder} cannot be used: {said} ({error.filename or folder})."
        ) from error


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it, so that a loss of power does not take them away.

    ``mode`` is that of the folder itself, where it is made here.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode, exist_ok=True)
        flush(folder.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Have the content of ``source`` as the file ``target``, as a link to it where possible."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another filesystem, one without links, or a file of another user
        shutil.copyfile(source, target)


def clone(source: Path, target: Path) -> None:
    """Make a file with the content of another, which shares its blocks where the disk can do so.

    Whatever is written to one of them is not in the other.
    """
    with source.open("rb") as content, target.open("xb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, content.fileno())
        except OSError:  # another filesystem, or one that shares no blocks
            shutil.copyfileobj(content, copy, 1024 * 1024)


def write_durably(path: Path, text: str) -> None:
    """Have a file with this text, which is there as a whole or not at all, whatever happens."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        aside.write_text(text, "ascii")
        flush(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def begin_to_flush(descriptor: int) -> None:
    """Have the system begin to write the content of a file, which goes on when this returns.

    :func:`flush` then has less to wait for, and is needed all the same: only it says what failed.
    Nothing happens where the system has nothing like it, which Linux has.
    """
    c_function("sync_file_range")(descriptor, *_WHOLE_FILE, _SYNC_FILE_RANGE_WRITE)


def is_older(status: os.stat_result, age: timedelta | None) -> bool:
    """Whether nothing was done to the file for that long, be it writing, linking or touching."""
    return age is None or time.time() - status.st_ctime >= age.total_seconds()
