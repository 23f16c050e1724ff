"""The audit log: one line for each act, none for what was refused, and nobody changes one."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy.exc
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import Executable, delete, func, select, text, update

from greenroom.database import _revisions
from greenroom.models import (
    Attempt,
    AuditEntry,
    AuditRetention,
    Draft,
    Job,
    JobState,
    RoleName,
    Token,
    User,
    Visibility,
)
from greenroom.networks import network_of
from greenroom.registry import (
    accounts,
    audit,
    audit_reading,
    blob_digests,
    draft_checks,
    draft_comments,
    drafts,
    failed_attempts,
    housekeeping,
    jobs,
    passwords,
    projects,
    publishing,
    registration,
    removal,
    roles,
    schema,
    sessions,
    signing_in,
    storage_identity,
    tokens,
    trash,
    uploads,
    verification,
    yanking,
)
from greenroom.registry.audit import Kind
from greenroom.registry.audit_reading import AuditLine, Wanted
from greenroom.registry.draft_checks import Posted
from greenroom.registry.errors import (
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooMany,
)
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.sessions import Browser
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from greenroom.storage import Shelf
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.factories import PASSWORD
from tests.registry.test_permissions import COLUMNS, ROWS, World

WEB = Origin("192.0.2.7", "request-1")


def lines(uow: UnitOfWork, **wanted: object) -> list[AuditLine]:
    """All lines, the oldest first."""
    page = audit_reading.everything(uow, OPERATOR, Wanted(**wanted), None, 1000)  # type: ignore[arg-type]
    return list(reversed(page.lines))


def kinds(uow: UnitOfWork, after: int = 0) -> list[str]:
    return [line.act for line in sorted(lines(uow), key=lambda line: line.id) if line.id > after]


def newest(uow: UnitOfWork) -> int:
    return uow.db.scalar(select(func.max(AuditEntry.id))) or 0


class Acting(World):
    """What each column of the table of permissions stands for, done to the draft of a project."""

    def __init__(self, uow: UnitOfWork, folder: Path) -> None:
        super().__init__(uow)
        owner = Person(self.users["owner"])
        self.draft = factories.stage(uow, owner, make_wheel(folder, "this"))
        path = make_wheel(folder, "unheard-of")
        self.artifact, self.claims = factories.artifact_of(path), factories.claims_of(path)
        self.distribution = uploads.inspect_and_store(
            uow.settings, uow.storage, self.artifact, self.claims
        )

    def acts(self, actor: Actor) -> dict[str, tuple[Kind | None, Callable[[], object]]]:
        uow, draft, project = self.uow, self.draft, self.this

        def upload(*, staged: bool) -> Callable[[], object]:
            return lambda: uploads.accept(
                uow, actor, self.artifact, self.claims, self.distribution, staged=staged
            )

        return {
            "see": (None, lambda: drafts.live_for(uow, actor, "this", Version("1.0"))),
            "comment": (Kind.COMMENT_ADD, lambda: factories.comment(uow, actor, draft)),
            "stage": (Kind.DRAFT_ROTATE, lambda: drafts.rotate(uow, actor, draft)),
            "publish": (Kind.DRAFT_PUBLISH, lambda: publishing.publish(uow, actor, draft)),
            "discard": (Kind.DRAFT_DISCARD, lambda: drafts.discard(uow, actor, draft)),
            "manage": (Kind.PROJECT_ARCHIVE, lambda: projects.archive(uow, actor, project)),
            "quarantine": (
                Kind.PROJECT_QUARANTINE,
                lambda: projects.quarantine(uow, actor, project),
            ),
            "staged": (Kind.DRAFT_STAGE, upload(staged=True)),
            "direct": (Kind.FILE_UPLOAD, upload(staged=False)),
        }

    def recorded(self, actor: Actor, column: str) -> list[tuple[str, str]]:
        """Act and name of every line that comes of what the column stands for; it is undone."""
        _, do = self.acts(actor)[column]
        before, undone = newest(self.uow), self.uow.db.begin_nested()
        with suppress(NotAllowed, NotFound):
            do()
        found = select(AuditEntry.act, AuditEntry.by).where(AuditEntry.id > before)
        written = [(row.act, row.by) for row in self.uow.db.execute(found)]
        undone.rollback()
        self.uow.db.expire_all()
        return written


# Who may do what is decided without the database, which has each kind of line below.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_act_that_is_allowed_has_one_line_and_every_other_none(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    world = Acting(uow, tmp_path)
    assert tuple(world.acts(OPERATOR)) == COLUMNS
    wrong = []
    for who, token, scope, *allowed in ROWS:
        try:
            actor = world.actor(who, token, scope)
        except NotAuthenticated:
            assert set(allowed) == {"401"}
            continue
        for column, may in zip(COLUMNS, allowed, strict=True):
            kind, _ = world.acts(actor)[column]
            expected = [(kind, actor.name)] if may == "yes" and kind is not None else []
            if world.recorded(actor, column) != expected:
                wrong.append((who, token, scope, column))
    assert wrong == []


def test_every_kind_of_act_is_written_once_by_what_it_is_of(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    """Use cases that share a unit of work; those with units of their own come after this one."""
    uow = replace(uow, origin=WEB)
    root = Person(factories.make_user(uow, "root", administrator=True), why="Somebody asked.")
    eve = factories.make_user(uow, "eve", verified=False)
    ada_user = factories.make_user(uow, "ada")
    ada = Person(ada_user)
    project = factories.release(uow, ada, make_wheel(tmp_path), make_sdist(tmp_path))
    with_token, _ = tokens.create(uow, ada_user, "laptop", permissions=["stage"])
    other = make_wheel(tmp_path, version="2.0")
    draft = factories.open_new(uow, ada, "example", "2.0")
    start = newest(uow)
    reviewed = replace(uow, settings=replace(uow.settings, review_command="true"))
    wheel = "example-1.0-py3-none-any.whl"

    factories.stage(uow, ada, other)
    factories.stage(uow, ada, make_wheel(tmp_path / "b", version="2.0", salt="another"))
    drafts.rotate(uow, ada, draft)
    for _ in range(2):  # the second says what the first one did
        draft_checks.post(uow, ada, draft, Posted("tests", "passed"))
    comment = factories.comment(uow, ada, draft)
    for _ in range(2):
        factories.edit_comment(uow, ada, draft, comment, "Not good.")
    for _ in range(2):
        draft_comments.remove(uow, ada, draft, comment)
    later = replace(uow, now=uow.now + timedelta(minutes=1))
    drafts.extend(later, ada, draft)
    publishing.publish(reviewed, ada, draft)
    publishing.finish_review(reviewed, draft, passed=False, notices=["It has a virus."])
    drafts.remove_file(uow, ada, draft, other.name)
    drafts.discard(uow, ada, draft)
    drafts.discard(uow, ada, draft)  # which it is
    published = factories.stage(uow, ada, other)
    publishing.publish(reviewed, ada, published)
    publishing.finish_review(reviewed, published, passed=True, notices=[])
    gone = factories.stage(uow, ada, make_wheel(tmp_path, "gone"))
    drafts.expire(replace(uow, now=gone.expires), gone)
    yanking.yank_file(uow, ada, project, wheel, "broken")
    yanking.yank_file(uow, ada, project, wheel, "broken")  # as it is
    yanking.unyank_file(uow, ada, project, wheel)
    yanking.yank_release(uow, ada, project, "1.0")
    yanking.unyank_release(uow, ada, project, "1.0")
    roles.give(uow, OPERATOR, project, "eve", RoleName.MAINTAINER)
    left = factories.stage(uow, ada, make_wheel(tmp_path, version="3.0"))
    roles.take(uow, ada, project, "eve")  # which changes the address of the draft
    for publishes_directly in (False, False):
        projects.change_settings(uow, ada, project, ProjectSettings(publishes_directly))
    for visibility in (Visibility.PRIVATE, Visibility.PRIVATE):
        projects.set_visibility(uow, ada, project, visibility)
    projects.archive(uow, ada, project, "done")
    projects.unarchive(uow, ada, project)
    projects.quarantine(uow, root, project)
    projects.lift_quarantine(uow, root, project)
    removal.remove_file(uow, ada, project, wheel)
    removal.remove_release(uow, ada, project, "1.0")
    removal.remove_project(uow, ada, project)  # which discards the draft
    accounts.verify_user(uow, root, eve.id)
    accounts.verify_user(uow, root, eve.id)
    tokens.revoke(uow, ada_user, with_token.id)
    two = [sessions.begin(uow, accounts.signed_in(ada_user), Browser()) for _ in range(2)]
    in_session = sessions.find(uow, two[0])
    assert in_session is not None
    assert in_session.session is not None
    sessions.confirm(uow, in_session, in_session.session)
    sessions.end_all(uow, in_session, ada_user, but=in_session.session.id)
    sessions.end_all(uow, in_session, ada_user, but=in_session.session.id)  # there are none
    sessions.sign_out(uow, in_session)
    waiting = select(Job.id).where(Job.state == JobState.WAITING).limit(1)
    jobs.retry(uow, root, uow.db.scalars(waiting).one())

    assert left.slug not in str(lines(uow))
    assert kinds(uow, start) == [
        *("draft-stage", "draft-replace", "draft-rotate", "draft-check"),
        *("comment-add", "comment-edit", "comment-delete", "draft-extend", "draft-ask"),
        *("draft-refuse", "draft-remove", "draft-discard"),
        *("draft-stage", "draft-ask", "draft-publish"),
        *("draft-stage", "draft-expire"),
        *("file-yank", "file-unyank", "release-yank", "release-unyank"),
        *("role-give", "draft-stage", "role-take", "project-settings"),
        "project-visibility",
        *("project-archive", "project-unarchive", "project-quarantine", "project-unquarantine"),
        *("file-delete", "release-delete", "project-delete"),
        *("user-verify", "token-revoke", "session-confirm", "session-end", "sign-out", "job-retry"),
    ]
    assert kinds(uow)[: kinds(uow).index("token-create") + 2] == [
        *(["user-create"] * 3),
        *(["file-upload"] * 2),
        *("token-create", "draft-open"),
    ]
    by_itself = {line.act: line for line in lines(uow) if line.credential == "job"}
    assert set(by_itself) == {"draft-refuse", "draft-expire"}
    assert {line.address for line in by_itself.values()} == {None}
    others = [line for line in lines(uow) if line.credential != "job"]
    assert {(line.address, line.request_id) for line in others} == {(WEB.address, WEB.request_id)}
    taken = next(line for line in others if line.act == "role-take")
    assert (taken.by, taken.about, taken.project, taken.detail) == (
        *("ada", "eve", "example"),
        "maintainer; draft addresses changed: 1",
    )
    assert {line.project for line in others if line.act.startswith("file-")} == {"example"}


def test_use_cases_with_units_of_their_own_are_recorded(
    services: Services, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = services.coming_from(WEB)
    signed_in = registration.register(services, "ada", "ada@index.example", PASSWORD, "192.0.2.7")
    with services.writing() as uow:
        accounts.verify_user(uow, OPERATOR, signed_in.id)
    assert signing_in.sign_in(services, "ada", PASSWORD, "192.0.2.7") is not None
    assert signing_in.sign_in(services, "ada", "wrong", "192.0.2.8") is None
    with pytest.raises(InvalidRequest):
        signing_in.change_password(services, signed_in.id, "wrong", "another password")
    signing_in.change_password(services, signed_in.id, PASSWORD, "another password")
    storage_identity.adopt(services, OPERATOR)
    wheel = make_wheel(tmp_path)
    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)
    digest = factories.artifact_of(wheel).sha256
    services.storage.move(digest, Shelf.KEPT, Shelf.TRASH)
    assert trash.restore(services, OPERATOR, everything=False) == 1
    assert trash.restore(services, OPERATOR, everything=False) == 0
    with services.storage.local(digest) as path:
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    verification.verify(services, by=OPERATOR)
    assert not blob_digests.is_there_intact(services.storage, digest)
    services.storage.put_all({"0" * 64: wheel})
    housekeeping.keep_house(services, by=OPERATOR)
    housekeeping.keep_house(services, by=OPERATOR)  # with nothing to do
    revisions = iter(["0001", "0001", _revisions()[-1], _revisions()[-1]])
    monkeypatch.setattr(type(services.database), "revision", lambda self: next(revisions))
    monkeypatch.setattr(type(services.database), "upgrade", lambda self: None)
    schema.upgrade(services, OPERATOR)
    schema.upgrade(services, OPERATOR)  # which it is

    with services.reading() as uow:
        found = lines(uow)
    assert [line.act for line in sorted(found, key=lambda line: line.id)] == [
        *(
            "user-create",
            "user-verify",
            "sign-in",
            "sign-in-failed",
            "sign-in-failed",  # that the current password was wrong
            "password-change",
            "storage-adopt",
        ),
        *("file-upload", "storage-restore", "storage-repair", "housekeeping", "database-upgrade"),
    ]
    failed = next(line for line in found if line.act == "sign-in-failed")
    assert (failed.by, failed.about, failed.address) == ("anonymous", "ada", "192.0.2.8")
    assert next(line.detail for line in found if line.act == "housekeeping") == (
        "moved to the trash: 1"
    )


def test_no_line_is_changed_or_deleted(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        factories.make_user(uow)
    attempts: list[Executable] = [
        update(AuditEntry).values(by="eve"),
        delete(AuditEntry),
        text("UPDATE audit SET id = 7"),
        text("DELETE FROM audit"),
        text("INSERT OR REPLACE INTO audit SELECT * FROM audit")
        if services.database.is_sqlite
        else text("TRUNCATE audit"),
    ]
    for attempt in attempts:
        with (
            pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"),
            services.writing() as uow,
        ):
            uow.db.execute(attempt)
    with services.reading() as uow:
        assert kinds(uow) == ["user-create"]


def test_only_lines_older_than_the_operator_wants_are_deleted(
    services: Services, clock: FakeClock
) -> None:
    start = clock.now
    for day in range(5):
        clock.now = start + timedelta(days=day)
        with services.writing() as uow:
            factories.make_user(uow, f"user-{day}")
    keeping = replace(services, settings=replace(services.settings, audit_days=2))
    housekeeping.keep_house(services)
    with services.writing() as uow:
        assert audit.forget_old(uow, 500) == 0  # kept for ever
        assert len(lines(uow)) == 5
    with keeping.writing() as uow:
        assert audit.forget_old(uow, 1) == 1
    with keeping.writing() as uow:
        uow.db.add(AuditRetention(id=1, until=start + timedelta(days=2)))
        uow.db.flush()
        with (
            pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"),
            uow.db.begin_nested(),
        ):
            uow.db.execute(delete(AuditEntry))  # all of it
        uow.db.execute(delete(AuditRetention))
    housekeeping.keep_house(keeping)
    with keeping.reading() as uow:
        assert [line.about for line in lines(uow)] == ["user-2", "user-3", "user-4"]
        assert uow.db.scalar(select(func.count()).select_from(AuditRetention)) == 0
    clock.advance(timedelta(days=100))
    housekeeping.keep_house(keeping)
    with keeping.reading() as uow:  # no number is given out twice
        assert [line.about for line in lines(uow)] == ["user-4"]


def test_a_flood_of_failures_has_few_lines_and_every_failure_is_counted(
    services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "verify", lambda password_hash, password: False)
    monkeypatch.setattr(failed_attempts, "_MOST_GROUPS", 20)
    with services.writing() as uow:
        factories.make_user(uow)
    made = 0
    for number in range(30):
        for name in ("ada", "nobody", "my secret"):
            signing_in.sign_in(services, name, "wrong", f"192.0.2.{number}")
            made += 1
    for _ in range(8):
        clock.advance(timedelta(seconds=20))
        signing_in.sign_in(services, "ada", "wrong", "198.51.100.1")
        made += 1
    with services.reading() as uow:
        at_once = [line for line in lines(uow) if line.act == Kind.SIGN_IN_FAILED]
    assert len(at_once) < 70
    clock.advance(timedelta(minutes=6))
    housekeeping.keep_house(services)
    clock.advance(timedelta(hours=1))
    housekeeping.keep_house(services)
    with services.reading() as uow:
        failed = [line for line in lines(uow) if line.act == Kind.SIGN_IN_FAILED]
        assert uow.db.scalar(select(func.count()).select_from(Attempt)) == 0

    assert sum(line.count for line in failed) == made
    assert len(failed) < 90
    assert [line.count > 1 for line in failed if line.address is None] == [True]
    assert {line.about for line in failed} == {"ada", None}
    assert "secret" not in str(failed)
    of_one = [line for line in failed if line.address == "198.51.100.1"]
    assert [line.count for line in of_one] == [3, 3, 2]


def test_an_attempt_that_is_refused_unseen_counts_for_nobody(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        factories.make_user(uow)
    for _ in range(10):
        signing_in.sign_in(services, "ada", "wrong", "192.0.2.1")
    with pytest.raises(TooMany):
        signing_in.sign_in(services, "ada", PASSWORD, "192.0.2.1")
    with services.reading() as uow:
        assert kinds(uow) == ["user-create", "sign-in-failed"]
    with services.writing() as uow:
        clock.advance(timedelta(minutes=1))
        failed_attempts.record_rest(uow, Attempt.account == "ada")
        assert [line.count for line in lines(uow)[1:]] == [1, 9]


@pytest.mark.parametrize(
    ("address", "known_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:ffff::7", "2001:db8:0:1::/64"),
        ("unknown", None),
        (None, None),
    ],
)
def test_of_an_address_the_network_of_a_customer_is_known(
    address: str | None, known_as: str | None
) -> None:
    assert network_of(address) == known_as


def test_a_token_that_is_used_from_a_new_address_has_a_line(uow: UnitOfWork, ada: Person) -> None:
    text_ = factories.make_token(uow, ada.user)
    start = newest(uow)
    seen = ["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.9"]
    for address in [*seen, "unknown"]:
        actor = tokens.actor_of_token(uow, text_)
        actor.used(replace(uow, origin=Origin(address)))

    found = [line for line in lines(uow) if line.id > start]
    assert [(line.act, line.address) for line in found] == [
        ("token-new-address", "2001:db8::1"),
        ("token-new-address", "192.0.2.9"),
    ]
    assert {line.credential for line in found} == {f"token {text_[:11]} (test)"}
    assert text_ not in str(found)
    token = uow.db.scalars(select(Token)).one()
    assert token.last_used == uow.now


def test_a_reserved_names_new_holder_reads_nothing_of_the_old_one(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    late = replace(uow, now=draft.expires)
    factories.stage(late, eve, make_wheel(tmp_path, version="9"))  # which lets the draft expire
    project = projects.get(late, "example")

    page = audit_reading.of_project(late, eve, project, Wanted(), None, 100)

    assert [(line.act, line.by) for line in page.lines] == [("draft-stage", "eve")]
    of_name = [line.act for line in lines(late, project="Example")]
    assert of_name == ["draft-stage", "draft-expire", "draft-stage"]
    with pytest.raises(NotAllowed, match="Only owners of 'example'"):
        audit_reading.of_project(late, ada, project, Wanted(), None, 100)
    with pytest.raises(NotAllowed, match="Only administrators"):
        audit_reading.everything(late, eve, Wanted(), None, 100)


def test_pages_are_found_by_what_was_on_the_last_one(
    uow: UnitOfWork, ada: Person, eve: Person
) -> None:
    """Also where more happened in one moment than is on a page, and for both who and whom."""
    start = newest(uow)
    for number in range(23):
        at = replace(uow, now=uow.now + timedelta(seconds=number // 9))
        by, about = ((ada, eve), (eve, ada), (ada, ada))[number % 3]
        audit.write(at, Kind.ROLE_GIVE, by, about=about.user, detail=str(number))
    audit.write(uow, Kind.ROLE_GIVE, OPERATOR, detail="of nobody")
    expected = [str(number) for number in reversed(range(23))]
    wanted = Wanted(person="ADA", act=Kind.ROLE_GIVE)

    for most in (1, 4, 23, 100):
        found: list[AuditLine] = []
        place = None
        for _ in itertools.count():
            page = audit_reading.everything(uow, OPERATOR, wanted, place, most)
            found += page.lines
            place = page.older
            if place is None:
                break
        assert [line.detail for line in found] == expected
    mine = audit_reading.of_person(uow, ada.user, Wanted(act=Kind.ROLE_GIVE), None, 100)
    assert [line.detail for line in mine.lines] == expected
    assert {line.credential for line in mine.lines if line.by == "eve"} == {""}
    in_period = lines(
        uow, since=uow.now + timedelta(seconds=1), until=uow.now + timedelta(seconds=2)
    )
    assert [line.detail for line in in_period] == [str(number) for number in range(9, 18)]
    assert newest(uow) == start + 24


_MANY_LINES = """
    INSERT INTO audit (at, act, "by", about, normalized_project, credential, detail, count)
    SELECT now() - n * interval '1 minute', 'act-' || n % 50, 'by-' || n % 50, 'about-' || n % 50,
        'project-' || n % 50, 'session', '', 1
    FROM generate_series(1, 20000) AS n
