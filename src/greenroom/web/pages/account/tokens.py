"""``/account/tokens/``: API tokens. The text of one is shown once, in the answer that makes it."""

from pyramid.view import view_config

from greenroom.models import User
from greenroom.registry import projects, tokens
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.tokens import TokenSummary
from greenroom.web.http import commands
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account.forms import (
    ALL_PROJECTS,
    LIFETIMES,
    PERMISSIONS,
    RevokeAllForm,
    RevokeForm,
    TokenForm,
)
from greenroom.web.pages.account.resources import Tokens
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other, user_or_sign_in


@view_config(context=Tokens, request_method="GET", renderer="pages/account/tokens.jinja2")
def list_tokens(context: Tokens, request: Request) -> View:
    """Your tokens, and the form for another one."""
    user = user_or_sign_in(request)
    return _page(request, user, _form(request, user))


@view_config(
    context=Tokens,
    request_method="POST",
    renderer="pages/account/tokens.jinja2",
    repeatable=("permissions",),
    needs_confirmation=(),
)
def create(context: Tokens, request: Request) -> View:
    """A new token, shown here and never again: it is in no cookie and in no address."""
    user = user_or_sign_in(request)
    form = _form(request, user)
    if not form.validate():
        return invalid(request, _page(request, user, form))
    name = str(form.project.data)
    try:
        token, text = tokens.create(
            request.uow,
            user,
            form.label.data or "",
            project=None if name == ALL_PROJECTS else projects.get(request.uow, name),
            permissions=form.permissions.data or [],
            expires_in=form.expires_in,
            by=request.person,
        )
    except (InvalidRequest, NotFound) as refusal:
        return refused(request, _page(request, user, form), form, refusal)
    request.override_renderer = "pages/account/token_created.jinja2"
    never_cache(request)
    return {
        "token": tokens.summary(request.uow, token),
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
    return {"token": _find(tokens.of_user(request.uow, user), wanted)}


@view_config(context=Tokens, name="revoke", request_method="POST")
def revoke(context: Tokens, request: Request) -> View:
    """End a token at once."""
    user = user_or_sign_in(request)
    form = RevokeForm(request.POST)
    if not form.validate() or form.token.data is None:
        raise NotFound("There is no such token.")
    token = tokens.revoke(request.uow, user, form.token.data)
    notice = f"The token “{token.label}” is revoked: nobody can use it any more."
    return see_other(request, request.paths.tokens(), notice)


@view_config(
    context=Tokens,
    name="revoke-all",
    request_method=("GET", "POST"),
    renderer="pages/account/revoke_all.jinja2",
)
def revoke_all(context: Tokens, request: Request) -> View:
    """Ask for the name of the account to be typed; then end every token of it."""
    user = user_or_sign_in(request)
    never_cache(request)
    form = RevokeAllForm(request.POST)
    form.expected = user.username
    page = {"form": form, "count": len(tokens.of_user(request.uow, user))}
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    count = tokens.revoke_all(request.uow, user)
    notice = f"{count} API tokens are revoked." if count != 1 else "One API token is revoked."
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
        "tokens": tokens.of_user(request.uow, user),
    }


def _find(tokens: list[TokenSummary], wanted: str | None) -> TokenSummary:
    for token in tokens:
        if str(token.id) == wanted:
            return token
    raise NotFound("There is no such token.")
