"""``/manage/sets/``: release sets, and everything that is done with one."""

from functools import partial

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.counts import counted
from greenroom.models import Draft, SetState
from greenroom.models.base import JSONObject
from greenroom.registry import (
    draft_changes,
    drafts,
    projects,
    publishing,
    release_sets,
    set_approvals,
    set_schedules,
)
from greenroom.registry.approval_standing import standing
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    FactorNotFresh,
    InvalidMetadata,
    InvalidRequest,
    NotConfirmed,
    NotFound,
    SetConflict,
)
from greenroom.registry.names import parse_version
from greenroom.registry.permissions import Act, may
from greenroom.registry.release_sets import Reference, SetDetails
from greenroom.web.http import commands, waiting
from greenroom.web.http.paging import page_from, page_number, page_of
from greenroom.web.http.refusals import PAGE
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.confirmation import asked_first
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.manage import live
from greenroom.web.pages.manage.forms import (
    AddToSetForm,
    DiscardSetForm,
    InviteProjectForm,
    OfSetForm,
    PublishForm,
    SetForm,
    SetSettingsForm,
    ToSetForm,
)
from greenroom.web.pages.manage.resources import ManagedDraft, ManagedSet, ManagedSets
from greenroom.web.pages.reauthentication import to_confirmation
from greenroom.web.pages.redirects import see_other, user_or_sign_in

_SETS_ON_A_PAGE = 25
_DRAFTS_ON_A_PAGE = 25
_EVENTS_ON_A_PAGE = 20
_MOST_FREE = 200
_TEMPLATE = "pages/manage/set.jinja2"


@view_config(context=ManagedSets, request_method="GET", renderer="pages/manage/sets.jinja2")
def your_sets(context: ManagedSets, request: Request) -> View:
    """The release sets that you take part in, and how to make one."""
    return _sets(request, SetForm())


@view_config(
    context=ManagedSets, name="new", request_method="POST", renderer="pages/manage/sets.jinja2"
)
def new_set(context: ManagedSets, request: Request) -> View:
    """Make a release set without drafts."""
    form = SetForm(request.POST)
    if not form.validate():
        return invalid(request, _sets(request, form))
    try:
        made = release_sets.create(request.uow, request.person, form.name.data or "")
    except (InvalidRequest, SetConflict) as refusal:
        return refused(request, _sets(request, form), form, refusal)
    return see_other(request, request.paths.managed_set(made), f"{made.name} is made.")


@view_config(context=ManagedSet, request_method="GET", renderer=_TEMPLATE)
def managed_set(context: ManagedSet, request: Request) -> View:
    """A set: its drafts with what stands in their way, its address, and all that can be done."""
    return _set(context, request)


@view_config(context=ManagedSet, name="settings", request_method="POST", renderer=_TEMPLATE)
def change(context: ManagedSet, request: Request) -> View:
    """Call it otherwise, or have its drafts published together only."""
    form = SetSettingsForm(request.POST)
    if not form.validate():
        return invalid(request, _set(context, request, settings=form))
    try:
        release_sets.change(
            *(request.uow, request.person, context.release_set),
            name=form.name.data or "",
            only_together=bool(form.only_together.data),
        )
    except (InvalidRequest, SetConflict) as refusal:
        request.tm.doom()
        form.form_errors.extend(refusal.details)
        request.response.status_int = PAGE.status(type(refusal))
        return _set(context, request, settings=form)
    return _back(context, request, "The settings are saved.")


@view_config(context=ManagedSet, name="add", request_method="POST", renderer=_TEMPLATE)
def add(context: ManagedSet, request: Request) -> View:
    """Put a draft into the set."""
    form = AddToSetForm(request.POST)
    if not form.validate():
        raise NotFound("There is no such draft that you may see.")
    name, _, version = (form.draft.data or "").partition("==")
    draft = _draft(request, name, version)
    release_set = context.release_set
    named = Reference(release_set.normalized_name, release_set.owner_name)
    release_sets.add(request.uow, request.person, draft, named)
    return _back(context, request, f"{draft.project_name} {draft.version} is in the set.")


@view_config(
    context=ManagedSet,
    name="remove",
    request_method="GET",
    renderer="pages/manage/remove_from_set.jinja2",
)
def confirm_removing(context: ManagedSet, request: Request) -> View:
    """Ask whether to take this draft out of the set."""
    never_cache(request)
    wanted = (query_value(request, "project") or "", query_value(request, "version") or "")
    details = _details(context, request)
    member = next((m for m in details.members if (m.project_name, m.version) == wanted), None)
    if member is None or not details.is_open:
        raise NotFound("This release set has no such draft.")
    return {"release_set": details, "member": member}


