"""Which transactions are open, by thread."""

import threading
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
