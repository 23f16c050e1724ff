"""What a source offers: files, and what it knows of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

_LONGEST_PAUSE = 60.0


class SourceFailed(Exception):
    """A source, or one file of it, cannot be read. The text is a sentence without secrets.

    Attributes:
        is_transient: whether it may go well a moment later.
        pause: how many seconds to wait before that, as far as the source says so.
    """

    def __init__(self, sentence: str, *, is_transient: bool = False, pause: float = 0) -> None:
        super().__init__(sentence)
        self.is_transient = is_transient
        self.pause = pause

    def wait(self, attempt: int) -> float:
        """How many seconds to wait before the next attempt; ``attempt`` counts from 0."""
        return min(self.pause or 0.5 * 2**attempt, _LONGEST_PAUSE)


class Opened(Struct, frozen=True):
    """A file that is being read.

    Attributes:
        pieces: its bytes; raises :class:`SourceFailed`.
        modified: when it was last changed, where that is known only now.
    """

    pieces: Iterator[bytes]
    modified: datetime | None = None


Open = Callable[[], AbstractContextManager[Opened]]


class Candidate(Struct, frozen=True):
    """A file that a source offers.

    Attributes:
        filename: what it is called.
        where: where it is, for people, without secrets.
        open: begins to read it; raises :class:`SourceFailed`.
        project: whose it is; None where the source does not say so.
        size: how many bytes it has, where that is known.
        digests: hexadecimal, by names of :mod:`hashlib`, as far as they are known.
        uploaded: when it was published.
        yanked: why; None where it is not.
        uploader: the user name, here, of whoever uploaded it.
        owner: the user name, here, of its owner; None for the one of the whole import.
        maintainers: user names, here, of those who work on its project.
        is_local: whether reading it costs no more than reading a disk.
    """

    filename: str
    where: str
    open: Open
    project: str | None = None
    size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    uploaded: datetime | None = None
    yanked: str | None = None
    uploader: str | None = None
    owner: str | None = None
    maintainers: tuple[str, ...] = ()
    is_local: bool = True


class Trouble(Struct, frozen=True):
    """Something that a source should have and cannot offer: a sentence for the report."""

    where: str
    sentence: str
    project: str | None = None


class Passed(Struct):
    """How many files of a source are no distributions."""

    count: int = field(default=0)


class Source(Protocol):
    """Where files come from."""

    @property
    def passed(self) -> Passed:
        """What was passed over so far."""

    @property
    def people(self) -> tuple[str, ...]:
        """The user names, here, that the source needs besides the owner of the whole import."""

    def offers(self) -> Iterator[Candidate | Trouble]:
        """Everything there is, those of one project together, the oldest first where that is known.

        Raises:
            SourceFailed: the source as a whole cannot be read.
        """
