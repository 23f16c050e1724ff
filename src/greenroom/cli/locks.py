"""Whether an index runs on the data: files that are locked meanwhile, and who is connected."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

from greenroom.cli.failures import fail
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings

log = structlog.get_logger("greenroom")


_SERVING = "serve.lock"
_WORKING = "work.lock"


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Say so when another ``serve`` runs on the same embedded data.

    They get on with each other, but it is seldom meant.
    """
    if not settings.embedded:
        yield
        return
    folder = settings.data.absolute()
    with (folder / _SERVING).open("ab") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            log.warning(f"another 'greenroom serve' runs on {folder}, too")
        yield


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
