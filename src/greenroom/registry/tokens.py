"""API tokens: making, listing, revoking, and finding whom a text stands for."""

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import bindparam, select
from sqlalchemy.orm import selectinload

from greenroom.database import run
from greenroom.models import Project, Token, TokenCutOff, User
from greenroom.registry import audit, projects, token_texts
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    AccountDisabled,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
)
from greenroom.registry.permissions import (
    TOKEN_PERMISSIONS,
    Actor,
    ApiToken,
    Person,
    ShownToken,
    TokenUser,
)
from greenroom.registry.token_texts import START, digest_of, new_text, prefix_of
from greenroom.registry.unit_of_work import UnitOfWork

LONGEST_LABEL = 100
DEFAULT_LIFETIME = timedelta(days=365)
"""How long a token lives unless who makes it says otherwise."""

_LONGEST_SOON = timedelta(days=14)
_SOON = 4  # the last quarter of a life that is short
_WRONG = "Invalid or non-existent authentication information."
_MISTYPED = (
    f"{_WRONG} This token is mistyped, or was not copied whole: copy it again, or make another one "
    "on your account page."
)
# How the tokens of other services begin that publish packages, or run the jobs that do.
_FOREIGN_STARTS = ("pypi-", "ghp_", "ghs_", "github_pat_", "glpat-", "gldt-", "glcbt-")


class TokenSummary(Struct, frozen=True):
    """What pages say of an API token that is not revoked.

    Attributes:
        id: what forms name it by.
        prefix: the beginning of its text, which is no secret.
        project_name: the one project that it is for, None where it is for all of its user's.
        last_used: to the minute; None where it never was.
        expires: None where it lives for ever.
        is_expired: whether it has fallen due by now.
        expires_soon: whether it is about to.
        last_address: from where it was used last: of an IPv6 address the network.
        cut_off: the names of projects that it reaches no more, though it covers all.
    """

    id: int
    label: str
    prefix: str
    project_name: str | None
    permissions: tuple[str, ...]
    created: datetime
    last_used: datetime | None
    expires: datetime | None
    is_expired: bool
    expires_soon: bool = False
    last_address: str | None = None
    cut_off: tuple[str, ...] = ()


def create(
    uow: UnitOfWork,
    user: User,
    label: str,
    *,
    project: Project | None = None,
    permissions: Iterable[str],
    expires_in: timedelta | None = DEFAULT_LIFETIME,
    by: Actor | None = None,
) -> tuple[Token, str]:
    """A new API token, and its text, which nobody can show again.

    It is made by somebody, or by whose it is. It lives for a year, for as long as somebody says, or
    for ever where they say so: ``expires_in`` is None then.

    Raises:
        AccountDisabled: the account of the user is.
        InvalidRequest: the label, the permissions or the time do not do.
        NotFound: the user has no part in the project.
    """
    if not user.is_enabled:
        raise AccountDisabled(user.username)
    wanted = set(permissions)
    chosen = [act.value for act in TOKEN_PERMISSIONS if act in wanted]
    if not chosen or not wanted <= set(TOKEN_PERMISSIONS):
        names = ", ".join(TOKEN_PERMISSIONS)
        raise InvalidRequest(f"A token needs one or more of the permissions {names}.")
    if not label.strip() or len(label) > LONGEST_LABEL or not label.isprintable():
        raise InvalidRequest(f"A token needs a name of 1 to {LONGEST_LABEL} characters.")
    if expires_in is not None and expires_in <= timedelta(0):
        raise InvalidRequest("A token's lifetime is longer than zero.")
    if project is not None:
        projects.lock_and_reload(uow, project)
        if all(role.user_id != user.id for role in project.roles):
            raise NotFound(
                f"The user {user.username!r} has no role in the project {project.name!r}."
            )
    text = new_text()
    token = Token(
        user=user,
        project_id=project.id if project is not None else None,
        label=label.strip(),
        prefix=prefix_of(text),
        digest=digest_of(text),
        permissions=chosen,
        created=uow.now,
        expires=uow.now + expires_in if expires_in is not None else None,
    )
    uow.db.add(token)
    uow.db.flush()
    detail = f"{audit.described(token)}: {', '.join(chosen)}"
    if token.expires is not None:
        detail += f", until {token.expires:%Y-%m-%d %H:%M} UTC"
    audit.write(
        uow, Kind.TOKEN_CREATE, by or Person(user), about=user, project=project, detail=detail
    )
    return token, text


def of_user(uow: UnitOfWork, user: User) -> list[TokenSummary]:
    """The user's tokens that are not revoked, newest first.

    The token of a project that only a draft held goes with it.
    """
    has_a_purpose = Token.project_id.is_(None) | Token.project.has(projects.is_taken(uow))
    found = uow.db.scalars(
        select(Token)
        .where(Token.user_id == user.id, Token.revoked.is_(None), has_a_purpose)
        .options(selectinload(Token.project))
        .order_by(Token.id.desc())
    ).all()
    cut_off = _cut_off(uow, [token.id for token in found])
    return [summary(uow, token, cut_off.get(token.id, ())) for token in found]


