"""What is sent to webhooks, and what came of it: who sends takes a message, and says how it went.

A receiver is sent one message at a time, the oldest first, and none while it is left alone because
it does not answer. So one that hangs costs a few seconds now and then, whatever waits for it.
Nothing is sent within a unit of work.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, select

from greenroom import times
from greenroom.models import DeliveryState, User, Webhook, WebhookDelivery
from greenroom.models.base import JSONObject
from greenroom.registry import audit, jobs, release_sets, set_members, webhooks
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import WEBHOOKS, Actor
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork
from greenroom.registry.webhook_events import Event
from greenroom.registry.webhook_telling import Told, queue
from greenroom.registry.webhooks import Hook, Scope, SigningKey, Target

GIVEN_UP_AFTER = timedelta(hours=24)
SWITCHED_OFF_AFTER = timedelta(days=5)
"""Of a receiver that has taken nothing for so long."""
KEPT = timedelta(days=30)
MOST_AT_ONCE = 50
"""Of messages to one receiver; then those of others have their turn."""

_PAUSES = (5, 30, 120, 600, 1800, 3600)
_LONGEST_WAIT = 3600
_TAKEN_FOR = timedelta(seconds=60)
_LOOK_AGAIN = timedelta(seconds=2)
_LONGEST = 1000
_MOST_FORGOTTEN = 5000
_LARGEST_ID = 2**31 - 1
_NOT_READABLE = (
    "The index has another secret key than when the address was entered: enter it again, and make "
    "another secret."
)


class Outgoing(Struct, frozen=True):
    """A message that is to be sent now.

    Attributes:
        id: its number.
        webhook: the number of the receiver.
        message: by which name the receiver tells it from others.
        event: of what it tells.
        facts: what it says.
        format: in which form.
        target: where it goes.
        keys: what signs it.
        at: when it is sent.
    """

    id: int
    webhook: int
    message: str
    event: str
    facts: JSONObject
    format: str
    target: Target
    keys: Sequence[SigningKey]
    at: datetime


class Outcome(Struct, frozen=True):
    """What came of an attempt.

    Attributes:
        status: what was answered; None where nobody did.
        answer: the beginning of it.
        error: why there was no answer.
        wait: after how many seconds the receiver wants to be asked again.
    """

    status: int | None = None
    answer: str = ""
    error: str = ""
    wait: int | None = None

    @property
    def is_success(self) -> bool:
        """Whether the message was taken."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more (410 Gone, as Standard Webhooks says)."""
        return self.status == 410

    @property
    def is_of_receiver(self) -> bool:
        """Whether any other message would have fared the same."""
        return self.status is None or self.status >= 500 or self.status in (408, 425, 429)


class Delivery(Struct, frozen=True):
    """A message in the log of a webhook.

    Attributes:
        about: the project and the version; empty for one that only tries the receiver.
        due: when it is tried next, while it waits.
        answer: the beginning of what was answered.
    """

    id: int
    message: str
    event: str
    about: str
    state: str
    created: datetime
    attempts: int
    attempted: datetime | None
    due: datetime
    status: int | None
    error: str
    answer: str


# Sending


def take(services: Services, number: int) -> bool:
    """Begin to send to a receiver. False where nothing is to be sent, or somebody else is at it.

    Whoever is at it may not see what was written since: it is looked at again soon.
    """
    with services.writing() as uow:
        hook = _locked(uow, number)
        if hook is None or hook.disabled is not None or _is_left_alone(uow, hook):
            return False
        busy = hook.busy_until
        # What is longer than anybody takes is of a clock that was ahead.
        if busy is not None and uow.now < busy <= uow.now + _TAKEN_FOR + AT_ONCE:
            _look_again(uow, hook, uow.now + _LOOK_AGAIN)
            return False
        hook.busy_until = uow.now + _TAKEN_FOR
        return True


def next_of(services: Services, number: int) -> Outgoing | None:
    """The message that is to be sent now to a receiver that was taken; None where there is none."""
    with services.writing() as uow:
        hook = _locked(uow, number)
        if hook is None or hook.disabled is not None or _is_left_alone(uow, hook):
            return None
        found = uow.db.scalar(
            select(WebhookDelivery)
            .where(_waits_for(hook), WebhookDelivery.due <= uow.now)
            .order_by(WebhookDelivery.id)
            .limit(1)
        )
        if found is None:
            return None
        target = webhooks.target_of(uow.settings, hook)
        if target is None:
            webhooks.switch_off(uow, hook, _NOT_READABLE)
            _tell_owners(uow, hook)
            return None
        hook.busy_until = uow.now + _TAKEN_FOR
        return Outgoing(
            *(found.id, hook.id, found.message_id, found.event, dict(found.facts), hook.format),
            target,
            webhooks.signing_keys(uow.settings, hook, uow.now),
            uow.now,
        )


