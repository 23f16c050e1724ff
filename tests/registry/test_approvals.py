"""Who may say go: every policy, credential and act; approvals of a content; what is kept."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select, update

from greenroom.models import Approval, AuditEntry, Draft, Project, RoleName, User
from greenroom.registry import (
    approvals,
    catalogue,
    draft_contents,
    drafts,
    expected_files,
    projects,
    publishing,
    publishing_policy,
    required_checks,
    roles,
    teams,
    tokens,
)
from greenroom.registry.approvals import Rules, Standing
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    DraftsOnly,
    FactorNotFresh,
    InvalidRequest,
    NotAllowed,
    NotConfirmed,
    PersonPublishes,
    Refusal,
)
from greenroom.registry.permissions import (
    FACTOR_FRESH_FOR,
    OPERATOR,
    TOKEN_PERMISSIONS,
    Actor,
    Importer,
    Person,
    PublisherGrant,
    ShownSession,
    TrustedPublisher,
)
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.factories import present


def digest(uow: UnitOfWork, draft: Draft) -> str:
    return draft_contents.digest_of(draft, drafts.files(uow.db, draft))


def approve(uow: UnitOfWork, user: User, draft: Draft) -> None:
    approvals.approve(uow, present(uow, user), draft, digest(uow, draft))


def want(uow: UnitOfWork, project: Project, **rules: object) -> None:
    approvals.change_rules(uow, OPERATOR, project, Rules(**rules))  # type: ignore[arg-type]


class World:
    """A project with a draft that its owner staged, and everybody who could publish it."""

    def __init__(self, uow: UnitOfWork, folder: Path) -> None:
        self.uow, self.folder = uow, folder
        self.people = {
            name: factories.make_user(uow, name, administrator=name == "admin")
            for name in ("owner", "maintainer", "admin", "stranger")
        }
        self.draft = factories.stage(uow, self.people["owner"], make_wheel(folder))
        assert self.draft.project is not None
        self.project = self.draft.project
        assert not self.project.auto_publish_releases
        factories.add_role(uow, self.project, self.people["maintainer"], RoleName.MAINTAINER)

    def adopt(self, policy: str) -> None:
        """Let the project be as the table says."""
        uow, project = self.uow, self.project
        if not policy.startswith("new"):
            project.auto_publish_releases = True
            factories.release(uow, self.people["owner"], make_wheel(self.folder, version="0.1"))
        project.auto_publish_releases = policy in ("direct", "files")
        if policy == "new-off":
            off = replace(uow.settings, auto_publish="false")
            self.uow = replace(uow, settings=off)
        if policy == "approved":
            want(uow, project, needed=1)
        if policy == "two":
            want(uow, project, needed=2, by_others=True)
        if policy == "checks":
            required_checks.change(uow, OPERATOR, project, ["tests"])
        if policy == "files":
            expected_files.change(uow, OPERATOR, project, "sdist")
        if policy == "confirmed":
            project.auto_publish_releases = project.reauthenticate_to_publish = True

    def actor(self, who: str) -> Actor:
        """Who acts."""
        name, _, shows = who.partition("-")
        uow = self.uow
        if name == "operator":
            return OPERATOR
        if name == "workflow":
            grants = (PublisherGrant(self.project.id, may_publish=True),)
            return TrustedPublisher(1, "github:ada/example", "run 1", grants, ())
        if name == "token":
            allowed = TOKEN_PERMISSIONS if shows == "all" else (shows,)
            text = factories.make_token(uow, self.people["owner"], permissions=allowed)
            return tokens.actor_of_token(uow, text)
        if shows == "without":
            return Person(self.people[name], ShownSession(1, uow.now, uow.now, uow.now))
        shown = {"fresh": timedelta(minutes=4), "stale": FACTOR_FRESH_FOR, "never": None}[shows]
        return present(uow, self.people[name], shown=shown)

    def outcome(self, act: Callable[[], object]) -> str:
        """What comes of it, after which all is as it was."""
        attempt = self.uow.db.begin_nested()
        try:
            act()
        except Refusal as refusal:
            return refusal.code
        else:
            return "yes"
        finally:
            attempt.rollback()


def test_where_a_person_publishes_every_credential_reads_what_to_do(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    world = World(uow, tmp_path)
    world.adopt("person")
    for who in ("token-all", "workflow"):
        with pytest.raises(PersonPublishes, match="sign in and publish the draft on its page"):
            publishing.publish(uow, world.actor(who), world.draft)
        with pytest.raises(DraftsOnly, match="Upload this file as a draft, then sign in"):
            factories.upload(
                uow, world.actor(who), make_wheel(tmp_path, version="8.0"), staged=False
            )
    with pytest.raises(FactorNotFresh, match="add one to your account") as caught:
        publishing.publish(uow, world.actor("owner-without"), world.draft)
    assert not caught.value.has_factor
    with pytest.raises(FactorNotFresh, match="within 5 minutes") as caught:
        publishing.publish(uow, world.actor("owner-stale"), world.draft)
    assert caught.value.has_factor
    with pytest.raises(DraftsOnly, match="publishes through drafts only"):
        publishing_policy.check_direct(uow, world.project)
    assert factories.public_filenames(uow, "example") == ["example-0.1-py3-none-any.whl"]


def test_a_project_begins_as_it_is_begun(uow: UnitOfWork, tmp_path: Path) -> None:
    ada = factories.make_user(uow)
    off = replace(uow.settings, auto_publish="false")
    strict = replace(uow, settings=off)
    begun = {
        "direct": factories.release(uow, ada, make_wheel(tmp_path, "direct")),
        "staged": factories.stage(uow, ada, make_wheel(tmp_path, "staged")).project,
        "session": factories.open_new(uow, ada, "session").project,
        "strict": factories.open_new(strict, ada, "strict").project,
        "imported": projects.create(strict, Importer(ada), "imported", imported=True),
    }
    assert {name: each and each.auto_publish_releases for name, each in begun.items()} == {
        "direct": True,
        "staged": False,
        "session": False,
        "strict": False,
        "imported": True,
    }
    with pytest.raises(DraftsOnly, match="new projects begin with a draft"):
        factories.upload(strict, ada, make_wheel(tmp_path, "further"), staged=False)


def test_to_protect_less_takes_who_it_is_and_is_told(uow: UnitOfWork, tmp_path: Path) -> None:
    ada = factories.make_user(uow)
    project = factories.release(uow, ada, make_wheel(tmp_path))
    team = factories.make_team(uow, ada, "reviewers", works_on=project)
    known, unknown = present(uow, ada), Person(ada)
    projects.change_settings(uow, unknown, project, ProjectSettings(auto_publish_releases=False))
    approvals.change_rules(uow, unknown, project, Rules(2, by_others=True, team=team.name))
    for rules in (
        Rules(1, by_others=True, team="reviewers"),
        Rules(3, by_others=False, team="reviewers"),
        Rules(3, by_others=True),
    ):
        with pytest.raises(NotConfirmed):
            approvals.change_rules(uow, unknown, project, rules)
    with pytest.raises(InvalidRequest, match="No team 'nobody' has a role"):
        approvals.change_rules(uow, known, project, Rules(1, team="nobody"))
    for needed in (-1, 21):
        with pytest.raises(InvalidRequest, match="between 0 and 20"):
            approvals.change_rules(uow, known, project, Rules(needed))
    eve = factories.make_user(uow, "eve")
    factories.add_role(uow, project, eve, RoleName.MAINTAINER)
    with pytest.raises(NotAllowed):
        approvals.change_rules(uow, present(uow, eve), project, Rules(0))

    approvals.change_rules(uow, known, project, Rules(1, team="reviewers"))
    direct = ProjectSettings(auto_publish_releases=True)
    with pytest.raises(InvalidRequest, match="wants approvals, which only a draft can have"):
        projects.change_settings(uow, known, project, direct)
    approvals.change_rules(uow, known, project, Rules(0))
    with pytest.raises(NotConfirmed):
        projects.change_settings(uow, unknown, project, direct)
    projects.change_settings(uow, known, project, direct)
    approvals.change_rules(uow, unknown, project, Rules(1))

    told = ("project-settings", "project-unprotect")
    found = uow.db.execute(
        select(AuditEntry.act, AuditEntry.detail)
        .where(AuditEntry.act.in_(told))
        .order_by(AuditEntry.id)
    )
    assert [tuple(row) for row in found] == [
        ("project-settings", "auto_publish_releases off"),
        ("project-settings", "approvals 2, not by whoever staged, by the team reviewers"),
        ("project-unprotect", "approvals 1, by the team reviewers"),
        ("project-unprotect", "approvals 0"),
        ("project-unprotect", "auto_publish_releases on"),
        ("project-settings", "auto_publish_releases off, approvals 1"),
    ]


def test_a_change_voids_approvals_and_everybody_sees_it(uow: UnitOfWork, tmp_path: Path) -> None:
    world = World(uow, tmp_path)
    owner, maintainer = world.people["owner"], world.people["maintainer"]
    want(uow, world.project, needed=2)
    before = digest(uow, world.draft)
    approve(uow, owner, world.draft)
    approve(uow, owner, world.draft)  # once is enough
    approve(uow, maintainer, world.draft)
    assert publishing.obstacles(uow, world.draft) == ()

    factories.stage(uow, owner, make_wheel(tmp_path, tag="py3-none-win_amd64"))

    seen = approvals.of_draft(
        uow, present(uow, owner), world.draft, drafts.files(uow.db, world.draft)
    )
    assert [(line.by, line.standing, line.factor) for line in seen.lines] == [
        ("owner", Standing.OTHER_FILES, "passkey"),
        ("maintainer", Standing.OTHER_FILES, "passkey"),
    ]
    assert (seen.counted, seen.missing, seen.is_mine_standing) == (0, 2, False)
    reasons = publishing.obstacles(uow, world.draft)
    assert ["takes 2 approvals, and has none" in reason for reason in reasons] == [True]
    with pytest.raises(DraftChanged):
        approvals.approve(uow, present(uow, owner), world.draft, before)
    with pytest.raises(InvalidRequest):
        approvals.approve(uow, present(uow, owner), world.draft, "sha256:x")
    # What is bound to a content stands again where the draft has that content again.
    drafts.remove_file(uow, Person(owner), world.draft, "example-1.0-py3-none-win_amd64.whl")
    assert publishing.obstacles(uow, world.draft) == ()
    approvals.withdraw(uow, present(uow, owner, shown=None), world.draft)
    with pytest.raises(InvalidRequest, match="no approval of this draft to withdraw"):
        approvals.withdraw(uow, present(uow, owner), world.draft)
    assert len(publishing.obstacles(uow, world.draft)) == 1
    drafts.remove_file(uow, Person(owner), world.draft, "example-1.0-py3-none-any.whl")
    with pytest.raises(InvalidRequest, match="no files"):
        approve(uow, owner, world.draft)


def test_whose_approvals_count_is_judged_when_it_is_published(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    world = World(uow, tmp_path)
    owner, maintainer = world.people["owner"], world.people["maintainer"]
    reviewer = factories.make_user(uow, "reviewer")
    team = factories.make_team(uow, reviewer, "reviewers", works_on=world.project)
    want(uow, world.project, needed=1, by_others=True, team="reviewers")
    for who, why in ((owner, "has staged some"), (maintainer, "is not in the team reviewers")):
        with pytest.raises(NotAllowed, match=why):
            approve(uow, who, world.draft)
    approve(uow, reviewer, world.draft)
    assert publishing.obstacles(uow, world.draft) == ()

    def standing() -> tuple[Standing, str]:
        staged = drafts.files(uow.db, world.draft)
        (line,) = approvals.of_draft(uow, Person(owner), world.draft, staged).lines
        assert (line.standing is Standing.STANDS) == (not publishing.obstacles(uow, world.draft))
        return line.standing, line.why

    changes: list[tuple[Callable[[], object], str]] = [
        (lambda: setattr(reviewer, "disabled", uow.now), "disabled"),
        (lambda: teams.take_role(uow, OPERATOR, team, world.project), "may not publish"),
        (lambda: teams.delete(uow, OPERATOR, team), "may not publish"),
        (lambda: uow.db.delete(reviewer), "no such account"),
    ]
    for change, why in changes:
        with_it = uow.db.begin_nested()
        change()
        uow.db.flush()
        uow.db.expire_all()
        assert standing()[0] is Standing.NOT_COUNTED
        assert why in standing()[1]
        with_it.rollback()
        uow.db.expire_all()
    assert standing() == (Standing.STANDS, "")
    # Without its team a project takes nobody's approval, until another one is chosen.
    factories.add_role(uow, world.project, reviewer, RoleName.MAINTAINER)
    teams.delete(uow, OPERATOR, team)
    uow.db.expire_all()
    assert "was deleted" in standing()[1]
    assert "a team that is gone" in publishing.obstacles(uow, world.draft)[0]


def test_who_publishes_approves_and_it_is_kept_with_the_release(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    world = World(uow, tmp_path)
    owner, maintainer = world.people["owner"], world.people["maintainer"]
    want(uow, world.project, needed=2)
    approve(uow, maintainer, world.draft)
    uow.db.execute(update(Approval).values(by="maintainer"))
    gone = factories.make_user(uow, "gone")
    factories.add_role(uow, world.project, gone, RoleName.MAINTAINER)
    approve(uow, gone, world.draft)
    roles.take(uow, OPERATOR, world.project, "gone")
    content = digest(uow, world.draft)
    assert len(publishing.obstacles(uow, world.draft)) == 1
    assert publishing.obstacles(uow, world.draft, present(uow, owner)) == ()
    with pytest.raises(CannotPublish, match="takes 2 approvals, and has 1"):  # without a digest
        publishing.publish(uow, present(uow, owner), world.draft)

    publishing.publish(uow, present(uow, owner), world.draft, content_digest=content)

    project = catalogue.find(uow.db, "example")
    assert project is not None
    release = catalogue.find_release(uow.db, project.id, "1.0")
    assert release is not None
    (published,) = approvals.published(uow.db, release)
    assert (published.content_digest, published.published) == (content, uow.now)
    assert [(each.by, each.factor) for each in published.approvals] == [
        ("maintainer", "passkey"),
        ("owner", "passkey"),
    ]
    assert approvals.approvers(uow.db, release) == ("maintainer", "owner")
    # A further draft of it that is not published adds nothing.
    further = factories.stage(uow, owner, make_wheel(tmp_path, tag="py3-none-win_amd64"))
    approve(uow, maintainer, further)
    assert len(approvals.published(uow.db, release)) == 1
    assert drafts.live(uow, world.project, Version("1.0")) is further


def test_nothing_is_public_of_what_nobody_approved(uow: UnitOfWork, tmp_path: Path) -> None:
    world = World(uow, tmp_path)
    publishing.publish(
        uow,
        present(uow, world.people["owner"]),
        world.draft,
        content_digest=digest(uow, world.draft),
    )
    project = catalogue.find(uow.db, "example")
    assert project is not None
    release = catalogue.find_release(uow.db, project.id, "1.0")
    assert release is not None
    assert approvals.published(uow.db, release) == []
