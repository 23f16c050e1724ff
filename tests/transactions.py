"""Which transactions are open, by thread; and what a database is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import event

from greenroom.database import Database


class Transactions:
    """Counts the transactions of a database that the current thread has open, from now on."""

    def __init__(self, database: Database) -> None:
        self._local = threading.local()
        for name, change in (("begin", 1), ("commit", -1), ("rollback", -1)):
            event.listen(database.engine, name, partial(self._count, change))

    def _count(self, change: int, connection: object) -> None:
        self._local.open = self.open + change

    @property
    def open(self) -> int:
        """How many there are."""
        count: int = getattr(self._local, "open", 0)
        return count


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """The statements that the database is sent meanwhile."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)
