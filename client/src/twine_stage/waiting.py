"""Waiting until a session, or a set, ends: the index answers when something changes.

An index that does not know how to wait answers at once, and is asked again every few seconds. One
that is being restarted is asked again until it answers.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from twine_stage import uploads
from twine_stage.connection import Answer, Connection
from twine_stage.errors import Refused, Unreachable
from twine_stage.uploads import ENDED, Session

# Shorter than what proxies in between have patience for.
_ASKED = 50
_PAUSE = 2.0
_LONGEST_PAUSE = 30.0
# An index that is silent for so long is taken to be gone, where nobody said how long to wait.
_GIVES_UP_AFTER = 600.0
_PASSING = (429, 502, 503, 504)


class Outcome(StrEnum):
    """What waiting came to."""

    PUBLISHED = "published"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    TIMED_OUT = "timed-out"


@dataclass
class _Patience:
    """How long to wait on, by the clock that nobody sets."""

    timeout: float | None
    began: float
    failing_since: float | None = None
    failures: int = 0

    @property
    def left(self) -> float:
        """Seconds until the time is up."""
        if self.timeout is None:
            return math.inf
        return self.began + self.timeout - time.monotonic()

    def fail(self) -> bool:
        """Note that the index did not answer; gives whether to ask it again."""
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        self.failures += 1
        silent = now - self.failing_since
        return self.left > 0 if self.timeout is not None else silent < _GIVES_UP_AFTER

    def succeed(self) -> None:
        """Note that it answered."""
        self.failing_since, self.failures = None, 0


class Awaited(Protocol):
    """What can end: a session, or a release set."""

    @property
    def url(self) -> str:
        """Where the index tells of it."""

    @property
    def status(self) -> str:
        """How it stands."""

    @property
    def outcome(self) -> str | None:
        """How it has ended, where the index tells."""

    @property
    def expires(self) -> str:
        """When it expires; empty where it does not."""


_A = TypeVar("_A", bound=Awaited)


def wait(
    connection: Connection,
    load: Callable[[], _A],
    parse: Callable[[Answer, _A], _A],
    timeout: float | None,
    tell: Callable[[str], None],
) -> tuple[_A, Outcome]:
    """Wait until the session ends, or the time is up.

    Args:
        connection: to the index.
        load: finds the session, the first time.
        parse: reads an answer of the index to who asks once more for what is known.
        timeout: how many seconds to wait; None: as long as it takes.
        tell: is told that the index does not answer, when that begins.

    Raises:
        Refused: the index does not tell, for a reason that does not pass.
        Unreachable: it has not answered for long, or not once before the time was up.
    """
    patience = _Patience(timeout, time.monotonic())
    found: _A | None = None
    while True:
        began = time.monotonic()
        try:
            found = load() if found is None else _ask(connection, found, parse, patience.left)
        except (Refused, Unreachable) as failure:
            if isinstance(failure, Refused) and failure.status not in _PASSING:
                raise
            if not patience.fail():
                if found is None or timeout is None:
                    raise
                return found, Outcome.TIMED_OUT
            if patience.failures == 1:
                tell("The index does not answer: trying again.")
            asked = failure.retry_after if isinstance(failure, Refused) else None
            pause = min(_LONGEST_PAUSE, asked or 2.0 ** min(patience.failures - 1, 5))
        else:
            patience.succeed()
            if found.status in ENDED:
                return found, outcome(found)
            if patience.left <= 0:
                return found, Outcome.TIMED_OUT
            pause = max(0.0, _PAUSE - (time.monotonic() - began))
        connection.pause(max(0.0, min(pause, patience.left)))


def outcome(session: Awaited) -> Outcome:
    """How a session has ended: as the index says, else by when it would have expired."""
    if session.status == "published":
        return Outcome.PUBLISHED
    if session.outcome in (Outcome.DISCARDED, Outcome.EXPIRED):
        return Outcome(session.outcome)
    try:
        has_expired = datetime.fromisoformat(session.expires) <= datetime.now(UTC)
    except (ValueError, TypeError):
        has_expired = False
    return Outcome.EXPIRED if has_expired else Outcome.DISCARDED


def parse_session(answer: Answer, known: Session) -> Session:
    """The session that an answer describes, as :func:`wait` wants it."""
    return uploads.parse_session(answer, known.url)


def _ask(connection: Connection, session: _A, parse: Callable[[Answer, _A], _A], left: float) -> _A:
    """The session once it has changed, or some time has passed."""
    seconds = math.floor(min(_ASKED, max(0.0, left)))
    url = session.url
    if seconds:
        url += f"{'&' if '?' in url else '?'}wait={seconds}"
    return parse(connection.call("GET", url, tries=1), session)
