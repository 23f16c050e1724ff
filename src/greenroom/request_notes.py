"""What the server and the application tell each other of a request, in its WSGI environment."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import BinaryIO, Protocol, cast

from msgspec import Struct

REQUEST_ID = "greenroom.request_id"
"""By which name the request stands in the log: the server gives it."""

WHO = "greenroom.who"
"""Whose request it is, once the application knows: an account's name, or a token's beginning."""


def request_id(environ: Mapping[str, object]) -> str | None:
    """By which name the request stands in the log; None where no server of ours has read it."""
    found = environ.get(REQUEST_ID)
    return found if isinstance(found, str) else None


WAITED = "greenroom.waited"
"""How a request has waited so far: :class:`Waited`. There only where the server can let it wait."""

WAIT = "greenroom.wait"
"""Where the application sets it, the answer is not sent, and asked for again: :class:`Wait`."""


class Waited(Struct, frozen=True):
    """How a request has waited so far.

    Attributes:
        topic: what it has waited for; None where the application is asked for the first time.
        since: what the application has said then of how that stood.
        left: for how many seconds it may wait on.
    """

    topic: str | None = None
    since: str = ""
    left: float = 0.0


class Wait(Struct, frozen=True):
    """That the application is to be asked again: when something changes, and in time anyway.

    Attributes:
        topic: what is waited for.
        mark: how that stands now; it has changed when it has another one.
        since: what the application wants to be told when it is asked again.
        left: for how many seconds the request may wait, all in all.
        pause: for how many it may wait before the application is asked again.
        done: where what is waited for is done by this process: it is over when this is, and nobody
            has to look at ``mark``.
    """

    topic: str
    mark: str
    since: str
    left: float
    pause: float
    done: "Future[None] | None" = None


def waited(environ: Mapping[str, object]) -> Waited | None:
    """How the request has waited; None where no server of ours can let it wait."""
    found = environ.get(WAITED)
    return found if isinstance(found, Waited) else None


def wait(environ: Mapping[str, object]) -> Wait | None:
    """What the request is to wait for; None where it is answered."""
    found = environ.get(WAIT)
    return found if isinstance(found, Wait) else None


KEEP_FOR = "greenroom.keep_for"
"""For how many seconds a public answer may be kept, where it is made of what nobody tells of."""


def keep_for(environ: Mapping[str, object]) -> float | None:
    """For how many seconds the answer may be kept; None: until what it was made of changes."""
    found = environ.get(KEEP_FOR)
    return float(found) if isinstance(found, int | float) else None


ARRIVING_FILE = "greenroom.arriving_file"
"""Makes the body of an answer that is sent while it still arrives: :class:`SendArriving`. There
only where the server can do that."""


class SendArriving(Protocol):
    """Makes the body of an answer from a file that still grows; no thread waits for it."""

    def __call__(self, file: BinaryIO, end: int, may_grow: Callable[[], bool]) -> Iterable[bytes]:
        """Make it.

        Args:
            file: it stands where the body begins; it is closed in the end.
            end: where the body ends, in bytes from the beginning of the file.
            may_grow: whether more can be expected than the file has now. It is asked often, in the
                thread of the event loop. Where it says no, the connection is cut.
        """


def send_arriving(environ: Mapping[str, object]) -> SendArriving | None:
    """What makes such a body; None where the server cannot send any."""
    found = environ.get(ARRIVING_FILE)
    return cast("SendArriving", found) if callable(found) else None
