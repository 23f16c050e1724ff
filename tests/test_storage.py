"""Every sentence here holds for the local folder and for S3, unless its section says otherwise."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from greenroom import storage as storage_module
from greenroom.storage import (
    BlobMissing,
    LocalStorage,
    PartMissing,
    S3Parts,
    S3Storage,
    Storage,
    StorageUnavailable,
    open_storage,
)
from tests.s3_server import PAGE_SIZE, S3Server, put_at, s3_server

MIB = 1024 * 1024
CONTENT = bytes(range(256)) * 2000  # several chunks, and the last of them not full
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"something else").hexdigest()

_prefixes = (f"test/run-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def signed_in(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest) -> tuple[str | None, str | None]:
    """The URL and the endpoint of an empty storage."""
    if request.param == "local":
        return None, None
    server: S3Server = request.getfixturevalue("signed_in")
    return f"{server.url}/{next(_prefixes)}", server.endpoint


@pytest.fixture
def storage(place: tuple[str | None, str | None], tmp_path: Path) -> Storage:
    url, endpoint = place
    return open_storage(url, tmp_path / "files", s3_endpoint=endpoint)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "files")


@pytest.fixture
def s3(signed_in: S3Server, tmp_path: Path) -> Storage:
    url = f"{signed_in.url}/{next(_prefixes)}"
    return open_storage(url, tmp_path / "files", s3_endpoint=signed_in.endpoint)


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


# --- Keeping and reading -----------------------------------------------------------------------


def test_what_is_put_can_be_read_after_the_file_it_came_from_is_gone(storage: Storage) -> None:
    path = received(storage)

    storage.put(path, DIGEST)
    path.unlink()

    assert content_of(storage, DIGEST) == CONTENT


def test_a_put_leaves_the_file_it_was_given(storage: Storage) -> None:
    path = received(storage)

    storage.put(path, DIGEST)

    assert path.read_bytes() == CONTENT


def test_a_put_leaves_nothing_else_among_the_incoming_files(storage: Storage) -> None:
    path = received(storage)

    storage.put(path, DIGEST)
    storage.put(path, DIGEST)

    assert list(storage.incoming.iterdir()) == [path]


def test_a_file_from_anywhere_can_be_put(storage: Storage, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.whl"
    elsewhere.write_bytes(CONTENT)
    link = tmp_path / "link.whl"
    link.symlink_to(elsewhere)

    storage.put(link, DIGEST)
    elsewhere.unlink()

    assert content_of(storage, DIGEST) == CONTENT


def test_an_empty_file_is_a_blob_too(storage: Storage) -> None:
    digest = keep(storage, b"")

    with storage.open(digest) as blob:
        assert (list(blob), blob.size, blob.length) == ([], 0, 0)


def test_a_blob_comes_in_chunks_and_knows_its_size(storage: Storage) -> None:
    keep(storage)

    with storage.open(DIGEST) as blob:
        chunks = list(blob)

    assert blob.size == blob.length == len(CONTENT)
    assert all(type(chunk) is bytes for chunk in chunks)
    assert len(chunks) > 1


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 0),
        (0, 1),
        (1, None),
        (300_001, 150_000),
        (len(CONTENT) - 1, 1),
        (len(CONTENT) - 1, 100),
        (len(CONTENT), None),
        (len(CONTENT) + 100, 5),
        (0, len(CONTENT) + 1),
    ],
)
def test_a_range_is_what_the_blob_has_of_it(
    storage: Storage, offset: int, length: int | None
) -> None:
    keep(storage)
    expected = CONTENT[offset:][:length]

    with storage.open(DIGEST, offset, length) as blob:
        assert blob.length == len(expected)
        assert blob.size == len(CONTENT)
        assert b"".join(blob) == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
def test_a_negative_range_is_an_error(storage: Storage, offset: int, length: int) -> None:
    keep(storage)

    with pytest.raises(ValueError, match="negative"):
        storage.open(DIGEST, offset, length)


def test_reading_can_stop_in_the_middle(storage: Storage) -> None:
    keep(storage)

    blob = storage.open(DIGEST)
    next(iter(blob))
    blob.close()
    blob.close()

    assert list(blob) == []


@pytest.mark.parametrize(("offset", "length"), [(0, None), (0, 10), (10, 0)])
def test_a_blob_that_is_not_kept_is_missing(
    storage: Storage, offset: int, length: int | None
) -> None:
    keep(storage)

    with pytest.raises(BlobMissing, match=OTHER) as caught:
        storage.open(OTHER, offset, length)

    assert caught.value.digest == OTHER


def test_putting_a_file_that_is_not_there_is_an_error_and_keeps_nothing(
    storage: Storage, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        storage.put(tmp_path / "nothing", DIGEST)

    assert DIGEST not in storage


# --- What is there -----------------------------------------------------------------------------


def test_a_storage_contains_what_was_put_into_it(storage: Storage) -> None:
    keep(storage)

    assert DIGEST in storage
    assert OTHER not in storage
    assert DIGEST.upper() not in storage
    assert 7 not in storage


def test_digests_are_those_of_all_blobs_and_of_nothing_else(storage: Storage) -> None:
    received(storage)
    digests = {keep(storage, b"%d" % number) for number in range(5)}

    assert sorted(storage.digests()) == sorted(digests)


def test_an_empty_storage_has_no_digests(storage: Storage) -> None:
    assert list(storage.digests()) == []


def test_young_blobs_can_be_left_out_of_the_digests(storage: Storage) -> None:
    keep(storage)

    assert list(storage.digests(older_than=timedelta(minutes=5))) == []
    assert list(storage.digests(older_than=timedelta(minutes=-5))) == [DIGEST]


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


def test_a_deleted_blob_is_gone_and_can_be_deleted_again(storage: Storage) -> None:
    keep(storage)

    storage.delete(DIGEST)
    storage.delete(DIGEST)

    assert DIGEST not in storage
    assert list(storage.digests()) == []
    with pytest.raises(BlobMissing):
        storage.open(DIGEST)


def test_a_deleted_blob_can_be_put_again(storage: Storage) -> None:
    keep(storage)
    storage.delete(DIGEST)

    keep(storage)

    assert content_of(storage, DIGEST) == CONTENT


@pytest.mark.parametrize(
    "digest", ["", "ab", "a" * 63, "A" * 64, "a" * 64 + "\n", "../" + "a" * 61]
)
def test_what_is_not_a_digest_is_refused_everywhere(storage: Storage, digest: str) -> None:
    path = received(storage)

    for act in (
        lambda: storage.put(path, digest),
        lambda: storage.open(digest),
        lambda: storage.open(digest, 1, 1),
        lambda: storage.url(digest, filename="a.whl", expires_in=timedelta(minutes=1)),
        lambda: storage.delete(digest),
    ):
        with pytest.raises(ValueError, match="64 lower-case hexadecimal"):
            act()
    assert digest not in storage


# --- Incoming files ----------------------------------------------------------------------------


def test_new_files_are_empty_apart_and_among_the_incoming(storage: Storage) -> None:
    first, second = storage.new_file(), storage.new_file()

    assert first != second
    assert first.read_bytes() == b""
    assert set(storage.incoming.iterdir()) == {first, second}


def test_only_stale_incoming_files_are_removed(storage: Storage) -> None:
    path = received(storage)
    (storage.incoming / "folder").mkdir()

    assert storage.remove_stale_incoming(timedelta(minutes=5)) == 0
    assert path.exists()
    assert storage.remove_stale_incoming(timedelta(0)) == 1
    assert not path.exists()


# --- At once, killed, and large ----------------------------------------------------------------


def test_many_threads_can_put_the_same_blob_at_once(storage: Storage) -> None:
    paths = [received(storage) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: storage.put(path, DIGEST), paths))

    assert content_of(storage, DIGEST) == CONTENT
    assert set(storage.incoming.iterdir()) == set(paths)


def test_many_threads_can_put_the_same_file_at_once(storage: Storage) -> None:
    path = received(storage)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: storage.put(path, DIGEST), range(8)))

    assert content_of(storage, DIGEST) == CONTENT
    assert list(storage.incoming.iterdir()) == [path]


_PUT = """
import sys
from datetime import timedelta
from pathlib import Path
from greenroom import storage as module
from greenroom.storage import open_storage

