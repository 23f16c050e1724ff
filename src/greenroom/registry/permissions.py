"""Who may do what: an actor against a project.

This module is the whole rule; ``tests/registry/test_permissions.py`` spells it out as a table.
"""

from dataclasses import dataclass
from enum import StrEnum

from greenroom.models import Project, RoleName, Token, User
from greenroom.registry.errors import NotAllowed


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


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: nobody, a signed-in user, a user's token, or the operator at the command line."""

    user: User | None = None
    token: Token | None = None
    operator: bool = False

    @property
    def name(self) -> str:
        """What logs and the journal call this actor."""
        if self.operator:
            return "operator"
        return self.user.username if self.user is not None else "anonymous"


ANONYMOUS = Actor()
OPERATOR = Actor(operator=True)


def permitted(actor: Actor, project: Project) -> frozenset[Act]:
    """Everything that the actor may do to the project.

    A token may do what both it and its user may. The powers of an administrator are those of a
    signed-in person: no token carries them.
    """
    if actor.operator:
        return _OF_OPERATOR
    if actor.user is None:
        return _NOTHING
    acts = _by_role(actor.user, project)
    if actor.token is not None:
        return acts & _of_token(actor.token, project)
    return acts | _OF_ADMINISTRATOR if is_administrator(actor) else acts


def may(actor: Actor, act: Act, project: Project) -> bool:
    """Whether the actor may do this to the project."""
    return act in permitted(actor, project)


def require(actor: Actor, act: Act, project: Project) -> None:
    """Nothing, if the actor may do this to the project.

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
    if actor.token is not None and act in _by_role_of(actor, project):
        raise NotAllowed(
            f"This API token may not {act} in project {project.name!r}, though its user may: "
            f"use a token with the permission {act!r} that covers the project."
        )
    raise NotAllowed(f"The user {actor.name!r} may not {act} in project {project.name!r}.")


def require_upload(actor: Actor, project: Project, *, staged: bool) -> None:
    """Nothing, if the actor may upload to the project: staging needs less than publishing.

    Raises:
        NotAllowed: the actor may not; the sentence is the one that upload clients know.
    """
    acts = permitted(actor, project)
    if Act.STAGE not in acts:
        subject = f"The user {actor.name!r}"
        if actor.token is not None and Act.STAGE in _by_role_of(actor, project):
            subject = f"This API token of the user {actor.name!r}"
        raise NotAllowed(
            f"{subject} isn't allowed to upload to project {project.name!r}. Ask an owner of the "
            "project for a role, or use a token that covers it."
        )
    if not staged and Act.PUBLISH not in acts:
        raise NotAllowed(
            f"This API token of the user {actor.name!r} isn't allowed to upload to project "
            f"{project.name!r} without staging: it may stage but not publish. Add ?staged=true to "
            "the upload URL to upload a draft."
        )


def may_follow(actor: Actor, project: Project) -> bool:
    """Whether the actor may know how a publishing session of the project stands (PEP 694).

    A token that only publishes or discards has to learn what it does that to, and what came of it.
    """
    return bool(permitted(actor, project) & {Act.SEE, Act.PUBLISH, Act.DISCARD})


def is_administrator(actor: Actor) -> bool:
    """Whether the actor is an administrator in person, or the operator: no token carries that."""
    if actor.operator:
        return True
    return actor.user is not None and actor.token is None and actor.user.is_administrator


def may_register(actor: Actor, *, staged: bool) -> bool:
    """Whether the actor may bring a new project into being: no token of one project can."""
    if actor.user is None:
        return False
    if actor.token is None:
        return True
    needed = {Act.STAGE} if staged else {Act.STAGE, Act.PUBLISH}
    return actor.token.project_id is None and needed <= _acts(actor.token)


def _by_role(user: User, project: Project) -> frozenset[Act]:
    for role in project.roles:
        if role.user_id == user.id:
            acts = _OF_ROLE[RoleName(role.name)]
            return acts & _IN_QUARANTINE if project.quarantined else acts
    return _NOTHING


def _by_role_of(actor: Actor, project: Project) -> frozenset[Act]:
    return _NOTHING if actor.user is None else _by_role(actor.user, project)


def _of_token(token: Token, project: Project) -> frozenset[Act]:
    if token.project_id is not None and token.project_id != project.id:
        return _NOTHING
    acts = _acts(token)
    return acts | {Act.SEE} if Act.STAGE in acts else acts


def _acts(token: Token) -> frozenset[Act]:
    return frozenset(act for act in TOKEN_PERMISSIONS if act in token.permissions)
