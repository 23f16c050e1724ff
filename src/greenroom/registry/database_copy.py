"""Copying one database into another, of whichever kind, and comparing the two."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice

import sqlalchemy.exc
from msgspec import Struct
from sqlalchemy import JSON, Column, MetaData, Table, func, select, text
from sqlalchemy.orm import Session

from greenroom.database import Database
from greenroom.models import Base
from greenroom.registry import audit
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.progress import Progress
from greenroom.registry.unit_of_work import Services

_BATCH = 500
_ENDING_SECONDS = 15.0
_LOOK_EVERY = 0.2
_MODULUS = 2**256

Row = Mapping[str, object]


class CannotCopy(Refusal):
    """The database is not copied; the target is as it was."""

    code = "cannot-copy"
    title = "The database cannot be copied"


class Copied(Struct, frozen=True):
    """A table that was copied: how many rows it has, and a digest of all of them."""

    table: str
    rows: int
    digest: str


def copy(services: Services, target: Database, progress: Progress) -> list[Copied]:
    """Copy every row of every table, in one transaction, and see that all of them are there.

    The identity goes with them, so that the storage belongs to the target from then on. What finds
    words in a database makes the database itself. The audit log of the target says that it is one.

    Raises:
        CannotCopy: the target is not empty, or of another schema, or takes not what there is.
        greenroom.database.UnusableDatabase: the target cannot have the schema.
    """
    source = services.database
    target.upgrade()
    with source.reading() as reading, target.writing() as writing:
        _check_empty(writing)
        tables = [_plain(table) for table in Base.metadata.sorted_tables]
        counts = {table.name: _count(reading, table) for table in tables}
        progress.begin("Copying rows", sum(counts.values()))
        copied = [_copy(reading, writing, table, progress) for table in tables]
        _set_sequences(reading, writing, tables)
        progress.begin("Comparing rows", sum(counts.values()))
        for table, expected in zip(tables, copied, strict=True):
            found = _summary(table.name, _rows(writing, table), progress)
            if found != expected or expected.rows != counts[table.name]:
                raise CannotCopy(
                    f"The table {table.name} is not the same in both databases: nothing was kept."
                )
        audit.write(
            services.unit_of_work(writing),
            audit.Kind.DATABASE_COPY,
            OPERATOR,
            detail=f"from {_named(source)} to {_named(target)}",
        )
        writing.commit()
    return copied


def _named(database: Database) -> str:
    """A database without what opens it: neither a password nor options, which may have one."""
    url = database.engine.url.set(password=None, query={})
    return url.render_as_string()


def is_used(database: Database) -> bool:
    """Whether somebody else is connected to a database of PostgreSQL, as far as one may know.

    Whoever is just ending has some seconds to do so: a server that was stopped, or what a command
    left behind that was killed.
    """
    if database.is_sqlite:
        return False
    database.close()  # what is pooled here is not somebody else's
    deadline = time.monotonic() + _ENDING_SECONDS
    while _others(database):
        if time.monotonic() > deadline:
            return True
        time.sleep(_LOOK_EVERY)
    return False


def _others(database: Database) -> int:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with database.reading() as session:
        return session.scalar(query) or 0


def _check_empty(writing: Session) -> None:
    for table in Base.metadata.sorted_tables:
        if _count(writing, table):
            raise CannotCopy(
                f"The target is not empty: its table {table.name} has rows. Name an empty database."
            )


def _count(session: Session, table: Table) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def _plain(table: Table) -> Table:
    """The table with JSON as it is stored, whichever version of the program wrote it."""
    return Table(
        table.name,
        MetaData(),
        *(
            Column(
                column.name,
                JSON(none_as_null=bool(column.nullable)) if _is_json(column) else column.type,
                primary_key=column.primary_key,
                autoincrement=False,
            )
            for column in table.columns
        ),
    )


def _is_json(column: Column[object]) -> bool:
    return isinstance(column.type, JSON) or isinstance(getattr(column.type, "impl", None), JSON)


def _copy(reading: Session, writing: Session, table: Table, progress: Progress) -> Copied:
    def inserted() -> Iterator[Row]:
        remaining = _rows(reading, table)
        while batch := list(islice(remaining, _BATCH)):
            try:
                writing.execute(table.insert(), [dict(row) for row in batch])
            except (sqlalchemy.exc.DataError, sqlalchemy.exc.IntegrityError) as error:
                reason = str(error.orig).strip().splitlines()[0]
                raise CannotCopy(
                    f"The target does not take a row of the table {table.name}: {reason}"
                ) from None
            yield from batch

    return _summary(table.name, inserted(), progress)


def _rows(session: Session, table: Table) -> Iterator[Row]:
    """Every row, some of them in memory at once."""
    found = session.execute(select(table), execution_options={"yield_per": _BATCH})
    for row in found:
        yield row._asdict()


def _summary(name: str, rows: Iterator[Row], progress: Progress) -> Copied:
    """How many rows there are, and what they are, in whichever order they come."""
    count, total = 0, 0
    for row in rows:
        text_of_row = json.dumps(dict(row), sort_keys=True, default=_moment)
        total += int.from_bytes(hashlib.sha256(text_of_row.encode()).digest())
        count += 1
        progress.advance(1)
    return Copied(name, count, f"{total % _MODULUS:064x}")


def _moment(value: object) -> str:
    if isinstance(value, date):  # or a moment, which is one, too
        return str(value)
    raise TypeError(f"{type(value).__name__} is no value of a column")


def _set_sequences(reading: Session, writing: Session, tables: Sequence[Table]) -> None:
    """Let the numbers that PostgreSQL gives out go on behind those that are there."""
    if writing.get_bind().dialect.name != "postgresql":
        return
    given = _given_out(reading)
    for table in tables:
        key = "id" if "id" in table.columns else None
        sequence = key and writing.scalar(
            text("SELECT pg_get_serial_sequence(:table, :key)"), {"table": table.name, "key": key}
        )
        if not sequence:
            continue
        largest = max(writing.scalar(select(func.max(table.c.id))) or 0, given(str(sequence)))
        if largest:
            writing.execute(
                text("SELECT setval(CAST(:name AS regclass), :value)"),
                {"name": sequence, "value": largest},
            )


def _given_out(reading: Session) -> Callable[[str], int]:
    """What tells the last number that a sequence of the source gave out."""
    if reading.get_bind().dialect.name != "postgresql":
        return lambda sequence: 0

    def last(sequence: str) -> int:
        return reading.scalar(text(f"SELECT last_value FROM {sequence} WHERE is_called")) or 0  # noqa: S608

    return last
