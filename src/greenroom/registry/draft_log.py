"""The log of a draft: who did what to it. The one place that writes into it.

What it takes down of an act is in the audit log as well, unless that is of another one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, cast

from sqlalchemy import Table, bindparam, insert, select

from greenroom.database import run
from greenroom.models import DraftEvent
from greenroom.models.base import UTCDateTime
from greenroom.registry import audit, notices, webhook_events
from greenroom.registry.audit import Kind
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork

ROTATED = "rotated the address"
JOINED = "joined a set"
LEFT = "left a set"
SAID_GO = "said go"

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "opened": Kind.DRAFT_OPEN,
        "added": Kind.DRAFT_STAGE,
        "replaced": Kind.DRAFT_REPLACE,
        "commented on": Kind.DRAFT_COMMENT,
        "removed": Kind.DRAFT_REMOVE,
        ROTATED: Kind.DRAFT_ROTATE,
        "extended": Kind.DRAFT_EXTEND,
        JOINED: Kind.SET_ADD,
        LEFT: Kind.SET_REMOVE,
        SAID_GO: Kind.SET_GO,
        "asked for publication": Kind.DRAFT_ASK,
        "refused": Kind.DRAFT_REFUSE,
        "approved": Kind.DRAFT_APPROVE,
        "withdrew the approval": Kind.DRAFT_WITHDRAW,
        "ended the approval": Kind.DRAFT_WITHDRAW,
        "scheduled": Kind.DRAFT_SCHEDULE,
        "unscheduled": Kind.DRAFT_UNSCHEDULE,
        "refused at the time set": Kind.DRAFT_MISS,
        "opened the address to": Kind.DRAFT_MEMBERS,
        "published": Kind.DRAFT_PUBLISH,
        "discarded": Kind.DRAFT_DISCARD,
        "expired": Kind.DRAFT_EXPIRE,
    }
)


class Logged(Protocol):
    """A draft: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def version(self) -> str:
        """Of the release that it is of."""

    @property
    def project(self) -> audit.Audited | None:
        """The project, while the draft lives."""


def write(
    uow: UnitOfWork,
    draft: Logged,
    by: Actor,
    act: str,
    filename: str | None = None,
    detail: str = "",
    *,
    recorded: bool = True,
    besides: str = "",
    told: bool = True,
    sha256: str | None = None,
) -> None:
    """Write a line into the draft's log, in the name of whoever did it.

    Args:
        uow: in which it is done.
        draft: which still has its project.
        by: who did it.
        act: what, in a word or two.
        filename: to which file.
        detail: what else is worth knowing.
        recorded: whether the audit log gets a line: not where it follows from another act.
        besides: what that line has before the detail.
        told: whether people may be told of it by mail; where the audit log gets no line, whether
            webhooks are.
        sha256: what the file has from now on, where one was staged.
    """
    is_mailed = told and recorded and (bool(besides) or _begins(uow, draft, by, _KINDS[act]))
    run(
        uow.db,
        _WRITE,
        {
            "draft_id": draft.id,
            "at": uow.now,
            "by": by.name,
            "act": act,
            "filename": filename,
            "detail": detail,
            "means": by.means or None,
            "credential": audit.plain(by.credential) or None,
            "sha256": sha256,
        },
    )
    if recorded:
        audit.write(
            uow,
            _KINDS[act],
            by,
            project=draft.project,
            version=draft.version,
            filename=filename,
            detail=" ".join(filter(None, (besides, detail))),
            told=is_mailed,
        )
    elif told and draft.project is not None:
        _tell_webhooks(uow, draft, draft.project, by, _KINDS[act], detail)


def _tell_webhooks(
    uow: UnitOfWork, draft: Logged, project: audit.Audited, by: Actor, kind: Kind, detail: str
) -> None:
    """Have webhooks told of what follows from another act, which has a line of its own."""
    line = {
        "at": uow.now,
        "by": audit.plain(by.name),
        "project": project.name,
        "normalized_project": project.normalized_name,
        "project_created": project.created,
        "version": draft.version,
        "detail": audit.plain(detail),
    }
    webhook_events.note(uow, kind.value, line)


def _begins(uow: UnitOfWork, draft: Logged, by: Actor, kind: Kind) -> bool:
    """Whether people are told of it: of what somebody does to files in a row they are told once."""
    if uow.settings.mail_url is None or kind not in notices.STAGING:
        return True
    lately = {"draft": draft.id, "by": by.name, "since": uow.now - notices.RUN_PAUSE}
    return run(uow.db, _LATELY, lately).first() is None


_EVENTS = cast("Table", DraftEvent.__table__)
_LATELY = (
    select(_EVENTS.c.id)
    .where(
        _EVENTS.c.draft_id == bindparam("draft"),
        _EVENTS.c.by == bindparam("by"),
        _EVENTS.c.at > bindparam("since", type_=UTCDateTime()),
        _EVENTS.c.act.in_([act for act, kind in _KINDS.items() if kind in notices.STAGING]),
    )
    .limit(1)
)


_WRITE = insert(cast("Table", DraftEvent.__table__))
