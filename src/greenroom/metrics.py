"""What is told to Prometheus: what all processes count, put together, and how the index stands.

Processes share their numbers through files of ``prometheus-client``, in the folder of
:func:`greenroom.metrics_folder.metrics_folder`, which has to be there when this is imported. The
server counts requests in plain numbers, which come here about once a second.
"""

import os
import resource
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sqlalchemy.exc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from sqlalchemy import QueuePool

from greenroom import __version__, counters
from greenroom.counters import Counted
from greenroom.registry import observation
from greenroom.registry.observation import Observation
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_policy import Why
from greenroom.server.tallies import BUCKETS, State, Tallies

OBSERVE_SECONDS = 10.0
"""For so long, what the database has said is said again."""

_WORDS = {
    Counted.UPLOADS: ("accepted", "refused", "failed"),
    Counted.STORAGE_ERRORS: ("unavailable", "missing", "damaged"),
    Counted.SIGN_IN_FAILURES: ("password", "token"),
    Counted.UPSTREAM_FILES: ("kept", "fetched", "interrupted", "wrong"),
    Counted.UPSTREAM_PAGES: ("kept", "fetched", "failed"),
    Counted.UPSTREAM_REFUSALS: tuple(why.value for why in Why),
}
_RESERVED = 256 * 1024
"""Bytes for the numbers of one kind of a process; there are not so many that they need more."""

_PAGE = resource.getpagesize()


def process_has_ended(pid: int) -> None:
    """Forget how a process stood; what it has counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


class _Durations(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Add as many observations to each bucket, which took so long together."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(seconds)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"greenroom_{name}", text, labels, registry=None)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"greenroom_{name}", text, labels, registry=None, multiprocess_mode="livesum")


class Metrics:
    """The metrics of this process, and what is told of all processes of the server."""

    def __init__(self, folder: Path, services: Services) -> None:
        """Nothing is written before something was counted.

        Args:
            folder: where the processes share their numbers.
            services: what the application works on, in each process.

        Raises:
            OSError: there is no room for them.
        """
        self._folder = folder
        self._process = 0
        self._reserve()
        self._database = services.database
        self._observed = Observed(services)
        self._cpu = 0.0
        self._lookups = _counter(
            "kept_answer_lookups", "Requests that memory could have answered.", "result"
        )
        self._requests = _counter("requests", "Requests that have ended.", "part", "status")
        self._durations = _Durations(
            "greenroom_request_seconds",
            "How long requests took.",
            ("part",),
            buckets=BUCKETS,
            registry=None,
        )
        self._received = _counter("received_bytes", "Bytes that came in.")
        self._sent = _counter("sent_bytes", "Bytes that were sent.")
        self._refused = _counter("connections_refused", "Connections of addresses with too many.")
        self._events = {
            Counted.UPLOADS: _counter("uploads", "Files that were uploaded.", "outcome"),
            Counted.STORAGE_ERRORS: _counter(
                "storage_errors", "Blobs that could not be had.", "kind"
            ),
            Counted.SIGN_IN_FAILURES: _counter(
                "sign_in_failures", "Credentials that did not open.", "by"
            ),
            Counted.UPSTREAM_FILES: _counter(
                "upstream_files", "Files of upstreams that were asked for.", "result"
            ),
            Counted.UPSTREAM_PAGES: _counter(
                "upstream_pages", "Pages of upstreams that were asked for.", "result"
            ),
            Counted.UPSTREAM_REFUSALS: _counter(
                "upstream_refusals", "Files of upstreams that are not let in.", "why"
            ),
        }
        for what, words in _WORDS.items():
            for word in words:  # so that there is a series before the first of them
                self._events[what].labels(word)
        self._state = {
            name: _gauge(name, text)
            for name, text in (
                ("threads", "Threads of the application, at most."),
                ("threads_busy", "Threads that work on a request."),
                ("requests_waiting", "Requests that wait for a thread."),
                ("connections", "Open connections of clients."),
                ("kept_answers", "Answers that are kept in memory."),
                ("kept_answer_bytes", "Memory that kept answers take."),
                ("workers", "Processes that answer requests."),
                ("memory_bytes", "Memory of the processes that answer, shared memory included."),
                ("database_connections_limit", "Connections to the database, at most."),
            )
        }
        self._connections = _gauge("database_connections", "Connections to the database.", "state")
        self._cpu_seconds = _counter("cpu_seconds", "Processor time of processes that answer.")

    def add(self, tallies: Tallies, state: State) -> None:
        """Take what the server has counted in this process, and how it stands.

        Raises:
            OSError: there is no room for the numbers of this process.
        """
        self._reserve()
        for (part, status), count in tallies.requests.items():
            self._requests.labels(part, status).inc(count)
        for part, durations in tallies.durations.items():
            child: _Durations = self._durations.labels(part)
            child.add(durations.counts, durations.seconds)
        for result, count in (("hit", tallies.found), ("miss", tallies.not_found)):
            self._lookups.labels(result).inc(count)
        self._received.inc(tallies.bytes_in)
        self._sent.inc(tallies.bytes_out)
        self._refused.inc(tallies.connections_refused)
        for (what, which), count in counters.take().items():
            self._events[what].labels(which).inc(count)
        self._set_state(state)

    def _reserve(self) -> None:
        """Have room for the numbers of this process: a full disk would end it later.

        Raises:
            OSError: there is none.
        """
        process = os.getpid()
        if process == self._process:
            return
        for kind in ("counter", "gauge_livesum", "histogram"):
            with (self._folder / f"{kind}_{process}.db").open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVED)
        self._process = process

    def _set_state(self, state: State) -> None:
        now = {
            "threads": state.threads,
            "threads_busy": state.busy,
            "requests_waiting": state.waiting,
            "connections": state.connections,
            "kept_answers": state.kept_answers,
            "kept_answer_bytes": state.kept_bytes,
            "workers": 1,
            "memory_bytes": _memory(),
        }
        pool = self._database.engine.pool
        if isinstance(pool, QueuePool):
            now["database_connections_limit"] = pool.size() + pool._max_overflow
            self._connections.labels("in use").set(pool.checkedout())
            self._connections.labels("idle").set(pool.checkedin())
        for name, value in now.items():
            self._state[name].set(value)
        used = time.process_time()
        self._cpu_seconds.inc(max(used - self._cpu, 0.0))
        self._cpu = used

    def exposition(self) -> bytes:
        """All of it, in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Files(self._folder))
        registry.register(self._observed)
        return generate_latest(registry)


