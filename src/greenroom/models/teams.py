"""Teams, whose members hold roles together, and invitations, which are accepted or declined."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, Name, PrimaryKey
from greenroom.models.projects import Project


class Team(Base):
    """People who hold roles together. Its members and its roles make rows in ``roles``."""

    __tablename__ = "teams"

    id: Mapped[PrimaryKey]
    name: Mapped[Name]
    normalized_name: Mapped[Name] = mapped_column(unique=True)
    created: Mapped[datetime]

    members: Mapped[list[TeamMember]] = relationship(
        back_populates="team",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="TeamMember.joined, TeamMember.user_id",
    )
    roles: Mapped[list[TeamRole]] = relationship(
        back_populates="team",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="TeamRole.project_id",
    )


class TeamMember(Base):
    """A person in a team. Its owners say who is in it.

    ``shown`` is whether the person's profile shows the projects of the team.
    """

    __tablename__ = "team_members"

    team_id: Mapped[int] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    is_owner: Mapped[bool] = mapped_column(default=False)
    shown: Mapped[bool] = mapped_column(default=False)
    joined: Mapped[datetime]

    team: Mapped[Team] = relationship(back_populates="members")
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class TeamRole(Base):
    """What all members of a team are in a project."""

    __tablename__ = "team_roles"
    __table_args__ = (CheckConstraint("name IN ('owner', 'maintainer')", name="name"),)

    team_id: Mapped[int] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True
    )
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    name: Mapped[Name]

    team: Mapped[Team] = relationship(back_populates="roles", lazy="joined", innerjoin=True)
    project: Mapped[Project] = relationship()


class RoleInvitation(Base):
    """A role that is offered: to a person in a project or in a team, or to a team in a project.

    Two of ``project_id``, ``team_id`` and ``user_id`` say which. ``hands_over`` is whether who
    invited gives the project away with it, and is ``leaves`` nothing in it afterwards, or else a
    maintainer. One that was ``declined`` stays until it ``expires``, and until then stands in the
    way of another one.
    """

    __tablename__ = "role_invitations"
    __table_args__ = (
        UniqueConstraint("project_id", "user_id"),
        UniqueConstraint("team_id", "user_id"),
        UniqueConstraint("project_id", "team_id"),
        CheckConstraint("name IN ('owner', 'maintainer', 'member')", name="name"),
        CheckConstraint(
            "(project_id IS NULL AND team_id IS NOT NULL AND user_id IS NOT NULL) OR "
            "(project_id IS NOT NULL AND team_id IS NULL AND user_id IS NOT NULL) OR "
            "(project_id IS NOT NULL AND team_id IS NOT NULL AND user_id IS NULL)",
            name="two",
        ),
    )

    id: Mapped[PrimaryKey]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[Name]
    by_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)
    declined: Mapped[datetime | None]
    hands_over: Mapped[bool] = mapped_column(default=False)
    leaves: Mapped[bool] = mapped_column(default=False)

    project: Mapped[Project | None] = relationship()
    team: Mapped[Team | None] = relationship()
    user: Mapped[User | None] = relationship(foreign_keys=[user_id])
    by: Mapped[User] = relationship(foreign_keys=[by_id])
