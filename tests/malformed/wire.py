"""Requests that are broken below the application: what only a server gets to see."""

import gzip
from dataclasses import dataclass

from tests.malformed.cases import MULTIPART, file_part, form, truth, wheel_with


@dataclass(frozen=True)
class Broken:
    """Bytes for a connection, which the client then stops writing to.

    Attributes:
        raw: what is sent, `{token}` standing for an API token.
        statuses: of the answer; 0 is a connection that is closed without one.
    """

    raw: bytes
    statuses: frozenset[int]


def _request(line: str, *headers: str, body: bytes = b"", statuses: tuple[int, ...]) -> Broken:
    head = "\r\n".join([line, *headers, "", ""]).encode("latin-1")
    return Broken(head + body, frozenset(statuses))


def _upload(*headers: str, body: bytes, statuses: tuple[int, ...] = (400,)) -> Broken:
    return _request(
        "POST /legacy/ HTTP/1.1",
        "Host: index.example",
        "Connection: close",
        "Authorization: Bearer {token}",
        f"Content-Type: {MULTIPART}",
        *headers,
        body=body,
        statuses=statuses,
    )


def _form() -> bytes:
    wheel = wheel_with()
    return form([*truth(wheel), file_part(wheel)])


def _chunked(content: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content) + end


def _cases() -> dict[str, Broken]:
    sound = _form()
    length = f"Content-Length: {len(sound)}"
    chunked = "Transfer-Encoding: chunked"
    get, host = "GET /simple/ HTTP/1.1", "Host: index.example"
    refused = (0, 400)
    return {
        "nothing": Broken(b"", frozenset({0})),
        "noise": Broken(bytes(range(256)), frozenset(refused)),
        "line ends": Broken(b"\r\n" * 1000, frozenset(refused)),
        "a TLS greeting": Broken(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", frozenset(refused)
        ),
        "HTTP/2": Broken(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frozenset((*refused, 505))),
        "HTTP/0.9": Broken(b"GET /\r\n\r\n", frozenset(refused)),
        "another protocol": _request("GET / SPDY/1", host, statuses=refused),
        "a version that is none": _request("GET / HTTP/9.9", host, statuses=(*refused, 505)),
        "no method": _request(" / HTTP/1.1", host, statuses=refused),
        "a method that is none": _request("G\xcbT / HTTP/1.1", host, statuses=refused),
        "a method in brackets": _request("(GET) / HTTP/1.1", host, statuses=refused),
        "an address with a space": _request("GET /a b HTTP/1.1", host, statuses=refused),
        "an endless address": _request(
            f"GET /{'x' * 100_000} HTTP/1.1", host, statuses=(0, 400, 414)
        ),
        "an endless line": Broken(b"G" * 1_000_000, frozenset((0, 400, 414))),
        "half a request": Broken(b"GET /simple/ HTTP/1.1\r\nHos", frozenset(refused)),
        "no host": _request(get, "Connection: close", statuses=(200, 400)),
        "two hosts": _request(
            get, host, "Host: other.example", "Connection: close", statuses=(400,)
        ),
        "a header without a name": _request(get, host, ": x", statuses=refused),
        "a header with a space": _request(get, host, "X : y", statuses=refused),
        "a header without a colon": _request(get, host, "nonsense", statuses=refused),
        "a header with NUL": _request(get, host, "X: a\0b", statuses=refused),
        "a header folded over lines": _request(get, host, "X: a\r\n b", statuses=refused),
        "an endless header": _request(get, host, f"X: {'x' * 100_000}", statuses=(0, 400, 431)),
        "endless headers": _request(get, host, *["X: y"] * 5000, statuses=(0, 400, 431)),
        "a length that is none": _upload("Content-Length: many", body=sound, statuses=refused),
        "a negative length": _upload("Content-Length: -5", body=sound, statuses=refused),
        "a length with a sign": _upload("Content-Length: +5", body=sound, statuses=refused),
        "endless digits": _upload(f"Content-Length: {'9' * 5000}", body=sound, statuses=(0, 400)),
        "two lengths": _upload(length, "Content-Length: 5", body=sound, statuses=refused),
        "a length and chunks": _upload(length, chunked, body=_chunked(sound), statuses=refused),
        "too short a length": _upload("Content-Length: 500", body=sound),
        "too long a length": _upload(f"Content-Length: {len(sound) + 500}", body=sound[:-4]),
        "a length of nothing": _upload("Content-Length: 0", body=sound),
        "no length": _upload(body=sound),
        "a length beyond all measure": _upload("Content-Length: 99999999999999", body=sound[:600]),
        "chunks that are cut": _upload(chunked, body=_chunked(sound[:900])[:-60]),
        "chunks without an end": _upload(chunked, body=_chunked(sound[:900], end=b"")),
        "a chunk of a size that is none": _upload(chunked, body=b"xyz\r\n" + sound),
        "a chunk of a negative size": _upload(chunked, body=b"-5\r\n" + sound),
        "a chunk of endless digits": _upload(chunked, body=b"f" * 5000 + b"\r\n" + sound),
        "a chunk with an endless extension": _upload(chunked, body=b"5;" + b"x" * 100_000),
        "chunks with half a form": _upload(chunked, body=_chunked(sound[:-60])),
        "an encoding that is none": _upload(
            "Transfer-Encoding: nonsense", body=sound, statuses=(0, 400, 501)
        ),
        "two encodings": _upload(chunked, chunked, body=_chunked(sound), statuses=refused),
        "a compressed form": _upload(
            "Transfer-Encoding: gzip, chunked", body=_chunked(gzip.compress(sound))
        ),
        "a form that expects": _upload(
            "Expect: miracles", length, body=sound, statuses=(0, 400, 417)
        ),
        "a script name": _request(
            get, host, "Script-Name: /evil", "Connection: close", statuses=(200, 400)
        ),
    }


WIRE = _cases()
