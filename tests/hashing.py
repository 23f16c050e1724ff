"""Who hashes passwords, and when."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from greenroom.database import Database
from greenroom.registry import passwords
from tests.transactions import Transactions

_T = TypeVar("_T")


class Watchful:
    """Hashes passwords, and sees who else does, and what transactions this thread has open."""

    def __init__(self, database: Database, patch: pytest.MonkeyPatch) -> None:
        passwords.dummy_hash()
        self._hasher = passwords.hasher()
        self._transactions = Transactions(database)
        self._lock = threading.Lock()
        self.now = self.most = self.computed = 0
        patch.setattr(passwords, "hasher", lambda: self)

    def _watched(self, compute: Callable[[], _T]) -> _T:
        assert self._transactions.open == 0
        with self._lock:
            self.now += 1
            self.computed += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        try:
            return compute()
        finally:
            with self._lock:
                self.now -= 1

    def hash(self, password: str) -> str:
        return self._watched(lambda: self._hasher.hash(password))

    def verify(self, password_hash: str, password: str) -> bool:
        return self._watched(lambda: self._hasher.verify(password_hash, password))

    def check_needs_rehash(self, password_hash: str) -> bool:
        return True
