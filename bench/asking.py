"""Asks a server as programs do, over connections that are kept alive, and counts.

`wrk` (a Debian package) asks where it is installed and the server is quick, for a client in Python
would then be what is measured. Otherwise, sockets and threads do.
"""

import base64
import http.client
import json
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bench.wheels import README, Wheel

CONNECTIONS = 4
PIECE = 256 * 1024
BOUNDARY = "a-boundary-that-stands-in-no-file"
# From here on the client in Python would be what is measured.
_QUICK = 800
_WRK_CONNECTIONS = 8
_SCRIPT = """\
local asked, last = {}, 0
function init()
  for path in io.lines(%(paths)s) do asked[#asked + 1] = wrk.format("GET", path) end
  last = math.random(#asked)
end
function request()
  last = last %% #asked + 1
  return asked[last]
end
function done(summary)
  local errors = summary.errors
  io.write(string.format("counted %%d %%d %%d\\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Asked:
    """How many requests were answered, and in how many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its headers with lower names, its body as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Account:
    """Where files are uploaded, and what goes with them."""

    path: str
    username: str
    password: str

    @property
    def authorization(self) -> str:
        """The header of that name."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


def connect(url: str, timeout: float = 300) -> http.client.HTTPConnection:
    """A connection to a server."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def get(
    url: str, path: str, headers: Mapping[str, str] | None = None, timeout: float = 300
) -> Answer:
    """One GET on a connection of its own."""
    connection = connect(url, timeout)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())
    finally:
        connection.close()


def address_of(url: str, page: str, filename: str) -> str:
    """The path that a simple page gives a file.

    Raises:
        SystemExit: the page does not name it.
    """
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    answer = get(url, page, {"Accept": accept})
    if "json" in answer.headers.get("content-type", ""):
        links: list[str] = [file["url"] for file in json.loads(answer.body)["files"]]
    else:
        links = re.findall(r'href="([^"#]+)', answer.body.decode())
    for link in links:
        if urlsplit(link).path.rpartition("/")[2] == filename:
            return urlsplit(urljoin(url + page, link)).path
    raise SystemExit(f"{url}{page} does not name {filename}.")


# Over and over


def ask(url: str, paths: Sequence[str], headers: Mapping[str, str], seconds: float) -> Asked:
    """Ask for these paths in turn, for about so many seconds.

    Raises:
        SystemExit: an answer was not 200 or 304.
    """
    requests, passed, times = 0, 0.0, 2 * CONNECTIONS
    while passed < 0.9 * seconds:
        batch = ask_times(url, paths, headers, times)
        requests, passed = requests + batch.requests, passed + batch.seconds
        rate = batch.requests / batch.seconds
        if rate > _QUICK and shutil.which("wrk"):
            more = _ask_with_wrk(url, paths, headers, seconds)
            return Asked(requests + more.requests, passed + more.seconds)
        # The first few say little of how many there will be.
        times = max(CONNECTIONS, min(int(rate * (seconds - passed)), 8 * times))
    return Asked(requests, passed)


