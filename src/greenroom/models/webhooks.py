"""Webhooks: where events are sent to, and what became of each that was."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.base import Base, JSONObject, LongText, Name, PrimaryKey
from greenroom.models.projects import Project
from greenroom.models.release_sets import ReleaseSet


class WebhookScope(StrEnum):
    """Of what a webhook is told."""

    INDEX = "index"
    PROJECT = "project"
    SET = "set"


class WebhookFormat(StrEnum):
    """In which form it is told."""

    JSON = "json"
    SLACK = "slack"
    MATRIX = "matrix"


class DeliveryState(StrEnum):
    """What became of a message. One that is being sent still waits."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(Base):
    """A receiver that is told of events.

    ``target`` is where it is and what it wants to be shown, sealed, as are the secrets that sign:
    the address of a chat room is one. ``host`` is for people. ``failures`` counts attempts in a row
    that came to nothing because of the receiver; it is left alone until ``not_before`` then.
    ``failing_since`` is the first failure since it last took something. ``busy_until`` is set while
    somebody sends to it. ``former_secret`` signs, too, until ``former_until``.
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint("scope IN ('index', 'project', 'set')", name="scope"),
        CheckConstraint("(scope = 'project') = (project_id IS NOT NULL)", name="has_its_project"),
        CheckConstraint("(scope = 'set') = (release_set_id IS NOT NULL)", name="has_its_set"),
        CheckConstraint("format IN ('json', 'slack', 'matrix')", name="format"),
        Index(None, "scope", "disabled"),
    )

    id: Mapped[PrimaryKey]
    scope: Mapped[Name]
    project_id: Mapped[int | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    release_set_id: Mapped[int | None] = mapped_column(
        ForeignKey("release_sets.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[Name]
    host: Mapped[Name]
    format: Mapped[Name]
    events: Mapped[list[str]]
    target: Mapped[LongText]
    key_id: Mapped[str] = mapped_column(String(16))
    secret: Mapped[LongText]
    former_key_id: Mapped[str | None] = mapped_column(String(16))
    former_secret: Mapped[LongText | None]
    former_until: Mapped[datetime | None]
    created: Mapped[datetime]
    created_by: Mapped[Name]
    disabled: Mapped[datetime | None]
    disabled_reason: Mapped[LongText] = mapped_column(default="")
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    busy_until: Mapped[datetime | None]

    project: Mapped[Project | None] = relationship()
    release_set: Mapped[ReleaseSet | None] = relationship()


class WebhookDelivery(Base):
    """A message to a receiver, and what became of it, kept for some weeks.

    ``event_key`` is the same for whatever is told once. ``message_id`` stays the same however often
    it is sent. ``facts`` is what is told; ``queued`` when it was to be sent for the first time, or
    again. ``status`` and ``answer`` are of the last attempt, ``error`` says why there was no
    answer.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_key"),
        CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
        Index(None, "webhook_id", "state", "due"),
        Index(None, "created"),
    )

    id: Mapped[PrimaryKey]
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_key: Mapped[Name]
    message_id: Mapped[Name]
    event: Mapped[Name]
    facts: Mapped[JSONObject]
    state: Mapped[Name] = mapped_column(default=DeliveryState.WAITING)
    created: Mapped[datetime]
    queued: Mapped[datetime]
    due: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    attempted: Mapped[datetime | None]
    status: Mapped[int | None]
    error: Mapped[LongText] = mapped_column(default="")
    answer: Mapped[LongText] = mapped_column(default="")

    webhook: Mapped[Webhook] = relationship()
