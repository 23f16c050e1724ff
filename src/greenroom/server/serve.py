"""The HTTP server: gunicorn's threaded workers, set up for an index.

Why gunicorn: upload clients print the reason phrase of the status line and nothing else, so the
sentence of a refusal has to travel there, and gunicorn sends it as the application wrote it.
Three things it does differently from what an index needs are changed here:

- a client that stalls in the middle of a request or an answer loses its thread after a minute,
  however long the transfer as a whole may take;
- the last bytes of a closing connection are waited for in the request's own thread, not in the
  loop that accepts connections;
- Ctrl-C stops as gracefully as SIGTERM does; a second one stops at once.
"""

import socket
import threading
from collections.abc import Callable
from wsgiref.types import WSGIApplication

from greenroom.server.worker import BACKLOG, IndexApplication, Plan, Timing, run

__all__ = ["Timing", "serve"]


def serve(
    application_factory: Callable[[], WSGIApplication],
    *,
    host: str,
    port: int,
    workers: int,
    threads: int = 32,
    on_ready: Callable[[str], None],
    background: Callable[[threading.Event], None] | None = None,
    timing: Timing | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and return.

    The application is made in each worker, after the fork: no connection that the caller has open
    is shared by accident. ``on_ready`` and ``background`` run in workers too, for the same reason.

    Forwarded headers are not looked at here: whom to believe is the application's affair.

    Args:
        application_factory: makes the WSGI application, once per worker.
        host: the address or name to listen on.
        port: the port; 0 takes a free one.
        workers: how many processes.
        threads: how many requests a process handles at once.
        on_ready: called once, in the first worker, when its application is made, with the
            address that reaches the server from this machine.
        background: runs in a thread of each worker until the event it is given is set, which
            happens when the worker ends.
        timing: how long to wait for what.

    Raises:
        SystemExit: with a sentence when the address cannot be listened on, and with status 1 when
            a worker could not make its application.
    """
    listener = _listen(host, port)
    plan = Plan(
        application_factory,
        workers,
        threads,
        on_ready,
        background,
        timing or Timing(),
        listener=listener.fileno(),
        url=_address(listener),
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
