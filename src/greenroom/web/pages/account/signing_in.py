"""``/account/login`` and ``/account/logout``."""

from pyramid.view import view_config

from greenroom.counters import Counted, count
from greenroom.registry import sessions, signing_in, single_sign_on
from greenroom.registry.errors import AccountDisabled, NotAuthenticated, SecondFactorNeeded
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account import devices, questions
from greenroom.web.pages.account.forms import SignInForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.account.sign_in_elsewhere import begin_session
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import local_next, see_other

_WRONG = "User name or password are wrong."


@view_config(
    context=Account, name="login", request_method="GET", renderer="pages/account/sign_in.jinja2"
)
def sign_in_page(context: Account, request: Request) -> View:
    """Ask for name and password."""
    never_cache(request)
    if request.user is not None:
        return see_other(request, _next(request))
    if request.vouched_user is not None:
        request.give_up_unit_of_work()
        with devices.services(request).writing() as uow:
            vouched = single_sign_on.sign_in_by_proxy(uow, request.vouched_user)
        return begin_session(request, vouched, _next(request))
    return _page(request, SignInForm())


@view_config(
    context=Account, name="login", request_method="POST", renderer="pages/account/sign_in.jinja2"
)
def sign_in(context: Account, request: Request) -> View:
    """Begin a session, or count the failure against the address."""
    never_cache(request)
    form = SignInForm(request.POST)
    page = _page(request, form)
    if not form.validate():
        return invalid(request, page)
    username = form.username.data or ""
    try:
        user = signing_in.sign_in(
            devices.services(request),
            username,
            form.password.data or "",
            request.address,
            devices.recognized(request, username),
        )
        if user is None:
            raise NotAuthenticated(_WRONG)
        try:
            authentication.sign_in(request, request.uow, user)
        except SecondFactorNeeded:
            authentication.begin_second_step(request, user, request.services.clock())
            return see_other(request, request.paths.second_step(local_next(request)))
    except AccountDisabled as refusal:
        count(Counted.SIGN_IN_FAILURES, "password")
        return refused(request, page, form, refusal)
    except NotAuthenticated:
        count(Counted.SIGN_IN_FAILURES, "password")
        form.form_errors.append(_WRONG)
        return invalid(request, page, status=403)
    devices.remember(request, user)
    return see_other(request, _next(request))


@view_config(context=Account, name="logout", request_method="POST")
def sign_out(context: Account, request: Request) -> View:
    """End the session, for good."""
    if request.signed_in is not None:
        sessions.sign_out(request.uow, request.signed_in)
    authentication.sign_out(request)
    return see_other(request, request.paths.home())


def _page(request: Request, form: SignInForm) -> dict[str, object]:
    return {
        "form": form,
        "next": query_value(request, "next"),
        "passkey_options": questions.to_sign_in(request),
    }


def _next(request: Request) -> str:
    """Where to go after signing in: where one came from, if that is on this site."""
    return local_next(request) or request.paths.managed_projects()
