"""Who acts, and what they may do to a project.

This module is the whole rule; ``tests/registry/test_permissions.py`` spells it out as a table.
A kind of actor is a class that answers the questions of :class:`Actor`. Nothing outside asks which
kind it is, so that another kind is another class here.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, cast

from sqlalchemy import ColumnElement, Table, bindparam, update
from sqlalchemy.orm import object_session

from greenroom.database import run
from greenroom.models import Draft, File, Project, RoleName, Token, User
from greenroom.registry import audit
from greenroom.registry.errors import NotAllowed
from greenroom.registry.unit_of_work import Origin, UnitOfWork


class Act(StrEnum):
    """What can be done to a project."""

    SEE = "see"  # its drafts and its manage pages
    STAGE = "stage"  # open a draft, add and remove its files, extend it, rotate its address
    PUBLISH = "publish"
    DISCARD = "discard"
    MANAGE = "manage"  # roles and settings; yank, delete, archive
    QUARANTINE = "quarantine"


# What a token can be limited to. Whoever may stage may also see what is staged.
TOKEN_PERMISSIONS = (Act.STAGE, Act.PUBLISH, Act.DISCARD, Act.MANAGE)
DEFAULT_TOKEN_PERMISSIONS = (Act.STAGE, Act.PUBLISH, Act.DISCARD)

_OF_ROLE = {
    RoleName.OWNER: frozenset(Act) - {Act.QUARANTINE},
    RoleName.MAINTAINER: frozenset({Act.SEE, Act.STAGE, Act.PUBLISH, Act.DISCARD}),
}
# An administrator keeps order, and does not release other people's software.
_OF_ADMINISTRATOR = frozenset({Act.SEE, Act.DISCARD, Act.MANAGE, Act.QUARANTINE})
_OF_OPERATOR = frozenset({Act.SEE, Act.PUBLISH, Act.DISCARD, Act.MANAGE, Act.QUARANTINE})
# What is left of every role while a project is in quarantine.
_IN_QUARANTINE = frozenset({Act.SEE})
_NOTHING: frozenset[Act] = frozenset()

_LAST_USED_PRECISION = timedelta(minutes=1)


class HasRole(Protocol):
    """A person's part in a project, by what it allows."""

    @property
    def user_id(self) -> int:
        """Whose it is."""

    @property
    def name(self) -> str:
        """What the role is called."""


class HasRights(Protocol):
    """A project, by what decides on rights to it: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def quarantined(self) -> bool:
        """Whether an administrator keeps it away from everyone."""

    @property
    def roles(self) -> Sequence[HasRole]:
        """Who works on it."""


class Actor(ABC):
    """Who asks.

    What has a default here is what is true of an actor without an account.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What logs and the journal call this actor."""

    @abstractmethod
    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Everything that the actor may do to the project."""

    def subject(self, act: Act, project: HasRights) -> str:
        """Who may not do this to the project, as the beginning of a sentence."""
        return f"The user {self.name!r}"

    def why_not(self, act: Act, project: HasRights) -> str:
        """The sentence that refuses this to the actor."""
        return f"{self.subject(act, project)} may not {act} in project {project.name!r}."

    def why_not_register(self, name: str, *, staged: bool) -> str | None:
        """The sentence that refuses the actor a new project of this name.

        Args:
            name: the name, which no project has.
            staged: whether the project begins with a draft, not with a published file.

        Returns:
            None where the actor may bring the project into being.
        """
        return f"The user {self.name!r} may not register the new project {name!r}."

    @property
    def credential(self) -> str:
        """What the actor has shown, as the audit log names it."""
        return ""

    def comes_from(self, origin: Origin) -> Origin:
        """From where an act comes in a unit of work of this origin: mostly from there."""
        return origin

    @property
    def is_administrator(self) -> bool:
        """Whether the actor keeps order in the whole index."""
        return False

    def owns(self, project: Project) -> bool:
        """Whether the project is the actor's, whatever may be done to it just now."""
        return False

    @property
    def user_id(self) -> int | None:
        """The account that files and projects are kept under, None where there is none."""
        return None

    def uploads(self) -> ColumnElement[bool] | None:
        """Which files count against the actor's limit of uploads, None where it has no limit."""
        return None

    def registrations(self) -> ColumnElement[bool] | None:
        """Which projects count against the actor's limit of new ones, None where it has none."""
        return None

    def ask_for_review(self, draft: Draft) -> None:
        """Let the draft remember who asked for its publication; :func:`asked_for_review` tells.

        Raises:
            NotAllowed: the actor cannot be remembered.
        """
        raise NotAllowed(
            f"Publications are reviewed in this index, and {self.name!r} cannot ask for a review: "
            "let a person publish the draft."
        )

    def note_use(self, uow: UnitOfWork) -> None:  # noqa: B027 (most have nothing to note)
        """Write down that what the actor has shown was used now."""

    def used(self, uow: UnitOfWork) -> None:
        """Remember that what the actor has shown was used in this unit of work, and from where."""
        self.note_use(uow)


