"""Who acts, and what they may do to a project.

This module is the whole rule; ``tests/registry/test_permissions.py`` spells it out as a table.
A kind of actor is a class that answers the questions of :class:`Actor`. Nothing outside asks which
kind it is, so that another kind is another class here.
"""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, cast

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, bindparam, update
from sqlalchemy.orm import object_session

from greenroom.database import run
from greenroom.models import Draft, File, Project, Release, RoleName, Token, User
from greenroom.registry import audit, catalogue, founding
from greenroom.registry.catalogue import Reader
from greenroom.registry.errors import AccountDisabled, InvalidRequest, NotAllowed, NotConfirmed
from greenroom.registry.names import lookup_name
from greenroom.registry.reasons import check_line
from greenroom.registry.unit_of_work import AT_ONCE, Origin, UnitOfWork
from greenroom.settings import Settings


class Act(StrEnum):
    """What can be done to a project."""

    READ = "read"  # what is public of it; see catalogue.Reader for who may without a role
    SEE = "see"  # its drafts and its manage pages
    STAGE = "stage"  # open a draft, add and remove its files, extend it, rotate its address
    COMMENT = "comment"  # on a draft; people alone
    PUBLISH = "publish"
    DISCARD = "discard"
    MANAGE = "manage"  # roles and settings; yank, delete, archive
    QUARANTINE = "quarantine"


# What a token can be limited to. Whoever may stage may also see what is staged.
TOKEN_PERMISSIONS = (Act.READ, Act.STAGE, Act.PUBLISH, Act.DISCARD, Act.MANAGE)
DEFAULT_TOKEN_PERMISSIONS = (Act.STAGE, Act.PUBLISH, Act.DISCARD)

_OF_ROLE = {
    RoleName.OWNER: frozenset(Act) - {Act.QUARANTINE},
    RoleName.MAINTAINER: frozenset(
        {Act.READ, Act.SEE, Act.COMMENT, Act.STAGE, Act.PUBLISH, Act.DISCARD}
    ),
}
# An administrator keeps order, and does not release other people's software.
_OF_ADMINISTRATOR = frozenset(
    {Act.READ, Act.SEE, Act.COMMENT, Act.DISCARD, Act.MANAGE, Act.QUARANTINE}
)
_OF_OPERATOR = frozenset({Act.READ, Act.SEE, Act.PUBLISH, Act.DISCARD, Act.MANAGE, Act.QUARANTINE})
# What is left of every role while a project is in quarantine, or its person has to do something.
_TO_LOOK = frozenset({Act.READ, Act.SEE})
_NOTHING: frozenset[Act] = frozenset()

_LAST_USED_PRECISION = timedelta(minutes=1)

CONFIRMED_FOR = timedelta(minutes=15)
"""For how long somebody who has shown who it is need not do so again, whatever is done."""

FACTOR_FRESH_FOR = timedelta(minutes=5)
"""For how long a second factor that was shown is good for publishing where a person does that."""


class HasId(Protocol):
    """An account, by its number."""

    @property
    def id(self) -> int:
        """Its number in the database."""


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


class HasPlace(Protocol):
    """A person's place in a team."""

    @property
    def user_id(self) -> int:
        """Whose it is."""

    @property
    def is_owner(self) -> bool:
        """Whether the person says who is in the team."""


