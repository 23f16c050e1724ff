"""File upload sessions (PEP 694), sentence by sentence: announced, sent, completed, canceled."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import (
    Draft,
    File,
    Project,
    RoleName,
    UploadPart,
    UploadSession,
    UploadState,
)
from greenroom.registry import (
    accounts,
    drafts,
    projects,
    publishing,
    roles,
    storage_identity,
    tokens,
    upload_sessions,
    upload_states,
)
from greenroom.registry.announced import COMPLETION_LEASE
from greenroom.registry.errors import (
    Ended,
    FileExists,
    InvalidFile,
    InvalidRequest,
    NotAllowed,
    NotFound,
    ProjectClosed,
    ReleaseClosed,
    SecondSdist,
    TooLarge,
    TooMany,
    UnknownMechanism,
    UploadConflict,
    WrongDigest,
    WrongOffset,
)
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_sessions import (
    HTTP_POST_BYTES,
    LIFETIME,
    RESUMABLE,
    Assembled,
)
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.registry.test_drafts import after, names, refused

INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WHEEL = "example-1.0-py3-none-any.whl"


def assemble(uow: UnitOfWork, upload: UploadSession) -> AbstractContextManager[Assembled]:
    whole = upload_sessions.arrived(upload)
    return upload_sessions.assemble(uow.settings, uow.storage, whole)


@pytest.fixture
def draft(uow: UnitOfWork, ada: Person) -> Draft:
    """An open session of `example` 1.0, which reserves the name."""
    return factories.open_new(uow, ada)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


@pytest.fixture
def pending(uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path) -> UploadSession:
    """The upload of the wheel, of which nothing has arrived."""
    return factories.announce(uow, ada, draft, wheel)


@pytest.fixture
def resumable(uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path) -> UploadSession:
    """The same, to come in parts."""
    return factories.announce(uow, ada, draft, wheel, mechanism=RESUMABLE)


@pytest.fixture
def completed(uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path) -> UploadSession:
    return factories.add_upload(uow, ada, draft, wheel)


def failed_upload(uow: UnitOfWork, ada: Person, draft: Draft, path: Path) -> UploadSession:
    """An upload whose completion failed, as nothing had arrived."""
    upload = factories.announce(uow, ada, draft, path)
    with pytest.raises(UploadConflict):
        factories.complete(uow, ada, draft, upload)
    return upload


def state(uow: UnitOfWork, upload: UploadSession) -> str:
    return upload_states.state(uow, upload).value


def shown(uow: UnitOfWork, draft: Draft) -> dict[str, str]:
    """What the session's status lists: files by name, and how they stand."""
    staged = dict.fromkeys(names(uow, draft), "completed")
    return staged | {u.filename: u.state.value for u in upload_states.unfinished(uow, draft)}


# Announcing


