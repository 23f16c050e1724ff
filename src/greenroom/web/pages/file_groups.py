"""The files of a release or a draft in groups, each with words for what it runs on."""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from greenroom.registry.releases import FileSummary
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.platforms import platforms_in_words, python_in_words

# Fewer are found by looking.
FEWEST_FILTERED = 8
_NUMBERS = re.compile(r"(\d+)")


class ListedFile(Struct, frozen=True):
    """A file with the platforms that it is for, in words; empty for source distributions."""

    file: FileSummary
    platform: str


class FileGroup(Struct, frozen=True):
    """Files that are for the same Python, or that are sources."""

    title: str
    files: tuple[ListedFile, ...]


class GroupedFiles(Struct, frozen=True):
    """All files of a release, and those of them in groups that a filter lets through.

    Attributes:
        groups: sources, then wheels by Python, each by platform.
        count: how many files there are, whatever the filter.
        size: of all of them, in bytes.
        shown: how many files are in the groups.
        filter: the words that a file must have in its name, group or platform; mostly none.
    """

    groups: tuple[FileGroup, ...]
    count: int
    size: int
    shown: int
    filter: str

    @property
    def has_filter(self) -> bool:
        """Whether there is so much to see that a filter helps."""
        return self.count >= FEWEST_FILTERED or bool(self.filter)


def filtered_files(request: Request, files: Sequence[FileSummary]) -> GroupedFiles:
    """The files in groups, as far as the ``files`` of the address lets them through."""
    return grouped_files(files, query_value(request, "files") or "")


def grouped_files(files: Sequence[FileSummary], words: str = "") -> GroupedFiles:
    """The files in groups: those that have all of these words in name, group or platform."""
    groups: dict[str, list[ListedFile]] = {}
    for file in files:
        title, listed = _described(file)
        text = f"{title} {listed.platform} {file.filename}".casefold()
        if all(word in text for word in words.casefold().split()):
            groups.setdefault(title, []).append(listed)
    ordered = tuple(
        FileGroup(title, tuple(sorted(groups[title], key=_order_of_file)))
        for title in _in_order(groups)
    )
    return GroupedFiles(
        groups=ordered,
        count=len(files),
        size=sum(file.size for file in files),
        shown=sum(len(group.files) for group in ordered),
        filter=words.strip(),
    )


_SOURCES = "Source distribution"
_OLD = "Eggs and installers"


def _described(file: FileSummary) -> tuple[str, ListedFile]:
    """The title of the group that a file belongs to, and its line there."""
    if not file.is_sdist and not file.filename.endswith(".whl"):
        return _OLD, ListedFile(file, "")
    tags = file.filename.removesuffix(".whl").rsplit("-", 3)
    if file.is_sdist or len(tags) < 4:
        return _SOURCES, ListedFile(file, "")
    python, abi, platform = tags[1:]
    words = python_in_words(python.lower(), abi.lower())
    return f"Wheels for {words}", ListedFile(file, platforms_in_words(platform.lower()))


def _in_order(titles: Iterable[str]) -> list[str]:
    """Sources first, then what runs on any Python of a kind, then by implementation and version."""

    def order(title: str) -> tuple[bool, bool, list[object]]:
        return title != _SOURCES, " Python " not in title, _natural(title)

    return sorted(titles, key=order)


def _order_of_file(listed: ListedFile) -> tuple[list[object], str]:
    return _natural(listed.platform), listed.file.filename


def _natural(text: str) -> list[object]:
    """A text in parts that compare as people count: 3.9 before 3.12."""
    parts = _NUMBERS.split(text.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]
