"""To whom requests for upstreams go at all, and what comes of those that misbehave."""

import gzip
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest

from greenroom.other_indexes import client as client_module
from greenroom.other_indexes.client import Client
from greenroom.other_indexes.errors import AddressRefused, BrokenOff, NoAnswer, TooLong
from greenroom.upstream_settings import Upstream
from tests.upstream_server import (
    EVERYTHING,
    CutOff,
    Drops,
    Endless,
    Held,
    Redirects,
    Says,
    Status,
    UpstreamServer,
    upstream_running,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)
NOT_OF_THE_INTERNET = "not of the Internet"
NO_HOST = "GREENROOM_UPSTREAM_HOSTS"


@pytest.fixture
def upstream() -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.project("thing")
        yield running


@pytest.fixture
def other() -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.project("thing")
        yield running


def asking(upstream: UpstreamServer, *hosts: str, networks: object = LOOPBACK) -> Client:
    return Client(Upstream("up", upstream.url), hosts, networks)  # type: ignore[arg-type]


def get(client: Client, url: str, **headers: str) -> bytes:
    with client.get(url, headers, is_packed=True) as answer:
        return answer.content()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "2130706433"])
def test_nothing_is_asked_that_is_not_of_the_internet(host: str) -> None:
    client = Client(Upstream("up", f"http://{host}:9/simple/"))
    with pytest.raises(AddressRefused, match=NOT_OF_THE_INTERNET):
        get(client, f"http://{host}:9/simple/x/")


def test_a_name_is_judged_by_what_it_resolves_to_and_looked_up_once(
    upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(upstream.origin.rpartition(":")[2])
    asked = []
    look_up = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Any:
        if host != "index.example":
            return look_up(host, *rest, **options)
        asked.append(host)
        # Another address each time: the one that was judged is the one that is connected to.
        return look_up("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://index.example:{port}/simple/"
    kept = Client(Upstream("up", url), networks=LOOPBACK)
    assert get(kept, f"{url}thing/")
    assert asked == ["index.example"]
    with pytest.raises(AddressRefused, match=NOT_OF_THE_INTERNET):
        get(Client(Upstream("up", url), networks=LOOPBACK), f"{url}thing/")


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1/", "file:///etc/passwd", "//127.0.0.1/", "", "http://", "http://[::1/"),
        *(
            "http://127.0.0.1:0/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\r\nX: y",
            "gopher://x/",
        ),
        *("http://127.0.0.1/\\", "http://127.0.0.1:x/", "http://ä.example/"),
    ],
)
def test_what_is_no_address_of_the_web_is_not_asked(upstream: UpstreamServer, url: str) -> None:
    with pytest.raises(AddressRefused, match="http"):
        get(asking(upstream), url)
    assert upstream.asked() == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/simple/",
        "http://127.0.0.1:9/simple/",
        "http://user@127.0.0.2:80/",
        "http://127.0.0.1@evil.example/",
    ],
)
def test_other_hosts_and_ports_are_not_asked(upstream: UpstreamServer, url: str) -> None:
    with pytest.raises(AddressRefused, match=NO_HOST):
        get(asking(upstream), url)


def test_redirects_lead_to_listed_hosts_alone(
    upstream: UpstreamServer, other: UpstreamServer
) -> None:
    upstream.fail(upstream.page("thing"), Redirects(other.origin + other.page("thing")))
    with pytest.raises(AddressRefused, match=NO_HOST):
        get(asking(upstream), f"{upstream.url}thing/")
    assert other.asked() == 0

    for host in (other.origin.removeprefix("http://"), "127.0.0.1"):
        assert get(asking(upstream, host), f"{upstream.url}thing/")
    assert other.asked() == 2


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://169.254.169.254/", "ftp://x/"])
def test_redirects_elsewhere_are_refused(upstream: UpstreamServer, target: str) -> None:
    upstream.fail(upstream.page("thing"), Redirects(target))
    with pytest.raises(AddressRefused):
        get(asking(upstream), f"{upstream.url}thing/")


def test_redirects_in_a_circle_end(upstream: UpstreamServer) -> None:
    upstream.fail(upstream.page("thing"), Redirects(upstream.page("thing")))
    with pytest.raises(AddressRefused, match="circle"):
        get(asking(upstream), f"{upstream.url}thing/")
    assert upstream.asked() < 10


def test_an_upstream_with_tls_does_not_lead_to_one_without() -> None:
    client = Client(Upstream("up", "https://index.example/simple/"), ["files.example"])
    client.check("https://files.example/x")
    for url in ("http://files.example/x", "http://index.example/simple/x/"):
        with pytest.raises(AddressRefused, match="TLS"):
            client.check(url)


