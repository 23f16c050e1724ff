"""The permission rule as a table, spelled out: who, with what, may do which."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import RoleName, Token, User
from greenroom.registry import project_tokens, projects, publishing, roles, tokens
from greenroom.registry.errors import (
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotConfirmed,
    Refusal,
)
from greenroom.registry.permissions import (
    ANONYMOUS,
    CONFIRMED_FOR,
    DEFAULT_TOKEN_PERMISSIONS,
    OPERATOR,
    TOKEN_PERMISSIONS,
    Act,
    Actor,
    Importer,
    Person,
    ShownSession,
    may,
    may_follow,
    require,
    require_upload,
)
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_wheel

# `token` is what the token may do, `-` for no token; `scope` is the project that it is limited to,
# or what became of it. `staged` and `direct` are the two ways to upload the first file of a name
# that nobody has. `import` is no token, but the operator who brings in the files of somebody. `401`
# is an answer that knows of no such token.
TABLE = """
    who           token   scope   see comment stage publish discard manage quarantine staged direct
    anonymous     -       -       -   -       -     -       -       -      -          -      -
    stranger      -       -       -   -       -     -       -       -      -          yes    yes
    maintainer    -       -       yes yes     yes   yes     yes     -      -          yes    yes
    owner         -       -       yes yes     yes   yes     yes     yes    -          yes    yes
    administrator -       -       yes yes     -     -       yes     yes    yes        yes    yes
    operator      -       -       yes -       -     yes     yes     yes    yes        -      -
    owner         import  -       yes yes     yes   yes     yes     yes    -          yes    yes
    maintainer    import  -       yes yes     yes   yes     yes     -      -          yes    yes
    stranger      import  -       -   -       -     -       -       -      -          yes    yes
    administrator import  -       -   -       -     -       -       -      -          yes    yes
    owner         stage   any     yes -       yes   -       -       -      -          yes    -
    owner         publish any     -   -       -     yes     -       -      -          -      -
    owner         discard any     -   -       -     -       yes     -      -          -      -
    owner         manage  any     -   -       -     -       -       yes    -          -      -
    owner         default any     yes -       yes   yes     yes     -      -          yes    yes
    owner         all     any     yes -       yes   yes     yes     yes    -          yes    yes
    owner         stage   this    yes -       yes   -       -       -      -          -      -
    owner         publish this    -   -       -     yes     -       -      -          -      -
    owner         discard this    -   -       -     -       yes     -      -          -      -
    owner         manage  this    -   -       -     -       -       yes    -          -      -
    owner         default this    yes -       yes   yes     yes     -      -          -      -
    owner         all     this    yes -       yes   yes     yes     yes    -          -      -
    owner         stage   other   -   -       -     -       -       -      -          -      -
    owner         publish other   -   -       -     -       -       -      -          -      -
    owner         discard other   -   -       -     -       -       -      -          -      -
    owner         manage  other   -   -       -     -       -       -      -          -      -
    owner         default other   -   -       -     -       -       -      -          -      -
    owner         all     other   -   -       -     -       -       -      -          -      -
    owner         all     expired 401 401     401   401     401     401    401        401    401
    owner         all     revoked 401 401     401   401     401     401    401        401    401
    maintainer    stage   any     yes -       yes   -       -       -      -          yes    -
    maintainer    publish any     -   -       -     yes     -       -      -          -      -
    maintainer    discard any     -   -       -     -       yes     -      -          -      -
    maintainer    manage  any     -   -       -     -       -       -      -          -      -
    maintainer    default any     yes -       yes   yes     yes     -      -          yes    yes
    maintainer    all     any     yes -       yes   yes     yes     -      -          yes    yes
    maintainer    stage   this    yes -       yes   -       -       -      -          -      -
    maintainer    publish this    -   -       -     yes     -       -      -          -      -
    maintainer    discard this    -   -       -     -       yes     -      -          -      -
    maintainer    manage  this    -   -       -     -       -       -      -          -      -
    maintainer    default this    yes -       yes   yes     yes     -      -          -      -
    maintainer    all     this    yes -       yes   yes     yes     -      -          -      -
    maintainer    stage   other   -   -       -     -       -       -      -          -      -
    maintainer    publish other   -   -       -     -       -       -      -          -      -
    maintainer    discard other   -   -       -     -       -       -      -          -      -
    maintainer    manage  other   -   -       -     -       -       -      -          -      -
    maintainer    default other   -   -       -     -       -       -      -          -      -
    maintainer    all     other   -   -       -     -       -       -      -          -      -
    maintainer    all     expired 401 401     401   401     401     401    401        401    401
    maintainer    all     revoked 401 401     401   401     401     401    401        401    401
    stranger      stage   any     -   -       -     -       -       -      -          yes    -
    stranger      publish any     -   -       -     -       -       -      -          -      -
    stranger      discard any     -   -       -     -       -       -      -          -      -
    stranger      manage  any     -   -       -     -       -       -      -          -      -
    stranger      default any     -   -       -     -       -       -      -          yes    yes
    stranger      all     any     -   -       -     -       -       -      -          yes    yes
    stranger      stage   this    -   -       -     -       -       -      -          -      -
    stranger      publish this    -   -       -     -       -       -      -          -      -
    stranger      discard this    -   -       -     -       -       -      -          -      -
    stranger      manage  this    -   -       -     -       -       -      -          -      -
    stranger      default this    -   -       -     -       -       -      -          -      -
    stranger      all     this    -   -       -     -       -       -      -          -      -
    stranger      stage   other   -   -       -     -       -       -      -          -      -
    stranger      publish other   -   -       -     -       -       -      -          -      -
    stranger      discard other   -   -       -     -       -       -      -          -      -
    stranger      manage  other   -   -       -     -       -       -      -          -      -
    stranger      default other   -   -       -     -       -       -      -          -      -
    stranger      all     other   -   -       -     -       -       -      -          -      -
    stranger      all     expired 401 401     401   401     401     401    401        401    401
    stranger      all     revoked 401 401     401   401     401     401    401        401    401
    administrator stage   any     -   -       -     -       -       -      -          yes    -
    administrator publish any     -   -       -     -       -       -      -          -      -
    administrator discard any     -   -       -     -       -       -      -          -      -
    administrator manage  any     -   -       -     -       -       -      -          -      -
    administrator default any     -   -       -     -       -       -      -          yes    yes
    administrator all     any     -   -       -     -       -       -      -          yes    yes
    administrator stage   this    -   -       -     -       -       -      -          -      -
    administrator publish this    -   -       -     -       -       -      -          -      -
    administrator discard this    -   -       -     -       -       -      -          -      -
    administrator manage  this    -   -       -     -       -       -      -          -      -
    administrator default this    -   -       -     -       -       -      -          -      -
    administrator all     this    -   -       -     -       -       -      -          -      -
    administrator stage   other   -   -       -     -       -       -      -          -      -
    administrator publish other   -   -       -     -       -       -      -          -      -
    administrator discard other   -   -       -     -       -       -      -          -      -
    administrator manage  other   -   -       -     -       -       -      -          -      -
    administrator default other   -   -       -     -       -       -      -          -      -
    administrator all     other   -   -       -     -       -       -      -          -      -
    administrator all     expired 401 401     401   401     401     401    401        401    401
    administrator all     revoked 401 401     401   401     401     401    401        401    401
    owner         all     cut     -   -       -     -       -       -      -          yes    yes
    maintainer    all     cut     -   -       -     -       -       -      -          yes    yes
