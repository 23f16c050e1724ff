"""Webhooks: the receivers that are told of events, by who may manage what they are told of.

The address of a receiver may be a secret, as those of chat rooms are, and so is what signs: both
are kept sealed, and the secret is shown once. Messages are signed as Standard Webhooks says
(https://www.standardwebhooks.com).
"""

import base64
import json
import os
import re
import secrets
from abc import abstractmethod
from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select, update

from greenroom import webhook_client
from greenroom.models import (
    DeliveryState,
    Project,
    ReleaseSet,
    SetState,
    Webhook,
    WebhookDelivery,
    WebhookFormat,
    WebhookScope,
)
from greenroom.registry import audit, projects, release_sets, sealing
from greenroom.registry.audit import Kind
from greenroom.registry.errors import Ended, InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import Act, Actor, require, require_right
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.webhook_events import CHOICES, Event
from greenroom.settings import Settings

MOST = 20
"""Of a project, of a release set, and of the index."""
BOTH_FOR = timedelta(hours=24)
"""So long the secret that was signs as well as the one that is."""
LONGEST_NAME = 100
LONGEST_TOKEN = 500

_TARGET = "the target of a webhook"
_SECRET = "the secret of a webhook"  # noqa: S105 (what it is sealed for)
_SECRET_BYTES = 32
_LARGEST_ID = 2**31 - 1
_ROOM = re.compile(r"/_matrix/client/v3/rooms/[^/?#]+/send/m\.room\.message/?", re.ASCII)
_BY_OWNER = "Somebody has switched it off."


class Scope:
    """What webhooks are told of: another kind of it is another class."""

    @property
    @abstractmethod
    def project(self) -> Project | None:
        """The project that the audit log names; None where it is of no single one."""

    @property
    @abstractmethod
    def condition(self) -> ColumnElement[bool]:
        """Which webhooks are of it."""

    @abstractmethod
    def add_to(self, hook: Webhook) -> None:
        """Let a new webhook be of it.

        Raises:
            Ended: nothing happens there any more.
        """

    def require_right(self, actor: Actor) -> None:
        """Raise NotAllowed unless the actor may see who is told.

        Raises:
            NotAllowed: the actor may not.
        """
        self.require(actor)

    @abstractmethod
    def require(self, actor: Actor) -> None:
        """Raise NotAllowed unless the actor may say who is told.

        Raises:
            NotAllowed: the actor may not.
        """

    @abstractmethod
    def lock(self, uow: UnitOfWork) -> None:
        """Let nobody else change its webhooks until the transaction ends."""


class OfProject(Scope, Struct, frozen=True):
    """What happens in one project."""

    of: Project

    @property
    def project(self) -> Project:
        """That one."""
        return self.of

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which webhooks are the project's."""
        return Webhook.project_id == self.of.id

    def add_to(self, hook: Webhook) -> None:
        """Let a new webhook be the project's."""
        hook.scope, hook.project_id = WebhookScope.PROJECT, self.of.id

    def require_right(self, actor: Actor) -> None:
        """Whoever may manage the project may."""
        require_right(actor, Act.MANAGE, self.of)

    def require(self, actor: Actor) -> None:
        """Whoever may manage the project may, for which administrators give a reason."""
        require(actor, Act.MANAGE, self.of)

    def lock(self, uow: UnitOfWork) -> None:
        """By the project's name."""
        projects.lock_and_reload(uow, self.of)


class OfSet(Scope, Struct, frozen=True):
    """What happens to a release set and to its drafts.

    Attributes:
        uow: in which it is asked who may do what.
    """

    uow: UnitOfWork
    of: ReleaseSet

    @property
    def project(self) -> None:
        """None in particular."""
        return None

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which webhooks are the set's."""
        return Webhook.release_set_id == self.of.id

    def add_to(self, hook: Webhook) -> None:
        """Let a new webhook be the set's, which is open."""
        if self.of.state != SetState.OPEN:
            raise Ended(release_sets.ended_sentence(self.of))
        hook.scope, hook.release_set_id = WebhookScope.SET, self.of.id

    def require(self, actor: Actor) -> None:
        """Whoever may say how the set is called, and who may add drafts to it."""
        is_run = release_sets.may_see(self.uow, actor, self.of) and release_sets.may_run(
            self.uow, actor, self.of
        )
        if not is_run:
            raise NotAllowed(
                f"{actor.name!r} may not have webhooks of this release set: its owner may, and "
                "whoever may publish all of its drafts."
            )

    def lock(self, uow: UnitOfWork) -> None:
        """By the set's name."""
        release_sets.lock_and_reload(uow, self.of)


