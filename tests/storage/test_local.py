"""Blobs in a folder of this machine."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.c_library import c_function
from greenroom.storage import (
    BlobMissing,
    LocalStorage,
    Shelf,
    StorageFull,
    StorageUnavailable,
    disk,
    open_copy,
)
from greenroom.storage.disk import clone
from greenroom.storage.local import blob_path
from tests.storage.keeping import CONTENT, DIGEST, OTHER, content_of, keep, received


def test_a_local_blob_that_is_put_again_is_young_again(local: LocalStorage) -> None:
    keep(local)
    time.sleep(0.05)
    moment = time.time()
    time.sleep(0.3)

    def kept_before_the_moment() -> list[str]:
        return list(local.digests(older_than=timedelta(seconds=time.time() - moment)))

    assert kept_before_the_moment() == [DIGEST]
    keep(local)
    assert kept_before_the_moment() == []


def test_a_local_blob_lies_under_the_beginning_of_its_digest(
    local: LocalStorage, tmp_path: Path
) -> None:
    keep(local)

    blob = tmp_path / "files" / DIGEST[:2] / DIGEST[2:4] / DIGEST
    assert blob.read_bytes() == CONTENT


def test_a_local_blob_has_a_file_at_the_offset_for_sendfile(local: LocalStorage) -> None:
    keep(local)

    with local.open(DIGEST, 1000, 10) as blob:
        file = blob.file
        assert file is not None
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == file.tell() == 1000
        assert file.read(10) == CONTENT[1000:1010]

    assert file.closed


def test_a_local_blob_stays_readable_when_it_is_deleted_meanwhile(local: LocalStorage) -> None:
    keep(local)

    with local.open(DIGEST) as blob:
        local.delete(DIGEST)
        assert b"".join(blob) == CONTENT


def test_a_local_blob_has_no_url(local: LocalStorage) -> None:
    keep(local)

    assert local.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=1)) is None


def test_other_files_in_the_local_folder_are_no_blobs(local: LocalStorage, tmp_path: Path) -> None:
    keep(local)
    (tmp_path / "files" / DIGEST[:2] / DIGEST[2:4] / "notes.txt").touch()

    assert list(local.digests()) == [DIGEST]


@pytest.mark.parametrize("left", [b"", CONTENT[:-1], CONTENT + b"more"])
def test_a_local_put_mends_what_has_another_size(local: LocalStorage, left: bytes) -> None:
    keep(local)
    blob_path(Path(local.address), DIGEST).unlink()  # a link to it may be open somewhere
    blob_path(Path(local.address), DIGEST).write_bytes(left)

    keep(local)

    assert content_of(local, DIGEST) == CONTENT


def test_a_copy_of_a_folder_is_read_and_never_written_to(
    local: LocalStorage, tmp_path: Path
) -> None:
    keep(local)
    backup = tmp_path / "backup"
    for name in ("data/files", "files"):
        shutil.copytree(local.address, backup / name)
        shutil.rmtree(backup / name / "incoming")

    for where in (backup / "data", backup / "files"):
        with open_copy(str(where), local.incoming).open(DIGEST) as blob:
            assert b"".join(blob) == CONTENT
        with pytest.raises(BlobMissing):
            open_copy(str(where), local.incoming).open(OTHER)
    assert list(backup.rglob("incoming")) == []
    with pytest.raises(ValueError, match="no folder and no s3:// URL"):
        open_copy(str(backup / "nothing"), local.incoming)


def test_a_clone_shares_nothing_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(CONTENT)

    clone(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other").write_bytes(b"changed")

    assert (tmp_path / "one").read_bytes() == CONTENT


def test_folders_of_processes_that_are_gone_are_stale_too(local: LocalStorage) -> None:
    folder = local.incoming / "review-abc"
    folder.mkdir()
    (folder / "a.whl").touch()
    (local.incoming / "lost+found").mkdir()

    assert list(local.stale_incoming(timedelta(hours=1))) == []
    assert local.remove_stale_incoming(timedelta(0)) == 1
    assert [path.name for path in local.incoming.iterdir()] == ["lost+found"]


def test_a_local_put_copies_where_it_cannot_link(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across_filesystems(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across_filesystems)
    path = received(local)

    local.put(path, DIGEST)
    path.write_bytes(b"written to after all")

    assert content_of(local, DIGEST) == CONTENT


def test_a_local_put_that_fails_leaves_nothing(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", disk_full)
    monkeypatch.setattr(shutil, "copyfile", disk_full)
    path = received(local)

    with pytest.raises(StorageFull, match="No space left"):
        local.put(path, DIGEST)

    assert DIGEST not in local
    assert list(local.incoming.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EDQUOT, StorageFull),
        (errno.EIO, StorageUnavailable),
        (errno.EROFS, StorageUnavailable),
        (errno.EACCES, StorageUnavailable),
    ],
)
def test_what_the_disk_answers_is_an_outage_of_the_storage(
    local: LocalStorage,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[StorageUnavailable],
) -> None:
    path = received(local)
    local.put(path, DIGEST)

    def answer(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, answer)
            for act in (
                lambda: local.put(path, OTHER),
                lambda: local.mark("text"),
                lambda: local.move(DIGEST, Shelf.KEPT, Shelf.TRASH),
            ):
                with pytest.raises(StorageUnavailable, match=os.strerror(number)) as raised:
                    act()
                assert type(raised.value) is kind
        local.move(DIGEST, Shelf.TRASH, Shelf.KEPT)
    assert content_of(local, DIGEST) == CONTENT


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What is asked of the disk from here on, in order: `flush` a path, `appear` at a path."""
    events: list[tuple[str, Path]] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(descriptor: int) -> None:
        fsync(descriptor)
        wanted = os.fstat(descriptor)
        events.append(("flush", Path(f"inode {wanted.st_ino}")))

    def recorded_replace(source: Path, target: Path) -> None:
        replace(source, target)
        events.append(("appear", target))

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return events