def _cut_off(uow: UnitOfWork, numbers: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The names of the projects that each of these tokens was cut off from."""
    rows = uow.db.execute(
        select(TokenCutOff.token_id, Project.name)
        .join(Project, Project.id == TokenCutOff.project_id)
        .where(TokenCutOff.token_id.in_(list(numbers)))
        .order_by(Project.name)
    )
    found: dict[int, tuple[str, ...]] = {}
    for number, name in rows:
        found[number] = (*found.get(number, ()), name)
    return found


def summary(uow: UnitOfWork, token: Token, cut_off: tuple[str, ...] = ()) -> TokenSummary:
    """What pages say of a token now."""
    return TokenSummary(
        id=token.id,
        label=token.label,
        prefix=token.prefix,
        project_name=token.project.name if token.project is not None else None,
        permissions=tuple(token.permissions),
        created=token.created,
        last_used=token.last_used,
        expires=token.expires,
        is_expired=token.expires is not None and token.expires <= uow.now,
        expires_soon=_expires_soon(uow, token),
        last_address=token.last_address,
        cut_off=cut_off,
    )


def _expires_soon(uow: UnitOfWork, token: Token) -> bool:
    if token.expires is None or token.expires <= uow.now:
        return False
    soon = min(_LONGEST_SOON, (token.expires - token.created) / _SOON)
    return token.expires - uow.now <= soon


def revoke(uow: UnitOfWork, user: User, token_id: int) -> Token:
    """End a token of this user at once.

    Raises:
        NotFound: the user has no such token, or it is revoked.
    """
    # Who ends it at the same time is waited for, so that one of them is told that it has ended.
    token = uow.db.get(Token, token_id, populate_existing=True, with_for_update={"of": Token})
    if token is None or token.user_id != user.id or token.revoked is not None:
        raise NotFound("There is no such token.")
    end(uow, Person(user), token)
    return token


def end(
    uow: UnitOfWork, actor: Actor, token: Token, said: str = "", act: Kind = Kind.TOKEN_REVOKE
) -> None:
    """End a token at once, and write who did so. The caller has checked that they may.

    Args:
        uow: to write in.
        actor: who ends it.
        token: which.
        said: what the line says after the name of the token, such as ``: why``.
        act: how the log calls it.
    """
    token.revoked = uow.now
    uow.db.flush()
    detail = audit.described(token) + said
    audit.write(uow, act, actor, about=token.user, project=token.project, detail=detail)


def revoke_all(uow: UnitOfWork, user: User) -> int:
    """End all tokens of this user at once; say how many there were."""
    mine = (Token.user_id == user.id, Token.revoked.is_(None))
    ended = list(uow.db.scalars(select(Token).where(*mine).order_by(Token.id).with_for_update()))
    for token in ended:
        token.revoked = uow.now
    uow.db.flush()
    if ended:
        names = ", ".join(token.prefix for token in ended)
        detail = f"{len(ended)}: {names}"
        audit.write(uow, Kind.TOKEN_REVOKE_ALL, Person(user), about=user, detail=detail)
    return len(ended)


def actor_of_token(uow: UnitOfWork, text: str) -> ApiToken:
    """The actor that a token's text stands for.

    Raises:
        NotAuthenticated: it is no token, or it is revoked or has expired. The sentence says no more
            than who has the text may know: whose it is by its beginning, that it is mistyped, which
            nobody is asked for, and that it has expired.
        AccountDisabled: the account that it stands for is.
    """
    foreign = next((start for start in _FOREIGN_STARTS if text.startswith(start)), None)
    if foreign is not None:
        raise NotAuthenticated(
            f"This is a token of another service: it begins with {foreign}, and those of this "
            f"index begin with {START}. Make one on your account page."
        )
    if not token_texts.is_well_formed(text):
        raise NotAuthenticated(_MISTYPED if text.startswith(START) else _WRONG)
    rows = run(uow.db, _TOKEN, {"prefix": prefix_of(text)}).all()
    row = rows[0] if rows else None
    # Compared also when there is no such token, so that both take the same time.
    expected = row.digest if row is not None else "0" * 64
    proven = hmac.compare_digest(digest_of(text), expected)
    if row is None or not proven:
        raise NotAuthenticated(_WRONG)
    if row.disabled is not None:
        raise AccountDisabled(row.username)
    if row.revoked is not None:
        raise NotAuthenticated(_WRONG)
    if row.expires is not None and row.expires <= uow.now:
        raise NotAuthenticated(
            f"This token expired on {row.expires:%Y-%m-%d at %H:%M} UTC: make another one on "
            "your account page."
        )
    user = TokenUser(row.user_id, row.username, row.email_verified)
    shown = ShownToken(
        row.id,
        row.prefix,
        row.label,
        user,
        row.project_id,
        tuple(row.permissions),
        row.last_used,
        row.last_address,
        frozenset(each.cut_off for each in rows if each.cut_off is not None),
        row.expires,
    )
    return ApiToken(shown)


_TOKEN = (
    select(
        Token.id,
        Token.prefix,
        Token.label,
        Token.digest,
        Token.revoked,
        Token.expires,
        Token.project_id,
        Token.permissions,
        Token.last_used,
        Token.last_address,
        Token.user_id,
        User.username,
        User.email_verified,
        User.disabled,
        TokenCutOff.project_id.label("cut_off"),
    )
    .join(User, User.id == Token.user_id)
    .outerjoin(TokenCutOff, TokenCutOff.token_id == Token.id)
    .where(Token.prefix == bindparam("prefix"))
)
