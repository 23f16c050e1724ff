"""API tokens that read, kept for some seconds, so that installers cost the database little.

What is kept is forgotten as soon as an account or a token changes, in whichever process. Roles are
not kept: whoever reads is asked for them in the query of what is read.
"""

import hashlib
import threading
from datetime import datetime, timedelta

from msgspec import Struct, field

from greenroom.networks import network_of
from greenroom.registry import tokens
from greenroom.registry.credential_changes import CredentialChanges
from greenroom.registry.permissions import ApiToken
from greenroom.registry.unit_of_work import Services

_MOST = 10_000
_USE_PRECISION = timedelta(hours=1)
"""To read writes nothing; so often it may, so that people see that a token is used."""


class _Kept(Struct, frozen=True):
    token: ApiToken
    found: datetime
    until: datetime
    places: set[str | None] = field(default_factory=set)

    def holds(self, now: datetime) -> bool:
        # The clock may have been put back.
        return self.found <= now < self.until


class KeptTokens:
    """What was found of tokens of one database. Any thread may ask."""

    def __init__(self, services: Services) -> None:
        self._changes = CredentialChanges(services.database)
        self._lock = threading.Lock()
        self._kept: dict[bytes, _Kept] = {}
        self._age = 0

    def find(self, services: Services, text: str) -> ApiToken:
        """The actor that a token's text stands for; that it is used is noted to the hour.

        Raises:
            NotAuthenticated: it is no token, or it is revoked or has expired.
        AccountDisabled: the account of the token is.
        """
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        now = services.clock()
        kept, age = self._look(key)
        if kept is None or not kept.holds(now):
            with services.reading() as uow:
                token = tokens.actor_of_token(uow, text)
            kept = self._keep(key, token, now, services.settings.read_cache, age)
        place = network_of(services.origin.address)
        if place not in kept.places:
            kept.places.add(place)
            _note_use(services, kept.token, place)
        return kept.token

    def _look(self, key: bytes) -> tuple[_Kept | None, int]:
        """What is kept under this key now, and how often all was forgotten so far."""
        with self._lock:
            if self._changes.have_come():
                self._kept.clear()
                self._age += 1
            return self._kept.get(key), self._age

    def _keep(self, key: bytes, token: ApiToken, now: datetime, time: timedelta, age: int) -> _Kept:
        """Keep what was found, unless something has changed since it was looked for."""
        until = now + time
        if token.token.expires is not None:
            until = min(until, token.token.expires)
        kept = _Kept(token, now, until)
        with self._lock:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            if age == self._age:
                self._kept[key] = kept
        return kept


def _note_use(services: Services, token: ApiToken, place: str | None) -> None:
    shown = token.token
    is_recent = (
        shown.last_used is not None and abs(services.clock() - shown.last_used) < _USE_PRECISION
    )
    if is_recent and place in (None, shown.last_address):
        return
    # Whoever reads does not wait for it, nor fail by it: the next use is noted.
    services.write_if_possible(token.used)
