"""File upload sessions (PEP 694), sentence by sentence: announced, sent, completed, canceled."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import (
    Draft,
    File,
    FileUpload,
    Project,
    RoleName,
    UploadPart,
    UploadState,
    User,
)
from greenroom.registry import accounts, drafts, file_uploads, projects
from greenroom.registry.drafts import COMPLETION_LEASE
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
from greenroom.registry.file_uploads import HTTP_POST_BYTES, LIFETIME, RESUMABLE
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import OPERATOR, Actor
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.registry.test_drafts import after, names, refused

INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WHEEL = "example-1.0-py3-none-any.whl"


@pytest.fixture
def ada(index: Index) -> User:
    return factories.make_user(index, "ada")


@pytest.fixture
def draft(index: Index, ada: User) -> Draft:
    """An open session of `example` 1.0, which reserves the name."""
    return factories.open_session(index, ada)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


@pytest.fixture
def pending(index: Index, ada: User, draft: Draft, wheel: Path) -> FileUpload:
    """The upload of the wheel, of which nothing has arrived."""
    return factories.announce(index, ada, draft, wheel)


@pytest.fixture
def resumable(index: Index, ada: User, draft: Draft, wheel: Path) -> FileUpload:
    """The same, to come in parts."""
    return factories.announce(index, ada, draft, wheel, mechanism=RESUMABLE)


@pytest.fixture
def completed(index: Index, ada: User, draft: Draft, wheel: Path) -> FileUpload:
    return factories.add_upload(index, ada, draft, wheel)


def failed_upload(index: Index, ada: User, draft: Draft, path: Path) -> FileUpload:
    """An upload whose completion failed, as nothing had arrived."""
    upload = factories.announce(index, ada, draft, path)
    with pytest.raises(UploadConflict):
        factories.complete(index, ada, draft, upload)
    return upload


def state(index: Index, upload: FileUpload) -> str:
    return file_uploads.state(index, upload).value


def shown(index: Index, draft: Draft) -> dict[str, str]:
    """What the session's status lists: files by name, and how they stand."""
    staged = dict.fromkeys(names(index, draft), "completed")
    return staged | {u.filename: state(index, u) for u in file_uploads.of_draft(index, draft)}


# Announcing


