"""People: accounts, passwords, signing in; and their API tokens.

To hash a password takes long on purpose. What does it takes the services, and holds no transaction
meanwhile.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

import argon2
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session, selectinload

from greenroom.database import run
from greenroom.models import Attempt, Project, Token, User
from greenroom.registry import audit, password_turns, projects, sign_in_failures
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooMany,
)
from greenroom.registry.names import is_username
from greenroom.registry.permissions import (
    NO_USERS,
    TOKEN_PERMISSIONS,
    Actor,
    ApiToken,
    Person,
    ShownToken,
    TokenUser,
)
from greenroom.registry.random_text import random_text
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000
LONGEST_LABEL = 100

TOKEN_START = "gr_"  # noqa: S105 (what tokens look like, not one of them)
_PREFIX_LENGTH = len(TOKEN_START) + 8

# Sign-in: failures that are allowed, and for how long they count.
FAILURES_PER_ACCOUNT_AND_ADDRESS = 10
FAILURES_PER_ADDRESS = 50
FAILURES_COUNT_FOR = timedelta(minutes=5)

# Registering, where anyone may: new accounts from one address, and for how long they count.
REGISTRATIONS_PER_ADDRESS = 10
REGISTRATIONS_COUNT_FOR = timedelta(hours=1)
_REGISTRATION = sign_in_failures.REGISTRATION

_WRONG_CURRENT = "The current password is wrong."
_WRONG = "Invalid or non-existent authentication information."

# How the tokens of other services begin that publish packages, or run the jobs that do.
_FOREIGN_STARTS = ("pypi-", "ghp_", "ghs_", "github_pat_", "glpat-", "gldt-", "glcbt-")


@dataclass(frozen=True, slots=True)
class UserSummary:
    """What pages say of an account.

    Attributes:
        id: what forms name it by.
        email_verified: whether an administrator has vouched for it.
        created: since when it is here.
    """

    id: int
    username: str
    email: str
    email_verified: bool
    is_administrator: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """What pages say of an API token that is not revoked.

    Attributes:
        id: what forms name it by.
        prefix: the beginning of its text, which is no secret.
        project_name: the one project that it is for, None where it is for all of its user's.
        last_used: to the minute; None where it never was.
        expires: None where it lives for ever.
        is_expired: whether it has fallen due by now.
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


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account begins with, all of which does; :func:`prepared` makes it."""

    username: str
    email: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who may have a session.

    Attributes:
        id: of the account.
        stamp: see :func:`session_stamp`.
    """

    id: int
    username: str
    stamp: str


def prepared(username: str, email: str, password: str) -> NewAccount:
    """What :func:`create_user` takes. To hash a password takes long: call it in no unit of work.

    Raises:
        InvalidRequest: name, address or password do not do.
        TooMany: too many passwords are worked on just now.
    """
    _check_account(username, email, password)
    with password_turns.turn():
        return NewAccount(username, email, _hashed(password))


def create_user(
    uow: UnitOfWork,
    account: NewAccount,
    *,
    administrator: bool = False,
    verified: bool = False,
    by: Actor | None = None,
) -> User:
    """A new account, made by somebody, or by whose it is.

    Raises:
        InvalidRequest: the name is taken.
    """
    uow.lock("users")
    _check_not_taken(uow, account.username)
    user = User(
        username=account.username,
        normalized_username=account.username.lower(),
        email=account.email,
        email_verified=verified,
        password_hash=account.password_hash,
        is_administrator=administrator,
        created=uow.now,
    )
    uow.db.add(user)
    uow.db.flush()
    detail = "an administrator" if administrator else ""
    audit.write(uow, Kind.USER_CREATE, by or Person(user), about=user, detail=detail)
    return user


def _check_account(username: str, email: str, password: str) -> None:
    problems = [
        *_username_problems(username),
        *_email_problems(email),
        *password_problems(password),
    ]
    if problems:
        raise InvalidRequest(problems[0], problems)


def _check_not_taken(uow: UnitOfWork, username: str) -> None:
    if find_user(uow.db, username) is not None:
        raise InvalidRequest(f"The user name {username!r} is taken: choose another one.")


def register(
    services: Services, username: str, email: str, password: str, address: str
) -> SignedIn:
    """A new account of somebody who comes from this address.

    It counts before it is made, so that many at once count like many in a row.

    Raises:
        TooMany: too many accounts were registered from there of late.
        InvalidRequest: name, address or password do not do, or the name is taken. It does not count
            then.
    """
    with services.writing() as uow:
        attempt = _count_registration(uow, username, email, password, address)
    try:
        account = prepared(username, email, password)
        with services.writing() as uow:
            return _signed_in(create_user(uow, account))
    except InvalidRequest:
        with services.writing() as uow:
            _forget_attempt(uow, attempt)
        raise