def record(services: Services, sent: Outgoing, outcome: Outcome) -> bool:
    """Write down what came of a message, and whether others may be sent to its receiver now."""
    with services.writing() as uow:
        hook = _locked(uow, sent.webhook)
        delivery = uow.db.get(WebhookDelivery, sent.id, with_for_update=True)
        if hook is None or delivery is None:  # removed meanwhile
            return False
        delivery.attempts += 1
        delivery.attempted = uow.now
        delivery.status, delivery.error = outcome.status, outcome.error[:_LONGEST]
        delivery.answer = outcome.answer[:_LONGEST].replace("\0", " ")
        if outcome.is_success:
            delivery.state = DeliveryState.DELIVERED
            hook.failures, hook.failing_since, hook.not_before = 0, None, None
            return True
        _failed(uow, hook, delivery, outcome)
        return hook.disabled is None and not outcome.is_of_receiver


def leave(services: Services, number: int, *, goes_on: bool = True) -> None:
    """Be done with a receiver that was taken.

    Where it ``goes_on``, what is still to be sent has a job of its own from then on.
    """
    with services.writing() as uow:
        hook = _locked(uow, number)
        if hook is None:
            return
        hook.busy_until = None
        if not goes_on:
            return
        due = select(WebhookDelivery.id).where(_waits_for(hook), WebhookDelivery.due <= uow.now)
        is_more = uow.db.scalar(due.limit(1)) is not None
        if is_more and hook.disabled is None and not _is_left_alone(uow, hook):
            _look_again(uow, hook, uow.now)


def _failed(uow: UnitOfWork, hook: Webhook, delivery: WebhookDelivery, outcome: Outcome) -> None:
    hook.failing_since = hook.failing_since or uow.now
    pause = timedelta(seconds=min(outcome.wait or 0, _LONGEST_WAIT))
    if outcome.is_of_receiver:
        hook.failures += 1
        pause = max(pause, _pause(hook.failures))
        hook.not_before = uow.now + pause
    else:
        pause = max(pause, _pause(delivery.attempts))
    if outcome.is_gone:
        _give_up(uow, hook, delivery, "The receiver is gone: it answered with status 410.")
    elif uow.now - hook.failing_since >= SWITCHED_OFF_AFTER:
        days = SWITCHED_OFF_AFTER.days
        _give_up(uow, hook, delivery, f"The receiver has taken nothing for {days} days.")
    elif delivery.state != DeliveryState.WAITING:
        pass  # switched off meanwhile
    elif uow.now - delivery.queued >= GIVEN_UP_AFTER:
        delivery.state = DeliveryState.FAILED
    else:
        delivery.due = uow.now + pause
    is_tried = delivery.state == DeliveryState.WAITING or outcome.is_of_receiver
    if is_tried and hook.disabled is None:
        _look_again(uow, hook, uow.now + pause)


def _give_up(uow: UnitOfWork, hook: Webhook, delivery: WebhookDelivery, reason: str) -> None:
    delivery.state = DeliveryState.FAILED
    uow.db.flush()
    webhooks.switch_off(uow, hook, reason)
    _tell_owners(uow, hook)


def _tell_owners(uow: UnitOfWork, hook: Webhook) -> None:
    """Write down that a webhook was switched off, for those who are told of it.

    Of a release set those are named, each in a line of their own: it has no project.
    """
    detail = f"{webhooks.described(hook)}; {hook.disabled_reason}"
    kind, project, people = Kind.WEBHOOK_DISABLE, hook.project, list[User | None]([None])
    if hook.release_set is not None:
        detail = f"{detail} It is of the release set {set_members.title(hook.release_set)}."
        people = [*release_sets.who_runs(uow, hook.release_set)] or [None]
    uow.db.flush()
    for about in people:
        audit.write(uow, kind, WEBHOOKS, about=about, project=project, detail=detail)


def _pause(failures: int) -> timedelta:
    return timedelta(seconds=_PAUSES[min(failures, len(_PAUSES)) - 1])


def _look_again(uow: UnitOfWork, hook: Webhook, due: datetime) -> None:
    jobs.enqueue(uow, jobs.Kind.WEBHOOK, {"webhook": hook.id}, due)


def _is_left_alone(uow: UnitOfWork, hook: Webhook) -> bool:
    """Whether it is not to be tried yet; a moment that is too far away is of a wrong clock."""
    wait = hook.not_before
    longest = timedelta(seconds=max(_LONGEST_WAIT, *_PAUSES))
    return wait is not None and uow.now < wait <= uow.now + longest + AT_ONCE


def _locked(uow: UnitOfWork, number: int) -> Webhook | None:
    uow.lock(f"webhook:{number}")
    return uow.db.get(Webhook, number)