def test_what_is_announced_is_pending_for_a_day(
    index: Index, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    assert state(index, pending) == "pending"
    assert (pending.filename, pending.size) == (WHEEL, wheel.stat().st_size)
    assert pending.expires == index.now + LIFETIME
    assert file_uploads.received(pending) == 0
    assert shown(index, draft) == {WHEEL: "pending"}


def test_it_is_found_by_its_whole_key_in_its_own_session(
    index: Index, ada: User, draft: Draft, pending: FileUpload
) -> None:
    other = factories.open_session(index, ada, version="2.0")

    assert file_uploads.by_key(index.session, draft, pending.key) is pending
    assert file_uploads.by_key(index.session, other, pending.key) is None
    for key in ("", pending.key[:-1], pending.key + "A", "é" * 22, "\0" * 22, "0" * 22):
        assert file_uploads.by_key(index.session, draft, key) is None


def test_it_never_waits_longer_than_its_session(index: Index, ada: User, wheel: Path) -> None:
    draft = factories.open_session(index, ada)
    later = after(index, draft.expires - index.now - HOUR)

    upload = factories.announce(later, ada, draft, wheel)

    assert upload.expires == draft.expires == later.now + HOUR


@pytest.mark.parametrize("mechanism", ["", "vnd-elsewhere", "http-post-bytes ", "x" * 1000])
def test_an_unknown_mechanism_is_refused(
    index: Index, ada: User, draft: Draft, wheel: Path, mechanism: str
) -> None:
    refusal = refused(
        index,
        UnknownMechanism,
        lambda: factories.announce(index, ada, draft, wheel, mechanism=mechanism),
    )
    assert HTTP_POST_BYTES in str(refusal)
    assert len(str(refusal)) < 300


@pytest.mark.parametrize(
    ("filename", "about"),
    [
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
    ],
)
def test_a_name_that_cannot_be_of_this_session_is_refused(
    index: Index, ada: User, draft: Draft, wheel: Path, filename: str, about: str
) -> None:
    refused(
        index,
        InvalidFile,
        lambda: factories.announce(index, ada, draft, wheel, filename=filename),
        about,
    )


def test_another_spelling_of_the_version_is_of_this_session(
    index: Index, ada: User, draft: Draft, wheel: Path
) -> None:
    upload = factories.announce(index, ada, draft, wheel, filename="example-1.0.0.tar.gz")
    assert upload.filename == "example-1.0.0.tar.gz"


@pytest.mark.parametrize(
    ("digests", "about"),
    [
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
    ],
)
def test_digests_that_cannot_be_right_are_refused(
    index: Index, ada: User, draft: Draft, wheel: Path, digests: dict[str, str], about: str
) -> None:
    refused(
        index,
        InvalidRequest,
        lambda: factories.announce(index, ada, draft, wheel, digests=digests),
        about,
    )


def test_an_empty_file_is_refused(index: Index, ada: User, draft: Draft, wheel: Path) -> None:
    refused(index, InvalidRequest, lambda: factories.announce(index, ada, draft, wheel, size=0))


def test_a_published_name_is_refused(index: Index, ada: User, wheel: Path, tmp_path: Path) -> None:
    factories.release(index, ada, wheel)
    draft = factories.open_session(index, ada)
    other = make_wheel(tmp_path / "other", salt="other")

    for path in (wheel, other):
        refused(
            index,
            FileExists,
            partial(factories.announce, index, ada, draft, path),
            "File already exists",
        )


def test_published_content_under_another_name_is_refused(
    index: Index, ada: User, wheel: Path
) -> None:
    factories.release(index, ada, wheel)
    draft = factories.open_session(index, ada)

    refused(
        index,
        FileExists,
        lambda: factories.announce(
            index, ada, draft, wheel, filename="example-1.0-py2-none-any.whl"
        ),
        "the same content",
    )


def test_a_second_source_distribution_is_refused(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    factories.add_upload(index, ada, draft, make_sdist(tmp_path))

    refused(
        index,
        SecondSdist,
        lambda: factories.announce(
            index, ada, draft, make_sdist(tmp_path), filename="example-1.0.0.tar.gz"
        ),
    )


def test_a_closed_release_or_project_takes_nothing(index: Index, ada: User, tmp_path: Path) -> None:
    project = factories.release(index, ada, make_wheel(tmp_path))
    draft = factories.open_session(index, ada)
    sdist = make_sdist(tmp_path)
    last = after(index, index.settings.release_open_days * DAY - HOUR)
    drafts.extend_for(last, Actor(ada), draft, DAY)

    refused(index, ReleaseClosed, lambda: factories.announce(after(last, DAY), ada, draft, sdist))
    projects.archive(index, Actor(ada), project, "Done.")
    refused(index, ProjectClosed, lambda: factories.announce(index, ada, draft, sdist))


def test_who_may_not_stage_announces_nothing(
    index: Index, ada: User, draft: Draft, wheel: Path
) -> None:
    eve = factories.make_user(index, "eve")
    token = factories.make_token(index, ada, permissions=["publish", "discard"])
    index.session.flush()

    for actor in (Actor(eve), accounts.actor_of_token(index, token), OPERATOR):
        refused(
            index,
            NotAllowed,
            partial(factories.announce, index, actor, draft, wheel),
        )


def test_a_session_that_has_ended_takes_nothing(
    index: Index, ada: User, draft: Draft, wheel: Path
) -> None:
    refused(
        index,
        Ended,
        lambda: factories.announce(after(index, draft.expires - index.now), ada, draft, wheel),
    )
    drafts.discard(index, Actor(ada), draft)
    refused(index, Ended, lambda: factories.announce(index, ada, draft, wheel))


class TestWithLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        limits = {"max_file_size": 3000, "max_project_size": 5000, "uploads_per_hour": 1}
        return settings.model_copy(update=limits)

    def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
        self, index: Index, ada: User, draft: Draft, wheel: Path
    ) -> None:
        refused(index, TooLarge, lambda: factories.announce(index, ada, draft, wheel, size=3001))
        assert factories.announce(index, ada, draft, wheel, size=3000).size == 3000

    def test_announced_bytes_count_against_the_projects_quota(
        self, index: Index, ada: User, draft: Draft, wheel: Path, tmp_path: Path
    ) -> None:
        first = factories.announce(index, ada, draft, wheel, size=3000)
        other = factories.open_session(index, ada, version="2.0")
        second = make_wheel(tmp_path, version="2.0")

        refused(index, TooLarge, lambda: factories.announce(index, ada, other, second, size=2001))
        file_uploads.cancel(index, Actor(ada), draft, first)
        assert factories.announce(index, ada, other, second, size=2001).size == 2001

    def test_bytes_that_will_not_come_any_more_do_not_count(
        self, index: Index, ada: User, draft: Draft, wheel: Path, tmp_path: Path
    ) -> None:
        factories.announce(index, ada, draft, wheel, size=3000)
        other = factories.open_session(index, ada, version="2.0")
        broken_off = factories.announce(
            index, ada, other, make_wheel(tmp_path, version="2.0"), size=2000
        )
        file_uploads.begin_completion(index, Actor(ada), other, broken_off)
        sdist = make_sdist(tmp_path)
        later = after(index, LIFETIME - INSTANT)

        refused(index, TooLarge, lambda: factories.announce(later, ada, draft, sdist, size=2001))
        later = after(later, INSTANT)
        assert factories.announce(later, ada, draft, sdist, size=3000).size == 3000

    def test_the_bytes_of_a_file_that_is_replaced_are_given_back(
        self, index: Index, ada: User, draft: Draft, wheel: Path, tmp_path: Path
    ) -> None:
        factories.upload(index, ada, wheel, staged=True)
        size = wheel.stat().st_size
        later = after(index, HOUR)

        refused(
            index,
            TooLarge,
            lambda: factories.announce(later, ada, draft, make_sdist(tmp_path), size=5001 - size),
        )
        # In place of the wheel there is room for more than beside it.
        factories.announce(later, ada, draft, make_sdist(tmp_path), size=2500)
        assert factories.announce(later, ada, draft, wheel, size=2500).size == 2500

    def test_who_uploads_too_often_is_told_before_the_bytes(
        self, index: Index, ada: User, draft: Draft, completed: FileUpload, tmp_path: Path
    ) -> None:
        sdist = make_sdist(tmp_path)

        refused(index, TooMany, lambda: factories.announce(index, ada, draft, sdist))
        assert factories.announce(after(index, HOUR), ada, draft, sdist).state == "pending"


# Sending


def test_the_bytes_are_sent_whole_and_may_be_sent_again(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    content = wheel.read_bytes()
    factories.send(index, ada, draft, pending, b"x" * len(content))
    factories.send(index, ada, draft, pending, content)

    assert file_uploads.received(pending) == len(content)
    factories.complete(index, ada, draft, pending)
    assert shown(index, draft) == {WHEEL: "completed"}


def test_parts_go_on_where_the_last_one_ended(
    index: Index, ada: User, draft: Draft, resumable: FileUpload, wheel: Path
) -> None:
    content = wheel.read_bytes()
    factories.send(index, ada, draft, resumable, content[:10])
    factories.send(index, ada, draft, resumable, content[10:11], 10)

    for start in (0, 10, 12, len(content)):
        refusal = refused(
            index,
            WrongOffset,
            partial(factories.send, index, ada, draft, resumable, content[start:] or b"x", start),
            "11 bytes",
        )
        assert isinstance(refusal, WrongOffset)
        assert refusal.received == 11

    factories.send(index, ada, draft, resumable, content[11:], 11)
    factories.complete(index, ada, draft, resumable)
    [file] = drafts.files(index.session, draft)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    with index.storage.open(file.sha256) as blob:
        assert b"".join(blob) == content


def test_each_part_makes_the_offset_that_the_next_one_needs(
    index: Index, ada: User, draft: Draft, resumable: FileUpload, wheel: Path
) -> None:
    content = wheel.read_bytes()
    for start in range(0, len(content), 100):
        assert file_uploads.received(resumable) == start
        factories.send(index, ada, draft, resumable, content[start : start + 100], start)

    assert [part.start for part in resumable.parts] == list(range(0, len(content), 100))
    factories.complete(index, ada, draft, resumable)
    assert shown(index, draft) == {WHEEL: "completed"}


def test_it_does_not_come_in_any_number_of_pieces(
    index: Index,
    ada: User,
    draft: Draft,
    resumable: FileUpload,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_uploads, "MOST_PIECES", 2)
    content = wheel.read_bytes()
    factories.send(index, ada, draft, resumable, content[:1])
    factories.send(index, ada, draft, resumable, content[1:2], 1)

    third = partial(factories.send, index, ada, draft, resumable, content[2:], 2)
    refused(index, UploadConflict, third, "send larger ones")

    assert file_uploads.received(resumable) == 2


def test_bytes_do_not_come_another_way_than_was_announced(
    index: Index, ada: User, draft: Draft, pending: FileUpload
) -> None:
    refused(
        index,
        UploadConflict,
        lambda: file_uploads.check_part(index, Actor(ada), draft, pending, RESUMABLE, 0),
        HTTP_POST_BYTES,
    )


Bring = Callable[[Index, User, Draft, FileUpload], object]


def let_expire(index: Index, ada: User, draft: Draft, upload: FileUpload) -> None:
    upload.expires = index.now


def interrupt(index: Index, ada: User, draft: Draft, upload: FileUpload) -> None:
    begin(index, ada, draft, upload)
    upload.changed = index.now - COMPLETION_LEASE


def begin(index: Index, ada: User, draft: Draft, upload: FileUpload) -> None:
    file_uploads.begin_completion(index, Actor(ada), draft, upload)


def fail(index: Index, ada: User, draft: Draft, upload: FileUpload) -> None:
    begin(index, ada, draft, upload)
    file_uploads.fail(index, upload, ("why",))


def cancel(index: Index, ada: User, draft: Draft, upload: FileUpload) -> None:
    file_uploads.cancel(index, Actor(ada), draft, upload)


STATES: dict[str, Bring] = {
    "processing": begin,
    "error": fail,
    "canceled": cancel,
    "expired": let_expire,
    "interrupted": interrupt,
}


@pytest.mark.parametrize("where", STATES)
def test_only_what_is_pending_takes_bytes_and_completion(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path, where: str
) -> None:
    STATES[where](index, ada, draft, pending)
    index.session.flush()

    refused(
        index,
        UploadConflict,
        lambda: file_uploads.check_part(index, Actor(ada), draft, pending, HTTP_POST_BYTES, 0),
        "takes no bytes",
    )
    refused(
        index,
        UploadConflict,
        lambda: file_uploads.begin_completion(index, Actor(ada), draft, pending),
        "cannot be completed",
    )


def test_a_completed_file_is_not_completed_again(
    index: Index, ada: User, draft: Draft, completed: FileUpload
) -> None:
    refused(
        index,
        UploadConflict,
        lambda: file_uploads.begin_completion(index, Actor(ada), draft, completed),
        "is completed",
    )


def test_a_part_of_someone_who_lost_the_role_meanwhile_is_not_taken(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    assert draft.project is not None
    bob = factories.make_user(index, "bob")
    factories.add_role(index, draft.project, bob, RoleName.MAINTAINER)
    factories.send(index, bob, draft, pending, wheel.read_bytes())
    projects.remove_role(index, OPERATOR, draft.project, "bob")

    for act in (
        lambda: factories.send(index, bob, draft, pending, wheel.read_bytes()),
        lambda: factories.complete(index, bob, draft, pending),
        lambda: file_uploads.cancel(index, Actor(bob), draft, pending),
        lambda: file_uploads.extend(index, Actor(bob), draft, pending, HOUR),
    ):
        refused(index, NotAllowed, act)
    factories.complete(index, ada, draft, pending)


# Completing


def test_a_completed_file_is_one_of_the_draft(
    index: Index, ada: User, draft: Draft, completed: FileUpload, wheel: Path
) -> None:
    [file] = drafts.files(index.session, draft)

    assert completed.file is file
    assert file.filename == WHEEL
    assert file.uploaded_by is ada
    assert file.core_metadata["summary"] == "An example."
    assert draft.release is not None
    assert draft.release.summary == "An example."
    assert index.session.scalars(select(UploadPart)).all() == []


@pytest.mark.parametrize("name", ["sha512", "sha3_256", "blake2b", "sha1", "md5", "sha384"])
def test_every_digest_is_checked_whatever_its_function(
    index: Index, ada: User, draft: Draft, wheel: Path, tmp_path: Path, name: str
) -> None:
    content, sdist = wheel.read_bytes(), make_sdist(tmp_path)
    right = {n: hashlib.new(n, content).hexdigest() for n in ("sha256", name)}
    good = factories.announce(index, ada, draft, wheel, digests=right, mechanism=RESUMABLE)
    factories.send(index, ada, draft, good, content[:7])
    factories.send(index, ada, draft, good, content[7:], 7)
    factories.complete(index, ada, draft, good)

    digests = {
        "sha256": hashlib.sha256(sdist.read_bytes()).hexdigest(),
        name: hashlib.new(name, content).hexdigest().upper(),
    }
    wrong = factories.announce(index, ada, draft, sdist, digests=digests)
    factories.send(index, ada, draft, wrong, sdist.read_bytes())
    with pytest.raises(WrongDigest, match=name):
        factories.complete(index, ada, draft, wrong)

    assert shown(index, draft) == {WHEEL: "completed", sdist.name: "error"}


def test_without_all_the_bytes_it_fails(
    index: Index, ada: User, draft: Draft, resumable: FileUpload, wheel: Path
) -> None:
    factories.send(index, ada, draft, resumable, wheel.read_bytes()[:-1])

    with pytest.raises(UploadConflict, match="bytes of"):
        factories.complete(index, ada, draft, resumable)

    assert shown(index, draft) == {WHEEL: "error"}


def test_a_file_that_is_no_distribution_fails_with_every_reason(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    path = tmp_path / WHEEL
    path.write_bytes(b"no wheel at all")
    upload = factories.announce(index, ada, draft, path)
    factories.send(index, ada, draft, upload, path.read_bytes())

    with pytest.raises(InvalidFile) as caught:
        factories.complete(index, ada, draft, upload)

    assert upload.problems == list(caught.value.details)
    assert shown(index, draft) == {WHEEL: "error"}


def test_what_is_in_the_file_counts_not_its_name(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    path = make_wheel(tmp_path, "other", "2.0", filename=WHEEL)
    upload = factories.announce(index, ada, draft, path)
    factories.send(index, ada, draft, upload, path.read_bytes())

    with pytest.raises(InvalidFile):
        factories.complete(index, ada, draft, upload)

    assert names(index, draft) == []


def test_a_failure_is_final_until_it_is_deleted(
    index: Index, ada: User, draft: Draft, wheel: Path
) -> None:
    upload = failed_upload(index, ada, draft, wheel)

    refused(
        index, UploadConflict, lambda: factories.announce(index, ada, draft, wheel), "has failed"
    )
    file_uploads.cancel(index, Actor(ada), draft, upload)
    assert state(index, upload) == "canceled"
    factories.add_upload(index, ada, draft, wheel)
    assert shown(index, draft) == {WHEEL: "completed"}


def test_a_failure_leaves_the_file_that_was_there(
    index: Index, ada: User, draft: Draft, completed: FileUpload, tmp_path: Path
) -> None:
    failed = failed_upload(index, ada, draft, make_wheel(tmp_path / "new", salt="new"))
    assert shown(index, draft) == {WHEEL: "error"}

    file_uploads.cancel(index, Actor(ada), draft, failed)

    assert shown(index, draft) == {WHEEL: "completed"}
    assert state(index, completed) == "completed"


def test_a_file_that_was_published_while_it_came_fails(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    """The draft was published with the file, and a new one has an upload of its name by now."""
    factories.send(index, ada, draft, pending, wheel.read_bytes())
    file_uploads.begin_completion(index, Actor(ada), draft, pending)
    with file_uploads.assemble(index.settings, index.storage, pending) as assembled:
        file_uploads.cancel(after(index, COMPLETION_LEASE), Actor(ada), draft, pending)
        factories.upload(index, ada, wheel, staged=True)
        drafts.publish(index, Actor(ada), draft)

        with pytest.raises(Ended):
            file_uploads.complete(index, Actor(ada), draft, pending, assembled)

    assert factories.public_filenames(index, "example") == [WHEEL]


def test_a_completion_that_takes_too_long_has_failed(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    factories.send(index, ada, draft, pending, wheel.read_bytes())
    file_uploads.begin_completion(index, Actor(ada), draft, pending)
    in_time, late = after(index, COMPLETION_LEASE - INSTANT), after(index, COMPLETION_LEASE)

    assert state(in_time, pending) == "processing"
    assert state(late, pending) == "error"
    with file_uploads.assemble(index.settings, index.storage, pending) as assembled:
        refused(
            index,
            UploadConflict,
            lambda: file_uploads.complete(late, Actor(ada), draft, pending, assembled),
        )
        file_uploads.complete(in_time, Actor(ada), draft, pending, assembled)
    assert shown(index, draft) == {WHEEL: "completed"}


def test_what_was_interrupted_can_be_deleted_and_sent_anew(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    file_uploads.begin_completion(index, Actor(ada), draft, pending)
    late = after(index, COMPLETION_LEASE)

    with pytest.raises(UploadConflict, match="has failed"):
        factories.announce(late, ada, draft, wheel)
    file_uploads.cancel(late, Actor(ada), draft, pending)

    assert shown(late, draft) == {}
    factories.add_upload(late, ada, draft, wheel)
    assert shown(late, draft) == {WHEEL: "completed"}


# Replacing


def test_what_is_under_way_is_not_replaced(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    again = partial(factories.announce, index, ada, draft, wheel)

    refused(index, UploadConflict, again, "is being uploaded")
    file_uploads.begin_completion(index, Actor(ada), draft, pending)
    refused(index, UploadConflict, again, "is being uploaded")


def test_a_completed_file_is_replaced_when_the_new_one_is_completed(
    index: Index, ada: User, draft: Draft, completed: FileUpload, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path / "other", salt="other")
    upload = factories.announce(index, ada, draft, other)
    factories.send(index, ada, draft, upload, other.read_bytes())
    assert shown(index, draft) == {WHEEL: "pending"}
    [former] = drafts.files(index.session, draft)
    assert former.sha256 == completed.digests["sha256"]

    factories.complete(index, ada, draft, upload)

    [file] = drafts.files(index.session, draft)
    assert file.sha256 == upload.digests["sha256"]
    assert (state(index, completed), state(index, upload)) == ("canceled", "completed")


def test_the_same_bytes_again_are_a_new_upload_of_the_same_file(
    index: Index, ada: User, draft: Draft, completed: FileUpload, wheel: Path
) -> None:
    again = factories.add_upload(index, ada, draft, wheel)

    assert (state(index, completed), state(index, again)) == ("canceled", "completed")
    assert names(index, draft) == [WHEEL]
    file_uploads.cancel(index, Actor(ada), draft, completed)
    assert names(index, draft) == [WHEEL]
    file_uploads.cancel(index, Actor(ada), draft, again)
    assert names(index, draft) == []


# Ending


@pytest.mark.parametrize("where", [*STATES, "pending"])
def test_it_is_canceled_in_every_state_but_one(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path, where: str
) -> None:
    factories.send(index, ada, draft, pending, wheel.read_bytes())
    if where in STATES:
        STATES[where](index, ada, draft, pending)
    index.session.flush()
    act = partial(file_uploads.cancel, index, Actor(ada), draft, pending)

    if where == "processing":
        refused(index, UploadConflict, act, "being completed")
        return
    act()
    assert state(index, pending) == "canceled"
    assert shown(index, draft) == {}
    assert index.session.scalars(select(UploadPart)).all() == []
    act()
    assert state(index, pending) == "canceled"


def test_to_cancel_what_is_completed_deletes_the_file(
    index: Index, ada: User, draft: Draft, completed: FileUpload
) -> None:
    file_uploads.cancel(index, Actor(ada), draft, completed)

    assert state(index, completed) == "canceled"
    assert names(index, draft) == []


def test_by_its_name_a_file_is_deleted_whatever_state_it_is_in(
    index: Index, ada: User, draft: Draft, completed: FileUpload, tmp_path: Path
) -> None:
    newer = factories.announce(index, ada, draft, make_wheel(tmp_path / "newer", salt="newer"))

    file_uploads.remove(index, Actor(ada), draft, WHEEL)
    assert (state(index, newer), state(index, completed)) == ("canceled", "completed")
    file_uploads.remove(index, Actor(ada), draft, WHEEL)
    assert state(index, completed) == "canceled"
    refused(index, NotFound, lambda: file_uploads.remove(index, Actor(ada), draft, WHEEL))


def test_a_file_that_the_manage_page_removes_takes_its_upload_along(
    index: Index, ada: User, draft: Draft, completed: FileUpload
) -> None:
    drafts.remove_file(index, Actor(ada), draft, WHEEL)
    index.session.refresh(completed)

    assert state(index, completed) == "canceled"
    assert completed.file is None


def test_a_legacy_upload_of_other_bytes_takes_its_upload_along(
    index: Index, ada: User, draft: Draft, completed: FileUpload, tmp_path: Path
) -> None:
    assert factories.stage(index, ada, make_wheel(tmp_path / "other", salt="other")) is draft
    index.session.refresh(completed)

    assert state(index, completed) == "canceled"
    assert shown(index, draft) == {WHEEL: "completed"}


def test_a_legacy_upload_of_the_same_bytes_leaves_it(
    index: Index, ada: User, draft: Draft, completed: FileUpload, wheel: Path
) -> None:
    assert factories.stage(index, ada, wheel) is draft
    index.session.refresh(completed)

    assert state(index, completed) == "completed"


def test_with_the_session_all_uploads_are_canceled_also_one_that_is_processed(
    index: Index, ada: User, draft: Draft, completed: FileUpload, tmp_path: Path
) -> None:
    sdist = make_sdist(tmp_path)
    processing = factories.announce(index, ada, draft, sdist)
    factories.send(index, ada, draft, processing, sdist.read_bytes())
    file_uploads.begin_completion(index, Actor(ada), draft, processing)
    with file_uploads.assemble(index.settings, index.storage, processing) as assembled:
        drafts.discard(index, Actor(ada), draft)

        with pytest.raises(Ended):
            file_uploads.complete(index, Actor(ada), draft, processing, assembled)
        file_uploads.fail(index, processing, ("too late",))

    for upload in (completed, processing):
        index.session.refresh(upload)
        assert state(index, upload) == "canceled"
    assert index.session.scalars(select(File)).all() == []
    assert index.session.scalars(select(UploadPart)).all() == []
    assert index.session.scalars(select(Project)).all() == []


# Time


def test_a_pending_upload_is_gone_from_the_second_it_falls_due(
    index: Index, ada: User, draft: Draft, pending: FileUpload, wheel: Path
) -> None:
    last, due = after(index, LIFETIME - INSTANT), after(index, LIFETIME)

    assert shown(last, draft) == {WHEEL: "pending"}
    refused(last, UploadConflict, lambda: factories.announce(last, ada, draft, wheel))
    assert shown(due, draft) == {}
    again = factories.announce(due, ada, draft, wheel)
    assert (state(due, pending), state(due, again)) == ("canceled", "pending")


def test_more_time_counts_from_the_expiry_and_ends_with_the_session(
    index: Index, ada: User, draft: Draft, pending: FileUpload
) -> None:
    file_uploads.extend(index, Actor(ada), draft, pending, HOUR)
    assert pending.expires == index.now + LIFETIME + HOUR

    file_uploads.extend(index, Actor(ada), draft, pending, timedelta(0))
    assert pending.expires == index.now + LIFETIME + HOUR

    file_uploads.extend(index, Actor(ada), draft, pending, 3650 * DAY)
    assert pending.expires == draft.expires


@pytest.mark.parametrize("where", STATES)
def test_only_what_is_pending_gets_more_time(
    index: Index, ada: User, draft: Draft, pending: FileUpload, where: str
) -> None:
    STATES[where](index, ada, draft, pending)
    expires = pending.expires

    file_uploads.extend(index, Actor(ada), draft, pending, HOUR)

    assert pending.expires == expires
    assert state(index, pending) != "pending"


def test_housekeeping_writes_down_what_time_has_done(
    premises: Premises, clock: FakeClock, tmp_path: Path
) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    with premises.writing() as index:
        ada = factories.make_user(index)
        draft = factories.open_session(index, ada)
        late = factories.announce(index, ada, draft, wheel)
        factories.send(index, ada, draft, late, wheel.read_bytes())
        interrupted = factories.announce(index, ada, draft, sdist)
        factories.send(index, ada, draft, interrupted, sdist.read_bytes())
        file_uploads.begin_completion(index, Actor(ada), draft, interrupted)
    kept = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, sdist)}
    assert keep_house(premises).blobs_freed == 0
    assert set(premises.storage.digests()) == kept

    clock.advance(LIFETIME)
    keep_house(premises)

    assert list(premises.storage.digests()) == []
    with premises.reading() as index:
        uploads = index.session.scalars(select(FileUpload).order_by(FileUpload.id)).all()
        assert [upload.state for upload in uploads] == [UploadState.CANCELED, UploadState.ERROR]
        assert uploads[1].problems == ["The index was interrupted: upload the file anew."]


@pytest.mark.parametrize(("ending", "files"), [(drafts.discard, 0), (drafts.publish, 1)])
def test_uploads_are_forgotten_with_their_session_and_files_are_not(
    premises: Premises,
    clock: FakeClock,
    wheel: Path,
    ending: Callable[[Index, Actor, Draft], object],
    files: int,
) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index)
        draft = factories.open_session(index, ada)
        factories.add_upload(index, ada, draft, wheel)
        ending(index, Actor(ada), draft)

    def left() -> tuple[int, int]:
        keep_house(premises)
        with premises.reading() as index:
            uploads = index.session.scalars(select(FileUpload)).all()
            return len(uploads), len(index.session.scalars(select(File)).all())

    clock.advance(drafts.STATUS_KEPT - INSTANT)
    assert left() == (1, files)
    clock.advance(INSTANT)
    assert left() == (0, files)


def test_what_has_arrived_is_kept_while_its_upload_lives(
    premises: Premises, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    content = wheel.read_bytes()
    with premises.writing() as index:
        ada = factories.make_user(index)
        draft = factories.open_session(index, ada)
        upload = factories.announce(index, ada, draft, wheel, mechanism=RESUMABLE)
        factories.send(index, ada, draft, upload, content[:5])
        key = upload.key
    keep_house(premises)

    with premises.writing() as index:
        ada = accounts.get_user(index.session, "ada")
        found = factories.find_draft(index, "example", "1.0")
        assert found is not None
        resumed = file_uploads.by_key(index.session, found, key)
        assert resumed is not None
        factories.send(index, ada, found, resumed, content[5:], file_uploads.received(resumed))
        factories.complete(index, ada, found, resumed)
    assert keep_house(premises).blobs_freed == 2  # the two parts

    with premises.reading() as index:
        [file] = index.session.scalars(select(File))
        assert {file.sha256, file.metadata_sha256} == set(premises.storage.digests())


def test_uploads_of_several_versions_do_not_meet(
    index: Index, ada: User, draft: Draft, pending: FileUpload, tmp_path: Path
) -> None:
    project = projects.get(index, "example")
    other = factories.open_session(index, ada, version="2.0")
    wheel = make_wheel(tmp_path, version="2.0")
    factories.add_upload(index, ada, other, wheel)

    drafts.publish(index, Actor(ada), other)

    assert shown(index, draft) == {WHEEL: "pending"}
    assert drafts.live(index, project, Version("2.0")) is None