class HasMembers(Protocol):
    """A team, by what decides on rights to it."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def members(self) -> Sequence[HasPlace]:
        """Who is in it."""


class Actor:
    """Who asks.

    What has a default here is what is true of an actor without an account. That all kinds have what
    is abstract is seen by the type checker: values and abstract base classes have different
    metaclasses.
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

    @property
    def means(self) -> str:
        """Which run of which workflow acts; empty where it is none."""
        return ""

    def comes_from(self, origin: Origin) -> Origin:
        """From where an act comes in a unit of work of this origin: mostly from there."""
        return origin

    @property
    def is_administrator(self) -> bool:
        """Whether the actor keeps order in the whole index."""
        return False

    @property
    def reason(self) -> str:
        """Why an administrator does what only administrators may; its line in the log has it."""
        return ""

    def owes_reason(self, act: Act, project: HasRights) -> bool:
        """Whether the actor may do this to the project only by being an administrator.

        Nobody asks the operator, who is no person.
        """
        return False

    def reader(self, settings: Settings) -> Reader:
        """Who the actor is to the catalogue: what is read without an account."""
        return catalogue.anybody(settings)

    def owns(self, project: Project) -> bool:
        """Whether the project is the actor's, whatever may be done to it just now."""
        return False

    def is_the_user(self, user: "HasId") -> bool:
        """Whether it is the person of this account who acts, and nothing in their stead."""
        return False

    def has_confirmed(self, now: datetime) -> bool:
        """Whether who acts has shown of late who it is. What is no person need not."""
        return True

    @property
    def is_in_person(self) -> bool:
        """Whether a person does it: signed in, or with the machine of the index in hand."""
        return False

    @property
    def has_second_factor(self) -> bool:
        """Whether it is a person who has one to show."""
        return False

    def fresh_factor(self, now: datetime) -> str:
        """What kind of second factor who acts has shown within a few minutes; else empty."""
        return ""

    @property
    def gives_at_once(self) -> bool:
        """Whether who is given a role by the actor has it at once, without accepting it."""
        return False

    def answers_for(self, user_id: int) -> bool:
        """Whether the actor is this person, who accepts and declines what they are invited to."""
        return False

    def runs(self, team: HasMembers) -> bool:
        """Whether the actor is an owner of the team."""
        return False

    def why_no_team(self) -> str | None:
        """The sentence that refuses the actor a new team, None where they may make one."""
        return f"{self.name!r} may not make teams: sign in for that."

    @property
    def user_id(self) -> int | None:
        """The account that files and projects are kept under, None where there is none."""
        return None

    def account_for(self, name: str, project: HasRights | None) -> int | None:
        """Whose space the actor's files take in a project; to whom it belongs when it is new.

        Args:
            name: the project's, in any spelling.
            project: None where there is none of this name.
        """
        return self.user_id

    def has_created(self, uow: UnitOfWork, project: Project) -> None:
        """Remember that the actor has brought the project into being."""

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

    def is_use_known(self, uow: UnitOfWork) -> bool:
        """Whether it need not be noted that what the actor has shown is used now, and from here."""
        return True

    def note_use(self, uow: UnitOfWork) -> None:
        """Write down that what the actor has shown was used now."""

    def used(self, uow: UnitOfWork) -> None:
        """Remember that what the actor has shown was used in this unit of work, and from where."""
        self.note_use(uow)


class Anonymous(Actor, Struct, frozen=True):
    """Nobody in particular."""

    @property
    def name(self) -> str:
        """``anonymous``."""
        return "anonymous"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Nothing: what is public takes no permission."""
        return _NOTHING


class Operator(Actor, Struct, frozen=True):
    """Whoever has the command line of the index."""

    @property
    def name(self) -> str:
        """``operator``, which no user is called."""
        return "operator"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Everything but staging: an operator uploads nothing."""
        return _OF_OPERATOR

    def fresh_factor(self, now: datetime) -> str:
        """That it is the machine of the index, which stands for one."""
        return "command line"

    @property
    def credential(self) -> str:
        """The command line."""
        return "command line"

    @property
    def is_administrator(self) -> bool:
        """Always."""
        return True

    @property
    def is_in_person(self) -> bool:
        """Always: whoever has the command line has the machine, and can do more than publish."""
        return True

    @property
    def gives_at_once(self) -> bool:
        """Always: scripts that make an index ready wait for nobody."""
        return True

    def why_no_team(self) -> None:
        """Nothing: whoever has the command line makes teams."""

    def ask_for_review(self, draft: Draft) -> None:
        """A draft that no account asked for is the operator's."""
        draft.review_by = None


class Itself(Actor, Struct, frozen=True):
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


class ShownSession(Struct, frozen=True):
    """A session that goes on, and was shown.

    Attributes:
        id: its number in the database.
        begun: when the person signed in.
        last_used: to the minute, before now.
        authenticated: when the person last showed who it is.
        second_factor: when that was with a second factor, too; None where it never was.
        has_factor: whether the person has one.
        must_enrol: whether this index wants one, and the person has none.
        factor_kind: what was shown when one was last; empty where none was.
    """

    id: int
    begun: datetime
    last_used: datetime
    authenticated: datetime
    second_factor: datetime | None = None
    has_factor: bool = False
    must_enrol: bool = False
    factor_kind: str = ""

    def is_confirmed(self, now: datetime) -> bool:
        """Whether the person has shown of late who it is."""
        return self.authenticated - AT_ONCE <= now < self.authenticated + CONFIRMED_FOR

    def fresh_factor(self, now: datetime) -> str:
        """What kind of second factor was shown within a few minutes; empty where none was."""
        shown = self.second_factor
        if shown is None or not shown - AT_ONCE <= now < shown + FACTOR_FRESH_FOR:
            return ""
        return self.factor_kind or "second factor"


