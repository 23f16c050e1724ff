"""Sessions and file uploads against a model: the two state tables of PEP 694 in plain Python.

Whatever is asked in whatever order, the index answers as the tables say, and stands where they say.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from packaging.version import Version

from greenroom.database import Database
from greenroom.models import Draft, UploadSession, UploadState
from greenroom.registry import (
    accounts,
    drafts,
    housekeeping,
    publishing,
    upload_sessions,
    upload_states,
)
from greenroom.registry.announced import COMPLETION_LEASE
from greenroom.registry.errors import (
    BeingReviewed,
    CannotPublish,
    DraftExists,
    Ended,
    FileExists,
    FileReserved,
    Refusal,
    UploadConflict,
)
from greenroom.registry.permissions import Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_sessions import LIFETIME
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock, MakeDatabase, empty, unflushed
from tests.fuzzing import walk

LIFE, LONGEST_LIFE = timedelta(days=3), timedelta(days=5)
SALTS = ("", "other")
UNFINISHED = ("pending", "processing", "error")


NAMES = ("example-1.0.tar.gz", "example-1.0-py3-none-any.whl")


@cache
def paths() -> dict[tuple[str, str], Path]:
    """Two files of `example` 1.0, each with two contents, by name and salt."""
    folder = Path(tempfile.mkdtemp(prefix="greenroom-machine-"))
    return {
        (path.name, salt): path
        for salt in SALTS
        for path in (
            make_sdist(folder / f"salt-{salt}", salt=salt),
            make_wheel(folder / f"salt-{salt}", salt=salt),
        )
    }


def path_of(name: str, salt: str) -> Path:
    return paths()[name, salt]


@dataclass
class Upload:
    """A file upload session, as the model has it."""

    id: int
    name: str
    salt: str
    state: str
    expires: datetime
    began: datetime | None = None


@dataclass
class Session:
    """A publishing session, as the model has it; ``staged`` has the content of each file."""

    id: int
    opened: datetime
    expires: datetime
    state: str = "open"
    staged: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)

    @property
    def is_terminal(self) -> bool:
        return self.state in ("published", "canceled")

    def touch(self, now: datetime) -> None:
        self.expires = max(self.expires, min(now + LIFE, self.opened + LONGEST_LIFE))

    def under_way(self, name: str) -> Upload | None:
        found = [u for u in self.uploads if u.name == name and u.state in UNFINISHED]
        return found[0] if found else None

    def brought(self, name: str) -> list[Upload]:
        return [u for u in self.uploads if u.name == name and u.state == "completed"]


class Sessions(RuleBasedStateMachine):
    """One version of one project; sessions of it come one after the other."""

    database: Database

    @initialize(reviewed=st.booleans())
    def build(self, reviewed: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenroom-sessions-"))
        url = self.database.engine.url.render_as_string(hide_password=False)
        empty(url)
        self.clock = FakeClock()
        configured = Settings(
            data=self.folder / "data",
            database_url=url,
            draft_lifetime=LIFE,
            draft_lifetime_max=LONGEST_LIFE,
            release_open_days=0,
            review_command="true" if reviewed else None,
        )
        storage = open_storage(None, configured.files)
        self.services = Services(self.database, storage, configured, self.clock)
        self.reviewed = reviewed
        self.sessions: list[Session] = []
        self.registered = False
        self.public: dict[str, str] = {}
        with self.services.writing() as uow:
            factories.make_user(uow, "ada")
        self.create()

    def teardown(self) -> None:
        if hasattr(self, "services"):
            self.services.database.close()
            shutil.rmtree(self.folder)

    @property
    def now(self) -> datetime:
        return self.clock.now

    @property
    def last(self) -> Session:
        return self.sessions[-1]

    def has_session(self) -> bool:
        return bool(getattr(self, "sessions", None))

    def has_upload(self) -> bool:
        return self.has_session() and bool(self.last.uploads)

    def a_upload(self, which: int) -> Upload:
        return self.last.uploads[which % len(self.last.uploads)]

    def change(self) -> set[type[Refusal]]:
        """What a change of the last session is refused with, whatever it is."""
        if self.last.is_terminal:
            return {Ended}
        if self.last.state == "processing":
            return {BeingReviewed}
        return set()

    # Rules: what is asked, and what the tables say of it.

    @rule()
    def create(self) -> None:
        open_ = self.has_session() and not self.last.is_terminal
        with self.expecting({DraftExists} if open_ else set()) as uow:
            draft = drafts.open_new(uow, self.ada(uow), "example", Version("1.0"))
            draft_id = draft.id
        if not open_:
            self.sessions.append(Session(draft_id, self.now, self.now + LIFE))

    @precondition(has_session)
    @rule(name=st.sampled_from(NAMES), salt=st.sampled_from(SALTS))
    def announce(self, name: str, salt: str) -> None:
        refusals = self.change()
        if not refusals and self.last.under_way(name):
            refusals = {UploadConflict}
        elif not refusals and name in self.public:
            refusals = {FileExists}
        with self.expecting(refusals) as uow:
            made = factories.announce(uow, *self.place(uow), path_of(name, salt)).id
        if not refusals:
            expires = min(self.now + LIFETIME, self.last.expires)
            self.last.uploads.append(Upload(made, name, salt, "pending", expires))

    @precondition(has_upload)
    @rule(which=st.integers(0, 9), good=st.booleans())
    def send_and_complete(self, which: int, good: bool) -> None:
        upload = self.a_upload(which)
        refusals = self.change() or ({UploadConflict} if upload.state != "pending" else set())
        content = path_of(upload.name, upload.salt).read_bytes()
        with self.expecting(refusals) as uow:
            actor, draft = self.place(uow)
            sent = content if good else content[:-1] + b"x"
            factories.send(uow, actor, draft, get(uow, upload), sent)
        if refusals:
            with self.expecting(refusals) as uow:
                actor, draft = self.place(uow)
                upload_sessions.begin_completion(uow, actor, draft, get(uow, upload))
            return
        self.complete(upload, good)

    @precondition(has_session)
    @rule(name=st.sampled_from(NAMES), salt=st.sampled_from(SALTS))
    def announce_send_and_complete(self, name: str, salt: str) -> None:
        if self.last.is_terminal:
            self.create()
        before = len(self.last.uploads)
        self.announce(name, salt)
        if len(self.last.uploads) > before:
            self.send_and_complete(before, good=True)

    def complete(self, upload: Upload, good: bool) -> None:
        with self.services.writing() as uow:
            try:
                factories.complete(uow, *self.place(uow), get(uow, upload))
            except Refusal:
                assert not good
        if not good:
            upload.state = "error"
            return
        for former in self.last.brought(upload.name):
            former.state = "canceled"
        upload.state = "completed"
        if self.last.staged.get(upload.name) != upload.salt:
            self.last.touch(self.now)
        self.last.staged[upload.name] = upload.salt

    @precondition(has_upload)
    @rule(which=st.integers(0, 9))
    def begin_completion(self, which: int) -> None:
        """And its server is killed, so that it is never heard of again."""
        upload = self.a_upload(which)
        refusals = self.change() or ({UploadConflict} if upload.state != "pending" else set())
        with self.expecting(refusals) as uow:
            actor, draft = self.place(uow)
            upload_sessions.begin_completion(uow, actor, draft, get(uow, upload))
        if not refusals:
            upload.state, upload.began = "processing", self.now

    @precondition(has_upload)
    @rule(which=st.integers(0, 9))
    def delete(self, which: int) -> None:
        upload = self.a_upload(which)
        refusals = self.change() or ({UploadConflict} if upload.state == "processing" else set())
        with self.expecting(refusals) as uow:
            actor, draft = self.place(uow)
            upload_sessions.cancel(uow, actor, draft, get(uow, upload))
        if refusals:
            return
        if upload.state == "completed":
            del self.last.staged[upload.name]
            self.last.touch(self.now)
        upload.state = "canceled"

    @precondition(has_upload)
    @rule(which=st.integers(0, 9), hours=st.sampled_from([0, 30, 1000]))
    def extend_upload(self, which: int, hours: int) -> None:
        upload, length = self.a_upload(which), timedelta(hours=hours)
        with self.expecting(self.change()) as uow:
            actor, draft = self.place(uow)
            upload_sessions.extend(uow, actor, draft, get(uow, upload), length)
        if not self.change() and upload.state == "pending":
            upload.expires = max(upload.expires, min(upload.expires + length, self.last.expires))

    @precondition(has_session)
    @rule(hours=st.sampled_from([0, 30, 1000]))
    def extend(self, hours: int) -> None:
        length = timedelta(hours=hours)
        with self.expecting(self.change()) as uow:
            drafts.extend_for(uow, *self.place(uow), length)
        if not self.change():
            session = self.last
            latest = session.opened + LONGEST_LIFE
            session.expires = max(session.expires, min(session.expires + length, latest))

    @precondition(has_session)
    @rule(sure=st.sampled_from([False, False, True]))
    def publish(self, sure: bool) -> None:
        """Not too often, or no session comes far."""
        if not sure:
            return
        session = self.last
        refusals: set[type[Refusal]] = {Ended} if session.state == "canceled" else set()
        unfinished = any(upload.state in UNFINISHED for upload in session.uploads)
        empty_ = not session.staged and self.registered
        if session.state in ("open", "error") and (unfinished or empty_):
            refusals = {CannotPublish}
        with self.expecting(refusals) as uow:
            publishing.publish(uow, *self.place(uow), registers_name=True)
        if refusals or session.state not in ("open", "error"):
            return
        if self.reviewed:
            session.state = "processing"
            session.expires = max(session.expires, self.now + timedelta(days=1))
        else:
            self.went_public()

    @precondition(has_session)
    @rule(passed=st.booleans())
    def decide(self, passed: bool) -> None:
        """A review comes to its end, if one is going on."""
        with self.services.writing() as uow:
            draft = self.place(uow)[1]
            publishing.finish_review(uow, draft, passed=passed, notices=["why"])
        if self.last.state == "processing":
            if passed:
                self.went_public()
            else:
                self.last.state = "error"

    @precondition(has_session)
    @rule(sure=st.sampled_from([False, False, True]))
    def cancel(self, sure: bool) -> None:
        if not sure:
            return
        session = self.last
        refusals = self.change()
        with self.services.reading() as uow:
            if drafts.state(uow, self.place(uow)[1]) == "discarded":
                refusals = set()  # to cancel it again changes nothing
        with self.expecting(refusals) as uow:
            drafts.discard(uow, *self.place(uow))
        if not refusals:
            self.end(session)

    @rule(name=st.sampled_from(NAMES), salt=st.sampled_from(SALTS), replaces=st.booleans())
    def stage_by_legacy_upload(self, name: str, salt: str, replaces: bool) -> None:
        """It joins the session that is open, or opens one; now and then it replaces a file."""
        if replaces and self.last.staged:
            name, former = sorted(self.last.staged.items())[0]
            salt = next(other for other in SALTS if other != former)
        is_open = self.has_session() and not self.last.is_terminal
        refusals: set[type[Refusal]] = set()
        if self.public.get(name) == salt:
            pass  # nothing to do
        elif name in self.public:
            refusals = {FileExists}
        elif is_open and self.last.state == "processing":
            refusals = {FileReserved} if name in self.last.staged else {BeingReviewed}
        with self.expecting(refusals) as uow:
            accepted = factories.upload(uow, self.ada(uow), path_of(name, salt), staged=True)
            draft = factories.draft_of(uow, accepted)
            draft_id = draft.id if draft is not None else None
        if refusals or self.public.get(name) == salt:
            return
        if not is_open:
            assert draft_id is not None
            self.sessions.append(Session(draft_id, self.now, self.now + LIFE))
        session = self.last
        assert draft_id == session.id
        if session.staged.get(name) != salt:
            for upload in session.brought(name):
                upload.state = "canceled"
            session.staged[name] = salt
            session.touch(self.now)

    @rule(length=st.sampled_from([timedelta(microseconds=1), COMPLETION_LEASE, LIFETIME]))
    def time_passes(self, length: timedelta) -> None:
        self.clock.advance(length)
        if not self.has_session():
            return
        session = self.last
        if not session.is_terminal and session.expires <= self.now:
            self.end(session)
        for upload in session.uploads:
            if upload.state == "pending" and upload.expires <= self.now:
                upload.state = "canceled"
            if upload.state == "processing":
                assert upload.began is not None
                if upload.began + COMPLETION_LEASE <= self.now:
                    upload.state = "error"

    @rule()
    def keep_house(self) -> None:
        """It only writes down what is so already."""
        housekeeping.keep_house(self.services)

    # What must be so after each of them.

    @invariant()
    def the_index_stands_where_the_tables_say(self) -> None:
        if not hasattr(self, "services"):
            return
        with self.services.reading() as uow:
            for session in self.sessions:
                draft = uow.db.get_one(Draft, session.id)
                assert stands(uow, draft) == session.state
                if not session.is_terminal:
                    assert draft.expires == session.expires
                    assert self.listed(uow, draft) == self.expected(session)
                for upload in session.uploads:
                    found = get(uow, upload)
                    # With its session an upload has ended, also in the second that it falls due.
                    ended = session.is_terminal and draft.ended is None
                    expected = UploadState.CANCELED if ended else upload.state
                    assert upload_states.state(uow, found) == expected
            assert sorted(factories.public_filenames(uow, "example")) == sorted(self.public)

    @invariant()
    def the_bytes_of_staged_files_are_there(self) -> None:
        if not hasattr(self, "services"):
            return
        with self.services.reading() as uow:
            for session in self.sessions:
                draft = uow.db.get_one(Draft, session.id)
                for file in drafts.files(uow.db, draft):
                    assert file.sha256 in self.services.storage

    def listed(self, uow: UnitOfWork, draft: Draft) -> dict[str, str]:
        files = drafts.files(uow.db, draft)
        listed = {file.filename: "completed" for file in files}
        for upload in upload_states.unfinished(uow, draft):
            listed[upload.filename] = upload.state.value
        return listed

    def expected(self, session: Session) -> dict[str, str]:
        expected = dict.fromkeys(session.staged, "completed")
        for upload in session.uploads:
            if upload.state in UNFINISHED:
                expected[upload.name] = upload.state
        return expected

    def went_public(self) -> None:
        """The files, and the name even if there were none."""
        self.registered = True
        self.public |= self.last.staged
        self.last.state = "published"

    def end(self, session: Session) -> None:
        session.state = "canceled"
        for upload in session.uploads:
            upload.state = "canceled"

    def ada(self, uow: UnitOfWork) -> Person:
        return Person(accounts.get_user(uow.db, "ada"))

    def place(self, uow: UnitOfWork) -> tuple[Actor, Draft]:
        return self.ada(uow), uow.db.get_one(Draft, self.last.id)

    @contextmanager
    def expecting(self, refusals: set[type[Refusal]]) -> Iterator[UnitOfWork]:
        """A unit of work that is refused in this way, or else is done."""
        refused: type[Refusal] | None = None
        try:
            with self.services.writing() as uow:
                yield uow
        except Refusal as refusal:
            refused = type(refusal)
        assert ({refused} if refused is not None else set()) == refusals


def get(uow: UnitOfWork, upload: Upload) -> UploadSession:
    return uow.db.get_one(UploadSession, upload.id)


def stands(uow: UnitOfWork, draft: Draft) -> str:
    """The state of a session in the words of PEP 694."""
    if draft.review is not None and drafts.is_live(uow, draft):
        return draft.review
    state = drafts.state(uow, draft)
    return {"open": "open", "published": "published"}.get(state, "canceled")


def run(url: str, seed: int) -> None:
    database = unflushed(Database(url))
    machine = type("Machine", (Sessions,), {"database": database})
    try:
        walk(machine, seed, walks=13, steps=50, at_least=40)
    finally:
        database.close()


def test_sessions_follow_the_state_tables_on_sqlite(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "copy.sqlite")
    run(f"sqlite:///{tmp_path / 'copy.sqlite'}", seed=1)


def test_sessions_follow_the_state_tables_on_postgresql(
    new_migrated_postgresql: MakeDatabase,
) -> None:
    run(new_migrated_postgresql(), seed=2)
