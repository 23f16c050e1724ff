"""Accounts that are disabled, enabled, given the powers of an administrator, and deleted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select, update

from greenroom.models import (
    AuditEntry,
    Base,
    File,
    JournalEntry,
    LinkedIdentity,
    LinkKind,
    RoleName,
    SecondFactor,
    Token,
    User,
)
from greenroom.registry import (
    account_links,
    account_states,
    accounts,
    audit,
    drafts,
    email_addresses,
    password_resets,
    projects,
    publishing,
    roles,
    sessions,
    signing_in,
    teams,
    tokens,
    uploads,
)
from greenroom.registry.errors import (
    AccountDisabled,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refusal,
)
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.factories import HOME, PASSWORD
from tests.registry.test_audit import Acting

Change = Callable[[UnitOfWork, Actor, str, str], object]

CHANGES: dict[str, tuple[Change, str]] = {
    "disable": (account_states.disable, "user-disable"),
    "enable": (account_states.enable, "user-enable"),
    "make administrator": (account_states.make_administrator, "administrator-give"),
    "take administrator": (account_states.take_administrator, "administrator-take"),
    "delete": (account_states.delete_account, "user-delete"),
}


class People:
    """An index with people of every kind, and whom each change can be made to."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.root = factories.make_user(uow, "root", administrator=True)
        self.other = factories.make_user(uow, "other", administrator=True)
        self.former = factories.make_user(uow, "former", administrator=True)
        self.ada = factories.make_user(uow, "ada")
        self.leaver = factories.make_user(uow, "leaver")
        for user in (self.former, self.leaver):
            user.disabled = uow.now

    def actors(self) -> dict[str, Actor]:
        token = factories.make_token(self.uow, self.root)
        return {
            "anonymous": ANONYMOUS,
            "stranger": Person(self.ada),
            "token of an administrator": tokens.actor_of_token(self.uow, token),
            "disabled administrator": Person(self.former),
            "administrator": Person(self.root),
            "operator": OPERATOR,
        }

    def target(self, change: str) -> str:
        return {"enable": "leaver", "take administrator": "other"}.get(change, "ada")


def lines(uow: UnitOfWork, act: str) -> list[AuditEntry]:
    return list(uow.db.scalars(select(AuditEntry).where(AuditEntry.act == act)))


@pytest.mark.parametrize("change", CHANGES)
def test_administrators_and_the_operator_change_accounts_and_nobody_else(
    uow: UnitOfWork, change: str
) -> None:
    people = People(uow)
    do, act = CHANGES[change]
    outcomes = {}
    for name, actor in people.actors().items():
        undone = uow.db.begin_nested()
        try:
            do(uow, actor, people.target(change), " They asked. ")
        except NotAllowed:
            assert lines(uow, act) == []
            outcomes[name] = "-"
        else:
            [line] = lines(uow, act)
            assert line.detail.split("; ")[0] == "They asked."
            assert (line.by, line.about) == (actor.name, people.target(change))
            outcomes[name] = "yes"
        undone.rollback()
        uow.db.expire_all()
    assert outcomes == {
        "anonymous": "-",
        "stranger": "-",
        "token of an administrator": "-",
        "disabled administrator": "-",
        "administrator": "yes",
        "operator": "yes",
    }


@pytest.mark.parametrize("change", CHANGES)
def test_administrators_give_a_reason(uow: UnitOfWork, change: str) -> None:
    people = People(uow)
    do, _ = CHANGES[change]
    for reason in ("", "  ", "x" * 501, "one\ntwo"):
        with pytest.raises(InvalidRequest, match="reason"):
            do(uow, Person(people.root), people.target(change), reason)
    with pytest.raises(NotFound):
        do(uow, OPERATOR, "nobody", "")
    do(uow, OPERATOR, people.target(change), "")


def test_what_is_so_already_is_refused(uow: UnitOfWork) -> None:
    People(uow)
    for change, username in [
        ("disable", "leaver"),
        ("enable", "ada"),
        ("make administrator", "root"),
        ("make administrator", "leaver"),
        ("take administrator", "ada"),
    ]:
        with pytest.raises(InvalidRequest):
            CHANGES[change][0](uow, OPERATOR, username, "")


def test_nobody_does_it_to_themselves_but_give_up_powers(uow: UnitOfWork) -> None:
    root = Person(People(uow).root)
    for change in ("disable", "delete"):
        with pytest.raises(NotAllowed):
            CHANGES[change][0](uow, root, "root", "I go.")
    account_states.take_administrator(uow, root, "root", "I go.")
    with pytest.raises(NotAllowed):
        account_states.make_administrator(uow, root, "root", "I come back.")


