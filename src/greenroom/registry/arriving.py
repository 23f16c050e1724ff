"""What this process is just receiving: it counts as space that is used, before it is written.

Each file that arrives is given room for its next bytes. So all of them together never write into
the reserve, however many there are, and no quota is passed by what comes at the same time.
"""

import shutil
import threading
from collections import Counter
from pathlib import Path

from msgspec import Struct

from greenroom.registry.errors import OutOfSpace, TooLarge
from greenroom.storage import disk_errors

RESERVE = 64 * 2**20
"""So many bytes of the disk stay free: uploads are refused before that."""

FULL = "The index has no space left for uploads: tell its operator, and try again later."


_TOO_MUCH = (
    "Your projects are too large. What you are uploading at the same time is more than the files "
    "of the projects that a person owns may still grow by: remove files that nobody needs, or wait "
    "until the other uploads have ended."
)


class Share(Struct, frozen=True):
    """Whose quota the bytes of a file count against while they arrive.

    Attributes:
        user_id: of whom; None where they count against that of the whole index alone.
        left: so many bytes of this person's may arrive at the same time, these too; None where
            nobody can say before they are there.
    """

    user_id: int | None = None
    left: int | None = None


OF_NOBODY = Share()


class _Ledger:
    """By folder: the bytes that may still be written, and those that were.

    And by folder and person those that arrive or have arrived.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._granted = Counter[Path]()
        self._written = Counter[Path]()
        self._of_people = Counter[tuple[Path, int]]()

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

    def bring(self, folder: Path, user_id: int, size: int, left: int | None) -> None:
        with self._lock:
            of_person = self._of_people[folder, user_id] + size
            if left is not None and of_person > left:
                raise TooLarge(_TOO_MUCH)
            self._of_people[folder, user_id] = of_person

    def take_away(self, folder: Path, user_id: int, size: int) -> None:
        with self._lock:
            self._of_people[folder, user_id] -= size
            if not self._of_people[folder, user_id]:
                del self._of_people[folder, user_id]

    def of_person(self, folder: Path, user_id: int) -> int:
        with self._lock:
            return self._of_people[folder, user_id]


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
    """How many bytes have arrived in a folder of what is just being received there.

    What was announced is not among them: it counts as such.
    """
    return _LEDGER.written(folder)


def bytes_arriving_of(folder: Path, user_id: int) -> int:
    """How many of them count against the quota of this person."""
    return _LEDGER.of_person(folder, user_id)


class Room:
    """The space of one file that arrives in a folder."""

    def __init__(self, folder: Path, window: int, share: Share | None = OF_NOBODY) -> None:
        """Ask for room for the first ``window`` bytes.

        Args:
            folder: where it arrives.
            window: for how many bytes.
            share: whose they are; None where they are counted already.

        Raises:
            OutOfSpace: the disk is nearly full, or will be of what arrives already.
            greenroom.storage.StorageUnavailable: nobody can say how full it is.
        """
        self._folder = folder
        self._share = share
        self._granted = 0
        self._written = 0
        self._brought = 0
        self._ask(window)

    def _ask(self, window: int) -> None:
        _LEDGER.grant(self._folder, window)
        self._granted += window

    def need(self, size: int, window: int) -> None:
        """See that there is room for so many more bytes, and ask for ``window`` more if not.

        Raises:
            OutOfSpace: there is none.
            TooLarge: they are more than the person has left.
        """
        if self._share is not None and self._share.user_id is not None:
            _LEDGER.bring(self._folder, self._share.user_id, size, self._share.left)
            self._brought += size
        if size >= self._granted:
            self._ask(max(window, size))

    def use(self, size: int) -> None:
        """So many bytes are written."""
        counted = size if self._share is not None else 0
        _LEDGER.note(self._folder, granted=-size, written=counted)
        self._granted -= size
        self._written += counted

    def close(self) -> None:
        """No more will be written. Closing twice does nothing."""
        _LEDGER.note(self._folder, granted=-self._granted, written=0)
        self._granted = 0

    def free(self) -> None:
        """What was written is gone, or is counted elsewhere. Twice does nothing."""
        self.close()
        _LEDGER.note(self._folder, granted=0, written=-self._written)
        self._written = 0
        if self._share is not None and self._share.user_id is not None and self._brought:
            _LEDGER.take_away(self._folder, self._share.user_id, self._brought)
            self._brought = 0
