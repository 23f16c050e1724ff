"""Who asks: API tokens in the Authorization header, and sessions of signed-in people."""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from pyramid.config import Configurator
from pyramid.csrf import SessionCSRFStoragePolicy
from pyramid.request import Request as PyramidRequest
from pyramid.session import JSONSerializer, SignedCookieSessionFactory

from greenroom.counters import Counted, count
from greenroom.registry import credentials, sessions, single_sign_on, token_texts, token_use
from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import AccountDisabled, NotAuthenticated
from greenroom.registry.kept_tokens import KeptTokens
from greenroom.registry.permissions import ANONYMOUS, Actor, Person
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork
from greenroom.request_notes import WHO
from greenroom.settings import Settings
from greenroom.web.http.late_writes import after_answer

TOKEN_USER = "__token__"  # noqa: S105 (a user name)
INVALID = "Invalid or non-existent authentication information."
_NOTES_USE = "greenroom.notes_use"
NO_PASSWORDS = (
    "Passwords cannot upload; use an API token: the user name is __token__ and the password is the "
    "token, which you make on your account page."
)

VOUCHED_USER = "greenroom.vouched_user"
"""Where the proxies' middleware says whom a trusted proxy has signed in, in the environment."""

_SECRET = "secret"  # noqa: S105 (what it is called in the cookie)
_PENDING = "pending"
_PENDING_FOR = timedelta(minutes=10)
_CHALLENGE = "challenge"
_CHALLENGE_GIVEN_FOR = timedelta(minutes=5)
_CHALLENGE_TAKEN_FOR = timedelta(minutes=15)
_REISSUE = timedelta(hours=1)


def token_actor(request: PyramidRequest, uow: UnitOfWork) -> Actor:
    """The actor of the Authorization header: ``Basic __token__:gr_…`` or ``Bearer gr_…``.

    Raises:
        NotAuthenticated: there is no header, or it has no valid token.
        AccountDisabled: the account of the token is.
    """
    found, token = _found(request, lambda token: credentials.actor_of(uow, token))
    _note_use(request, uow, found, token)
    return found


def reading_token(request: PyramidRequest, kept: KeptTokens, services: Services) -> Actor:
    """The actor of the Authorization header, for a request that only reads.

    Raises:
        NotAuthenticated: there is no header, or it has no valid token.
        AccountDisabled: the account of the token is.
    """
    return _found(request, lambda token: kept.find(services, token))[0]


def known_token(request: PyramidRequest, kept: KeptTokens, services: Services) -> Actor:
    """The actor of the Authorization header, for an answer that is the same for everybody.

    Nobody, where there is none, or no valid token in it.
    """
    try:
        return _looked_up(request, lambda token: kept.find(services, token))[0]
    except (NotAuthenticated, AccountDisabled):
        return ANONYMOUS


def _found(request: PyramidRequest, find: Callable[[str], Actor]) -> tuple[Actor, str]:
    """The actor of the token in the header, and the token."""
    try:
        return _looked_up(request, find)
    except (NotAuthenticated, AccountDisabled):
        if request.headers.get("Authorization") is not None:
            count(Counted.SIGN_IN_FAILURES, "token")
        raise


def _looked_up(request: PyramidRequest, find: Callable[[str], Actor]) -> tuple[Actor, str]:
    token = _token(request.headers.get("Authorization"))
    # Databases differ in what text they can be asked for; no token has any of the rest.
    if not token.isascii() or not token.isprintable():
        raise NotAuthenticated(INVALID)
    found = find(token)
    request.environ[WHO] = token_texts.prefix_of(token)
    return found, token


def _note_use(request: PyramidRequest, uow: UnitOfWork, found: Actor, token: str) -> None:
    """See that the use of a token is written down, where it is not already.

    What the request writes has it in the same transaction. What only reads, or is refused, has it
    in one of its own when the answer is made.
    """
    if found.is_use_known(uow):
        return
    if uow.may_write:
        found.used(uow)
    if _NOTES_USE not in request.environ:
        request.environ[_NOTES_USE] = True
        after_answer(request, lambda uow: token_use.note(uow, token))