def _waits_for(hook: Webhook) -> ColumnElement[bool]:
    is_its = WebhookDelivery.webhook_id == hook.id
    return is_its & (WebhookDelivery.state == DeliveryState.WAITING)


# What people see and do


def listed(
    uow: UnitOfWork, actor: Actor, scope: Scope, number: int, *, start: int, count: int
) -> tuple[list[Delivery], int]:
    """Some of the messages to a webhook, the newest first, and how many there are.

    Raises:
        NotAllowed: the actor may not see them.
        NotFound: there is no such webhook.
    """
    hook = webhooks.find(uow, actor, scope, number)
    of_hook = WebhookDelivery.webhook_id == hook.id
    found = uow.db.scalars(
        select(WebhookDelivery)
        .where(of_hook)
        .order_by(WebhookDelivery.id.desc())
        .offset(start)
        .limit(count)
    )
    total = uow.db.scalar(select(func.count()).select_from(WebhookDelivery).where(of_hook)) or 0
    return [_listed(delivery) for delivery in found], total


def try_out(uow: UnitOfWork, actor: Actor, scope: Scope, number: int) -> Hook:
    """Send a message that tells of nothing, now, also to a receiver that is left alone.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is no such webhook.
        InvalidRequest: it is switched off, or such a message waits.
    """
    hook = _ready(uow, actor, scope, number)
    waits = _waits_for(hook) & (WebhookDelivery.event == Event.TEST)
    if uow.db.scalar(select(WebhookDelivery.id).where(waits).limit(1)) is not None:
        raise InvalidRequest("A message that tries the webhook is on its way already.")
    last = select(func.max(WebhookDelivery.id)).where(WebhookDelivery.webhook_id == hook.id)
    facts: JSONObject = {
        "project": hook.project.name if hook.project is not None else None,
        "by": audit.plain(actor.name),
        "time": times.microseconds(uow.now),
    }
    if hook.release_set is not None:
        facts |= {
            "set": set_members.title(hook.release_set),
            "set-key": hook.release_set.key,
        }
    key = f"test {times.microseconds(uow.now)} {uow.db.scalar(last) or 0}"
    queue(uow, hook, Told(Event.TEST, key), facts)
    _sent_by(uow, actor, scope, hook, "a test")
    return webhooks.summary(uow, hook)


def send_again(
    uow: UnitOfWork, actor: Actor, scope: Scope, number: int, delivery_id: int
) -> Delivery:
    """Send a message once more, now, with the same content and the same name.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is no such webhook, or no such message to it.
        InvalidRequest: the webhook is switched off.
    """
    hook = _ready(uow, actor, scope, number)
    delivery = None
    if 0 < delivery_id <= _LARGEST_ID:
        delivery = uow.db.scalar(
            select(WebhookDelivery).where(
                WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == hook.id
            )
        )
    if delivery is None:
        raise NotFound("There is no such message to this webhook.")
    delivery.state, delivery.queued, delivery.due = DeliveryState.WAITING, uow.now, uow.now
    uow.db.flush()
    _look_again(uow, hook, uow.now)
    _sent_by(uow, actor, scope, hook, f"{delivery.event}, {delivery.message_id}")
    return _listed(delivery)


def _ready(uow: UnitOfWork, actor: Actor, scope: Scope, number: int) -> Webhook:
    """One that something is to be sent to now, whatever came of what was sent before."""
    scope.lock(uow)
    scope.require(actor)
    hook = webhooks.row(uow, scope, number)
    uow.lock(f"webhook:{hook.id}")
    uow.db.refresh(hook)
    if hook.disabled is not None:
        raise InvalidRequest("The webhook is switched off: switch it on first.")
    hook.not_before = None
    uow.db.flush()
    return hook


def _sent_by(uow: UnitOfWork, actor: Actor, scope: Scope, hook: Webhook, what: str) -> None:
    detail = f"{hook.name}: {what}"
    audit.write(uow, Kind.WEBHOOK_SEND, actor, project=scope.project, detail=detail)


def forget_old(uow: UnitOfWork) -> None:
    """Delete the messages of some weeks ago, some thousand at a time, and secrets that are over."""
    webhooks.forget_secrets(uow)
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.created < uow.now - KEPT,
            WebhookDelivery.state != DeliveryState.WAITING,
        )
        .order_by(WebhookDelivery.created)
        .limit(_MOST_FORGOTTEN)
    )
    uow.db.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)))


def _listed(delivery: WebhookDelivery) -> Delivery:
    facts = delivery.facts
    about = " ".join(str(facts[name]) for name in ("project", "version") if facts.get(name))
    return Delivery(
        delivery.id,
        delivery.message_id,
        delivery.event,
        about if delivery.event != Event.TEST else "",
        delivery.state,
        delivery.created,
        delivery.attempts,
        delivery.attempted,
        delivery.due,
        delivery.status,
        delivery.error,
        delivery.answer,
    )
