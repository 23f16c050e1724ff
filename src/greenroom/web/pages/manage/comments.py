"""Comments on a draft: writing one, changing it, deleting it."""

import re

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.registry import draft_comments
from greenroom.registry.draft_comments import Comment
from greenroom.registry.errors import InvalidRequest, NotFound, TooMany
from greenroom.registry.permissions import Act, require
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.manage.drafts import managed_draft_page, subject
from greenroom.web.pages.manage.forms import CommentForm, CommentNumberForm
from greenroom.web.pages.manage.resources import ManagedDraft
from greenroom.web.pages.redirects import see_other

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@view_config(
    context=ManagedDraft,
    name="comment",
    request_method="POST",
    renderer="pages/manage/draft.jinja2",
)
def comment(context: ManagedDraft, request: Request) -> View:
    """Comment on the draft."""
    require(request.person, Act.COMMENT, context.project)
    form = CommentForm(request.POST)
    if not form.validate():
        return invalid(request, managed_draft_page(context, request, comment_form=form))
    try:
        draft_comments.add(request.uow, request.person, context.draft, form.text.data or "")
    except (InvalidRequest, TooMany) as refusal:
        page = managed_draft_page(context, request, comment_form=form)
        return refused(request, page, form, refusal)
    return _back(context, request, "Your comment is there.")


@view_config(
    context=ManagedDraft,
    name="edit-comment",
    request_method="GET",
    renderer="pages/manage/edit_comment.jinja2",
)
def edit_form(context: ManagedDraft, request: Request) -> View:
    """The comment as it was written, to be changed."""
    found = _comment(context, request, _asked(request))
    if not found.is_own:
        raise NotFound("There is no such comment of yours.")
    return _page(context, request, found, CommentForm(text=found.text))


@view_config(
    context=ManagedDraft,
    name="edit-comment",
    request_method="POST",
    renderer="pages/manage/edit_comment.jinja2",
)
def edit(context: ManagedDraft, request: Request) -> View:
    """Let the comment say something else."""
    require(request.person, Act.COMMENT, context.project)
    form = CommentForm(request.POST)
    found = _comment(context, request, _sent(request))
    if not form.validate():
        return invalid(request, _page(context, request, found, form))
    text = form.text.data or ""
    try:
        draft_comments.edit(request.uow, request.person, context.draft, found.id, text)
    except InvalidRequest as refusal:
        return refused(request, _page(context, request, found, form), form, refusal)
    return _back(context, request, "Your comment is changed.")


@view_config(
    context=ManagedDraft,
    name="delete-comment",
    request_method="GET",
    renderer="pages/manage/delete_comment.jinja2",
)
def confirm_deleting(context: ManagedDraft, request: Request) -> View:
    """Ask whether to delete this comment."""
    require(request.person, Act.COMMENT, context.project)
    found = _comment(context, request, _asked(request))
    return _page(context, request, found, CommentForm())


@view_config(context=ManagedDraft, name="delete-comment", request_method="POST")
def delete(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Delete a comment."""
    draft_comments.remove(request.uow, request.person, context.draft, _sent(request))
    return _back(context, request, "The comment is deleted.")


def _asked(request: Request) -> int:
    """Which comment the address names, 0 where it names none."""
    text = query_value(request, "comment") or ""
    return int(text) if _NUMBER.fullmatch(text) else 0


def _sent(request: Request) -> int:
    """Which comment the form names, 0 where it names none."""
    form = CommentNumberForm(request.POST)
    return (form.comment.data or 0) if form.validate() else 0


def _comment(context: ManagedDraft, request: Request, number: int) -> Comment:
    return draft_comments.find(request.uow, request.person, context.draft, number)


def _page(
    context: ManagedDraft, request: Request, found: Comment, form: CommentForm
) -> dict[str, object]:
    never_cache(request)
    return subject(context, request) | {"comment": found, "form": form}


def _back(context: ManagedDraft, request: Request, notice: str) -> HTTPSeeOther:
    return see_other(request, request.paths.managed_draft(context.draft) + "#comments", notice)