class Person(_WithAccount, Struct, frozen=True):
    """A signed-in user. Without a session nothing is known of when they showed who they are.

    ``why`` is the reason that an administrator gives for what only administrators may do.
    """

    user: User
    session: ShownSession | None = None
    why: str = ""

    @property
    def _account(self) -> User:
        return self.user

    @property
    def reason(self) -> str:
        """What the administrator has given as a reason."""
        return self.why if self.is_administrator else ""

    def owes_reason(self, act: Act, project: HasRights) -> bool:
        """Whether no role of the user allows it. A comment on a draft says by itself why it is."""
        if act is Act.COMMENT or not self.is_administrator:
            return False
        return act not in _by_role(self.user, project)

    @property
    def credential(self) -> str:
        """The session of a browser."""
        if self.session is None:
            return "session"
        how = " with a second factor" if self.session.second_factor is not None else ""
        return f"session {self.session.id}{how}"

    def is_the_user(self, user: HasId) -> bool:
        """Whether it is this person's account."""
        return user.id == self.user.id

    def has_confirmed(self, now: datetime) -> bool:
        """Whether the session knows that they have."""
        return self.session is not None and self.session.is_confirmed(now)

    @property
    def is_in_person(self) -> bool:
        """Always."""
        return True

    @property
    def has_second_factor(self) -> bool:
        """Whether they have added one to their account."""
        return self.session is not None and self.session.has_factor

    def fresh_factor(self, now: datetime) -> str:
        """What they have shown in this session."""
        return self.session.fresh_factor(now) if self.session is not None else ""

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """What the user's role allows, and the powers of an administrator.

        Nothing while the account is disabled. Who has yet to add a second factor, which this index
        wants, looks and does nothing else.
        """
        if not self.user.is_enabled:
            return _NOTHING
        acts = _by_role(self.user, project)
        acts = acts | _OF_ADMINISTRATOR if self.is_administrator else acts
        return acts & _TO_LOOK if self._must_enrol else acts

    def why_not(self, act: Act, project: HasRights) -> str:
        """That the account is disabled, or has no second factor, where that is why."""
        if not self.user.is_enabled:
            return str(AccountDisabled(self.name))
        if self._must_enrol:
            return f"This index wants a second factor of the user {self.name!r}: add one first."
        return _WithAccount.why_not(self, act, project)

    @property
    def _must_enrol(self) -> bool:
        return self.session is not None and self.session.must_enrol

    @property
    def is_administrator(self) -> bool:
        """Whether the user is one."""
        return self.user.is_administrator and self.user.is_enabled

    def answers_for(self, user_id: int) -> bool:
        """Whether it is the user, whose account is not disabled."""
        return self.user.id == user_id and self.user.is_enabled

    def runs(self, team: HasMembers) -> bool:
        """Whether the user is an owner of the team, and the account is not disabled."""
        mine = (each for each in team.members if self.answers_for(each.user_id))
        return any(each.is_owner for each in mine)

    def why_no_team(self) -> str | None:
        """Whoever has a verified account may make teams."""
        if not self.user.is_enabled:
            return str(AccountDisabled(self.name))
        if self.user.email_verified:
            return None
        return (
            f"The user {self.name!r} has no verified e-mail address, which it takes to make a "
            "team. Ask an administrator of this index."
        )

    def reader(self, settings: Settings) -> Reader:
        """What everybody may read who has an account, and what the user has a role in."""
        return catalogue.member(
            settings,
            self.user_id,
            is_verified=self.user.email_verified,
            is_administrator=self.is_administrator,
        )


class Importer(_WithAccount, Struct, frozen=True):
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


class TokenUser(Struct, frozen=True):
    """The user whom a token stands for."""

    id: int
    username: str
    email_verified: bool


