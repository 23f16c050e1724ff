"""``/account/tokens/``: API tokens. The text of one is shown once, in the answer that makes it."""

from typing import TypeAlias

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import User
from greenroom.registry import accounts, projects
from greenroom.registry.accounts import TokenSummary
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.web.http import commands
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account.forms import (
    ALL_PROJECTS,
    LIFETIMES,
    PERMISSIONS,
    RevokeForm,
    TokenForm,
)
from greenroom.web.pages.account.resources import Tokens
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import invalid, refused
from greenroom.web.pages.redirects import see_other, user_or_sign_in

View: TypeAlias = dict[str, object] | HTTPSeeOther


@view_config(context=Tokens, request_method="GET", renderer="pages/account/tokens.jinja2")
def tokens(context: Tokens, request: Request) -> View:
    """Your tokens, and the form for another one."""
    user = user_or_sign_in(request)
    return _page(request, user, _form(request, user))


@view_config(
    context=Tokens,
    request_method="POST",
    renderer="pages/account/tokens.jinja2",
    repeatable=("permissions",),
)
def create_token(context: Tokens, request: Request) -> View:
    """A new token, shown here and never again: it is in no cookie and in no address."""
    user = user_or_sign_in(request)
    form = _form(request, user)
    if not form.validate():
        return invalid(request, _page(request, user, form))
    name = str(form.project.data)
    try:
        token, text = accounts.create_token(
            request.uow,
            user,
            form.label.data or "",
            project=None if name == ALL_PROJECTS else projects.get(request.uow, name),
            permissions=form.permissions.data or [],
            expires_in=form.expires_in,
        )
    except (InvalidRequest, NotFound) as refusal:
        return refused(request, _page(request, user, form), form, refusal)
    request.override_renderer = "pages/account/token_created.jinja2"
    never_cache(request)
    return {
        "token": accounts.token_summary(request.uow, token),
        "text_of_token": text,
        "upload_command": commands.upload_draft(request),
        "pypirc": commands.pypirc(request, text),
    }


@view_config(
    context=Tokens, name="revoke", request_method="GET", renderer="pages/account/revoke.jinja2"
)
def confirm_revoking(context: Tokens, request: Request) -> View:
    """Ask whether to end this token."""
    user = user_or_sign_in(request)
    never_cache(request)
    wanted = query_value(request, "token")
    return {"token": _find(accounts.tokens_of(request.uow, user), wanted)}


@view_config(context=Tokens, name="revoke", request_method="POST")
def revoke_token(context: Tokens, request: Request) -> View:
    """End a token at once."""
    user = user_or_sign_in(request)
    form = RevokeForm(request.POST)
    if not form.validate() or form.token.data is None:
        raise NotFound("There is no such token.")
    token = accounts.revoke_token(request.uow, user, form.token.data)
    notice = f"The token “{token.label}” is revoked: nobody can use it any more."
    return see_other(request, request.paths.tokens(), notice)


def _form(request: Request, user: User) -> TokenForm:
    form = TokenForm(request.POST if request.method == "POST" else None)
    own = [project.name for project in projects.of_user(request.uow, user)]
    # The stubs know pairs alone, which WTForms gives up.
    form.project.choices = [ALL_PROJECTS, *own]  # type: ignore[list-item]
    return form


def _page(request: Request, user: User, form: TokenForm) -> dict[str, object]:
    never_cache(request)
    return {
        "form": form,
        "permissions": PERMISSIONS,
        "lifetimes": LIFETIMES,
        "tokens": accounts.tokens_of(request.uow, user),
    }


def _find(tokens: list[TokenSummary], wanted: str | None) -> TokenSummary:
    for token in tokens:
        if str(token.id) == wanted:
            return token
    raise NotFound("There is no such token.")
