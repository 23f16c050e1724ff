"""Projects: finding them, registering names, roles and settings."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import Project, ProjectStatus, RoleName
from greenroom.registry import (
    accounts,
    catalogue,
    drafts,
    projects,
    publishing,
    roles,
)
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
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.jobs import purged

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def published(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    return factories.release(uow, ada, make_wheel(tmp_path, "zope.example"))


@pytest.mark.parametrize("name", ["zope.example", "Zope_Example", "zope--example"])
def test_a_project_is_found_in_any_spelling(uow: UnitOfWork, published: Project, name: str) -> None:
    assert projects.find(uow, name) is published
    assert projects.get(uow, name) is published


@pytest.mark.parametrize("name", ["zopeexample", "", "-zope.example", "a\0", "\udcff"])
def test_there_is_no_project_that_nobody_registered(
    uow: UnitOfWork, published: Project, name: str
) -> None:
    assert projects.find(uow, name) is None
    with pytest.raises(NotFound, match="There is no project"):
        projects.get(uow, name)


def test_a_persons_projects_are_those_with_a_role(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project, tmp_path: Path
) -> None:
    factories.release(uow, eve, make_wheel(tmp_path, "another"))
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "awaited"))
    assert projects.of_user(uow, ada.user) == [draft.project, published]


def test_the_size_of_a_project_is_that_of_all_its_files(
    uow: UnitOfWork, ada: Person, published: Project, tmp_path: Path
) -> None:
    one = tmp_path / "zope_example-1.0-py3-none-any.whl"
    two = make_sdist(tmp_path, "zope.example", "2.0")
    factories.stage(uow, ada, two)
    assert projects.size(uow, published) == one.stat().st_size + two.stat().st_size
    assert type(projects.size(uow, published)) is int


def test_a_project_without_files_has_no_size(uow: UnitOfWork, ada: Person) -> None:
    assert projects.size(uow, projects.create(uow, ada, "empty")) == 0


# Registering


def can_register(uow: UnitOfWork, actor: Actor, name: str) -> None:
    projects.check_can_register(uow, actor, name, staged=False)


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
    uow: UnitOfWork, eve: Person, published: Project, name: str, kind: type[Refusal], about: str
) -> None:
    with pytest.raises(kind, match=about):
        can_register(uow, eve, name)


def test_a_new_name_can_be_registered(uow: UnitOfWork, eve: Person, published: Project) -> None:
    can_register(uow, eve, "zope.examples")


@pytest.mark.parametrize("actor", [ANONYMOUS, OPERATOR], ids=["anonymous", "operator"])
def test_it_takes_a_person_to_register_a_name(uow: UnitOfWork, actor: Actor) -> None:
    with pytest.raises(NotAllowed):
        can_register(uow, actor, "example")


def test_names_per_hour_are_limited(uow: UnitOfWork, ada: Person, eve: Person) -> None:
    limited = replace(uow, settings=replace(uow.settings, new_projects_per_hour=2))
    for name in ("one", "two"):
        projects.create(uow, ada, name)
    with pytest.raises(TooMany, match="registered 2 project names within an hour") as caught:
        can_register(limited, ada, "three")
    assert caught.value.retry_after == timedelta(hours=1)
    can_register(limited, eve, "three")
    can_register(replace(limited, now=uow.now + timedelta(hours=1)), ada, "three")
    unlimited = replace(uow.settings, new_projects_per_hour=0)
    can_register(replace(uow, settings=unlimited), ada, "three")


def test_names_per_day_are_limited(uow: UnitOfWork, ada: Person, eve: Person) -> None:
    limited = replace(uow, settings=replace(uow.settings, new_projects_per_day=2))
    projects.create(uow, ada, "one")
    projects.create(replace(uow, now=uow.now + timedelta(hours=9)), ada, "two")
    noon = replace(limited, now=uow.now + timedelta(hours=20))

    with pytest.raises(TooMany, match="registered 2 project names within a day") as caught:
        can_register(noon, ada, "three")

    assert caught.value.retry_after == timedelta(hours=4)
    can_register(noon, eve, "three")
    can_register(replace(limited, now=uow.now + timedelta(days=1)), ada, "three")


def test_both_limits_of_names_hold(uow: UnitOfWork, ada: Person) -> None:
    limits = {"new_projects_per_hour": 1, "new_projects_per_day": 2}
    limited = replace(uow, settings=replace(uow.settings, **limits))
    projects.create(uow, ada, "one")
    with pytest.raises(TooMany, match="within an hour"):
        can_register(limited, ada, "two")
    later = replace(limited, now=uow.now + timedelta(hours=1))
    projects.create(later, ada, "two")

    with pytest.raises(TooMany, match="within a day"):
        can_register(replace(later, now=later.now + timedelta(hours=1)), ada, "three")


def test_a_limit_that_was_lowered_tells_when_there_is_room(uow: UnitOfWork, ada: Person) -> None:
    for minutes in (0, 10, 20):
        earlier = replace(uow, now=uow.now + timedelta(minutes=minutes))
        projects.create(earlier, ada, f"name-{minutes}")
    lowered = replace(uow.settings, new_projects_per_hour=1)

    with pytest.raises(TooMany) as caught:
        can_register(
            replace(uow, settings=lowered, now=uow.now + timedelta(minutes=30)),
            ada,
            "another",
        )

    assert caught.value.retry_after == timedelta(minutes=50)


def test_who_creates_a_project_owns_it(uow: UnitOfWork, ada: Person) -> None:
    project = projects.create(uow, ada, "Zope.Example")
    assert (project.name, project.normalized_name) == ("Zope.Example", "zope-example")
    assert [(role.user, role.name) for role in project.roles] == [(ada.user, RoleName.OWNER)]
    assert project.registered is None


@pytest.mark.parametrize(
    ("one", "other"), [("flask-x", "flask-x"), ("flask-x", "f1ask.x"), ("flask-x", "FlaskX")]
)
def test_of_two_who_want_names_that_look_alike_one_gets_it(
    services: Services, tmp_path: Path, one: str, other: str
) -> None:
    with services.writing() as uow:
        for username in ("ada", "eve"):
            factories.make_user(uow, username)

    def register(username: str, name: str) -> Callable[[], bool]:
        wheel = make_wheel(tmp_path / username, name)

        def act() -> bool:
            try:
                with services.writing() as uow:
                    user = accounts.get_user(uow.db, username)
                    factories.upload(uow, Person(user), wheel, staged=False)
            except (NameNotAvailable, NotAllowed):
                return False
            return True

        return act

    outcomes = factories.at_once(register("ada", one), register("eve", other))
    assert sorted(outcomes) == [False, True]
    with services.reading() as uow:
        assert len(catalogue.projects(uow.db)) == 1


# Settings


def test_an_owner_may_want_drafts_only(uow: UnitOfWork, ada: Person, published: Project) -> None:
    before = factories.journal_of(uow)
    projects.change_settings(uow, ada, published, ProjectSettings(False))
    assert projects.get(uow, "zope.example").auto_publish_releases is False
    assert factories.journal_of(uow) == before


# What happens between looking and acting, which on SQLite nothing can


@ON_POSTGRESQL
def test_a_project_that_goes_meanwhile_is_not_found(services: Services, tmp_path: Path) -> None:
    with services.writing() as uow:
        ada, _ = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
        slug = factories.stage(uow, ada, make_wheel(tmp_path)).slug
    with services.writing() as slow:
        owner = Person(accounts.get_user(slow.db, "ada"))
        project = projects.get(slow, "example")
        with services.writing() as uow:
            draft = drafts.by_slug(uow.db, slug)
            assert draft is not None
            drafts.discard(uow, OPERATOR, draft)
        with pytest.raises(NotFound, match="There is no project 'example'"):
            roles.give(slow, owner, project, "eve", RoleName.MAINTAINER)


def test_a_reserved_name_is_free_from_the_second_it_falls_due(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    with services.writing() as uow:
        ada, _ = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
        draft = factories.stage(uow, ada, make_wheel(tmp_path))
        left = draft.expires - clock.now
    clock.advance(left - timedelta(microseconds=1))
    with services.reading() as uow:
        assert projects.find(uow, "example") is not None
    clock.advance(timedelta(microseconds=1))
    with services.reading() as uow:
        assert projects.find(uow, "example") is None
        assert projects.of_user(uow, accounts.get_user(uow.db, "ada")) == []
        eve = Person(accounts.get_user(uow.db, "eve"))
        projects.check_can_register(uow, eve, "examp1e", staged=False)


# Status (PEP 792)

StatusAct = Callable[[UnitOfWork, Actor, Project], None]
STATUS_ACTS: list[StatusAct] = [
    projects.archive,
    projects.unarchive,
    projects.quarantine,
    projects.lift_quarantine,
]


def test_an_archived_project_is_there_and_takes_nothing(
    uow: UnitOfWork, ada: Person, published: Project, tmp_path: Path
) -> None:
    projects.archive(uow, ada, published, "use zope.other instead")

    listing = catalogue.listing(uow.db, published)
    assert (listing.status, listing.status_reason) == ("archived", "use zope.other instead")
    assert [file.version for file in listing.files] == ["1.0"]
    before = factories.everything(uow)
    for staged in (True, False):
        with pytest.raises(ProjectClosed, match="is archived and takes no files") as refusal:
            factories.upload(uow, ada, make_wheel(tmp_path, "zope.example", "2.0"), staged=staged)
        assert "use zope.other instead" in str(refusal.value)
    assert factories.everything(uow) == before


def test_a_quarantined_project_offers_nothing(
    uow: UnitOfWork, ada: Person, published: Project, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "zope.example", "2.0"))
    projects.quarantine(uow, OPERATOR, published, "malware")

    session = uow.db
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
    assert catalogue.projects_of(session, ada.user) == []
    assert catalogue.project(session, "zope.example") is published
    for staged in (True, False):
        with pytest.raises(ProjectClosed, match="is in quarantine and takes no files"):
            factories.upload(uow, ada, make_wheel(tmp_path, "zope.example", "3.0"), staged=staged)


def test_nobody_else_is_told_the_status_of_what_they_may_not_touch(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project, tmp_path: Path
) -> None:
    projects.archive(uow, ada, published)

    with pytest.raises(NotAllowed, match="The user 'eve' isn't allowed to upload"):
        factories.upload(uow, eve, make_wheel(tmp_path, "zope.example", "2.0"), staged=True)


@pytest.mark.parametrize("close", [projects.archive, projects.quarantine])
def test_a_draft_of_a_closed_project_is_not_published(
    uow: UnitOfWork, ada: Person, published: Project, tmp_path: Path, close: StatusAct
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "zope.example", "2.0"))
    close(uow, OPERATOR, published)

    with pytest.raises(CannotPublish, match="takes no files"):
        publishing.publish(uow, OPERATOR, draft)

    assert drafts.is_live(uow, draft)


def test_a_project_comes_back_from_each_as_it_was(
    uow: UnitOfWork, ada: Person, published: Project, tmp_path: Path
) -> None:
    projects.archive(uow, ada, published, "done")
    projects.quarantine(uow, OPERATOR, published)
    assert published.status is ProjectStatus.QUARANTINED
    projects.lift_quarantine(uow, OPERATOR, published)
    assert (published.status, published.status_reason) == (ProjectStatus.ARCHIVED, "done")
    projects.unarchive(uow, ada, published)
    assert (published.status, published.status_reason) == (ProjectStatus.ACTIVE, "")

    factories.release(uow, ada, make_wheel(tmp_path, "zope.example", "2.0"))


def test_every_change_of_status_is_in_the_journal_once(uow: UnitOfWork, published: Project) -> None:
    before = len(factories.journal_of(uow))

    for act in STATUS_ACTS:
        act(uow, OPERATOR, published)
        act(uow, OPERATOR, published)

    acts = [act for _, _, act in factories.journal_of(uow)[before:]]
    assert acts == [
        "archive project",
        "unarchive project",
        "quarantine project",
        "unquarantine project",
    ]
    assert purged(uow) == {"project/zope-example", "all-projects", "files/zope-example"}


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
    uow: UnitOfWork, ada: Person, published: Project, act: StatusAct, who: str, outcome: str
) -> None:
    person = ada
    if who != "owner":
        user = factories.make_user(uow, who, administrator=who == "administrator")
        person = Person(user, why="Somebody asked.")
    if who == "maintainer":
        factories.add_role(uow, published, person.user, RoleName.MAINTAINER)

    if outcome == "allowed":
        act(uow, person, published)
    else:
        with pytest.raises(NotAllowed):
            act(uow, person, published)


@pytest.mark.parametrize("act", STATUS_ACTS)
def test_a_reserved_name_has_no_status(
    uow: UnitOfWork, ada: Person, tmp_path: Path, act: StatusAct
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "reserved"))
    assert draft.project is not None

    with pytest.raises(InvalidRequest, match="Nothing of 'reserved' is public"):
        act(uow, OPERATOR, draft.project)


def test_administrators_see_what_is_in_quarantine(uow: UnitOfWork, published: Project) -> None:
    assert projects.in_quarantine(uow.db) == []
    projects.quarantine(uow, OPERATOR, published)
    assert projects.in_quarantine(uow.db) == [published]
