"""Trusted publishing: who trusts workflows, and what these get for an ID token of a real issuer."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from greenroom.models import (
    AuditEntry,
    Draft,
    DraftEvent,
    MintedToken,
    PendingPublisher,
    ProjectPublisher,
    RoleName,
    UsedIDToken,
)
from greenroom.openid.errors import IssuerUnavailable
from greenroom.registry import (
    account_states,
    accounts,
    credentials,
    drafts,
    housekeeping,
    projects,
    removal,
    trusted_publishers,
    uploads,
)
from greenroom.registry.errors import (
    InvalidIDToken,
    InvalidRequest,
    NameNotAvailable,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refusal,
    TooMany,
    UnknownPublisher,
)
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.trusted_publishers import Pending, Publisher
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.issuing import AUDIENCE, FakeCI, issuing

CLAIMS: dict[str, object] = {
    "repository": "ada/example",
    "repository_owner_id": "65",
    "workflow_ref": "ada/example/.github/workflows/release.yml@refs/tags/v1.0",
    "ref": "refs/tags/v1.0",
    "sha": "4" * 40,
    "run_id": "4711",
}
VALUES = {"owner": "ada", "repository": "example", "workflow": "release.yml"}
RUN = f"workflow release.yml, refs/tags/v1.0, commit {'4' * 40}, run 4711"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeCI]:
    with issuing() as ci:
        ci.claims = CLAIMS
        yield ci


@pytest.fixture
def settings(settings: Settings, running: FakeCI) -> Settings:
    entries = f"github={running.url}, kite=https://kite.example pipeline"
    return factories.configured(settings, trusted_issuers=entries)


class World:
    """An index whose user ada owns ``example``, and a CI service whose tokens it takes."""

    def __init__(self, services: Services, ci: FakeCI, clock: FakeClock) -> None:
        self.services, self.ci, self.clock = services, ci, clock
        with services.writing() as uow:
            ada = factories.make_user(uow)
            factories.make_user(uow, "bob")
            factories.make_user(uow, "eve", verified=False)
            project = projects.create(uow, Person(ada), "example")
            project.registered = uow.now

    def token(self, **changes: object) -> str:
        return self.ci.sign(changes, now=self.clock.now.timestamp())

    def trust(
        self, project: str = "example", *, may_publish: bool = False, **values: str
    ) -> Publisher:
        with self.services.writing() as uow:
            service = trusted_publishers.service_named(uow.settings, "github")
            found = projects.get(uow, project)
            return trusted_publishers.add(
                uow, OPERATOR, found, service, {**VALUES, **values}, may_publish=may_publish
            )

    def let_register(
        self, name: str, username: str = "ada", *, may_publish: bool = False
    ) -> Pending:
        with self.services.writing() as uow:
            user = accounts.get_user(uow.db, username)
            service = trusted_publishers.service_named(uow.settings, "github")
            return trusted_publishers.add_pending(
                uow, Person(user), user, name, service, VALUES, may_publish=may_publish
            )

    def exchange(self, **changes: object) -> str:
        return trusted_publishers.exchange(self.services, self.token(**changes)).text

    def upload(self, text: str, path: Path, *, staged: bool = True) -> None:
        uploads.upload_file(
            self.services,
            lambda uow: credentials.actor_of(uow, text),
            factories.artifact_of(path),
            factories.claims_of(path),
            staged=staged,
        )

    def audit(self, act: str) -> list[AuditEntry]:
        with self.services.reading() as uow:
            return list(uow.db.scalars(select(AuditEntry).where(AuditEntry.act == act)))


@pytest.fixture
def world(services: Services, running: FakeCI, clock: FakeClock) -> World:
    return World(services, running, clock)


def test_a_workflow_stages_with_what_it_got(world: World, tmp_path: Path) -> None:
    world.trust()
    minted = trusted_publishers.exchange(world.services, world.token())
    assert re.fullmatch(r"gr_ci[A-Za-z0-9]{52}", minted.text)
    assert minted.expires == world.clock.now + timedelta(minutes=15)
    world.upload(minted.text, make_wheel(tmp_path))
    with pytest.raises(NotAllowed, match="may stage but not publish"):
        world.upload(minted.text, make_wheel(tmp_path, version="2.0"), staged=False)
    with world.services.writing() as uow:
        draft = uow.db.scalars(select(Draft)).one()
        actor = credentials.actor_of(uow, minted.text)
        with pytest.raises(NotAllowed, match="where it may only stage: let a person"):
            drafts.discard(uow, actor, draft)
        assert {(e.by, e.means) for e in uow.db.scalars(select(DraftEvent))} == {
            ("github:ada/example", RUN)
        }
        assert {line.means for line in drafts.events(uow.db, draft)} == {RUN}
    (staged,) = world.audit("draft-stage")
    assert (staged.by, staged.by_id) == ("github:ada/example", None)
    assert staged.credential == f"trusted publisher, {RUN}"
    (made,) = world.audit("publisher-mint")
    assert (made.project, made.by) == ("example", "github:ada/example")
    assert made.detail == f"for example, until 2026-06-01 12:15 UTC; {RUN}"


def test_a_workflow_that_may_publishes(world: World, tmp_path: Path) -> None:
    world.trust(may_publish=True)
    text = world.exchange()
    world.upload(text, make_wheel(tmp_path), staged=False)
    with world.services.reading() as uow:
        assert factories.public_filenames(uow, "example") == ["example-1.0-py3-none-any.whl"]
        kept = factories.everything(uow)
        assert all(text not in row for rows in kept.values() for row in rows)


def test_each_id_token_is_taken_once(world: World) -> None:
    world.trust()
    token = world.token(jti="one")
    trusted_publishers.exchange(world.services, token)
    for again in (token, world.token(jti="one", run_id="4712")):
        with pytest.raises(InvalidIDToken, match="exchanged before"):
            trusted_publishers.exchange(world.services, again)
    without = world.token(jti=None)
    trusted_publishers.exchange(world.services, without)
    with pytest.raises(InvalidIDToken, match="exchanged before"):
        trusted_publishers.exchange(world.services, without)


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"aud": "other.example"}, InvalidIDToken, f"has to be '{AUDIENCE}'"),
        ({"iss": "https://other.example"}, InvalidIDToken, "does not trust: it trusts"),
        ({"iss": "\ud800" * 300}, InvalidIDToken, "does not trust: it trusts"),
        ({"exp": 1}, InvalidIDToken, "has expired"),
        ({"nbf": 2**33}, InvalidIDToken, "not valid yet"),
        ({"repository": "eve/example"}, UnknownPublisher, "github:eve/example, workflow release"),
        ({"repository": "a\0b\ud800"}, UnknownPublisher, "no project of this index trusts"),
        ({"repository": "x" * 5000}, UnknownPublisher, "no project of this index trusts"),
        ({"workflow_ref": None}, UnknownPublisher, "no project of this index trusts"),
        ({"repository": None}, UnknownPublisher, "no project of this index trusts"),
    ],
)
def test_tokens_that_get_nothing(
    world: World, changes: dict[str, object], kind: type[Refusal], sentence: str
) -> None:
    world.trust()
    with pytest.raises(kind) as caught:
        world.exchange(**changes)
    assert sentence in str(caught.value)
    with world.services.reading() as uow:
        assert uow.db.scalar(select(func.count()).select_from(MintedToken)) == 0
        assert uow.db.scalar(select(func.count()).select_from(UsedIDToken)) == 0


def test_nobody_takes_over_the_name_of_an_owner(world: World) -> None:
    world.trust()
    world.exchange()
    for number in ("66", None):
        with pytest.raises(UnknownPublisher):
            world.exchange(repository_owner_id=number)
    world.exchange()
    with world.services.writing() as uow:
        project = projects.get(uow, "example")
        (first,) = trusted_publishers.of_project(uow, OPERATOR, project)
        assert (first.owner_number, first.last_used) == ("65", world.clock.now)
        trusted_publishers.remove(uow, OPERATOR, project, first.id)
    world.trust(owner_number="66")
    with pytest.raises(UnknownPublisher):
        world.exchange()


def test_tokens_end(world: World) -> None:
    trusted = world.trust()
    texts = [world.exchange() for _ in range(3)]

    def stands_for(text: str) -> str:
        with world.services.reading() as uow:
            return credentials.actor_of(uow, text).name

    assert stands_for(texts[0]) == "github:ada/example"
    with world.services.writing() as uow:
        assert trusted_publishers.burn(uow, texts[0])
        assert not trusted_publishers.burn(uow, texts[0])
        for other in ("", "gr_", "gr_" + "x" * 48, texts[1][:-1] + "!", "gr_\0é"):
            assert not trusted_publishers.burn(uow, other)
    (burned,) = world.audit("publisher-burn")
    assert burned.detail == texts[0][:11]
    with pytest.raises(NotAuthenticated, match="Invalid or non-existent"):
        stands_for(texts[0])
    with pytest.raises(NotAuthenticated, match="Invalid or non-existent"):
        stands_for(texts[1][:-1] + "!")
    world.clock.advance(timedelta(minutes=15))
    with pytest.raises(NotAuthenticated, match="expired on 2026-06-01 at 12:15 UTC"):
        stands_for(texts[1])
    world.clock.advance(timedelta(minutes=-1))
    with world.services.writing() as uow:
        project = projects.get(uow, "example")
        trusted_publishers.remove(uow, OPERATOR, project, trusted.id)
    with pytest.raises(NotAuthenticated, match="Invalid or non-existent"):
        stands_for(texts[2])


def test_one_token_for_all_projects_that_trust_the_workflow(world: World, tmp_path: Path) -> None:
    with world.services.writing() as uow:
        bob = Person(accounts.get_user(uow.db, "bob"))
        for name in ("other", "third"):
            projects.create(uow, bob, name).registered = uow.now
    world.trust()
    world.trust("other", may_publish=True)
    text = world.exchange()
    with world.services.reading() as uow:
        actor = credentials.actor_of(uow, text)
        can = {
            name: sorted(actor.permitted(projects.get(uow, name)))
            for name in ("example", "other", "third")
        }
    assert can == {
        "example": ["see", "stage"],
        "other": ["discard", "publish", "see", "stage"],
        "third": [],
    }
    (line,) = world.audit("publisher-mint")
    assert line.project is None
    assert line.detail.startswith("for example, other, until")
    with world.services.writing() as uow:
        projects.quarantine(uow, OPERATOR, projects.get(uow, "other"))
        assert sorted(actor.permitted(projects.get(uow, "other"))) == ["see"]


def test_a_pending_publisher_registers_its_name(world: World, tmp_path: Path) -> None:
    world.let_register("New.Thing")
    text = world.exchange()
    with pytest.raises(NotAllowed, match="may not register the new project 'unheard-of'"):
        world.upload(text, make_wheel(tmp_path, "unheard-of"))
    with pytest.raises(NotAllowed, match="only stage the first release of 'new-thing'"):
        world.upload(text, make_wheel(tmp_path, "new-thing"), staged=False)
    for tag in ("py3-none-any", "py2-none-any"):  # the second one comes to a project that is there
        world.upload(text, make_wheel(tmp_path, "new-thing", tag=tag))
    with world.services.writing() as uow:
        project = projects.get(uow, "new-thing")
        assert [(role.user.username, role.name) for role in project.roles] == [("ada", "owner")]
        (trusted,) = trusted_publishers.of_project(uow, OPERATOR, project)
        assert (trusted.described, trusted.owner_number) == ("ada/example, release.yml", "65")
        drafts.discard(uow, OPERATOR, uow.db.scalars(select(Draft)).one())
        assert uow.db.scalars(select(ProjectPublisher)).all() == []
    # The name is free again, and the workflow may register it once more.
    world.upload(world.exchange(), make_wheel(tmp_path, "new-thing"))
    with world.services.writing() as uow:
        projects.get(uow, "new-thing").registered = uow.now
    housekeeping.keep_house(world.services)
    with world.services.reading() as uow:
        assert trusted_publishers.of_user(uow, accounts.get_user(uow.db, "ada")) == []
        assert projects.find(uow, "new-thing") is not None


def test_a_pending_publisher_reserves_nothing(world: World, tmp_path: Path) -> None:
    world.let_register("new-thing", may_publish=True)
    world.let_register("new-thing", "bob", may_publish=True)
    with world.services.writing() as uow:
        bob = Person(accounts.get_user(uow.db, "bob"))
        projects.create(uow, bob, "new-thing").registered = uow.now
    with pytest.raises(UnknownPublisher):
        world.exchange()
    with world.services.reading() as uow:
        (pending,) = trusted_publishers.of_user(uow, accounts.get_user(uow.db, "ada"))
        assert pending.is_taken


def test_a_project_that_is_there_is_not_registered_anew(world: World, tmp_path: Path) -> None:
    world.let_register("new-thing", may_publish=True)
    text = world.exchange()
    with world.services.writing() as uow:
        bob = Person(accounts.get_user(uow.db, "bob"))
        projects.create(uow, bob, "new-thing").registered = uow.now
    with pytest.raises(NotAllowed, match="isn't allowed to upload to project 'new-thing'"):
        world.upload(text, make_wheel(tmp_path, "new-thing"))


def test_a_pending_publisher_counts_as_its_user(world: World, tmp_path: Path) -> None:
    world.let_register("new-thing")
    text = world.exchange()
    with world.services.writing() as uow:
        accounts.get_user(uow.db, "ada").email_verified = False
    with pytest.raises(NotAllowed, match="The user 'ada', for whom 'new-thing'"):
        world.upload(text, make_wheel(tmp_path, "new-thing"))
    with world.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        ada.email_verified = True
        for number in range(world.services.settings.new_projects_per_hour):
            projects.create(uow, Person(ada), f"quick-{number}").registered = uow.now
    with pytest.raises(TooMany):
        world.upload(text, make_wheel(tmp_path, "new-thing"))
    with world.services.writing() as uow:
        uow.db.delete(uow.db.scalars(select(PendingPublisher)).one())
    with pytest.raises(NotAuthenticated):
        world.upload(text, make_wheel(tmp_path, "new-thing"))


def test_a_workflow_gets_nothing_for_who_is_disabled(world: World, tmp_path: Path) -> None:
    world.let_register("new-thing", may_publish=True)
    text = world.exchange()
    with world.services.writing() as uow:
        account_states.disable(uow, OPERATOR, "ada", "She left.")
    with pytest.raises(NotAllowed, match="may not register"):
        world.upload(text, make_wheel(tmp_path, "new-thing"))
    with pytest.raises(UnknownPublisher):
        world.exchange()
    assert len(world.audit("publisher-mint")) == 1


def test_who_may_trust_a_workflow(world: World) -> None:
    with world.services.writing() as uow:
        project = projects.get(uow, "example")
        bob = accounts.get_user(uow.db, "bob")
        factories.add_role(uow, project, bob, RoleName.MAINTAINER)
    trusted = world.trust()
    for name, may in (("ada", True), ("bob", False), ("eve", False)):
        with world.services.reading() as uow:
            actor = Person(accounts.get_user(uow.db, name))
            project = projects.get(uow, "example")
            service = trusted_publishers.service_named(uow.settings, "kite")
            if may:
                assert trusted_publishers.of_project(uow, actor, project) == [trusted]
                continue
            with pytest.raises(NotAllowed):
                trusted_publishers.add(
                    uow, actor, project, service, {"pipeline": "1"}, may_publish=False
                )
            with pytest.raises(NotAllowed):
                trusted_publishers.remove(uow, actor, project, trusted.id)
            with pytest.raises(NotAllowed):
                trusted_publishers.of_project(uow, actor, project)
    with pytest.raises(NotAllowed, match="no verified e-mail address"):
        world.let_register("new-thing", "eve")
    pending = world.let_register("new-thing")
    with world.services.writing() as uow:
        bob = accounts.get_user(uow.db, "bob")
        with pytest.raises(NotFound):
            trusted_publishers.remove_pending(uow, Person(bob), bob, pending.publisher.id)
        ada = accounts.get_user(uow.db, "ada")
        trusted_publishers.remove_pending(uow, Person(ada), ada, pending.publisher.id)
        with pytest.raises(NotFound):
            trusted_publishers.remove_pending(uow, Person(ada), ada, pending.publisher.id)
        other = projects.create(uow, Person(ada), "other")
        with pytest.raises(NotFound):
            trusted_publishers.remove(uow, Person(ada), other, trusted.id)
    assert [line.detail for line in world.audit("pending-publisher-add")] == [
        "new-thing: GitHub: ada/example, release.yml (stage)"
    ]
    assert len(world.audit("pending-publisher-remove")) == 1


def test_what_cannot_be_trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.trust(may_publish=True)
    with pytest.raises(InvalidRequest, match="trusts this workflow: remove it first"):
        world.trust()
    with pytest.raises(InvalidRequest, match="Workflow is missing"):
        world.trust(workflow="")
    monkeypatch.setattr(trusted_publishers, "MOST_OF_PROJECT", 2)
    world.trust(workflow="other.yml")
    with pytest.raises(InvalidRequest, match="at most 2 workflows"):
        world.trust(workflow="third.yml")
    assert len(world.audit("publisher-add")) == 2
    world.let_register("new-thing")
    with pytest.raises(InvalidRequest, match="You let this workflow"):
        world.let_register("New.Thing")
    with pytest.raises(InvalidRequest, match="There is a project 'Example'"):
        world.let_register("Example")
    with pytest.raises(NameNotAvailable):
        world.let_register("sys")
    with pytest.raises(Refusal, match="invalid value for Name"):
        world.let_register("no name")
    monkeypatch.setattr(trusted_publishers, "MOST_OF_USER", 1)
    with pytest.raises(InvalidRequest, match="At most 1 workflows may wait"):
        world.let_register("newer-thing")
    with world.services.reading() as uow, pytest.raises(InvalidRequest, match="github, kite"):
        trusted_publishers.service_named(uow.settings, "gitlab")


def test_an_issuer_that_is_not_trusted_any_more(world: World) -> None:
    world.trust()
    text = world.exchange()
    without = replace(world.services.settings, trusted_issuers=())
    off = Services(world.services.database, world.services.storage, without, world.clock)
    with pytest.raises(NotFound, match="Trusted publishing is off"):
        trusted_publishers.exchange(off, world.token())
    with off.reading() as uow:
        (found,) = trusted_publishers.of_project(uow, OPERATOR, projects.get(uow, "example"))
        assert not found.is_possible
        assert found.described == "owner ada, repository example, workflow release.yml"
        assert credentials.actor_of(uow, text).name == "github:ada/example"


def test_an_issuer_that_is_away(services: Services, world: World) -> None:
    world.trust()
    world.ci.answers[world.ci.configuration] = (500, {}, b"")
    try:
        with pytest.raises(IssuerUnavailable):
            world.exchange()
    finally:
        world.ci.answers.clear()


def test_tokens_are_given_so_often_and_not_kept_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusted_publishers, "TOKENS_PER_HOUR", 2)
    world.trust()
    for _ in range(2):
        world.exchange()
    with pytest.raises(TooMany, match="got 2 tokens within an hour"):
        world.exchange()
    world.clock.advance(timedelta(hours=1))
    world.exchange()
    for hours, used, minted in ((1, 1, 3), (1, 0, 3), (24, 0, 0)):
        world.clock.advance(timedelta(hours=hours))
        housekeeping.keep_house(world.services)
        with world.services.reading() as uow:
            kept = tuple(
                uow.db.scalar(select(func.count()).select_from(kind))
                for kind in (UsedIDToken, MintedToken)
            )
        assert kept == (used, minted)


def test_what_goes_with_a_project(world: World) -> None:
    world.trust()
    text = world.exchange()
    with world.services.writing() as uow:
        project = projects.get(uow, "example")
        removal.remove_project(uow, OPERATOR, project)
        assert uow.db.scalars(select(ProjectPublisher)).all() == []
        with pytest.raises(NotAuthenticated):
            credentials.actor_of(uow, text)
