"""Sending one webhook: to whom it is sent at all, and what comes of receivers that misbehave."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path

import pytest

from greenroom import webhook_client
from greenroom.webhook_client import TargetRefused, WebhookFailed
from tests.tls import make_authority, tls_before
from tests.webhook_receivers import OK, Receiver, answer, receiving

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
NOT_OF_THE_INTERNET = "that is not of the Internet"

# What is written in an address, and the address that it is.
INNER = """
    127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1
    169.254.169.254 100.64.0.1 100.127.255.255 192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.1
    203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 192.88.99.1
    [::] [::1] [fe80::1] [fe80::1%25lo] [febf::1] [fec0::1] [fc00::1] [fd00:ec2::254] [ff02::1]
    [2001:db8::1] [100::1] [64:ff9b:1::1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1]
    [::ffff:10.0.0.1] [::ffff:169.254.169.254] [64:ff9b::127.0.0.1] [64:ff9b::a00:1]
    [2002:7f00:1::1] [2002:a00:1::] [2001:0:7f00:1::1] [::ffff:0:127.0.0.1] [4000::1]
"""
# The resolver takes these for addresses, whatever they look like.
OTHER_SPELLINGS = "2130706433 0x7f000001 0x7f.1 127.1 0177.0.0.1 017700000001 0 localhost"
NAMES_OF_THIS_MACHINE = f"{OTHER_SPELLINGS} LOCALHOST localhost. a.localhost 127.0.0.1. 0X7F.0.0.1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def send(url: str, *networks: str) -> webhook_client.Answer:
    allowed = [ip_network(each) for each in networks]
    return webhook_client.send("POST", url, {"X-Says": "yes"}, b"{}", allowed or LOOPBACK)


@pytest.mark.parametrize("host", INNER.split())
def test_nothing_is_sent_to_what_is_not_of_the_internet(host: str) -> None:
    for check in (webhook_client.check_url, _send_to_the_internet_alone):
        with pytest.raises(TargetRefused) as refused:
            check(f"https://{host}/", ())
        assert NOT_OF_THE_INTERNET in str(refused.value) or "%" in host


def _send_to_the_internet_alone(url: str, networks: tuple[()]) -> None:
    webhook_client.send("POST", url, {}, b"", networks)


@pytest.mark.parametrize("host", OTHER_SPELLINGS.split())
def test_names_and_other_spellings_are_judged_by_what_they_resolve_to(
    host: str, receiver: Receiver
) -> None:
    with pytest.raises(TargetRefused, match=NOT_OF_THE_INTERNET):
        webhook_client.send("POST", f"https://{host}:{receiver.port}/", {}, b"", ())
    assert receiver.heard == []


@pytest.mark.parametrize("host", NAMES_OF_THIS_MACHINE.split())
def test_what_names_this_machine_is_refused_before_anything_is_sent(host: str) -> None:
    for networks in ((), (ip_network("10.0.0.0/8"),)):
        with pytest.raises(TargetRefused, match=NOT_OF_THE_INTERNET):
            webhook_client.check_url(f"https://{host}/", networks)
    if host != "0":
        webhook_client.check_url(f"http://{host}/", LOOPBACK)


@pytest.mark.parametrize("host", ["localhost.example", "notlocalhost", "127.example", "0x7g"])
def test_other_names_are_looked_up_when_something_is_sent(host: str) -> None:
    webhook_client.check_url(f"https://{host}/", ())


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]", "a.example"]
)
def test_the_internet_is_sent_to(host: str) -> None:
    webhook_client.check_url(f"https://{host}/x?y", ())
    with pytest.raises(TargetRefused, match="https://"):
        webhook_client.check_url(f"http://{host}/x", ())


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "//a.example/", "ftp://a.example/", "file:///etc/passwd", "https://"),
        *("https://a.example:0/", "https://a.example:x/", "https://[::1/", "https://:443/"),
        *("https://ada@a.example/", "https://ada:pw@a.example/", "https://@a.example/"),
        *("https://a.example/ x", "https://a.example/#x", "https://a.example/\r\nX: y"),
        *("https://a.example\\@b.example/", "https://bücher.example/", "https://a.example/\0"),
        *("https://a.example/" + "x" * 2000, "https://a.example/\udc80", "javascript:alert(1)"),
    ],
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    for networks in ((), LOOPBACK):
        with pytest.raises(TargetRefused):
            webhook_client.check_url(url, networks)
        with pytest.raises(TargetRefused):
            webhook_client.send("POST", url, {}, b"", networks)


def test_a_network_that_is_allowed_allows_no_other(receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/x?y=1"
    assert send(url, "127.0.0.0/8").text == "fine"
    for networks in (("10.0.0.0/8",), ("127.0.0.2/32",), ("::1/128",)):
        with pytest.raises(TargetRefused, match=NOT_OF_THE_INTERNET):
            send(url, *networks)
    # Without TLS nothing goes anywhere else.
    with pytest.raises(TargetRefused, match="https://"):
        webhook_client.check_url("http://8.8.8.8/", LOOPBACK)
    assert len(receiver.heard) == 1
    heard = receiver.heard[0]
    assert (heard.method, heard.target, heard.body) == ("POST", "/x?y=1", b"{}")
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert heard.headers["x-says"] == "yes"


def test_redirects_are_an_answer(receiver: Receiver) -> None:
    inner = f"http://127.0.0.1:{receiver.port}/inner"
    receiver.answers = [answer(307, b"go", {"Location": inner}), answer(301)]
    assert send(receiver.url).status == 307
    assert not send(receiver.url).is_success
    assert [each.target for each in receiver.heard] == ["/hooks/very-secret-path?key=hidden"] * 2


def test_of_an_answer_only_the_beginning_is_read_as_text(receiver: Receiver) -> None:
    receiver.answers = [
        answer(500, b"<script>\x00\x1b[31m\xe2\x80\xae\xff" + "ü\nline".encode()),
        receiver.flood,
        answer(429, headers={"Retry-After": "120"}),
        answer(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ]
    wrong = send(receiver.url)
    assert (wrong.status, wrong.text) == (500, "<script>  [31m \ufffdü\nline")
    assert send(receiver.url).text == "x" * webhook_client.MOST_OF_ANSWER
    assert (send(receiver.url).wait, send(receiver.url).wait) == (120, None)
    assert send(receiver.url).text == "short"
    assert send(receiver.url).status == 200


def test_who_does_not_answer_is_left_after_a_while(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_client, "TIMEOUT_SECONDS", 0.4)
    receiver.answers = [receiver.hang, receiver.drip]
    for _ in range(2):
        with pytest.raises(WebhookFailed, match="did not answer within"):
            send(receiver.url)
    # One that does not take the connection's first bytes of TLS.
    receiver.answers = [receiver.hang]
    with pytest.raises(WebhookFailed, match=r"did not answer within|does not speak TLS"):
        send(receiver.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "did not answer in HTTP|cannot be reached"),
        (b"this is not HTTP\r\n\r\n", "did not answer in HTTP: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "did not answer in HTTP"),
        (b"HTTP/1.1 200 " + b"x" * 70000, "did not answer in HTTP: LineTooLong"),
    ],
)
def test_what_is_not_http_is_a_failure(said: bytes, sentence: str, receiver: Receiver) -> None:
    receiver.answers = [said]
    with pytest.raises(WebhookFailed, match=sentence) as failure:
        send(receiver.url)
    assert "secret" not in str(failure.value)


def test_nobody_there_is_a_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(WebhookFailed, match="cannot be reached: Connection refused"):
        send(f"http://127.0.0.1:{port}/")
    with pytest.raises(WebhookFailed, match="host of the receiver is not known"):
        send("https://nobody.invalid/")
    with pytest.raises(WebhookFailed, match="host of the receiver is not known"):
        send(f"https://{'x' * 70}.invalid/")


def test_certificates_are_checked_by_the_name_in_the_address(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path, "localhost")
    with tls_before(receiver.port, authority) as front:
        with pytest.raises(WebhookFailed, match="certificate of the receiver is not trusted"):
            send(f"https://localhost:{front.port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert send(f"https://localhost:{front.port}/x").is_success
        with pytest.raises(WebhookFailed, match=r"is not trusted: .* for '127\.0\.0\.1'\.$"):
            send(f"https://127.0.0.1:{front.port}/")  # it is of another name
    assert [each.target for each in receiver.heard] == ["/x"]
    receiver.answers = [OK]
    with pytest.raises(WebhookFailed):
        send(receiver.url.replace("http:", "https:"))
    assert ssl.create_default_context().minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_name_is_looked_up_once(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody can answer with another address for the connection than for the check."""
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def rebinding(host: str, *args: object, **options: object) -> object:
        asked.append(host)
        if host != "rebinding.example":
            return look_up(host, *args, **options)  # type: ignore[arg-type]
        address = "127.0.0.2" if asked.count(host) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, receiver.port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(TargetRefused):
        send(f"http://rebinding.example:{receiver.port}/", "127.0.0.1/32")
    asked.clear()
    with pytest.raises(WebhookFailed, match="cannot be reached"):
        send(f"http://rebinding.example:{receiver.port}/", "127.0.0.2/32")
    assert asked.count("rebinding.example") == 1
    assert receiver.heard == []
