"""``/account/invitations/``: what you are invited to; accepting and declining it."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.registry import invitations
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.invitations import Accepted
from greenroom.web.http.request import Request
from greenroom.web.pages.account.forms import AnswerForm
from greenroom.web.pages.account.resources import Invitations
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, refused
from greenroom.web.pages.redirects import see_other, user_or_sign_in


@view_config(context=Invitations, request_method="GET", renderer="pages/account/invitations.jinja2")
def waiting(context: Invitations, request: Request) -> View:
    """What you, or teams of yours, are invited to."""
    return _page(request, AnswerForm())


@view_config(
    context=Invitations,
    name="accept",
    request_method="POST",
    renderer="pages/account/invitations.jinja2",
)
def accept(context: Invitations, request: Request) -> View:
    """Have what is offered."""
    user_or_sign_in(request)
    form = AnswerForm(request.POST)
    number, shown = _wanted(form), bool(form.shown.data)
    try:
        accepted = invitations.accept(request.uow, request.person, number, shown=shown)
    except InvalidRequest as refusal:
        return refused(request, _page(request, form), form, refusal)
    where, what = _place(request, accepted)
    return see_other(request, where, f"You have accepted: {what}.")


@view_config(context=Invitations, name="decline", request_method="POST")
def decline(context: Invitations, request: Request) -> HTTPSeeOther:
    """Refuse what is offered."""
    user_or_sign_in(request)
    declined = invitations.decline(request.uow, request.person, _wanted(AnswerForm(request.POST)))
    _, what = _place(request, declined)
    return see_other(request, request.paths.invitations(), f"You have declined: {what}.")


def _wanted(form: AnswerForm) -> int:
    if not form.validate() or form.invitation.data is None:
        raise NotFound("There is no such invitation.")
    return form.invitation.data


def _place(request: Request, answered: Accepted) -> tuple[str, str]:
    """Where what was answered is, and in words."""
    if answered.project is None:
        name = answered.team or ""
        return request.paths.team_named(name), f"{answered.role} of the team {name}"
    words = f"{answered.role} of {answered.project}"
    if answered.team is not None:
        words = f"the team {answered.team} as {words}"
    return request.paths.managed_project_named(answered.project), words


def _page(request: Request, form: AnswerForm) -> dict[str, object]:
    user = user_or_sign_in(request)
    never_cache(request)
    return {"form": form, "invitations": invitations.waiting_for(request.uow, user)}