"""

ROWS = [tuple(line.split()) for line in TABLE.strip().splitlines()[1:]]
COLUMNS = tuple(TABLE.strip().splitlines()[0].split())[3:]

PERMISSIONS = {
    "default": DEFAULT_TOKEN_PERMISSIONS,
    "all": TOKEN_PERMISSIONS,
    "stage": ("stage",),
    "publish": ("publish",),
    "discard": ("discard",),
    "manage": ("manage",),
}


class World:
    """Two projects, and people who have the same part in both."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.users = {
            name: factories.make_user(uow, name, administrator=name == "administrator")
            for name in ("owner", "maintainer", "stranger", "administrator")
        }
        owner = Person(self.users["owner"])
        self.this = projects.create(uow, owner, "this")
        self.other = projects.create(uow, owner, "other")
        for project in (self.this, self.other):
            project.registered = uow.now
            factories.add_role(uow, project, self.users["maintainer"], RoleName.MAINTAINER)

    def actor(self, who: str, token: str, scope: str) -> Actor:
        """The one who asks.

        Raises:
            NotAuthenticated: the token is not valid (any more).
        """
        if who == "anonymous":
            return ANONYMOUS
        if who == "operator":
            return OPERATOR
        user = self.users[who]
        if token == "import":
            return Importer(user)
        return (
            Person(user, why="Somebody asked.")
            if token == "-"
            else self._by_token(user, token, scope)
        )

    def _by_token(self, user: User, token: str, scope: str) -> Actor:
        project = {"this": self.this, "other": self.other}.get(scope)
        # Who has no part in a project gets no token for it, but may have had a part once.
        had_part = project is None or user.username in ("owner", "maintainer")
        if not had_part and project is not None:
            factories.add_role(self.uow, project, user, RoleName.OWNER)
        text = factories.make_token(self.uow, user, project=project, permissions=PERMISSIONS[token])
        if not had_part and project is not None:
            roles.take(self.uow, OPERATOR, project, user.username)
        made = self.uow.db.get_one(Token, tokens.actor_of_token(self.uow, text).token.id)
        self._end(user, made, scope)
        return tokens.actor_of_token(self.uow, text)

    def _end(self, user: User, token: Token, scope: str) -> None:
        if scope == "revoked":
            tokens.revoke(self.uow, user, token.id)
        if scope == "expired":
            token.expires = self.uow.now
        if scope == "cut":  # off from `this`
            project_tokens.end(self.uow, OPERATOR, self.this, token.id)

    def outcome(self, actor: Actor, column: str) -> str:
        """What the table should have in this column."""
        try:
            if column in ("staged", "direct"):
                projects.check_can_register(
                    self.uow, actor, "unheard-of", staged=column == "staged"
                )
            else:
                assert may(actor, Act(column), self.this) == _passes(actor, column, self)
                require(actor, Act(column), self.this)
        except NotAllowed:
            return "-"
        return "yes"