def _token(header: str | None) -> str:
    scheme, _, rest = (header or "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        raise NotAuthenticated(INVALID)
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode()
    except ValueError:  # no base64, not even ASCII, or no UTF-8 behind it
        raise NotAuthenticated(INVALID) from None
    user, colon, password = text.partition(":")
    if not colon:
        raise NotAuthenticated(INVALID)
    if user != TOKEN_USER:
        raise NotAuthenticated(NO_PASSWORDS)
    return password.strip()


def signed_in(request: PyramidRequest, uow: UnitOfWork) -> Person | None:
    """The person whose session this is, or nobody; nor while a trusted proxy says another name."""
    secret = _secret(request)
    person = sessions.find(uow, secret) if secret is not None else None
    vouched = request.environ.get(VOUCHED_USER)
    if person is not None and not single_sign_on.may_be(uow, person, vouched):
        return None
    if person is not None:
        request.environ[WHO] = person.name
    return person


def _secret(request: PyramidRequest) -> str | None:
    secret = request.session.get(_SECRET) if has_session(request) else None
    return secret if isinstance(secret, str) else None


def has_session(request: PyramidRequest) -> bool:
    """Whether the request brings a session cookie, so that its answer may depend on one."""
    return cookie_name(request) in request.cookies


def cookie_name(request: PyramidRequest) -> str:
    """The session cookie's name."""
    name: str = request.registry.session_cookie
    return name


def sign_in(request: PyramidRequest, uow: UnitOfWork, user: SignedIn) -> None:
    """Begin a session for this user, with nothing left of the one before.

    Raises:
        NotAuthenticated: the account is not any more what it was when it signed in.
        SecondFactorNeeded: the person has a second factor, which was not shown.
    """
    go_on(request, sessions.begin(uow, user, browser(request)))


def browser(request: PyramidRequest) -> sessions.Browser:
    """What the request comes from."""
    return sessions.Browser(request.headers.get("User-Agent", ""), _secret(request))


def go_on(request: PyramidRequest, secret: str) -> None:
    """Go on with a session that has just begun, with nothing left of the one before."""
    request.session.invalidate()
    renew(request, secret)


def begin_second_step(request: PyramidRequest, user: SignedIn, now: datetime) -> None:
    """Remember for some minutes who has shown the password. It opens nothing but the next step."""
    request.session.invalidate()
    request.session[_PENDING] = [user.id, user.username, user.stamp, int(now.timestamp())]
    request.session.new_csrf_token()


def pending(request: PyramidRequest, now: datetime) -> SignedIn | None:
    """Who has shown the password in this browser, and has another step to go."""
    found = request.session.get(_PENDING)
    if not isinstance(found, list) or len(found) != 4:
        return None
    number, username, stamp, since = found
    age = timedelta(seconds=now.timestamp() - since)
    return SignedIn(number, username, stamp) if -AT_ONCE <= age < _PENDING_FOR else None


def challenge(request: PyramidRequest, now: datetime) -> bytes:
    """What a passkey is to sign in this browser; for some minutes it stays the same."""
    found = _challenge(request, now, _CHALLENGE_GIVEN_FOR)
    if found is not None:
        return found
    made = secrets.token_bytes(32)
    request.session[_CHALLENGE] = [made.hex(), int(now.timestamp())]
    return made


def given_challenge(request: PyramidRequest, now: datetime) -> bytes:
    """What a passkey was to sign; nothing where that is too long ago, or was never asked."""
    return _challenge(request, now, _CHALLENGE_TAKEN_FOR) or b""


def _challenge(request: PyramidRequest, now: datetime, longest: timedelta) -> bytes | None:
    found = request.session.get(_CHALLENGE)
    if not isinstance(found, list) or len(found) != 2:
        return None
    text, since = found
    age = timedelta(seconds=now.timestamp() - since)
    return bytes.fromhex(text) if -AT_ONCE <= age < longest else None


def renew(request: PyramidRequest, secret: str) -> None:
    """Go on with the session that has this secret by now."""
    request.session[_SECRET] = secret
    request.session.pop(_CHALLENGE, None)
    request.session.new_csrf_token()


def sign_out(request: PyramidRequest) -> None:
    """Let the browser forget the session; :func:`sessions.sign_out` ends it."""
    request.session.invalidate()


def configure(config: Configurator, settings: Settings, secret_key: str) -> None:
    """A signed cookie, with what finds the session, and a CSRF token with every unsafe request.

    A view may do without the CSRF token.
    """
    secure = (settings.url or "").startswith("https://")
    idle = settings.session_idle
    name = "__Host-greenroom" if secure else "greenroom"
    config.registry.session_cookie = name
    config.registry.secret_key = secret_key
    config.set_session_factory(
        SignedCookieSessionFactory(
            secret_key,
            cookie_name=name,
            httponly=True,
            samesite="Lax",
            secure=secure,
            timeout=int(idle.total_seconds()),
            max_age=int(idle.total_seconds()),
            reissue_time=int(min(_REISSUE, idle / 4).total_seconds()),
            serializer=JSONSerializer(),
        )
    )
    config.set_csrf_storage_policy(SessionCSRFStoragePolicy())
    config.set_default_csrf_options(require_csrf=True)
