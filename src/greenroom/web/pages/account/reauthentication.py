"""``/account/confirm``: showing again who one is, before an act that asks for it."""

from collections.abc import Mapping

from pyramid.view import view_config

from greenroom.counters import Counted, count
from greenroom.registry import reauthentication, second_steps
from greenroom.registry.permissions import Person, ShownSession
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account import questions
from greenroom.web.pages.account.forms import AuthenticateForm, ShowFactorForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.account.second_step import WRONG, shown
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid
from greenroom.web.pages.redirects import local_next, see_other, signed_in_or_sign_in

_WRONG = "That is not your password."
_NO_FACTOR = "What you were about to do takes a second factor: add one, and then do it once more."
_WITH_FACTOR = "pages/account/confirm_with_factor.jinja2"


@view_config(
    context=Account, name="confirm", request_method="GET", renderer="pages/account/confirm.jinja2"
)
def confirmation_page(context: Account, request: Request) -> View:
    """Ask for the password, or for a second factor where the person has one."""
    never_cache(request)
    person = signed_in_or_sign_in(request)
    if _is_fresh(request) and not person.has_second_factor:
        return see_other(request, request.paths.second_factors(), _NO_FACTOR)
    if _is_shown(request, person):
        return see_other(request, _next(request))
    if person.session is not None and person.session.has_factor:
        request.override_renderer = _WITH_FACTOR
        return _factor_page(request, person, ShowFactorForm())
    return _page(request, AuthenticateForm())


@view_config(
    context=Account, name="confirm", request_method="POST", renderer="pages/account/confirm.jinja2"
)
def confirm(context: Account, request: Request) -> View:
    """Go on to where one came from, or count a failed sign-in."""
    never_cache(request)
    person = signed_in_or_sign_in(request)
    if person.session is not None and person.session.has_factor:
        request.override_renderer = _WITH_FACTOR
        return _confirm_with_factor(request, person, person.session)
    form = AuthenticateForm(request.POST)
    page = _page(request, form)
    if person.session is None:
        return invalid(request, page)
    if request.vouched_user is not None:
        request.give_up_unit_of_work()
        secret = reauthentication.by_proxy(request.services, person.session, request.vouched_user)
        authentication.renew(request, secret)
        return see_other(request, _next(request))
    if not form.validate():
        return invalid(request, page)
    return _with_password(request, person.session, form, page)


def _with_password(
    request: Request, session: ShownSession, form: AuthenticateForm, page: Mapping[str, object]
) -> View:
    request.give_up_unit_of_work()
    secret = reauthentication.with_password(
        request.services, session, form.password.data or "", request.address
    )
    if secret is None:
        count(Counted.SIGN_IN_FAILURES, "password")
        form.form_errors.append(_WRONG)
        return invalid(request, page, status=403)
    authentication.renew(request, secret)
    return see_other(request, _next(request))


def _page(request: Request, form: AuthenticateForm) -> dict[str, object]:
    is_vouched_for = request.vouched_user is not None
    return {"form": form, "next": local_next(request), "is_vouched_for": is_vouched_for}


def _confirm_with_factor(request: Request, person: Person, session: ShownSession) -> View:
    form = ShowFactorForm(request.POST)
    page = _factor_page(request, person, form)
    if not form.validate():
        return invalid(request, page)
    answer = shown(request, form)
    request.give_up_unit_of_work()
    secret = second_steps.confirm(request.services, session, answer, request.address)
    if secret is None:
        count(Counted.SIGN_IN_FAILURES, "second-factor")
        form.form_errors.append(WRONG)
        return invalid(request, page, status=403)
    authentication.renew(request, secret)
    return see_other(request, _next(request))


def _factor_page(request: Request, person: Person, form: ShowFactorForm) -> dict[str, object]:
    options = questions.to_show_one(request, person.user.id)
    return {
        "form": form,
        "next": local_next(request),
        "fresh": _is_fresh(request),
        "passkey_options": options,
    }


def _is_shown(request: Request, person: Person) -> bool:
    """Whether the person has shown already what is asked for here."""
    now = request.uow.now
    return bool(person.fresh_factor(now)) if _is_fresh(request) else person.has_confirmed(now)


def _is_fresh(request: Request) -> bool:
    """Whether it takes a second factor that was shown just now."""
    return query_value(request, "fresh") == "1"


def _next(request: Request) -> str:
    return local_next(request) or request.paths.account()
