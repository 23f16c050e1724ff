"""API tokens that reach a project, whosever they are: its owners see them, and end that.

A token that is limited to the project is revoked. One that covers all projects of its user is cut
off from this one, and goes on for the others, which are none of the owners' business.
"""

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import selectinload

from greenroom.models import Project, Role, Token, TokenCutOff
from greenroom.registry import audit, projects, tokens
from greenroom.registry.audit import Kind
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import (
    Actor,
    require_ending_tokens,
    require_overseeing_tokens,
)
from greenroom.registry.tokens import TokenSummary
from greenroom.registry.unit_of_work import UnitOfWork


class ReachingToken(Struct, frozen=True):
    """A token that reaches a project.

    Attributes:
        username: whose it is.
        token: what pages say of it; from where it was used only where it is for this project alone.
    """

    username: str
    token: TokenSummary

    @property
    def is_limited(self) -> bool:
        """Whether it is for this project alone."""
        return self.token.project_name is not None


def listed(
    uow: UnitOfWork, actor: Actor, project: Project, *, start: int, count: int
) -> list[ReachingToken]:
    """Some of the tokens that reach the project, the newest first.

    Raises:
        NotAllowed: the actor is no owner of it.
    """
    require_overseeing_tokens(actor, project)
    found = uow.db.scalars(
        select(Token)
        .where(_reaches(uow, project))
        .options(selectinload(Token.project), selectinload(Token.user))
        .order_by(Token.id.desc())
        .offset(start)
        .limit(count)
    )
    return [_summary(uow, token) for token in found]


def count(uow: UnitOfWork, actor: Actor, project: Project) -> int:
    """How many tokens reach the project.

    Raises:
        NotAllowed: the actor is no owner of it.
    """
    require_overseeing_tokens(actor, project)
    query = select(func.count()).select_from(Token).where(_reaches(uow, project))
    return uow.db.scalar(query) or 0


def find(uow: UnitOfWork, actor: Actor, project: Project, token_id: int) -> ReachingToken:
    """A token that reaches the project.

    Raises:
        NotAllowed: the actor is no owner of it.
        NotFound: none of this number does.
    """
    require_overseeing_tokens(actor, project)
    return _summary(uow, _find(uow, project, token_id))


def end(uow: UnitOfWork, actor: Actor, project: Project, token_id: int) -> ReachingToken:
    """Let a token reach the project no more, at once: revoke it, or cut it off.

    Raises:
        NotAllowed: the actor is no owner of the project.
        NotFound: no token of this number reaches it.
    """
    projects.lock_and_reload(uow, project)
    require_ending_tokens(actor, project)
    token = _find(uow, project, token_id)
    if token.project_id is not None:
        tokens.end(uow, actor, token)
    else:
        uow.db.add(TokenCutOff(token_id=token.id, project_id=project.id, at=uow.now))
        uow.db.flush()
        said = audit.described(token)
        audit.write(uow, Kind.TOKEN_CUT_OFF, actor, about=token.user, project=project, detail=said)
    return _summary(uow, token)


def _find(uow: UnitOfWork, project: Project, token_id: int) -> Token:
    wanted = select(Token).where(Token.id == token_id, _reaches(uow, project))
    # Who ends it at the same time is waited for.
    token = uow.db.scalar(wanted.with_for_update(of=Token) if uow.may_write else wanted)
    if token is None:
        raise NotFound("There is no such token that reaches the project.")
    return token


def _reaches(uow: UnitOfWork, project: Project) -> ColumnElement[bool]:
    """Whether a token that is neither revoked nor expired can do anything to the project."""
    has_role = exists().where(Role.project_id == project.id, Role.user_id == Token.user_id)
    is_cut_off = exists().where(
        TokenCutOff.token_id == Token.id, TokenCutOff.project_id == project.id
    )
    is_for_it = Token.project_id.is_(None) & ~is_cut_off | (Token.project_id == project.id)
    lives = Token.revoked.is_(None) & (Token.expires.is_(None) | (Token.expires > uow.now))
    return lives & has_role & is_for_it


def _summary(uow: UnitOfWork, token: Token) -> ReachingToken:
    shown = tokens.summary(uow, token)
    if token.project_id is None:  # it may have been used there for another project
        shown = replace(shown, last_address=None)
    return ReachingToken(token.user.username, shown)
