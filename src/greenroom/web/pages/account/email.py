"""``/account/email…``: another e-mail address, and the link that verifies one."""

from pyramid.view import view_config

from greenroom.models import LinkKind, User
from greenroom.registry import email_addresses
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account.forms import EmailForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.caching import keep_key_secret, never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other, user_or_sign_in

_VERIFICATION = LinkKind.EMAIL_VERIFICATION.value


@view_config(
    context=Account, name="email", request_method="GET", renderer="pages/account/email.jinja2"
)
def email_page(context: Account, request: Request) -> View:
    """Ask for another address."""
    return _page(request, user_or_sign_in(request), EmailForm())


@view_config(
    context=Account,
    name="email",
    request_method="POST",
    renderer="pages/account/email.jinja2",
    needs_confirmation=(),
    form_on="email",
)
def change_email(context: Account, request: Request) -> View:
    """Another address, which is verified first where mail is sent."""
    user = user_or_sign_in(request)
    form, has_password = EmailForm(request.POST), user.has_password
    page = _page(request, user, form)
    if not form.validate():
        return invalid(request, page)
    user_id = user.id
    email = form.email.data or ""
    request.give_up_unit_of_work()
    current = (form.current.data or "") if has_password else None
    try:
        has_changed = email_addresses.change(request.services, user_id, current, email)
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    notice = (
        "Your address is changed. An administrator has yet to verify it."
        if has_changed
        else f"A link was sent to {email.strip()}: your address changes when you open it."
    )
    return see_other(request, request.paths.account(), notice)


@view_config(context=Account, name="email-again", request_method="POST")
def send_again(context: Account, request: Request) -> View:
    """Send the link once more."""
    user = user_or_sign_in(request)
    address = user.new_email or user.email
    email_addresses.ask_again(request.uow, user)
    notice = f"A link was sent to {address}: open it within a day."
    return see_other(request, request.paths.account(), notice)


@view_config(context=Account, name="email-keep", request_method="POST")
def keep_email(context: Account, request: Request) -> View:
    """Keep the present address."""
    email_addresses.give_up(request.uow, user_or_sign_in(request))
    return see_other(request, request.paths.account(), "Your address stays as it is.")


@view_config(
    context=Account,
    name=_VERIFICATION,
    request_method="GET",
    renderer="pages/account/verification.jinja2",
)
def verification_page(context: Account, request: Request) -> View:
    """Ask whoever has the link: programs that look at mail open what is in it as well."""
    keep_key_secret(request)
    key = query_value(request, "key") or ""
    return {"email": email_addresses.look_at(request.uow, key), "key": key}


@view_config(context=Account, name=_VERIFICATION, request_method="POST")
def verify(context: Account, request: Request) -> View:
    """Verify the address, also of somebody who is not signed in."""
    keep_key_secret(request)
    email = email_addresses.confirm(request.uow, query_value(request, "key") or "")
    to = request.paths.account() if request.user is not None else request.paths.sign_in()
    return see_other(request, to, f"The address {email} is verified.")


def _page(request: Request, user: User, form: EmailForm) -> dict[str, object]:
    never_cache(request)
    if not user.has_password and "current" in form:
        del form.current
    return {
        "form": form,
        "email": user.email,
        "username": user.username,
        "sends_mail": request.services.settings.mail_url is not None,
    }
