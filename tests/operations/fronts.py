"""Varnish and nginx in front of an index, with the configurations of `examples/operations`."""

import os
import shutil
import socket
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from bench.caches import TOKEN, example
from bench.servers import DEBIAN_PATH
from tests import processes
from tests.preloaded import Process
from tests.serving import Answer, Server, serving

_STARTS_WITHIN = 60

_NGINX = """\
%(user)s
daemon off;
worker_processes 1;
pid %(folder)s/pid;
events { worker_connections 256; }
http {
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    log_format caching '$request_method $request_uri $upstream_cache_status';
    access_log %(folder)s/access caching;
    include %(folder)s/greenroom.conf;
}
"""


@dataclass(frozen=True)
class Asked:
    """One request that a cache has answered."""

    method: str
    path: str
    hit: bool


@dataclass
class Front(ABC):
    """A cache that runs in front of an index."""

    folder: Path
    port: int
    backend: Server

    name = ""
    program = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def server(self) -> Server:
        """The index, reached through the cache."""
        return replace(self.backend, url=self.url)

    def get(self, path: str, **headers: str) -> Answer:
        """A GET through the cache; underscores in names of headers stand for hyphens."""
        return get(self.url + path, headers)

    def is_hit(self, path: str, **headers: str) -> bool:
        """Whether the cache answers by itself."""
        return dict(self.get(path, **headers).headers)["X-Cache"] == "HIT"

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it, after it has written its configuration."""

    @abstractmethod
    def log(self) -> list[Asked]:
        """What it was asked so far."""

    @property
    def backend_port(self) -> str:
        return self.backend.url.rpartition(":")[2]


class Varnish(Front):
    name = "varnish"
    program = "varnishd"

    def command(self) -> list[str]:
        text = example(
            "varnish.vcl",
            ('.port = "6543"', f'.port = "{self.backend_port}"'),
            ("replace-this-token", TOKEN),
        )
        configuration = self.folder / "varnish.vcl"
        configuration.write_text(text, encoding="utf-8")
        return [
            *("varnishd", "-F", "-j", "none", "-T", "none", "-n", str(self.folder / "work")),
            *("-a", f"127.0.0.1:{self.port}", "-f", str(configuration), "-s", "malloc,64m"),
        ]

    def log(self) -> list[Asked]:
        command = ["varnishncsa", "-d", "-n", str(self.folder / "work")]
        command += ["-F", "%m %U %{Varnish:hitmiss}x"]
        done = processes.run(command, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        return [Asked(method, path, hit == "hit") for method, path, hit in lines]


class Nginx(Front):
    name = program = "nginx"

    def command(self) -> list[str]:
        text = example(
            "nginx.conf",
            ("server 127.0.0.1:6543;", f"server 127.0.0.1:{self.backend_port};"),
            ("listen 80;", f"listen 127.0.0.1:{self.port};"),
            ("/var/cache/nginx/greenroom", str(self.folder / "cache")),
        )
        (self.folder / "greenroom.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        whole = _NGINX % {"user": user, "folder": self.folder}
        (self.folder / "nginx.conf").write_text(whole, encoding="utf-8")
        return ["nginx", "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    def log(self) -> list[Asked]:
        lines = [line.split() for line in (self.folder / "access").read_text().splitlines()]
        return [Asked(method, path, hit == "HIT") for method, path, hit in lines]


FRONTS: Sequence[type[Front]] = (Varnish, Nginx)


@contextmanager
def running(kind: type[Front], folder: Path) -> Iterator[Front]:
    """An index with a cache in front of it, which is told to purge where it can."""
    port, backend_port = free_ports()
    address = f"http://127.0.0.1:{port}"
    settings = {"GREENROOM_URL": address, "GREENROOM_TRUSTED_PROXIES": "127.0.0.1"}
    if kind is Varnish:
        settings |= {"GREENROOM_PURGE_URL": f"{address}/.purge", "GREENROOM_PURGE_TOKEN": TOKEN}
    skip_without(kind.program)
    own = folder / kind.name
    own.mkdir()
    with serving(folder, settings=settings, port=backend_port) as backend:
        # It announces the address that clients know.
        backend = replace(backend, url=f"http://127.0.0.1:{backend_port}")
        with _running(kind(own, port, backend)) as front:
            yield front


@contextmanager
def in_front_of(kind: type[Front], folder: Path, url: str) -> Iterator[Front]:
    """A cache in front of whatever answers at an address."""
    skip_without(kind.program)
    backend = Server(url, {}, folder, cast("Process", None))
    with _running(kind(folder, free_ports()[0], backend)) as front:
        yield front


@contextmanager
def _running(front: Front) -> Iterator[Front]:
    with (front.folder / "log").open("wb") as log:
        process = processes.start(
            front.command(),
            env=os.environ | {"PATH": DEBIAN_PATH},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_open(process, front.port, front.folder / "log")
        yield front
    finally:
        process.terminate()
        process.wait(30)


def skip_without(program: str) -> None:
    """Skip where the system has no such program: ``.ci/run`` installs them and skips nothing."""
    if shutil.which(program, path=DEBIAN_PATH) is None:
        pytest.skip(f"{program} is not installed")


def free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        return one.getsockname()[1], other.getsockname()[1]


def get(url: str, headers: Mapping[str, str]) -> Answer:
    """A GET as it is: nothing is followed, and nothing is an exception."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=spelled)
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.HTTPHandler())
    with opener.open(request, timeout=60) as response:
        assert response is not None
        return Answer(response.status, tuple(response.headers.items()), response.read())


def wait_until_open(process: processes.Process, port: int, log: Path) -> None:
    """Wait until a program listens.

    Raises:
        AssertionError: it ends, or takes too long; the text is what it has logged.
    """
    deadline = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
