"""``/account/forgotten-password``: asking by mail for another password."""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.view import view_config

from greenroom.registry import forgotten_passwords
from greenroom.web.http.request import Request
from greenroom.web.pages.account.forms import ForgottenForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid

_TEMPLATE = "pages/account/forgotten_password.jinja2"


@view_config(context=Account, name="forgotten-password", request_method="GET", renderer=_TEMPLATE)
def forgotten_page(context: Account, request: Request) -> View:
    """Ask for whom, where mail is sent."""
    _check_mail(request)
    never_cache(request)
    return {"form": ForgottenForm(), "is_sent": False}


@view_config(context=Account, name="forgotten-password", request_method="POST", renderer=_TEMPLATE)
def forgotten(context: Account, request: Request) -> View:
    """The same answer, whether or not there is such an account."""
    _check_mail(request)
    never_cache(request)
    form = ForgottenForm(request.POST)
    if not form.validate():
        return invalid(request, {"form": form, "is_sent": False})
    forgotten_passwords.ask(request.uow, form.who.data or "", request.address)
    return {"form": form, "is_sent": True}


def _check_mail(request: Request) -> None:
    if request.services.settings.mail_url is None:
        raise HTTPNotFound
