"""This index behind Varnish and behind nginx, with the configurations of `examples/operations`.

Cost and memory are those of both together.
"""

import os
import shutil
import subprocess
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.servers import CHECKOUT, DEBIAN_PATH, Greenroom, Server, free_port, in_nginx

EXAMPLES = CHECKOUT / "examples" / "operations"
TOKEN = "a-token-for-the-cache"


def example(name: str, *changes: tuple[str, str]) -> str:
    """A configuration of the examples with other addresses in it.

    Args:
        name: of the file.
        changes: what is replaced, and by what.

    Raises:
        ValueError: something that is to be replaced is not there.
    """
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{name} has no {old!r} in it.")
        text = text.replace(old, new)
    return text


class BehindCache(Greenroom):
    """The index, asked through a cache in front of it."""

    program = ""
    package = ""
    front = 0

    def missing(self) -> str | None:
        """They are packages of the system."""
        found = shutil.which(self.program, path=DEBIAN_PATH)
        return None if found else f"apt-get install {self.package}"

    def prepare(self) -> None:
        """Tell the index the address that clients know."""
        super().prepare()
        self.front = free_port()
        address = f"http://127.0.0.1:{self.front}"
        self.environment = {
            **self.environment,
            "GREENROOM_URL": address,
            "GREENROOM_TRUSTED_PROXIES": "127.0.0.1",
            **self.purging(address),
        }

    @property
    def origin(self) -> str:
        """The index itself."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The cache, once it runs."""
        return f"http://127.0.0.1:{self.front}" if len(self.pids) > 1 else self.origin

    @contextmanager
    def running(self) -> Iterator[float]:
        """Run the index, and then the cache."""
        with super().running() as seconds, (self.folder / "log").open("ab") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                self.front_command(),
                env=os.environ | {"PATH": DEBIAN_PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            self.pids.append(process.pid)
            try:
                self._wait_for_answer(process)
                yield seconds + time.perf_counter() - began
            finally:
                self.pids.remove(process.pid)
                process.terminate()
                process.wait(30)

    def purging(self, address: str) -> dict[str, str]:
        """The settings for a cache that can be purged."""
        return {}

    @abstractmethod
    def front_command(self) -> list[str]:
        """What starts the cache, after its configuration is written."""


class BehindVarnish(BehindCache):
    """Varnish, which is purged by surrogate key."""

    name = "greenroom-behind-varnish"
    program = "varnishd"
    package = "varnish varnish-modules"

    def purging(self, address: str) -> dict[str, str]:
        """Its address, and what goes with it."""
        return {"GREENROOM_PURGE_URL": f"{address}/.purge", "GREENROOM_PURGE_TOKEN": TOKEN}

    def front_command(self) -> list[str]:
        """With memory for what is asked for here."""
        text = example(
            "varnish.vcl",
            ('.port = "6543"', f'.port = "{self.port}"'),
            ("replace-this-token", TOKEN),
        )
        configuration = self.folder / "varnish.vcl"
        configuration.write_text(text, encoding="utf-8")
        return [
            *("varnishd", "-F", "-j", "none", "-T", "none", "-n", str(self.folder / "varnish")),
            *("-a", f"127.0.0.1:{self.front}", "-f", str(configuration), "-s", "malloc,256m"),
        ]


class BehindNginx(BehindCache):
    """nginx, which asks again after a minute."""

    name = "greenroom-behind-nginx"
    program = "nginx"
    package = "nginx-light"

    def front_command(self) -> list[str]:
        """With two workers, as the index has."""
        text = example(
            "nginx.conf",
            ("server 127.0.0.1:6543;", f"server 127.0.0.1:{self.port};"),
            ("listen 80;", f"listen 127.0.0.1:{self.front};"),
            ("/var/cache/nginx/greenroom", str(self.folder / "cache")),
        )
        configuration = self.folder / "nginx.conf"
        configuration.write_text(in_nginx(self.folder, text), encoding="utf-8")
        return ["nginx", "-c", str(configuration), "-e", "stderr"]


CACHES: Sequence[type[Server]] = (BehindVarnish, BehindNginx)
