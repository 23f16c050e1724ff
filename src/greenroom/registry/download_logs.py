"""Downloads from the access log of a cache in front, each of them once.

A log is known by its first line, so that it is the same when it was renamed, compressed, or has
grown. How far it was read is written down with what was counted, so that an import that was broken
off goes on where it was.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from greenroom.counts import counted
from greenroom.models import ImportedLog
from greenroom.registry import audit, downloads
from greenroom.registry.downloads import Downloaded
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services, UnitOfWork

LONGEST_LINE = 64 * 1024
_LINES_AT_ONCE = 20_000
_ENDING = 4096
_GZIP = b"\x1f\x8b"

# host ident user [28/Nov/2026:18:00:00 +0000] "GET /packages/… HTTP/1.1" 200 1234 …
_COMMON = re.compile(
    rb'\S+ \S+ .{0,256}?\[([^\]]{1,64})\] "GET (\S{1,4096})(?: HTTP/[0-9.]+)?" 200(?: |$)'
)
_COMMON_TIME = "%d/%b/%Y:%H:%M:%S %z"
_TIMES = ("time", "ts", "timestamp", "time_iso8601", "@timestamp", "time_local", "msec")
_METHODS = ("method", "request_method", "verb")
_TARGETS = ("uri", "request_uri", "path", "url", "target")
_STATUSES = ("status", "status_code", "response")

ReadAddress = Callable[[str], tuple[str, str] | None]
"""Digest and name of the file at an address, None where it is no published file's."""


class LogFormat(StrEnum):
    """How the lines of a log are written."""

    AUTO = "auto"
    COMMON = "common"  # and "combined", which begins like it
    JSON = "json"


class Imported(Struct, frozen=True):
    """What came of a log: how many lines were read, and how many downloads they counted."""

    lines: int
    counted: int


def import_log(
    services: Services, path: Path, log_format: LogFormat, read_address: ReadAddress
) -> Imported:
    """Count the downloads that a log has, as far as it was not read before.

    Only whole answers to GET count. A line that is not complete yet is left for the next time.

    Raises:
        InvalidRequest: it cannot be read, or is no file, or a log that begins with the same line
            was longer.
    """
    if not path.is_file():  # of a pipe, nobody could read again what was read before
        raise InvalidRequest(f"The log {path.name!r} is no file: write it to one, and import that.")
    try:
        with _opened(path) as file:
            reading = _Import(services, path, log_format, read_address, file)
            try:
                return reading.run()
            finally:  # what was counted before it broke off stays
                reading.record()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(f"The log {path.name!r} cannot be read: {reason}.") from None


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(path, "rb")) if is_compressed else path.open("rb")


