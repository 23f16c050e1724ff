"""What of the indexes behind this one is let in: rules of administrators, and what was refused."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class RuleKind(StrEnum):
    """What a rule does with the files that it is about."""

    ALLOW = "allow"  # lets them in, whatever else is asked of files
    EARLY = "early"  # lets them in however young they are; all else is asked
    DENY = "deny"


class UpstreamRule(Base):
    """What administrators have decided on files of upstreams.

    Attributes:
        kind: see :class:`RuleKind`.
        project: a normalized name, with ``*`` for any text.
        specifier: of its versions (PEP 440); empty for all.
        reason: why, in the words of whoever made it.
        until: the last day, of UTC, on which it holds; None for ever.
        by: who made it, by name.
    """

    __tablename__ = "upstream_rules"
    __table_args__ = (
        CheckConstraint("kind IN ('allow', 'early', 'deny')", name="kind"),
        UniqueConstraint("project", "specifier", "kind"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[Name]
    project: Mapped[Name]
    specifier: Mapped[Name]
    reason: Mapped[LongText]
    until: Mapped[date | None] = mapped_column(Date)
    at: Mapped[datetime]
    by: Mapped[Name]


class UpstreamLicense(Base):
    """What the metadata of a file says of its licence.

    ``expression`` is one of SPDX, as far as what is said could be read as one; empty where nothing
    is said, or nothing that could.
    """

    __tablename__ = "upstream_licenses"
    __table_args__ = (UniqueConstraint("project", "upstream", "filename"),)

    id: Mapped[PrimaryKey]
    upstream: Mapped[Name]
    project: Mapped[Name]
    filename: Mapped[Name]
    expression: Mapped[LongText]


class UpstreamRefusal(Base):
    """That somebody asked for a file of an upstream which is not let in.

    Attributes:
        version: of the file, as its name says it; empty where that says none.
        why: in one word (:class:`greenroom.registry.upstream_policy.Why`).
        sentence: what whoever asked was told.
        count: how often; ``first`` and ``last`` are when.
        by: who asked last, by name; empty where nobody knows.
    """

    __tablename__ = "upstream_refusals"
    __table_args__ = (
        UniqueConstraint("project", "upstream", "filename"),
        Index(None, "last", "id"),
    )

    id: Mapped[PrimaryKey]
    upstream: Mapped[Name]
    project: Mapped[Name]
    version: Mapped[Name]
    filename: Mapped[Name]
    why: Mapped[Name]
    sentence: Mapped[LongText]
    count: Mapped[int] = mapped_column(BigInteger)
    first: Mapped[datetime]
    last: Mapped[datetime]
    by: Mapped[Name]
