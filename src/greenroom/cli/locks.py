"""Whether an index runs on the data: files that are locked meanwhile, and who is connected."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

from greenroom.cli.failures import fail
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings

log = structlog.get_logger("greenroom")


_SERVING = "serve.lock"
_WORKING = "work.lock"


def mark_serving(settings: Settings) -> int | None:
    """The lock that tells others that a server runs, as a descriptor that is to stay open.

    It is said when another ``serve`` runs on the same embedded data: they get on with each other,
    but it is seldom meant. None where the data is elsewhere.
    """
    if not settings.embedded:
        return None
    folder = settings.data.absolute()
    marker = os.open(folder / _SERVING, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        log.warning(f"another 'greenroom serve' runs on {folder}, too")
    return marker


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """Hold the lock that tells others that a worker runs; many may."""
    with (settings.data.absolute() / _WORKING).open("ab") as marker:
        fcntl.flock(marker, fcntl.LOCK_SH)
        yield


@contextmanager
def stopped(services: Services) -> Iterator[None]:
    """Go on only while no server or worker runs on the database, as far as that can be known."""
    folder = services.settings.data.absolute()
    sentence = "The index is running: stop 'greenroom serve' and 'greenroom work' first."
    with ExitStack() as stack:
        if services.settings.embedded:
            for name in (_SERVING, _WORKING):
                marker = stack.enter_context((folder / name).open("ab"))
                try:
                    fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    fail(sentence)
        else:
            from greenroom.registry import database_copy  # what serves has no use for it

            if database_copy.is_used(services.database):
                fail(f"Others are connected to the database. {sentence}")
        yield
