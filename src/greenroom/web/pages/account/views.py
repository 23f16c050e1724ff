"""``/account/…``: signing in and out, registering, and the account itself."""

from typing import TypeAlias

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.view import view_config

from greenroom.counters import Counted, count
from greenroom.registry import accounts
from greenroom.registry.audit_reading import LinePage, Place, Wanted, of_person
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account.forms import ChangePasswordForm, RegisterForm, SignInForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.audit_lines import audit_page
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import invalid, refused
from greenroom.web.pages.redirects import is_local, see_other, user_or_sign_in

View: TypeAlias = dict[str, object] | HTTPSeeOther

_WRONG = "User name or password are wrong."


@view_config(context=Account, request_method="GET", renderer="pages/account/account.jinja2")
def account(context: Account, request: Request) -> View:
    """Who you are."""
    user_or_sign_in(request)
    never_cache(request)
    return {"form": ChangePasswordForm()}


@view_config(
    context=Account, name="audit", request_method="GET", renderer="pages/account/audit.jinja2"
)
def activity(context: Account, request: Request) -> View:
    """What you did, and what was done to your account."""
    user = user_or_sign_in(request)

    def fetch(wanted: Wanted, place: Place | None, most: int) -> LinePage:
        return of_person(request.uow, user, wanted, place, most)

    return audit_page(request, request.paths.account("audit"), fetch, has_person=False)


@view_config(
    context=Account, name="password", request_method="POST", renderer="pages/account/account.jinja2"
)
def change_password(context: Account, request: Request) -> View:
    """Another password. The session that asked goes on; every other one ends."""
    user = user_or_sign_in(request)
    never_cache(request)
    form = ChangePasswordForm(request.POST)
    if not form.validate():
        return invalid(request, {"form": form})
    user_id = user.id
    request.give_up_unit_of_work()
    try:
        signed_in = accounts.change_password(
            request.services, user_id, form.current.data or "", form.new.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, {"form": form}, form, refusal)
    authentication.sign_in(request, signed_in)
    notice = "Your password is changed. Every other session of yours has ended."
    return see_other(request, request.paths.account(), notice)


@view_config(
    context=Account, name="login", request_method="GET", renderer="pages/account/sign_in.jinja2"
)
def sign_in_page(context: Account, request: Request) -> View:
    """Ask for name and password."""
    never_cache(request)
    if request.user is not None:
        return see_other(request, _next(request))
    return {"form": SignInForm(), "next": query_value(request, "next")}


@view_config(
    context=Account, name="login", request_method="POST", renderer="pages/account/sign_in.jinja2"
)
def sign_in(context: Account, request: Request) -> View:
    """Begin a session, or count the failure against the address."""
    never_cache(request)
    form = SignInForm(request.POST)
    page = {"form": form, "next": query_value(request, "next")}
    if not form.validate():
        return invalid(request, page)
    user = accounts.sign_in(
        request.services,
        form.username.data or "",
        form.password.data or "",
        _address(request),
    )
    if user is None:
        count(Counted.SIGN_IN_FAILURES, "password")
        form.form_errors.append(_WRONG)
        return invalid(request, page, status=403)
    authentication.sign_in(request, user)
    return see_other(request, _next(request))


@view_config(context=Account, name="logout", request_method="POST")
def sign_out(context: Account, request: Request) -> View:
    """End the session."""
    if request.user is not None:
        accounts.sign_out(request.uow, request.user)
    authentication.sign_out(request)
    return see_other(request, request.paths.home())


@view_config(
    context=Account, name="register", request_method="GET", renderer="pages/account/register.jinja2"
)
def register_page(context: Account, request: Request) -> View:
    """Ask for what an account needs, where anyone may have one."""
    _check_registration_open(request)
    never_cache(request)
    return {"form": RegisterForm()}


@view_config(
    context=Account,
    name="register",
    request_method="POST",
    renderer="pages/account/register.jinja2",
)
def register(context: Account, request: Request) -> View:
    """A new account, which an administrator has yet to verify, and a session for it."""
    _check_registration_open(request)
    never_cache(request)
    form = RegisterForm(request.POST)
    if not form.validate():
        return invalid(request, {"form": form})
    try:
        user = accounts.register(request.services, *_chosen(form), _address(request))
    except InvalidRequest as refusal:
        return refused(request, {"form": form}, form, refusal)
    authentication.sign_in(request, user)
    return see_other(request, request.paths.account(), f"Welcome, {user.username}.")


@view_config(
    context=Account,
    name="first-administrator",
    request_method="GET",
    renderer="pages/account/first_administrator.jinja2",
)
def first_administrator_page(context: Account, request: Request) -> View:
    """Ask for the first account, whoever has the link that the server printed."""
    key = _checked_key(request)
    never_cache(request)
    return {"form": RegisterForm(), "key": key}


@view_config(
    context=Account,
    name="first-administrator",
    request_method="POST",
    renderer="pages/account/first_administrator.jinja2",
)
def first_administrator(context: Account, request: Request) -> View:
    """The first account, an administrator's, and a session for it."""
    key = _checked_key(request)
    never_cache(request)
    form = RegisterForm(request.POST)
    if not form.validate():
        return invalid(request, {"form": form, "key": key})
    request.give_up_unit_of_work()
    try:
        user = accounts.create_first_administrator(request.services, *_chosen(form))
    except InvalidRequest as refusal:
        return refused(request, {"form": form, "key": key}, form, refusal)
    authentication.sign_in(request, user)
    notice = f"Welcome, {user.username}. You are the administrator of this index."
    return see_other(request, request.paths.account(), notice)


def _next(request: Request) -> str:
    """Where to go after signing in: where one came from, if that is on this site."""
    path = query_value(request, "next")
    if path is None or not is_local(path):
        return request.paths.managed_projects()
    return path


def _address(request: Request) -> str:
    return request.remote_addr or "unknown"


def _chosen(form: RegisterForm) -> tuple[str, str, str]:
    return form.username.data or "", form.email.data or "", form.password.data or ""


def _check_registration_open(request: Request) -> None:
    if request.services.settings.registration != "open":
        raise HTTPNotFound


def _checked_key(request: Request) -> str:
    """The key of the link, which is worth nothing once there is an account."""
    key = query_value(request, "key") or ""
    if not authentication.is_first_administrator_key(request.registry.secret_key, key):
        raise HTTPNotFound
    if not accounts.is_empty(request.uow.db):
        raise HTTPNotFound
    return key
