"""Refusals while the client still sends."""

import contextlib
import socket

import pytest
import requests

from tests.server.process import MIB, REASON, Server, answer_on, upload


def test_who_announces_much_and_sends_little_is_answered_at_once(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\na little"
        )
        answer = answer_on(connection)
        assert (answer.status, answer.reason, answer.read()) == (400, REASON, b"no")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_a_refusal_reaches_a_client_that_sends_everything_first(
    server: Server, chunked: bool
) -> None:
    connection = upload(server, "/refuse", 200 * MIB, chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, answer.reason, answer.read()) == (400, REASON, b"no")

    connection.request("GET", "/who")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("keep", ["keep-alive", "close"])
def test_a_refusal_reaches_requests(server: Server, keep: str) -> None:
    answer = requests.post(
        server.url + "/refuse",
        data=bytes(200 * MIB),
        headers={"Connection": keep},
        auth=("a", "b"),
        timeout=60,
    )
    assert (answer.status_code, answer.reason) == (400, REASON)


def test_who_shows_no_credentials_is_not_listened_to_for_long(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\n"
        )
        sent = send_until_it_fails(connection, 200 * MIB)
    assert sent < 64 * MIB


def send_until_it_fails(connection: socket.socket, most: int) -> int:
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < most:
            sent += connection.send(bytes(MIB))
    return sent
