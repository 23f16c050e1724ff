"""Sessions and their files when several ask at the same moment, each over its own connection."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import Draft, DraftState, File, UploadPart, UploadSession
from greenroom.registry import (
    accounts,
    catalogue,
    draft_contents,
    drafts,
    publishing,
    storage_identity,
    upload_sessions,
    upload_states,
)
from greenroom.registry.errors import Refusal
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.permissions import Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_sessions import RESUMABLE, Place
from tests import factories
from tests.artifacts import make_sdist, make_wheel

WHEEL = "example-1.0-py3-none-any.whl"

# SQLite has one writer at a time, so what can happen there happens here too.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Here:
    """The session of `example` 1.0, found anew by whoever does something to it."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        storage_identity.check(services)
        self.wheel = make_wheel(folder)
        self.other = make_wheel(folder / "other", salt="other")
        self.sdist = make_sdist(folder)
        with services.writing() as uow:
            ada = Person(factories.make_user(uow, "ada"))
            self.key = factories.open_new(uow, ada).key

    def find(self, uow: UnitOfWork) -> tuple[Actor, Draft]:
        draft = drafts.by_key(uow.db, self.key)
        assert draft is not None
        return Person(accounts.get_user(uow.db, "ada")), draft

    def do(self, act: Callable[[UnitOfWork, Actor, Draft], object]) -> str:
        """Do it in a unit of work: "done", or the code of the refusal."""
        try:
            with self.services.writing() as uow:
                act(uow, *self.find(uow))
        except Refusal as refusal:
            return refusal.code
        return "done"

    def announce(self, path: Path, *, send: bool = True) -> int:
        """The id of an upload, of which all bytes have arrived."""
        with self.services.writing() as uow:
            actor, draft = self.find(uow)
            upload = factories.announce(uow, actor, draft, path)
            if send:
                factories.send(uow, actor, draft, upload, path.read_bytes())
            return upload.id

    def complete(self, upload_id: int) -> str:
        """Complete an upload, in several units of work."""
        with self.services.reading() as uow:
            place = Place(self.key, get(uow, upload_id).key)
        try:
            upload_sessions.complete_upload(self.services, lambda uow: self.find(uow)[0], place)
        except Refusal as refusal:
            return refusal.code
        return "done"

    def state(self, upload_id: int) -> str:
        with self.services.reading() as uow:
            return upload_states.state(uow, get(uow, upload_id)).value

    def look(self) -> tuple[str, list[str], list[str]]:
        """The session's state, the names of its staged files, the public names."""
        with self.services.reading() as uow:
            _, draft = self.find(uow)
            staged = [file.filename for file in drafts.files(uow.db, draft)]
            return draft.state, staged, factories.public_filenames(uow, "example")

    def check_nothing_leaks(self) -> None:
        """After housekeeping there are the blobs of files, and of what still arrives."""
        keep_house(self.services)
        with self.services.reading() as uow:
            files = uow.db.scalars(select(File)).all()
            parts = uow.db.scalars(select(UploadPart.sha256)).all()
            referenced = {d for f in files for d in (f.sha256, f.metadata_sha256)} | set(parts)
            assert set(self.services.storage.digests()) == referenced


def get(uow: UnitOfWork, upload_id: int) -> UploadSession:
    return uow.db.get_one(UploadSession, upload_id)


@pytest.fixture
def here(services: Services, tmp_path: Path) -> Here:
    return Here(services, tmp_path)


