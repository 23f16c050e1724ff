"""Requests that wait until something changes: they hold no thread, and nobody up."""

import contextlib
import json
import signal
import socket
import time
from collections.abc import Sequence

from tests.server.process import Server, Setup, answer_on, serving

MANY = 300
LONG = 60_000


def hold(server: Server, milliseconds: int = LONG) -> socket.socket:
    connection = server.connect()
    connection.settimeout(60)
    connection.sendall(f"GET /hold?{milliseconds} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def until_asked(server: Server, times: int) -> None:
    """Wait until the application was asked so often for what is waited for."""
    deadline = time.monotonic() + 60
    while int(server.get("/asked")) < times:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(connections: Sequence[socket.socket]) -> set[bytes]:
    return {answer_on(connection).read() for connection in connections}


def test_hundreds_wait_without_a_thread_until_something_changes() -> None:
    with serving(Setup(threads=2)) as server, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(hold(server)) for _ in range(MANY)]
        until_asked(server, MANY)
        time.sleep(1.5)  # longer than it takes to look

        assert server.get("/who")
        assert server.get("/asked") == str(MANY)
        assert server.get("/change?7") == "mark 7"
        assert answers(waiting) == {b"mark 7"}
        # Each was asked once more, and the connections go on.
        assert server.get("/asked") == str(2 * MANY)
        waiting[0].sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_on(waiting[0]).status == 200


def test_who_waits_is_answered_in_time_though_nothing_changes() -> None:
    with serving() as server:
        began = time.monotonic()
        with hold(server, 700) as connection:
            assert answers([connection]) == {b"first"}
        assert time.monotonic() - began >= 0.7


def test_who_waits_and_goes_is_forgotten() -> None:
    with serving(Setup(log=True)) as server:
        gone = [hold(server) for _ in range(3)]
        with hold(server) as staying:
            until_asked(server, 4)
            gone[0].shutdown(socket.SHUT_WR)
            assert gone[0].recv(10) == b""
            for connection in gone:
                connection.close()
            server.get("/change?1")
            assert answers([staying]) == {b"mark 1"}
        assert server.get("/asked") == "5"
        server.signal(signal.SIGTERM)
        lines = [json.loads(line) for line in server.wait()[2].splitlines() if "/hold" in line]
    noted = sorted((line["status"], line["level"], line.get("cut")) for line in lines)
    assert noted == [(200, "info", None), *[(204, "info", None)] * 3]


def test_who_waits_is_answered_at_once_when_the_server_stops() -> None:
    with serving() as server, hold(server) as connection:
        until_asked(server, 1)
        server.signal(signal.SIGTERM)

        assert answers([connection]) == {b"first"}
        assert server.wait()[0] == 0


def test_who_waits_is_answered_in_time_though_nobody_can_look() -> None:
    with serving() as server, hold(server, 2500) as connection:
        until_asked(server, 1)
        server.get("/change?0")
        assert answers([connection]) == {b"broken"}
        server.get("/change?2")
        with hold(server) as other:
            until_asked(server, 3)
            server.get("/change?3")
            assert answers([other]) == {b"mark 3"}


def test_a_request_with_a_body_waits_for_nothing(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /hold?60000 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        # The application counts on being told that it may wait.
        assert answer_on(connection).status == 500