def ask_times(url: str, paths: Sequence[str], headers: Mapping[str, str], times: int) -> Asked:
    """Ask so many times, over a few connections."""
    share = -(-times // CONNECTIONS)
    asked = [_question(url, path, headers) for path in paths]
    turns = count()
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [
            pool.submit(_ask_in_turn, url, asked, turns, share) for _ in range(CONNECTIONS)
        ]:
            done.result()
    return Asked(share * CONNECTIONS, time.perf_counter() - began)


def _question(url: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _ask_in_turn(url: str, asked: Sequence[bytes], turns: Iterator[int], times: int) -> None:
    connection = _Connection(url)
    for turn in islice(turns, times):
        connection.ask(asked[turn % len(asked)])
    connection.close()


class _Connection:
    """A socket that is kept, and opened anew where the server has closed it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket: socket.socket | None = None

    def ask(self, question: bytes) -> None:
        """Ask, and read the answer to its end."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=120)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(question)
        if not self._read_answer(self._socket):
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read_answer(self, connection: socket.socket) -> bool:
        """Whether the connection stays open after it."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._received(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.lower().split(b"\r\n")
        if status.split()[1] not in (b"200", b"304"):
            raise SystemExit(f"The answer was {status.decode('latin-1')}.")
        headers = dict(line.split(b": ", 1) for line in lines if b": " in line)
        if b"chunked" in headers.get(b"transfer-encoding", b""):
            while not body.endswith(b"0\r\n\r\n"):
                body = body[-5:] + self._received(connection)
        elif b" 304" not in status:
            left = int(headers[b"content-length"]) - len(body)
            while left > 0:
                left -= len(self._received(connection))
        return headers.get(b"connection") != b"close"

    @staticmethod
    def _received(connection: socket.socket) -> bytes:
        piece = connection.recv(256 * 1024)
        if not piece:
            raise SystemExit("The server has closed the connection.")
        return piece


def _ask_with_wrk(
    url: str, paths: Sequence[str], headers: Mapping[str, str], seconds: float
) -> Asked:
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder, "paths"), Path(folder, "script.lua")
        listed.write_text("".join(f"{path}\n" for path in paths), encoding="ascii")
        script.write_text(_SCRIPT % {"paths": json.dumps(str(listed))}, encoding="ascii")
        command = ["wrk", "-t1", f"-c{_WRK_CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
        command += [f"-H{name}: {value}" for name, value in headers.items()]
        command += ["--script", str(script), url]
        done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"^counted (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise SystemExit(f"wrk failed: {done.stdout}{done.stderr}")
    answered, microseconds, errors = map(int, found.groups())
    if errors:
        raise SystemExit(f"{errors} of {answered} requests to {url}{paths[0]} failed.")
    return Asked(answered, microseconds / 1e6)


# Uploading


def upload_all(url: str, account: Account, wheels: Sequence[Wheel]) -> Asked:
    """Upload these wheels over a few connections, as upload clients do."""
    began = time.perf_counter()
    shares = [wheels[number::CONNECTIONS] for number in range(CONNECTIONS)]
    stop = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(_upload_share, url, account, share, stop) for share in shares]:
            done.result()
    return Asked(len(wheels), time.perf_counter() - began)


def _upload_share(
    url: str, account: Account, wheels: Sequence[Wheel], stop: threading.Event
) -> None:
    connection = connect(url)
    try:
        for wheel in wheels:
            if stop.is_set():
                return
            upload(connection, account, wheel)
    except BaseException:
        stop.set()
        raise
    finally:
        connection.close()


def upload(connection: http.client.HTTPConnection, account: Account, wheel: Wheel) -> None:
    """Upload a wheel in one form.

    Raises:
        SystemExit: it was refused.
    """
    head, tail = upload_form(wheel)
    headers = {
        "Authorization": account.authorization,
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(head) + wheel.size + len(tail)),
    }
    # One piece where it is small, as of clients that make the whole form in memory.
    body = b"".join(_pieces(head, wheel.path, tail)) if wheel.size < PIECE else None
    pieces = body if body is not None else _pieces(head, wheel.path, tail)
    connection.request("POST", account.path, body=pieces, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
        raise SystemExit(f"{wheel.path.name} was refused: {answer.status} {answer.reason}")


def upload_form(wheel: Wheel) -> tuple[bytes, bytes]:
    """What stands before the file in the form, and what stands after it."""
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": wheel.project,
        "version": wheel.version,
        "summary": "Made to measure with.",
        "requires_python": ">=3.8",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": wheel.sha256,
    }
    if wheel.described:
        fields |= {"description": README, "description_content_type": "text/markdown"}
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="content"; filename="{wheel.path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def _pieces(head: bytes, path: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
    yield tail


def download(url: str, path: str) -> int:
    """Download a file and let go of it; gives how many bytes came."""
    connection = connect(url)
    connection.request("GET", path)
    answer = connection.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise SystemExit(f"{url}{path} answered {answer.status} {answer.reason}.")
    buffer = memoryview(bytearray(1024 * 1024))
    received = 0
    while length := answer.readinto(buffer):
        received += length
    connection.close()
    return received