url, folder, endpoint, path, digest = sys.argv[1:]
storage = open_storage(url or None, Path(folder), s3_endpoint=endpoint or None)
"""


def start(
    code: str, place: tuple[str | None, str | None], folder: Path, path: Path, digest: str
) -> subprocess.Popen[str]:
    url, endpoint = place
    source = Path(storage_module.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", _PUT + code, url or "", folder, endpoint or "", path, digest],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
        text=True,
    )


def test_many_processes_can_put_the_same_blob_at_once(
    storage: Storage, place: tuple[str | None, str | None], tmp_path: Path
) -> None:
    wait_then_put = "print('ready', flush=True); input(); storage.put(Path(path), digest)"
    path = received(storage)
    processes = [start(wait_then_put, place, tmp_path / "files", path, DIGEST) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        process.communicate("go\n")

    assert [process.returncode for process in processes] == [0] * 4
    assert content_of(storage, DIGEST) == CONTENT
    assert list(storage.incoming.iterdir()) == [path]


_STALL = """
def stall(*_):
    print("stalled", flush=True)
    input()
"""

_BEFORE_THE_RENAME = "module.os.replace = stall"

_IN_THE_MIDDLE_OF_A_COPY = """
def no_link(*_):
    raise OSError("no links here")

def half_a_copy(source, target):
    Path(target).write_bytes(Path(source).read_bytes()[:1000])
    stall()

