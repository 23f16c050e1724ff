"""Ctrl-C, and what CI systems send instead: an end in good order."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], None]


@contextmanager
def interruptible() -> Iterator[None]:
    """Within this, SIGTERM is a KeyboardInterrupt too."""
    with _handling((signal.SIGTERM,), _interrupt):
        yield


@contextmanager
def to_its_end() -> Iterator[None]:
    """Within this, an interruption waits until the end; a second one does not."""
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if arrived:
            raise KeyboardInterrupt
        arrived.append(number)

    with _handling(_SIGNALS, note):
        yield
    if arrived:
        raise KeyboardInterrupt


@contextmanager
def _handling(signals: tuple[signal.Signals, ...], handler: _Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
