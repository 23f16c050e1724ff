"""Uploads that go past the index: a client puts parts into the storage, the index reads them."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import PRESIGNED, File, RoleName, UploadSession, UploadState
from greenroom.registry import (
    accounts,
    announced,
    drafts,
    projects,
    upload_sessions,
)
from greenroom.registry.errors import InvalidFile, UploadConflict, WrongDigest
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_sessions import (
    Announcement,
    Place,
)
from greenroom.settings import Settings
from greenroom.storage import Parts, S3Parts, StorageUnavailable, open_storage
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import Databases, FakeClock
from tests.jobs import do_due, states
from tests.s3_server import S3Server, put_at, s3_server

PART = 400


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def services(
    settings: Settings,
    clock: FakeClock,
    databases: Databases,
    server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Services:
    """With an S3-compatible storage, small parts, and a user who has opened a session."""
    monkeypatch.setattr(upload_sessions, "PART_SIZE", PART)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    storage = open_storage(
        f"{server.url}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}",
        settings.files,
        s3_endpoint=server.endpoint,
        s3_public_endpoint=server.endpoint,
    )
    services = Services(databases(settings.sqlalchemy_url), storage, settings, clock)
    with services.writing() as uow:
        actor = Person(factories.make_user(uow, "ada"))
        drafts.open_new(uow, actor, "example", Version("1.0"))
    return services


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = make_wheel(tmp_path)
    assert PART < path.stat().st_size < 10 * PART
    return path


def owner(uow: UnitOfWork) -> Person:
    return Person(accounts.get_user(uow.db, "ada"))


def announce(services: Services, path: Path, sha256: str | None = None) -> str:
    """Announce a file; gives the key of its upload."""
    content = path.read_bytes()
    digests = {"sha256": sha256 or hashlib.sha256(content).hexdigest()}
    with services.writing() as uow:
        announcement = Announcement(path.name, len(content), digests, PRESIGNED)
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        return upload_sessions.announce(uow, owner(uow), draft, announcement, (PRESIGNED,)).key


def get(uow: UnitOfWork, key: str) -> UploadSession:
    return uow.db.scalars(select(UploadSession).where(UploadSession.key == key)).one()


def urls(services: Services, key: str, username: str = "ada") -> list[str]:
    """Where a user may put the parts."""
    with services.reading() as uow:
        actor, upload = Person(accounts.get_user(uow.db, username)), get(uow, key)
        parts = upload_sessions.presigned_parts(uow, actor, upload.draft, upload)
        return [part.url for part in parts]


def pieces(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[start : start + PART] for start in range(0, len(content), PART)]


def put_all(services: Services, key: str, path: Path) -> None:
    for url, piece in zip(urls(services, key), pieces(path), strict=True):
        put_at(url, piece)


def complete(services: Services, key: str) -> None:
    """Complete an upload; a worker does the jobs."""
    with services.reading() as uow:
        place = Place(get(uow, key).draft.key, key)
    try:
        upload_sessions.complete_upload(services, owner, place)
    finally:
        do_due(services)


def state(services: Services, key: str) -> str:
    with services.reading() as uow:
        return get(uow, key).state


def problems(services: Services, key: str) -> list[str]:
    with services.reading() as uow:
        return get(uow, key).problems


def staged(services: Services) -> list[str]:
    with services.reading() as uow:
        return list(uow.db.scalars(select(File.filename)))


def parts_of(services: Services) -> Parts:
    assert services.storage.parts is not None
    return services.storage.parts


# Completing


def test_a_file_whose_parts_were_put_is_staged_and_its_parts_are_gone(
    services: Services, wheel: Path
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)

    complete(services, key)

    assert state(services, key) == UploadState.COMPLETED
    assert staged(services) == [wheel.name]
    with services.storage.open(hashlib.sha256(wheel.read_bytes()).hexdigest()) as blob:
        assert b"".join(blob) == wheel.read_bytes()
    assert parts_of(services).sizes(key) == {}


def test_nothing_is_left_among_incoming_files(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)

    complete(services, key)

    assert list(services.storage.incoming.iterdir()) == []


def test_parts_may_be_put_in_any_order_and_again(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    places = list(zip(urls(services, key), pieces(wheel), strict=True))
    put_at(places[0][0], b"x" * PART)
    for url, piece in reversed(places):
        put_at(url, piece)

    complete(services, key)

    assert staged(services) == [wheel.name]


def test_a_file_that_lacks_parts_fails_and_each_is_named(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    places, count = urls(services, key), len(pieces(wheel))
    put_at(places[0], pieces(wheel)[0][:-1])
    put_at(places[-1], pieces(wheel)[-1] + b"!")

    with pytest.raises(UploadConflict, match=r"^Not all of 'example-1.0-py3-none-any.whl' has"):
        complete(services, key)

    assert problems(services, key) == [
        f"Part 1 of {count} has {PART - 1} bytes instead of {PART}.",
        *(f"Part {number} of {count} has not arrived." for number in range(2, count)),
        f"Part {count} of {count} has {len(pieces(wheel)[-1]) + 1} bytes instead of "
        f"{len(pieces(wheel)[-1])}.",
    ]
    assert state(services, key) == UploadState.ERROR
    assert parts_of(services).sizes(key) == {}


def test_bytes_that_are_not_those_that_were_announced_are_not_taken(
    services: Services, wheel: Path, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path / "other", salt="other")
    key = announce(services, wheel)
    changed = bytearray(wheel.read_bytes())
    changed[-30] ^= 1
    damaged = tmp_path / wheel.name
    damaged.write_bytes(changed)
    put_all(services, key, damaged)
    assert other.name == wheel.name

    with pytest.raises(WrongDigest, match="sha256"):
        complete(services, key)

    assert state(services, key) == UploadState.ERROR
    assert staged(services) == []
    assert list(services.storage.digests()) == []


def test_what_is_no_distribution_is_not_taken(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "example-1.0-py3-none-any.whl"
    path.write_bytes(b"no wheel at all" * 50)
    key = announce(services, path)
    put_all(services, key, path)

    with pytest.raises(InvalidFile):
        complete(services, key)

    assert list(services.storage.digests()) == []
    assert parts_of(services).sizes(key) == {}


def test_a_part_that_vanishes_while_the_file_is_read_fails_it(
    services: Services, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    parts = parts_of(services)
    sizes = parts.sizes(key)
    parts.remove(key)
    monkeypatch.setattr(S3Parts, "sizes", lambda self, upload: sizes)

    with pytest.raises(UploadConflict, match=r"Part 1 of .* is gone"):
        complete(services, key)


def test_a_part_that_is_replaced_by_a_longer_one_while_the_file_is_read_fails_it(
    services: Services, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    sizes = parts_of(services).sizes(key)
    put_at(urls(services, key)[1], b"x" * (PART + 1))
    monkeypatch.setattr(S3Parts, "sizes", lambda self, upload: sizes)

    with pytest.raises(
        UploadConflict, match=f"Part 2 of .* has {PART + 1} bytes instead of {PART}"
    ):
        complete(services, key)


# Places


def test_parts_follow_one_another_and_are_as_long_as_the_file(
    services: Services, wheel: Path
) -> None:
    key = announce(services, wheel)

    with services.reading() as uow:
        upload = get(uow, key)
        parts = upload_sessions.presigned_parts(uow, owner(uow), upload.draft, upload)

    assert [part.number for part in parts] == list(range(1, len(pieces(wheel)) + 1))
    assert [part.start for part in parts] == list(range(0, wheel.stat().st_size, PART))
    assert [part.size for part in parts] == [len(piece) for piece in pieces(wheel)]
    assert all(f"/parts/{key}/{part.number}?" in part.url for part in parts)


@pytest.mark.parametrize("size", [1, PART, PART + 1, 200 * PART, 200 * PART + 1, 10**15 + 7])
def test_a_file_of_any_size_has_at_most_so_many_parts(services: Services, size: int) -> None:
    sizes = upload_sessions._part_sizes(size)

    assert sum(sizes) == size
    assert len(sizes) <= upload_sessions.MOST_PARTS
    assert all(one == upload_sessions.part_size(size) for one in sizes[:-1])


def test_the_numbers_of_the_parts_that_have_arrived_as_a_whole_are_told(
    services: Services, wheel: Path
) -> None:
    key = announce(services, wheel)
    places = urls(services, key)
    put_at(places[0], b"short")
    put_at(places[1], pieces(wheel)[1])

    with services.reading() as uow:
        assert upload_sessions.arrived_parts(uow, get(uow, key)) == [2]


def test_urls_are_good_as_long_as_the_upload_is(
    services: Services, wheel: Path, clock: FakeClock
) -> None:
    key = announce(services, wheel)
    clock.advance(timedelta(hours=23))

    query = parse_qs(urlsplit(urls(services, key)[0]).query)

    assert query["X-Amz-Expires"] == ["3600"]


def test_urls_are_good_for_a_week_at_most(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    with services.writing() as uow:
        upload = get(uow, key)
        upload_sessions.extend(uow, owner(uow), upload.draft, upload, timedelta(days=30))

    query = parse_qs(urlsplit(urls(services, key)[0]).query)

    assert query["X-Amz-Expires"] == [str(7 * 24 * 3600)]


def test_who_may_not_stage_gets_no_urls(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    with services.writing() as uow:
        factories.make_user(uow, "mia")
        project = projects.get(uow, "example")
        factories.make_token(uow, factories.make_user(uow, "eve"))
        factories.add_role(uow, project, accounts.get_user(uow.db, "mia"), RoleName.MAINTAINER)

    assert len(urls(services, key, "mia")) == len(pieces(wheel))
    assert urls(services, key, "eve") == []


def test_an_upload_that_has_ended_has_no_urls(
    services: Services, wheel: Path, clock: FakeClock
) -> None:
    key = announce(services, wheel)

    clock.advance(upload_sessions.LIFETIME)

    assert urls(services, key) == []


# Ending


class Undone(Exception):
    """What happens before a commit."""


def cancel(services: Services, key: str, happens: Exception | None = None) -> None:
    with services.writing() as uow:
        upload = get(uow, key)
        upload_sessions.cancel(uow, owner(uow), upload.draft, upload)
        if happens is not None:
            raise happens
    do_due(services)


def test_canceling_removes_the_parts(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)

    cancel(services, key)

    assert parts_of(services).sizes(key) == {}


def test_canceling_that_is_undone_leaves_the_parts(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)

    with pytest.raises(Undone):
        cancel(services, key, Undone())

    assert len(parts_of(services).sizes(key)) == len(pieces(wheel))


def test_housekeeping_removes_what_is_put_after_the_upload_was_canceled(
    services: Services, wheel: Path
) -> None:
    key = announce(services, wheel)
    places = urls(services, key)
    cancel(services, key)
    put_at(places[0], pieces(wheel)[0])
    assert parts_of(services).sizes(key) == {1: PART}

    report = keep_house(services)

    assert report.uploads_cleared == 1
    assert parts_of(services).sizes(key) == {}


def test_housekeeping_removes_the_parts_of_uploads_that_fell_due(
    services: Services, wheel: Path, clock: FakeClock
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    clock.advance(upload_sessions.LIFETIME)

    keep_house(services)

    assert list(parts_of(services).uploads()) == []


def test_housekeeping_removes_the_parts_of_a_draft_that_was_discarded(
    services: Services, wheel: Path
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    with services.writing() as uow:
        drafts.discard(uow, owner(uow), get(uow, key).draft)

    assert keep_house(services).uploads_cleared == 1
    assert list(parts_of(services).uploads()) == []


def test_a_draft_that_ends_takes_the_parts_of_its_uploads_along(
    services: Services, wheel: Path
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    with services.writing() as uow:
        drafts.discard(uow, owner(uow), get(uow, key).draft)

    assert do_due(services) == 1
    assert list(parts_of(services).uploads()) == []


def test_parts_are_removed_when_the_storage_is_back(
    services: Services, wheel: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    with monkeypatch.context() as outage:

        def unavailable(self: S3Parts, upload: str) -> None:
            raise StorageUnavailable("The storage does not answer.")

        outage.setattr(S3Parts, "remove", unavailable)
        cancel(services, key)

    assert state(services, key) == UploadState.CANCELED
    assert states(services) == [("remove-parts", "waiting", 1)]
    assert len(parts_of(services).sizes(key)) == len(pieces(wheel))
    clock.advance(timedelta(seconds=1))
    do_due(services)
    assert states(services) == [("remove-parts", "done", 2)]
    assert list(parts_of(services).uploads()) == []


def test_housekeeping_leaves_parts_that_are_waited_for(services: Services, wheel: Path) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)

    assert keep_house(services).uploads_cleared == 0
    complete(services, key)

    assert staged(services) == [wheel.name]


def test_housekeeping_leaves_parts_that_are_being_read_until_their_reader_is_gone(
    services: Services, wheel: Path, clock: FakeClock
) -> None:
    key = announce(services, wheel)
    put_all(services, key, wheel)
    with services.writing() as uow:
        upload = get(uow, key)
        upload_sessions.begin_completion(uow, owner(uow), upload.draft, upload)

    assert keep_house(services).uploads_cleared == 0
    assert len(parts_of(services).sizes(key)) == len(pieces(wheel))
    clock.advance(announced.COMPLETION_LEASE)
    keep_house(services)

    assert state(services, key) == UploadState.ERROR
    assert list(parts_of(services).uploads()) == []