def _count_registration(
    uow: UnitOfWork, username: str, email: str, password: str, address: str
) -> int:
    uow.lock(f"registration:{address}")
    wait = waiting_time(
        uow,
        Attempt.at,
        Attempt.address == address,
        Attempt.account == _REGISTRATION,
        limit=REGISTRATIONS_PER_ADDRESS,
        within=REGISTRATIONS_COUNT_FOR,
    )
    if wait is not None:
        raise TooMany(
            f"{REGISTRATIONS_PER_ADDRESS} accounts were registered from your address within an "
            "hour, as many as this index allows: wait before you register the next one.",
            wait,
        )
    _check_account(username, email, password)
    _check_not_taken(uow, username)
    return _count(uow, _REGISTRATION, address)


def create_first_administrator(
    services: Services, username: str, email: str, password: str
) -> SignedIn:
    """The first account, an administrator's; possible for as long as there is no other account.

    Raises:
        NotFound: there is one.
        InvalidRequest: name, address or password do not do.
        TooMany: too many passwords are worked on just now.
    """
    with services.reading() as uow:
        _check_empty(uow)
    account = prepared(username, email, password)
    with services.writing() as uow:
        uow.lock("users")
        _check_empty(uow)
        return _signed_in(create_user(uow, account, administrator=True, verified=True))


def _check_empty(uow: UnitOfWork) -> None:
    if not is_empty(uow.db):
        raise NotFound("This index has an administrator: sign in instead.")


def is_empty(db: Session) -> bool:
    """Whether there is no account yet."""
    return db.scalar(select(User.id).limit(1)) is None


def find_user(db: Session, username: str) -> User | None:
    """The account of this name, in any letter case."""
    if not is_username(username):
        return None
    return db.scalar(select(User).where(User.normalized_username == username.lower()))


def get_user(db: Session, username: str) -> User:
    """The account of this name.

    Raises:
        NotFound: there is none.
    """
    user = find_user(db, username)
    if user is None:
        raise NotFound(f"There is no user {username!r}.")
    return user


def users(db: Session, *, start: int, count: int) -> list[UserSummary]:
    """Some of the accounts: those who wait to be verified first, then the newest."""
    found = db.scalars(
        select(User).order_by(User.email_verified, User.id.desc()).offset(start).limit(count)
    )
    return [summary(user) for user in found]


def summary(user: User) -> UserSummary:
    """What pages say of an account."""
    return UserSummary(
        id=user.id,
        username=user.username,
        email=user.email,
        email_verified=user.email_verified,
        is_administrator=user.is_administrator,
        created=user.created,
    )


def count_users(db: Session) -> int:
    """How many accounts there are."""
    return db.scalar(select(func.count()).select_from(User)) or 0


def verify_user(uow: UnitOfWork, actor: Actor, user_id: int) -> User:
    """Vouch for a user, who may then register project names. To do it again changes nothing.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such user.
    """
    if not actor.is_administrator:
        raise NotAllowed("Only administrators of this index verify users.")
    user = uow.db.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    if not user.email_verified:
        user.email_verified = True
        uow.db.flush()
        audit.write(uow, Kind.USER_VERIFY, actor, about=user)
    return user


def sign_in(services: Services, username: str, password: str, address: str) -> SignedIn | None:
    """Whose account name and password open, or None, which is counted against the address.

    It takes the same time whether or not the account exists. An attempt counts as a failure until
    it is none, so that many at once count like many in a row.

    Raises:
        TooMany: too many failures from this address, or for this account from this address; or too
            many sign in just now, which counts for nobody.
    """
    with password_turns.turn():
        return _sign_in(services, username, password, address)


def _sign_in(services: Services, username: str, password: str, address: str) -> SignedIn | None:
    account = username.lower() if is_username(username) else ""
    with services.writing() as uow:
        uow.lock(f"sign-in:{address}")
        _check_failures(uow, account, address)
        attempt = _count(uow, account, address)
        user = find_user(uow.db, username)
        found = (user.id, user.password_hash) if user is not None else None
    if found is None:
        _verify(_dummy_hash(), password)
        _record_failure(services, account, address)
        return None
    user_id, password_hash = found
    if not _verify(password_hash, password):
        _record_failure(services, account, address)
        return None
    is_outdated = _hasher().check_needs_rehash(password_hash)
    renewed = _hashed(password) if is_outdated else password_hash
    with services.writing() as uow:
        user = uow.db.get(User, user_id)
        if user is not None and user.password_hash == password_hash:
            user.password_hash = renewed
            _forget_attempt(uow, attempt)
            audit.write(uow, Kind.SIGN_IN, Person(user), about=user)
            return _signed_in(user)
    _record_failure(services, account, address)  # the password was changed just now
    return None


