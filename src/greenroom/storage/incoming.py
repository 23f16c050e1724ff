"""The folder of files that are still being received."""

import os
import stat
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from greenroom.storage.disk import is_older, make_folder


class Incoming:
    """The folder of files that are still being received, the same for every storage."""

    def __init__(self, incoming: Path) -> None:
        """Use the folder ``incoming``, and make it if it is not there."""
        self._incoming = incoming
        make_folder(incoming)

    @property
    def incoming(self) -> Path:
        """See ``Storage.incoming``."""
        return self._incoming

    def new_file(self) -> Path:
        """See ``Storage.new_file``."""
        descriptor, name = tempfile.mkstemp(prefix="upload-", dir=self._incoming)
        os.close(descriptor)
        return Path(name)

    def remove_stale_incoming(self, older_than: timedelta) -> int:
        """See ``Storage.remove_stale_incoming``."""
        removed = 0
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # its owner, or another housekeeper, was faster
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and is_older(status, older_than):
                    path.unlink()
                    removed += 1
        return removed
