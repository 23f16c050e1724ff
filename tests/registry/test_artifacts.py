"""What is received: hashed and written as it arrives, in pieces of any size."""

import hashlib
import os
import threading
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from greenroom.registry import artifacts
from greenroom.registry.artifacts import Receiver, TooManyBytes
from greenroom.storage.disk import begin_to_flush

MIB = 1024**2
CONTENT = bytes(range(256)) * (3 * MIB // 256) + b"and a rest"


def hashing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("hashing")]


@pytest.mark.parametrize(
    "sizes", [(1, 2, 50_000), (MIB,), (MIB - 1, 2), (len(CONTENT),), (MIB + 1, 1, MIB)]
)
@pytest.mark.parametrize("length", [0, 1, MIB - 1, MIB, MIB + 1, len(CONTENT)])
def test_digests_do_not_depend_on_the_pieces(
    tmp_path: Path, length: int, sizes: tuple[int, ...]
) -> None:
    content = CONTENT[:length]
    ends = [0]
    while ends[-1] < length:
        ends.append(ends[-1] + sizes[len(ends) % len(sizes)])
    with Receiver(tmp_path, limit=length, digests=["sha512", "md5"]) as receiver:
        for start, end in pairwise(ends):
            receiver.add(content[start:end])
        received = receiver.received()

        assert received.path.read_bytes() == content
    assert received.size == length
    assert received.digests == {
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "blake2_256": hashlib.blake2b(content, digest_size=32).hexdigest(),
        "sha512": hashlib.sha512(content).hexdigest(),
    }


def test_many_that_arrive_slowly_share_threads(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(3 * (os.cpu_count() or 1)):
            receiver = stack.enter_context(Receiver(tmp_path, limit=2 * MIB))
            receiver.add(CONTENT[:MIB])
            receiver.add(CONTENT[:MIB])
        assert 0 < len(hashing_threads()) <= 2 * (os.cpu_count() or 1)


def test_what_is_broken_off_leaves_no_file(tmp_path: Path) -> None:
    with Receiver(tmp_path, limit=2 * MIB) as receiver:
        receiver.add(CONTENT[:MIB])
        receiver.add(CONTENT[:MIB])
        with pytest.raises(TooManyBytes):
            receiver.add(b"1")
    assert list(tmp_path.iterdir()) == []


def test_the_disk_works_on_what_is_large_while_more_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def begin(descriptor: int) -> None:
        begin_to_flush(descriptor)
        sizes.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(artifacts, "begin_to_flush", begin)
    piece = bytes(MIB)
    with Receiver(tmp_path, limit=40 * MIB) as receiver:
        for _ in range(40):
            receiver.add(piece)
        received = receiver.received()
        assert received.path.read_bytes() == piece * 40
    assert sizes == [16 * MIB, 32 * MIB, 40 * MIB]


def test_what_is_small_is_written_when_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "begin_to_flush", None)
    with Receiver(tmp_path, limit=16 * MIB) as receiver:
        receiver.add(CONTENT)
        receiver.received()
