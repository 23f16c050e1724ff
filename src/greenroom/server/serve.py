"""The HTTP server: gunicorn's event-loop workers, set up for an index.

Upload clients print the reason phrase of the status line and nothing else, so the sentence of a
refusal has to travel there: it is sent as the application wrote it. What else an index needs:

- a client that is slow, or silent, costs a socket and no thread, and not for ever;
- public answers are kept, compressed, shared by the workers, and sent without asking the
  application;
- Ctrl-C stops as gracefully as SIGTERM does; a second one stops at once.
"""

import gc
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from greenroom.server.supervisor import Kept, Order, Supervisor
from greenroom.server.timing import Timing

if TYPE_CHECKING:
    from greenroom.server.worker import Served

__all__ = ["Kept", "Order", "Timing", "file_in_memory", "serve"]


def serve(
    load: "Callable[[Order], Served]",
    *,
    host: str,
    port: int,
    workers: int,
    threads: int = 16,
    timing: Timing | None = None,
    at_end: Callable[[Kept], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and return.

    Forwarded headers are not looked at here: whom to believe is the application's affair.

    Args:
        load: makes the application, and says what goes with it, in a process of its own, which
            forks the workers, so that they share its memory, and ends. It is called again when a
            worker is to be replaced. Nothing may be connected to in that process but for what is
            closed before it returns.
        host: the address or name to listen on.
        port: the port; 0 takes a free one.
        workers: how many processes.
        threads: how many requests the application works on at once, in a process.
        timing: how long to wait for what.
        at_end: called when all have ended, with what ``load`` has left the first time.

    Raises:
        SystemExit: with a sentence when the address cannot be listened on, and with the status of
            the process that could not make the application.
    """
    timing = timing or Timing()
    listener = _bound(host, port)
    url = _address(listener)
    shared = file_in_memory("answers") if workers > 1 else None

    def start_workers(order: Order) -> None:
        gc.disable()  # what is imported and made here stays
        # Imported here: the process that supervises has no use for any of it.
        from greenroom.server.loader import Plan, start

        start(Plan(load, threads, timing, listener, url, shared), order)

    return Supervisor(
        start_workers,
        listener,
        at_end or (lambda kept: None),
        workers=workers,
        graceful=timing.graceful,
        heartbeat=timing.heartbeat,
    ).run()


def file_in_memory(label: str) -> BinaryIO | None:
    """A new file without a name, so that nobody else can open it; None where there are none.

    Args:
        label: what whoever looks at the process sees of it.
    """
    try:
        return open(os.memfd_create(label), "r+b", buffering=0)
    except (AttributeError, OSError):  # another system, or one that does not allow it
        return None


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, and does not listen yet: nobody waits for what may not start."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SystemExit(f"Cannot listen on {host}, port {port}: {reason}.") from None
    return listener


def _address(listener: socket.socket) -> str:
    """The address that reaches ``listener`` from this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
