"""Signing in with an identity provider: to it, and back.

What a sign-in began with is in a cookie of ten minutes, signed, that only this browser has. The
redirection back changes something with GET, as OpenID Connect has it: the state that it brings must
be that of the cookie, and each sign-in is taken once.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import asdict
from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.view import view_config
from webob.cookies import SignedSerializer

from greenroom.counters import Counted, count
from greenroom.openid import authorization
from greenroom.openid.authorization import Begun, Client
from greenroom.openid.errors import InvalidToken
from greenroom.openid.provider import Provider
from greenroom.registry import attempts, failed_attempts, sessions, single_sign_on
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.errors import NotAllowed, NotAuthenticated
from greenroom.registry.permissions import ShownSession
from greenroom.registry.single_sign_on import Profile
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http import authentication
from greenroom.web.http.coming_back import is_local
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account import cookies, devices
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.account.sign_in_elsewhere import begin_session
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.redirects import (
    local_next,
    see_other,
    signed_in_or_sign_in,
)

_COOKIE = "sign-in"
_LIFETIME = timedelta(minutes=10)
_SIGN_IN, _CONFIRM, _LINK = "sign-in", "confirm", "link"
_NOT_BEGUN = (
    "This sign-in was not begun in this browser, or too long ago, or it is over: begin it again."
)


class _Kept(Struct, frozen=True):
    """What the browser keeps of a sign-in that it has begun.

    Attributes:
        what_for: to sign in, to confirm who one is, or to link an account.
        next: where to go then, empty where that is for us to say.
        at: when it was begun, in seconds.
    """

    state: str
    nonce: str
    verifier: str
    what_for: str
    next: str
    at: float

    @property
    def begun(self) -> Begun:
        """As the flow knows it."""
        return Begun(self.state, self.nonce, self.verifier)


@view_config(context=Account, name="single-sign-on", request_method="GET")
def begin(context: Account, request: Request) -> HTTPSeeOther:
    """Send the browser to the identity provider, to sign in or to confirm who one is."""
    what_for = query_value(request, "for") or _SIGN_IN
    if what_for not in (_SIGN_IN, _CONFIRM):
        raise HTTPNotFound
    _provider(request)
    if what_for == _CONFIRM:
        signed_in_or_sign_in(request)
        request.give_up_unit_of_work()
    return see_other(request, _address(request, what_for, local_next(request) or ""))


@view_config(
    context=Account,
    name="single-sign-on-link",
    request_method="POST",
    renderer="pages/account/link_identity.jinja2",
    needs_confirmation=(),
)
def begin_linking(context: Account, request: Request) -> View:
    """A page with a link to the identity provider: what a form is answered with stays here."""
    never_cache(request)
    _provider(request)
    signed_in_or_sign_in(request)
    request.give_up_unit_of_work()
    return {"address": _address(request, _LINK, "")}


@view_config(
    context=Account, name="single-sign-on-unlink", request_method="POST", needs_confirmation=()
)
def unlink(context: Account, request: Request) -> HTTPSeeOther:
    """Let the account be opened by its password alone."""
    person = signed_in_or_sign_in(request)
    single_sign_on.unlink(request.uow, person)
    notice = "Single sign-on does not open your account any more."
    return see_other(request, request.paths.account(), notice)


@view_config(context=Account, name="single-sign-on-return", request_method="GET")
def come_back(context: Account, request: Request) -> HTTPSeeOther:
    """Begin a session, confirm one, or link the account, as the browser has set out to."""
    provider = _provider(request)
    session = _session_of(request)
    request.give_up_unit_of_work()
    kept = _kept(request)
    cookies.drop(request, _COOKIE)
    try:
        if kept is None:
            raise InvalidToken(_NOT_BEGUN)
        attempt, profile = _profile(request, provider, kept)
    except InvalidToken as error:
        count(Counted.SIGN_IN_FAILURES, "single-sign-on")
        raise NotAllowed(str(error)) from None
    with devices.services(request).writing() as uow:
        attempts.forget(uow, attempt)
        single_sign_on.use_up(uow, profile, kept.nonce)
        if kept.what_for == _SIGN_IN:
            user = single_sign_on.sign_in(uow, profile)
        else:
            return _in_session(request, uow, session, kept, profile)
    return begin_session(request, user, _next(kept) or request.paths.managed_projects())


def _in_session(
    request: Request,
    uow: UnitOfWork,
    session: ShownSession | None,
    kept: _Kept,
    profile: Profile,
) -> HTTPSeeOther:
    """Link the account of who is signed in, or confirm that it is its person."""
    if session is None:
        raise NotAuthenticated("You are not signed in any more: sign in again.")
    person = sessions.get(uow, session.id)
    if kept.what_for == _LINK:
        single_sign_on.link(uow, person, profile)
        notice = "Single sign-on opens your account from now on."
        return see_other(request, request.paths.account(), notice)
    single_sign_on.check_is(uow, person, profile)
    authentication.renew(request, sessions.confirm(uow, person, session))
    return see_other(request, _next(kept) or request.paths.account())


def _profile(request: Request, provider: Provider, kept: _Kept) -> tuple[int, Profile]:
    """Who has signed in there, which is counted as a failure until it is none."""
    services, address, now = request.services, request.address, request.services.clock()
    with services.writing() as uow:
        attempt = attempts.begin(uow, Purpose.SINGLE_SIGN_ON, "", address)
    names = ("state", "code", "iss", "error")
    answer = {name: value for name in names if (value := query_value(request, name)) is not None}
    within = single_sign_on.CONFIRMED_WITHIN if kept.what_for == _CONFIRM else None
    try:
        code = authorization.check_answer(provider, kept.begun, answer, now)
        client = _client(request)
        token = authorization.redeem(provider, client, kept.begun, code, now, within=within)
    except InvalidToken:
        with services.writing() as uow:
            failed_attempts.record(uow, Purpose.SINGLE_SIGN_ON, "", address)
        raise
    return attempt, single_sign_on.profile_of(services.settings, token)


def _provider(request: Request) -> Provider:
    issuer = single_sign_on.issuer(request.services.settings)
    if issuer is None:
        raise HTTPNotFound
    return request.services.providers.of(issuer)


def _client(request: Request) -> Client:
    return_to = request.urls.account("single-sign-on-return")
    return single_sign_on.client(request.services.settings, return_to)


def _session_of(request: Request) -> ShownSession | None:
    person = request.signed_in
    return person.session if person is not None else None


def _address(request: Request, what_for: str, next_path: str) -> str:
    """Where the browser is to go; what it begins with is in a cookie."""
    now = request.services.clock()
    begun = authorization.begin()
    url = authorization.address(
        _provider(request), _client(request), begun, now, anew=what_for == _CONFIRM
    )
    kept = _Kept(begun.state, begun.nonce, begun.verifier, what_for, next_path, now.timestamp())
    cookies.keep(request, _COOKIE, _signed(request).dumps(asdict(kept)).decode(), _LIFETIME)
    return url


def _kept(request: Request) -> _Kept | None:
    """What the browser has kept of a sign-in, None where it is nothing of ours, or too old."""
    text = cookies.sent(request, _COOKIE)
    try:
        kept = _Kept(**_signed(request).loads(text.encode("ascii")))
    except (ValueError, TypeError):
        return None
    return kept if _is_young(kept, request.services.clock()) else None


def _is_young(kept: _Kept, now: datetime) -> bool:
    return 0 <= now.timestamp() - kept.at < _LIFETIME.total_seconds()


def _signed(request: Request) -> SignedSerializer:
    secret_key: str = request.registry.secret_key
    return SignedSerializer(secret_key, "single sign-on")


def _next(kept: _Kept) -> str | None:
    return kept.next if is_local(kept.next) else None
