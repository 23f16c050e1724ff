"""What an upstream behind this index costs, beside caching proxies, on this machine.

    python -m bench.upstream [--quick] [--only greenroom,proxpi] [--rounds N] [--json FILE]

All have the same upstream behind them: nginx on loopback with static files. Many clients install
the same packages at once, first from a server that has nothing yet, then once more. Costs are
processor time of the server's process tree, read from /proc; clients take most of the seconds.
Linux only.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.asking import address_of, ask, get, upload_all
from bench.servers import (
    DEBIAN_PATH,
    Devpi,
    Files,
    Greenroom,
    Nginx,
    Server,
    environment,
    in_nginx,
)
from bench.side_by_side import PIP
from bench.tables import MIB, Table, now_and_here, write
from bench.wheels import make_wheel

PACKAGES = 40
INSTALLS, FEW_INSTALLS = 100, 20
SIZE = 100_000
MODE = "cache"


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--quick", action="store_true", help="fewer installs, one round")
    arguments.add_argument("--only", metavar="NAMES", help="servers, separated by commas")
    arguments.add_argument("--rounds", type=int, metavar="N")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    options = arguments.parse_args()
    names = options.only.split(",") if options.only else [each.name for each in PROXIES]
    if unknown := set(names) - {each.name for each in PROXIES}:
        arguments.error(f"no such server: {', '.join(sorted(unknown))}")
    installs = FEW_INSTALLS if options.quick else INSTALLS
    rounds = options.rounds or (1 if options.quick else 3)
    chosen = [each for each in PROXIES if each.name in names]
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        bench = Bench(Path(folder), installs, 1 if options.quick else 3)
        found = bench.run(chosen, rounds)
    table = _table([each.name for each in chosen], found, installs, rounds)
    print(table, flush=True)
    write(options.json, table)


# The upstream, and what stands in front of it


class Upstream(Nginx):
    """Static files that are counted as they are asked for."""

    name = "upstream"

    def command(self) -> list[str]:
        """With a line for each request."""
        command = super().command()
        configuration = self.folder / "nginx.conf"
        text = configuration.read_text(encoding="utf-8")
        counted = f"access_log {self._log};"
        configuration.write_text(text.replace("access_log off;", counted), encoding="utf-8")
        return command

    @property
    def _log(self) -> Path:
        return self.folder / "access.log"

    def asked(self) -> int:
        """How many requests there were so far."""
        return len(self._log.read_text(encoding="utf-8").splitlines())


@dataclass
class Behind:
    """Where the upstream of whatever is measured is."""

    url: str = ""


BEHIND = Behind()


class GreenroomInFront(Greenroom):
    """This index with the upstream behind it; files are kept."""

    def prepare(self) -> None:
        """Name the upstream."""
        super().prepare()
        self.environment = {
            **self.environment,
            "GREENROOM_UPSTREAMS": f"up={BEHIND.url}/simple/",
            "GREENROOM_UPSTREAM_MODE": MODE,
            "GREENROOM_UPSTREAM_NETWORKS": "127.0.0.0/8",
        }

    def fill(self) -> None:
        """Upload a project of its own, as large as those of the upstream."""
        assert self.account is not None
        upload_all(self.url, self.account, self.files.large)


class Proxpi(Server):
    """proxpi, as its image starts it, but that it tells nobody to go to the upstream."""

    name = "proxpi"
    simple_path = "/index/"

    def prepare(self) -> None:
        """Name the upstream, and have it keep files below the folder."""
        environment("proxpi")
        cache = self.folder / "cache"
        cache.mkdir()
        self.environment = {
            **self.environment,
            "PROXPI_INDEX_URL": f"{BEHIND.url}/simple/",
            "PROXPI_CACHE_DIR": str(cache),
            "PROXPI_DOWNLOAD_TIMEOUT": "60",
        }

    def command(self) -> list[str]:
        """With gunicorn."""
        return [
            *(str(environment("proxpi") / "gunicorn"), "--preload", "proxpi.server:app"),
            *("--bind", f"127.0.0.1:{self.port}", "--threads", "2"),
        ]


class DevpiMirror(Devpi):
    """devpi-server with an index that mirrors, as its root/pypi does."""

    simple_path = "/root/up/+simple/"

    def command(self) -> list[str]:
        """Asking the upstream."""
        return [word for word in super().command() if word != "--offline-mode"]

    def fill(self) -> None:
        """Make the mirror."""
        token = self.sign_in()
        mirror: dict[str, object] = {"type": "mirror", "mirror_url": f"{BEHIND.url}/simple/"}
        self.ask("PUT", "/root/up", mirror, token)


class NginxCache(Server):
    """nginx with proxy_cache: what was asked for is kept as it came."""

    name = "nginx proxy_cache"

    def missing(self) -> str | None:
        """It is a package of the system."""
        return None if shutil.which("nginx", path=DEBIAN_PATH) else "apt-get install nginx-light"

    def command(self) -> list[str]:
        """With one request of the upstream for many of clients."""
        configuration = self.folder / "nginx.conf"
        values = {"port": self.port, "folder": self.folder, "upstream": BEHIND.url}
        configuration.write_text(in_nginx(self.folder, _PROXY_CACHE % values), encoding="utf-8")
        program = shutil.which("nginx", path=DEBIAN_PATH) or "nginx"
        return [program, "-c", str(configuration), "-e", "stderr"]


_PROXY_CACHE = """\
    proxy_cache_path %(folder)s/cache levels=1:2 keys_zone=index:10m max_size=10g inactive=7d;
    server {
        listen 127.0.0.1:%(port)s;
        location / {
            proxy_pass %(upstream)s;
            proxy_cache index;
            proxy_cache_key $uri$http_accept;
            proxy_cache_valid 200 10m;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 60s;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
"""

PROXIES: Sequence[type[Server]] = (GreenroomInFront, Proxpi, DevpiMirror, NginxCache)

# What is measured

Figures = Mapping[str, float]


class Bench:
    """One run: its files, its upstream, and how many install at once."""

    def __init__(self, folder: Path, installs: int, seconds: float) -> None:
        self._folder = folder
        self._installs = installs
        self._seconds = seconds
        made = folder / "files"
        names = [f"bench-part-{number:02}" for number in range(1, PACKAGES)]
        parts = [make_wheel(made, name, "1.0", noise=SIZE) for name in names]
        application = make_wheel(made, "bench-app", "1.0", requires=names)
        probe = make_wheel(made, "bench-probe", "1.0", noise=SIZE)
        own = make_wheel(made, "bench-own", "1.0", noise=SIZE)
        self._files = Files([probe], [own], [application, *parts])

    def run(self, kinds: Sequence[type[Server]], rounds: int) -> dict[str, list[Figures]]:
        """The figures of every round, by server; none where it does not run."""
        found: dict[str, list[Figures]] = {kind.name: [] for kind in kinds}
        upstream = Upstream(self._folder / "upstream", self._files)
        upstream.folder.mkdir()
        upstream.prepare()
        with upstream.running():
            BEHIND.url = upstream.url
            for turn in range(rounds):
                first = turn % len(kinds)
                for kind in [*kinds[first:], *kinds[:first]]:
                    server = kind(
                        self._folder / f"{kind.name.replace(' ', '-')}-{turn}", self._files
                    )
                    try:
                        found[kind.name].append(self._measure(server, upstream))
                    except (SystemExit, OSError, subprocess.CalledProcessError) as error:
                        if isinstance(server, Greenroom):
                            raise
                        _say(f"{server.name}: {error}")
                    shutil.rmtree(server.folder, ignore_errors=True)
        return found

    def _measure(self, server: Server, upstream: Upstream) -> Figures:
        if why := server.missing():
            raise SystemExit(f"is not installed: {why}")
        server.folder.mkdir()
        _say(f"{server.name}: getting ready")
        server.prepare()
        with server.running():
            server.fill()
            figures = {"idle": server.memory() / MIB}
            for state in ("cold", "warm"):
                before, resident = upstream.asked(), server.peak_begins()
                for key, value in self._install_all(server).items():
                    figures[f"{state} {key}"] = value
                figures[f"{state} asked"] = upstream.asked() - before
                figures[f"{state} rise"] = (server.peak() - resident) / MIB
                _say(f"{server.name}: {state}: {figures[f'{state} cost']:.2f} s of CPU")
            figures["after"] = server.memory() / MIB
            figures |= self._read(server)
        return figures

    def _install_all(self, server: Server) -> Figures:
        """Install everything, so many times at once; nothing is in any cache of the clients."""
        before, began = server.busy(), time.perf_counter()
        with tempfile.TemporaryDirectory(dir=self._folder) as targets:
            with _installing(server, Path(targets), self._installs) as clients:
                outputs = [client.communicate()[0] for client in clients]
            seconds, cost = time.perf_counter() - began, server.busy() - before
            whole = [
                number
                for number in range(self._installs)
                if len(list(Path(targets, str(number)).glob("*.dist-info"))) == PACKAGES
            ]
        for client, output in zip(clients, outputs, strict=True):
            if client.returncode:
                _say(f"{server.name}: uv failed: {output[-500:]}")
        return {"seconds": seconds, "cost": cost, "failed": self._installs - len(whole)}

    def _read(self, server: Server) -> dict[str, float]:
        parts = self._files.application[1:21]
        pages = [server.page_of(wheel.project) for wheel in parts]
        files = [
            address_of(server.url, page, wheel.path.name)
            for page, wheel in zip(pages, parts, strict=True)
        ]
        identity = {**PIP, "Accept": "*/*", "Accept-Encoding": "identity"}
        asked = {"page": (pages, PIP), "file": (files, identity)}
        if isinstance(server, Greenroom):
            asked["own page"] = ([server.page_of("bench-own")], PIP)
        figures = {}
        for key, (paths, headers) in asked.items():
            for path in paths:
                get(server.url, path, headers)
            before = server.busy()
            done = ask(server.url, paths, headers, self._seconds)
            figures[key] = (server.busy() - before) / done.requests * 1000
        return figures


@contextmanager
def _installing(
    server: Server, targets: Path, installs: int
) -> Iterator[list["subprocess.Popen[str]"]]:
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--no-config"]
    command += ["--no-cache", "--python", sys.executable, "--link-mode", "copy"]
    command += ["--index-url", f"{server.url}{server.simple_path}", "bench-app", "--target"]
    surroundings = {
        **server.environment,
        "UV_CONCURRENT_DOWNLOADS": "4",
        "UV_HTTP_TIMEOUT": "300",
    }
    clients = [
        subprocess.Popen(
            [*command, str(targets / str(number))],
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(installs)
    ]
    try:
        yield clients
    finally:
        for client in clients:
            if client.poll() is None:
                client.kill()
                client.wait()


# What is printed


def _table(
    names: Sequence[str], found: Mapping[str, Sequence[Figures]], installs: int, rounds: int
) -> Table:
    medians = {
        name: {key: median(each[key] for each in figures) for key in figures[0]}
        for name, figures in found.items()
        if figures
    }
    lines = {
        f"{installs} installs at once, cold: CPU of the server, s": ("cold cost", "{:.2f}"),
        f"{installs} installs at once, warm: CPU of the server, s": ("warm cost", "{:.2f}"),
        "the same, cold: seconds": ("cold seconds", "{:.1f}"),
        "the same, warm: seconds": ("warm seconds", "{:.1f}"),
        "installs that failed, cold": ("cold failed", "{:.0f}"),
        "installs that failed, warm": ("warm failed", "{:.0f}"),
        "requests of the upstream, cold": ("cold asked", "{:.0f}"),
        "requests of the upstream, warm": ("warm asked", "{:.0f}"),
        "rise of resident memory, cold: MiB": ("cold rise", "{:.0f}"),
        "memory before, shared pages once: MiB": ("idle", "{:.0f}"),
        "memory after, shared pages once: MiB": ("after", "{:.0f}"),
        "page of the upstream, warm: CPU s per 1,000": ("page", "{:.3f}"),
        "page of its own: CPU s per 1,000": ("own page", "{:.3f}"),
        "file of the upstream, warm: CPU s per 1,000": ("file", "{:.3f}"),
    }
    rows = [
        [
            title,
            *(
                form.format(medians[name][key]) if key in medians.get(name, {}) else "\N{EN DASH}"
                for name in names
            ),
        ]
        for title, (key, form) in lines.items()
    ]
    times = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    said = (
        f"{now_and_here()}; uv installs {PACKAGES} packages of {SIZE // 1000} kB, {times}. The "
        f"upstream is nginx on loopback: {PACKAGES} pages, {PACKAGES} files and as many metadata "
        "files."
    )
    return Table(said, ["", *names], rows)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
