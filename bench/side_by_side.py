"""What this index costs, side by side with its peers and with nginx, on this machine.

    python -m bench.side_by_side [--quick] [--only greenroom,nginx] [--rounds N] [--json FILE]

Every server gets the same files, all of them run at once, and each line is measured on one after
the other, in an order that rotates from round to round. What is printed are medians. A cost is
processor time of the server's process tree, in user mode and in the kernel, read from /proc: on a
machine that has other things to do it says more than a rate. Linux only.

`--only greenroom,greenroom-behind-varnish,greenroom-behind-nginx` measures what a cache in front
changes.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.asking import (
    CONNECTIONS,
    address_of,
    ask,
    connect,
    download,
    get,
    upload,
    upload_all,
)
from bench.caches import CACHES
from bench.release import Client, stage
from bench.running_index import RunningIndex
from bench.servers import SERVERS, Files, Greenroom, Server, plain_environment
from bench.tables import Column, Line, Results, now_and_here, table, write
from bench.wheels import MIB, Wheel, make_wheel, platform_tags

ASKED_FOR_OFTEN = 20
DEPENDENCIES = 20
TAGS = 10
UNTIL_IDLE = 3.0
"""Seconds after its first answer until a server has started all of its processes, and after the
last one until it has done what is left to do."""
PIP = {
    "User-Agent": (
        'pip/26.3 {"ci":null,"cpu":"x86_64","distro":{"id":"bookworm","libc":{"lib":"glibc",'
        '"version":"2.36"},"name":"Debian GNU/Linux","version":"12"},"implementation":{"name":'
        '"CPython","version":"3.11.7"},"installer":{"name":"pip","version":"26.3"},"openssl_version"'
        ':"OpenSSL 3.0.20","python":"3.11.7","system":{"name":"Linux","release":"6.1"}}'
    ),
    "Accept-Encoding": "gzip, deflate",
    "Accept": (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, "
        "text/html; q=0.01"
    ),
    "Cache-Control": "max-age=0",
}


@dataclass(frozen=True)
class Size:
    """How much is measured, and how often."""

    rounds: int
    seconds: float
    small: int
    large: int
    uploads: int
    published_mib: Sequence[float]


FULL = Size(rounds=3, seconds=3, small=500, large=1500, uploads=200, published_mib=(0.1, 100))
QUICK = Size(rounds=1, seconds=1, small=60, large=200, uploads=40, published_mib=(0.1,))


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--quick", action="store_true", help="less of everything, one round")
    arguments.add_argument("--only", metavar="NAMES", help="servers, separated by commas")
    arguments.add_argument("--rounds", type=int, metavar="N")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    options = arguments.parse_args()
    size = QUICK if options.quick else FULL
    rounds = options.rounds or size.rounds
    names = options.only.split(",") if options.only else [server.name for server in SERVERS]
    known = [*SERVERS, *CACHES]
    if unknown := set(names) - {server.name for server in known}:
        arguments.error(f"no such server: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        bench = Bench(Path(folder), size)
        columns = bench.run([server for server in known if server.name in names], rounds)
    results = Results(
        where=now_and_here(),
        asked_with="wrk" if shutil.which("wrk") else "Python",
        rounds=rounds,
        quick=options.quick,
        lines=bench.lines,
        columns=columns,
    )
    print(table(results), flush=True)
    write(options.json, results)


Figures = Mapping[str, float]
Measure = Callable[[Server], "Figures | None"]


class Bench:
    """One run: its files, its servers, its lines."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._folder = folder
        self._size = size
        self._round = 0
        self._made: dict[str, list[Wheel]] = {}
        self._measures: list[tuple[Line, Measure]] = [
            (Line("small-page", "simple page of a small project, pip's headers", "requests"),
             self._small_page),
            (Line("large-page", f"simple page of {size.large:,} files, gzip accepted", "requests"),
             self._large_page),
            (Line("list", f"simple list of {size.small:,} projects", "requests"), self._list),
            (Line("not-modified", "304 to a conditional request", "requests"), self._not_modified),
            (Line("small-wheel", "a small wheel", "requests"), self._small_wheel),
            (Line("upload", f"upload of small wheels, {CONNECTIONS} connections", "requests"),
             self._uploads),
            (Line("twine", "twine upload of 50 files", "seconds"), self._twine),
            (Line("uv-publish", "uv publish of 50 files", "seconds"), self._uv_publish),
            (Line("large-upload", "100 MiB upload", "transfer"), self._large_upload),
            (Line("large-download", "100 MiB download", "transfer"), self._large_download),
            (Line("uv-install", f"uv install of {DEPENDENCIES + 1} packages", "seconds"),
             self._uv_install),
            *(
                (Line(f"publish-{mib:g}", f"publishing 40 files, {40 * mib:,.0f} MiB", "seconds"),
                 lambda server, mib=mib: self._publish(server, mib))
                for mib in size.published_mib
            ),
        ]  # fmt: skip
        self.lines = [
            *(line for line, _ in self._measures),
            Line("memory", "memory of the process tree: idle · after all this", "memory"),
            Line("start", "start to the first answer", "seconds"),
        ]

    def run(self, kinds: Sequence[type[Server]], rounds: int) -> list[Column]:
        """Measure every line on servers of these kinds."""
        files = self._make_files()
        columns: dict[str, Column] = {kind.name: Column(kind.name) for kind in kinds}
        servers = [kind(self._folder / kind.name, files) for kind in kinds]
        servers = [server for server in servers if self._is_ready(server, columns[server.name])]
        self._measure_starts(servers, columns, rounds)
        with ExitStack() as stack:
            for server in servers:
                stack.enter_context(server.running())
            time.sleep(UNTIL_IDLE)
            idle = {server.name: server.memory() for server in servers}
            for self._round in range(rounds):
                self._measure_lines(rotated(servers, self._round), columns)
                self._forget_wheels()
            time.sleep(UNTIL_IDLE)  # until what is left to do is done
            for server in servers:
                after = server.memory()
                columns[server.name].add("memory", {"idle": idle[server.name], "after": after})
        return list(columns.values())

    def _is_ready(self, server: Server, column: Column) -> bool:
        """Give a server its files; where a peer cannot be made to run, its column says so."""
        server.folder.mkdir()
        column.missing = server.missing()
        if column.missing is not None:
            return False
        _say(f"{server.name}: getting ready")
        try:
            server.prepare()
            with server.running():
                server.fill()
        except (SystemExit, OSError, subprocess.CalledProcessError) as error:
            if isinstance(server, Greenroom):
                raise
            _say(f"{server.name}: {error}")
            column.missing = "it did not start"
            return False
        return True

    def _make_files(self) -> Files:
        folder, size = self._folder / "files", self._size
        small = [make_wheel(folder, f"bench-{n:03}", "1.0") for n in range(size.small)]
        large = [
            make_wheel(folder, "bench-large", f"1.{n // TAGS}", tag=platform_tags(TAGS)[n % TAGS])
            for n in range(size.large)
        ]
        names = [f"bench-part-{n:02}" for n in range(DEPENDENCIES)]
        parts = [make_wheel(folder, name, "1.0", noise=20_000) for name in names]
        application = make_wheel(folder, "bench-app", "1.0", requires=names)
        return Files(small, large, [application, *parts])

    def _measure_starts(
        self, servers: Sequence[Server], columns: Mapping[str, Column], rounds: int
    ) -> None:
        for turn in range(rounds):
            for server in rotated(servers, turn):
                with server.running() as seconds:
                    columns[server.name].add("start", {"seconds": seconds})

    def _measure_lines(self, servers: Sequence[Server], columns: Mapping[str, Column]) -> None:
        for turn, (line, measure) in enumerate(self._measures):
            for server in rotated(servers, turn):
                try:
                    figures = measure(server)
                except (SystemExit, OSError, subprocess.CalledProcessError) as error:
                    columns[server.name].failed[line.key] = f"{error}"
                    _say(f"{server.name}: {line.title}: {error}")
                    continue
                if figures is not None:
                    columns[server.name].add(line.key, figures)
                    _say(f"{server.name}: {line.title}: {line.show(figures)}")

    # Reading

    def _small_page(self, server: Server) -> Figures:
        wheels = server.files.small[:ASKED_FOR_OFTEN]
        return self._ask(server, [server.page_of(wheel.project) for wheel in wheels], PIP)

    def _large_page(self, server: Server) -> Figures:
        page = server.page_of("bench-large")
        sent = len(get(server.url, page, PIP).body)
        return {**self._ask(server, [page], PIP), "bytes": sent}

    def _list(self, server: Server) -> Figures:
        return self._ask(server, [server.simple_path], PIP)

    def _not_modified(self, server: Server) -> Figures | None:
        page = server.page_of(server.files.small[0].project)
        etag = get(server.url, page, PIP).headers.get("etag")
        conditional = {**PIP, "If-None-Match": etag or "none"}
        if etag is None or get(server.url, page, conditional).status != 304:
            return None
        return self._ask(server, [page], conditional)

    def _small_wheel(self, server: Server) -> Figures:
        paths = [
            address_of(server.url, server.page_of(wheel.project), wheel.path.name)
            for wheel in server.files.small[:ASKED_FOR_OFTEN]
        ]
        identity = {**PIP, "Accept": "*/*", "Accept-Encoding": "identity"}
        return self._ask(server, paths, identity)

    def _ask(self, server: Server, paths: Sequence[str], headers: Mapping[str, str]) -> Figures:
        ask(server.url, paths, headers, 0.2)
        before = server.busy()
        asked = ask(server.url, paths, headers, self._size.seconds)
        busy = server.busy() - before
        return {"cost": busy / asked.requests * 1000, "rate": asked.requests / asked.seconds}

    # Writing

    def _uploads(self, server: Server) -> Figures | None:
        if server.account is None:
            return None
        wheels = self._wheels("bench-upload", self._size.uploads)
        before = server.busy()
        asked = upload_all(server.url, server.account, wheels)
        busy = server.busy() - before
        return {"cost": busy / asked.requests * 1000, "rate": asked.requests / asked.seconds}

    def _twine(self, server: Server) -> Figures | None:
        command = [sys.executable, "-m", "twine", "upload", "--non-interactive"]
        command += ["--disable-progress-bar", "--repository-url"]
        return self._publish_with(server, "bench-twine", command)

    def _uv_publish(self, server: Server) -> Figures | None:
        command = [_uv(), "publish", "--trusted-publishing", "never", "--publish-url"]
        return self._publish_with(server, "bench-uv", command)

    def _publish_with(self, server: Server, project: str, command: Sequence[str]) -> Figures | None:
        account = server.account
        if account is None:
            return None
        who = ["--username", account.username, "--password", account.password]
        files = [str(wheel.path) for wheel in self._wheels(project, 50)]
        return _timed(server, [*command, f"{server.url}{account.path}", *who, *files])

    def _large_upload(self, server: Server) -> Figures | None:
        if server.account is None:
            return None
        (wheel,) = self._wheels("bench-noise", 1, noise=100 * MIB)
        connection = connect(server.url)
        resident, before = server.peak_begins(), server.busy()
        began = time.perf_counter()
        upload(connection, server.account, wheel)
        seconds = time.perf_counter() - began
        connection.close()
        return {
            "speed": wheel.size / seconds,
            "cost": server.busy() - before,
            "rise": server.peak() - resident,
        }

    def _large_download(self, server: Server) -> Figures:
        (wheel,) = self._wheels("bench-noise", 1, noise=100 * MIB)
        path = self._noise_at(server, wheel)
        download(server.url, path)
        resident, before = server.peak_begins(), server.busy()
        began = time.perf_counter()
        for _ in range(3):
            if download(server.url, path) != wheel.size:
                raise SystemExit("What was downloaded is not what was uploaded.")
        seconds = (time.perf_counter() - began) / 3
        return {
            "speed": wheel.size / seconds,
            "cost": (server.busy() - before) / 3,
            "rise": server.peak() - resident,
        }

    def _noise_at(self, server: Server, wheel: Wheel) -> str:
        """Where the large wheel is; it is put there where nothing can be uploaded."""
        if server.account is None:
            server.add(wheel)
        return address_of(server.origin, server.page_of(wheel.project), wheel.path.name)

    def _publish(self, server: Server, mib: float) -> Figures | None:
        # Each round has a new project, as a token may not publish more of one where a person does.
        if not isinstance(server, Greenroom) or server.account is None:
            return None
        index = RunningIndex(server.url, server.account.password, server.pids[0])
        wheels = self._wheels(f"bench-publish-{int(mib)}-{self._round}", 40, noise=int(mib * MIB))
        publish = stage(index, wheels, CONNECTIONS)
        client = Client(index)
        before, began = server.busy(), time.perf_counter()
        client.ask("POST", publish, {})
        return {
            "seconds": time.perf_counter() - began,
            "cost": server.busy() - before,
        }

    def _wheels(self, project: str, count: int, noise: int = 0) -> list[Wheel]:
        """Wheels of a version that no round before had: the same for every server."""
        version = f"1.{self._round}"
        folder = self._folder / project / version
        if str(folder) not in self._made:
            self._made[str(folder)] = [
                make_wheel(folder, project, version, tag=tag, noise=noise, described=True)
                for tag in platform_tags(count)
            ]
        return self._made[str(folder)]

    def _forget_wheels(self) -> None:
        """Remove the files of a round, which may be gigabytes."""
        for wheels in self._made.values():
            for wheel in wheels:
                wheel.path.unlink(missing_ok=True)
        self._made.clear()

    def _uv_install(self, server: Server) -> Figures:
        with tempfile.TemporaryDirectory(dir=self._folder) as target:
            command = [_uv(), "pip", "install", "--no-config", "--no-cache", "--target", target]
            command += ["--python", sys.executable, "--index-url"]
            figures = _timed(server, [*command, f"{server.url}{server.simple_path}", "bench-app"])
            if len(list(Path(target).glob("*.dist-info"))) != DEPENDENCIES + 1:
                raise SystemExit("Not every package was installed.")
        return figures


def rotated(servers: Sequence[Server], turn: int) -> list[Server]:
    """The same servers, another one first."""
    first = turn % len(servers) if servers else 0
    return [*servers[first:], *servers[:first]]


def _timed(server: Server, command: Sequence[str]) -> Figures:
    """How long a client runs, and what that costs the server."""
    before, began = server.busy(), time.perf_counter()
    done = subprocess.run(
        command,
        env=plain_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed: {done.stdout[-500:]}")
    return {"seconds": seconds, "cost": server.busy() - before}


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