@pytest.mark.parametrize("change", ["disable", "take administrator", "delete"])
def test_there_is_always_an_administrator(uow: UnitOfWork, change: str) -> None:
    people = People(uow)
    do, _ = CHANGES[change]
    do(uow, OPERATOR, "other", "")
    with pytest.raises(InvalidRequest, match="'root' is the last administrator"):
        do(uow, OPERATOR, "root", "")
    with pytest.raises(InvalidRequest, match="last administrator"):
        account_states.delete_own(uow, Person(people.root))
    if change != "disable":
        do(uow, OPERATOR, "former", "")  # who is disabled, thus not the one that there is
    account_states.make_administrator(uow, OPERATOR, "ada")
    do(uow, OPERATOR, "root", "")


def test_two_administrators_do_not_take_the_powers_of_each_other(services: Services) -> None:
    with services.writing() as uow:
        for name in ("root", "other"):
            factories.make_user(uow, name, administrator=True)

    def take(mine: str, other: str) -> Callable[[], str]:
        def act() -> str:
            try:
                with services.writing() as uow:
                    me = Person(accounts.get_user(uow.db, mine))
                    account_states.take_administrator(uow, me, other, "A coup.")
            except Refusal:
                return "refused"
            return "done"

        return act

    outcomes = factories.at_once(take("root", "other"), take("other", "root"))
    assert sorted(outcomes) == ["done", "refused"]


def test_who_is_disabled_has_no_tokens_no_links_and_cannot_sign_in(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow, "ada")
        token = factories.make_token(uow, ada)
        link = account_links.make(uow, LinkKind.PASSWORD_RESET, by=OPERATOR, user=ada)
    with services.writing() as uow:
        account_states.disable(uow, OPERATOR, "Ada", "She left.")
        [line] = lines(uow, "user-disable")
        assert line.detail == "She left.; tokens revoked: 1"
    with services.reading() as uow:
        with pytest.raises(AccountDisabled, match="The account 'ada' is disabled"):
            tokens.actor_of_token(uow, token)
        with pytest.raises(NotAuthenticated):
            tokens.actor_of_token(uow, token[:-1] + "!")
    with services.writing() as uow, pytest.raises(AccountDisabled):
        factories.make_token(uow, accounts.get_user(uow.db, "ada"))
    with pytest.raises(AccountDisabled):
        signing_in.sign_in(services, "ada", PASSWORD, HOME)
    assert signing_in.sign_in(services, "ada", "wrong password", HOME) is None
    with services.writing() as uow:
        # As if it had been made in a transaction that ended just before.
        uow.db.execute(update(Token).values(revoked=None))
        account_states.enable(uow, OPERATOR, "ada", "She is back.")
    assert signing_in.sign_in(services, "ada", PASSWORD, HOME) is not None
    with services.reading() as uow:
        with pytest.raises(NotAuthenticated):
            tokens.actor_of_token(uow, token)
        with pytest.raises(NotFound):
            account_links.look_at(uow, LinkKind.PASSWORD_RESET, link.key)


def test_drafts_get_other_addresses_when_somebody_goes(uow: UnitOfWork, tmp_path: Path) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    draft = factories.stage(uow, Person(ada), make_wheel(tmp_path))
    assert draft.project is not None
    for name, go in (("eve", account_states.disable), ("eve", account_states.delete_account)):
        roles.give(uow, OPERATOR, draft.project, name, RoleName.MAINTAINER)
        known = draft.slug
        go(uow, OPERATOR, name, "")
        assert drafts.by_slug(uow.db, known) is None
        if eve.disabled:
            account_states.enable(uow, OPERATOR, name, "")
            roles.take(uow, OPERATOR, draft.project, name)


