"""What a process has counted of its requests: plain numbers, which cost next to nothing."""

from bisect import bisect_left
from typing import Protocol

from msgspec import Struct, field

BUCKETS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: a request is counted in the first that is not shorter than it took."""

_CLASSES = ("cut", "1xx", "2xx", "3xx", "4xx", "5xx")


class Durations(Struct):
    """How long requests took.

    Attributes:
        counts: how many took so long, for each of ``BUCKETS``, and for what is longer.
        seconds: all together.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class Tallies(Struct):
    """What was counted since it was last reported; for the event loop's thread alone.

    Attributes:
        requests: how many, by part and class of status.
        durations: how long they took, by part.
        found: requests that were answered with what is kept.
        not_found: requests that could have been, but nothing was kept.
        bytes_in: what came in.
        bytes_out: what was sent.
        connections_refused: those of addresses that had too many.
    """

    requests: dict[tuple[str, str], int] = field(default_factory=dict)
    durations: dict[str, Durations] = field(default_factory=dict)
    found: int = 0
    not_found: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connections_refused: int = 0

    def add(self, part: str, status: int, seconds: float, size_in: int, size_out: int) -> None:
        """Count a request that has ended; its status is 0 where it got no answer."""
        key = (part, _CLASSES[status // 100])
        self.requests[key] = self.requests.get(key, 0) + 1
        durations = self.durations.get(part)
        if durations is None:
            durations = self.durations[part] = Durations()
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.seconds += seconds
        self.bytes_in += size_in
        self.bytes_out += size_out


class State(Struct, frozen=True):
    """How a process stands now.

    Attributes:
        threads: how many threads the application may have.
        busy: how many of them work on a request.
        waiting: how many requests wait for one.
        connections: how many are open.
        kept_answers: how many answers are kept.
        kept_bytes: how much memory they take.
    """

    threads: int
    busy: int
    waiting: int
    connections: int
    kept_answers: int
    kept_bytes: int


class Meter(Protocol):
    """Where it goes."""

    def add(self, tallies: Tallies, state: State) -> None:
        """Take what was counted since the last time, and how the process stands."""