def publish(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    publishing.publish(uow, actor, draft, registers_name=True)


def test_of_those_who_create_a_session_one_does(here: Here) -> None:
    def create(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
        factories.open_new(uow, actor, "fresh", "1.0")

    outcomes = factories.at_once(*[partial(here.do, create)] * 4)

    assert sorted(outcomes) == ["done", "session-exists", "session-exists", "session-exists"]


def test_strangers_who_create_a_session_of_one_new_name_do_not_both_get_it(here: Here) -> None:
    with here.services.writing() as uow:
        factories.make_user(uow, "bob")

    def create(name: str, spelling: str) -> str:
        try:
            with here.services.writing() as uow:
                user = accounts.get_user(uow.db, name)
                factories.open_new(uow, user, spelling, "1.0")
        except Refusal as refusal:
            return refusal.code
        return "done"

    outcomes = factories.at_once(
        partial(create, "ada", "two-words"), partial(create, "bob", "Two_Words")
    )

    assert sorted(outcomes) in (["done", "not-allowed"], ["done", "name-not-available"])


def test_of_two_publishers_one_publishes_and_both_are_told_so(here: Here) -> None:
    upload = here.announce(here.wheel)
    assert here.complete(upload) == "done"

    assert factories.at_once(*[partial(here.do, publish)] * 3) == ["done"] * 3

    with here.services.reading() as uow:
        actions = [action for *_, action in factories.journal_of(uow)]
        assert actions.count(f"add py3 file {WHEEL}") == 1


@pytest.mark.parametrize("way", ["swap", "add", "remove"])
def test_a_publisher_who_names_a_digest_meets_a_change(here: Here, way: str) -> None:
    """Whoever is faster: what is public has the digest that was approved, or nothing is public."""
    assert here.complete(here.announce(here.wheel)) == "done"
    with here.services.reading() as uow:
        _, draft = here.find(uow)
        reviewed = draft_contents.digest_of(draft, drafts.files(uow.db, draft))

    def approve(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
        publishing.publish(uow, actor, draft, content_digest=reviewed)

    def change(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
        if way == "remove":
            drafts.remove_file(uow, actor, draft, WHEEL)
        else:
            path = here.other if way == "swap" else here.sdist
            factories.upload(uow, actor, path, staged=True)

    approved, changed = factories.at_once(partial(here.do, approve), partial(here.do, change))

    state, staged, public = here.look()
    if approved == "done":
        assert (state, public) == ("published", [WHEEL])
        with here.services.reading() as uow:
            file = catalogue.file(uow.db, WHEEL)
            assert file is not None
            assert file.sha256 == hashlib.sha256(here.wheel.read_bytes()).hexdigest()
            assert here.find(uow)[1].content_digest == reviewed
        # A further file opens a draft of its own; one of the name is refused.
        assert changed != "done" or way == "add"
    else:
        assert (approved, changed) == ("draft-changed", "done")
        assert (state, public) == ("open", [])
        assert staged == {"swap": [WHEEL], "add": [WHEEL, here.sdist.name], "remove": []}[way]
    here.check_nothing_leaks()


@pytest.mark.parametrize("staged", [True, False])
def test_a_legacy_upload_meets_a_publisher(here: Here, staged: bool) -> None:
    assert here.complete(here.announce(here.wheel)) == "done"

    published, legacy = factories.at_once(
        partial(here.do, publish),
        partial(here.do, lambda i, a, d: factories.upload(i, a, here.sdist, staged=staged)),
    )

    assert published == "done"
    state, _, public = here.look()
    assert state == "published"
    with here.services.reading() as uow:
        again = factories.find_draft(uow, "example", "1.0")
    if staged:
        # Before it came, the file went public with the rest; after, it is in a draft of its own.
        assert legacy == "done"
        assert (here.sdist.name in public) == (again is None)
    else:
        assert legacy in ("done", "draft-open")
        assert (here.sdist.name in public) == (legacy == "done")
    here.check_nothing_leaks()


@pytest.mark.parametrize("staged", [True, False])
def test_another_file_of_the_name_meets_a_publisher(here: Here, staged: bool) -> None:
    """A name is published once, whoever was faster."""
    assert here.complete(here.announce(here.wheel)) == "done"

    published, legacy = factories.at_once(
        partial(here.do, publish),
        partial(here.do, lambda i, a, d: factories.upload(i, a, here.other, staged=staged)),
    )

    assert published == "done"
    assert legacy in (("done", "file-exists") if staged else ("draft-open", "file-exists"))
    first, second = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (here.wheel, here.other))
    with here.services.reading() as uow:
        file = catalogue.file(uow.db, WHEEL)
        assert file is not None
        assert file.sha256 == (second if legacy == "done" else first)
    here.check_nothing_leaks()


def test_of_two_who_announce_one_name_one_does(here: Here) -> None:
    outcomes = factories.at_once(
        *[partial(here.do, lambda i, a, d: factories.announce(i, a, d, here.wheel))] * 4
    )
    assert sorted(outcomes) == ["done", *["upload-conflict"] * 3]


def test_different_names_are_announced_at_once(here: Here) -> None:
    outcomes = factories.at_once(
        *[
            partial(here.do, partial(factories.announce, path=path))
            for path in (here.wheel, here.sdist)
        ]
    )
    assert outcomes == ["done", "done"]


def test_of_two_who_complete_one_file_one_does(here: Here) -> None:
    upload = here.announce(here.wheel)

    outcomes = factories.at_once(*[partial(here.complete, upload)] * 3)

    assert sorted(outcomes) == ["done", "upload-conflict", "upload-conflict"]
    assert here.state(upload) == "completed"
    assert here.look()[1] == [WHEEL]
    here.check_nothing_leaks()


def test_files_are_completed_at_once(here: Here) -> None:
    uploads = [here.announce(path) for path in (here.wheel, here.sdist)]

    assert factories.at_once(*[partial(here.complete, u) for u in uploads]) == ["done", "done"]

    assert sorted(here.look()[1]) == [WHEEL, here.sdist.name]
    here.check_nothing_leaks()


def test_who_deletes_a_file_meets_its_completion(here: Here) -> None:
    upload = here.announce(here.wheel)

    completed, deleted = factories.at_once(
        partial(here.complete, upload),
        partial(here.do, lambda i, a, d: upload_sessions.cancel(i, a, d, get(i, upload))),
    )

    staged = here.look()[1]
    match completed, deleted:
        case "done", "done":  # deleted after it was completed
            assert (here.state(upload), staged) == ("canceled", [])
        case "done", "upload-conflict":  # while it was being completed
            assert (here.state(upload), staged) == ("completed", [WHEEL])
        case "upload-conflict", "done":  # before
            assert (here.state(upload), staged) == ("canceled", [])
        case outcome:
            pytest.fail(str(outcome))
    here.check_nothing_leaks()


def test_who_cancels_the_session_meets_a_completion(here: Here) -> None:
    upload = here.announce(here.wheel)

    completed, canceled = factories.at_once(
        partial(here.complete, upload), partial(here.do, drafts.discard)
    )

    assert canceled == "done"
    assert completed in ("done", "draft-ended")
    assert here.look() == (DraftState.DISCARDED, [], [])
    assert here.state(upload) == "canceled"
    here.check_nothing_leaks()
    assert list(here.services.storage.digests()) == []


def test_who_publishes_meets_a_completion(here: Here) -> None:
    """Either the file is in what becomes public, or nothing is published."""
    upload = here.announce(here.wheel)

    completed, published = factories.at_once(
        partial(here.complete, upload), partial(here.do, publish)
    )

    assert completed == "done"
    state, staged, public = here.look()
    if published == "done":
        assert (state, public) == ("published", [WHEEL])
    else:
        assert published == "cannot-publish"
        assert (state, staged, public) == ("open", [WHEEL], [])


def test_who_announces_meets_a_publisher(here: Here) -> None:
    assert here.complete(here.announce(here.wheel)) == "done"

    published, announced = factories.at_once(
        partial(here.do, publish),
        partial(here.do, lambda i, a, d: factories.announce(i, a, d, here.sdist)),
    )

    assert (published, announced) in (("done", "draft-ended"), ("cannot-publish", "done"))


def test_of_two_who_send_the_next_bytes_one_does(here: Here) -> None:
    content = here.wheel.read_bytes()
    with here.services.writing() as uow:
        actor, draft = here.find(uow)
        upload_id = factories.announce(uow, actor, draft, here.wheel, mechanism=RESUMABLE).id

    def send(length: int) -> str:
        """The part is kept before the lock is held."""
        path = here.services.storage.new_file()
        path.write_bytes(content[:length])
        part = factories.received(path, ["sha256"])
        upload_sessions.keep_part(here.services.storage, part)
        return here.do(
            lambda i, a, d: upload_sessions.add_part(i, a, d, get(i, upload_id), 0, part)
        )

    outcomes = factories.at_once(partial(send, 100), partial(send, 200))

    assert sorted(outcomes) == ["done", "wrong-offset"]
    with here.services.reading() as uow:
        received = upload_sessions.received(get(uow, upload_id))
        assert received == (100 if outcomes[0] == "done" else 200)
    here.check_nothing_leaks()


def test_housekeeping_takes_nothing_that_is_about_to_be_used(here: Here) -> None:
    upload = here.announce(here.wheel)

    completed, *_ = factories.at_once(
        partial(here.complete, upload), *[lambda: str(keep_house(here.services))] * 2
    )

    assert completed == "done"
    here.check_nothing_leaks()
    with here.services.reading() as uow:
        for file in uow.db.scalars(select(File)):
            assert file.sha256 in here.services.storage
            assert file.metadata_sha256 in here.services.storage
