"""The HTTP server: gunicorn's event-loop workers, set up for an index, below a supervisor.

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

from greenroom.server.supervisor import ANSWERS, LISTENER, Kept, Order
from greenroom.server.timing import Timing

if TYPE_CHECKING:
    from greenroom.server.worker import Served

__all__ = ["Kept", "Order", "Timing", "file_in_memory", "start"]


def start(
    order: Order,
    load: "Callable[[Order], Served]",
    *,
    host: str,
    port: int,
    workers: int,
    threads: int = 16,
    timing: Timing | None = None,
) -> None:
    """Be a loader: make what is served, and fork the workers that a supervisor has ordered.

    They serve until the supervisor tells them to finish what is in flight. Forwarded headers are
    not looked at here: whom to believe is the application's affair.

    Args:
        order: what is to be done.
        load: makes the application, and says what goes with it; the workers share its memory. It
            is called again in another process when a worker is to be replaced. Nothing may be
            connected to but for what is closed before it returns.
        host: the address or name to listen on.
        port: the port; 0 takes a free one.
        workers: how many processes there are to be.
        threads: how many requests the application works on at once, in a process.
        timing: how long to wait for what.

    Raises:
        SystemExit: the address cannot be listened on, or the application cannot be made; with a
            sentence, or with a status when why has been said.
    """
    gc.disable()  # what is imported and made here stays
    listener = _bound(host, port) if order.kept is None else _kept_listener(order.kept)
    shared = _shared_answers(order.kept, workers)
    # Imported here: it takes long, and is in vain where nobody can listen.
    from greenroom.server.loader import Plan, start_workers

    timing = timing or Timing()
    try:
        plan = Plan(load, workers, threads, timing, listener, _address(listener), shared)
        start_workers(plan, order)
    finally:
        if order.kept is not None:
            listener.detach()  # it is the supervisor's, which may be this process
        else:
            listener.close()
            if shared is not None:
                shared.close()


def _kept_listener(kept: Kept) -> socket.socket:
    return socket.socket(fileno=kept.files[LISTENER])


def _shared_answers(kept: Kept | None, workers: int) -> BinaryIO | None:
    """The file of the answers that workers share, which the first loader makes; None: no file."""
    if kept is None:
        return file_in_memory(ANSWERS) if workers > 1 else None
    if ANSWERS not in kept.files:
        return None
    return open(kept.files[ANSWERS], "r+b", buffering=0, closefd=False)


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
