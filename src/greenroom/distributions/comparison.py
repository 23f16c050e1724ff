"""What has changed from one distribution to another: members, what they say of themselves, text.

Members are matched by their paths, in which the name and version of the archive's own folders do
not count: ``example-1.0/setup.py`` and ``example-1.1/setup.py`` are the same place.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.contents import Member

MOST_LINES = 5_000
"""Lines of a text that is compared; to compare more takes too long."""

LONGEST_LINE = 2_000
"""Characters of a line that are shown of a difference."""

_OWN_FOLDER = re.compile(r"[^/]+\.(dist-info|data|egg-info)(?=/)")
_NOT_COMPARED = frozenset({"metadata_version", "name", "version", "description"})


class MemberChange(Struct, frozen=True):
    """A member that is not the same in both archives.

    Attributes:
        place: its path, without what only names the archive.
        before: as it was, None where it is new.
        after: as it is, None where it is gone.
        moved_from: the place that the same content had before, where it has moved.
    """

    place: str
    before: Member | None
    after: Member | None
    moved_from: str | None = None

    @property
    def is_added(self) -> bool:
        """Whether it is new, in its place."""
        return self.before is None

    @property
    def is_removed(self) -> bool:
        """Whether it is gone."""
        return self.after is None


class FieldChange(Struct, frozen=True):
    """A field of the core metadata that says something else.

    Attributes:
        field: its name, as :class:`CoreMetadata` has it.
        removed: what it no longer says, each value on its own.
        added: what it says now.
    """

    field: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


def place_of(path: str, *, is_sdist: bool) -> str:
    """The path of a member without what only names the archive.

    Args:
        path: as the archive has it.
        is_sdist: whether all is in a folder with name and version (PEP 625).

    Returns:
        The path below that folder; of the folders of a wheel, and of ``egg-info``, with ``*`` for
        name and version (PEP 427).
    """
    if is_sdist:
        path = path.partition("/")[2] or path
    return _OWN_FOLDER.sub(r"*.\1", path)


def member_changes(
    before: Iterable[Member], after: Iterable[Member], *, is_sdist: bool
) -> tuple[MemberChange, ...]:
    """Which members are not the same, ordered by place.

    A member whose content has moved to another place counts once, where it is now.
    """
    old = {place_of(member.path, is_sdist=is_sdist): member for member in before}
    new = {place_of(member.path, is_sdist=is_sdist): member for member in after}
    gone = defaultdict(list)
    for place in sorted(old.keys() - new.keys(), reverse=True):
        gone[_identity(old[place])].append(place)
    changes: list[MemberChange] = []
    for place in sorted(new.keys() - old.keys()):
        places = gone.get(_identity(new[place])) if new[place].size else None
        moved_from = places.pop() if places else None
        was = old[moved_from] if moved_from is not None else None
        changes.append(MemberChange(place, was, new[place], moved_from))
    changes += (
        MemberChange(place, old[place], new[place])
        for place in old.keys() & new.keys()
        if _identity(old[place]) != _identity(new[place])
    )
    changes += (
        MemberChange(place, old[place], None) for places in gone.values() for place in places
    )
    return tuple(sorted(changes, key=lambda change: change.place))


def metadata_changes(before: CoreMetadata, after: CoreMetadata) -> tuple[FieldChange, ...]:
    """Which fields say something else, in the order of :class:`CoreMetadata`.

    Name, version and description are left out: the first two are known to whoever asks, and the
    description is a text of its own.
    """
    names = (name for name in CoreMetadata.__struct_fields__ if name not in _NOT_COMPARED)
    changes = (
        _field_change(name, _values(getattr(before, name)), _values(getattr(after, name)))
        for name in names
    )
    return tuple(change for change in changes if change is not None)


def text_difference(before: str, after: str, context: int = 3) -> tuple[str, ...] | None:
    """The lines of a unified difference, without its head; None where the texts are too long.

    Each line begins with ``" "``, ``"-"``, ``"+"``, or is ``@@ … @@``. Lines are cut at
    :data:`LONGEST_LINE` characters.
    """
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES:
        return None
    import difflib  # which few processes need

    lines = list(difflib.unified_diff(old, new, n=context, lineterm=""))[2:]
    return tuple(line if line.startswith("@@") else _cut(line) for line in lines)


def added_lines(before: str, after: str) -> tuple[str, ...]:
    """The lines of a text that the one before does not have anywhere, in their order."""
    known = set(before.splitlines())
    return tuple(line for line in after.splitlines() if line not in known)


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def _identity(member: Member) -> tuple[str, str]:
    return member.kind, member.sha256


def _field_change(name: str, before: Sequence[str], after: Sequence[str]) -> FieldChange | None:
    removed = tuple(value for value in before if value not in set(after))
    added = tuple(value for value in after if value not in set(before))
    return FieldChange(name, removed, added) if removed or added else None


def _values(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, tuple):
        return tuple(each if isinstance(each, str) else ": ".join(each) for each in value)
    return ()
