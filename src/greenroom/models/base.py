"""What every table shares: the base class, constraint names, and the types of columns."""

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Dialect,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import PopulateDict

from greenroom.core_metadata import CoreMetadata

LARGEST_ID = 2**31 - 1
"""That a column of ours can have: databases refuse to be asked for a larger one."""


class UTCDateTime(TypeDecorator[datetime]):
    """A moment: aware, in UTC, also where the database does not keep zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: nobody knows when it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back that SQLite forgot."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StoredMetadata(TypeDecorator[CoreMetadata]):
    """Core metadata, as JSON in the form that :class:`CoreMetadata` gives it."""

    impl = JSON
    cache_ok = True

    def process_bind_param(
        self, value: CoreMetadata | None, dialect: Dialect
    ) -> dict[str, object] | None:
        """Give what is stored."""
        return value.to_json() if value is not None else None

    def process_result_value(
        self, value: dict[str, object] | None, dialect: Dialect
    ) -> CoreMetadata | None:
        """Give the value back, whichever version of the index stored it."""
        return CoreMetadata.from_json(value) if value is not None else None

    def coerce_compared_value(self, op: OperatorType | None, value: object) -> TypeEngine[object]:
        """Let a query look into the JSON."""
        return self.impl_instance.coerce_compared_value(op, value)


JSONObject = dict[str, object]
TextMap = dict[str, str]

PrimaryKey = Annotated[int, mapped_column(primary_key=True)]
Name = Annotated[str, mapped_column(String(255))]
LongText = Annotated[str, mapped_column(Text)]
Digest = Annotated[str, mapped_column(String(64))]
ContentDigest = Annotated[str, mapped_column(String(71))]


class Base(DeclarativeBase):
    """The declarative base. Constraints have predictable names, for migrations to name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = MappingProxyType(
        {
            datetime: UTCDateTime,
            CoreMetadata: StoredMetadata,
            JSONObject: JSON,
            TextMap: JSON,
            list[str]: JSON,
        }
    )


def partial_index(
    name: str, *columns: str, where: ColumnElement[Any], unique: bool = False
) -> Index:
    """An index of the rows for which a condition holds, on both databases.

    To give the condition as ``sqlite_where`` and ``postgresql_where`` imports what SQLAlchemy has
    for both, and that for PostgreSQL takes 3 MiB. So a database is told when it asks.
    """
    index = Index(name, *columns, unique=unique)
    options_of = index.dialect_options.creator

    def with_condition(database: str) -> Any:
        options = options_of(database)
        options["where"] = where
        return options

    index.dialect_options = PopulateDict(with_condition)
    return index
