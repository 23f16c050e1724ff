"""What is logged of requests that end before their end, and of what is no request."""

import json

from tests.server.process import Setup, answer_on, serving

HEAD = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"


def test_each_has_its_line() -> None:
    with serving(Setup(log=True, timing={"head": 0.5, "stall": 0.5})) as server:
        for sent, status in (
            (b"GET /who HT", 408),  # and nothing more
            (HEAD.format("/count", 99).encode() + b"some", 408),
            (b"EHLO mail.index.example\r\n\r\n", 400),
        ):
            with server.connect() as connection:
                connection.sendall(sent)
                assert answer_on(connection).status == status
        with server.connect() as leaving:
            leaving.sendall(HEAD.format("/count?7", 99).encode() + b"some")
        assert server.get("/who")
        server.process.terminate()
        status, _, errors = server.wait()

    assert status == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    said = [(line["method"], line["path"], line["status"], line.get("cut", "")) for line in lines]
    assert sorted(said) == [
        ("", "", 400, ""),
        ("", "", 408, ""),
        ("GET", "/who", 200, ""),
        ("POST", "/count", 408, "too slow"),
        ("POST", "/count?…", 408, "client has gone"),
    ]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