def test_credentials_go_to_their_host_alone(
    upstream: UpstreamServer, other: UpstreamServer
) -> None:
    upstream.credentials = ("ada", "p@ss")
    url = upstream.url.replace("http://", "http://ada:p%40ss@")
    client = Client(Upstream("up", url), [other.origin.removeprefix("http://")], LOOPBACK)
    assert get(client, f"{upstream.url}thing/")
    upstream.fail(upstream.page("thing"), Redirects(other.origin + other.page("thing")))
    assert get(client, f"{upstream.url}thing/")
    assert [asked.headers.get("authorization") for asked in other.requests] == [None]


def test_a_connection_is_kept_and_used_again(upstream: UpstreamServer) -> None:
    client = asking(upstream)
    for _ in range(5):
        assert get(client, f"{upstream.url}thing/")
        with client.get(f"{upstream.url}other/") as answer:
            assert answer.status == 404  # its body is read for the next one
    assert upstream.most_connections == 1

    upstream.go_away()
    upstream.come_back()
    assert get(client, f"{upstream.url}thing/")


def test_packed_pages_are_unpacked_and_no_more_than_they_may(
    upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = get(asking(upstream), f"{upstream.url}thing/")
    upstream.compresses = True
    assert get(asking(upstream), f"{upstream.url}thing/") == plain

    bomb = gzip.compress(b"x" * 10_000_000)
    upstream.fail(upstream.page("thing"), Says(bomb))
    with asking(upstream).get(f"{upstream.url}thing/", is_packed=True) as answer:
        answer.headers["Content-Encoding"] = "gzip"
        with pytest.raises(TooLong):
            answer.content(2**20)


def test_what_is_too_long_is_not_read_to_its_end(upstream: UpstreamServer) -> None:
    upstream.fail(upstream.page("thing"), Endless())
    with asking(upstream).get(f"{upstream.url}thing/") as answer, pytest.raises(TooLong):
        answer.content(2**20)


def test_what_breaks_off_is_noticed(upstream: UpstreamServer) -> None:
    for fault in (CutOff(10), Drops(), Says(b"\x1f\x8b\x08 no gzip")):
        upstream.fail(upstream.page("thing"), fault)
        upstream.compresses = isinstance(fault, Says)
        with pytest.raises(BrokenOff):
            get(asking(upstream), f"{upstream.url}thing/")


def test_who_says_nothing_is_not_waited_for(
    upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.2)
    held = Held(after=3)
    upstream.fail(upstream.page("thing"), held)
    with pytest.raises(NoAnswer, match="in time"):
        get(asking(upstream), f"{upstream.url}thing/")
    held.release()
    late = asking(upstream).get(f"{upstream.url}thing/", seconds=0.0)
    with pytest.raises(NoAnswer), late:
        pass
    upstream.go_away()
    with pytest.raises(NoAnswer, match="cannot be reached"):
        get(asking(upstream), f"{upstream.url}thing/")


def test_a_part_of_a_file_can_be_asked_for(upstream: UpstreamServer) -> None:
    upstream.fail(EVERYTHING, Status(206))
    with asking(upstream).get(f"{upstream.origin}/x", {"Range": "bytes=5-"}) as answer:
        assert answer.status == 206
    assert upstream.requests[-1].headers["range"] == "bytes=5-"
    assert upstream.requests[-1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0), ("0", 0.0), ("999999999999", None), ("-1", None), ("soon", None),
        ("Mon, 01 Jun 2026 12:01:00 GMT", 60.0), ("Mon, 01 Jun 2020 12:00:00 GMT", 0.0),
        ("99999999", 86400.0), ("", None),
    ],
)  # fmt: skip
def test_when_it_wants_to_be_asked_again(
    upstream: UpstreamServer, said: str, seconds: float | None
) -> None:
    upstream.fail(upstream.page("thing"), Status(429, retry_after=said))
    with asking(upstream).get(f"{upstream.url}thing/") as answer:
        assert answer.retry_after(datetime(2026, 6, 1, 12, tzinfo=UTC)) == seconds


def test_no_sentence_has_a_secret(upstream: UpstreamServer) -> None:
    url = upstream.url.replace("http://", "http://ada:secret@")
    upstream.go_away()
    with pytest.raises(NoAnswer) as failed:
        get(Client(Upstream("up", url), (), LOOPBACK), f"{url}thing/?token=secret")
    assert "secret" not in str(failed.value)