class ShownToken(Struct, frozen=True):
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
        cut_off: the projects that it reaches no more, though it covers all.
        expires: when it ends, None where it does not.
    """

    id: int
    prefix: str
    label: str
    user: TokenUser
    project_id: int | None
    permissions: tuple[str, ...]
    last_used: datetime | None
    last_address: str | None
    cut_off: frozenset[int] = frozenset()
    expires: datetime | None = None


class ApiToken(_WithAccount, Struct, frozen=True):
    """An API token of a user. It carries no powers of an administrator."""

    token: ShownToken

    @property
    def _account(self) -> TokenUser:
        return self.token.user

    @property
    def credential(self) -> str:
        """The token."""
        return f"token {audit.described(self.token)}"

    def reader(self, settings: Settings) -> Reader:
        """What the user may read, as far as the token covers it.

        With one that only uploads, its user's own projects: who uploads sees what is there.
        """
        if not {Act.READ, Act.STAGE, Act.PUBLISH} & self._acts():
            return catalogue.anybody(settings)
        reads = Act.READ in self._acts()
        return catalogue.token(
            settings,
            self.user_id,
            self.token.project_id,
            is_verified=self._account.email_verified,
            reads=reads,
        )

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

    def is_use_known(self, uow: UnitOfWork) -> bool:
        """Whether it was used within the minute, from the same address as the last time."""
        return self._was_just_used(uow) and audit.is_last_address(uow, self.token)

    def note_use(self, uow: UnitOfWork) -> None:
        """Remember it to the minute, so that most uses write nothing."""
        if not self._was_just_used(uow):
            run(uow.db, _NOTE_USE, {"token": self.token.id, "now": uow.now})
            uow.forget(Token, self.token.id, "last_used")

    def used(self, uow: UnitOfWork) -> None:
        """Remember also from which address."""
        self.note_use(uow)
        audit.note_address(uow, self, self.token)

    def _was_just_used(self, uow: UnitOfWork) -> bool:
        last = self.token.last_used
        return last is not None and abs(uow.now - last) < _LAST_USED_PRECISION

    def _covered(self, project: HasRights) -> frozenset[Act]:
        if self.token.project_id is not None and self.token.project_id != project.id:
            return _NOTHING
        if project.id in self.token.cut_off:
            return _NOTHING
        acts = self._acts()
        return acts | {Act.SEE} if Act.STAGE in acts else acts

    def _acts(self) -> frozenset[Act]:
        return frozenset(act for act in TOKEN_PERMISSIONS if act in self.token.permissions)


class PublisherGrant(Struct, frozen=True):
    """That a project trusts a workflow, to stage or also to publish."""

    project_id: int
    may_publish: bool


class PendingGrant(Struct, frozen=True):
    """That a user lets a workflow register a name, which becomes the user's project."""

    id: int
    normalized_name: str
    may_publish: bool
    user: TokenUser


_OF_STAGING_WORKFLOW = frozenset({Act.SEE, Act.STAGE})
_OF_WORKFLOW = frozenset({Act.SEE, Act.STAGE, Act.PUBLISH, Act.DISCARD})


