"""Which webhooks are told of an act, and of what: decided when the job of the act is done.

A message is a row of its own for each receiver, and is written once, however often the job is done.
It has what was true when the job was done: what somebody does to files in a row is told once, when
it is over, and what nobody sees any more is not told.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from msgspec import Struct, field
from sqlalchemy import ColumnElement, String, func, literal, select

from greenroom import times
from greenroom.models import (
    DeliveryState,
    Draft,
    DraftEvent,
    DraftState,
    Project,
    ReleaseSet,
    ReleaseSetMember,
    Webhook,
    WebhookDelivery,
    WebhookScope,
)
from greenroom.models.base import JSONObject, UTCDateTime
from greenroom.registry import (
    audit,
    catalogue,
    draft_contents,
    jobs,
    live_drafts,
    set_members,
    webhook_events,
)
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.webhook_events import QUIET, Event

MOST_WAITING = 1000
"""Of messages to one receiver. What is more is not sent, unless somebody sends it again."""

TOO_MANY = f"More than {MOST_WAITING} messages waited for this receiver."

_MOST_EVENTS = 2000
_FILES = {"added": "added", "replaced": "replaced", "removed": "removed"}


class Told(Struct, frozen=True):
    """What is told.

    Attributes:
        event: by which name.
        key: the same for whatever is told once.
        facts: what there is to say besides what the audit log says.
    """

    event: Event
    key: str
    facts: JSONObject = field(default_factory=dict)


def tell(services: Services, payload: JSONObject) -> None:
    """Write down what each webhook is to be told of an act. To do it again is nothing.

    Args:
        services: what is worked on.
        payload: the facts, as :func:`greenroom.registry.webhook_events.note` has written them.
    """
    facts = {name: value for name, value in payload.items() if isinstance(value, str)}
    if facts.get("act") in webhook_events.ACTS_OF_SETS:
        _tell_of_set(services, facts)
        return
    with services.writing() as uow:
        told = _told(uow, facts)
        if told is None:
            return
        of_project = literal(facts["normalized_project"])
        holder = literal(datetime.fromisoformat(facts["project_created"]), UTCDateTime())
        version = literal(facts.get("version"), String())
        hooks = uow.db.scalars(
            select(Webhook)
            .where(webhook_events.listens(of_project, holder, version))
            .order_by(Webhook.id)
        )
        for hook in hooks:
            # What is published with its release set is told to those of the set as one.
            is_of_set = hook.scope == WebhookScope.SET and told.event is Event.PUBLISHED
            if told.event in hook.events and not is_of_set:
                queue(uow, hook, told, {**_said(facts), **told.facts})


def _tell_of_set(services: Services, facts: Mapping[str, str]) -> None:
    """Write down what the webhooks of a release set are to be told of its end, once."""
    with services.writing() as uow:
        release_set = uow.db.get(ReleaseSet, int(facts["release_set"]))
        if release_set is None:
            return
        event = webhook_events.ACTS_OF_SETS[facts["act"]]
        about: JSONObject = {
            "set": set_members.title(release_set),
            "set-key": release_set.key,
            "by": facts["by"],
            "time": times.microseconds(datetime.fromisoformat(facts["at"])),
        }
        if event is Event.PUBLISHED:
            about["content-digest"] = release_set.content_digest
            about["releases"] = _releases(uow, release_set)
        else:
            about["reason"] = facts["act"].removeprefix("set-")
        of_set = (Webhook.release_set_id == release_set.id) & Webhook.disabled.is_(None)
        for hook in uow.db.scalars(select(Webhook).where(of_set).order_by(Webhook.id)):
            if event in hook.events:
                queue(uow, hook, Told(event, facts["event"]), about)


def _releases(uow: UnitOfWork, release_set: ReleaseSet) -> list[JSONObject]:
    """What was published with a release set, by project and version."""
    rows = uow.db.execute(
        select(Draft.project_name, Draft.version, Draft.content_digest)
        .join(ReleaseSetMember, ReleaseSetMember.draft_id == Draft.id)
        .where(
            ReleaseSetMember.release_set_id == release_set.id, Draft.state == DraftState.PUBLISHED
        )
        .order_by(Draft.project_name, Draft.version)
    )
    return [
        {"project": name, "version": version, "content-digest": digest}
        for name, version, digest in rows
    ]


def queue(uow: UnitOfWork, hook: Webhook, told: Told, facts: JSONObject) -> int | None:
    """Write down what a webhook is to be told, unless that has been done; give its number."""
    uow.lock(f"webhook:{hook.id}")
    of_hook = WebhookDelivery.webhook_id == hook.id
    known = of_hook & (WebhookDelivery.event_key == told.key)
    if uow.db.scalar(select(WebhookDelivery.id).where(known)) is not None:
        return None
    is_waiting = of_hook & (WebhookDelivery.state == DeliveryState.WAITING)
    waiting = uow.db.scalar(select(func.count()).select_from(WebhookDelivery).where(is_waiting))
    is_one_too_many = (waiting or 0) >= MOST_WAITING
    delivery = WebhookDelivery(
        webhook_id=hook.id,
        event_key=told.key,
        message_id=f"msg_{uuid4().hex}",
        event=told.event,
        facts=facts,
        state=DeliveryState.FAILED if is_one_too_many else DeliveryState.WAITING,
        error=TOO_MANY if is_one_too_many else "",
        created=uow.now,
        queued=uow.now,
        due=uow.now,
    )
    uow.db.add(delivery)
    uow.db.flush()
    if not is_one_too_many:
        jobs.enqueue(uow, jobs.Kind.WEBHOOK, {"webhook": hook.id})
    return delivery.id


def _told(uow: UnitOfWork, facts: Mapping[str, str]) -> Told | None:
    act = facts["act"]
    event = webhook_events.ACTS.get(act)
    match event:
        case None:
            return None
        case Event.CHANGED:
            return _of_files(uow, facts)
        case Event.PUBLISHED if act == "file-upload":
            return _of_uploads(uow, facts)
        case Event.PUBLISHED:
            return _of_publication(uow, facts)
        case Event.DISCARDED:
            return Told(event, facts["event"], {"reason": act.removeprefix("draft-")})
        case _:
            draft = _draft(uow, facts, live_drafts.is_live(uow))
            if draft is None:
                return None
            return Told(event, facts["event"], _content(draft))


def _of_files(uow: UnitOfWork, facts: Mapping[str, str]) -> Told | None:
    """What was done to the files of a live draft in a row, once that is over."""
    draft = _draft(uow, facts, live_drafts.is_live(uow))
    if draft is None:
        return None
    since = datetime.fromisoformat(facts["at"])
    done = uow.db.scalars(
        select(DraftEvent)
        .where(DraftEvent.draft_id == draft.id, DraftEvent.act.in_(_FILES))
        .order_by(DraftEvent.id.desc())
        .limit(_MOST_EVENTS)
    ).all()
    if not done or (done[0].at > since and done[0].at + QUIET > uow.now):
        return None  # the job of what came later tells this as well
    run = _last_run(done)
    counts = {act: sum(1 for each in run if each.act == act) for act in _FILES}
    is_first = len(run) == len(done) < _MOST_EVENTS
    content = _content(draft)
    if is_first and not draft.files:
        return None  # what came has gone again
    return Told(
        Event.STAGED if is_first else Event.CHANGED,
        f"draft {draft.id} {done[0].id}",
        {**content, "files": counts, "by": audit.plain(run[0].by)},
    )


def _last_run(done: Sequence[DraftEvent]) -> list[DraftEvent]:
    """Of what was done, the newest first, what followed without a pause."""
    run = [done[0]]
    for each in done[1:]:
        if run[-1].at - each.at > QUIET:
            break
        run.append(each)
    return run


def _of_uploads(uow: UnitOfWork, facts: Mapping[str, str]) -> Told | None:
    """What was published by uploads in a row, once that is over."""
    since = datetime.fromisoformat(facts["at"])
    project = uow.db.scalar(select(Project).where(_is_project(facts)))
    if project is None:
        return None
    release = catalogue.release(uow.db, project, facts["version"])
    files = catalogue.files(uow.db, release) if release is not None else []
    if release is None or not files:
        return None
    newest = max(files, key=lambda file: file.id)
    if newest.created > since and newest.created + QUIET > uow.now:
        return None
    content = {each.filename: each.sha256 for each in files}
    digest = draft_contents.content_digest(facts["project"], release.version, content)
    return Told(Event.PUBLISHED, f"release {release.id} {newest.id}", {"content-digest": digest})


def _of_publication(uow: UnitOfWork, facts: Mapping[str, str]) -> Told | None:
    draft = _draft(uow, facts, Draft.state == DraftState.PUBLISHED)
    digest = draft.content_digest if draft is not None else None
    return Told(Event.PUBLISHED, facts["event"], {"content-digest": digest})


def _content(draft: Draft) -> JSONObject:
    return {
        "content-digest": draft_contents.digest_of(draft, draft.files),
        "expires": times.microseconds(draft.expires),
    }


def _draft(
    uow: UnitOfWork, facts: Mapping[str, str], condition: ColumnElement[bool]
) -> Draft | None:
    """The newest draft of the version that the facts name, of those that the condition is of."""
    return uow.db.scalar(
        select(Draft)
        .join(Project, Project.id == Draft.project_id)
        .where(_is_project(facts), Draft.version == facts.get("version"), condition)
        .order_by(Draft.id.desc())
        .limit(1)
    )


def _is_project(facts: Mapping[str, str]) -> ColumnElement[bool]:
    created = datetime.fromisoformat(facts["project_created"])
    named = Project.normalized_name == facts["normalized_project"]
    return named & (Project.created == created)


def _said(facts: Mapping[str, str]) -> JSONObject:
    """What the audit log says, as far as it is told."""
    said: JSONObject = {name: facts.get(name) for name in ("project", "version", "by")}
    at = datetime.fromisoformat(facts["at"])
    is_of_files = webhook_events.ACTS[facts["act"]] in (Event.CHANGED, Event.PUBLISHED)
    detail = "" if is_of_files else facts.get("detail", "")
    return {**said, "time": times.microseconds(at), "detail": detail}
