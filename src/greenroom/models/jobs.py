"""Work that follows from a commit, written down by the transaction that causes it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, JSONObject, LongText, Name, PrimaryKey


class JobState(StrEnum):
    """Where a job stands. One that is worked on is still ``WAITING``, and leased."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class Job(Base):
    """Something to be done after a commit, by whichever worker takes it.

    Attributes:
        kind: which handler does it.
        payload: what the handler needs to know; no secrets.
        due: when it is to be tried next.
        attempts: how often it was taken. Also tells the holder of a lease from earlier ones.
        leased_until: until then it is somebody's; nobody's where there is none or it is over.
        finished: when it was done, or given up.
        error: why the last attempt failed.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "state", "due"),
        CheckConstraint("state IN ('waiting', 'done', 'failed')", name="state"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[Name]
    payload: Mapped[JSONObject]
    state: Mapped[Name] = mapped_column(default=JobState.WAITING)
    created: Mapped[datetime]
    due: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    leased_until: Mapped[datetime | None]
    finished: Mapped[datetime | None]
    error: Mapped[LongText] = mapped_column(default="")
