"""When a draft or a release set is published by itself, and whom a draft's address is open to."""

from datetime import UTC, datetime

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config
from wtforms import BooleanField, DateTimeLocalField, Form, StringField
from wtforms.validators import InputRequired, Length

from greenroom.registry import schedules, set_schedules
from greenroom.registry.errors import FactorNotFresh, InvalidRequest, NotConfirmed
from greenroom.times import FORM_FIELDS
from greenroom.web.http.request import Request
from greenroom.web.pages.manage.approvals import standing_of
from greenroom.web.pages.manage.resources import ManagedDraft, ManagedSet
from greenroom.web.pages.manage.sets import standings_of
from greenroom.web.pages.reauthentication import to_confirmation
from greenroom.web.pages.redirects import see_other


class ScheduleForm(Form):
    """When, what was looked at, and whether nobody else is to see it until then."""

    at = DateTimeLocalField(
        "Publish at, in UTC",
        [InputRequired()],
        format=list(FORM_FIELDS),
    )
    content_digest = StringField("Content", [InputRequired(), Length(max=255)])
    is_embargoed = BooleanField("With an embargo")


class MembersForm(Form):
    """Whom the address is open to."""

    members_only = BooleanField("Members only")


@view_config(context=ManagedDraft, name="schedule", request_method="POST")
def schedule(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Set when the draft is published."""
    form, at = _asked(request)
    there = request.paths.managed_draft(context.draft)
    try:
        schedules.schedule(
            request.uow,
            request.person,
            context.draft,
            at,
            form.content_digest.data or "",
            is_embargoed=bool(form.is_embargoed.data),
            standing=standing_of(context, request),
        )
    except NotConfirmed as refusal:
        return to_confirmation(request, there, fresh=isinstance(refusal, FactorNotFresh))
    return see_other(request, f"{there}#schedule", _notice(at))


@view_config(context=ManagedDraft, name="unschedule", request_method="POST")
def cancel(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Let it not be published by itself."""
    schedules.cancel(request.uow, request.person, context.draft)
    there = request.paths.managed_draft(context.draft)
    return see_other(request, f"{there}#schedule", "It is not published by itself any more.")


@view_config(context=ManagedSet, name="schedule", request_method="POST")
def schedule_set(context: ManagedSet, request: Request) -> HTTPSeeOther:
    """Set when the release set is published."""
    form, at = _asked(request)
    there = request.paths.managed_set(context.release_set)
    try:
        set_schedules.schedule(
            request.uow,
            request.person,
            context.release_set,
            at,
            form.content_digest.data or "",
            is_embargoed=bool(form.is_embargoed.data),
            standings=standings_of(context, request),
        )
    except NotConfirmed as refusal:
        return to_confirmation(request, there, fresh=isinstance(refusal, FactorNotFresh))
    return see_other(request, f"{there}#schedule", _notice(at))


@view_config(context=ManagedSet, name="unschedule", request_method="POST")
def cancel_set(context: ManagedSet, request: Request) -> HTTPSeeOther:
    """Let the release set not be published by itself."""
    set_schedules.cancel(request.uow, request.person, context.release_set)
    there = request.paths.managed_set(context.release_set)
    return see_other(request, f"{there}#schedule", "It is not published by itself any more.")


@view_config(context=ManagedDraft, name="members", request_method="POST")
def members_only(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Say whether the address takes an account besides."""
    wanted = bool(MembersForm(request.POST).members_only.data)
    schedules.set_members_only(request.uow, request.person, context.draft, members_only=wanted)
    there = request.paths.managed_draft(context.draft)
    whom = "takes an account besides" if wanted else "opens the draft for whoever has it"
    return see_other(request, there, f"The address {whom}.")


def _asked(request: Request) -> tuple[ScheduleForm, datetime]:
    """What the form says, and the time of it.

    Raises:
        InvalidRequest: it does not say when, or what.
    """
    form = ScheduleForm(request.POST)
    if not form.validate() or form.at.data is None:
        raise InvalidRequest(
            "This form does not say when it is to be published, as 2026-01-31T09:30 does, or what: "
            "set the time once more."
        )
    at: datetime = form.at.data.replace(tzinfo=UTC)
    return form, at


def _notice(at: datetime) -> str:
    return f"It is published on {at:%-d %b %Y, %H:%M} UTC."
