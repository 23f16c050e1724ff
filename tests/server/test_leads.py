"""Requests that want the same at the same time: the application is asked for one of them."""

import contextlib
import signal
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.server.process import Server, Setup, answer_on, serving
from tests.server.test_waiting import until_asked

MANY = 50
THREADS = 4


@pytest.fixture
def keeping() -> Iterator[Server]:
    with serving(Setup(threads=THREADS, keeps=True)) as server:
        yield server


def ask(server: Server, name: str, method: str = "GET", more: str = "") -> socket.socket:
    connection = server.connect()
    connection.settimeout(60)
    connection.sendall(f"{method} /public/{name} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    return connection


def bodies(connections: list[socket.socket], method: str = "GET") -> list[tuple[int, bytes]]:
    answers = [answer_on(connection, method) for connection in connections]
    return [(answer.status, answer.read()) for answer in answers]


def test_many_who_want_the_same_cost_one(keeping: Server) -> None:
    with contextlib.ExitStack() as stack:
        asking = [stack.enter_context(ask(keeping, "kept")) for _ in range(MANY)]
        until_asked(keeping, 1)
        # No thread is taken by them, and others are answered.
        assert keeping.get("/who")
        only_head = stack.enter_context(ask(keeping, "kept", "HEAD"))
        has_it = stack.enter_context(ask(keeping, "kept", more='If-None-Match: "it"\r\n'))
        keeping.get("/open")

        assert bodies(asking) == [(200, b"there")] * MANY
        assert bodies([only_head], "HEAD") == [(200, b"")]
        assert bodies([has_it]) == [(304, b"")]
        assert keeping.get("/asked") == "1"
        asking[0].sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_on(asking[0]).status == 200


@pytest.mark.parametrize(("name", "status"), [("passing", 200), ("missing", 404)])
def test_what_is_not_kept_is_asked_for_by_each(keeping: Server, name: str, status: int) -> None:
    with contextlib.ExitStack() as stack:
        asking = [stack.enter_context(ask(keeping, name)) for _ in range(MANY)]
        until_asked(keeping, 1)
        keeping.get("/open")

        assert bodies(asking) == [(status, b"there")] * MANY
        assert keeping.get("/asked") == str(MANY)


def test_when_the_first_one_goes_another_one_is_asked_for(keeping: Server) -> None:
    with ask(keeping, "kept") as first:
        until_asked(keeping, 1)
        with contextlib.ExitStack() as stack:
            others = [stack.enter_context(ask(keeping, "kept")) for _ in range(MANY)]
            assert keeping.get("/who")
            for gone in (first, others[0]):
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                gone.close()  # at once
            assert keeping.get("/who")
            keeping.get("/open")

            assert bodies(others[1:]) == [(200, b"there")] * (MANY - 1)
            assert keeping.get("/asked") == "2"


def test_nobody_waits_for_one_that_waits_for_something_else(keeping: Server) -> None:
    with ask(keeping, "waits"), ask(keeping, "waits"):
        until_asked(keeping, 2)


def test_who_has_credentials_asks_alone(keeping: Server) -> None:
    secret = "Authorization: Basic eDp5\r\n"
    with ask(keeping, "kept") as first, ask(keeping, "kept", more=secret) as other:
        until_asked(keeping, 2)
        keeping.get("/open")

        assert bodies([first, other]) == [(200, b"there")] * 2


def test_a_server_that_stops_answers_all_of_them(keeping: Server) -> None:
    with contextlib.ExitStack() as stack:
        asking = [stack.enter_context(ask(keeping, "kept")) for _ in range(MANY)]
        until_asked(keeping, 1)
        opening = stack.enter_context(keeping.connect())
        opening.sendall(b"GET /open?500 HTTP/1.1\r\nHost: x\r\n\r\n")
        keeping.signal(signal.SIGTERM)

        assert bodies(asking) == [(200, b"there")] * MANY
        assert keeping.wait()[0] == 0