@view_config(context=ManagedSet, name="remove", request_method="POST")
def remove(context: ManagedSet, request: Request) -> View:
    """Take a draft out of the set."""
    form = OfSetForm(request.POST)
    if not form.validate():
        raise NotFound("This release set has no such draft.")
    uow, release_set = request.uow, context.release_set
    wanted = (form.project.data, form.version.data)
    found = [
        draft
        for draft in release_sets.drafts_of(uow, release_set)
        if (draft.project_name, draft.version) == wanted
    ]
    if not found:
        raise NotFound("This release set has no such draft.")
    release_sets.remove(uow, request.person, release_set, found[0])
    notice = f"{found[0].project_name} {found[0].version} is not in the set any more."
    if release_sets.may_see(uow, request.person, release_set):
        return _back(context, request, notice)
    return see_other(request, request.paths.managed_sets(), notice)


@view_config(context=ManagedSet, name="invite", request_method="POST", renderer=_TEMPLATE)
def invite(context: ManagedSet, request: Request) -> View:
    """Let the people of another project add drafts."""
    form = InviteProjectForm(request.POST)
    if not form.validate():
        return invalid(request, _set(context, request, inviting=form))
    name = form.project.data or ""
    try:
        name = release_sets.invite(request.uow, request.person, context.release_set, name)
    except (InvalidMetadata, SetConflict) as refusal:
        request.tm.doom()
        form.form_errors.extend(refusal.details)
        request.response.status_int = PAGE.status(type(refusal))
        return _set(context, request, inviting=form)
    return _back(context, request, f"The people of {name} may add drafts of it.")


@view_config(context=ManagedSet, name="uninvite", request_method="POST")
def uninvite(context: ManagedSet, request: Request) -> View:
    """Let the people of another project add no drafts any more."""
    form = InviteProjectForm(request.POST)
    if not form.validate():
        raise NotFound("The release set does not invite this project.")
    name = form.project.data or ""
    release_sets.uninvite(request.uow, request.person, context.release_set, name)
    return _back(context, request, f"The people of {name} may add no drafts any more.")


@view_config(
    context=ManagedSet,
    name="rotate",
    request_method="GET",
    renderer="pages/manage/rotate_set.jinja2",
)
def confirm_rotating(context: ManagedSet, request: Request) -> View:
    """Explain that the old address is dead at once."""
    never_cache(request)
    return {"release_set": _details(context, request)}


@view_config(context=ManagedSet, name="rotate", request_method="POST")
def rotate(context: ManagedSet, request: Request) -> View:
    """Give the set another secret address."""
    release_sets.rotate(request.uow, request.person, context.release_set)
    notice = "The set has a new address. Nothing is found at the old one any more."
    return _back(context, request, notice)


@view_config(
    context=ManagedSet,
    name="publish",
    request_method="GET",
    renderer="pages/manage/publish_set.jinja2",
)
def confirm_publishing(context: ManagedSet, request: Request) -> View:
    """List exactly what becomes public, and whatever stands in the way of each draft."""
    if context.release_set.state != SetState.OPEN:
        return _back(context, request)
    try:
        publishing.check_set_publisher(request.uow, request.person, context.release_set)
    except NotConfirmed as refusal:
        return _not_shown(context, request, refusal)
    return _publication(context, request)


@view_config(
    context=ManagedSet,
    name="publish",
    request_method="POST",
    renderer="pages/manage/publish_set.jinja2",
)
def publish(context: ManagedSet, request: Request) -> View:
    """Make public what the form says: all of it, or nothing."""
    release_set, digest = context.release_set, _digest(request)
    try:
        publishing.publish_set(
            request.uow,
            request.person,
            release_set,
            content_digest=digest,
            standings=standings_of(context, request),
        )
    except NotConfirmed as refusal:
        return _not_shown(context, request, refusal)
    except (CannotPublish, DraftChanged) as refusal:
        return _not_published(context, request, refusal)
    if release_set.in_review:
        notice = "This index reviews what is published: all of it becomes public when all passed."
        return _back(context, request, notice)
    return _back(context, request, f"{release_set.name} is published, with all its drafts.")


