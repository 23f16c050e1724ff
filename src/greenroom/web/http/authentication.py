"""Who asks: API tokens in the Authorization header, and sessions of signed-in people."""

import base64
import hashlib
import hmac
from datetime import timedelta

from pyramid.config import Configurator
from pyramid.csrf import SessionCSRFStoragePolicy
from pyramid.request import Request as PyramidRequest
from pyramid.session import JSONSerializer, SignedCookieSessionFactory

from greenroom.counters import Counted, count
from greenroom.models import User
from greenroom.registry import accounts
from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.permissions import ANONYMOUS, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.request_notes import WHO

TOKEN_USER = "__token__"  # noqa: S105 (a user name)
INVALID = "Invalid or non-existent authentication information."
NO_PASSWORDS = (
    "Passwords cannot upload; use an API token: the user name is __token__ and the password is the "
    "token, which you make on your account page."
)

SESSION_LIFETIME = timedelta(days=14)
_SESSION_REISSUE = timedelta(hours=1)


def actor(request: PyramidRequest, uow: UnitOfWork) -> Actor:
    """The actor of the request's API token, or of its session when it sends no token.

    Raises:
        NotAuthenticated: it sends credentials that are no valid token.
    """
    if request.headers.get("Authorization") is None:
        return acting(signed_in(request, uow))
    return token_actor(request, uow)


def token_actor(request: PyramidRequest, uow: UnitOfWork) -> Actor:
    """The actor of the Authorization header: ``Basic __token__:gr_…`` or ``Bearer gr_…``.

    Raises:
        NotAuthenticated: there is no header, or it has no valid token.
    """
    header = request.headers.get("Authorization")
    try:
        token = _token(header)
        # Databases differ in what text they can be asked for; no token has any of the rest.
        if not token.isascii() or not token.isprintable():
            raise NotAuthenticated(INVALID)
        found = accounts.actor_of_token(uow, token)
    except NotAuthenticated:
        if header is not None:
            count(Counted.SIGN_IN_FAILURES, "token")
        raise
    request.environ[WHO] = accounts.prefix_of(token)
    return found


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


def signed_in(request: PyramidRequest, uow: UnitOfWork) -> User | None:
    """The user whose session this is, or nobody. A change of password ends other sessions."""
    if not has_session(request):
        return None
    user_id, stamp = request.session.get("user"), request.session.get("stamp")
    if not isinstance(user_id, int) or not isinstance(stamp, str):
        return None
    user = uow.db.get(User, user_id)
    if user is None or not hmac.compare_digest(stamp, accounts.session_stamp(user)):
        return None
    request.environ[WHO] = user.username
    return user


def acting(user: User | None) -> Actor:
    """The actor of a session in which this user, or nobody, is signed in."""
    return Person(user) if user is not None else ANONYMOUS


def has_session(request: PyramidRequest) -> bool:
    """Whether the request brings a session cookie, so that its answer may depend on one."""
    return cookie_name(request) in request.cookies


def cookie_name(request: PyramidRequest) -> str:
    """The session cookie's name."""
    name: str = request.registry.session_cookie
    return name


def sign_in(request: PyramidRequest, user: SignedIn) -> None:
    """Begin a session for this user, with nothing left of the one before."""
    request.session.invalidate()
    request.session["user"] = user.id
    request.session["stamp"] = user.stamp
    request.session.new_csrf_token()


def sign_out(request: PyramidRequest) -> None:
    """End the session."""
    request.session.invalidate()


def first_administrator_key(secret_key: str) -> str:
    """What the link that makes the first administrator carries; only the operator can know it."""
    return hmac.new(secret_key.encode(), b"first administrator", hashlib.sha256).hexdigest()[:40]


def is_first_administrator_key(secret_key: str, text: str) -> bool:
    """Whether this is that key, compared in constant time."""
    expected = first_administrator_key(secret_key).encode()
    return hmac.compare_digest(expected, text.encode("utf-8", "surrogatepass"))


def configure(config: Configurator, secret_key: str, *, secure: bool) -> None:
    """Sessions in a signed cookie, and a CSRF token with every unsafe request.

    A view may do without the CSRF token.
    """
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
            timeout=int(SESSION_LIFETIME.total_seconds()),
            max_age=int(SESSION_LIFETIME.total_seconds()),
            reissue_time=int(_SESSION_REISSUE.total_seconds()),
            serializer=JSONSerializer(),
        )
    )
    config.set_csrf_storage_policy(SessionCSRFStoragePolicy())
    config.set_default_csrf_options(require_csrf=True)
