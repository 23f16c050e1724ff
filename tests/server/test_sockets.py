"""Slow and silent clients."""

import contextlib
import http.client
import select
import signal
import socket
import time
from http.client import IncompleteRead

import pytest

from greenroom.server.wsgi_pool import MOST_WAITING
from tests.server.process import MIB, Setup, answer_on, serving


def test_a_transfer_may_take_longer_than_every_timeout() -> None:
    with serving(Setup(timing={"stall": 3, "heartbeat": 3})) as server:
        pid = server.get("/who")
        with server.connect() as connection:
            connection.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n")
            for _ in range(24):
                time.sleep(0.25)
                connection.sendall(b"x")
            assert answer_on(connection).read() == b"24"
        assert server.get("/who") == pid


def test_an_answer_may_be_taken_slowly() -> None:
    with serving(Setup(timing={"stall": 2})) as server, server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        size = 16 * MIB
        connection.sendall(f"GET /gulp?{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = answer_on(connection)
        for _ in range(8):
            time.sleep(0.4)
            size -= len(answer.read(MIB))
        assert len(answer.read()) == size


@pytest.mark.parametrize(
    "beginning",
    [
        b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        b"GET /who HTTP/1.1\r\nHos",
    ],
    ids=["in the body", "in the head"],
)
def test_a_silent_client_is_told_and_cut_off(beginning: bytes) -> None:
    with serving(Setup(threads=1, timing={"stall": 0.5})) as server:
        with server.connect() as connection:
            connection.sendall(beginning)
            time.sleep(0.1)
            assert server.get("/who")
            assert answer_on(connection).status == 408
        server.process.terminate()
        assert server.wait()[2] == ""


def test_clients_that_do_not_hang_up_do_not_hold_up_others() -> None:
    with serving(Setup(threads=1)) as server, contextlib.ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(server.connect())
            connection.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer_on(connection).read()
        assert server.get("/who")


def test_a_silent_reader_holds_no_thread() -> None:
    with serving(Setup(threads=1)) as server, server.connect() as connection:
        connection.sendall(f"GET /download?{64 * MIB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(1) == b"H"
        for _ in range(3):
            assert server.get("/who")


def test_an_address_never_has_all_threads() -> None:
    with serving(Setup(threads=4)) as server, contextlib.ExitStack() as stack:
        insistent = [
            stack.enter_context(
                socket.create_connection(server.address, source_address=("127.0.0.66", 0))
            )
            for _ in range(12)
        ]
        for connection in insistent:
            connection.sendall(b"GET /slow?6000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.get("/who")
        answered, _, _ = select.select(insistent, [], [], 0)
        assert answered == []
        server.signal(signal.SIGKILL, group=True)  # it need not answer them all


def test_who_comes_when_too_many_wait_is_told_to_come_again() -> None:
    with serving(Setup(threads=1)) as server, contextlib.ExitStack() as stack:
        # From several addresses: of one there may not be so many.
        waiting = [
            stack.enter_context(
                socket.create_connection(
                    server.address, source_address=(f"127.0.0.{number % 4 + 10}", 0)
                )
            )
            for number in range(MOST_WAITING + 12)
        ]
        for connection in waiting:
            path = b"/who" if connection is not waiting[0] else b"/slow?3000"
            connection.sendall(
                b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
        with answer_on(waiting[-1]) as answer:
            assert (answer.status, answer.getheader("Retry-After")) == (503, "5")
        with answer_on(waiting[0]) as answer:
            assert answer.status == 200


def test_who_sends_too_little_is_cut_off() -> None:
    setup = Setup(timing={"window": 1, "least": 1000})
    with serving(setup) as server, server.connect() as connection:
        connection.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(30):
                connection.sendall(b"x")
                time.sleep(0.1)
        with answer_on(connection) as answer:
            assert answer.status == 408


def test_the_time_that_the_index_takes_is_not_held_against_the_client() -> None:
    with serving(Setup(timing={"window": 2, "least": 1000})) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=30)
        for path in ("/count", "/slow?3000", "/count"):
            connection.putrequest("POST" if path == "/count" else "GET", path)
            connection.putheader("Content-Length", "2")
            connection.endheaders()
            time.sleep(0.6)
            connection.send(b"ab")
            answer = connection.getresponse()
            assert (answer.status, answer.read() != b"") == (200, True)
        connection.close()


def test_an_application_that_takes_a_small_body_does_not_wait_for_it() -> None:
    """It may hold a lock while it reads."""
    with serving(Setup(threads=1)) as server, server.connect() as connection:
        connection.sendall(b"POST /locked HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        time.sleep(0.2)
        assert server.get("/locked") == "0"
        connection.sendall(b"bc")
        with answer_on(connection) as answer:
            assert answer.read() == b"3"


def test_a_large_file_may_be_taken_slowly() -> None:
    size = 24 * MIB
    setup = Setup(timing={"window": 1, "least": 1000})
    with serving(setup) as server, server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.sendall(f"GET /large-file?{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with answer_on(connection) as answer:
            left = size
            for _ in range(20):
                time.sleep(0.2)
                left -= len(answer.read(128 * 1024))
            assert len(answer.read()) == left


def test_who_takes_nothing_of_a_file_is_cut_off() -> None:
    size = 64 * MIB
    setup = Setup(timing={"window": 1, "least": 1000})
    with serving(setup) as server, server.connect() as connection:
        connection.sendall(f"GET /large-file?{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(3.5)
        with answer_on(connection) as answer, pytest.raises((ConnectionError, IncompleteRead)):
            answer.read()
        assert server.get("/who")
        server.process.terminate()
        assert server.wait()[2] == ""