def _record_failure(services: Services, account: str, address: str) -> None:
    with services.writing() as uow:
        sign_in_failures.record(uow, account, address)


def sign_out(uow: UnitOfWork, user: User) -> None:
    """Write down that a person has ended a session."""
    audit.write(uow, Kind.SIGN_OUT, Person(user), about=user)


def change_password(services: Services, user_id: int, current: str, new: str) -> SignedIn:
    """Another password; every session of the account but the one that asked ends with the old one.

    Raises:
        InvalidRequest: the current one is wrong, or the new one does not do.
        TooMany: too many passwords are worked on just now.
    """
    with password_turns.turn():
        return _change_password(services, user_id, current, new)


def _change_password(services: Services, user_id: int, current: str, new: str) -> SignedIn:
    with services.reading() as uow:
        password_hash = uow.db.get_one(User, user_id).password_hash
    if not _verify(password_hash, current):
        raise InvalidRequest(_WRONG_CURRENT)
    problems = password_problems(new)
    if problems:
        raise InvalidRequest(problems[0], problems)
    new_hash = _hashed(new)
    with services.writing() as uow:
        user = uow.db.get_one(User, user_id)
        if user.password_hash != password_hash:  # it was changed just now
            raise InvalidRequest(_WRONG_CURRENT)
        user.password_hash = new_hash
        uow.db.flush()
        audit.write(uow, Kind.PASSWORD_CHANGE, Person(user), about=user)
        return _signed_in(user)


def _signed_in(user: User) -> SignedIn:
    return SignedIn(user.id, user.username, session_stamp(user))


def _count(uow: UnitOfWork, account: str, address: str) -> int:
    attempt = Attempt(account=account, address=address, at=uow.now)
    uow.db.add(attempt)
    uow.db.flush()
    return attempt.id


def _forget_attempt(uow: UnitOfWork, attempt: int) -> None:
    uow.db.execute(delete(Attempt).where(Attempt.id == attempt))


def session_stamp(user: User) -> str:
    """What a session cookie carries to prove that the password has not changed since."""
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:32]


def password_problems(password: str) -> list[str]:
    """Why a password does not do, empty when it does."""
    if len(password) < SHORTEST_PASSWORD:
        return [f"The password is too short: use at least {SHORTEST_PASSWORD} characters."]
    if len(password) > LONGEST_PASSWORD:
        return [f"The password is too long: use at most {LONGEST_PASSWORD} characters."]
    return []


def create_token(
    uow: UnitOfWork,
    user: User,
    label: str,
    *,
    project: Project | None = None,
    permissions: Iterable[str],
    expires_in: timedelta | None = None,
    by: Actor | None = None,
) -> tuple[Token, str]:
    """A new API token, and its text, which nobody can show again.

    It is made by somebody, or by whose it is.

    Raises:
        InvalidRequest: the label, the permissions or the time do not do.
        NotFound: the user has no part in the project.
    """
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
    text = TOKEN_START + random_text(48)
    token = Token(
        user=user,
        project_id=project.id if project is not None else None,
        label=label.strip(),
        prefix=text[:_PREFIX_LENGTH],
        digest=_token_digest(text),
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


def tokens_of(uow: UnitOfWork, user: User) -> list[TokenSummary]:
    """The user's tokens that are not revoked, newest first.

    The token of a project that only a draft held goes with it.
    """
    has_a_purpose = Token.project_id.is_(None) | Token.project.has(projects.is_taken(uow))
    found = uow.db.scalars(
        select(Token)
        .where(Token.user_id == user.id, Token.revoked.is_(None), has_a_purpose)
        .options(selectinload(Token.project))
        .order_by(Token.id.desc())
    )
    return [token_summary(uow, token) for token in found]


def token_summary(uow: UnitOfWork, token: Token) -> TokenSummary:
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
    )