class OfIndex(Scope, Struct, frozen=True):
    """What happens in all projects."""

    @property
    def project(self) -> None:
        """None in particular."""
        return None

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which webhooks are of the index."""
        return Webhook.scope == WebhookScope.INDEX

    def add_to(self, hook: Webhook) -> None:
        """Let a new webhook be of the index."""
        hook.scope, hook.project_id = WebhookScope.INDEX, None

    def require(self, actor: Actor) -> None:
        """Administrators may."""
        if not actor.is_administrator:
            raise NotAllowed("Only administrators may have webhooks of the whole index.")

    def lock(self, uow: UnitOfWork) -> None:
        """By a name of its own."""
        uow.lock("webhooks")


class Wanted(Struct, frozen=True):
    """What somebody wants a webhook to be.

    Attributes:
        name: what people call it.
        url: where messages go; empty to leave it as it is.
        format: in which form.
        events: of what it is told, by their names.
        token: what a Matrix room is shown; empty to leave it as it is.
    """

    name: str
    url: str
    format: str
    events: Collection[str]
    token: str = ""


class Hook(Struct, frozen=True):
    """What pages say of a webhook: no secret, and of its address the host alone.

    Attributes:
        id: its number.
        events: of what it is told, in the order in which those happen.
        disabled_reason: empty while it is on.
        failing_since: since when it has taken nothing; None where it took the last message.
        next_attempt: when it is tried again; None where it need not be.
        former_until: until when the former secret signs as well; None where it does not.
    """

    id: int
    name: str
    host: str
    format: str
    events: tuple[Event, ...]
    key_id: str
    created: datetime
    created_by: str
    disabled: datetime | None
    disabled_reason: str
    failing_since: datetime | None
    next_attempt: datetime | None
    former_until: datetime | None


class Target(Struct, frozen=True):
    """Where messages go, and what is shown there; neither is ever shown to people."""

    url: str
    token: str

    def __repr__(self) -> str:
        return "Target(...)"


class SigningKey(Struct, frozen=True):
    """A secret that signs, by its name."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"


# What people do


def add(uow: UnitOfWork, actor: Actor, scope: Scope, wanted: Wanted) -> tuple[Hook, str]:
    """Tell one more receiver, and give the secret that signs what it is told: shown this once.

    Raises:
        NotAllowed: the actor may not.
        InvalidRequest: what is wanted does not do, or there are so many already.
    """
    scope.lock(uow)
    scope.require(actor)
    name, events = _checked(uow, scope, wanted, but=None)
    target = _target(uow.settings, wanted, None)
    if (uow.db.scalar(select(func.count()).where(scope.condition)) or 0) >= MOST:
        raise InvalidRequest(f"There are {MOST} webhooks already: remove one first.")
    text, key_id = _new_secret()
    hook = Webhook(
        name=name,
        host=webhook_client.host_of(target.url)[:255],
        format=wanted.format,
        events=events,
        target=_sealed_target(uow.settings, target),
        key_id=key_id,
        secret=sealing.seal(uow.settings, _SECRET, text),
        created=uow.now,
        created_by=actor.name,
    )
    scope.add_to(hook)
    uow.db.add(hook)
    uow.db.flush()
    _write(uow, Kind.WEBHOOK_ADD, actor, scope, hook)
    return summary(uow, hook), text


def change(uow: UnitOfWork, actor: Actor, scope: Scope, number: int, wanted: Wanted) -> Hook:
    """Change what a webhook is told, where, or in which form. It is on afterwards.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is none of this number.
        InvalidRequest: what is wanted does not do.
    """
    hook = _locked(uow, actor, scope, number)
    name, events = _checked(uow, scope, wanted, but=hook.id)
    target = _target(uow.settings, wanted, target_of(uow.settings, hook))
    hook.name, hook.events, hook.format = name, events, wanted.format
    hook.target = _sealed_target(uow.settings, target)
    hook.host = webhook_client.host_of(target.url)[:255]
    _switch_on(hook)
    uow.db.flush()
    _write(uow, Kind.WEBHOOK_CHANGE, actor, scope, hook)
    return summary(uow, hook)