def test_a_deleted_account_leaves_its_name_and_nothing_else(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    ada, eve = factories.make_user(uow, "Ada"), factories.make_user(uow, "eve")
    project = factories.release(uow, ada, make_wheel(tmp_path))
    roles.give(uow, OPERATOR, project, "eve", RoleName.OWNER)
    token = factories.make_token(uow, ada, project=project)
    account_links.make(uow, LinkKind.PASSWORD_RESET, by=OPERATOR, user=ada)
    factories.trust_workflows(uow, ada, "example")
    uow.db.add(SecondFactor(user_id=ada.id, kind="app", name="Phone", created=uow.now))
    uow.db.add(
        LinkedIdentity(
            user_id=ada.id,
            issuer="https://id.example",
            subject="1",
            created=uow.now,
            last_used=uow.now,
        )
    )
    uow.db.flush()
    kept = ada.password_hash
    before = [(each.id, each.by) for each in uow.db.scalars(select(AuditEntry))]

    account_states.delete_own(uow, Person(ada))

    everything = [row for rows in factories.everything(uow).values() for row in rows]
    assert all("ada@index.example" not in row.lower() for row in everything)
    assert all(kept not in row for row in everything)
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table is User.__table__ and key.ondelete == "CASCADE":
                rows = select(func.count()).select_from(table).where(key.parent == ada.id)
                assert (table.name, uow.db.scalar(rows)) == (table.name, 0)
    assert accounts.find_user(uow.db, "ada") is None
    assert not Person(ada).permitted(project)
    with pytest.raises(NotAuthenticated):
        tokens.actor_of_token(uow, token)
    assert [each.username for each in roles.people(project)] == ["eve"]
    file = uow.db.scalars(select(File)).one()
    assert file.uploaded_by is not None
    assert file.uploaded_by.username == "Ada"
    assert {entry.by for entry in uow.db.scalars(select(JournalEntry))} == {"Ada", "operator"}
    assert [(e.id, e.by) for e in uow.db.scalars(select(AuditEntry))][: len(before)] == before
    [line] = lines(uow, "user-delete")
    assert (line.by, line.about) == ("Ada", "Ada")
    assert line.detail == "tokens revoked: 1; roles taken: example"
    for name in ("ada", "ADA"):
        with pytest.raises(InvalidRequest, match="is taken"):
            factories.make_user(uow, name)
        for act in (account_states.enable, account_states.disable, account_states.delete_account):
            with pytest.raises(NotFound):
                act(uow, OPERATOR, name, "")
    with pytest.raises(NotAllowed):
        account_states.delete_own(uow, Person(ada))
    assert accounts.find_user(uow.db, eve.username) is eve


def test_the_last_owner_of_a_project_stays(uow: UnitOfWork, tmp_path: Path) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    released = factories.release(uow, ada, make_wheel(tmp_path, "released"))
    staged = factories.stage(uow, Person(ada), make_wheel(tmp_path, "staged")).project
    assert staged is not None
    for project in (released, staged):
        roles.give(uow, OPERATOR, project, "eve", RoleName.MAINTAINER)
    with pytest.raises(InvalidRequest, match="last owner of 'released', 'staged'"):
        account_states.delete_own(uow, Person(ada))
    roles.give(uow, OPERATOR, released, "eve", RoleName.OWNER)
    with pytest.raises(InvalidRequest, match="last owner of 'staged'"):
        account_states.delete_account(uow, OPERATOR, "ada")
    roles.give(uow, OPERATOR, staged, "eve", RoleName.OWNER)
    account_states.delete_account(uow, OPERATOR, "ada")
    with pytest.raises(InvalidRequest, match="last owner of 'released', 'staged'"):
        account_states.delete_own(uow, Person(eve))


def test_who_is_deleted_leaves_teams_but_not_as_their_last_owner(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    project = factories.release(uow, ada, make_wheel(tmp_path))
    team = teams.create(uow, Person(ada), "core", ada)
    teams.give_role(uow, Person(ada), team, project, RoleName.OWNER)
    roles.give(uow, OPERATOR, project, "eve", RoleName.MAINTAINER)
    teams.add_member(uow, OPERATOR, team, "eve")
    assert roles.role_of(project, eve.id) is RoleName.OWNER
    with pytest.raises(InvalidRequest, match="last owner of the team 'core'"):
        account_states.delete_account(uow, OPERATOR, "ada")
    teams.change_member(uow, OPERATOR, team, "eve", owner=True)
    account_states.delete_account(uow, OPERATOR, "ada")
    assert [(each.username, each.name) for each in roles.people(project)] == [("eve", "owner")]
    assert [each.username for each in teams.members(teams.get(uow, "core"))] == ["eve"]
    [line] = lines(uow, "user-delete")
    assert line.detail == "roles taken: example"
    with pytest.raises(InvalidRequest, match="last owner"):
        account_states.delete_account(uow, OPERATOR, "eve")


# What somebody is doing while the account is disabled.


def disable_past_the_objects(uow: UnitOfWork, user: User) -> None:
    """As another transaction does it, of which what is loaded here knows nothing."""
    uow.db.flush()
    past = update(User).where(User.id == user.id).values(disabled=uow.now)
    uow.db.execute(past.execution_options(synchronize_session=False))


def test_no_act_of_somebody_who_is_disabled_meanwhile_is_committed(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    world = Acting(uow, tmp_path)
    owner, root = world.users["owner"], world.users["administrator"]
    token = factories.make_token(uow, owner, permissions=["stage", "publish", "discard", "manage"])
    for actor in (Person(owner), tokens.actor_of_token(uow, token), Person(root, why="Asked.")):
        for column, (kind, do) in world.acts(actor).items():
            if kind is None or not world.recorded(actor, column):
                continue
            undone = uow.db.begin_nested()
            disable_past_the_objects(uow, root if actor.user_id == root.id else owner)
            with pytest.raises(NotAllowed, match="is disabled"):
                do()
            undone.rollback()
            uow.db.expire_all()


@pytest.mark.parametrize(
    ("database_url", "when"),
    [("sqlite", "inspecting"), ("postgresql", "inspecting"), ("postgresql", "accepting")],
    indirect=["database_url"],
)
def test_an_upload_in_flight_is_refused(services: Services, tmp_path: Path, when: str) -> None:
    with services.writing() as uow:
        token = factories.make_token(uow, factories.make_user(uow, "ada"))
    path, asked = make_wheel(tmp_path), []

    def authenticate(uow: UnitOfWork) -> Actor:
        actor = tokens.actor_of_token(uow, token)
        asked.append(actor)
        if len(asked) == ["inspecting", "accepting"].index(when) + 1:
            with services.writing() as another:
                account_states.disable(another, OPERATOR, "ada", "Stolen.")
        return actor

    for staged in (False, True):
        with pytest.raises(AccountDisabled):
            uploads.upload_file(
                services,
                authenticate,
                factories.artifact_of(path),
                factories.claims_of(path),
                staged=staged,
            )
    with services.reading() as uow:
        assert projects.find(uow, "example") is None
        assert uow.db.scalars(select(File)).all() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        lambda services, number: signing_in.change_password(
            services, number, PASSWORD, "another long pass phrase"
        ),
        lambda services, _: password_resets.set_password(
            services, "ada", "another long pass phrase"
        ),
        lambda services, number: email_addresses.change(
            services, number, PASSWORD, "other@index.example"
        ),
    ],
    ids=["password", "operator", "address"],
)
def test_who_changes_an_account_and_who_disables_it_wait_in_the_same_order(
    services: Services, change: Callable[[Services, int], object]
) -> None:
    with services.writing() as uow:
        user = factories.make_user(uow, "ada")
        number = user.id
        account_links.make(uow, LinkKind.PASSWORD_RESET, by=OPERATOR, user=user)
    with ThreadPoolExecutor(1) as executor:
        with services.writing() as uow:
            account_links.end(uow, accounts.get_user(uow.db, "ada"))
            running = executor.submit(change, services, number)
            factories.until_somebody_waits(services)
            sessions.drop_all(uow, number)
            uow.db.execute(update(User).values(email_verified=False))
        running.result()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_disables_waits_for_a_publication_that_is_nearly_done(
    services: Services, tmp_path: Path
) -> None:
    with services.writing() as uow:
        factories.stage(uow, Person(factories.make_user(uow, "ada")), make_wheel(tmp_path))

    def disable() -> None:
        with services.writing() as uow:
            account_states.disable(uow, OPERATOR, "ada", "Stolen.")

    with ThreadPoolExecutor(1) as executor:
        with services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            [draft] = drafts.all_live(uow)
            publishing.publish(uow, ada, draft)
            running = executor.submit(disable)
            factories.until_somebody_waits(services)
            assert not running.done()
        running.result()
    with services.reading() as uow:
        found = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(2)).all()
        assert [line.act for line in found] == ["user-disable", "draft-publish"]


def test_a_publication_that_waits_for_its_review_is_refused(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    ada = factories.make_user(uow, "ada")
    draft = factories.stage(uow, Person(ada), make_wheel(tmp_path))
    reviewed = UnitOfWork(
        uow.db,
        uow.storage,
        replace(uow.settings, review_command="true"),
        uow.now,
    )
    publishing.publish(reviewed, Person(ada), draft)
    account_states.disable(uow, OPERATOR, "ada", "She left.")
    publishing.finish_review(reviewed, draft, passed=True, notices=[])
    assert "ada" in " ".join(draft.review_notices)
    assert audit.Kind.DRAFT_PUBLISH not in {line.act for line in uow.db.scalars(select(AuditEntry))}
