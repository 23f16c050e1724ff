"""Projects: finding them, registering names, roles and settings."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.models import Project, ProjectStatus, RoleName, User
from greenroom.registry import accounts, catalogue, drafts, projects
from greenroom.registry.errors import (
    CannotPublish,
    InvalidMetadata,
    InvalidRequest,
    NameNotAvailable,
    NotAllowed,
    NotFound,
    ProjectClosed,
    Refusal,
    TooMany,
)
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor
from greenroom.registry.projects import ProjectSettings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def ada(index: Index) -> User:
    return factories.make_user(index, "ada")


@pytest.fixture
def eve(index: Index) -> User:
    return factories.make_user(index, "eve")


@pytest.fixture
def published(index: Index, ada: User, tmp_path: Path) -> Project:
    return factories.release(index, ada, make_wheel(tmp_path, "zope.example"))


@pytest.mark.parametrize("name", ["zope.example", "Zope_Example", "zope--example"])
def test_a_project_is_found_in_any_spelling(index: Index, published: Project, name: str) -> None:
    assert projects.find(index, name) is published
    assert projects.get(index, name) is published


@pytest.mark.parametrize("name", ["zopeexample", "", "-zope.example", "a\0", "\udcff"])
def test_there_is_no_project_that_nobody_registered(
    index: Index, published: Project, name: str
) -> None:
    assert projects.find(index, name) is None
    with pytest.raises(NotFound, match="There is no project"):
        projects.get(index, name)


def test_a_persons_projects_are_those_with_a_role(
    index: Index, ada: User, eve: User, published: Project, tmp_path: Path
) -> None:
    factories.release(index, eve, make_wheel(tmp_path, "another"))
    draft = factories.stage(index, ada, make_wheel(tmp_path, "awaited"))
    assert projects.of_user(index, ada) == [draft.project, published]


def test_the_size_of_a_project_is_that_of_all_its_files(
    index: Index, ada: User, published: Project, tmp_path: Path
) -> None:
    one = tmp_path / "zope_example-1.0-py3-none-any.whl"
    two = make_sdist(tmp_path, "zope.example", "2.0")
    factories.stage(index, ada, two)
    assert projects.size(index, published) == one.stat().st_size + two.stat().st_size
    assert type(projects.size(index, published)) is int


def test_a_project_without_files_has_no_size(index: Index, ada: User) -> None:
    assert projects.size(index, projects.create(index, Actor(ada), "empty")) == 0


# Registering


def can_register(index: Index, actor: Actor, name: str) -> None:
    projects.check_can_register(index, actor, name, staged=False)


@pytest.mark.parametrize(
    ("name", "kind", "about"),
    [
        ("-x-", InvalidMetadata, "invalid value for Name"),
        ("json", NameNotAvailable, "standard library"),
        ("z0pe-examp1e", NameNotAvailable, "too similar"),
        ("zopeexample", NameNotAvailable, "too similar"),
    ],
)
def test_names_that_nobody_can_register(
    index: Index, eve: User, published: Project, name: str, kind: type[Refusal], about: str
) -> None:
    with pytest.raises(kind, match=about):
        can_register(index, Actor(eve), name)


def test_a_new_name_can_be_registered(index: Index, eve: User, published: Project) -> None:
    can_register(index, Actor(eve), "zope.examples")


@pytest.mark.parametrize("actor", [ANONYMOUS, OPERATOR], ids=["anonymous", "operator"])
def test_it_takes_a_person_to_register_a_name(index: Index, actor: Actor) -> None:
    with pytest.raises(NotAllowed):
        can_register(index, actor, "example")


def test_names_per_hour_are_limited(index: Index, ada: User, eve: User) -> None:
    limited = replace(
        index, settings=index.settings.model_copy(update={"new_projects_per_hour": 2})
    )
    for name in ("one", "two"):
        projects.create(index, Actor(ada), name)
    with pytest.raises(TooMany, match="registered 2 project names within an hour") as caught:
        can_register(limited, Actor(ada), "three")
    assert caught.value.retry_after == timedelta(hours=1)
    can_register(limited, Actor(eve), "three")
    can_register(replace(limited, now=index.now + timedelta(hours=1)), Actor(ada), "three")
    unlimited = index.settings.model_copy(update={"new_projects_per_hour": 0})
    can_register(replace(index, settings=unlimited), Actor(ada), "three")


def test_names_per_day_are_limited(index: Index, ada: User, eve: User) -> None:
    limited = replace(index, settings=index.settings.model_copy(update={"new_projects_per_day": 2}))
    projects.create(index, Actor(ada), "one")
    projects.create(replace(index, now=index.now + timedelta(hours=9)), Actor(ada), "two")
    noon = replace(limited, now=index.now + timedelta(hours=20))

    with pytest.raises(TooMany, match="registered 2 project names within a day") as caught:
        can_register(noon, Actor(ada), "three")

    assert caught.value.retry_after == timedelta(hours=4)
    can_register(noon, Actor(eve), "three")
    can_register(replace(limited, now=index.now + timedelta(days=1)), Actor(ada), "three")


def test_both_limits_of_names_hold(index: Index, ada: User) -> None:
    limits = {"new_projects_per_hour": 1, "new_projects_per_day": 2}
    limited = replace(index, settings=index.settings.model_copy(update=limits))
    projects.create(index, Actor(ada), "one")
    with pytest.raises(TooMany, match="within an hour"):
        can_register(limited, Actor(ada), "two")
    later = replace(limited, now=index.now + timedelta(hours=1))
    projects.create(later, Actor(ada), "two")

    with pytest.raises(TooMany, match="within a day"):
        can_register(replace(later, now=later.now + timedelta(hours=1)), Actor(ada), "three")


def test_a_limit_that_was_lowered_tells_when_there_is_room(index: Index, ada: User) -> None:
    for minutes in (0, 10, 20):
        earlier = replace(index, now=index.now + timedelta(minutes=minutes))
        projects.create(earlier, Actor(ada), f"name-{minutes}")
    lowered = index.settings.model_copy(update={"new_projects_per_hour": 1})

    with pytest.raises(TooMany) as caught:
        can_register(
            replace(index, settings=lowered, now=index.now + timedelta(minutes=30)),
            Actor(ada),
            "another",
        )

    assert caught.value.retry_after == timedelta(minutes=50)


def test_who_creates_a_project_owns_it(index: Index, ada: User) -> None:
    project = projects.create(index, Actor(ada), "Zope.Example")
    assert (project.name, project.normalized_name) == ("Zope.Example", "zope-example")
    assert [(role.user, role.name) for role in project.roles] == [(ada, RoleName.OWNER)]
    assert project.registered is None


@pytest.mark.parametrize(
    ("one", "other"), [("flask-x", "flask-x"), ("flask-x", "f1ask.x"), ("flask-x", "FlaskX")]
)
def test_of_two_who_want_names_that_look_alike_one_gets_it(
    premises: Premises, tmp_path: Path, one: str, other: str
) -> None:
    with premises.writing() as index:
        for username in ("ada", "eve"):
            factories.make_user(index, username)

    def register(username: str, name: str) -> Callable[[], bool]:
        wheel = make_wheel(tmp_path / username, name)

        def act() -> bool:
            try:
                with premises.writing() as index:
                    user = accounts.get_user(index.session, username)
                    factories.upload(index, Actor(user), wheel, staged=False)
            except (NameNotAvailable, NotAllowed):
                return False
            return True

        return act

    outcomes = factories.at_once(register("ada", one), register("eve", other))
    assert sorted(outcomes) == [False, True]
    with premises.reading() as index:
        assert len(catalogue.projects(index.session)) == 1


# Roles


def roles(project: Project) -> list[tuple[str, str]]:
    return [(role.user.username, role.name) for role in project.roles]


def test_an_owner_gives_and_takes_roles(
    index: Index, ada: User, eve: User, published: Project
) -> None:
    owner = Actor(ada)
    projects.add_role(index, owner, published, "EVE", RoleName.MAINTAINER)
    assert roles(published) == [("ada", "owner"), ("eve", "maintainer")]
    projects.add_role(index, owner, published, "eve", RoleName.OWNER)
    assert roles(published) == [("ada", "owner"), ("eve", "owner")]
    projects.remove_role(index, owner, published, "Ada")
    assert roles(published) == [("eve", "owner")]
    written = [action for _, _, action in factories.journal_of(index)]
    assert written[-3:] == ["add Maintainer eve", "add Owner eve", "remove Owner ada"]
    assert published.last_serial == len(written)


def test_roles_of_a_name_that_is_only_reserved_are_not_in_the_journal(
    index: Index, ada: User, eve: User, tmp_path: Path
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path))
    project = projects.get(index, "example")
    factories.add_role(index, project, eve, RoleName.MAINTAINER)
    assert factories.journal_of(index) == []
    drafts.publish(index, Actor(ada), draft)
    assert [action for _, _, action in factories.journal_of(index)] == [
        "create",
        "add Owner ada",
        "add Maintainer eve",
        "new release",
        "add py3 file example-1.0-py3-none-any.whl",
    ]


@pytest.mark.parametrize(
    ("username", "name", "kind", "about"),
    [
        ("ada", RoleName.OWNER, InvalidRequest, "as before"),
        ("ada", RoleName.MAINTAINER, InvalidRequest, "last owner"),
        ("bob", RoleName.OWNER, NotFound, "no user"),
        ("a\0", RoleName.OWNER, NotFound, "no user"),
    ],
)
def test_roles_that_cannot_be_given(
    index: Index,
    ada: User,
    published: Project,
    username: str,
    name: RoleName,
    kind: type[Refusal],
    about: str,
) -> None:
    before = factories.everything(index)
    with pytest.raises(kind, match=about):
        projects.add_role(index, Actor(ada), published, username, name)
    assert factories.everything(index) == before


@pytest.mark.parametrize(
    ("username", "kind", "about"),
    [("ada", InvalidRequest, "last owner"), ("eve", NotFound, "no role"), ("\0", NotFound, "no r")],
)
def test_roles_that_cannot_be_taken(
    index: Index,
    ada: User,
    eve: User,
    published: Project,
    username: str,
    kind: type[Refusal],
    about: str,
) -> None:
    before = factories.everything(index)
    with pytest.raises(kind, match=about):
        projects.remove_role(index, Actor(ada), published, username)
    assert factories.everything(index) == before


def test_a_maintainer_does_not_manage(
    index: Index, ada: User, eve: User, published: Project
) -> None:
    factories.add_role(index, published, eve, RoleName.MAINTAINER)
    maintainer = Actor(eve)
    before = factories.everything(index)
    with pytest.raises(NotAllowed):
        projects.add_role(index, maintainer, published, "eve", RoleName.OWNER)
    with pytest.raises(NotAllowed):
        projects.remove_role(index, maintainer, published, "ada")
    with pytest.raises(NotAllowed):
        projects.change_settings(index, maintainer, published, ProjectSettings(False))
    assert factories.everything(index) == before


def test_an_owner_may_want_drafts_only(index: Index, ada: User, published: Project) -> None:
    before = factories.journal_of(index)
    projects.change_settings(index, Actor(ada), published, ProjectSettings(False))
    assert projects.get(index, "zope.example").auto_publish_releases is False
    assert factories.journal_of(index) == before


# What happens between looking and acting, which on SQLite nothing can


@ON_POSTGRESQL
def test_a_role_given_while_the_project_is_published_is_in_the_journal(
    premises: Premises, tmp_path: Path
) -> None:
    with premises.writing() as index:
        ada, _ = factories.make_user(index, "ada"), factories.make_user(index, "eve")
        slug = factories.stage(index, ada, make_wheel(tmp_path)).slug
    with premises.writing() as slow:
        owner = Actor(accounts.get_user(slow.session, "ada"))
        project = projects.get(slow, "example")
        with premises.writing() as index:
            draft = drafts.by_slug(index.session, slug)
            assert draft is not None
            drafts.publish(index, Actor(accounts.get_user(index.session, "ada")), draft)
        projects.add_role(slow, owner, project, "eve", RoleName.MAINTAINER)
        assert factories.journal_of(slow)[-1][2] == "add Maintainer eve"


@ON_POSTGRESQL
@pytest.mark.parametrize("demoted", [False, True], ids=["removed", "demoted"])
def test_who_is_no_owner_any_more_manages_no_more(premises: Premises, demoted: bool) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index, "ada")
        made = projects.create(index, Actor(ada), "example")
        made.registered = index.now
        factories.add_role(index, made, factories.make_user(index, "eve"), RoleName.OWNER)
    with premises.writing() as slow:
        eve = Actor(accounts.get_user(slow.session, "eve"))
        project = projects.get(slow, "example")
        with premises.writing() as index:
            same = projects.get(index, "example")
            if demoted:
                projects.add_role(index, OPERATOR, same, "eve", RoleName.MAINTAINER)
            else:
                projects.remove_role(index, OPERATOR, same, "eve")
        with pytest.raises(NotAllowed):
            projects.remove_role(slow, eve, project, "ada")


@ON_POSTGRESQL
def test_a_project_that_goes_meanwhile_is_not_found(premises: Premises, tmp_path: Path) -> None:
    with premises.writing() as index:
        ada, _ = factories.make_user(index, "ada"), factories.make_user(index, "eve")
        slug = factories.stage(index, ada, make_wheel(tmp_path)).slug
    with premises.writing() as slow:
        owner = Actor(accounts.get_user(slow.session, "ada"))
        project = projects.get(slow, "example")
        with premises.writing() as index:
            draft = drafts.by_slug(index.session, slug)
            assert draft is not None
            drafts.discard(index, OPERATOR, draft)
        with pytest.raises(NotFound, match="There is no project 'example'"):
            projects.add_role(slow, owner, project, "eve", RoleName.MAINTAINER)


def test_of_two_owners_who_remove_each_other_one_stays(premises: Premises) -> None:
    with premises.writing() as index:
        made = projects.create(index, Actor(factories.make_user(index, "ada")), "example")
        made.registered = index.now
        factories.add_role(index, made, factories.make_user(index, "eve"), RoleName.OWNER)

    def remove(username: str, other: str) -> Callable[[], bool]:
        def act() -> bool:
            try:
                with premises.writing() as index:
                    actor = Actor(accounts.get_user(index.session, username))
                    projects.remove_role(index, actor, projects.get(index, "example"), other)
            except (NotAllowed, InvalidRequest):
                return False
            return True

        return act

    assert sorted(factories.at_once(remove("ada", "eve"), remove("eve", "ada"))) == [False, True]


def test_a_reserved_name_is_free_from_the_second_it_falls_due(
    premises: Premises, clock: FakeClock, tmp_path: Path
) -> None:
    with premises.writing() as index:
        ada, _ = factories.make_user(index, "ada"), factories.make_user(index, "eve")
        draft = factories.stage(index, ada, make_wheel(tmp_path))
        left = draft.expires - clock.now
    clock.advance(left - timedelta(microseconds=1))
    with premises.reading() as index:
        assert projects.find(index, "example") is not None
    clock.advance(timedelta(microseconds=1))
    with premises.reading() as index:
        assert projects.find(index, "example") is None
        assert projects.of_user(index, accounts.get_user(index.session, "ada")) == []
        eve = Actor(accounts.get_user(index.session, "eve"))
        projects.check_can_register(index, eve, "examp1e", staged=False)


# Status (PEP 792)

StatusAct = Callable[[Index, Actor, Project], None]
STATUS_ACTS: list[StatusAct] = [
    projects.archive,
    projects.unarchive,
    projects.quarantine,
    projects.lift_quarantine,
]


def test_an_archived_project_is_there_and_takes_nothing(
    index: Index, ada: User, published: Project, tmp_path: Path
) -> None:
    projects.archive(index, Actor(ada), published, "use zope.other instead")

    listing = catalogue.listing(index.session, published)
    assert (listing.status, listing.status_reason) == ("archived", "use zope.other instead")
    assert [file.version for file in listing.files] == ["1.0"]
    before = factories.everything(index)
    for staged in (True, False):
        with pytest.raises(ProjectClosed, match="is archived and takes no files") as refusal:
            factories.upload(index, ada, make_wheel(tmp_path, "zope.example", "2.0"), staged=staged)
        assert "use zope.other instead" in str(refusal.value)
    assert factories.everything(index) == before


def test_a_quarantined_project_offers_nothing(
    index: Index, ada: User, published: Project, tmp_path: Path
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path, "zope.example", "2.0"))
    projects.quarantine(index, OPERATOR, published, "malware")

    session = index.session
    [release] = catalogue.releases(session, published)
    listing = catalogue.listing(session, published)
    assert (listing.status, listing.status_reason) == ("quarantined", "malware")
    assert (listing.versions, listing.files) == (("1.0",), ())
    assert catalogue.draft_listing(session, draft).files == ()
    assert catalogue.offered_files(session, published, release) == []
    [file] = catalogue.files(session, release)
    assert catalogue.offered_file(session, file.filename) is None
    assert catalogue.file(session, file.filename) is file
    assert catalogue.newest_releases(session, 10) == []
    assert catalogue.projects_of(session, ada) == []
    assert catalogue.project(session, "zope.example") is published
    for staged in (True, False):
        with pytest.raises(ProjectClosed, match="is in quarantine and takes no files"):
            factories.upload(index, ada, make_wheel(tmp_path, "zope.example", "3.0"), staged=staged)


def test_nobody_else_is_told_the_status_of_what_they_may_not_touch(
    index: Index, ada: User, eve: User, published: Project, tmp_path: Path
) -> None:
    projects.archive(index, Actor(ada), published)

    with pytest.raises(NotAllowed, match="The user 'eve' isn't allowed to upload"):
        factories.upload(index, eve, make_wheel(tmp_path, "zope.example", "2.0"), staged=True)


@pytest.mark.parametrize("close", [projects.archive, projects.quarantine])
def test_a_draft_of_a_closed_project_is_not_published(
    index: Index, ada: User, published: Project, tmp_path: Path, close: StatusAct
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path, "zope.example", "2.0"))
    close(index, OPERATOR, published)

    with pytest.raises(CannotPublish, match="takes no files"):
        drafts.publish(index, OPERATOR, draft)

    assert drafts.is_live(index, draft)


def test_a_project_comes_back_from_each_as_it_was(
    index: Index, ada: User, published: Project, tmp_path: Path
) -> None:
    projects.archive(index, Actor(ada), published, "done")
    projects.quarantine(index, OPERATOR, published)
    assert published.status is ProjectStatus.QUARANTINED
    projects.lift_quarantine(index, OPERATOR, published)
    assert (published.status, published.status_reason) == (ProjectStatus.ARCHIVED, "done")
    projects.unarchive(index, Actor(ada), published)
    assert (published.status, published.status_reason) == (ProjectStatus.ACTIVE, "")

    factories.release(index, ada, make_wheel(tmp_path, "zope.example", "2.0"))


def test_every_change_of_status_is_in_the_journal_once(index: Index, published: Project) -> None:
    before = len(factories.journal_of(index))

    for act in STATUS_ACTS:
        act(index, OPERATOR, published)
        act(index, OPERATOR, published)

    acts = [act for _, _, act in factories.journal_of(index)[before:]]
    assert acts == [
        "archive project",
        "unarchive project",
        "quarantine project",
        "unquarantine project",
    ]
    assert index.changed == {"project/zope-example", "all-projects", "files/zope-example"}


@pytest.mark.parametrize(
    ("act", "who", "outcome"),
    [
        (act, who, "allowed" if who in allowed else "refused")
        for act, allowed in [
            (projects.archive, {"owner", "administrator"}),
            (projects.unarchive, {"owner", "administrator"}),
            (projects.quarantine, {"administrator"}),
            (projects.lift_quarantine, {"administrator"}),
        ]
        for who in ("owner", "maintainer", "stranger", "administrator")
    ],
)
def test_who_sets_the_status(
    index: Index, ada: User, published: Project, act: StatusAct, who: str, outcome: str
) -> None:
    person = ada
    if who != "owner":
        person = factories.make_user(index, who, administrator=who == "administrator")
    if who == "maintainer":
        factories.add_role(index, published, person, RoleName.MAINTAINER)

    if outcome == "allowed":
        act(index, Actor(person), published)
    else:
        with pytest.raises(NotAllowed):
            act(index, Actor(person), published)


@pytest.mark.parametrize("act", STATUS_ACTS)
def test_a_reserved_name_has_no_status(
    index: Index, ada: User, tmp_path: Path, act: StatusAct
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path, "reserved"))
    assert draft.project is not None

    with pytest.raises(InvalidRequest, match="Nothing of 'reserved' is public"):
        act(index, OPERATOR, draft.project)


def test_administrators_see_what_is_in_quarantine(index: Index, published: Project) -> None:
    assert projects.in_quarantine(index.session) == []
    projects.quarantine(index, OPERATOR, published)
    assert projects.in_quarantine(index.session) == [published]