def test_what_is_announced_is_pending_for_a_day(
    uow: UnitOfWork, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    assert state(uow, pending) == "pending"
    assert (pending.filename, pending.size) == (WHEEL, wheel.stat().st_size)
    assert pending.expires == uow.now + LIFETIME
    assert upload_sessions.received(pending) == 0
    assert shown(uow, draft) == {WHEEL: "pending"}


def test_it_is_found_by_its_whole_key_in_its_own_session(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession
) -> None:
    other = factories.open_new(uow, ada, version="2.0")

    assert upload_sessions.by_key(uow.db, draft, pending.key) is pending
    assert upload_sessions.by_key(uow.db, other, pending.key) is None
    for key in ("", pending.key[:-1], pending.key + "A", "é" * 22, "\0" * 22, "0" * 22):
        assert upload_sessions.by_key(uow.db, draft, key) is None


def test_it_never_waits_longer_than_its_session(uow: UnitOfWork, ada: Person, wheel: Path) -> None:
    draft = factories.open_new(uow, ada)
    later = after(uow, draft.expires - uow.now - HOUR)

    upload = factories.announce(later, ada, draft, wheel)

    assert upload.expires == draft.expires == later.now + HOUR


@pytest.mark.parametrize("mechanism", ["", "vnd-elsewhere", "http-post-bytes ", "x" * 1000])
def test_an_unknown_mechanism_is_refused(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path, mechanism: str
) -> None:
    refusal = refused(
        uow,
        UnknownMechanism,
        lambda: factories.announce(uow, ada, draft, wheel, mechanism=mechanism),
    )
    assert HTTP_POST_BYTES in str(refusal)
    assert len(str(refusal)) < 300


OTHER_NAMES: list[tuple[str, str]] = [
    ("example.txt", "Invalid file name"),
    ("example-1.0.zip", "Invalid file name"),
    ("example-1.0-py3-none.whl", "Invalid file name"),
    ("../example-1.0.tar.gz", "Invalid file name"),
    ("a/example-1.0.tar.gz", "Invalid file name"),
    ("example-1.0\0.tar.gz", "Invalid file name"),
    ("éxample-1.0.tar.gz", "Invalid file name"),
    ("example-1.0-py3-none-linux_x86_64.whl", "Invalid file name"),
    ("other-1.0.tar.gz", "not of the project 'example'"),
    ("example-1.1.tar.gz", "not of the version 1.0"),
    ("example-1.0.post1.tar.gz", "not of the version 1.0"),
]


def test_a_name_that_cannot_be_of_this_session_is_refused(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    for filename, about in OTHER_NAMES:
        announcing = partial(factories.announce, uow, ada, draft, wheel, filename=filename)
        refused(uow, InvalidFile, announcing, about)


def test_another_spelling_of_the_version_is_of_this_session(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    upload = factories.announce(uow, ada, draft, wheel, filename="example-1.0.0.tar.gz")
    assert upload.filename == "example-1.0.0.tar.gz"


NO_DIGESTS: list[tuple[dict[str, str], str]] = [
    ({}, "secure function"),
    ({"md5": "0" * 32}, "secure function"),
    ({"md5": "0" * 32, "sha1": "0" * 40}, "secure function"),
    ({"sha256": ""}, "64 hexadecimal digits"),
    ({"sha256": "0" * 63}, "64 hexadecimal digits"),
    ({"sha256": "g" * 64}, "64 hexadecimal digits"),
    ({"sha256": "٠" * 64}, "64 hexadecimal digits"),  # noqa: RUF001 (digits, but not ours)
    ({"sha256": "0" * 64, "sha512": "0" * 64}, "128 hexadecimal digits"),
    ({"sha256": "0" * 64, "crc32": "0" * 8}, "no hash function"),
    ({"sha256": "0" * 64, "shake_128": "0" * 32}, "no hash function"),
    ({"sha256": "0" * 64, "\0": "0" * 32}, "no hash function"),
    ({"SHA256": "0" * 64}, "no hash function"),
]


def test_digests_that_cannot_be_right_are_refused(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    for digests, about in NO_DIGESTS:
        announcing = partial(factories.announce, uow, ada, draft, wheel, digests=digests)
        refused(uow, InvalidRequest, announcing, about)


def test_an_empty_file_is_refused(uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path) -> None:
    refused(uow, InvalidRequest, lambda: factories.announce(uow, ada, draft, wheel, size=0))


def test_a_published_name_is_refused(
    uow: UnitOfWork, ada: Person, wheel: Path, tmp_path: Path
) -> None:
    factories.release(uow, ada, wheel)
    draft = factories.open_new(uow, ada)
    other = make_wheel(tmp_path / "other", salt="other")

    for path in (wheel, other):
        refused(
            uow,
            FileExists,
            partial(factories.announce, uow, ada, draft, path),
            "File already exists",
        )


def test_published_content_under_another_name_is_refused(
    uow: UnitOfWork, ada: Person, wheel: Path
) -> None:
    factories.release(uow, ada, wheel)
    draft = factories.open_new(uow, ada)

    refused(
        uow,
        FileExists,
        lambda: factories.announce(uow, ada, draft, wheel, filename="example-1.0-py2-none-any.whl"),
        "the same content",
    )


def test_a_second_source_distribution_is_refused(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    factories.add_upload(uow, ada, draft, make_sdist(tmp_path))

    refused(
        uow,
        SecondSdist,
        lambda: factories.announce(
            uow, ada, draft, make_sdist(tmp_path), filename="example-1.0.0.tar.gz"
        ),
    )


def test_a_closed_release_or_project_takes_nothing(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    project = factories.release(uow, ada, make_wheel(tmp_path))
    draft = factories.open_new(uow, ada)
    sdist = make_sdist(tmp_path)
    last = after(uow, uow.settings.release_open_days * DAY - HOUR)
    drafts.extend_for(last, ada, draft, DAY)

    refused(uow, ReleaseClosed, lambda: factories.announce(after(last, DAY), ada, draft, sdist))
    projects.archive(uow, ada, project, "Done.")
    refused(uow, ProjectClosed, lambda: factories.announce(uow, ada, draft, sdist))


def test_who_may_not_stage_announces_nothing(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    eve = Person(factories.make_user(uow, "eve"))
    token = factories.make_token(uow, ada.user, permissions=["publish", "discard"])
    uow.db.flush()

    for actor in (eve, tokens.actor_of_token(uow, token), OPERATOR):
        refused(
            uow,
            NotAllowed,
            partial(factories.announce, uow, actor, draft, wheel),
        )


def test_a_session_that_has_ended_takes_nothing(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    refused(
        uow,
        Ended,
        lambda: factories.announce(after(uow, draft.expires - uow.now), ada, draft, wheel),
    )
    drafts.discard(uow, ada, draft)
    refused(uow, Ended, lambda: factories.announce(uow, ada, draft, wheel))


class TestWithLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        limits = {"max_file_size": 3000, "max_project_size": 5000, "uploads_per_hour": 1}
        return replace(settings, **limits)

    def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
        self, uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
    ) -> None:
        refused(uow, TooLarge, lambda: factories.announce(uow, ada, draft, wheel, size=3001))
        assert factories.announce(uow, ada, draft, wheel, size=3000).size == 3000

    def test_announced_bytes_count_against_the_projects_quota(
        self, uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path, tmp_path: Path
    ) -> None:
        first = factories.announce(uow, ada, draft, wheel, size=3000)
        other = factories.open_new(uow, ada, version="2.0")
        second = make_wheel(tmp_path, version="2.0")

        refused(uow, TooLarge, lambda: factories.announce(uow, ada, other, second, size=2001))
        upload_sessions.cancel(uow, ada, draft, first)
        assert factories.announce(uow, ada, other, second, size=2001).size == 2001

    def test_bytes_that_will_not_come_any_more_do_not_count(
        self, uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path, tmp_path: Path
    ) -> None:
        factories.announce(uow, ada, draft, wheel, size=3000)
        other = factories.open_new(uow, ada, version="2.0")
        broken_off = factories.announce(
            uow, ada, other, make_wheel(tmp_path, version="2.0"), size=2000
        )
        upload_sessions.begin_completion(uow, ada, other, broken_off)
        sdist = make_sdist(tmp_path)
        later = after(uow, LIFETIME - INSTANT)

        refused(uow, TooLarge, lambda: factories.announce(later, ada, draft, sdist, size=2001))
        later = after(later, INSTANT)
        assert factories.announce(later, ada, draft, sdist, size=3000).size == 3000

    def test_the_bytes_of_a_file_that_is_replaced_are_given_back(
        self, uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path, tmp_path: Path
    ) -> None:
        factories.upload(uow, ada, wheel, staged=True)
        size = wheel.stat().st_size
        later = after(uow, HOUR)

        refused(
            uow,
            TooLarge,
            lambda: factories.announce(later, ada, draft, make_sdist(tmp_path), size=5001 - size),
        )
        # In place of the wheel there is room for more than beside it.
        factories.announce(later, ada, draft, make_sdist(tmp_path), size=2500)
        assert factories.announce(later, ada, draft, wheel, size=2500).size == 2500

    def test_who_uploads_too_often_is_told_before_the_bytes(
        self, uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, tmp_path: Path
    ) -> None:
        sdist = make_sdist(tmp_path)

        refused(uow, TooMany, lambda: factories.announce(uow, ada, draft, sdist))
        assert factories.announce(after(uow, HOUR), ada, draft, sdist).state == "pending"


# Sending


def test_the_bytes_are_sent_whole_and_may_be_sent_again(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    content = wheel.read_bytes()
    factories.send(uow, ada, draft, pending, b"x" * len(content))
    factories.send(uow, ada, draft, pending, content)

    assert upload_sessions.received(pending) == len(content)
    factories.complete(uow, ada, draft, pending)
    assert shown(uow, draft) == {WHEEL: "completed"}


def test_parts_go_on_where_the_last_one_ended(
    uow: UnitOfWork, ada: Person, draft: Draft, resumable: UploadSession, wheel: Path
) -> None:
    content = wheel.read_bytes()
    factories.send(uow, ada, draft, resumable, content[:10])
    factories.send(uow, ada, draft, resumable, content[10:11], 10)

    for start in (0, 10, 12, len(content)):
        refusal = refused(
            uow,
            WrongOffset,
            partial(factories.send, uow, ada, draft, resumable, content[start:] or b"x", start),
            "11 bytes",
        )
        assert isinstance(refusal, WrongOffset)
        assert refusal.received == 11

    factories.send(uow, ada, draft, resumable, content[11:], 11)
    factories.complete(uow, ada, draft, resumable)
    [file] = drafts.files(uow.db, draft)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    with uow.storage.open(file.sha256) as blob:
        assert b"".join(blob) == content


def test_each_part_makes_the_offset_that_the_next_one_needs(
    uow: UnitOfWork, ada: Person, draft: Draft, resumable: UploadSession, wheel: Path
) -> None:
    content = wheel.read_bytes()
    for start in range(0, len(content), 100):
        assert upload_sessions.received(resumable) == start
        factories.send(uow, ada, draft, resumable, content[start : start + 100], start)

    assert [part.start for part in resumable.parts] == list(range(0, len(content), 100))
    factories.complete(uow, ada, draft, resumable)
    assert shown(uow, draft) == {WHEEL: "completed"}


def test_it_does_not_come_in_any_number_of_pieces(
    uow: UnitOfWork,
    ada: Person,
    draft: Draft,
    resumable: UploadSession,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload_sessions, "MOST_PIECES", 2)
    content = wheel.read_bytes()
    factories.send(uow, ada, draft, resumable, content[:1])
    factories.send(uow, ada, draft, resumable, content[1:2], 1)

    third = partial(factories.send, uow, ada, draft, resumable, content[2:], 2)
    refused(uow, UploadConflict, third, "send larger ones")

    assert upload_sessions.received(resumable) == 2


def test_bytes_do_not_come_another_way_than_was_announced(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession
) -> None:
    refused(
        uow,
        UploadConflict,
        lambda: upload_sessions.check_part(uow, ada, draft, pending, RESUMABLE, 0),
        HTTP_POST_BYTES,
    )


Bring = Callable[[UnitOfWork, Person, Draft, UploadSession], object]


def let_expire(uow: UnitOfWork, ada: Person, draft: Draft, upload: UploadSession) -> None:
    upload.expires = uow.now


def interrupt(uow: UnitOfWork, ada: Person, draft: Draft, upload: UploadSession) -> None:
    begin(uow, ada, draft, upload)
    upload.changed = uow.now - COMPLETION_LEASE


def begin(uow: UnitOfWork, ada: Person, draft: Draft, upload: UploadSession) -> None:
    upload_sessions.begin_completion(uow, ada, draft, upload)


def fail(uow: UnitOfWork, ada: Person, draft: Draft, upload: UploadSession) -> None:
    begin(uow, ada, draft, upload)
    upload_sessions.fail(uow, upload, ("why",))


def cancel(uow: UnitOfWork, ada: Person, draft: Draft, upload: UploadSession) -> None:
    upload_sessions.cancel(uow, ada, draft, upload)


STATES: dict[str, Bring] = {
    "processing": begin,
    "error": fail,
    "canceled": cancel,
    "expired": let_expire,
    "interrupted": interrupt,
}


@pytest.mark.parametrize("where", STATES)
def test_only_what_is_pending_takes_bytes_and_completion(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path, where: str
) -> None:
    STATES[where](uow, ada, draft, pending)
    uow.db.flush()

    refused(
        uow,
        UploadConflict,
        lambda: upload_sessions.check_part(uow, ada, draft, pending, HTTP_POST_BYTES, 0),
        "takes no bytes",
    )
    refused(
        uow,
        UploadConflict,
        lambda: upload_sessions.begin_completion(uow, ada, draft, pending),
        "cannot be completed",
    )


def test_a_completed_file_is_not_completed_again(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession
) -> None:
    refused(
        uow,
        UploadConflict,
        lambda: upload_sessions.begin_completion(uow, ada, draft, completed),
        "is completed",
    )


def test_a_part_of_someone_who_lost_the_role_meanwhile_is_not_taken(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    assert draft.project is not None
    bob = Person(factories.make_user(uow, "bob"))
    factories.add_role(uow, draft.project, bob.user, RoleName.MAINTAINER)
    factories.send(uow, bob, draft, pending, wheel.read_bytes())
    roles.take(uow, OPERATOR, draft.project, "bob")

    for act in (
        lambda: factories.send(uow, bob, draft, pending, wheel.read_bytes()),
        lambda: factories.complete(uow, bob, draft, pending),
        lambda: upload_sessions.cancel(uow, bob, draft, pending),
        lambda: upload_sessions.extend(uow, bob, draft, pending, HOUR),
    ):
        refused(uow, NotAllowed, act)
    factories.complete(uow, ada, draft, pending)


# Completing


def test_a_completed_file_is_one_of_the_draft(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, wheel: Path
) -> None:
    [file] = drafts.files(uow.db, draft)

    assert completed.file is file
    assert file.filename == WHEEL
    assert file.uploaded_by is ada.user
    assert file.core_metadata.summary == "An example."
    assert draft.release is not None
    assert draft.release.summary == "An example."
    assert uow.db.scalars(select(UploadPart)).all() == []


@pytest.mark.parametrize("name", ["sha512", "sha3_256", "blake2b", "sha1", "md5", "sha384"])
def test_every_digest_is_checked_whatever_its_function(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path, tmp_path: Path, name: str
) -> None:
    content, sdist = wheel.read_bytes(), make_sdist(tmp_path)
    right = {n: hashlib.new(n, content).hexdigest() for n in ("sha256", name)}
    good = factories.announce(uow, ada, draft, wheel, digests=right, mechanism=RESUMABLE)
    factories.send(uow, ada, draft, good, content[:7])
    factories.send(uow, ada, draft, good, content[7:], 7)
    factories.complete(uow, ada, draft, good)

    digests = {
        "sha256": hashlib.sha256(sdist.read_bytes()).hexdigest(),
        name: hashlib.new(name, content).hexdigest().upper(),
    }
    wrong = factories.announce(uow, ada, draft, sdist, digests=digests)
    factories.send(uow, ada, draft, wrong, sdist.read_bytes())
    with pytest.raises(WrongDigest, match=name):
        factories.complete(uow, ada, draft, wrong)

    assert shown(uow, draft) == {WHEEL: "completed", sdist.name: "error"}


def test_without_all_the_bytes_it_fails(
    uow: UnitOfWork, ada: Person, draft: Draft, resumable: UploadSession, wheel: Path
) -> None:
    factories.send(uow, ada, draft, resumable, wheel.read_bytes()[:-1])

    with pytest.raises(UploadConflict, match="bytes of"):
        factories.complete(uow, ada, draft, resumable)

    assert shown(uow, draft) == {WHEEL: "error"}


def test_a_file_that_is_no_distribution_fails_with_every_reason(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    path = tmp_path / WHEEL
    path.write_bytes(b"no wheel at all")
    upload = factories.announce(uow, ada, draft, path)
    factories.send(uow, ada, draft, upload, path.read_bytes())

    with pytest.raises(InvalidFile) as caught:
        factories.complete(uow, ada, draft, upload)

    assert upload.problems == list(caught.value.details)
    assert shown(uow, draft) == {WHEEL: "error"}


def test_what_is_in_the_file_counts_not_its_name(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    path = make_wheel(tmp_path, "other", "2.0", filename=WHEEL)
    upload = factories.announce(uow, ada, draft, path)
    factories.send(uow, ada, draft, upload, path.read_bytes())

    with pytest.raises(InvalidFile):
        factories.complete(uow, ada, draft, upload)

    assert names(uow, draft) == []


def test_a_failure_is_final_until_it_is_deleted(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    upload = failed_upload(uow, ada, draft, wheel)

    refused(uow, UploadConflict, lambda: factories.announce(uow, ada, draft, wheel), "has failed")
    upload_sessions.cancel(uow, ada, draft, upload)
    assert state(uow, upload) == "canceled"
    factories.add_upload(uow, ada, draft, wheel)
    assert shown(uow, draft) == {WHEEL: "completed"}


def test_a_failure_leaves_the_file_that_was_there(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, tmp_path: Path
) -> None:
    failed = failed_upload(uow, ada, draft, make_wheel(tmp_path / "new", salt="new"))
    assert shown(uow, draft) == {WHEEL: "error"}

    upload_sessions.cancel(uow, ada, draft, failed)

    assert shown(uow, draft) == {WHEEL: "completed"}
    assert state(uow, completed) == "completed"


def test_a_file_that_was_published_while_it_came_fails(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    """The draft was published with the file, and a new one has an upload of its name by now."""
    factories.send(uow, ada, draft, pending, wheel.read_bytes())
    upload_sessions.begin_completion(uow, ada, draft, pending)
    with assemble(uow, pending) as assembled:
        upload_sessions.cancel(after(uow, COMPLETION_LEASE), ada, draft, pending)
        factories.upload(uow, ada, wheel, staged=True)
        publishing.publish(uow, ada, draft)

        with pytest.raises(Ended):
            upload_sessions.complete(uow, ada, draft, pending, assembled)

    assert factories.public_filenames(uow, "example") == [WHEEL]


def test_a_completion_that_takes_too_long_has_failed(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    factories.send(uow, ada, draft, pending, wheel.read_bytes())
    upload_sessions.begin_completion(uow, ada, draft, pending)
    in_time, late = after(uow, COMPLETION_LEASE - INSTANT), after(uow, COMPLETION_LEASE)

    assert state(in_time, pending) == "processing"
    assert state(late, pending) == "error"
    with assemble(uow, pending) as assembled:
        refused(
            uow,
            UploadConflict,
            lambda: upload_sessions.complete(late, ada, draft, pending, assembled),
        )
        upload_sessions.complete(in_time, ada, draft, pending, assembled)
    assert shown(uow, draft) == {WHEEL: "completed"}


def test_a_completion_of_a_clock_that_was_ahead_was_interrupted(
    uow: UnitOfWork, ada: Person, draft: Draft, wheel: Path
) -> None:
    upload = factories.announce(uow, ada, draft, wheel)
    factories.send(uow, ada, draft, upload, wheel.read_bytes())
    ahead = after(uow, timedelta(hours=2))
    upload_sessions.begin_completion(ahead, ada, draft, upload)

    assert upload_states.state(uow, upload) is UploadState.ERROR
    assert upload_sessions.due(uow) == [upload]
    assert upload_states.state(ahead, upload) is UploadState.PROCESSING


def test_what_was_interrupted_can_be_deleted_and_sent_anew(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    upload_sessions.begin_completion(uow, ada, draft, pending)
    late = after(uow, COMPLETION_LEASE)

    with pytest.raises(UploadConflict, match="has failed"):
        factories.announce(late, ada, draft, wheel)
    upload_sessions.cancel(late, ada, draft, pending)

    assert shown(late, draft) == {}
    factories.add_upload(late, ada, draft, wheel)
    assert shown(late, draft) == {WHEEL: "completed"}


# Replacing


def test_what_is_under_way_is_not_replaced(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    again = partial(factories.announce, uow, ada, draft, wheel)

    refused(uow, UploadConflict, again, "is being uploaded")
    upload_sessions.begin_completion(uow, ada, draft, pending)
    refused(uow, UploadConflict, again, "is being uploaded")


def test_a_completed_file_is_replaced_when_the_new_one_is_completed(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path / "other", salt="other")
    upload = factories.announce(uow, ada, draft, other)
    factories.send(uow, ada, draft, upload, other.read_bytes())
    assert shown(uow, draft) == {WHEEL: "pending"}
    [former] = drafts.files(uow.db, draft)
    assert former.sha256 == completed.digests["sha256"]

    factories.complete(uow, ada, draft, upload)

    [file] = drafts.files(uow.db, draft)
    assert file.sha256 == upload.digests["sha256"]
    assert (state(uow, completed), state(uow, upload)) == ("canceled", "completed")


def test_the_same_bytes_again_are_a_new_upload_of_the_same_file(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, wheel: Path
) -> None:
    again = factories.add_upload(uow, ada, draft, wheel)

    assert (state(uow, completed), state(uow, again)) == ("canceled", "completed")
    assert names(uow, draft) == [WHEEL]
    upload_sessions.cancel(uow, ada, draft, completed)
    assert names(uow, draft) == [WHEEL]
    upload_sessions.cancel(uow, ada, draft, again)
    assert names(uow, draft) == []


# Ending


@pytest.mark.parametrize("where", [*STATES, "pending"])
def test_it_is_canceled_in_every_state_but_one(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path, where: str
) -> None:
    factories.send(uow, ada, draft, pending, wheel.read_bytes())
    if where in STATES:
        STATES[where](uow, ada, draft, pending)
    uow.db.flush()
    act = partial(upload_sessions.cancel, uow, ada, draft, pending)

    if where == "processing":
        refused(uow, UploadConflict, act, "being completed")
        return
    act()
    assert state(uow, pending) == "canceled"
    assert shown(uow, draft) == {}
    assert uow.db.scalars(select(UploadPart)).all() == []
    act()
    assert state(uow, pending) == "canceled"


def test_to_cancel_what_is_completed_deletes_the_file(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession
) -> None:
    upload_sessions.cancel(uow, ada, draft, completed)

    assert state(uow, completed) == "canceled"
    assert names(uow, draft) == []


def test_by_its_name_a_file_is_deleted_whatever_state_it_is_in(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, tmp_path: Path
) -> None:
    newer = factories.announce(uow, ada, draft, make_wheel(tmp_path / "newer", salt="newer"))

    upload_sessions.remove(uow, ada, draft, WHEEL)
    assert (state(uow, newer), state(uow, completed)) == ("canceled", "completed")
    upload_sessions.remove(uow, ada, draft, WHEEL)
    assert state(uow, completed) == "canceled"
    refused(uow, NotFound, lambda: upload_sessions.remove(uow, ada, draft, WHEEL))


def test_a_file_that_the_manage_page_removes_takes_its_upload_along(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession
) -> None:
    drafts.remove_file(uow, ada, draft, WHEEL)
    uow.db.refresh(completed)

    assert state(uow, completed) == "canceled"
    assert completed.file is None


def test_a_legacy_upload_of_other_bytes_takes_its_upload_along(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, tmp_path: Path
) -> None:
    assert factories.stage(uow, ada, make_wheel(tmp_path / "other", salt="other")) is draft
    uow.db.refresh(completed)

    assert state(uow, completed) == "canceled"
    assert shown(uow, draft) == {WHEEL: "completed"}


def test_a_legacy_upload_of_the_same_bytes_leaves_it(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, wheel: Path
) -> None:
    assert factories.stage(uow, ada, wheel) is draft
    uow.db.refresh(completed)

    assert state(uow, completed) == "completed"


def test_with_the_session_all_uploads_are_canceled_also_one_that_is_processed(
    uow: UnitOfWork, ada: Person, draft: Draft, completed: UploadSession, tmp_path: Path
) -> None:
    sdist = make_sdist(tmp_path)
    processing = factories.announce(uow, ada, draft, sdist)
    factories.send(uow, ada, draft, processing, sdist.read_bytes())
    upload_sessions.begin_completion(uow, ada, draft, processing)
    with assemble(uow, processing) as assembled:
        drafts.discard(uow, ada, draft)

        with pytest.raises(Ended):
            upload_sessions.complete(uow, ada, draft, processing, assembled)
        upload_sessions.fail(uow, processing, ("too late",))

    for upload in (completed, processing):
        uow.db.refresh(upload)
        assert state(uow, upload) == "canceled"
    assert uow.db.scalars(select(File)).all() == []
    assert uow.db.scalars(select(UploadPart)).all() == []
    assert uow.db.scalars(select(Project)).all() == []


# Time


def test_a_pending_upload_is_gone_from_the_second_it_falls_due(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, wheel: Path
) -> None:
    last, due = after(uow, LIFETIME - INSTANT), after(uow, LIFETIME)

    assert shown(last, draft) == {WHEEL: "pending"}
    refused(last, UploadConflict, lambda: factories.announce(last, ada, draft, wheel))
    assert shown(due, draft) == {}
    again = factories.announce(due, ada, draft, wheel)
    assert (state(due, pending), state(due, again)) == ("canceled", "pending")


def test_more_time_counts_from_the_expiry_and_ends_with_the_session(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession
) -> None:
    upload_sessions.extend(uow, ada, draft, pending, HOUR)
    assert pending.expires == uow.now + LIFETIME + HOUR

    upload_sessions.extend(uow, ada, draft, pending, timedelta(0))
    assert pending.expires == uow.now + LIFETIME + HOUR

    upload_sessions.extend(uow, ada, draft, pending, 3650 * DAY)
    assert pending.expires == draft.expires


@pytest.mark.parametrize("where", STATES)
def test_only_what_is_pending_gets_more_time(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, where: str
) -> None:
    STATES[where](uow, ada, draft, pending)
    expires = pending.expires

    upload_sessions.extend(uow, ada, draft, pending, HOUR)

    assert pending.expires == expires
    assert state(uow, pending) != "pending"


def test_housekeeping_writes_down_what_time_has_done(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        draft = factories.open_new(uow, ada)
        late = factories.announce(uow, ada, draft, wheel)
        factories.send(uow, ada, draft, late, wheel.read_bytes())
        interrupted = factories.announce(uow, ada, draft, sdist)
        factories.send(uow, ada, draft, interrupted, sdist.read_bytes())
        upload_sessions.begin_completion(uow, ada, draft, interrupted)
    kept = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, sdist)}
    assert keep_house(services).blobs_freed == 0
    assert set(services.storage.digests()) == kept

    clock.advance(LIFETIME)
    keep_house(services)

    assert list(services.storage.digests()) == []
    with services.reading() as uow:
        uploads = uow.db.scalars(select(UploadSession).order_by(UploadSession.id)).all()
        assert [upload.state for upload in uploads] == [UploadState.CANCELED, UploadState.ERROR]
        assert uploads[1].problems == ["The index was interrupted: upload the file anew."]


@pytest.mark.parametrize(("ending", "files"), [(drafts.discard, 0), (publishing.publish, 1)])
def test_uploads_are_forgotten_with_their_session_and_files_are_not(
    services: Services,
    clock: FakeClock,
    wheel: Path,
    ending: Callable[[UnitOfWork, Actor, Draft], object],
    files: int,
) -> None:
    storage_identity.check(services)
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        draft = factories.open_new(uow, ada)
        factories.add_upload(uow, ada, draft, wheel)
        ending(uow, ada, draft)

    def left() -> tuple[int, int]:
        keep_house(services)
        with services.reading() as uow:
            uploads = uow.db.scalars(select(UploadSession)).all()
            return len(uploads), len(uow.db.scalars(select(File)).all())

    clock.advance(drafts.STATUS_KEPT - INSTANT)
    assert left() == (1, files)
    clock.advance(INSTANT)
    assert left() == (0, files)


def test_what_has_arrived_is_kept_while_its_upload_lives(
    services: Services, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    content = wheel.read_bytes()
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        draft = factories.open_new(uow, ada)
        upload = factories.announce(uow, ada, draft, wheel, mechanism=RESUMABLE)
        factories.send(uow, ada, draft, upload, content[:5])
        key = upload.key
    keep_house(services)

    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        found = factories.find_draft(uow, "example", "1.0")
        assert found is not None
        resumed = upload_sessions.by_key(uow.db, found, key)
        assert resumed is not None
        factories.send(uow, ada, found, resumed, content[5:], upload_sessions.received(resumed))
        factories.complete(uow, ada, found, resumed)
    assert keep_house(services).blobs_freed == 2  # the two parts

    with services.reading() as uow:
        [file] = uow.db.scalars(select(File))
        assert {file.sha256, file.metadata_sha256} == set(services.storage.digests())


def test_uploads_of_several_versions_do_not_meet(
    uow: UnitOfWork, ada: Person, draft: Draft, pending: UploadSession, tmp_path: Path
) -> None:
    project = projects.get(uow, "example")
    other = factories.open_new(uow, ada, version="2.0")
    wheel = make_wheel(tmp_path, version="2.0")
    factories.add_upload(uow, ada, other, wheel)

    publishing.publish(uow, ada, other)

    assert shown(uow, draft) == {WHEEL: "pending"}
    assert drafts.live(uow, project, Version("2.0")) is None
