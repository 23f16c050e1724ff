"""Counting downloads: in memory, by the process that sends, and written down every minute."""

import threading
from collections import Counter
from datetime import UTC, datetime

import sqlalchemy.exc
import structlog

from greenroom.registry import downloads, draft_installations, upstream_files, upstream_usage
from greenroom.registry.download_logs import ReadAddress
from greenroom.registry.downloads import Downloaded
from greenroom.registry.unit_of_work import Services

WRITE_EVERY = 60.0
"""Seconds."""
MOST_KEPT = 100_000
"""So many files and days are kept while the database does not answer; more are not counted."""

log = structlog.get_logger("greenroom.downloads")


class DownloadCounter:
    """What this process has sent since it was written down last.

    It is told of every answer in the event loop's thread, and emptied in another one.
    """

    def __init__(self, read_address: ReadAddress) -> None:
        """Take what says which file is at a request target."""
        self._read_address = read_address
        self._counts: Counter[Downloaded] = Counter()
        self._lock = threading.Lock()

    def note(self, target: str) -> None:
        """Take note that what is at this request target was sent, from its beginning."""
        found = self._read_address(target)
        if found is None:
            return
        downloaded = Downloaded(*found, datetime.now(UTC).date())
        with self._lock:
            if downloaded in self._counts or len(self._counts) < MOST_KEPT:
                self._counts[downloaded] += 1

    def write(self, services: Services) -> int:
        """Write down what was counted, and say how many downloads that were.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it was not, and is kept for the next time.
        """
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return 0
        try:
            with services.writing() as uow:
                return downloads.add(uow, counts)
        except BaseException:
            with self._lock:
                self._counts += counts
            raise

    def write_regularly(self, services: Services, stop: threading.Event) -> None:
        """Write down what was counted, every minute and when the event is set.

        What installers took from drafts is written down with it, where that could not be at once,
        and what they asked upstreams for.
        """
        writes = (
            self.write,
            draft_installations.PENDING.write,
            upstream_usage.PENDING.write,
            upstream_files.PENDING.write,
        )
        while True:
            ends = stop.wait(WRITE_EVERY)
            for write in writes:
                try:
                    write(services)
                except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
                    log.warning("downloads are not written down", reason=type(error).__name__)
            if ends:
                return
