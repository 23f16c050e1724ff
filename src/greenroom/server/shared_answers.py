"""Answers that the workers of a server share: what one has made, another need not make again.

They are in a file without a name, which is made before the workers, who inherit it, and which ends
with the last of them: a table that says where the answer to what is wanted stands, and behind it
the answers, of which a new one takes the room of the oldest. Nobody waits for anybody. Who would
write while another one does leaves it. Who reads takes no lock, and sees by a digest that what was
read is whole, and answers what is wanted. So a worker may be killed while it writes.

Whether an answer still holds is for the reader to say, who is told at which state of the index it
did.
"""

import fcntl
import hashlib
import json
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

MOST_BYTES = 24 * 1024**2

_PLACES = 32768
_DIGEST_BYTES = 16
_END = struct.Struct("<Q")
_ENTRY = struct.Struct("<QQ")
_FIRST = _END.size + _PLACES * _ENTRY.size

Place = tuple[object, ...]


class SharedAnswer(Struct, frozen=True):
    """An answer as the application gave it, and what was compressed of it.

    Attributes:
        mark: of the state of the index at which it held.
        status: code and reason.
        headers: with names in lower case.
        body: its content, or the file that has it.
        encoded: the content by coding, for those that were asked for.
    """

    mark: str
    status: str
    headers: list[tuple[bytes, bytes]]
    body: bytes | Path
    encoded: dict[str, bytes]


class SharedAnswers:
    """The answers in a file: bounded in bytes, the oldest go first.

    The file begins with where the next answer goes, and has for each number that a place can have
    where its answer stands, and how long it is.
    """

    def __init__(self, file: BinaryIO, most_bytes: int = MOST_BYTES) -> None:
        """There are none yet.

        Args:
            file: is empty, and nobody else's.
            most_bytes: its size will be that at most.
        """
        self._file = file
        self._most = most_bytes
        self._largest = (most_bytes - _FIRST) // 8

    def find(self, place: Place) -> SharedAnswer | None:
        """The answer at a place, if it is there and can be read."""
        key = _key(place)
        with suppress(OSError):
            entry = os.pread(self._file.fileno(), _ENTRY.size, _entry_at(key))
            start, length = _ENTRY.unpack(entry) if len(entry) == _ENTRY.size else (0, 0)
            if start + length <= self._most:
                record = os.pread(self._file.fileno(), length, start)
                digest, content = record[:_DIGEST_BYTES], record[_DIGEST_BYTES:]
                if digest == _digest(key, content):
                    return _decoded(content)
        return None

    def put(self, answers: Iterable[tuple[Place, SharedAnswer]]) -> None:
        """Write answers for others to find, if nobody else writes, and as far as there is room."""
        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                for place, answer in answers:
                    self._put(_key(place), _encoded(answer))
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _put(self, key: bytes, content: bytes) -> None:
        record = _digest(key, content) + content
        if len(record) > self._largest:
            return
        file = self._file.fileno()
        said = os.pread(file, _END.size, 0)
        start = max(_END.unpack(said)[0], _FIRST) if len(said) == _END.size else _FIRST
        if start + len(record) > self._most:
            start = _FIRST
        os.pwrite(file, record, start)
        os.pwrite(file, _ENTRY.pack(start, len(record)), _entry_at(key))
        os.pwrite(file, _END.pack(start + len(record)), 0)


def _key(place: Place) -> bytes:
    return hashlib.blake2b(repr(place).encode(), digest_size=_DIGEST_BYTES).digest()


def _entry_at(key: bytes) -> int:
    return _END.size + int.from_bytes(key[:4]) % _PLACES * _ENTRY.size


def _digest(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, digest_size=_DIGEST_BYTES).digest()


def _encoded(answer: SharedAnswer) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else b""
    about = {
        "mark": answer.mark,
        "status": answer.status,
        "headers": [[part.decode("latin-1") for part in header] for header in answer.headers],
        "path": str(answer.body) if isinstance(answer.body, Path) else None,
        "lengths": [["", len(body)], *([name, len(more)] for name, more in answer.encoded.items())],
    }
    return b"\n".join((json.dumps(about).encode(), b"".join((body, *answer.encoded.values()))))


def _decoded(content: bytes) -> SharedAnswer:
    head, _, rest = content.partition(b"\n")
    about = json.loads(head)
    pieces, start = {}, 0
    for name, length in about["lengths"]:
        pieces[name] = rest[start : start + length]
        start += length
    body = pieces.pop("")
    return SharedAnswer(
        about["mark"],
        about["status"],
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in about["headers"]],
        Path(about["path"]) if about["path"] is not None else body,
        pieces,
    )
