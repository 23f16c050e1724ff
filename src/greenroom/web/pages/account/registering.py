"""``/account/register``, and the page that makes the first administrator."""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.view import view_config

from greenroom.registry import accounts, registration
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account import devices
from greenroom.web.pages.account.forms import RegisterForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.caching import keep_key_secret, never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other


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
        user = registration.register(request.services, *_chosen(form), request.address)
    except InvalidRequest as refusal:
        page = refused(request, {"form": form}, form, refusal)
        # The server answers who is refused so over and over later than others.
        return invalid(request, page, status=403)
    authentication.sign_in(request, request.uow, user)
    devices.remember(request, user)
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
    form = RegisterForm(request.POST)
    if not form.validate():
        return invalid(request, {"form": form, "key": key})
    request.give_up_unit_of_work()
    try:
        user = accounts.create_first_administrator(request.services, *_chosen(form), key=key)
    except InvalidRequest as refusal:
        return refused(request, {"form": form, "key": key}, form, refusal)
    authentication.sign_in(request, request.uow, user)
    devices.remember(request, user)
    notice = f"Welcome, {user.username}. You are the administrator of this index."
    return see_other(request, request.paths.account(), notice)


def _chosen(form: RegisterForm) -> tuple[str, str, str]:
    return form.username.data or "", form.email.data or "", form.password.data or ""


def _check_registration_open(request: Request) -> None:
    if not request.services.settings.takes_registrations:
        raise HTTPNotFound


def _checked_key(request: Request) -> str:
    """The key of the link, which is worth nothing once there is an account."""
    key = query_value(request, "key") or ""
    if not accounts.is_empty(request.uow.db):
        raise HTTPNotFound
    accounts.check_first_administrator_link(request.uow, key)
    keep_key_secret(request)
    return key
