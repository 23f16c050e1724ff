"""A folder of files, at any depth: what pypiserver serves, or a wheelhouse."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from greenroom.distributions.historical import looks_like_one
from greenroom.importing.candidates import Candidate, Passed, SourceFailed, Trouble
from greenroom.importing.requirements import Wanted
from greenroom.importing.sources.local_files import modified, opener


class FolderSource:
    """Every distribution in a folder. When it was published is when its file was last changed."""

    def __init__(self, folder: Path, wanted: Mapping[str, Wanted]) -> None:
        self._folder = folder
        self._wanted = wanted
        self.passed = Passed()
        self.people: tuple[str, ...] = ()

    def offers(self) -> Iterator[Candidate | Trouble]:
        """See ``Source.offers``."""
        paths = [path for path in self._walk() if self._is_wanted(path.name)]
        for path in sorted(paths, key=_order):
            shown = str(path.relative_to(self._folder))
            try:
                status = path.stat()
            except OSError as error:
                yield Trouble(shown, f"The file cannot be read: {error.strerror}.")
                continue
            yield Candidate(
                filename=path.name,
                where=shown,
                open=opener(path),
                size=status.st_size,
                uploaded=modified(path),
            )

    def _walk(self) -> Iterator[Path]:
        def fail(error: OSError) -> None:
            raise SourceFailed(f"{error.filename} cannot be read: {error.strerror}.")

        for folder, folders, files in os.walk(self._folder, onerror=fail):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in files:
                path = Path(folder, name)
                if name.startswith(".") or not looks_like_one(name) or not path.is_file():
                    self.passed.count += 1
                else:
                    yield path

    def _is_wanted(self, filename: str) -> bool:
        if not self._wanted:
            return True
        return any(wanted.has(filename) for wanted in self._wanted.values())


def _order(path: Path) -> tuple[str, float, str]:
    """Those of a project together, nearly always: what comes before the version."""
    try:
        changed = path.stat().st_mtime
    except OSError:
        changed = 0
    return canonicalize_name(path.name.partition("-")[0]), changed, path.name
