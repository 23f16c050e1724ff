"""The servers that are measured side by side: this one, its peers, and nginx with static files.

Each peer has an environment of its own below `.venv/bench`, made when it is first wanted from a
lock file in `requirements/`. nginx is a Debian package.

    python -m bench.servers simple-repository    make an environment now
"""

import base64
import contextlib
import gzip
import hashlib
import html
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.asking import Account, connect, get, upload_all
from bench.processes import (
    busy_seconds,
    forget_peaks,
    peak_memory,
    proportional_memory,
    resident_memory,
)
from bench.wheels import Wheel

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = CHECKOUT / ".venv" / "bench"
STARTS_WITHIN = 180
# Debian has nginx where only root's PATH leads.
DEBIAN_PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
PASSWORD = "a long password for a bench"

# What the programs here would read from the environment of whoever measures.
_OUTSIDE = ("PIP_", "UV_", "TWINE_", "DEVPI", "GREENROOM_", "PYTHONDONTWRITEBYTECODE")


def plain_environment() -> dict[str, str]:
    """This environment without what configures the servers and clients."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}


def environment(name: str) -> Path:
    """The folder of programs of an environment, which is made where it is not there yet."""
    folder = ENVIRONMENTS / name
    lock = CHECKOUT / "requirements" / f"bench-{name}.txt"
    stamp = folder / "installed"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        print(f"Installing what {lock.name} names into {folder}: once", file=sys.stderr)
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True
        )
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        command += ["--python", str(folder / "bin" / "python"), "install", "--require-hashes"]
        subprocess.run([*command, "--requirement", str(lock)], check=True)
        stamp.touch()
    return folder / "bin"


@dataclass(frozen=True)
class Files:
    """What every server serves before anything is measured."""

    small: Sequence[Wheel]
    large: Sequence[Wheel]
    application: Sequence[Wheel]

    @property
    def all(self) -> list[Wheel]:
        """All of them."""
        return [*self.small, *self.large, *self.application]


@dataclass
class Server(ABC):
    """A server: how it is made ready, started and spoken to."""

    folder: Path
    files: Files
    port: int = 0
    pids: list[int] = field(default_factory=list)
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=plain_environment)

    name = ""
    simple_path = "/simple/"

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        """Where pages are as they are now, if there is a cache in front."""
        return self.url

    def busy(self) -> float:
        """Processor time of all its processes so far."""
        return sum(busy_seconds(pid) for pid in self.pids)

    def memory(self) -> int:
        """Bytes of memory of all its processes; what they share counts once."""
        return sum(proportional_memory(pid) for pid in self.pids)

    def peak_begins(self) -> int:
        """Forget the peaks of memory so far; gives what is resident now."""
        for pid in self.pids:
            forget_peaks(pid)
        return sum(resident_memory(pid) for pid in self.pids)

    def peak(self) -> int:
        """What was resident at most since then."""
        return sum(peak_memory(pid) for pid in self.pids)

    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        return None

    def page_of(self, project: str) -> str:
        """The path of a simple page."""
        return f"{self.simple_path}{project}/"

    def prepare(self) -> None:  # noqa: B027
        """Do what there is to do before it is first started: nothing, for some."""

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it, with its arguments."""

    def fill(self) -> None:  # noqa: B027
        """Give it the files, once it runs: nothing, for some."""

    def add(self, wheel: Wheel) -> None:
        """Put one more file beside the others, where nothing can be uploaded."""
        raise SystemExit(f"Nothing can be put into {self.name}.")

    @contextmanager
    def running(self) -> Iterator[float]:
        """Run it until the block ends, which gets the seconds from start to first answer."""
        self.port = free_port()
        command = self.command()
        with (self.folder / "log").open("ab") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
            self.pids = [process.pid]
            try:
                self._wait_for_answer(process)
                yield time.perf_counter() - began
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if get(self.url, self.page_of(self.files.small[0].project)).status < 500:
                    return
            time.sleep(0.005)
        raise SystemExit(f"{self.name} did not start: {(self.folder / 'log').read_text()[-2000:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def run(command: Sequence[str], environment: Mapping[str, str], text: str = "") -> str:
    """Run a program to its end; gives what it prints."""
    done = subprocess.run(
        command, env=dict(environment), input=text, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


class Greenroom(Server):
    """This index, with two workers and everything embedded."""

    name = "greenroom"

    def prepare(self) -> None:
        """Make the index, somebody who uploads, and a token."""
        self.environment = plain_environment() | {
            "GREENROOM_DATA": str(self.folder / "data"),
            "GREENROOM_MAX_FILE_SIZE": "4GiB",
            "GREENROOM_MAX_PROJECT_SIZE": "100GiB",
            "GREENROOM_NEW_PROJECTS_PER_HOUR": "0",
            "GREENROOM_LOG_FORMAT": "json",
        }
        user = ["user", "create", "bench", "--email", "bench@index.example", "--password-stdin"]
        run([*self._program, *user], self.environment, PASSWORD)
        token = run([*self._program, "token", "create", "--user", "bench"], self.environment)
        self.account = Account("/legacy/", "__token__", token.strip())

    def command(self) -> list[str]:
        """`greenroom serve`."""
        return [*self._program, "serve", "--port", str(self.port), "--workers", "2"]

    def fill(self) -> None:
        """Upload everything."""
        assert self.account is not None
        upload_all(self.url, self.account, self.files.all)

    _program = (sys.executable, "-m", "greenroom")


class Pypiserver(Server):
    """pypiserver with its cache of digests, on waitress, which it takes where that is installed."""

    name = "pypiserver"

    def prepare(self) -> None:
        """Put the files into one folder."""
        environment("pypiserver")
        self.account = Account("/", "nobody", "nothing")
        for wheel in self.files.all:
            _link(wheel.path, self.folder / "packages" / wheel.path.name)

    def command(self) -> list[str]:
        """With uploads of anybody."""
        return [
            *(str(environment("pypiserver") / "pypi-server"), "run", "--host", "127.0.0.1"),
            *("--port", str(self.port), "--server", "auto", "--backend", "cached-dir"),
            *("--authenticate", ".", "--passwords", ".", "--disable-fallback"),
            str(self.folder / "packages"),
        ]


# The user that every devpi-server begins with, and an index of it.
_DEVPI_USER = "root"
_DEVPI_INDEX = f"/{_DEVPI_USER}/bench"


class Devpi(Server):
    """devpi-server with one index that mirrors nothing."""

    name = "devpi-server"
    simple_path = f"{_DEVPI_INDEX}/+simple/"

    def prepare(self) -> None:
        """Make its folder, and the secret that what it hands out for a password is signed with."""
        options = ["--serverdir", str(self.folder / "data"), "--no-root-pypi"]
        command = [str(environment("devpi") / "devpi-init"), *options, "--root-passwd", PASSWORD]
        subprocess.run(
            command, env=dict(self.environment), check=True, capture_output=True, text=True
        )
        self._secret.write_text(base64.b64encode(os.urandom(32)).decode(), "ascii")
        self._secret.chmod(0o600)

    @property
    def _secret(self) -> Path:
        return self.folder / "secret"

    def command(self) -> list[str]:
        """Without asking another index for anything."""
        return [
            *(str(environment("devpi") / "devpi-server"), "--serverdir", str(self.folder / "data")),
            *("--host", "127.0.0.1", "--port", str(self.port), "--offline-mode"),
            *("--max-request-body-size", str(4 * 1024**3), "--secretfile", str(self._secret)),
        ]

    def fill(self) -> None:
        """Make an index in it, and upload everything."""
        token = self.sign_in()
        index: dict[str, object] = {"type": "stage", "bases": [], "volatile": True}
        self.ask("PUT", _DEVPI_INDEX, index, token)
        # As devpi's own client does, which keeps what it got for the password.
        self.account = Account(f"{_DEVPI_INDEX}/", _DEVPI_USER, token)
        upload_all(self.url, self.account, self.files.all)

    def sign_in(self) -> str:
        """What it hands out for the password."""
        who: dict[str, object] = {"user": _DEVPI_USER, "password": PASSWORD}
        return self.ask("POST", "/+login", who)["password"]

    def ask(
        self, method: str, path: str, message: dict[str, object], token: str = ""
    ) -> dict[str, str]:
        """Ask its API; gives the result."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["X-Devpi-Auth"] = base64.b64encode(f"root:{token}".encode()).decode()
        connection = connect(self.url)
        connection.request(method, path, json.dumps(message), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"devpi-server answered {answer.status}: {body.decode()}")
        result: dict[str, str] = json.loads(body)["result"]
        return result


class SimpleRepository(Server):
    """simple-repository-server on a folder."""

    name = "simple-repository-server"

    def prepare(self) -> None:
        """Put the files into a folder for each project."""
        environment("simple-repository")
        for wheel in self.files.all:
            _link(wheel.path, self.folder / "packages" / wheel.project / wheel.path.name)

    def add(self, wheel: Wheel) -> None:
        """Put a file into the folder of its project."""
        _link(wheel.path, self.folder / "packages" / wheel.project / wheel.path.name)

    def command(self) -> list[str]:
        """Its only way to start."""
        return [
            str(environment("simple-repository") / "simple-repository-server"),
            *("--host", "127.0.0.1", "--port", str(self.port), str(self.folder / "packages")),
        ]


class Nginx(Server):
    """nginx with static files: pages as this index would write them, compressed beforehand."""

    name = "nginx"

    def missing(self) -> str | None:
        """It is a package of the system."""
        return None if shutil.which("nginx", path=DEBIAN_PATH) else "apt-get install nginx-light"

    def prepare(self) -> None:
        """Write every page, in both forms."""
        projects: dict[str, list[Wheel]] = {}
        for wheel in self.files.all:
            projects.setdefault(wheel.project, []).append(wheel)
        for wheels in projects.values():
            self._add_project(wheels)
        _write_page(self.folder / "root" / "simple", _list_page(sorted(projects)))

    def add(self, wheel: Wheel) -> None:
        """Put a file there, with the page of its project."""
        self._add_project([wheel])

    def _add_project(self, wheels: Sequence[Wheel]) -> None:
        root, project = self.folder / "root", wheels[0].project
        for wheel in wheels:
            target = root / "packages" / wheel.sha256[:2] / wheel.path.name
            _link(wheel.path, target)
            target.with_name(f"{target.name}.metadata").write_text(wheel.metadata, "utf-8")
        _write_page(root / "simple" / project, _project_page(project, wheels))

    def command(self) -> list[str]:
        """With a configuration that has nothing but this in it."""
        configuration = self.folder / "nginx.conf"
        text = _STATIC_FILES % {"port": self.port, "folder": self.folder}
        configuration.write_text(in_nginx(self.folder, text), encoding="utf-8")
        program = shutil.which("nginx", path=DEBIAN_PATH) or "nginx"
        return [program, "-c", str(configuration), "-e", "stderr"]


SERVERS: Sequence[type[Server]] = (Greenroom, Pypiserver, Devpi, SimpleRepository, Nginx)

_NGINX = """\
%(user)s
daemon off;
worker_processes 2;
pid %(folder)s/pid;
error_log stderr;
events { worker_connections 1024; }
http {
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    access_log off;
    sendfile on;
    tcp_nopush on;
%(text)s
}
"""

_STATIC_FILES = """\
    open_file_cache max=10000;
    map $http_accept $page {
        default index.html;
        "~application/vnd.pypi.simple.v1\\+json" index.json;
    }
    server {
        listen 127.0.0.1:%(port)s;
        root %(folder)s/root;
        default_type application/octet-stream;
        types { text/html html; application/vnd.pypi.simple.v1+json json; }
        location /simple/ {
            gzip_static on;
            index $page;
        }
    }
"""


def in_nginx(folder: Path, text: str) -> str:
    """A whole configuration of nginx around what stands in `http`, with all its files in a folder.

    Args:
        folder: where it writes.
        text: servers, maps, caches.
    """
    user = "user root;" if os.geteuid() == 0 else ""
    return _NGINX % {"user": user, "folder": folder, "text": text}


def _link(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _project_page(project: str, wheels: Sequence[Wheel]) -> tuple[str, str]:
    files = [
        {
            "filename": wheel.path.name,
            "url": f"/packages/{wheel.sha256[:2]}/{wheel.path.name}",
            "hashes": {"sha256": wheel.sha256},
            "requires-python": ">=3.8",
            "size": wheel.size,
            "upload-time": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}.000000Z",
            "yanked": False,
            "core-metadata": {"sha256": hashlib.sha256(wheel.metadata.encode()).hexdigest()},
        }
        for number, wheel in enumerate(wheels)
    ]
    versions = sorted({wheel.version for wheel in wheels})
    page = {"meta": {"api-version": "1.1"}, "name": project, "versions": versions, "files": files}
    links = "".join(
        f'<a href="{file["url"]}#sha256={wheel.sha256}" data-requires-python="&gt;=3.8">'
        f"{html.escape(wheel.path.name)}</a><br>\n"
        for file, wheel in zip(files, wheels, strict=True)
    )
    return json.dumps(page), f"<!DOCTYPE html>\n<title>{project}</title>\n{links}"


def _list_page(projects: Sequence[str]) -> tuple[str, str]:
    listed = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in projects]}
    links = "".join(f'<a href="/simple/{name}/">{name}</a><br>\n' for name in projects)
    return json.dumps(listed), f"<!DOCTYPE html>\n<title>Simple index</title>\n{links}"


def _write_page(folder: Path, page: tuple[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for form, text in zip(("json", "html"), page, strict=True):
        path = folder / f"index.{form}"
        path.write_text(text, encoding="utf-8")
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    for _name in sys.argv[1:]:
        environment(_name)