class _Import:
    """One log that is being read."""

    def __init__(
        self,
        services: Services,
        path: Path,
        log_format: LogFormat,
        read_address: ReadAddress,
        file: BinaryIO,
    ) -> None:
        self._services = services
        self._name = path.name
        self._format = log_format
        self._read_address = read_address
        self._file = file
        self._position = 0
        self._last = b""
        self._came = Imported(0, 0)
        # Clocks differ; what is further ahead than that has not happened.
        self._last_day = services.clock().date() + timedelta(days=1)

    def run(self) -> Imported:
        """Read what is new, some lines at a time."""
        first = self._file.readline(LONGEST_LINE)
        if not first.endswith(b"\n"):
            return self._came
        beginning = hashlib.sha256(first).hexdigest()
        self._go_on(beginning)
        while True:
            counts: Counter[Downloaded] = Counter()
            before, read = self._position, 0
            for line in self._lines(_LINES_AT_ONCE):
                read += 1
                found = self._downloaded(line)
                if found is not None:
                    counts[found] += 1
            if not read:
                return self._came
            with self._services.writing() as uow:
                uow.lock("downloads")
                self._write_down(uow, beginning, before)
                counted = downloads.add(uow, counts)
            self._came = Imported(self._came.lines + read, self._came.counted + counted)

    def record(self) -> None:
        """Write down for the audit log what was read, if anything was."""
        if self._came.lines:
            lines = counted(self._came.lines, "line")
            detail = f"{self._name}: {lines}, {counted(self._came.counted, 'download')}"
            with self._services.writing() as uow:
                audit.write(uow, audit.Kind.DOWNLOADS_IMPORT, OPERATOR, detail=detail)

    def _write_down(self, uow: UnitOfWork, beginning: str, before: int) -> None:
        """Write down how far the log is read, unless somebody else is reading it."""
        known = uow.db.get(ImportedLog, beginning)
        if (known.position if known is not None else 0) != before:
            raise InvalidRequest(f"The log {self._name!r} is being read by another import.")
        ending = hashlib.sha256(self._last).hexdigest()
        if known is None:
            known = ImportedLog(beginning=beginning)
            uow.db.add(known)
        known.position, known.ending = self._position, ending

    def _go_on(self, beginning: str) -> None:
        """Stand where the last import of this log ended."""
        with self._services.reading() as uow:
            known = uow.db.get(ImportedLog, beginning)
            position, ending = (known.position, known.ending) if known is not None else (0, "")
        start = max(0, position - _ENDING)
        self._file.seek(start)
        self._last = self._file.read(position - start)
        self._position = position
        if known is not None and hashlib.sha256(self._last).hexdigest() != ending:
            raise InvalidRequest(
                f"The log {self._name!r} begins like one that was read before, and goes on "
                "otherwise, or was longer then: nothing of it was counted."
            )

    def _lines(self, most: int) -> Iterator[bytes]:
        """The next complete lines; of one that is too long nothing is known but its end."""
        for _ in range(most):
            line = part = self._file.readline(LONGEST_LINE)
            size, last = len(line), self._last + line
            while part and not part.endswith(b"\n"):
                part = self._file.readline(LONGEST_LINE)
                size, last = size + len(part), last[-_ENDING:] + part
            if not part:
                return
            self._position += size
            self._last = last[-_ENDING:]
            yield line if size == len(line) else b""

    def _downloaded(self, line: bytes) -> Downloaded | None:
        is_json = self._format is LogFormat.JSON or (
            self._format is LogFormat.AUTO and line.startswith(b"{")
        )
        found = _of_json(line) if is_json else _of_common(line)
        if found is None:
            return None
        target, moment = found
        file, day = self._read_address(target), _day(moment)
        if file is None or day is None or day > self._last_day:
            return None
        return Downloaded(*file, day)


def _of_common(line: bytes) -> tuple[str, datetime] | None:
    """Target and moment of a whole answer to GET."""
    found = _COMMON.match(line)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[1].decode("ascii"), _COMMON_TIME)
    except ValueError:
        return None
    return found[2].decode("latin-1"), moment


def _of_json(line: bytes) -> tuple[str, datetime] | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    request = said.get("request")
    if isinstance(request, dict):  # Caddy
        said = {**request, **said}
    elif isinstance(request, str):  # "GET /packages/… HTTP/1.1"
        method, _, rest = request.partition(" ")
        said = {"method": method, "uri": rest.rpartition(" ")[0] or rest, **said}
    if str(_first(said, _STATUSES)) != "200" or _first(said, _METHODS) != "GET":
        return None
    target, moment = _first(said, _TARGETS), _moment(_first(said, _TIMES))
    return (target, moment) if isinstance(target, str) and moment is not None else None


def _day(moment: datetime) -> date | None:
    """The day of UTC, None where it lies before all that there are, or after all."""
    try:
        return moment.astimezone(UTC).date()
    except OverflowError:
        return None


def _first(said: dict[str, object], names: tuple[str, ...]) -> object:
    return next((said[name] for name in names if name in said), None)


def _moment(said: object) -> datetime | None:
    try:
        if isinstance(said, int | float):
            return datetime.fromtimestamp(said, UTC)
        text = str(said)
        if re.fullmatch(r"[0-9]{9,11}(\.[0-9]+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        if re.match(r"[0-9]{2}/", text):
            return datetime.strptime(text, _COMMON_TIME)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC)
    except (ValueError, OverflowError, OSError):
        return None
