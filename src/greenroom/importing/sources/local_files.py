"""Files on this machine, which the sources that are folders offer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from greenroom.importing.candidates import Open, Opened, SourceFailed

_PIECE = 256 * 1024


def opener(path: Path) -> Open:
    """What begins to read a file."""

    @contextmanager
    def open_() -> Iterator[Opened]:
        try:
            with path.open("rb") as file:
                yield Opened(iter(lambda: file.read(_PIECE), b""))
        except OSError as error:
            raise SourceFailed(f"The file cannot be read: {error.strerror}.") from None

    return open_


def modified(path: Path) -> datetime:
    """When a file was last changed.

    Raises:
        OSError: it is not there.
    """
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def inside(folder: Path, relative: str) -> Path | None:
    """The regular file of this name in a folder; None where it is none, or leads out of it."""
    try:
        path = (folder / relative.lstrip("/")).resolve()
        is_inside = path.is_relative_to(folder.resolve())
        return path if is_inside and path.is_file() else None
    except (OSError, ValueError):
        return None