module.os.link = no_link
module.shutil.copyfile = half_a_copy
"""

_IN_THE_MIDDLE_OF_A_TRANSFER = """
import io

class Stalling(io.FileIO):
    def read(self, size=-1):
        if self.tell() > 9 * 2**20:
            stall()
        return super().read(size)

Path.open = lambda path, mode: Stalling(path)
"""


@pytest.mark.parametrize(
    ("place", "moment"),
    [
        pytest.param("local", _BEFORE_THE_RENAME, id="local before the rename"),
        pytest.param("local", _IN_THE_MIDDLE_OF_A_COPY, id="local copying"),
        pytest.param("s3", _IN_THE_MIDDLE_OF_A_TRANSFER, id="s3"),
    ],
    indirect=["place"],
)
def test_a_put_that_is_killed_leaves_no_blob_and_does_not_hinder_the_next(
    storage: Storage, place: tuple[str | None, str | None], moment: str, tmp_path: Path
) -> None:
    content = CONTENT * 40  # some 20 MB: several parts on S3
    digest = hashlib.sha256(content).hexdigest()
    path = received(storage, content)
    code = _STALL + moment + "\nstorage.put(Path(path), digest)"
    with start(code, place, tmp_path / "files", path, digest) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stalled\n"
        process.kill()

    assert digest not in storage
    assert list(storage.digests()) == []

    storage.put(path, digest)
    assert content_of(storage, digest) == content

    storage.remove_stale_incoming(timedelta(0))
    assert list(storage.incoming.iterdir()) == []
    assert content_of(storage, digest) == content


_MEASURE = """
import resource

def peak():
    # What the parent had is counted as ours by getrusage where the kernel can say better.
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

def no_link(*_):
    raise OSError("no links here")

module.os.link = no_link
before = peak()
storage.put(Path(path), digest)
with storage.open(digest) as blob:
    received = sum(map(len, blob))
