"""How the index serves others while hundreds of connections try passwords, as fast as they can.

    python -m bench.floods [--connections 200] [--seconds 20] [--only WORDS]

Sign-ins, registrations, current passwords, links for another password, second factors, and what
else a person who is not known may ask for, from one address and from IPv6 networks of which each
request has another one: the median times of a page, a download and an upload by somebody else, next
to those on a quiet index, how much memory the processes had at most, and what was answered. The
addresses are those that a trusted proxy tells, as there are not so many on loopback. Nobody listens
where mail is sent to, so that jobs wait meanwhile.
"""

import argparse
import asyncio
import contextlib
import re
import socket
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pyotp

from bench.asking import Account, connect, get
from bench.processes import busy_seconds, forget_peaks, peak_memory
from bench.running_index import PASSWORD, USER, RunningIndex, running_index
from bench.slow_clients import ACTS, Others, medians, prepared, times
from bench.tables import Table, now_and_here, write

SETTINGS = {"GREENROOM_TRUSTED_PROXIES": "127.0.0.0/8", "GREENROOM_REGISTRATION": "open"}
_MAIL = {
    "GREENROOM_MAIL_URL": "smtp+plain://127.0.0.1:9",
    "GREENROOM_MAIL_FROM": "greenroom@index.example",
}
_SITES = 40
_NEW_APP = "/account/second-factors/app"
_MIB = 2**20

Fields = Callable[[int], Mapping[str, str]]


@dataclass(frozen=True)
class Flood:
    """What is asked for over and over.

    Attributes:
        name: of what is tried.
        page: where its form is.
        path: where that is sent.
        fields: what is in it, the n-th time.
        is_signed_in: whether a person is signed in who asks.
        has_second_factor: whether the person has given the password, and is asked for more. The
            person has a second factor from then on: such floods come last.
    """

    name: str
    page: str
    path: str
    fields: Fields
    is_signed_in: bool = False
    has_second_factor: bool = False


FLOODS = (
    Flood(
        "sign-ins",
        "/account/login",
        "/account/login",
        lambda n: {"username": USER if n % 2 else f"nobody-{n}", "password": f"wrong {n} horse"},
    ),
    Flood(
        "registrations",
        "/account/register",
        "/account/register",
        lambda n: {
            "username": f"flood-{n}",
            "email": f"flood-{n}@index.example",
            "password": f"turtle gravel {n} wisdom",
        },
    ),
    Flood(
        "registrations with weak passwords",
        "/account/register",
        "/account/register",
        lambda n: {
            "username": f"flood-{n}",
            "email": f"flood-{n}@index.example",
            "password": f"p@ssword!{n % 10}",
        },
    ),
    Flood(
        "current passwords",
        "/account/",
        "/account/password",
        lambda n: {"current": f"wrong {n} horse", "new": "turtle gravel wisdom"},
        is_signed_in=True,
    ),
    Flood(
        "forgotten passwords",
        "/account/forgotten-password",
        "/account/forgotten-password",
        lambda n: {"who": USER if n % 2 else f"flood-{n}@index.example"},
    ),
    Flood(
        "second factors",
        "/account/second-step",
        "/account/second-step",
        lambda n: {"code": f"{n % 1_000_000:06}"},
        has_second_factor=True,
    ),
)


def from_one_address(number: int) -> str:
    """Always the same."""
    return "192.0.2.66"


def from_everywhere(number: int) -> str:
    """Another IPv6 network each time, of some dozens of sites."""
    return f"2001:db8:{number % _SITES:x}:{number % 65_536:x}::1"