@view_config(
    context=ManagedSet,
    name="go",
    request_method="POST",
    renderer="pages/manage/publish_set.jinja2",
)
def say_go(context: ManagedSet, request: Request) -> View:
    """Let one's own drafts go with the set, as they are."""
    release_set, digest = context.release_set, _digest(request)
    try:
        said = publishing.say_go(
            request.uow,
            request.person,
            release_set,
            content_digest=digest,
            standings=standings_of(context, request),
        )
    except NotConfirmed as refusal:
        return _not_shown(context, request, refusal)
    except DraftChanged as refusal:
        return _not_published(context, request, refusal)
    return _back(context, request, f"You have said go for {', '.join(said)}.")


@view_config(
    context=ManagedSet,
    name="discard",
    request_method=("GET", "POST"),
    renderer="pages/manage/discard_set.jinja2",
)
def discard(context: ManagedSet, request: Request) -> View:
    """End the set once its name is typed, with its drafts where that is wanted."""
    release_set, form = context.release_set, DiscardSetForm(request.POST)
    form.expected = release_set.name

    def do() -> tuple[str, str]:
        with_drafts = bool(form.with_drafts.data)
        count = release_sets.discard(
            request.uow, request.person, release_set, with_drafts=with_drafts
        )
        besides = f", with {counted(count, 'draft')}" if with_drafts else ""
        return request.paths.managed_sets(), f"{release_set.name} is discarded{besides}."

    return asked_first(request, form, {"release_set": _details(context, request)}, do)


