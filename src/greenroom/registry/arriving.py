"""What this process is just receiving: it counts as space that is used, before it is written.

Each file that arrives is given room for its next bytes. So all of them together never write into
the reserve, however many there are, and no quota is passed by what comes at the same time.
"""

import shutil
import threading
from collections import Counter
from pathlib import Path

from greenroom.registry.errors import OutOfSpace
from greenroom.storage import disk_errors

RESERVE = 64 * 2**20
"""So many bytes of the disk stay free: uploads are refused before that."""

FULL = "The index has no space left for uploads: tell its operator, and try again later."


class _Ledger:
    """By folder: the bytes that may still be written, and those that were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._granted = Counter[Path]()
        self._written = Counter[Path]()

    def grant(self, folder: Path, size: int) -> None:
        with self._lock:
            if _free(folder) - self._granted[folder] < RESERVE:
                raise OutOfSpace(FULL)
            self._granted[folder] += size

    def note(self, folder: Path, *, granted: int, written: int) -> None:
        """Take note of a change of either."""
        with self._lock:
            self._granted[folder] += granted
            self._written[folder] += written

    def written(self, folder: Path) -> int:
        with self._lock:
            return self._written[folder]


def _free(folder: Path) -> int:
    with disk_errors(folder):
        return shutil.disk_usage(folder).free


def has_room(folder: Path) -> bool:
    """Whether the disk of a folder has more free than what stays free.

    Raises:
        greenroom.storage.StorageUnavailable: nobody can say.
    """
    return _free(folder) >= RESERVE


# It is of the process, as its disk is, whichever applications are in it.
_LEDGER = _Ledger()


def bytes_arriving(folder: Path) -> int:
    """How many bytes have arrived in a folder of what is just being received there."""
    return _LEDGER.written(folder)


class Room:
    """The space of one file that arrives in a folder."""

    def __init__(self, folder: Path, window: int) -> None:
        """Ask for room for the first ``window`` bytes.

        Raises:
            OutOfSpace: the disk is nearly full, or will be of what arrives already.
            greenroom.storage.StorageUnavailable: nobody can say how full it is.
        """
        self._folder = folder
        self._granted = 0
        self._written = 0
        self._ask(window)

    def _ask(self, window: int) -> None:
        _LEDGER.grant(self._folder, window)
        self._granted += window

    def need(self, size: int, window: int) -> None:
        """See that there is room for so many more bytes, and ask for ``window`` more if not.

        Raises:
            OutOfSpace: there is none.
        """
        if size >= self._granted:
            self._ask(max(window, size))

    def use(self, size: int) -> None:
        """So many bytes are written."""
        _LEDGER.note(self._folder, granted=-size, written=size)
        self._granted -= size
        self._written += size

    def close(self) -> None:
        """No more will be written. Closing twice does nothing."""
        _LEDGER.note(self._folder, granted=-self._granted, written=0)
        self._granted = 0

    def free(self) -> None:
        """What was written is gone, or is counted elsewhere. Twice does nothing."""
        self.close()
        _LEDGER.note(self._folder, granted=0, written=-self._written)
        self._written = 0
