"""What can go wrong, each as one sentence for the person at the command line."""

from collections.abc import Collection, Sequence


class Failure(Exception):
    """The command cannot do what it was asked to; the text is a sentence that says why."""


class Unreachable(Failure):
    """The index does not answer, or a connection broke."""


class StorageFailure(Failure):
    """The storage that the index has files put into does not answer, or takes nothing."""


class Refused(Failure):
    """The index said no.

    Attributes:
        status: the HTTP status.
        sentences: every reason that it gave.
        location: where the answer points to, if anywhere.
        retry_after: in how many seconds to try again, if it says so.
        codes: what problem details call the reasons.
    """

    def __init__(
        self,
        status: int,
        sentences: Sequence[str],
        location: str | None = None,
        retry_after: int | None = None,
        codes: Collection[str] = (),
    ) -> None:
        super().__init__(" ".join(sentences))
        self.status = status
        self.sentences = tuple(sentences)
        self.location = location
        self.retry_after = retry_after
        self.codes = frozenset(codes)


class Stopped(Exception):
    """Work in a thread ends because the command was interrupted."""
