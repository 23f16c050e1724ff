"""What it costs to stage and publish a large release, through Upload 2.0 and through twine.

    python -m bench.release [--wheels N] [--size MIB] [--connections N] [--repeat N]

Makes wheels of noise, and brings them to an index of its own both ways in turn: through Upload 2.0
with several connections, and through the legacy upload with `twine upload`, which has one, into a
draft that is published afterwards. Prints the time of each, the processor time of the server with
its workers, and the ratios. Linux only, for it reads /proc.
"""

import argparse
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.asking import connect, get
from bench.processes import processor_seconds
from bench.running_index import RunningIndex, running_index
from bench.wheels import MIB, Wheel, make_wheel, platform_tags

PROJECT = "bench-release"
API = "application/vnd.pypi.upload.v2+json"
PIECE = 256 * 1024
# Small releases before what is measured, so that every worker has imported and compiled, as one
# that runs for a day has. A few, because each twine meets but one worker.
WARM_UP = 4


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--wheels", type=int, default=40, metavar="N")
    arguments.add_argument("--size", type=int, default=10, metavar="MIB")
    arguments.add_argument("--connections", type=int, default=4, metavar="N")
    arguments.add_argument("--repeat", type=int, default=1, metavar="N")
    options = arguments.parse_args()
    ways: dict[str, Callable[[RunningIndex, Release], None]] = {
        "twine": with_twine,
        "upload 2.0": lambda uow, release: with_upload_2(uow, release, options.connections),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder, running_index() as uow:
        for turn in range(-WARM_UP, options.repeat):
            for number, (name, publish) in enumerate(ways.items()):
                count, size = (options.wheels, options.size) if turn >= 0 else (8, 1)
                version = f"{WARM_UP + turn}.{number}"
                release = make_release(Path(folder) / version, version, count, size * MIB)
                cost = measured(uow, lambda p=publish, r=release: p(uow, r))  # type: ignore[misc]
                check_published(uow, release)
                if turn >= 0:
                    costs[name].append(cost)
                    report(name, release, cost)
                for wheel in release.wheels:
                    wheel.path.unlink()
    compare(costs["upload 2.0"], costs["twine"])


@dataclass(frozen=True)
class Release:
    """Wheels of one version, for as many platforms."""

    version: str
    wheels: Sequence[Wheel]

    @property
    def size(self) -> int:
        """How many bytes there are to send."""
        return sum(wheel.size for wheel in self.wheels)


def make_release(folder: Path, version: str, count: int, size: int) -> Release:
    """Wheels of `size` bytes of noise each; every one has noise of its own."""
    wheels = [
        make_wheel(folder, PROJECT, version, noise=size, tag=tag) for tag in platform_tags(count)
    ]
    return Release(version, wheels)


# What it costs


@dataclass(frozen=True)
class Cost:
    """Seconds that passed, and those that the server's processes were busy meanwhile."""

    elapsed: float
    user: float
    system: float

    @property
    def busy(self) -> float:
        """Processor time of the server, in user mode and in the kernel."""
        return self.user + self.system


def measured(uow: RunningIndex, act: Callable[[], None]) -> Cost:
    """What an act costs the server."""
    user, system = processor_seconds(uow.pid)
    began = time.perf_counter()
    act()
    elapsed = time.perf_counter() - began
    later_user, later_system = processor_seconds(uow.pid)
    return Cost(elapsed, later_user - user, later_system - system)


def report(name: str, release: Release, cost: Cost) -> None:
    """Print what one way has cost."""
    print(
        f"{name:10} {len(release.wheels)} wheels, {release.size / MIB:.0f} MiB in "
        f"{cost.elapsed:5.1f} s; server busy for {cost.busy:5.2f} s "
        f"({cost.user:.2f} of its own, {cost.system:.2f} in the kernel)",
        flush=True,
    )


def compare(new: Sequence[Cost], old: Sequence[Cost]) -> None:
    """Print how the two ways compare, pair by pair of a run."""
    elapsed = median(one.elapsed / other.elapsed for one, other in zip(new, old, strict=True))
    busy = median(one.busy / other.busy for one, other in zip(new, old, strict=True))
    print(
        f"Upload 2.0 takes {elapsed:.0%} of the time of twine, and {busy:.0%} of the server's "
        "processor time."
    )


# Through the legacy upload


def with_twine(uow: RunningIndex, release: Release) -> None:
    """Stage with `twine upload`, as a person would, then publish."""
    environment = os.environ | {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": uow.token}
    url = f"{uow.url}/legacy/?staged=true"
    subprocess.run(
        [
            *(sys.executable, "-m", "twine", "upload", "--non-interactive"),
            *("--disable-progress-bar", "--repository-url", url),
            *(str(wheel.path) for wheel in release.wheels),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    client = Client(uow)
    session = client.ask("GET", f"{uow.url}/api/drafts/{PROJECT}/{release.version}")
    client.ask("POST", session["links"]["publish"], {})


# Through Upload 2.0


def with_upload_2(uow: RunningIndex, release: Release, connections: int) -> None:
    """Stage over some connections at once, then publish."""
    Client(uow).ask("POST", stage(uow, release.wheels, connections), {})


def stage(uow: RunningIndex, wheels: Sequence[Wheel], connections: int) -> str:
    """Stage wheels of one version over some connections at once; gives where to publish them."""
    client = Client(uow)
    opening: dict[str, object] = {"name": wheels[0].project, "version": wheels[0].version}
    session = client.ask("POST", f"{uow.url}/upload/2.0/", opening)
    shares = [wheels[number::connections] for number in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        sent = [pool.submit(_send, uow, session["links"]["upload"], share) for share in shares]
    for one in sent:
        one.result()
    publish: str = session["links"]["publish"]
    return publish


def _send(uow: RunningIndex, address: str, wheels: Sequence[Wheel]) -> None:
    """Upload these files, one after the other, over one connection."""
    client = Client(uow)
    for wheel in wheels:
        # As twine does, which hashes what it sends.
        with wheel.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        announcement = {
            "filename": wheel.path.name,
            "size": wheel.size,
            "hashes": {"sha256": sha256},
            "mechanism": "http-post-bytes",
        }
        upload = client.ask("POST", address, announcement)
        client.send(upload["mechanism"]["file_url"], wheel.path)
        client.ask("POST", upload["links"]["complete"], {})


class Client:
    """One connection to the index, on which Upload 2.0 is spoken."""

    def __init__(self, uow: RunningIndex) -> None:
        self._connection = connect(uow.url)
        self._headers = {"Authorization": f"Bearer {uow.token}", "Accept": API}

    def ask(self, method: str, url: str, message: dict[str, object] | None = None) -> Any:
        """Send a message, if there is one; gives the answer's body."""
        body, headers = None, self._headers
        if message is not None:
            body = json.dumps({"meta": {"api-version": "2.0"}, **message}).encode()
            headers = headers | {"Content-Type": API}
        self._connection.request(method, urlsplit(url).path, body=body, headers=headers)
        return json.loads(self._answer(url))

    def send(self, url: str, path: Path) -> None:
        """Send a file as it is."""
        headers = self._headers | {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(path.stat().st_size),
        }
        with path.open("rb") as file:
            body = iter(lambda: file.read(PIECE), b"")
            self._connection.request("POST", urlsplit(url).path, body=body, headers=headers)
        self._answer(url)

    def _answer(self, url: str) -> bytes:
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"{url} answered {answer.status} {answer.reason}: {body.decode()}")
        return body


def check_published(uow: RunningIndex, release: Release) -> None:
    """See that every wheel is public, with its digest."""
    headers = {"Accept": "application/vnd.pypi.simple.v1+json"}
    files = json.loads(get(uow.url, f"/simple/{PROJECT}/", headers).body)["files"]
    public = {file["filename"]: file["hashes"]["sha256"] for file in files}
    for wheel in release.wheels:
        if public.get(wheel.path.name) != wheel.sha256:
            raise SystemExit(f"{wheel.path.name} was not published.")


if __name__ == "__main__":
    main()