def rotate(uow: UnitOfWork, actor: Actor, scope: Scope, number: int) -> tuple[Hook, str]:
    """Let another secret sign; the former one signs as well for a day.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is none of this number.
    """
    hook = _locked(uow, actor, scope, number)
    text, key_id = _new_secret()
    hook.former_key_id, hook.former_secret = hook.key_id, hook.secret
    hook.former_until = uow.now + BOTH_FOR
    hook.key_id, hook.secret = key_id, sealing.seal(uow.settings, _SECRET, text)
    uow.db.flush()
    _write(uow, Kind.WEBHOOK_ROTATE, actor, scope, hook)
    return summary(uow, hook), text


def switch(uow: UnitOfWork, actor: Actor, scope: Scope, number: int, *, on: bool) -> Hook:
    """Tell a receiver no more, or again. What waits for one that is switched off is not sent.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is none of this number.
    """
    hook = _locked(uow, actor, scope, number)
    if on == (hook.disabled is None):
        return summary(uow, hook)
    if on:
        _switch_on(hook)
    else:
        switch_off(uow, hook, _BY_OWNER)
    uow.db.flush()
    _write(uow, Kind.WEBHOOK_CHANGE, actor, scope, hook, "switched on" if on else "switched off")
    return summary(uow, hook)


def remove(uow: UnitOfWork, actor: Actor, scope: Scope, number: int) -> Hook:
    """Tell a receiver no more, and forget it with all that it was told.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is none of this number.
    """
    hook = _locked(uow, actor, scope, number)
    removed = summary(uow, hook)
    uow.db.delete(hook)
    uow.db.flush()
    _write(uow, Kind.WEBHOOK_REMOVE, actor, scope, hook)
    return removed


def listed(uow: UnitOfWork, actor: Actor, scope: Scope) -> list[Hook]:
    """All of them, the oldest first.

    Raises:
        NotAllowed: the actor may not see them.
    """
    scope.require_right(actor)
    found = uow.db.scalars(select(Webhook).where(scope.condition).order_by(Webhook.id))
    return [summary(uow, hook) for hook in found]


def find(uow: UnitOfWork, actor: Actor, scope: Scope, number: int) -> Hook:
    """One of them.

    Raises:
        NotAllowed: the actor may not see it.
        NotFound: there is none of this number.
    """
    scope.require_right(actor)
    return summary(uow, row(uow, scope, number))


# What the rest of the registry asks


def row(uow: UnitOfWork, scope: Scope, number: int) -> Webhook:
    """The webhook of this number, if it is of the scope.

    Raises:
        NotFound: there is none.
    """
    found = None
    if 0 < number <= _LARGEST_ID:
        found = uow.db.scalar(select(Webhook).where(Webhook.id == number, scope.condition))
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def scope_of(uow: UnitOfWork, number: int) -> Scope:
    """What the webhook of this number is told of.

    Raises:
        NotFound: there is none.
    """
    found = uow.db.get(Webhook, number) if 0 < number <= _LARGEST_ID else None
    if found is None:
        raise NotFound("There is no such webhook.")
    if found.release_set is not None:
        return OfSet(uow, found.release_set)
    return OfProject(found.project) if found.project is not None else OfIndex()


def target_of(settings: Settings, hook: Webhook) -> Target | None:
    """Where messages go; None where nobody can read that any more: the index has another key."""
    text = sealing.unseal(settings, _TARGET, hook.target)
    if text is None:
        return None
    said = json.loads(text)
    return Target(str(said["url"]), str(said["token"]))


def signing_keys(settings: Settings, hook: Webhook, now: datetime) -> list[SigningKey]:
    """The secrets that sign at this moment, the newest first."""
    sealed: list[tuple[str | None, str | None]] = [(hook.key_id, hook.secret)]
    if hook.former_until is not None and hook.former_until > now:
        sealed.append((hook.former_key_id, hook.former_secret))
    found = []
    for key_id, secret in sealed:
        text = sealing.unseal(settings, _SECRET, secret) if secret is not None else None
        if text is not None and key_id is not None:
            found.append(SigningKey(key_id, base64.b64decode(text.removeprefix("whsec_"))))
    return found


def switch_off(uow: UnitOfWork, hook: Webhook, reason: str) -> None:
    """Tell a receiver no more; what waits for it is given up."""
    hook.disabled, hook.disabled_reason = uow.now, reason
    uow.db.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.webhook_id == hook.id, WebhookDelivery.state == DeliveryState.WAITING
        )
        .values(state=DeliveryState.FAILED, error="The webhook was switched off.")
    )


def forget_secrets(uow: UnitOfWork) -> None:
    """Delete the former secrets that sign no more."""
    uow.db.execute(
        update(Webhook)
        .where(Webhook.former_until <= uow.now)
        .values(former_key_id=None, former_secret=None, former_until=None)
    )


