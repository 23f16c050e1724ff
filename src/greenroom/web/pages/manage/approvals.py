"""Approving of a draft, taking that back, and what a project wants of it."""

from collections.abc import Sequence

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config
from wtforms import BooleanField, Form, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from greenroom.models import File, Project
from greenroom.models.base import JSONObject
from greenroom.registry import approvals, teams
from greenroom.registry.approval_standing import standing
from greenroom.registry.approvals import MOST_NEEDED, Rules
from greenroom.registry.errors import FactorNotFresh, InvalidRequest
from greenroom.web.http.request import Request
from greenroom.web.pages.manage.resources import ManagedDraft, ManagedProject
from greenroom.web.pages.reauthentication import to_confirmation
from greenroom.web.pages.redirects import see_other


class ApproveForm(Form):
    """What was looked at."""

    content_digest = StringField("Content", [InputRequired(), Length(max=255)])


class ApprovalRulesForm(Form):
    """How many approvals a project wants, and of whom."""

    needed = IntegerField(
        "Approvals that a draft needs",
        [InputRequired(), NumberRange(0, MOST_NEEDED)],
        description="With 0 people may approve, and nothing waits for it.",
    )
    by_others = BooleanField("Not by whoever staged it")
    team = SelectField("By", validate_choice=False)


@view_config(context=ManagedDraft, name="approve", request_method="POST")
def approve(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Approve of what the form says."""
    form = ApproveForm(request.POST)
    if not form.validate():
        raise InvalidRequest(
            "This form does not say what it approves of: open the page of the draft, and approve "
            "of it from there."
        )
    there = request.paths.managed_draft(context.draft)
    try:
        digest, known = form.content_digest.data or "", standing(request.uow, context.draft)
        approvals.approve(request.uow, request.person, context.draft, digest, known)
    except FactorNotFresh:
        return to_confirmation(request, there, fresh=True)
    return see_other(request, f"{there}#approvals", "You have approved of what is in this draft.")


@view_config(context=ManagedDraft, name="withdraw", request_method="POST")
def withdraw(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Take an approval back."""
    approvals.withdraw(request.uow, request.person, context.draft)
    there = request.paths.managed_draft(context.draft)
    return see_other(request, f"{there}#approvals", "Your approval is withdrawn.")


@view_config(context=ManagedProject, name="approvals", request_method="POST", needs_confirmation=())
def change_rules(context: ManagedProject, request: Request) -> HTTPSeeOther:
    """Set how many approvals the project wants, and of whom."""
    form = ApprovalRulesForm(request.POST)
    if not form.validate() or form.needed.data is None:
        raise InvalidRequest(f"A project wants between 0 and {MOST_NEEDED} approvals.")
    wanted = Rules(form.needed.data, bool(form.by_others.data), form.team.data or "")
    approvals.change_rules(request.uow, request.person, context.project, wanted)
    there = request.paths.managed_project(context.project)
    return see_other(request, there, "What a draft needs is saved.")


def standing_of(context: ManagedDraft, request: Request) -> JSONObject | None:
    """What is known of the draft, where who publishes it approves of it by that."""
    if not context.project.approvals_needed:
        return None
    return standing(request.uow, context.draft)


def approvals_of(
    context: ManagedDraft, request: Request, staged: Sequence[File]
) -> dict[str, object]:
    """What the section of the approvals shows, of a live draft with these files."""
    return {"approvals": approvals.of_draft(request.uow, request.person, context.draft, staged)}


def rules_page(request: Request, project: Project) -> dict[str, object]:
    """What the section of the settings shows."""
    rules = approvals.rules(request.uow, project)
    form = ApprovalRulesForm(data={"needed": rules.needed, "by_others": rules.by_others})
    names = [team.name for team in teams.of_project(request.uow, project)]
    form.team.choices = [
        ("", "whoever may publish"),
        *((name, f"the team {name}") for name in names),
    ]
    form.team.data = rules.team
    return {"rules_form": form, "has_lost_team": project.approvals_by_team and not rules.team}