class TrustedPublisher(Actor, Struct, frozen=True):
    """A run of a workflow that a project trusts, by the token that it got for its ID token.

    Attributes:
        token_id: the token's number in the database.
        workflow: what logs call it: ``github:ada/example``, which no user is called.
        run: which run of it that is.
        grants: what it may do in which projects.
        pending: which names it may register, and for whom.
    """

    token_id: int
    workflow: str
    run: str
    grants: tuple[PublisherGrant, ...]
    pending: tuple[PendingGrant, ...]

    @property
    def name(self) -> str:
        """The service and the repository."""
        return self.workflow

    @property
    def credential(self) -> str:
        """The run, with its commit."""
        return f"trusted publisher, {self.run}"

    @property
    def means(self) -> str:
        """The run, with its commit."""
        return self.run

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """What the project lets the workflow do."""
        here = [grant for grant in self.grants if grant.project_id == project.id]
        if not here:
            return _NOTHING
        may_publish = any(grant.may_publish for grant in here)
        acts = _OF_WORKFLOW if may_publish else _OF_STAGING_WORKFLOW
        return acts & _TO_LOOK if project.quarantined else acts

    def subject(self, act: Act, project: HasRights) -> str:
        """The workflow."""
        return f"The trusted publisher {self.name!r}"

    def why_not(self, act: Act, project: HasRights) -> str:
        """Whether a person is to do it."""
        refusal = f"{self.subject(act, project)} may not {act} in project {project.name!r}"
        if act in _OF_WORKFLOW and any(grant.project_id == project.id for grant in self.grants):
            return f"{refusal}, where it may only stage: let a person do that."
        return f"{refusal}."

    def why_not_register(self, name: str, *, staged: bool) -> str | None:
        """A user has said that it may, who may do so too."""
        pending = self._pending(name)
        if pending is None:
            return (
                f"The trusted publisher {self.name!r} may not register the new project {name!r}: "
                "somebody with an account adds it as a pending publisher of this name first."
            )
        if not staged and not pending.may_publish:
            return (
                f"The trusted publisher {self.name!r} may only stage the first release of "
                f"{name!r}: upload it as a draft."
            )
        if not pending.user.email_verified:
            return (
                f"The user {pending.user.username!r}, for whom {name!r} would be registered, has "
                "no verified e-mail address. Ask an administrator of this index."
            )
        return None

    def account_for(self, name: str, project: HasRights | None) -> int | None:
        """Whoever lets it register the name, or else the first owner of the project."""
        if project is None:
            pending = self._pending(name)
            return pending.user.id if pending is not None else None
        owners = (role.user_id for role in project.roles if role.name == RoleName.OWNER)
        return next(owners, None)

    def has_created(self, uow: UnitOfWork, project: Project) -> None:
        """The project trusts the workflow from then on."""
        of_name = [each for each in self.pending if each.normalized_name == project.normalized_name]
        for pending in of_name[:1]:
            numbers = [each.id for each in of_name if each.user == pending.user]
            founding.trust(uow, self.token_id, numbers, project, pending.user.username)

    def uploads(self) -> ColumnElement[bool] | None:
        """What workflows uploaded into the same projects."""
        projects = [grant.project_id for grant in self.grants]
        there = File.release.has(Release.project_id.in_(projects))
        return File.uploaded_by_id.is_(None) & there

    def registrations(self) -> ColumnElement[bool] | None:
        """What those have registered for whom it may."""
        return Project.created_by_id.in_([pending.user.id for pending in self.pending])

    def _pending(self, name: str) -> PendingGrant | None:
        normalized = lookup_name(name)
        of_name = (each for each in self.pending if each.normalized_name == normalized)
        return next(of_name, None)


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
MAIL = Itself("mail")
SCHEDULE = Itself("schedule")
WEBHOOKS = Itself("webhooks")
ADOPTION = Itself("adoption")