def described(hook: Webhook) -> str:
    """A webhook as the log names it: without its address, of which but the host is a secret."""
    return f"{hook.name}: {hook.host}, {hook.format}, {', '.join(hook.events)}"


def summary(uow: UnitOfWork, hook: Webhook) -> Hook:
    """What pages say of a webhook."""
    former = hook.former_until if hook.former_until and hook.former_until > uow.now else None
    return Hook(
        hook.id,
        hook.name,
        hook.host,
        hook.format,
        tuple(event for event in CHOICES if event in hook.events),
        hook.key_id,
        hook.created,
        hook.created_by,
        hook.disabled,
        hook.disabled_reason,
        hook.failing_since,
        hook.not_before if hook.disabled is None else None,
        former,
    )


def _locked(uow: UnitOfWork, actor: Actor, scope: Scope, number: int) -> Webhook:
    """One to be changed: its own lock keeps who sends to it from writing at the same time."""
    scope.lock(uow)
    scope.require(actor)
    found = row(uow, scope, number)
    uow.lock(f"webhook:{found.id}")
    uow.db.refresh(found)
    return found


def _switch_on(hook: Webhook) -> None:
    hook.disabled, hook.disabled_reason = None, ""
    hook.failures, hook.failing_since, hook.not_before = 0, None, None


def _checked(
    uow: UnitOfWork, scope: Scope, wanted: Wanted, *, but: int | None
) -> tuple[str, list[str]]:
    """The name and the events, as they are kept."""
    name = " ".join(wanted.name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"Give it a name of at most {LONGEST_NAME} characters, on one line.")
    others = scope.condition & (Webhook.id != (but or 0))
    taken = select(Webhook.id).where(others, Webhook.name == name)
    if uow.db.scalar(taken) is not None:
        raise InvalidRequest(f"There is a webhook called {name!r} already.")
    events = [event.value for event in CHOICES if event in wanted.events]
    if not events or not set(wanted.events) <= set(CHOICES):
        raise InvalidRequest(f"Choose at least one of the events: {', '.join(CHOICES)}.")
    if wanted.format not in set(WebhookFormat):
        raise InvalidRequest(f"Choose one of the forms: {', '.join(WebhookFormat)}.")
    return name, events


def _target(settings: Settings, wanted: Wanted, known: Target | None) -> Target:
    """Where messages are to go: what is left empty stays as it is, at the same host."""
    url = wanted.url.strip()
    if not url and known is None:
        raise InvalidRequest("Enter the address of the receiver.")
    token = wanted.token.strip()
    if not url and known is not None:
        url = known.url
    is_same_host = known is not None and _host(known.url) == _host(url)
    if not token and known is not None and is_same_host:
        token = known.token
    try:
        webhook_client.check_url(url, settings.webhook_networks)
    except webhook_client.TargetRefused as refusal:
        raise InvalidRequest(str(refusal)) from None
    if wanted.format != WebhookFormat.MATRIX:
        return Target(url, "")
    if _ROOM.fullmatch(webhook_client.path_of(url)) is None:
        raise InvalidRequest(
            "The address of a Matrix room is https://server/_matrix/client/v3/rooms/ROOM/send/"
            "m.room.message, with the room's own address (!…:server) instead of ROOM."
        )
    if not 0 < len(token) <= LONGEST_TOKEN or not (token.isascii() and token.isprintable()):
        raise InvalidRequest(
            "Enter the access token of the Matrix account that writes into the room."
        )
    if any(c.isspace() for c in token):
        raise InvalidRequest("The access token has a space in it: copy it once more.")
    return Target(url.rstrip("/"), token)


def _host(url: str) -> str:
    return url.partition("://")[0] + webhook_client.host_of(url).lower()


def _sealed_target(settings: Settings, target: Target) -> str:
    return sealing.seal(settings, _TARGET, json.dumps({"url": target.url, "token": target.token}))


def _new_secret() -> tuple[str, str]:
    """A secret in the form of Standard Webhooks, and by what name it goes."""
    return f"whsec_{base64.b64encode(os.urandom(_SECRET_BYTES)).decode()}", secrets.token_hex(4)


def _write(
    uow: UnitOfWork, kind: Kind, actor: Actor, scope: Scope, hook: Webhook, besides: str = ""
) -> None:
    detail = "; ".join(filter(None, [described(hook), besides]))
    audit.write(uow, kind, actor, project=scope.project, detail=detail)