def _passes(actor: Actor, column: str, world: World) -> bool:
    try:
        require(actor, Act(column), world.this)
    except Refusal:
        return False
    return True


@pytest.fixture
def world(uow: UnitOfWork) -> World:
    return World(uow)


def test_everybody_may_do_what_the_table_says(world: World) -> None:
    found = []
    for who, token, scope, *expected in ROWS:
        try:
            actor = world.actor(who, token, scope)
            outcomes = [world.outcome(actor, column) for column in COLUMNS]
        except NotAuthenticated:
            outcomes = ["401"] * len(COLUMNS)
        if outcomes != expected:
            found.append((who, token, scope, dict(zip(COLUMNS, outcomes, strict=True))))
    assert found == []


def test_the_table_has_a_row_for_everyone() -> None:
    tokens = {
        (who, token, scope)
        for who in ("owner", "maintainer", "stranger", "administrator")
        for token in PERMISSIONS
        for scope in ("any", "this", "other")
    }
    ended = {
        (who, "all", scope)
        for who in ("owner", "maintainer", "stranger", "administrator")
        for scope in ("expired", "revoked")
    } | {(who, "all", "cut") for who in ("owner", "maintainer")}
    people = {
        (who, "-", "-")
        for who in ("anonymous", "stranger", "maintainer", "owner", "administrator", "operator")
    }
    people |= {(who, "import", "-") for who in ("owner", "maintainer", "stranger", "administrator")}
    assert {row[:3] for row in ROWS} == tokens | ended | people
    assert len(ROWS) == len(tokens | ended | people)
    # Who reads what is another table: test_readers.py.
    assert set(COLUMNS) == {*Act, "staged", "direct"} - {Act.READ}


