"""Which acts webhooks are told of, by which name of an event. One row for each act.

The audit log notes what may have to be told, as a job of the same transaction, where anybody
listens. Who is told, and of what, is decided when the job is done
(:mod:`greenroom.registry.webhook_telling`). Acts stand here by their names in the log, which knows
this module.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import cast
from uuid import uuid4

from sqlalchemy import ColumnElement, String, Table, bindparam, exists, insert, or_, select

from greenroom import times
from greenroom.database import run
from greenroom.models import (
    Draft,
    Job,
    JobState,
    Project,
    ReleaseSet,
    ReleaseSetMember,
    Webhook,
    WebhookScope,
)
from greenroom.models.base import JSONObject, UTCDateTime
from greenroom.registry import notices
from greenroom.registry.unit_of_work import UnitOfWork

JOB = "tell-webhooks"
"""The kind of job that finds out which webhooks are told of an act."""

QUIET = timedelta(seconds=10)
"""What is done to the files of a release in a row, with pauses that are shorter, is told once."""


class Event(StrEnum):
    """What webhooks are told of, each with what it is."""

    about: str

    def __new__(cls, value: str, about: str) -> "Event":
        """An event, by its name."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.about = about
        return made

    STAGED = "staged", "A draft has its first files"
    CHANGED = "changed", "Files of a draft were added, replaced or removed"
    CHECKED = "checked", "The result of a check of a draft is there"
    APPROVED = "approved", "A draft was approved, or may go with its set"
    PUBLISHED = "published", "A release is public, or has more files"
    DISCARDED = "discarded", "A draft was discarded, or has expired"
    EXPIRING = "expiring", "A draft is about to expire"
    TEST = "test", "Somebody has pressed the button that tries a webhook"


CHOICES = tuple(event for event in Event if event is not Event.TEST)
"""What a webhook can be told of."""

# What is told after a while, since more of the same may follow.
_COLLECTED = frozenset({"draft-stage", "draft-replace", "draft-remove", "file-upload"})

ACTS: Mapping[str, Event] = MappingProxyType(
    {
        "draft-stage": Event.CHANGED,  # or STAGED, which what is in the draft tells
        "draft-replace": Event.CHANGED,
        "draft-remove": Event.CHANGED,
        "draft-check": Event.CHECKED,
        "draft-refuse": Event.CHECKED,  # the operator's review
        "draft-approve": Event.APPROVED,
        "set-go": Event.APPROVED,
        "draft-publish": Event.PUBLISHED,
        "file-upload": Event.PUBLISHED,
        "draft-discard": Event.DISCARDED,
        "draft-expire": Event.DISCARDED,
        notices.EXPIRING: Event.EXPIRING,
    }
)

ACTS_OF_SETS: Mapping[str, Event] = MappingProxyType(
    {
        "set-publish": Event.PUBLISHED,
        "set-discard": Event.DISCARDED,
        "set-expire": Event.DISCARDED,
    }
)
"""What the webhooks of a release set are told of as one."""


def note(uow: UnitOfWork, act: str, line: Mapping[str, object]) -> None:
    """Write down that webhooks may have to be told of an act, where there are any that may be.

    Args:
        uow: in which the act is done.
        act: by its name in the audit log.
        line: what the audit log says of it.
    """
    if act not in ACTS or line.get("normalized_project") is None:
        return
    payload: JSONObject = {
        name: times.microseconds(value) if isinstance(value, datetime) else value
        for name, value in line.items()
        if name in _TOLD and value is not None
    }
    run(
        uow.db,
        _ENQUEUE,
        {
            "kind": JOB,
            "payload": {**payload, "act": act, "event": uuid4().hex},
            "state": JobState.WAITING,
            "created": uow.now,
            "due": uow.now + QUIET if act in _COLLECTED else uow.now,
            "attempts": 0,
            "error": "",
            "of_project": line["normalized_project"],
            "of_holder": line["project_created"],
            "of_version": line.get("version"),
        },
    )


def note_set(uow: UnitOfWork, act: str, release_set: ReleaseSet, by: str) -> None:
    """Write down that the webhooks of a release set are to be told of its end, if it has some.

    Args:
        uow: in which it ends.
        act: by its name in the audit log.
        release_set: which.
        by: who has ended it.
    """
    of_set = (Webhook.release_set_id == release_set.id) & Webhook.disabled.is_(None)
    if uow.db.scalar(select(Webhook.id).where(of_set).limit(1)) is None:
        return
    uow.db.add(
        Job(
            kind=JOB,
            payload={
                "act": act,
                "event": uuid4().hex,
                "release_set": str(release_set.id),
                "at": times.microseconds(uow.now),
                "by": by,
            },
            created=uow.now,
            due=uow.now,
        )
    )
    uow.db.flush()


def listens(
    normalized_name: ColumnElement[str],
    created: ColumnElement[datetime],
    version: ColumnElement[str],
) -> ColumnElement[bool]:
    """Whether a webhook may be told of what happens in a project.

    Args:
        normalized_name: the project's.
        created: when it got its name, which tells it from another one that had it before.
        version: of the draft; those of the release set are told that it is in.
    """
    is_its = Webhook.project_id.in_(
        select(Project.id).where(
            Project.normalized_name == normalized_name, Project.created == created
        )
    )
    of_it = (Webhook.scope == WebhookScope.PROJECT) & is_its
    is_in = (
        select(ReleaseSetMember.release_set_id)
        .join(Draft, Draft.id == ReleaseSetMember.draft_id)
        .join(Project, Project.id == Draft.project_id)
        .where(
            Project.normalized_name == normalized_name,
            Project.created == created,
            Draft.version == version,
        )
    )
    of_set = (Webhook.scope == WebhookScope.SET) & Webhook.release_set_id.in_(is_in)
    return Webhook.disabled.is_(None) & or_(Webhook.scope == WebhookScope.INDEX, of_it, of_set)


def are_there(uow: UnitOfWork) -> bool:
    """Whether there is any webhook that may be told of something."""
    return uow.db.scalar(select(Webhook.id).where(Webhook.disabled.is_(None)).limit(1)) is not None


# Of a line of the audit log, what is told or finds what is. From where, and with what, is not.
_TOLD = frozenset(
    {"at", "by", "project", "normalized_project", "project_created", "version", "detail"}
)
_JOBS = cast("Table", Job.__table__)
_COLUMNS = [_JOBS.c[n] for n in ("kind", "payload", "state", "created", "due", "attempts", "error")]
_ENQUEUE = (
    insert(_JOBS)
    .from_select(
        _COLUMNS,
        select(*(bindparam(column.name, type_=column.type) for column in _COLUMNS)).where(
            exists().where(
                listens(
                    bindparam("of_project"),
                    bindparam("of_holder", type_=UTCDateTime()),
                    bindparam("of_version", type_=String()),
                )
            )
        ),
        include_defaults=False,
    )
    .inline()
)
