"""``/account/``: who you are, what you did, and another password."""

from pyramid.view import view_config

from greenroom.models import User
from greenroom.registry import accounts, signing_in, single_sign_on
from greenroom.registry.audit_reading import LinePage, Place, Wanted, of_person
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.pages.account import devices
from greenroom.web.pages.account.forms import ChangePasswordForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.audit_lines import audit_page
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other, signed_in_or_sign_in, user_or_sign_in


@view_config(context=Account, request_method="GET", renderer="pages/account/account.jinja2")
def account(context: Account, request: Request) -> View:
    """Who you are."""
    user = user_or_sign_in(request)
    return _page(request, user, ChangePasswordForm())


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
    person = signed_in_or_sign_in(request)
    never_cache(request)
    form = ChangePasswordForm(request.POST)
    page = _page(request, person.user, form)
    if not form.validate():
        return invalid(request, page)
    user_id, this = person.user.id, person.session.id if person.session is not None else None
    request.give_up_unit_of_work()
    try:
        secret = signing_in.change_password(
            request.services, user_id, form.current.data or "", form.new.data or "", session=this
        )
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    if secret is not None:
        authentication.renew(request, secret)
    devices.remember(request, accounts.signed_in_by_id(request.uow, user_id))
    notice = "Your password is changed. Every other session of yours has ended."
    return see_other(request, request.paths.account(), notice)


def _page(request: Request, user: User, form: ChangePasswordForm) -> dict[str, object]:
    never_cache(request)
    is_linked = single_sign_on.is_linked(request.uow, user)
    return {"form": form, "new_email": user.new_email, "is_linked": is_linked}