@dataclass(frozen=True, slots=True)
class Anonymous(Actor):
    """Nobody in particular."""

    @property
    def name(self) -> str:
        """``anonymous``."""
        return "anonymous"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Nothing: what is public takes no permission."""
        return _NOTHING


@dataclass(frozen=True, slots=True)
class Operator(Actor):
    """Whoever has the command line of the index."""

    @property
    def name(self) -> str:
        """``operator``, which no user is called."""
        return "operator"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Everything but staging: an operator uploads nothing."""
        return _OF_OPERATOR

    @property
    def credential(self) -> str:
        """The command line."""
        return "command line"

    @property
    def is_administrator(self) -> bool:
        """Always."""
        return True

    def ask_for_review(self, draft: Draft) -> None:
        """A draft that no account asked for is the operator's."""
        draft.review_by = None


@dataclass(frozen=True, slots=True)
class Itself(Actor):
    """The index, where something falls due: no user is called so."""

    duty: str

    @property
    def name(self) -> str:
        """What it does: ``expiry``."""
        return self.duty

    @property
    def credential(self) -> str:
        """A job."""
        return "job"

    def comes_from(self, origin: Origin) -> Origin:
        """From nowhere, also where it is done on the way of what somebody asked for."""
        return Origin()

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Nothing: what it does it does without asking."""
        return _NOTHING


class _Account(Protocol):
    """A user: a row, or a value that was made of one."""

    @property
    def id(self) -> int: ...
    @property
    def username(self) -> str: ...
    @property
    def email_verified(self) -> bool: ...


class _WithAccount(Actor):
    """Whoever acts for a user."""

    __slots__ = ()

    @property
    @abstractmethod
    def _account(self) -> _Account:
        """The user."""

    @property
    def name(self) -> str:
        """The name of the user."""
        return self._account.username

    @property
    def user_id(self) -> int:
        """The account of the user."""
        return self._account.id

    def why_not_register(self, name: str, *, staged: bool) -> str | None:
        """Whoever has a verified account may register names."""
        if self._account.email_verified:
            return None
        return (
            f"The user {self.name!r} has no verified e-mail address, which it takes to register "
            "the name of a project. Ask an administrator of this index."
        )

    def uploads(self) -> ColumnElement[bool] | None:
        """What the user uploaded, by whichever means."""
        return File.uploaded_by_id == self.user_id

    def owns(self, project: Project) -> bool:
        """Whether the user has the role of an owner."""
        mine = (role for role in project.roles if role.user_id == self.user_id)
        return any(role.name == RoleName.OWNER for role in mine)

    def registrations(self) -> ColumnElement[bool] | None:
        """What the user registered, by whichever means."""
        return Project.created_by_id == self.user_id

    def ask_for_review(self, draft: Draft) -> None:
        """The user asks: a token may be gone when the review is done."""
        session = object_session(draft)
        draft.review_by = session.get(User, self.user_id) if session is not None else None


@dataclass(frozen=True, slots=True)
class Person(_WithAccount):
    """A signed-in user."""

    user: User

    @property
    def _account(self) -> User:
        return self.user

    @property
    def credential(self) -> str:
        """The session of a browser."""
        return "session"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """What the user's role allows, and the powers of an administrator."""
        acts = _by_role(self.user, project)
        return acts | _OF_ADMINISTRATOR if self.is_administrator else acts

    @property
    def is_administrator(self) -> bool:
        """Whether the user is one."""
        return self.user.is_administrator


