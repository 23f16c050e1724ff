"""Trusted publishing: whose workflows may publish, and the short-lived tokens that they get."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, Digest, LongText, Name, PrimaryKey, TextMap
from greenroom.models.projects import Project


class TrustedWorkflow:
    """A workflow elsewhere: which tokens of which issuer are its.

    ``service`` is whose claims they have, ``subject`` what they are found by (a repository, in
    lower case), ``conditions`` all that they must say, by the names of the form's fields.
    ``owner_number`` is the number that the service has given to the owner of the repository: set by
    whoever trusts it, or at its first use, so that nobody else can take the owner's name over.
    """

    service: Mapped[Name]
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[Name]
    conditions: Mapped[TextMap]
    owner_number: Mapped[Name | None]
    may_publish: Mapped[bool]
    created: Mapped[datetime]
    last_used: Mapped[datetime | None]


class ProjectPublisher(TrustedWorkflow, Base):
    """A workflow that a project trusts. ``added_by`` is who has said so, by name."""

    __tablename__ = "project_publishers"
    __table_args__ = (Index(None, "issuer", "subject"),)

    id: Mapped[PrimaryKey]
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    added_by: Mapped[Name]

    project: Mapped[Project] = relationship()


class PendingPublisher(TrustedWorkflow, Base):
    """A workflow that may register a name for a user. The name is not reserved by that."""

    __tablename__ = "pending_publishers"
    __table_args__ = (Index(None, "issuer", "subject"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    project_name: Mapped[Name]
    normalized_name: Mapped[Name] = mapped_column(index=True)

    user: Mapped[User] = relationship()


class MintedToken(Base):
    """A token that a workflow got. ``prefix`` finds it, ``digest`` (SHA-256) proves it.

    ``name`` is what logs call the workflow, ``means`` which run of it that was.
    """

    __tablename__ = "minted_tokens"

    id: Mapped[PrimaryKey]
    prefix: Mapped[Name] = mapped_column(unique=True)
    digest: Mapped[Digest]
    name: Mapped[Name]
    means: Mapped[LongText]
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)
    burned: Mapped[datetime | None]


class MintedGrant(Base):
    """Whom a minted token is of. It is worth nothing any more when those are gone."""

    __tablename__ = "minted_grants"
    __table_args__ = (
        CheckConstraint("(publisher_id IS NULL) <> (pending_id IS NULL)", name="one"),
    )

    id: Mapped[PrimaryKey]
    token_id: Mapped[int] = mapped_column(
        ForeignKey("minted_tokens.id", ondelete="CASCADE"), index=True
    )
    publisher_id: Mapped[int | None] = mapped_column(
        ForeignKey("project_publishers.id", ondelete="CASCADE"), index=True
    )
    pending_id: Mapped[int | None] = mapped_column(
        ForeignKey("pending_publishers.id", ondelete="CASCADE"), index=True
    )


class UsedIDToken(Base):
    """An ID token that was exchanged: by a digest of its issuer and its identifier."""

    __tablename__ = "used_id_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires: Mapped[datetime] = mapped_column(index=True)
