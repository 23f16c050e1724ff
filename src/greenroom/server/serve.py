"""The HTTP server: gunicorn's event-loop workers, set up for an index.

Upload clients print the reason phrase of the status line and nothing else, so the sentence of a
refusal has to travel there: it is sent as the application wrote it. What else an index needs:

- a client that is slow, or silent, costs a socket and no thread, and not for ever;
- public answers are kept, compressed, shared by the workers, and sent without asking the
  application;
- Ctrl-C stops as gracefully as SIGTERM does; a second one stops at once.
"""

import socket
import threading
from collections.abc import Callable

from greenroom.server import shared_answers
from greenroom.server.front import Timing
from greenroom.server.worker import BACKLOG, MEMORY_FOLDER, IndexApplication, Plan, Served, run

__all__ = ["Served", "Timing", "serve"]


def serve(
    make_served: Callable[[], Served],
    *,
    host: str,
    port: int,
    workers: int,
    threads: int = 16,
    on_ready: Callable[[str], None],
    background: Callable[[threading.Event], None] | None = None,
    timing: Timing | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and return.

    The application is made once, before the fork, so that the workers share its memory: it must
    not connect to anything before its first request. ``on_ready`` and ``background`` run in the
    workers.

    Forwarded headers are not looked at here: whom to believe is the application's affair.

    Args:
        make_served: makes the WSGI application, and says what goes with it.
        host: the address or name to listen on.
        port: the port; 0 takes a free one.
        workers: how many processes.
        threads: how many requests the application works on at once, in a process.
        on_ready: called once, in the first worker, when it accepts connections, with the address
            that reaches the server from this machine.
        background: runs in a thread of each worker until the event it is given is set, which
            happens when the worker ends.
        timing: how long to wait for what.

    Raises:
        SystemExit: with a sentence when the address cannot be listened on, and with status 1 when
            the application could not be made.
    """
    listener = _listen(host, port)
    with shared_answers.made(MEMORY_FOLDER) as shared:
        plan = Plan(
            make_served,
            workers,
            threads,
            on_ready,
            background,
            timing or Timing(),
            listener=listener.fileno(),
            url=_address(listener),
            shared=shared if workers > 1 else None,
        )
        application = IndexApplication(plan)
        listener.detach()  # gunicorn owns it from here
        run(application)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
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