def revoke_token(uow: UnitOfWork, user: User, token_id: int) -> Token:
    """End a token of this user at once.

    Raises:
        NotFound: the user has no such token, or it is revoked.
    """
    token = uow.db.get(Token, token_id)
    if token is None or token.user_id != user.id or token.revoked is not None:
        raise NotFound("There is no such token.")
    token.revoked = uow.now
    uow.db.flush()
    detail = audit.described(token)
    audit.write(
        uow, Kind.TOKEN_REVOKE, Person(user), about=user, project=token.project, detail=detail
    )
    return token


def prefix_of(text: str) -> str:
    """The beginning of a token, which finds it and is no secret."""
    return text[:_PREFIX_LENGTH]


def actor_of_token(uow: UnitOfWork, text: str) -> ApiToken:
    """The actor that a token's text stands for.

    Raises:
        NotAuthenticated: it is no token, or it is revoked or has expired. The sentence says no more
            than who has the text may know: whose it is by its beginning, and that it has expired.
    """
    foreign = next((start for start in _FOREIGN_STARTS if text.startswith(start)), None)
    if foreign is not None:
        raise NotAuthenticated(
            f"This is a token of another service: it begins with {foreign}, and those of this "
            f"index begin with {TOKEN_START}. Make one on your account page."
        )
    prefix = text[:_PREFIX_LENGTH] if text.isascii() and text.isprintable() else ""
    row = run(uow.db, _TOKEN, {"prefix": prefix}).one_or_none()
    # Compared also when there is no such token, so that both take the same time.
    expected = row.digest if row is not None else "0" * 64
    proven = hmac.compare_digest(_token_digest(text), expected)
    if row is None or not proven or row.revoked is not None:
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
    )
    .join(User, User.id == Token.user_id)
    .where(Token.prefix == bindparam("prefix"))
)


def forget_old_attempts(uow: UnitOfWork) -> int:
    """Delete failed sign-ins and registrations that no longer count; say how many there were.

    Failures that the audit log does not have yet come into it.
    """
    failed = (Attempt.account != _REGISTRATION) & (Attempt.at <= uow.now - FAILURES_COUNT_FOR)
    sign_in_failures.record_rest(uow, failed)
    old = Attempt.at <= uow.now - REGISTRATIONS_COUNT_FOR
    deleted = uow.db.execute(delete(Attempt).where(failed | old).returning(Attempt.id))
    return len(deleted.all())


def _token_digest(text: str) -> str:
    # 48 random letters and digits cannot be guessed, so that a fast hash is enough.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Hasher:
    """Argon2 in threads that give way to others: people who sign in can wait, requests cannot."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher()

    def hash(self, password: str) -> str:
        return password_turns.in_background(partial(self._argon2.hash, password))

    def verify(self, password_hash: str, password: str) -> bool:
        return password_turns.in_background(partial(self._argon2.verify, password_hash, password))

    def check_needs_rehash(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)


@cache
def _hasher() -> _Hasher:
    return _Hasher()


@cache
def _dummy_hash() -> str:
    return _hashed(secrets.token_hex())


def _hashed(password: str) -> str:
    return _hasher().hash(password)


def _verify(password_hash: str, password: str) -> bool:
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return _hasher().verify(password_hash, password)
    except argon2.exceptions.Argon2Error:
        return False


def _username_problems(username: str) -> list[str]:
    if username.lower() in NO_USERS:
        return [f"{username!r} stands for the index itself: choose another user name."]
    if is_username(username):
        return []
    return [
        "A user name has 1 to 50 ASCII letters and digits, and '.', '_' or '-' between them; "
        f"{username[:60]!r} has not."
    ]


def _email_problems(email: str) -> list[str]:
    name, _, domain = email.rpartition("@")
    fine = name and domain and len(email) <= 254 and email.isprintable() and " " not in email
    return [] if fine else [f"{email[:60]!r} is not an e-mail address."]


def _check_failures(uow: UnitOfWork, account: str, address: str) -> None:
    since = uow.now - FAILURES_COUNT_FOR
    recent = (
        Attempt.address == address,
        Attempt.at > since,
        Attempt.at <= uow.now + AT_ONCE,
        Attempt.account != _REGISTRATION,
    )
    of_address, of_account, oldest = uow.db.execute(
        select(
            func.count(),
            func.count().filter(Attempt.account == account),
            func.min(Attempt.at),
        ).where(*recent)
    ).one()
    if of_address >= FAILURES_PER_ADDRESS or of_account >= FAILURES_PER_ACCOUNT_AND_ADDRESS:
        raise TooMany(
            "Too many failed sign-ins: wait a few minutes before you try again.",
            max(oldest - since, timedelta(seconds=1)),
        )
