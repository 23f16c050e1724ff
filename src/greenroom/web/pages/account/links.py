"""``/account/invitation`` and ``/account/password-reset``: what one-time links open.

To open one shows a form and uses nothing up; programs that look at what stands in a mail do that.
"""

from pyramid.view import view_config

from greenroom.models import LinkKind
from greenroom.registry import account_invitations, account_links, password_resets
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account import devices
from greenroom.web.pages.account.forms import AcceptForm, NewPasswordForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.caching import keep_key_secret
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other

_INVITATION = LinkKind.INVITATION.value
_RESET = LinkKind.PASSWORD_RESET.value


@view_config(
    context=Account,
    name=_INVITATION,
    request_method="GET",
    renderer="pages/account/invitation.jinja2",
)
def invitation_page(context: Account, request: Request) -> View:
    """Ask who was invited for a name and a password."""
    return _page(request, LinkKind.INVITATION, AcceptForm())


@view_config(
    context=Account,
    name=_INVITATION,
    request_method="POST",
    renderer="pages/account/invitation.jinja2",
)
def accept_invitation(context: Account, request: Request) -> View:
    """The account, and a session for it."""
    form = AcceptForm(request.POST)
    page = _page(request, LinkKind.INVITATION, form)
    if not form.validate():
        return invalid(request, page)
    request.give_up_unit_of_work()
    try:
        user = account_invitations.accept(
            request.services, str(page["key"]), form.username.data or "", form.password.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    authentication.sign_in(request, request.uow, user)
    devices.remember(request, user)
    return see_other(request, request.paths.account(), f"Welcome, {user.username}.")


@view_config(
    context=Account,
    name=_RESET,
    request_method="GET",
    renderer="pages/account/password_reset.jinja2",
)
def reset_page(context: Account, request: Request) -> View:
    """Ask whoever has the link for another password."""
    return _page(request, LinkKind.PASSWORD_RESET, NewPasswordForm())


@view_config(
    context=Account,
    name=_RESET,
    request_method="POST",
    renderer="pages/account/password_reset.jinja2",
)
def reset_password(context: Account, request: Request) -> View:
    """Set the password. It begins no session: one signs in with it."""
    form = NewPasswordForm(request.POST)
    page = _page(request, LinkKind.PASSWORD_RESET, form)
    if not form.validate():
        return invalid(request, page)
    request.give_up_unit_of_work()
    try:
        username = password_resets.reset(
            request.services, str(page["key"]), form.password.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    authentication.sign_out(request)
    request.override_renderer = "pages/account/password_was_reset.jinja2"
    return {"username": username}


def _page(
    request: Request, kind: LinkKind, form: AcceptForm | NewPasswordForm
) -> dict[str, object]:
    """What the form is shown with.

    Raises:
        NotFound: the link cannot be used any more.
    """
    keep_key_secret(request)
    key = query_value(request, "key") or ""
    link = account_links.look_at(request.uow, kind, key)
    return {"form": form, "key": key, "link": link}
