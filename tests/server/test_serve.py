"""The server: what it sends, its processes, its memory."""

import http.client
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.server import process as process_module
from tests.server.process import MIB, REASON, Server, Setup, answer_on, serving, start, upload

# --- what is sent and answered ------------------------------------------------------------------


def test_the_reason_phrase_reaches_the_client_as_written(server: Server) -> None:
    answer = requests.get(server.url + "/refuse", timeout=30)
    assert (answer.status_code, answer.reason) == (400, REASON)


def test_a_connection_serves_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/who")
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_forwarded_headers_are_not_believed(server: Server) -> None:
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4", "Script-Name": "/x"}
    assert requests.get(server.url + "/scheme", headers=forged, timeout=30).text == "http 127.0.0.1"


def test_expect_continue_is_answered_before_the_body(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert answer_on(connection).read() == b"3"


def test_a_body_in_chunks_is_taken(server: Server) -> None:
    pieces = (bytes(1000) for _ in range(1000))
    assert requests.post(server.url + "/count", data=pieces, timeout=30).text == "1000000"


def test_a_file_is_sent_whole(server: Server) -> None:
    answer = requests.get(server.url + "/file", timeout=30)
    assert answer.content == Path(process_module.__file__).read_bytes()


def test_too_long_a_header_is_refused(server: Server) -> None:
    answer = requests.get(server.url + "/who", headers={"X": "x" * 9000}, timeout=30)
    assert answer.status_code == 431


# --- processes ----------------------------------------------------------------------------------


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_each_worker_serves_and_has_its_background() -> None:
    with serving(Setup(workers=3, background=True)) as server:
        pids: set[str] = set()

        def all_seen() -> bool:
            with ThreadPoolExecutor(12) as pool:
                pids.update(pool.map(server.get, ["/slow?50"] * 12))
            return len(pids) == 3

        assert within(60, all_seen)
        server.process.terminate()
        status, output, errors = server.wait()
    assert (status, errors) == (0, "")
    assert {f"background of {pid} ends" for pid in pids} <= set(output.splitlines())
    assert output.splitlines()[-1] == f"served by {server.process.pid}"


@pytest.mark.parametrize("group", [False, True], ids=["parent", "everyone"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_is_in_flight_is_finished(number: signal.Signals, group: bool) -> None:
    with serving() as server:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.get, "/slow?4000")
            time.sleep(0.5)
            server.signal(number, group=group)
            assert within(20, lambda: not _listens(server))
            assert not answer.done()
            assert answer.result()
        status, _, errors = server.wait()
        assert (status, errors) == (0, "")


def test_a_second_interrupt_stops_at_once() -> None:
    with serving() as server, server.connect() as connection:
        connection.sendall(b"GET /slow?20000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        server.signal(signal.SIGINT)
        time.sleep(0.5)
        server.signal(signal.SIGINT)
        assert server.wait()[0] == 0
        with pytest.raises(ConnectionError):  # nobody has waited for the answer
            answer_on(connection)


def test_a_worker_that_dies_is_replaced() -> None:
    with serving() as server:
        first = server.get("/who")
        os.kill(int(first), signal.SIGKILL)
        assert within(60, lambda: _other_worker(server, first))


def test_a_port_in_use_is_told_in_a_sentence(server: Server) -> None:
    with start(Setup(port=server.address[1])) as second:
        output, errors = second.communicate(timeout=30)
    assert (second.returncode, output) == (1, "")
    sentence = f"Cannot listen on 127.0.0.1, port {server.address[1]}: Address already in use.\n"
    assert errors == sentence


def test_an_unknown_host_is_told_in_a_sentence() -> None:
    with start(Setup(host="192.0.2.1")) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.startswith("Cannot listen on 192.0.2.1, port 0: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_an_application_that_cannot_be_made_ends_the_server(workers: int) -> None:
    with start(Setup(workers=workers, broken=True)) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert "this application cannot be made" in errors
    assert "HaltServer" not in errors


def test_every_address_is_announced_as_one_that_can_be_opened() -> None:
    with serving(Setup(host="0.0.0.0")) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.get("/who")


def _listens(server: Server) -> bool:
    try:
        server.connect().close()
    except OSError:
        return False
    return True


def _other_worker(server: Server, first: str) -> bool:
    try:
        return server.get("/who") != first
    except requests.RequestException:
        return False


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["up", "down"])
def test_memory_does_not_grow_with_a_transfer(direction: str) -> None:
    size = 256 * MIB
    with serving() as server:
        pid = int(server.get("/who"))
        before = peak_memory(pid)
        if direction == "up":
            connection = upload(server, "/count", size, chunked=False)
            assert connection.getresponse().read() == str(size).encode()
            connection.close()
        else:
            with requests.get(f"{server.url}/download?{size}", stream=True, timeout=60) as answer:
                assert sum(map(len, answer.iter_content(MIB))) == size
        assert peak_memory(pid) - before < 64 * MIB


def peak_memory(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
