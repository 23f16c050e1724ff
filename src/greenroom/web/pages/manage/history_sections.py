"""The journal of a project in people's words, what belongs to one release together."""

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from msgspec import Struct

from greenroom.registry.journal import JournalLine

_FILE_ADDED = re.compile(r"add \S+ file (\S+)", re.ASCII)
_FILE = re.compile(r"(remove|yank|unyank) file (\S+)", re.ASCII)
_ROLE_ADDED = re.compile(r"add (Owner|Maintainer) (\S+)")
_ROLE_REMOVED = re.compile(r"remove (Owner|Maintainer) (\S+)")
_ROLES = {"Owner": "an owner", "Maintainer": "a maintainer"}
_ACTS = {
    "create": "registered the project",
    "new release": "published the release",
    "yank release": "yanked the release",
    "unyank release": "took back that the release was yanked",
    "remove release": "deleted the release",
    "remove project": "deleted the project",
    "archive project": "archived the project",
    "unarchive project": "took the project out of the archive",
    "quarantine project": "put the project in quarantine",
    "unquarantine project": "lifted the quarantine",
}
_FILE_ACTS = {"remove": "deleted", "yank": "yanked", "unyank": "took back that it was yanked:"}


class Act(Struct, frozen=True):
    """What somebody did at one moment.

    Attributes:
        words: what follows the name: ``published the release``.
        files: those that were added, where that is what was done.
        serials: of the journal's entries that say so, the first and the last.
        content_digest: that of the draft whose publication this was.
    """

    by: str
    words: str
    at: datetime
    files: tuple[str, ...]
    serials: tuple[int, int]
    content_digest: str | None


class Section(Struct, frozen=True):
    """Acts that follow each other and are about one release; without a version, the project."""

    version: str | None
    acts: tuple[Act, ...]


def sections(lines: Iterable[JournalLine]) -> list[Section]:
    """The lines, the newest first, in words and by release."""
    return [
        Section(version, tuple(_acts(of_version)))
        for version, of_version in groupby(lines, key=lambda line: line.version)
    ]


def _acts(lines: Iterable[JournalLine]) -> Iterable[Act]:
    """One for each line, and one for all files that came with one commit."""

    def together(line: JournalLine) -> tuple[object, ...]:
        is_file = _FILE_ADDED.fullmatch(line.action) is not None
        return line.by, line.at, is_file or line.serial

    for _, run in groupby(lines, key=together):
        same = list(run)
        names = [found[1] for line in same if (found := _FILE_ADDED.fullmatch(line.action))]
        yield Act(
            by=same[0].by,
            words=_words(same[0].action) if not names else "added",
            at=same[0].at,
            files=tuple(reversed(names)),
            serials=(same[-1].serial, same[0].serial),
            content_digest=next(
                (line.content_digest for line in same if line.content_digest), None
            ),
        )


def _words(action: str) -> str:
    """An entry in words; one that has none stays as mirrors read it."""
    if found := _ROLE_ADDED.fullmatch(action):
        return f"made {found[2]} {_ROLES[found[1]]}"
    if found := _ROLE_REMOVED.fullmatch(action):
        return f"took from {found[2]} the role of {_ROLES[found[1]]}"
    if found := _FILE.fullmatch(action):
        return f"{_FILE_ACTS[found[1]]} {found[2]}"
    return _ACTS.get(action, action)