"""


def test_an_index_finds_each_kind_of_page(uow: UnitOfWork, ada: Person) -> None:
    if uow.db.get_bind().dialect.name == "sqlite":
        explain = "EXPLAIN QUERY PLAN SELECT * FROM audit WHERE {} ORDER BY at DESC, id DESC"
    else:
        # In a small table any plan would do.
        uow.db.execute(text(_MANY_LINES))
        uow.db.execute(text("ANALYZE audit"))
        explain = "EXPLAIN SELECT * FROM audit WHERE {} ORDER BY at DESC, id DESC LIMIT 50"
    for condition, index in {
        "at >= '2026-01-01'": "ix_audit_at_id",
        "act = 'act-7'": "ix_audit_act_at_id",
        "\"by\" = 'by-7'": "ix_audit_by_at_id",
        "about = 'about-7'": "ix_audit_about_at_id",
        "normalized_project = 'project-7'": "ix_audit_normalized_project_at_id",
    }.items():
        plan = str(uow.db.execute(text(explain.format(condition))).all())
        assert index in plan
        assert "TEMP B-TREE" not in plan


def test_the_log_can_be_followed(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        factories.make_user(uow, "before")
    late = services.database.writing() if not services.database.is_sqlite else None
    if late is not None:  # its number is lower than that of what is committed first
        audit.write(services.unit_of_work(late), Kind.SIGN_IN, OPERATOR, detail="late")
    waits = 0

    def wait() -> None:
        nonlocal waits
        waits += 1
        if waits == 2 and late is not None:
            late.commit()
            late.close()
            return
        with services.writing() as uow:
            factories.make_user(uow, f"user-{waits}")

    followed = audit_reading.follow(services, Wanted(), for_ever=True, wait=wait)
    found = [line.about or line.detail for line in itertools.islice(followed, 3)]
    assert found == ["before", "user-1", "late" if late is not None else "user-2"]
    once = audit_reading.follow(services, Wanted(act=Kind.USER_CREATE), for_ever=False)
    assert {line.act for line in once} == {"user-create"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\x1b[0m", r"a\nb\x1b[0m"),
        ("\u202eevil", r"\u202eevil"),
        ("x" * 300, "x" * 254 + "…"),
        ("\n" * 300, r"\n" * 127 + "…"),
    ],
)
def test_what_strangers_say_is_bounded_and_on_one_line(said: str, shown: str) -> None:
    assert audit.plain(said) == shown
    assert len(shown) <= 255


def test_a_line_outlives_its_account(uow: UnitOfWork) -> None:
    user = factories.make_user(uow, "gone")
    number = user.id
    uow.db.execute(delete(User).where(User.id == number))
    uow.db.execute(delete(Draft))
    [line] = lines(uow, person="gone")
    assert (line.by, line.by_id, line.sentence) == ("gone", number, "Created an account.")