@dataclass
class Running:
    """Connections that send the form of a flood until they are told to end."""

    url: str
    flood: Flood
    address: Callable[[int], str]
    connections: int
    statuses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._stop = threading.Event()
        self._cookie, self._token = form_of(self.url, self.flood)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Ask until the block ends."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    async def ask_once(self) -> None:
        """Ask once over each connection, all at the same time.

        Raises:
            OSError: a connection was not let in, or ended without an answer.
        """
        parts = urllib.parse.urlsplit(self.url)

        async def ask() -> None:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(self._request(next(self._numbers)))
            self.statuses[await _status(reader)] += 1
            writer.close()

        await asyncio.gather(*(ask() for _ in range(self.connections)))

    async def _run(self) -> None:
        tasks = [asyncio.create_task(self._ask()) for _ in range(self.connections)]
        while not self._stop.is_set():
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        while not self._stop.is_set():
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                try:
                    while not self._stop.is_set():
                        writer.write(self._request(next(self._numbers)))
                        self.statuses[await _status(reader)] += 1
                finally:
                    writer.close()
            await asyncio.sleep(0.05)

    def _request(self, number: int) -> bytes:
        fields = {**self.flood.fields(number), "csrf_token": self._token}
        body = urllib.parse.urlencode(fields)
        return (
            f"POST {self.flood.path} HTTP/1.1\r\nHost: {urllib.parse.urlsplit(self.url).netloc}\r\n"
            f"Origin: {self.url}\r\nReferer: {self.url}{self.flood.page}\r\n"
            f"Cookie: {self._cookie}\r\nX-Forwarded-For: {self.address(number)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


async def _status(reader: asyncio.StreamReader) -> str:
    """The status of the next answer, which is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"(?im)^content-length: *(\d+)", head)
    if length is not None:
        await reader.readexactly(int(length[1]))
    elif "chunked" in head.lower():
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return head.split(" ", 2)[1]


def form_of(url: str, flood: Flood) -> tuple[str, str]:
    """The cookies and the token that the form of a flood is sent with.

    Raises:
        NotHere: the index has no such page.
    """
    cookie = ""
    if flood.has_second_factor:
        cookie = half_signed_in_cookie(url)
    elif flood.is_signed_in:
        cookie = signed_in_cookie(url)
    page = get(url, flood.page, {"Cookie": cookie} if cookie else {})
    token = re.search(rb'name="csrf_token" value="([^"]+)', page.body)
    if page.status != 200 or token is None:
        raise NotHere(flood.page)
    return cookie or page.headers["set-cookie"].partition(";")[0], token[1].decode()


class NotHere(Exception):
    """The index has no such page."""


def signed_in_cookie(url: str) -> str:
    """The cookie of a session of the index's only user, who has no second factor."""
    return _signed_in(url)[0]


def half_signed_in_cookie(url: str) -> str:
    """The cookie of the same user, who has given the password and is asked for a second factor.

    The user gets a second factor for it where there is none.
    """
    cookie, location = _signed_in(url)
    if location.partition("?")[0].endswith("/second-step"):
        return cookie
    page = get(url, _NEW_APP, {"Cookie": cookie})
    fields = {
        name: value.decode()
        for name in ("csrf_token", "sealed")
        for value in re.findall(rb'name="%b"[^>]*value="([^"]+)' % name.encode(), page.body)[:1]
    }
    secret = re.search(rb'id="secret"[^>]*>([A-Z2-7 ]+)<', page.body)
    if secret is None:
        raise NotHere(_NEW_APP)
    fields |= {"name": "Phone", "code": pyotp.TOTP(secret[1].decode().replace(" ", "")).now()}
    _post(url, _NEW_APP, cookie, fields)
    return _signed_in(url)[0]


def _signed_in(url: str) -> tuple[str, str]:
    """The cookie after the password was given, and where that has led to."""
    cookie, token = form_of(url, FLOODS[0])
    fields = {"username": USER, "password": PASSWORD, "csrf_token": token}
    cookies, location = _post(url, FLOODS[0].path, cookie, fields)
    return next(each for each in cookies if "device" not in each), location


def _post(url: str, path: str, cookie: str, fields: Mapping[str, str]) -> tuple[list[str], str]:
    """The cookies of an answer to a form, and where it leads to."""
    connection = connect(url)
    try:
        headers = {
            "Cookie": cookie,
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": f"{url}{path}",
            "X-Forwarded-For": "198.51.100.1",
        }
        connection.request("POST", path, urllib.parse.urlencode(fields), headers)
        answer = connection.getresponse()
        answer.read()
        cookies = [value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", [])]
        return cookies, answer.headers.get("Location", "")
    finally:
        connection.close()


def index_with_mail(workers: int) -> AbstractContextManager[RunningIndex]:
    """An index that sends mail, for which it has to know its own address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    known = {"GREENROOM_URL": f"http://127.0.0.1:{port}"}
    return running_index(workers=workers, settings=SETTINGS | _MAIL | known, port=port)


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--connections", type=int, default=200, metavar="N")
    arguments.add_argument("--seconds", type=float, default=20.0, metavar="S")
    arguments.add_argument("--only", metavar="WORDS", help="floods that have these words in them")
    arguments.add_argument("--workers", type=int, default=2, metavar="N")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where the table goes")
    options = arguments.parse_args()
    chosen = [flood for flood in FLOODS if (options.only or "") in flood.name]
    with (
        tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder,
        index_with_mail(options.workers) as index,
    ):
        target = prepared(index.url, Account("/legacy/", "__token__", index.token), Path(folder))
        others = Others(target, Path(folder))
        others.ask()
        rows: list[Sequence[str]] = []
        for flood in chosen:
            for where, address in (("one", from_one_address), ("IPv6", from_everywhere)):
                try:
                    running = Running(index.url, flood, address, options.connections)
                except NotHere:
                    continue
                rows.append(
                    [flood.name, where, *measured(index.pid, running, others, options.seconds)]
                )
                print(" · ".join(rows[-1]), flush=True)
    heading = [
        *(f"{options.connections} connections", "addresses", *ACTS),
        *("peak MiB", "processor", "answers"),
    ]
    said = (
        f"{now_and_here()}; medians of others in ms, and how many times those on the quiet index "
        "right before; the peaks of all processes together; their processor seconds a second."
    )
    result = Table(said, heading, rows)
    print(f"\n{result}")
    write(options.json, result)


def measured(pid: int, running: Running, others: Others, seconds: float) -> list[str]:
    """What others notice of a flood, and what it costs."""
    quiet = medians(others, seconds / 2)
    forget_peaks(pid)
    busy, began = busy_seconds(pid), time.monotonic()
    with running.going_on():
        meanwhile = medians(others, seconds)
        share = (busy_seconds(pid) - busy) / (time.monotonic() - began)
        peak = peak_memory(pid)
    time.sleep(2)
    answers = ", ".join(f"{number} {status}" for status, number in running.statuses.most_common())
    return [*times(meanwhile, quiet), f"{peak / _MIB:,.0f}", f"{share:.2f}", answers]


if __name__ == "__main__":
    main()
