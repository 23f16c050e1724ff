"""A server that speaks the S3 protocol, on a free port of this machine, with one bucket in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests import processes

PAGE_SIZE = 20
"""How many objects a list has in one answer: few, so that a test needs few for several."""

_SERVER = """
import logging, threading
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
input()  # until the parent closes the pipe, or is gone
"""


@dataclass(frozen=True)
class S3Server:
    """Where the server is, and how to sign in."""

    endpoint: str
    bucket: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables with which a client may use the bucket."""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_REGION": "us-east-1",
        }

    @property
    def url(self) -> str:
        """The value of GREENROOM_STORAGE_URL for the whole bucket."""
        return f"s3://{self.bucket}"


@contextmanager
def s3_server(bucket: str = "greenroom-test") -> Iterator[S3Server]:
    """Run the server in a process of its own, which ends with the block or with this process.

    Of its own, so that what it keeps in memory is not counted as ours, and a test may fork.
    """
    process = processes.start(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE_SIZE)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        endpoint = process.stdout.readline().strip()
        if not endpoint:
            raise RuntimeError("The S3 server did not start; is moto[s3,server] installed?")
        put_at(f"{endpoint}/{bucket}")
        yield S3Server(endpoint, bucket)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def put_at(url: str, content: bytes = b"") -> None:
    """PUT something as a client does that has nothing but a URL."""
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=30)
    try:
        connection.request("PUT", f"{address.path}?{address.query}", content)
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise RuntimeError(f"The S3 server answered {status} when {address.path} was put.")
