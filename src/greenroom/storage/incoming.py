"""The folder of files that are still being received."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from greenroom.storage.disk import is_older, make_folder, writing_to

_FOLDERS = "review-"
"""What the names of folders begin with that are made here, for some time."""


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
        with writing_to(self._incoming):
            descriptor, name = tempfile.mkstemp(prefix="upload-", dir=self._incoming)
        os.close(descriptor)
        return Path(name)

    def stale_incoming(self, older_than: timedelta) -> Iterator[Path]:
        """See ``Storage.stale_incoming``."""
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # its owner, or another housekeeper, was faster
                status = path.lstat()
                is_ours = stat.S_ISREG(status.st_mode) or path.name.startswith(_FOLDERS)
                if is_ours and is_older(status, older_than):
                    yield path

    def remove_stale_incoming(self, older_than: timedelta) -> int:
        """See ``Storage.remove_stale_incoming``."""
        removed = 0
        for path in self.stale_incoming(older_than):
            with suppress(FileNotFoundError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed += 1
        return removed