# What is left while the project is in quarantine.
QUARANTINED = """
    who            token    scope    see  comment  stage  publish  discard  manage  quarantine
    anonymous      -        -        -    -        -      -        -        -       -
    stranger       -        -        -    -        -      -        -        -       -
    maintainer     -        -        yes  -        -      -        -        -       -
    owner          -        -        yes  -        -      -        -        -       -
    administrator  -        -        yes  yes      -      -        yes      yes     yes
    operator       -        -        yes  -        -      yes      yes      yes     yes
    owner          all      any      yes  -        -      -        -        -       -
    owner          manage   this     -    -        -      -        -        -       -
    maintainer     all      this     yes  -        -      -        -        -       -
    stranger       all      any      -    -        -      -        -        -       -
    administrator  all      any      -    -        -      -        -        -       -
"""


# Whether who acts counts as having shown of late who it is: people do for a while, and what acts
# without a person, or for one with a token, is never asked.
CONFIRMED = {
    "a person who has just signed in": True,
    "a person who has confirmed": True,
    "a person whose confirmation is too old": False,
    "a person of whom nothing is known": False,
    "a token": True,
    "an importer": True,
    "the operator": True,
}


@pytest.mark.parametrize("wanted", [False, True])
def test_a_project_can_want_people_to_confirm_who_they_are(
    uow: UnitOfWork, tmp_path: Path, wanted: bool
) -> None:
    owner = factories.make_user(uow, "owner")
    project = factories.release(uow, owner, make_wheel(tmp_path))
    project.reauthenticate_to_publish = wanted
    hour = timedelta(hours=1)
    old, soon = uow.now - hour, uow.now - CONFIRMED_FOR + timedelta(seconds=1)
    actors: dict[str, Actor] = {
        "a person who has just signed in": Person(
            owner, ShownSession(1, uow.now, uow.now, uow.now)
        ),
        "a person who has confirmed": Person(owner, ShownSession(1, old, uow.now, soon)),
        "a person whose confirmation is too old": Person(
            owner, ShownSession(1, old, uow.now, uow.now - CONFIRMED_FOR)
        ),
        "a person of whom nothing is known": Person(owner),
        "a token": tokens.actor_of_token(uow, factories.make_token(uow, owner)),
        "an importer": Importer(owner),
        "the operator": OPERATOR,
    }
    assert {name: actor.has_confirmed(uow.now) for name, actor in actors.items()} == CONFIRMED
    for number, (name, actor) in enumerate(actors.items(), 2):
        draft = factories.stage(uow, owner, make_wheel(tmp_path, version=f"{number}.0"))
        if wanted and not CONFIRMED[name]:
            with pytest.raises(NotConfirmed, match="Confirm who you are"):
                publishing.publish(uow, actor, draft)
        else:
            publishing.publish(uow, actor, draft)
            publishing.publish(replace(uow, now=uow.now + hour), actor, draft)  # which it is


def test_in_quarantine_a_projects_people_can_only_look(world: World) -> None:
    world.this.quarantined = True
    head, *rows = [tuple(line.split()) for line in QUARANTINED.strip().splitlines()]

    for who, token, scope, *expected in rows:
        actor = world.actor(who, token, scope)
        assert [world.outcome(actor, column) for column in head[3:]] == expected, (who, token)


def test_whoever_sees_a_project_is_told_of_its_quarantine(world: World) -> None:
    world.this.quarantined = True

    with pytest.raises(NotAllowed, match="'this' is in quarantine: until an administrator"):
        require(world.actor("owner", "-", "-"), Act.PUBLISH, world.this)
    with pytest.raises(NotAllowed, match="The user 'stranger' may not publish"):
        require(world.actor("stranger", "-", "-"), Act.PUBLISH, world.this)