print(received, peak() - before)
"""


@pytest.mark.parametrize(
    ("place", "size"),
    [("local", 256 * MIB), ("s3", 128 * MIB)],
    indirect=["place"],
    ids=["local", "s3"],
)
def test_memory_does_not_grow_with_the_size_of_the_blob(
    place: tuple[str | None, str | None], size: int, tmp_path: Path
) -> None:
    path = tmp_path / "large.whl"
    with path.open("wb") as file:
        file.truncate(size)

    with start(_MEASURE, place, tmp_path / "files", path, DIGEST) as process:
        output, _ = process.communicate()

    received_size, growth = map(int, output.split())
    assert received_size == size
    assert growth < 64 * MIB


# --- The local folder --------------------------------------------------------------------------


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

    with pytest.raises(OSError, match="No space left"):
        local.put(path, DIGEST)

    assert DIGEST not in local
    assert list(local.incoming.iterdir()) == [path]


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

    local.put(received(local), DIGEST)

    root = tmp_path / "files"
    leaf = root / DIGEST[:2] / DIGEST[2:4]
    assert journal == [flush_of(leaf), flush_of(leaf.parent), flush_of(root)]


def test_the_folders_of_a_new_local_storage_are_flushed(
    journal: list[tuple[str, Path]], tmp_path: Path
) -> None:
    LocalStorage(tmp_path / "data" / "files")

    assert journal == [
        flush_of(tmp_path),
        flush_of(tmp_path / "data"),
        flush_of(tmp_path / "data" / "files"),
    ]


# --- S3 ----------------------------------------------------------------------------------------


def test_an_s3_blob_can_be_fetched_from_its_url_under_its_filename(s3: Storage) -> None:
    keep(s3)

    url = s3.url(DIGEST, filename="naïve 1.0.whl", expires_in=timedelta(minutes=5))

    assert url is not None
    with urlopen(url) as response:
        assert response.read() == CONTENT
        assert response.headers["Content-Disposition"] == (
            "attachment; filename*=UTF-8''na%C3%AFve%201.0.whl"
        )
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["300"]


def test_an_s3_url_is_signed_as_the_driver_would_sign_it(s3: Storage) -> None:
    import obstore

    assert isinstance(s3, S3Storage)
    url = obstore.sign(s3._store, "GET", f"a/{DIGEST}", timedelta(minutes=5))
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    scope = query["X-Amz-Credential"].partition("/")[2]

    again = storage_module._signed(
        url.partition("?")[0], query, scope, os.environ["AWS_SECRET_ACCESS_KEY"]
    )

    assert again == url


def test_an_s3_url_comes_without_filename_when_the_secret_is_not_at_hand(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")

    url = s3.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=5))

    assert url is not None
    assert "disposition" not in url
    with urlopen(url) as response:
        assert response.read() == CONTENT


def test_an_s3_url_of_a_missing_blob_leads_nowhere(s3: Storage) -> None:
    url = s3.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=5))

    assert url is not None
    with pytest.raises(HTTPError, match=r"40[34]") as caught:
        urlopen(url)
    caught.value.close()


def test_an_s3_blob_has_no_file(s3: Storage) -> None:
    keep(s3)

    with s3.open(DIGEST) as blob:
        assert blob.file is None


def test_an_s3_prefix_is_a_storage_of_its_own(signed_in: S3Server, tmp_path: Path) -> None:
    prefix = next(_prefixes)
    whole, one, deeper, similar = (
        open_storage(signed_in.url + end, tmp_path, s3_endpoint=signed_in.endpoint)
        for end in ("", f"/{prefix}", f"/{prefix}/deeper/", f"/{prefix}-too")
    )

    keep(one)

    assert list(one.digests()) == [DIGEST]
    for other in (whole, deeper, similar):
        assert DIGEST not in other
        assert list(other.digests()) == []
    url = one.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=5))
    assert urlsplit(url).path == f"/{signed_in.bucket}/{prefix}/{DIGEST}"


def test_s3_digests_go_on_after_the_first_page_of_the_list(s3: Storage) -> None:
    digests = {keep(s3, b"%d" % number) for number in range(2 * PAGE_SIZE + 1)}

    assert sorted(s3.digests()) == sorted(digests)


def test_a_bucket_that_is_not_there_is_said_in_one_line(
    signed_in: S3Server, tmp_path: Path
) -> None:
    storage = open_storage("s3://no-such-bucket", tmp_path, s3_endpoint=signed_in.endpoint)

    with pytest.raises(StorageUnavailable, match=r"\AThe bucket no-such-bucket refused: .+\Z"):
        keep(storage)
    with pytest.raises(StorageUnavailable, match="no-such-bucket"):
        list(storage.digests())


def test_a_service_that_does_not_answer_is_unavailable(signed_in: S3Server, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        storage = open_storage(signed_in.url, tmp_path, s3_endpoint=endpoint)

        with pytest.raises(StorageUnavailable, match=signed_in.bucket):
            storage.open(DIGEST)


# --- Parts that clients put --------------------------------------------------------------------

SOON = timedelta(minutes=5)


@pytest.fixture
def parts(signed_in: S3Server, tmp_path: Path) -> S3Parts:
    """The parts of a storage that clients reach under another address than the index does."""
    storage = open_storage(
        f"{signed_in.url}/{next(_prefixes)}",
        tmp_path / "files",
        s3_endpoint=signed_in.endpoint,
        s3_public_endpoint=signed_in.endpoint.replace("127.0.0.1", "localhost"),
    )
    assert storage.parts is not None
    return storage.parts


def put_part(parts: S3Parts, upload: str, number: int, content: bytes) -> None:
    url = parts.url(upload, number, size=len(content), expires_in=SOON)
    assert url is not None
    put_at(url, content)


def part_content(parts: S3Parts, upload: str, number: int) -> bytes:
    with parts.open(upload, number) as blob:
        return b"".join(blob)


def test_what_a_client_puts_at_the_url_of_a_part_can_be_read(parts: S3Parts) -> None:
    put_part(parts, "up1", 1, CONTENT)
    put_part(parts, "up1", 2, b"the rest")

    assert part_content(parts, "up1", 1) == CONTENT
    assert part_content(parts, "up1", 2) == b"the rest"
    assert parts.sizes("up1") == {1: len(CONTENT), 2: 8}


def test_a_part_that_is_put_again_is_replaced(parts: S3Parts) -> None:
    put_part(parts, "up1", 1, CONTENT)
    put_part(parts, "up1", 1, b"anew")

    assert part_content(parts, "up1", 1) == b"anew"


def test_a_part_that_nobody_put_is_missing(parts: S3Parts) -> None:
    put_part(parts, "up1", 1, CONTENT)

    with pytest.raises(PartMissing, match="part 2"):
        parts.open("up1", 2)
    assert parts.sizes("other") == {}


def test_the_url_of_a_part_leads_to_its_folder_and_says_how_long_and_how_large(
    parts: S3Parts, signed_in: S3Server
) -> None:
    url = parts.url("up1", 12, size=4711, expires_in=SOON)

    assert url is not None
    address, query = urlsplit(url), parse_qs(urlsplit(url).query)
    assert address.hostname == "localhost"
    assert re.fullmatch(rf"/{signed_in.bucket}/test/run-\d+/parts/up1/12", address.path)
    assert query["X-Amz-Expires"] == ["300"]
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_the_url_of_a_part_is_signed_as_the_makers_of_the_protocol_sign_it(
    parts: S3Parts, signed_in: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore import auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from botocore.credentials import Credentials  # type: ignore[import-untyped]

    url = parts.url("up1", 1, size=4711, expires_in=SOON)

    assert url is not None
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    moment = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_, **__: moment)
    environment = signed_in.environment
    credentials = Credentials(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    )
    request = AWSRequest("PUT", url.partition("?")[0], headers={"Content-Length": "4711"})
    auth.S3SigV4QueryAuth(credentials, "s3", environment["AWS_REGION"], 300).add_auth(request)
    theirs = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
    assert query == theirs


def test_the_url_of_a_part_takes_any_size_when_the_secret_is_not_at_hand(
    parts: S3Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")

    url = parts.url("up1", 1, size=1, expires_in=SOON)

    assert url is not None
    assert "X-Amz-SignedHeaders=host&" in url
    put_at(url, CONTENT)
    assert parts.sizes("up1") == {1: len(CONTENT)}


def test_parts_that_are_removed_are_gone_and_others_stay(parts: S3Parts) -> None:
    for number in range(1, PAGE_SIZE + 2):
        put_part(parts, "up1", number, b"x")
    put_part(parts, "up10", 1, b"y")

    parts.remove("up1")
    parts.remove("never-was".replace("-", ""))

    assert parts.sizes("up1") == {}
    assert parts.sizes("up10") == {1: 1}


def test_uploads_with_parts_are_listed_once_each(parts: S3Parts) -> None:
    for upload, number in itertools.product(("up1", "up10", "Up2"), range(1, PAGE_SIZE)):
        put_part(parts, upload, number, b"x")

    assert sorted(parts.uploads()) == ["Up2", "up1", "up10"]


def test_parts_are_no_blobs_and_blobs_are_no_parts(signed_in: S3Server, tmp_path: Path) -> None:
    storage = open_storage(
        f"{signed_in.url}/{next(_prefixes)}",
        tmp_path,
        s3_endpoint=signed_in.endpoint,
        s3_public_endpoint=signed_in.endpoint,
    )
    assert storage.parts is not None
    keep(storage)
    put_part(storage.parts, DIGEST[:40], 1, CONTENT)

    assert list(storage.digests()) == [DIGEST]
    assert list(storage.parts.uploads()) == [DIGEST[:40]]
    storage.parts.remove(DIGEST[:40])
    assert DIGEST in storage


@pytest.mark.parametrize(
    ("upload", "number"), [("", 1), ("../a", 1), ("a/b", 1), ("ä", 1), ("a", 0)]
)
def test_a_part_of_another_form_is_refused(parts: S3Parts, upload: str, number: int) -> None:
    with pytest.raises(ValueError, match=r"An upload is|Parts are numbered"):
        parts.url(upload, number, size=1, expires_in=SOON)


def test_clients_are_not_sent_to_an_endpoint_that_only_the_index_may_reach(s3: Storage) -> None:
    assert s3.parts is not None
    assert not s3.parts.offered
    assert s3.parts.url("up1", 1, size=1, expires_in=SOON) is None


def test_clients_reach_the_provider_itself(signed_in: S3Server, tmp_path: Path) -> None:
    storage = open_storage("s3://bucket/prefix", tmp_path)

    assert storage.parts is not None
    url = storage.parts.url("up1", 1, size=1, expires_in=SOON)
    assert url is not None
    assert url.startswith("https://")


def test_clients_do_not_reach_an_endpoint_of_the_environment(
    signed_in: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", signed_in.endpoint)

    storage = open_storage("s3://bucket/prefix", tmp_path)

    assert storage.parts is not None
    assert not storage.parts.offered


def test_a_local_folder_takes_no_parts(local: LocalStorage) -> None:
    assert local.parts is None


# --- Choosing ----------------------------------------------------------------------------------


def test_without_a_url_files_are_kept_in_the_folder(tmp_path: Path) -> None:
    storage = open_storage(None, tmp_path / "files")

    assert isinstance(storage, LocalStorage)
    assert storage.incoming == tmp_path / "files" / "incoming"
    assert storage.incoming.is_dir()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "/srv/files",
        "file:///srv/files",
        "s3:",
        "s3://",
        "s3:///prefix",
        "s3://b",
        "s3://user@bucket",
        "s3://bucket//prefix",
        "s3://bucket/a/../b",
        "s3://bucket/with space",
        "s3://bucket/prefix?region=x",
        "S3://bucket",
        "gs://bucket",
    ],
)
def test_a_url_of_another_form_is_refused_by_the_name_of_the_setting(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="GREENROOM_STORAGE_URL accepts s3://bucket"):
        open_storage(url, tmp_path)


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "ftp://127.0.0.1", "http://"])
def test_an_endpoint_of_another_form_is_refused_by_the_name_of_the_setting(
    endpoint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="GREENROOM_S3_ENDPOINT accepts"):
        open_storage("s3://bucket", tmp_path, s3_endpoint=endpoint)
    with pytest.raises(ValueError, match="GREENROOM_S3_PUBLIC_ENDPOINT accepts"):
        open_storage("s3://bucket", tmp_path, s3_public_endpoint=endpoint)


def test_without_the_extra_an_s3_url_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)

    with pytest.raises(StorageUnavailable, match=r"install greenroom\[s3\]"):
        open_storage("s3://bucket", tmp_path)


def test_the_driver_is_not_loaded_for_a_local_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    code = "storage.put(Path(path), digest); print('obstore' in sys.modules)"

    with start(code, (None, None), tmp_path / "files", path, DIGEST) as process:
        output, _ = process.communicate()

    assert output == "False\n"
