"""``/manage/project/<name>/tokens``: API tokens that reach a project, for its owners."""

from pyramid.view import view_config

from greenroom.registry import project_tokens, projects
from greenroom.registry.errors import NotFound
from greenroom.registry.project_tokens import ReachingToken
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.manage.forms import EndTokenForm
from greenroom.web.pages.manage.resources import ManagedProject
from greenroom.web.pages.redirects import see_other

_TOKENS_ON_A_PAGE = 50
_NO_TOKEN = "There is no such token that reaches the project."  # noqa: S105 (a sentence)


@view_config(
    context=ManagedProject,
    name="tokens",
    request_method="GET",
    renderer="pages/manage/tokens.jinja2",
)
def reaching(context: ManagedProject, request: Request) -> View:
    """The tokens that reach the project, whosever they are."""
    never_cache(request)
    uow, actor, project = request.uow, request.person, context.project
    number, size = page_number(request), _TOKENS_ON_A_PAGE
    shown = project_tokens.listed(uow, actor, project, start=(number - 1) * size, count=size)
    total = project_tokens.count(uow, actor, project)
    return {
        "project": projects.summary(project),
        "page": page_from(shown, number, size, total),
    }


@view_config(
    context=ManagedProject,
    name="end-token",
    request_method="GET",
    renderer="pages/manage/end_token.jinja2",
)
def confirm_ending(context: ManagedProject, request: Request) -> View:
    """Ask whether a token is to reach the project no more."""
    never_cache(request)
    wanted = query_value(request, "token") or ""
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
        raise NotFound(_NO_TOKEN)
    found = project_tokens.find(request.uow, request.person, context.project, int(wanted))
    return {"project": projects.summary(context.project), "reaching": found}


@view_config(context=ManagedProject, name="end-token", request_method="POST")
def end(context: ManagedProject, request: Request) -> View:
    """Let a token reach the project no more."""
    form = EndTokenForm(request.POST)
    if not form.validate() or form.token.data is None:
        raise NotFound(_NO_TOKEN)
    uow, project = request.uow, context.project
    ended = project_tokens.end(uow, request.person, project, form.token.data)
    return see_other(request, request.paths.managed_project(project, "tokens"), _notice(ended))


def _notice(ended: ReachingToken) -> str:
    token = f"The token “{ended.token.label}” of {ended.username}"
    if ended.is_limited:
        return f"{token} is revoked: nobody can use it any more."
    return f"{token} does not reach this project any more."
