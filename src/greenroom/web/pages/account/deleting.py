"""``/account/delete``: the end of an account, by whose it is."""

from pyramid.view import view_config

from greenroom.registry import account_states
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http import authentication
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.confirmation import ConfirmForm
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import user_or_sign_in


@view_config(
    context=Account,
    name="delete",
    request_method=("GET", "POST"),
    renderer="pages/account/delete.jinja2",
    needs_confirmation=(),
)
def delete(context: Account, request: Request) -> View:
    """Ask for the name to be typed; then the account is gone."""
    user = user_or_sign_in(request)
    never_cache(request)
    form = ConfirmForm(request.POST if request.method not in SAFE_METHODS else None)
    form.expected = user.username
    page: dict[str, object] = {
        "form": form,
        "sole": account_states.sole_projects(request.uow, user),
    }
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    username = user.username
    try:
        account_states.delete_own(request.uow, request.person)
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    authentication.sign_out(request)
    request.__dict__["signed_in"] = None  # the page is nobody's any more
    request.override_renderer = "pages/account/deleted.jinja2"
    return {"username": username}