def test_a_direct_upload_needs_both_stage_and_publish(world: World) -> None:
    may_stage_only = world.actor("owner", "stage", "any")
    may_publish_only = world.actor("owner", "publish", "any")
    require_upload(may_stage_only, world.this, staged=True)
    with pytest.raises(NotAllowed, match=r"may stage but not publish\.") as caught:
        require_upload(may_stage_only, world.this, staged=False)
    assert caught.value.may_stage
    for staged in (True, False):
        with pytest.raises(
            NotAllowed, match="This API token of the user 'owner' isn't allowed"
        ) as caught:
            require_upload(may_publish_only, world.this, staged=staged)
        assert not caught.value.may_stage


@pytest.mark.parametrize(
    ("who", "token", "follows"),
    [
        ("owner", "-", True),
        ("maintainer", "stage", True),
        ("maintainer", "publish", True),
        ("maintainer", "discard", True),
        ("owner", "manage", False),
        ("stranger", "-", False),
        ("stranger", "all", False),
        ("anonymous", "-", False),
    ],
)
def test_who_may_do_something_to_a_session_may_follow_it(
    world: World, who: str, token: str, follows: bool
) -> None:
    assert may_follow(world.actor(who, token, "any"), world.this) is follows


def test_a_stranger_reads_the_sentence_that_upload_clients_know(world: World) -> None:
    for token in ("-", "all"):
        actor = world.actor("stranger", token, "any")
        with pytest.raises(
            NotAllowed, match=r"The user 'stranger' isn't allowed to upload to project 'this'\."
        ):
            require_upload(actor, world.this, staged=True)


def test_a_refusal_says_whether_the_token_or_the_user_is_the_limit(world: World) -> None:
    with pytest.raises(NotAllowed, match="This API token may not publish in project 'this'"):
        require(world.actor("owner", "stage", "any"), Act.PUBLISH, world.this)
    with pytest.raises(NotAllowed, match="The user 'maintainer' may not manage"):
        require(world.actor("maintainer", "all", "any"), Act.MANAGE, world.this)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("token", ["-", "all", "stage"])
def test_every_refusal_names_what_is_refused(world: World, act: Act, token: str) -> None:
    who = "owner" if token == "stage" else "stranger"
    sentence = world.actor(who, token, "any").why_not(act, world.this)

    assert f" {act.value} " in sentence
    assert "<" not in sentence
    is_of_role = token == "stage" and act is not Act.QUARANTINE
    assert (f"the permission '{act.value}'" in sentence) == is_of_role


def test_a_role_that_was_taken_away_is_gone_at_once(world: World) -> None:
    maintainer = world.actor("maintainer", "-", "-")
    roles.take(world.uow, OPERATOR, world.this, "maintainer")
    assert not may(maintainer, Act.SEE, world.this)


def test_an_unverified_person_registers_nothing(uow: UnitOfWork) -> None:
    nobody = Person(factories.make_user(uow, "new", verified=False))
    with pytest.raises(NotAllowed, match="no verified e-mail address"):
        projects.check_can_register(uow, nobody, "unheard-of", staged=True)


@pytest.mark.parametrize(
    ("actor", "name"), [(ANONYMOUS, "anonymous"), (OPERATOR, "operator")], ids=lambda v: str(v)[:9]
)
def test_logs_call_those_without_an_account_by_a_word(actor: Actor, name: str) -> None:
    assert actor.name == name


def test_no_user_can_have_a_name_that_stands_for_the_index(uow: UnitOfWork) -> None:
    assert Person(factories.make_user(uow, "ada")).name == "ada"
    for name in ("operator", "Anonymous", "expiry", "REVIEW", "housekeeping", "verification"):
        with pytest.raises(InvalidRequest, match=f"'{name}' stands for the index itself"):
            factories.make_user(uow, name)
