"""The access log: one line for each request, made with as little work as can be.

The lines have the form of all others (``greenroom.logs``). What of a request comes into them is
free of secrets before it is kept.
"""

import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPMethod

from msgspec import Struct

from greenroom import redaction, request_notes, times

SLOW = "too slow"
GONE = "client has gone"

_METHODS = frozenset(HTTPMethod)
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._:=+/@-]{1,64}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+-]+")
_AS_JSON = (
    '{"event": "request", "level": "%s", "timestamp": "%s.%06dZ", "request_id": "%s", %s, '
    '"status": %s, "bytes": %d, "ms": %.1f, "address": "%s", "who": %s, "kept": %s%s}\n'
)
_AS_TEXT = (
    "%s.%06dZ [%s] request request_id=%s %s status=%s bytes=%d ms=%.1f address=%s who=%s "
    "kept=%s%s\n"
)


def new_id() -> str:
    """By which name a request stands in the log: 16 hexadecimal digits."""
    return f"{random.getrandbits(64):016x}"


class Described(Struct, frozen=True):
    """What is logged and counted of the head of a request, worked out once.

    Attributes:
        named: method and path, in the form of the log.
        part: which part of the index it asks.
        forwarded_for: whom a proxy has named.
        given_id: the id that a proxy has given, if it may be taken over.
    """

    named: str
    part: str
    forwarded_for: str = ""
    given_id: str | None = None


class Seen(Struct):
    """A request that is being answered.

    Attributes:
        id: by which name it stands in the log.
        of: what is said of it.
        began: when, as the event loop counts.
        written: how much the connection had sent before.
        status: that of the answer; 0 before there is one.
        kept: whether the answer was kept.
        cut: why it has ended before its end; empty otherwise.
        notes: what the application says of it.
    """

    id: str
    of: Described
    began: float
    written: int
    status: int = 0
    kept: bool = False
    cut: str = ""
    notes: Mapping[str, object] | None = None

    @property
    def who(self) -> str | None:
        """Whose request it is, as far as the application has said so."""
        who = self.notes.get(request_notes.WHO) if self.notes is not None else None
        return who if isinstance(who, str) else None


class AccessLog:
    """Makes lines of requests."""

    def __init__(
        self, write: Callable[[str], None], *, as_json: bool = True, errors_only: bool = False
    ) -> None:
        """Nothing is written before the first request.

        Args:
            write: takes a line, and does not wait.
            as_json: whether the lines are JSON, or for people.
            errors_only: whether only what was refused, has failed or was cut off is written.
        """
        self._write = write
        self._as_json = as_json
        self._errors_only = errors_only
        self._second = -1
        self._begin = ""

    def named(self, method: str, target: str) -> str:
        """Method and path as the lines have them, without secrets."""
        method = method if method in _METHODS else "…" if method else ""
        path = redaction.target(target) if target else ""
        if self._as_json:
            return f'"method": {json.dumps(method)}, "path": {json.dumps(path)}'
        return f"method={method} path={_shown(path)}"

    def add(self, seen: Seen, size: int, seconds: float, address: str) -> None:
        """Write a line about a request that has ended.

        Args:
            seen: what is known of it.
            size: how many bytes were sent.
            seconds: how long it took.
            address: whose request it was.
        """
        status = seen.status
        if self._errors_only and status and status < 400 and not seen.cut:
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._begin = times.seconds(datetime.fromtimestamp(second, UTC)).removesuffix("Z")
        level = "error" if status >= 500 else "warning" if seen.cut else "info"
        who, micros = seen.who, int((now - second) * 1_000_000)
        begin, size, ms = self._begin, size, seconds * 1000
        if self._as_json:
            line = _AS_JSON % (
                level,
                begin,
                micros,
                seen.id,
                seen.of.named,
                status or "null",
                size,
                ms,
                address,
                json.dumps(who) if who is not None else "null",
                "true" if seen.kept else "false",
                f', "cut": "{seen.cut}"' if seen.cut else "",
            )
        else:
            line = _AS_TEXT % (
                begin,
                micros,
                level,
                seen.id,
                seen.of.named,
                status or "none",
                size,
                ms,
                address,
                _shown(who or "nobody"),
                "yes" if seen.kept else "no",
                f" cut={seen.cut!r}" if seen.cut else "",
            )
        self._write(line)


def given_id(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The id that a request brings, if it is short and harmless; for those of trusted proxies."""
    found = [value for name, value in headers if name == b"x-request-id"]
    if len(found) != 1 or not _GIVEN_ID.fullmatch(found[0]):
        return None
    text = found[0].decode("ascii")
    # Other lines would show it cut.
    return text if redaction.text(text) == text else None


def _shown(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else repr(text)