NO_USERS = frozenset(
    each.name
    for each in (
        *(ANONYMOUS, OPERATOR, EXPIRY, REVIEW, HOUSEKEEPING, VERIFICATION, MAIL),
        *(SCHEDULE, WEBHOOKS, ADOPTION),
    )
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
    """See that the actor may do this to the project, for which administrators give a reason.

    Raises:
        NotAllowed: the actor may not.
        InvalidRequest: only an administrator may, who has not said why, or not in one line.
    """
    require_right(actor, act, project)
    if actor.owes_reason(act, project):
        require_reason(actor)


def require_reason(actor: Actor) -> None:
    """See that an administrator says why.

    Raises:
        InvalidRequest: they do not, or not in one line.
    """
    if not check_line(actor.reason):
        raise InvalidRequest(
            "You do this as an administrator: give a reason, which is recorded in the audit log."
        )


def require_right(actor: Actor, act: Act, project: HasRights) -> None:
    """Raise NotAllowed unless the actor may do this to the project, whatever else that takes.

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


def require_upload(
    actor: Actor, project: HasRights, *, staged: bool, called: str | None = None
) -> None:
    """Raise NotAllowed unless the actor may upload to the project.

    Staging needs less than publishing.

    Args:
        actor: who uploads.
        project: where to.
        staged: whether it goes into a draft.
        called: how the refusal spells the project, where it must not tell how it spells itself.
            Who may not register projects does not learn then that there is this one.

    Raises:
        NotAllowed: the actor may not; the sentence is the one that upload clients know.
    """
    acts = actor.permitted(project)
    name = called or project.name
    if Act.STAGE not in acts:
        if called is not None and Act.SEE not in acts:
            require_registering(actor, called, staged=staged)
        raise NotAllowed(
            f"{actor.subject(Act.STAGE, project)} isn't allowed to upload to project "
            f"{name!r}. Ask an owner of the project for a role, or use a token that covers "
            "it."
        )
    if not staged and Act.PUBLISH not in acts:
        raise NotAllowed(
            f"{actor.subject(Act.PUBLISH, project)} isn't allowed to upload to project "
            f"{name!r} without staging: it may stage but not publish.",
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


def require_confirmed(actor: Actor, now: datetime) -> None:
    """Raise NotConfirmed unless who acts has shown of late who it is.

    Raises:
        NotConfirmed: it is too long ago.
    """
    if not actor.has_confirmed(now):
        raise NotConfirmed("Confirm who you are, and then do it once more.")


def may_follow(actor: Actor, project: HasRights) -> bool:
    """Whether the actor may know how a publishing session of the project stands (PEP 694).

    A token that only publishes or discards has to learn what it does that to, and what came of it.
    """
    return bool(actor.permitted(project) & {Act.SEE, Act.PUBLISH, Act.DISCARD})


def may_run_team(actor: Actor, team: HasMembers) -> bool:
    """Whether the actor may say who is in the team, and on which projects it works."""
    return actor.is_administrator or actor.runs(team)


def may_see_team(actor: Actor, team: HasMembers) -> bool:
    """Whether the actor may see who is in the team."""
    return actor.is_administrator or any(actor.answers_for(each.user_id) for each in team.members)


def owes_reason_to_team(actor: Actor, team: HasMembers) -> bool:
    """Whether the actor may run the team only by being an administrator, and is a person."""
    return actor.is_administrator and actor.user_id is not None and not actor.runs(team)


def require_running_team(actor: Actor, team: HasMembers) -> None:
    """See that the actor may change the team, for which administrators give a reason.

    Raises:
        NotAllowed: the actor may not.
        InvalidRequest: only an administrator may, who has not said why, or not in one line.
    """
    require_right_to_run(actor, team)
    if owes_reason_to_team(actor, team):
        require_reason(actor)


def require_right_to_run(actor: Actor, team: HasMembers) -> None:
    """Raise NotAllowed unless the actor may say who is in the team.

    Raises:
        NotAllowed: the actor may not.
    """
    if not may_run_team(actor, team):
        raise NotAllowed(
            f"The user {actor.name!r} may not change the team {team.name!r}: ask an owner of it."
        )


def may_oversee_tokens(actor: Actor, project: Project) -> bool:
    """Whether the actor may see which API tokens reach the project, and end that.

    Its owners may also while it is in quarantine: nothing is made by that.
    """
    return actor.is_administrator or actor.owns(project)


def require_overseeing_tokens(actor: Actor, project: Project) -> None:
    """Raise NotAllowed unless the actor may see and end what reaches the project.

    Raises:
        NotAllowed: the actor may not.
    """
    if not may_oversee_tokens(actor, project):
        raise NotAllowed(
            f"{actor.subject(Act.MANAGE, project)} may not see the API tokens that reach the "
            f"project {project.name!r}: its owners can."
        )


def owes_reason_for_tokens(actor: Actor, project: Project) -> bool:
    """Whether the actor may end what reaches the project only by being an administrator."""
    return actor.is_administrator and actor.user_id is not None and not actor.owns(project)


def require_ending_tokens(actor: Actor, project: Project) -> None:
    """See that the actor may end what reaches the project, with an administrator's reason.

    Raises:
        NotAllowed: the actor may not.
        InvalidRequest: only an administrator may, who has not said why, or not in one line.
    """
    require_overseeing_tokens(actor, project)
    if owes_reason_for_tokens(actor, project):
        require_reason(actor)


def may_read_audit(actor: Actor, project: Project) -> bool:
    """Whether the actor may read in the audit log what was done to the project.

    Its owners may also while it is in quarantine: they only look.
    """
    return actor.is_administrator or actor.owns(project)


def _by_role(user: _Account, project: HasRights) -> frozenset[Act]:
    """What the strongest of the user's roles allows, their own and those of their teams."""
    names = {role.name for role in project.roles if role.user_id == user.id}
    if not names:
        return _NOTHING
    acts = _OF_ROLE[RoleName.OWNER if RoleName.OWNER in names else RoleName.MAINTAINER]
    return acts & _TO_LOOK if project.quarantined else acts