def flush_of(path: Path) -> tuple[str, Path]:
    return "flush", Path(f"inode {path.stat().st_ino}")


def test_a_local_put_flushes_the_file_before_it_appears_and_the_folders_after(
    local: LocalStorage, journal: list[tuple[str, Path]], tmp_path: Path
) -> None:
    local.put(received(local), DIGEST)

    root = tmp_path / "files"
    blob = root / DIGEST[:2] / DIGEST[2:4] / DIGEST
    appeared = journal.index(("appear", blob))
    assert flush_of(blob) in journal[:appeared]
    for folder in (blob.parent, blob.parent.parent, root):
        assert flush_of(folder) in journal[appeared:]


def test_a_local_put_of_what_is_there_returns_only_when_the_folders_are_flushed(
    local: LocalStorage, journal: list[tuple[str, Path]], tmp_path: Path
) -> None:
    local.put(received(local), DIGEST)
    journal.clear()

    LocalStorage(tmp_path / "files").put(received(local), DIGEST)

    root = tmp_path / "files"
    leaf = root / DIGEST[:2] / DIGEST[2:4]
    assert journal[-3:] == [flush_of(leaf), flush_of(leaf.parent), flush_of(root)]


def test_folders_that_will_last_are_not_flushed_again(
    local: LocalStorage, journal: list[tuple[str, Path]], tmp_path: Path
) -> None:
    local.put(received(local), DIGEST)
    journal.clear()

    local.put(received(local), DIGEST)

    root = tmp_path / "files"
    leaf = root / DIGEST[:2] / DIGEST[2:4]
    assert journal == [flush_of(leaf)]

    shutil.rmtree(root / DIGEST[:2])
    local.put(received(local), DIGEST)
    assert journal[-3:] == [flush_of(leaf), flush_of(leaf.parent), flush_of(root)]


def test_two_blobs_take_four_flushes_where_their_folders_are_known(
    local: LocalStorage, journal: list[tuple[str, Path]], tmp_path: Path
) -> None:
    contents = [b"one", b"two"]
    for content in contents:
        keep(local, content)
        local.delete(hashlib.sha256(content).hexdigest())
    journal.clear()

    local.put_all(
        {hashlib.sha256(content).hexdigest(): received(local, content) for content in contents}
    )

    flushes = [what for kind, what in journal if kind == "flush"]
    assert len(flushes) == len(set(flushes)) == 4
    # Every file is on the disk before a name is there, and every name before it is acknowledged.
    kinds = [kind for kind, _ in journal]
    assert kinds == ["flush", "flush", "appear", "appear", "flush", "flush"]


def test_a_local_blob_of_another_size_is_replaced(local: LocalStorage, tmp_path: Path) -> None:
    keep(local)
    (tmp_path / "files" / DIGEST[:2] / DIGEST[2:4] / DIGEST).write_bytes(b"cut off")

    keep(local)

    assert content_of(local, DIGEST) == CONTENT


def test_the_folders_of_a_new_local_storage_are_flushed(
    journal: list[tuple[str, Path]], tmp_path: Path
) -> None:
    LocalStorage(tmp_path / "data" / "files")

    assert journal == [
        flush_of(tmp_path),
        flush_of(tmp_path / "data"),
        flush_of(tmp_path / "data" / "files"),
    ]


def test_a_local_folder_takes_no_parts(local: LocalStorage) -> None:
    assert local.parts is None


@pytest.mark.parametrize("is_there", [True, False], ids=["linux", "elsewhere"])
def test_a_file_that_the_system_begins_to_write_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    if not is_there:
        monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    c_function.cache_clear()
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file:
        file.write(CONTENT)
        disk.begin_to_flush(file.fileno())
        file.write(CONTENT)
    c_function.cache_clear()
    assert path.read_bytes() == CONTENT * 2
