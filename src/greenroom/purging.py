"""Telling a cache in front of the index what has changed: surrogate keys, purged after a commit."""

import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import structlog

from greenroom.settings import Settings

_ATTEMPTS = 5
_TIMEOUT_SECONDS = 10

Purge = Callable[[frozenset[str]], None]


def purger(settings: Settings) -> Purge:
    """A function that purges surrogate keys at ``GREENROOM_PURGE_URL``, or does nothing without it.

    The function returns at once: a thread of its own sends the requests, one after the other, and
    tries each again a few times when the cache does not answer.
    """
    url, token = settings.purge_url, settings.purge_token
    if url is None:
        return lambda keys: None
    # Threads are started by the first purge, so that this may be called before a fork.
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="purge")

    def purge(keys: frozenset[str]) -> None:
        executor.submit(_purge, url, token, keys)

    return purge


def _purge(url: str, token: str | None, keys: frozenset[str]) -> None:
    headers = {"Surrogate-Key": " ".join(sorted(keys))}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    log = structlog.get_logger("greenroom.purging")
    for attempt in range(_ATTEMPTS):
        if attempt > 0:
            time.sleep(2 ** (attempt - 1))
        try:
            request = urllib.request.Request(url, data=b"", headers=headers, method="POST")  # noqa: S310
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
                return
        except (OSError, HTTPException) as error:
            log.warning("purge failed", keys=sorted(keys), attempt=attempt + 1, reason=str(error))
