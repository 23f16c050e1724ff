"""Projects and who works on them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    column,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, LongText, Name, PrimaryKey, partial_index


class RoleName(StrEnum):
    """What a role is called, on the command line and in the database."""

    OWNER = "owner"
    MAINTAINER = "maintainer"


class Visibility(StrEnum):
    """Whom a project is open to, where the index decides that by project."""

    PUBLIC = "public"  # everybody
    INTERNAL = "internal"  # everybody who has an account
    PRIVATE = "private"  # those who have a role in it


class ProjectStatus(StrEnum):
    """What installers are told of a project (PEP 792)."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"


def status_of(
    *, archived: bool, archived_reason: str, quarantined: bool, quarantined_reason: str
) -> tuple[ProjectStatus, str]:
    """The one status that a project has to the world, and why: a quarantine outweighs the rest.

    The reason is in the words of whoever gave the status; empty where nothing was said.
    """
    if quarantined:
        return ProjectStatus.QUARANTINED, quarantined_reason
    if archived:
        return ProjectStatus.ARCHIVED, archived_reason
    return ProjectStatus.ACTIVE, ""


class Project(Base):
    """A name. ``registered`` is when it became the project's for good.

    ``NULL`` means that only drafts of a first release hold the name: it is reserved while one of
    them lives. ``last_serial`` is the serial of the newest journal entry, 0 before the first.
    ``confusable_name`` is the name with look-alike characters folded (``registry/names.py``).
    An owner archives a project, an administrator quarantines it; it can be both.
    ``visibility`` says who may read it, where the index decides that by project. ``quota`` is how
    many bytes its files may have, ``NULL`` where the index's own setting says so.
    ``expected_files`` are lines that say which files every release has (``expectations.py``).
    ``found_upstream`` is the index behind this one that had a project of this name when the name
    was reserved here, empty where none had; ``NULL`` where nobody asked, or none could say.

    ``auto_publish_releases`` is off where a person publishes (``registry/publishing_policy.py``).
    ``approvals_needed`` is how many people have to approve of a draft: others than those who staged
    it with ``approvals_by_others``, members of a team with ``approvals_by_team``, which stays when
    the team goes, so that nobody approves until another one is chosen.
    """

    __tablename__ = "projects"
    __table_args__ = (
        # Answers how many names somebody registered of late, however many it were before.
        Index(None, "created_by_id", "created"),
        # There are few, and they are subtracted from all.
        partial_index(
            "ix_projects_quarantined",
            "id",
            where=column("quarantined"),
        ),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[Name]
    normalized_name: Mapped[Name] = mapped_column(unique=True)
    confusable_name: Mapped[Name] = mapped_column(index=True)
    created: Mapped[datetime]
    registered: Mapped[datetime | None] = mapped_column(index=True)
    last_serial: Mapped[int] = mapped_column(default=0)
    auto_publish_releases: Mapped[bool] = mapped_column(default=True)
    reauthenticate_to_publish: Mapped[bool] = mapped_column(default=False)
    approvals_needed: Mapped[int] = mapped_column(default=0, server_default="0")
    approvals_by_others: Mapped[bool] = mapped_column(default=False, server_default=false())
    approvals_by_team: Mapped[bool] = mapped_column(default=False, server_default=false())
    approving_team_id: Mapped[int | None] = mapped_column(
        ForeignKey("teams.id", ondelete="SET NULL"), index=True
    )
    archived: Mapped[bool] = mapped_column(default=False)
    archived_reason: Mapped[LongText] = mapped_column(default="")
    quarantined: Mapped[bool] = mapped_column(default=False)
    quarantined_reason: Mapped[LongText] = mapped_column(default="")
    visibility: Mapped[Name] = mapped_column(default=Visibility.PUBLIC, server_default="public")
    quota: Mapped[int | None] = mapped_column(BigInteger)
    expected_files: Mapped[LongText] = mapped_column(default="", server_default="")
    found_upstream: Mapped[Name | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    roles: Mapped[list[Role]] = relationship(
        back_populates="project",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="Role.id",
    )

    @property
    def status(self) -> ProjectStatus:
        """The one status that the project has to the world: see :func:`status_of`."""
        return self._standing()[0]

    @property
    def status_reason(self) -> str:
        """Why it has that status; may be empty."""
        return self._standing()[1]

    def _standing(self) -> tuple[ProjectStatus, str]:
        return status_of(
            archived=self.archived,
            archived_reason=self.archived_reason,
            quarantined=self.quarantined,
            quarantined_reason=self.quarantined_reason,
        )


class RetiredName(Base):
    """The name of a project that was deleted. Nobody gets it again, nor one that looks like it."""

    __tablename__ = "retired_names"

    normalized_name: Mapped[Name] = mapped_column(primary_key=True)
    confusable_name: Mapped[Name] = mapped_column(index=True)
    at: Mapped[datetime]
    by: Mapped[Name]


class Role(Base):
    """A person's part in a project: at most one of their own, and one for each of their teams.

    ``team_id`` is the team that the person has it by. ``registry/roles.py`` keeps such rows in step
    with the team's members and roles. Of several the strongest counts.
    """

    __tablename__ = "roles"
    __table_args__ = (
        UniqueConstraint("project_id", "user_id", "team_id"),
        # To a unique constraint every NULL is another one.
        partial_index(
            "ix_roles_own",
            "project_id",
            "user_id",
            unique=True,
            where=column("team_id").is_(None),
        ),
        CheckConstraint("name IN ('owner', 'maintainer')", name="name"),
    )

    id: Mapped[PrimaryKey]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[Name]
    team_id: Mapped[int | None] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), index=True
    )

    project: Mapped[Project] = relationship(back_populates="roles")
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)