@view_config(context=ManagedDraft, name="set", request_method="POST")
def add_this(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Put this draft into a set, which is made where it is new."""
    form = ToSetForm(request.POST)
    if not form.validate():
        raise InvalidRequest("Say which release set: its name, or OWNER/NAME.")
    named = release_sets.reference(form.release_set.data or "")
    made = release_sets.add(request.uow, request.person, context.draft, named)
    return see_other(
        request, request.paths.managed_set(made), f"{context.draft.project_name} is in the set."
    )


@view_config(context=ManagedSet, name="events", request_method="GET")
def events(context: ManagedSet, request: Request) -> Response:
    """That the set or one of its drafts has changed, as one event; then the page asks again."""
    release_set, uow = context.release_set, request.uow
    mark = draft_changes.mark_of_set(uow.db, release_set)
    known = live.known_mark(request, mark)
    expires = [place.draft.expires for place in release_sets.places(uow, release_set)]
    not_yet = waiting.not_yet_of_set(
        *(request, release_set),
        stands=mark,
        known=known,
        seconds=waiting.LONGEST,
        expires=min(expires, default=None),
    )
    if not_yet is not None:
        return not_yet
    return live.event(request, mark, known, is_over=release_set.state != SetState.OPEN)


def _sets(request: Request, form: SetForm) -> dict[str, object]:
    user = user_or_sign_in(request)
    never_cache(request)
    number = page_number(request)
    start = (number - 1) * _SETS_ON_A_PAGE
    found = release_sets.of_person(request.uow, user, start=start, count=_SETS_ON_A_PAGE)
    total = release_sets.count_of_person(request.uow, user)
    return {"page": page_from(found, number, _SETS_ON_A_PAGE, total), "form": form}


def _set(
    context: ManagedSet,
    request: Request,
    *,
    settings: SetSettingsForm | None = None,
    inviting: InviteProjectForm | None = None,
) -> dict[str, object]:
    never_cache(request)
    uow, person, release_set = request.uow, request.person, context.release_set
    details = _details(context, request)
    page = page_of(request, details.members, _DRAFTS_ON_A_PAGE)
    start = (page.number - 1) * _DRAFTS_ON_A_PAGE
    shown = slice(start, start + _DRAFTS_ON_A_PAGE)
    user = user_or_sign_in(request)
    may_run, may_publish = (
        release_sets.may_run(uow, person, release_set),
        _may_any(details, Act.PUBLISH),
    )
    takes_changes = details.is_open and not details.is_being_reviewed
    free = release_sets.free_drafts(uow, user, most=_MOST_FREE) if details.is_open else []
    return {
        "release_set": details,
        "page": page,
        "reasons": publishing.set_obstacles(uow, person, release_set, shown),
        "mark": draft_changes.mark_of_set(uow.db, release_set),
        "approvals": set_approvals.of_set(uow, person, release_set, shown),
        "may_run": may_run,
        "may_publish": may_publish,
        "may_schedule": may_publish and takes_changes,
        "may_unschedule": (may_publish or may_run) and takes_changes,
        "set_act": partial(request.paths.managed_set, release_set),
        "may_stage": _may_any(details, Act.STAGE),
        "settings": settings or SetSettingsForm(obj=release_set),
        "adding": AddToSetForm(),
        "free": [f"{name}=={version}" for name, version in free],
        "inviting": inviting or InviteProjectForm(),
        "set_url": request.urls.draft(release_set),
        "install_command": commands.install_set(request, details),
        "one_index_command": commands.install_set_from_one_index(request, details),
        "upload_command": commands.upload_to_set(request, _named(request, details)),
        "events": page_of(
            request, release_sets.events(uow.db, release_set), _EVENTS_ON_A_PAGE, "log"
        ),
        "schedule": set_schedules.of_set(uow, person, release_set, details.content_digest),
        "has_others": any(Act.PUBLISH not in member.may for member in details.members),
        "sentence": "" if details.is_open else release_sets.ended_sentence(release_set),
    }


def refused_set_page(context: ManagedSet, request: Request) -> tuple[str, dict[str, object]] | None:
    """The page that has the buttons: template and what it shows. None: it is not theirs to see."""
    if not release_sets.may_see(request.uow, request.person, context.release_set):
        return None
    return _TEMPLATE, _set(context, request)


def standings_of(context: ManagedSet, request: Request) -> dict[int, JSONObject]:
    """What is known of the drafts whose projects want approvals, where one is given now."""
    return {
        place.draft.id: standing(request.uow, place.draft)
        for place in release_sets.places(request.uow, context.release_set)
        if place.project.approvals_needed and may(request.person, Act.PUBLISH, place.project)
    }


def _not_shown(context: ManagedSet, request: Request, refusal: NotConfirmed) -> View:
    """Have the person show who they are, or say that they need a second factor for that."""
    is_form = request.method == "POST"
    there = request.paths.managed_set(context.release_set, "publish") if is_form else None
    if not isinstance(refusal, FactorNotFresh):
        return to_confirmation(request, there)
    if refusal.has_factor:
        return to_confirmation(request, there, fresh=True)
    page = _publication(context, request, why_not=str(refusal))
    if not is_form:
        return page
    request.tm.doom()
    return invalid(request, page, PAGE.status(FactorNotFresh))


def _publication(
    context: ManagedSet,
    request: Request,
    changed: DraftChanged | None = None,
    why_not: str = "",
) -> dict[str, object]:
    never_cache(request)
    details = _details(context, request)
    found = publishing.set_obstacles(request.uow, request.person, context.release_set)
    return {
        "release_set": details,
        "reasons": {what: reasons for what, reasons in found.items() if reasons},
        "changes": changed.details if changed is not None else (),
        "may_publish": _may_any(details, Act.PUBLISH) and not why_not,
        "why_not": why_not,
        "others": [member for member in details.members if Act.PUBLISH not in member.may],
    }


def _not_published(
    context: ManagedSet, request: Request, refusal: CannotPublish | DraftChanged
) -> View:
    if context.release_set.state != SetState.OPEN:
        raise refusal
    request.tm.doom()
    changed = refusal if isinstance(refusal, DraftChanged) else None
    page = _publication(context, request, changed)
    return invalid(request, page, PAGE.status(type(refusal)))


def _digest(request: Request) -> str:
    form = PublishForm(request.POST)
    if not form.validate():
        raise InvalidRequest(
            "This form does not say what it publishes: open the page of the release set, and "
            "publish it from there."
        )
    return form.content_digest.data or ""


def _draft(request: Request, name: str, version: str) -> Draft:
    parsed = parse_version(version)
    project = projects.find(request.uow, name)
    if parsed is None or project is None:
        raise NotFound("There is no such draft that you may see.")
    return drafts.live_for(request.uow, request.person, name, parsed)


def _details(context: ManagedSet, request: Request) -> SetDetails:
    return release_sets.details(request.uow, request.person, context.release_set)


def _may_any(details: SetDetails, act: Act) -> bool:
    return any(act in member.may for member in details.members)


def _named(request: Request, details: SetDetails) -> str:
    """How the person names the set."""
    is_own = details.owner_name == request.person.name
    return details.name if is_own else details.title


def _back(context: ManagedSet, request: Request, notice: str | None = None) -> HTTPSeeOther:
    return see_other(request, request.paths.managed_set(context.release_set), notice)
