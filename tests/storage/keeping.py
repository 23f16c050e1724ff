"""Something to keep, and how tests keep it and read it again."""

from __future__ import annotations

import hashlib
import itertools
from datetime import timedelta
from pathlib import Path

from greenroom.storage import Parts, Storage
from tests.s3_server import put_at

MIB = 1024 * 1024
CONTENT = bytes(range(256)) * 2000  # several chunks, and the last of them not full
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"something else").hexdigest()
SOON = timedelta(minutes=5)

_prefixes = (f"test/run-{number}" for number in itertools.count())


def unused_prefix() -> str:
    """A prefix that no test has used in the bucket of its server."""
    return next(_prefixes)


def received(storage: Storage, content: bytes = CONTENT) -> Path:
    path = storage.new_file()
    path.write_bytes(content)
    return path


def keep(storage: Storage, content: bytes = CONTENT) -> str:
    digest = hashlib.sha256(content).hexdigest()
    path = received(storage, content)
    storage.put(path, digest)
    path.unlink()
    return digest


def content_of(storage: Storage, digest: str) -> bytes:
    with storage.open(digest) as blob:
        return b"".join(blob)


def put_part(parts: Parts, upload: str, number: int, content: bytes) -> None:
    url = parts.url(upload, number, size=len(content), expires_in=SOON)
    assert url is not None
    put_at(url, content)


def part_content(parts: Parts, upload: str, number: int) -> bytes:
    with parts.open(upload, number) as blob:
        return b"".join(blob)
