"""Every sentence here holds for the local folder and for S3."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.storage import BlobMissing, Shelf, Storage, StorageUnavailable, open_storage
from tests.storage.keeping import CONTENT, DIGEST, MIB, OTHER, content_of, keep, received
from tests.storage.processes import start

# --- Keeping and reading -------------------------------------------------------------------------


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
    with pytest.raises(StorageUnavailable, match="nothing"):
        storage.put(tmp_path / "nothing", DIGEST)

    assert DIGEST not in storage


def test_several_files_are_put_at_once_and_may_be_there(storage: Storage) -> None:
    contents = [b"one", b"two", CONTENT]
    keep(storage, contents[0])
    files = {hashlib.sha256(content).hexdigest(): content for content in contents}

    arriving: dict[str, Path | bytes] = {
        digest: received(storage, content) for digest, content in files.items()
    }
    of_bytes = hashlib.sha256(b"two").hexdigest()
    storage.put_all(arriving | {of_bytes: b"two"})

    assert {digest: content_of(storage, digest) for digest in files} == files
    assert sorted(storage.digests()) == sorted(files)


# --- What is there -------------------------------------------------------------------------------


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


# --- Incoming files ------------------------------------------------------------------------------


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


# --- At once, killed, and large ------------------------------------------------------------------


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


_BEFORE_THE_RENAME = "os.replace = stall"


_IN_THE_MIDDLE_OF_A_COPY = """
def no_link(*_):
    raise OSError("no links here")

def half_a_copy(source, target):
    Path(target).write_bytes(Path(source).read_bytes()[:1000])
    stall()

os.link = no_link
shutil.copyfile = half_a_copy
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

os.link = no_link
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


# --- Aside ---------------------------------------------------------------------------------------


def on_shelves(storage: Storage) -> dict[Shelf, list[str]]:
    return {shelf: list(storage.digests(shelf=shelf)) for shelf in Shelf}


@pytest.mark.parametrize("aside", [Shelf.TRASH, Shelf.DAMAGED])
def test_a_blob_that_is_put_aside_comes_back_as_it_was(storage: Storage, aside: Shelf) -> None:
    keep(storage)

    assert storage.move(DIGEST, Shelf.KEPT, aside)

    assert DIGEST not in storage
    assert on_shelves(storage) == {shelf: [DIGEST] if shelf is aside else [] for shelf in Shelf}
    assert (storage.size(DIGEST), storage.size(DIGEST, aside)) == (None, len(CONTENT))
    assert storage.move(DIGEST, aside, Shelf.KEPT)
    assert content_of(storage, DIGEST) == CONTENT
    assert on_shelves(storage)[aside] == []


def test_what_is_not_there_is_not_moved(storage: Storage) -> None:
    keep(storage)

    assert not storage.move(DIGEST, Shelf.TRASH, Shelf.KEPT)
    assert not storage.move(OTHER, Shelf.KEPT, Shelf.TRASH)

    assert on_shelves(storage)[Shelf.KEPT] == [DIGEST]


def test_a_blob_that_is_moved_where_it_lies_already_replaces_it(storage: Storage) -> None:
    keep(storage)
    storage.move(DIGEST, Shelf.KEPT, Shelf.TRASH)
    keep(storage)

    assert storage.move(DIGEST, Shelf.KEPT, Shelf.TRASH)

    assert on_shelves(storage)[Shelf.TRASH] == [DIGEST]


def test_what_is_put_leaves_the_trash_alone_and_is_deleted_there_apart(storage: Storage) -> None:
    keep(storage)
    storage.move(DIGEST, Shelf.KEPT, Shelf.TRASH)
    keep(storage)

    storage.delete(DIGEST, Shelf.TRASH)
    storage.delete(DIGEST, Shelf.TRASH)

    assert on_shelves(storage) == {Shelf.KEPT: [DIGEST], Shelf.TRASH: [], Shelf.DAMAGED: []}
    assert content_of(storage, DIGEST) == CONTENT


def test_a_blob_that_was_moved_is_young(storage: Storage) -> None:
    keep(storage)
    storage.move(DIGEST, Shelf.KEPT, Shelf.TRASH)

    def older_than(age: timedelta) -> list[str]:
        return list(storage.digests(older_than=age, shelf=Shelf.TRASH))

    assert older_than(timedelta(minutes=5)) == []
    assert older_than(timedelta(0)) == [DIGEST]


def test_a_size_is_that_of_what_is_kept(storage: Storage) -> None:
    keep(storage)

    assert storage.size(DIGEST) == len(CONTENT)
    assert storage.size(OTHER) is None


def test_a_storage_is_marked_for_everybody_who_opens_it(
    place: tuple[str | None, str | None], tmp_path: Path
) -> None:
    url, endpoint = place
    one, other = (open_storage(url, tmp_path / "files", s3_endpoint=endpoint) for _ in range(2))

    assert (one.marker(), other.marker()) == (None, None)
    one.mark("somebody's")
    assert (one.marker(), other.marker()) == ("somebody's", "somebody's")
    other.mark("mine")
    assert one.marker() == "mine"
    assert on_shelves(one) == {shelf: [] for shelf in Shelf}