class _Files(Collector):
    """What all processes have counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        # One that a process makes just now is empty at first.
        files = [str(file) for file in self._folder.glob("*.db") if _size(file)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # of a process that has ended
        return 0


class Observed(Collector):
    """How the index stands: asked of the database at most once in a while."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._last: Observation | None = None

    def collect(self) -> Iterable[Metric]:
        """The gauges, of which those of the database are missing while it does not answer."""
        found = self._observation()
        yield _one("info", "Which version this is.", 1, version=__version__)
        yield _one("database_up", "Whether the database answers.", int(found is not None))
        free = observation.free_space(self._services.settings)
        if free is not None:
            yield _one("free_bytes", "Free space where files arrive.", free)
        if found is not None:
            yield from _of_database(found)
        most = self._services.settings.upstream_cache_size
        yield _one("upstream_cache_limit_bytes", "How much of upstreams may be kept.", most)

    def _observation(self) -> Observation | None:
        with self._lock:
            now = time.monotonic()
            if now - self._at >= OBSERVE_SECONDS:
                self._at = now
                try:
                    with self._services.reading() as uow:
                        self._last = observation.observe(uow)
                except sqlalchemy.exc.SQLAlchemyError:
                    self._last = None
            return self._last


def _of_database(found: Observation) -> Iterator[Metric]:
    yield _one("drafts_open", "Drafts that stand open.", found.drafts_open)
    yield _one("drafts_expiring", "Open drafts that expire within a day.", found.drafts_expiring)
    yield _one("jobs_waiting", "Background jobs that are not done.", found.jobs_waiting)
    yield _one("jobs_failing", "Background jobs that keep failing.", found.jobs_failing)
    late = found.jobs_late.total_seconds()
    yield _one("jobs_late_seconds", "How long the first job that is due has waited.", late)
    done = GaugeMetricFamily(
        "greenroom_job_done_timestamp_seconds",
        "When a background job of this kind was last done.",
        labels=["kind"],
    )
    for kind, moment in found.jobs_done.items():
        done.add_metric([kind], moment.timestamp())
    yield done
    cached = found.upstream_cached
    yield _one("upstream_cached_bytes", "Files of upstreams that are kept.", cached)
    if found.backed_up is not None:
        yield _one(
            "backup_timestamp_seconds",
            "When the last backup was made.",
            found.backed_up.timestamp(),
        )


def _one(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(f"greenroom_{name}", text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def _memory() -> int:
    """The resident memory of this process, in bytes; 0 where nobody can say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0