@dataclass(frozen=True, slots=True)
class Importer(_WithAccount):
    """The operator, who brings in what a user published elsewhere.

    The user's role decides where to, and no limit of what people may do within a time holds.
    """

    user: User

    @property
    def _account(self) -> User:
        return self.user

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """What the user's role allows."""
        return _by_role(self.user, project)

    def why_not_register(self, name: str, *, staged: bool) -> str | None:
        """Nothing: whoever has the command line vouches for the user."""
        return None

    def uploads(self) -> None:
        """None count."""

    def registrations(self) -> None:
        """None count."""


@dataclass(frozen=True, slots=True)
class TokenUser:
    """The user whom a token stands for."""

    id: int
    username: str
    email_verified: bool


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A valid token that was shown.

    Attributes:
        id: its number in the database.
        prefix: its beginning, which is no secret.
        label: what its owner calls it.
        user: whom it stands for.
        project_id: the only project that it covers, None where it covers all.
        permissions: what it may do.
        last_used: before now.
        last_address: from where, before now.
    """

    id: int
    prefix: str
    label: str
    user: TokenUser
    project_id: int | None
    permissions: tuple[str, ...]
    last_used: datetime | None
    last_address: str | None


@dataclass(frozen=True, slots=True)
class ApiToken(_WithAccount):
    """An API token of a user. It carries no powers of an administrator."""

    token: ShownToken

    @property
    def _account(self) -> TokenUser:
        return self.token.user

    @property
    def credential(self) -> str:
        """The token."""
        return f"token {audit.described(self.token)}"

    def owns(self, project: Project) -> bool:
        """Never: a token is shown nothing that is for owners alone."""
        return False

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """What both the token and its user may do."""
        return _by_role(self._account, project) & self._covered(project)

    def subject(self, act: Act, project: HasRights) -> str:
        """The token, where its user may."""
        if act in _by_role(self._account, project):
            return f"This API token of the user {self.name!r}"
        return f"The user {self.name!r}"

    def why_not(self, act: Act, project: HasRights) -> str:
        """Whether the token or its user is the limit."""
        if act in _by_role(self._account, project):
            return (
                f"This API token may not {act} in project {project.name!r}, though its user may: "
                f"use a token with the permission {act.value!r} that covers the project."
            )
        return _WithAccount.why_not(self, act, project)

    def why_not_register(self, name: str, *, staged: bool) -> str | None:
        """A token of one project registers no other; a published file takes more than a draft."""
        needed = {Act.STAGE} if staged else {Act.STAGE, Act.PUBLISH}
        if self.token.project_id is None and needed <= self._acts():
            return _WithAccount.why_not_register(self, name, staged=staged)
        return (
            f"This API token may not register the new project {name!r}: use a token that is not "
            "limited to a project and has the permissions for it."
        )

    def note_use(self, uow: UnitOfWork) -> None:
        """Remember it to the minute, so that most uses write nothing."""
        last = self.token.last_used
        if last is None or abs(uow.now - last) >= _LAST_USED_PRECISION:
            run(uow.db, _NOTE_USE, {"token": self.token.id, "now": uow.now})
            uow.forget(Token, self.token.id, "last_used")

    def used(self, uow: UnitOfWork) -> None:
        """Remember also from which address."""
        self.note_use(uow)
        audit.note_address(uow, self, self.token)

    def _covered(self, project: HasRights) -> frozenset[Act]:
        if self.token.project_id is not None and self.token.project_id != project.id:
            return _NOTHING
        acts = self._acts()
        return acts | {Act.SEE} if Act.STAGE in acts else acts

    def _acts(self) -> frozenset[Act]:
        return frozenset(act for act in TOKEN_PERMISSIONS if act in self.token.permissions)


_TOKENS = cast("Table", Token.__table__)
_NOTE_USE = (
    update(_TOKENS).where(_TOKENS.c.id == bindparam("token")).values(last_used=bindparam("now"))
)

ANONYMOUS = Anonymous()
OPERATOR = Operator()
EXPIRY = Itself("expiry")
REVIEW = Itself("review")
HOUSEKEEPING = Itself("housekeeping")
VERIFICATION = Itself("verification")

NO_USERS = frozenset(
    each.name for each in (ANONYMOUS, OPERATOR, EXPIRY, REVIEW, HOUSEKEEPING, VERIFICATION)
)
"""What logs call those who are no users, and what so no user is called, in any letter case."""


def asked_for_review(draft: Draft) -> Actor:
    """Who asked for the publication of a draft in review."""
    return Person(draft.review_by) if draft.review_by is not None else OPERATOR


def permitted(actor: Actor, project: HasRights) -> frozenset[Act]:
    """Everything that the actor may do to the project."""
    return actor.permitted(project)


def may(actor: Actor, act: Act, project: HasRights) -> bool:
    """Whether the actor may do this to the project."""
    return act in actor.permitted(project)


def require(actor: Actor, act: Act, project: HasRights) -> None:
    """Raise NotAllowed unless the actor may do this to the project.

    Raises:
        NotAllowed: the actor may not.
    """
    if may(actor, act, project):
        return
    if project.quarantined and may(actor, Act.SEE, project):
        raise NotAllowed(
            f"The project {project.name!r} is in quarantine: until an administrator of this index "
            "lifts it, its people can look at it and nothing else."
        )
    raise NotAllowed(actor.why_not(act, project))


def require_upload(actor: Actor, project: HasRights, *, staged: bool) -> None:
    """Raise NotAllowed unless the actor may upload to the project.

    Staging needs less than publishing.

    Raises:
        NotAllowed: the actor may not; the sentence is the one that upload clients know.
    """
    acts = actor.permitted(project)
    if Act.STAGE not in acts:
        raise NotAllowed(
            f"{actor.subject(Act.STAGE, project)} isn't allowed to upload to project "
            f"{project.name!r}. Ask an owner of the project for a role, or use a token that covers "
            "it."
        )
    if not staged and Act.PUBLISH not in acts:
        raise NotAllowed(
            f"{actor.subject(Act.PUBLISH, project)} isn't allowed to upload to project "
            f"{project.name!r} without staging: it may stage but not publish.",
            may_stage=True,
        )


def require_registering(actor: Actor, name: str, *, staged: bool) -> None:
    """Raise NotAllowed unless the actor may bring a new project of this name into being.

    Raises:
        NotAllowed: the actor may not.
    """
    refusal = actor.why_not_register(name, staged=staged)
    if refusal is not None:
        raise NotAllowed(refusal)


def may_follow(actor: Actor, project: HasRights) -> bool:
    """Whether the actor may know how a publishing session of the project stands (PEP 694).

    A token that only publishes or discards has to learn what it does that to, and what came of it.
    """
    return bool(actor.permitted(project) & {Act.SEE, Act.PUBLISH, Act.DISCARD})


def may_read_audit(actor: Actor, project: Project) -> bool:
    """Whether the actor may read in the audit log what was done to the project.

    Its owners may also while it is in quarantine: they only look.
    """
    return actor.is_administrator or actor.owns(project)


def _by_role(user: _Account, project: HasRights) -> frozenset[Act]:
    for role in project.roles:
        if role.user_id == user.id:
            acts = _OF_ROLE[RoleName(role.name)]
            return acts & _IN_QUARANTINE if project.quarantined else acts
    return _NOTHING
