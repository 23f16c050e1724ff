"""Receiving files while the disk is nearly full, or full."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.registry import artifacts
from greenroom.registry.arriving import RESERVE, bytes_arriving
from greenroom.registry.artifacts import Receiver
from greenroom.registry.errors import OutOfSpace

Disk = Callable[[int], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Has the disk have so much free space."""

    def have(size: int) -> None:
        usage = shutil._ntuple_diskusage(10 * size, 9 * size, size)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    return have


def test_nothing_is_begun_on_a_disk_that_is_nearly_full(tmp_path: Path, free: Disk) -> None:
    free(RESERVE - 1)
    with pytest.raises(OutOfSpace, match="no space left for uploads"):
        Receiver(tmp_path, limit=1)
    assert list(tmp_path.iterdir()) == []
    free(RESERVE)
    with Receiver(tmp_path, limit=1) as receiver:
        receiver.add(b"x")


def test_what_arrives_while_the_disk_fills_up_is_thrown_away(
    tmp_path: Path, free: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "_LOOK_EVERY", 1000)
    free(RESERVE)
    with Receiver(tmp_path, limit=10_000) as receiver:
        receiver.add(b"x" * 900)
        free(RESERVE - 1)
        receiver.add(b"x" * 99)
        with pytest.raises(OutOfSpace):
            receiver.add(b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_that_finds_no_room_is_a_refusal(tmp_path: Path, number: int) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(number, "full")

        def close(self) -> None: ...

    with Receiver(tmp_path, limit=10) as receiver:
        receiver._file.close()
        receiver._file = Full()  # type: ignore[assignment]
        with pytest.raises(OutOfSpace):
            receiver.add(b"x")
    assert list(tmp_path.iterdir()) == []


def test_all_that_arrives_at_once_stays_out_of_the_reserve(
    tmp_path: Path, free: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "_LOOK_EVERY", 1000)
    free(RESERVE + 1500)
    with (
        Receiver(tmp_path, limit=10_000) as first,
        Receiver(tmp_path, limit=400) as second,
        Receiver(tmp_path, limit=10_000),
    ):
        with pytest.raises(OutOfSpace):
            Receiver(tmp_path, limit=1)
        second.add(b"x" * 400)
        second.received()
        first.add(b"x" * 900)
        assert bytes_arriving(tmp_path) == 1300
        free(RESERVE + 200)
        with pytest.raises(OutOfSpace):
            first.add(b"x" * 200)
    assert bytes_arriving(tmp_path) == 0
    with Receiver(tmp_path, limit=1):
        assert len(list(tmp_path.iterdir())) == 1
