"""Uploads that go past the index: a client puts parts into the storage, the index reads them."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import File, FileUpload, RoleName, UploadState
from greenroom.registry import accounts, drafts, file_uploads, projects
from greenroom.registry.errors import InvalidFile, Refusal, UploadConflict, WrongDigest
from greenroom.registry.file_uploads import PRESIGNED, Announcement
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import Actor
from greenroom.settings import Settings
from greenroom.storage import S3Parts, open_storage
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import Databases, FakeClock
from tests.s3_server import S3Server, put_at, s3_server

PART = 400


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def premises(
    settings: Settings,
    clock: FakeClock,
    databases: Databases,
    server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Premises:
    """With an S3-compatible storage, small parts, and a user who has opened a session."""
    monkeypatch.setattr(file_uploads, "PART_SIZE", PART)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    storage = open_storage(
        f"{server.url}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}",
        settings.files,
        s3_endpoint=server.endpoint,
        s3_public_endpoint=server.endpoint,
    )
    premises = Premises(databases(settings.sqlalchemy_url), storage, settings, clock)
    with premises.writing() as index:
        actor = Actor(factories.make_user(index, "ada"))
        drafts.open_session(index, actor, "example", Version("1.0"))
    return premises


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = make_wheel(tmp_path)
    assert PART < path.stat().st_size < 10 * PART
    return path


def ada(index: Index) -> Actor:
    return Actor(accounts.get_user(index.session, "ada"))


def announce(premises: Premises, path: Path, sha256: str | None = None) -> str:
    """Announce a file; gives the key of its upload."""
    content = path.read_bytes()
    digests = {"sha256": sha256 or hashlib.sha256(content).hexdigest()}
    with premises.writing() as index:
        announcement = Announcement(path.name, len(content), digests, PRESIGNED)
        draft = factories.find_draft(index, "example", "1.0")
        assert draft is not None
        return file_uploads.announce(index, ada(index), draft, announcement, (PRESIGNED,)).key


def get(index: Index, key: str) -> FileUpload:
    return index.session.scalars(select(FileUpload).where(FileUpload.key == key)).one()


def urls(premises: Premises, key: str, username: str = "ada") -> list[str]:
    """Where a user may put the parts."""
    with premises.reading() as index:
        actor, upload = Actor(accounts.get_user(index.session, username)), get(index, key)
        parts = file_uploads.presigned_parts(index, actor, upload.draft, upload)
        return [part.url for part in parts]


def pieces(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[start : start + PART] for start in range(0, len(content), PART)]


def put_all(premises: Premises, key: str, path: Path) -> None:
    for url, piece in zip(urls(premises, key), pieces(path), strict=True):
        put_at(url, piece)


def complete(premises: Premises, key: str) -> None:
    """Complete an upload as a face does."""
    with premises.writing() as index:
        upload = get(index, key)
        file_uploads.begin_completion(index, ada(index), upload.draft, upload)
    try:
        with premises.reading() as index:
            upload = get(index, key)
            file_uploads.received(upload)
            index.session.expunge_all()
        with (
            file_uploads.assemble(premises.settings, premises.storage, upload) as assembled,
            premises.writing() as index,
        ):
            upload = get(index, key)
            file_uploads.complete(index, ada(index), upload.draft, upload, assembled)
    except Refusal as refusal:
        with premises.writing() as index:
            file_uploads.fail(index, get(index, key), refusal.details)
        raise


def state(premises: Premises, key: str) -> str:
    with premises.reading() as index:
        return get(index, key).state


def problems(premises: Premises, key: str) -> list[str]:
    with premises.reading() as index:
        return get(index, key).problems


def staged(premises: Premises) -> list[str]:
    with premises.reading() as index:
        return list(index.session.scalars(select(File.filename)))


def parts_of(premises: Premises) -> S3Parts:
    assert premises.storage.parts is not None
    return premises.storage.parts


# Completing


def test_a_file_whose_parts_were_put_is_staged_and_its_parts_are_gone(
    premises: Premises, wheel: Path
) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)

    complete(premises, key)

    assert state(premises, key) == UploadState.COMPLETED
    assert staged(premises) == [wheel.name]
    with premises.storage.open(hashlib.sha256(wheel.read_bytes()).hexdigest()) as blob:
        assert b"".join(blob) == wheel.read_bytes()
    assert parts_of(premises).sizes(key) == {}


def test_nothing_is_left_among_incoming_files(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)

    complete(premises, key)

    assert list(premises.storage.incoming.iterdir()) == []


def test_parts_may_be_put_in_any_order_and_again(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    places = list(zip(urls(premises, key), pieces(wheel), strict=True))
    put_at(places[0][0], b"x" * PART)
    for url, piece in reversed(places):
        put_at(url, piece)

    complete(premises, key)

    assert staged(premises) == [wheel.name]


def test_a_file_that_lacks_parts_fails_and_each_is_named(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    places, count = urls(premises, key), len(pieces(wheel))
    put_at(places[0], pieces(wheel)[0][:-1])
    put_at(places[-1], pieces(wheel)[-1] + b"!")

    with pytest.raises(UploadConflict, match=r"^Not all of 'example-1.0-py3-none-any.whl' has"):
        complete(premises, key)

    assert problems(premises, key) == [
        f"Part 1 of {count} has {PART - 1} bytes instead of {PART}.",
        *(f"Part {number} of {count} has not arrived." for number in range(2, count)),
        f"Part {count} of {count} has {len(pieces(wheel)[-1]) + 1} bytes instead of "
        f"{len(pieces(wheel)[-1])}.",
    ]
    assert state(premises, key) == UploadState.ERROR
    assert parts_of(premises).sizes(key) == {}


def test_bytes_that_are_not_those_that_were_announced_are_not_taken(
    premises: Premises, wheel: Path, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path / "other", salt="other")
    key = announce(premises, wheel)
    changed = bytearray(wheel.read_bytes())
    changed[-30] ^= 1
    damaged = tmp_path / wheel.name
    damaged.write_bytes(changed)
    put_all(premises, key, damaged)
    assert other.name == wheel.name

    with pytest.raises(WrongDigest, match="sha256"):
        complete(premises, key)

    assert state(premises, key) == UploadState.ERROR
    assert staged(premises) == []
    assert list(premises.storage.digests()) == []


def test_what_is_no_distribution_is_not_taken(premises: Premises, tmp_path: Path) -> None:
    path = tmp_path / "example-1.0-py3-none-any.whl"
    path.write_bytes(b"no wheel at all" * 50)
    key = announce(premises, path)
    put_all(premises, key, path)

    with pytest.raises(InvalidFile):
        complete(premises, key)

    assert list(premises.storage.digests()) == []
    assert parts_of(premises).sizes(key) == {}


def test_a_part_that_vanishes_while_the_file_is_read_fails_it(
    premises: Premises, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)
    parts = parts_of(premises)
    sizes = parts.sizes(key)
    parts.remove(key)
    monkeypatch.setattr(S3Parts, "sizes", lambda self, upload: sizes)

    with pytest.raises(UploadConflict, match=r"Part 1 of .* is gone"):
        complete(premises, key)


def test_a_part_that_is_replaced_by_a_longer_one_while_the_file_is_read_fails_it(
    premises: Premises, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)
    sizes = parts_of(premises).sizes(key)
    put_at(urls(premises, key)[1], b"x" * (PART + 1))
    monkeypatch.setattr(S3Parts, "sizes", lambda self, upload: sizes)

    with pytest.raises(
        UploadConflict, match=f"Part 2 of .* has {PART + 1} bytes instead of {PART}"
    ):
        complete(premises, key)


# Places


def test_parts_follow_one_another_and_are_as_long_as_the_file(
    premises: Premises, wheel: Path
) -> None:
    key = announce(premises, wheel)

    with premises.reading() as index:
        upload = get(index, key)
        parts = file_uploads.presigned_parts(index, ada(index), upload.draft, upload)

    assert [part.number for part in parts] == list(range(1, len(pieces(wheel)) + 1))
    assert [part.start for part in parts] == list(range(0, wheel.stat().st_size, PART))
    assert [part.size for part in parts] == [len(piece) for piece in pieces(wheel)]
    assert all(f"/parts/{key}/{part.number}?" in part.url for part in parts)


@pytest.mark.parametrize("size", [1, PART, PART + 1, 200 * PART, 200 * PART + 1, 10**15 + 7])
def test_a_file_of_any_size_has_at_most_so_many_parts(premises: Premises, size: int) -> None:
    sizes = file_uploads._part_sizes(size)

    assert sum(sizes) == size
    assert len(sizes) <= file_uploads.MOST_PARTS
    assert all(one == file_uploads.part_size(size) for one in sizes[:-1])


def test_the_numbers_of_the_parts_that_have_arrived_as_a_whole_are_told(
    premises: Premises, wheel: Path
) -> None:
    key = announce(premises, wheel)
    places = urls(premises, key)
    put_at(places[0], b"short")
    put_at(places[1], pieces(wheel)[1])

    with premises.reading() as index:
        assert file_uploads.arrived_parts(index, get(index, key)) == [2]


def test_urls_are_good_as_long_as_the_upload_is(
    premises: Premises, wheel: Path, clock: FakeClock
) -> None:
    key = announce(premises, wheel)
    clock.advance(timedelta(hours=23))

    query = parse_qs(urlsplit(urls(premises, key)[0]).query)

    assert query["X-Amz-Expires"] == ["3600"]


def test_urls_are_good_for_a_week_at_most(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    with premises.writing() as index:
        upload = get(index, key)
        file_uploads.extend(index, ada(index), upload.draft, upload, timedelta(days=30))

    query = parse_qs(urlsplit(urls(premises, key)[0]).query)

    assert query["X-Amz-Expires"] == [str(7 * 24 * 3600)]


def test_who_may_not_stage_gets_no_urls(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    with premises.writing() as index:
        factories.make_user(index, "mia")
        project = projects.get(index, "example")
        factories.make_token(index, factories.make_user(index, "eve"))
        factories.add_role(
            index, project, accounts.get_user(index.session, "mia"), RoleName.MAINTAINER
        )

    assert len(urls(premises, key, "mia")) == len(pieces(wheel))
    assert urls(premises, key, "eve") == []


def test_an_upload_that_has_ended_has_no_urls(
    premises: Premises, wheel: Path, clock: FakeClock
) -> None:
    key = announce(premises, wheel)

    clock.advance(file_uploads.LIFETIME)

    assert urls(premises, key) == []


# Ending


class Undone(Exception):
    """What happens before a commit."""


def cancel(premises: Premises, key: str, happens: Exception | None = None) -> None:
    with premises.writing() as index:
        upload = get(index, key)
        file_uploads.cancel(index, ada(index), upload.draft, upload)
        if happens is not None:
            raise happens


def test_canceling_removes_the_parts(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)

    cancel(premises, key)

    assert parts_of(premises).sizes(key) == {}


def test_canceling_that_is_undone_leaves_the_parts(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)

    with pytest.raises(Undone):
        cancel(premises, key, Undone())

    assert len(parts_of(premises).sizes(key)) == len(pieces(wheel))


def test_housekeeping_removes_what_is_put_after_the_upload_was_canceled(
    premises: Premises, wheel: Path
) -> None:
    key = announce(premises, wheel)
    places = urls(premises, key)
    cancel(premises, key)
    put_at(places[0], pieces(wheel)[0])
    assert parts_of(premises).sizes(key) == {1: PART}

    report = keep_house(premises)

    assert report.uploads_cleared == 1
    assert parts_of(premises).sizes(key) == {}


def test_housekeeping_removes_the_parts_of_uploads_that_fell_due(
    premises: Premises, wheel: Path, clock: FakeClock
) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)
    clock.advance(file_uploads.LIFETIME)

    keep_house(premises)

    assert list(parts_of(premises).uploads()) == []


def test_housekeeping_removes_the_parts_of_a_draft_that_was_discarded(
    premises: Premises, wheel: Path
) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)
    with premises.writing() as index:
        drafts.discard(index, ada(index), get(index, key).draft)

    assert keep_house(premises).uploads_cleared == 1
    assert list(parts_of(premises).uploads()) == []


def test_housekeeping_leaves_parts_that_are_waited_for(premises: Premises, wheel: Path) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)

    assert keep_house(premises).uploads_cleared == 0
    complete(premises, key)

    assert staged(premises) == [wheel.name]


def test_housekeeping_leaves_parts_that_are_being_read_until_their_reader_is_gone(
    premises: Premises, wheel: Path, clock: FakeClock
) -> None:
    key = announce(premises, wheel)
    put_all(premises, key, wheel)
    with premises.writing() as index:
        upload = get(index, key)
        file_uploads.begin_completion(index, ada(index), upload.draft, upload)

    assert keep_house(premises).uploads_cleared == 0
    assert len(parts_of(premises).sizes(key)) == len(pieces(wheel))
    clock.advance(drafts.COMPLETION_LEASE)
    keep_house(premises)

    assert state(premises, key) == UploadState.ERROR
    assert list(parts_of(premises).uploads()) == []
