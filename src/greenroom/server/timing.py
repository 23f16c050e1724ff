"""How long the server waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long the server waits for what; all in seconds.

    Attributes:
        head: the head of a request has to arrive within so long.
        stall: a client that neither sends nor takes a byte for so long is disconnected. The
            transfer as a whole may take as long as it takes.
        window: so long at a time is looked at how much a client sends or takes.
        least: bytes a second that it sends or takes in each of these.
        discard: without a byte for so long, a client that was answered is taken to send no more.
        graceful: what is in flight may take so long after the signal to stop.
        heartbeat: a worker whose event loop is silent for so long is replaced.
    """

    head: float = 15.0
    stall: float = 60.0
    window: float = 20.0
    least: float = 512.0
    discard: float = 5.0
    graceful: int = 60
    heartbeat: int = 120
