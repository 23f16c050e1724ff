"""Who works on a project: given, taken, accepted by people, and never without an owner."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.models import Project, RoleName
from greenroom.registry import accounts, drafts, projects, publishing, roles
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound, Refusal
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def published(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    return factories.release(uow, ada, make_wheel(tmp_path, "zope.example"))


def rows(project: Project) -> list[tuple[str, str]]:
    return [(role.user.username, role.name) for role in project.roles]


def test_the_operator_gives_roles_at_once_and_an_owner_takes_them(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    owner = ada
    roles.give(uow, OPERATOR, published, "EVE", RoleName.MAINTAINER)
    assert rows(published) == [("ada", "owner"), ("eve", "maintainer")]
    with pytest.raises(NotAllowed, match="Invite 'eve': nobody is made an owner without accepting"):
        roles.give(uow, owner, published, "eve", RoleName.OWNER)
    roles.give(uow, OPERATOR, published, "eve", RoleName.OWNER)
    assert rows(published) == [("ada", "owner"), ("eve", "owner")]
    roles.take(uow, owner, published, "Ada")
    assert rows(published) == [("eve", "owner")]
    written = [action for _, _, action in factories.journal_of(uow)]
    assert written[-3:] == ["add Maintainer eve", "add Owner eve", "remove Owner ada"]
    assert published.last_serial == len(written)


def test_who_loses_a_role_loses_the_addresses_of_drafts(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project, tmp_path: Path
) -> None:
    factories.add_role(uow, published, eve.user, RoleName.MAINTAINER)
    live = [
        factories.stage(uow, eve, make_wheel(tmp_path, "zope.example", version=version))
        for version in ("2.0", "3.0")
    ]
    discarded = factories.stage(uow, eve, make_wheel(tmp_path, "zope.example", version="4.0"))
    drafts.discard(uow, ada, discarded)
    of_another = factories.stage(uow, eve, make_wheel(tmp_path, "another"))
    known = {draft.id: draft.slug for draft in (*live, discarded, of_another)}
    keys = [draft.key for draft in live]

    roles.give(uow, OPERATOR, published, "eve", RoleName.OWNER)  # loses nothing
    assert [draft.slug for draft in live] == [known[draft.id] for draft in live]
    roles.take(uow, ada, published, "eve")

    for draft in live:
        assert drafts.by_slug(uow.db, known[draft.id]) is None
        assert drafts.by_slug(uow.db, draft.slug) is draft
        line = drafts.events(uow.db, draft)[0]
        assert (line.by, line.act) == ("ada", "rotated the address")
        assert line.detail == "because eve is an owner no more"
    assert [draft.key for draft in live] == keys
    assert discarded.slug == known[discarded.id]
    assert of_another.slug == known[of_another.id]


def test_a_role_that_is_not_taken_changes_no_address(
    uow: UnitOfWork, ada: Person, published: Project, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "zope.example", version="2.0"))
    slug = draft.slug

    with pytest.raises(InvalidRequest):
        roles.take(uow, ada, published, "ada")

    assert draft.slug == slug


def test_roles_of_a_name_that_is_only_reserved_are_not_in_the_journal(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    project = projects.get(uow, "example")
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)
    assert factories.journal_of(uow) == []
    publishing.publish(uow, ada, draft)
    assert [action for _, _, action in factories.journal_of(uow)] == [
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
    uow: UnitOfWork,
    ada: Person,
    published: Project,
    username: str,
    name: RoleName,
    kind: type[Refusal],
    about: str,
) -> None:
    before = factories.everything(uow)
    with pytest.raises(kind, match=about):
        roles.give(uow, ada, published, username, name)
    assert factories.everything(uow) == before


@pytest.mark.parametrize(
    ("username", "kind", "about"),
    [("ada", InvalidRequest, "last owner"), ("eve", NotFound, "no role"), ("\0", NotFound, "no r")],
)
def test_roles_that_cannot_be_taken(
    uow: UnitOfWork,
    ada: Person,
    eve: Person,
    published: Project,
    username: str,
    kind: type[Refusal],
    about: str,
) -> None:
    before = factories.everything(uow)
    with pytest.raises(kind, match=about):
        roles.take(uow, ada, published, username)
    assert factories.everything(uow) == before


def test_a_maintainer_does_not_manage(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    factories.add_role(uow, published, eve.user, RoleName.MAINTAINER)
    maintainer = eve
    before = factories.everything(uow)
    with pytest.raises(NotAllowed):
        roles.give(uow, maintainer, published, "eve", RoleName.OWNER)
    with pytest.raises(NotAllowed):
        roles.take(uow, maintainer, published, "ada")
    with pytest.raises(NotAllowed):
        projects.change_settings(uow, maintainer, published, ProjectSettings(False))
    assert factories.everything(uow) == before


# What happens between looking and acting, which on SQLite nothing can


@ON_POSTGRESQL
def test_a_role_given_while_the_project_is_published_is_in_the_journal(
    services: Services, tmp_path: Path
) -> None:
    with services.writing() as uow:
        ada, _ = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
        slug = factories.stage(uow, ada, make_wheel(tmp_path)).slug
    with services.writing() as slow:
        project = projects.get(slow, "example")
        with services.writing() as uow:
            draft = drafts.by_slug(uow.db, slug)
            assert draft is not None
            publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)
        roles.give(slow, OPERATOR, project, "eve", RoleName.MAINTAINER)
        assert factories.journal_of(slow)[-1][2] == "add Maintainer eve"


@ON_POSTGRESQL
@pytest.mark.parametrize("demoted", [False, True], ids=["removed", "demoted"])
def test_who_is_no_owner_any_more_manages_no_more(services: Services, demoted: bool) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        made = projects.create(uow, ada, "example")
        made.registered = uow.now
        factories.add_role(uow, made, factories.make_user(uow, "eve"), RoleName.OWNER)
    with services.writing() as slow:
        eve = Person(accounts.get_user(slow.db, "eve"))
        project = projects.get(slow, "example")
        with services.writing() as uow:
            same = projects.get(uow, "example")
            if demoted:
                roles.give(uow, OPERATOR, same, "eve", RoleName.MAINTAINER)
            else:
                roles.take(uow, OPERATOR, same, "eve")
        with pytest.raises(NotAllowed):
            roles.take(slow, eve, project, "ada")


def test_of_two_owners_who_remove_each_other_one_stays(services: Services) -> None:
    with services.writing() as uow:
        made = projects.create(uow, Person(factories.make_user(uow, "ada")), "example")
        made.registered = uow.now
        factories.add_role(uow, made, factories.make_user(uow, "eve"), RoleName.OWNER)

    def remove(username: str, other: str) -> Callable[[], bool]:
        def act() -> bool:
            try:
                with services.writing() as uow:
                    actor = Person(accounts.get_user(uow.db, username))
                    roles.take(uow, actor, projects.get(uow, "example"), other)
            except (NotAllowed, InvalidRequest):
                return False
            return True

        return act

    assert sorted(factories.at_once(remove("ada", "eve"), remove("eve", "ada"))) == [False, True]
