"""The members of an archive as folders, one of which is shown at a time."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from greenroom.distributions.archives import MAX_MEMBER_DEPTH
from greenroom.distributions.member_reading import MemberEntry


class Folder(Struct, frozen=True):
    """What is in a folder of an archive, but not in folders below it.

    Attributes:
        path: empty for the whole archive, else it ends in a slash.
        folders: the folders in it, by path. One that has nothing but another folder is passed over.
        files: the files and links in it, by path.
        count: how many files and links there are in it and below.
        size: of all of them, in bytes.
    """

    path: str
    folders: tuple["Subfolder", ...]
    files: tuple[MemberEntry, ...]
    count: int
    size: int

    @property
    def above(self) -> tuple[tuple[str, str], ...]:
        """Name and path of each folder on the way to it, and of it itself."""
        parts = self.path.split("/")[:-1]
        return tuple(
            (part or "/", "/".join(parts[: number + 1]) + "/") for number, part in enumerate(parts)
        )


class Subfolder(Struct, frozen=True):
    """A folder in a folder.

    Attributes:
        path: from the root of the archive; it ends in a slash.
        name: from the folder that it is in.
        count: how many files and links there are in it and below.
        size: of all of them, in bytes.
    """

    path: str
    name: str
    count: int
    size: int


def folder(entries: Iterable[MemberEntry], path: str) -> Folder:
    """What is in a folder.

    Args:
        entries: of the archive.
        path: of the folder, which ends in a slash; empty for the whole archive.

    Raises:
        KeyError: the archive has no such folder.
    """
    if path and not path.endswith("/"):
        raise KeyError(path)
    files: list[MemberEntry] = []
    below: dict[str, list[MemberEntry]] = {}
    for entry in entries:
        if not entry.path.startswith(path):
            continue
        name, slash, _ = entry.path[len(path) :].partition("/")
        if slash:
            below.setdefault(f"{name}/", []).append(entry)
        else:
            files.append(entry)
    everything = [*files, *(entry for found in below.values() for entry in found)]
    if path and not everything:
        raise KeyError(path)
    folders = (_subfolder(path, name, found) for name, found in below.items())
    return Folder(
        path=path,
        folders=tuple(sorted(folders, key=lambda each: each.path)),
        files=tuple(sorted(files, key=lambda entry: entry.path)),
        count=len(everything),
        size=sum(entry.size for entry in everything),
    )


def top(entries: Sequence[MemberEntry]) -> str:
    """The path of the folder that everything is in, such as that of a source distribution."""
    if not entries:
        return ""
    return _only_folder("", entries)


def found(entries: Iterable[MemberEntry], words: str) -> list[MemberEntry]:
    """The files and links that have all of these words in their paths, by path."""
    wanted = words.casefold().split()
    matching = (entry for entry in entries if all(word in entry.path.casefold() for word in wanted))
    return sorted(matching, key=lambda entry: entry.path)


def _subfolder(above: str, name: str, entries: Sequence[MemberEntry]) -> Subfolder:
    path = _only_folder(above + name, entries)
    return Subfolder(path, path[len(above) :], len(entries), sum(entry.size for entry in entries))


def _only_folder(path: str, entries: Sequence[MemberEntry]) -> str:
    """The deepest folder below this one that all of these are in."""
    for _ in range(MAX_MEMBER_DEPTH):
        name, slash, _ = entries[0].path[len(path) :].partition("/")
        deeper = f"{path}{name}/"
        if not slash or not all(entry.path.startswith(deeper) for entry in entries):
            break
        path = deeper
    return path
