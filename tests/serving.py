"""Real processes: ``greenroom serve`` on loopback, and clients of the index; the command line."""

import atexit
import http.client
import io
import logging
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from unittest import mock
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
import structlog

from greenroom import cli
from greenroom.registry import accounts
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import load_settings
from tests import factories, processes
from tests.conftest import SECRET_KEY, MakeDatabase, empty
from tests.preloaded import Preloaded, Process

_OUTSIDE = (
    *("PIP_", "UV_", "TWINE_", "POETRY_", "PDM_", "HATCH_", "FLIT_", "DEVPI", "BANDERSNATCH"),
    *("VIRTUAL_ENV", "VIRTUALENV_", "CONDA_", "XDG_", "GREENROOM_"),
)
# Without compiled modules every start of a process takes seconds.
_SLOW = ("PYTHONDONTWRITEBYTECODE",)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# The port that discards: what is not on loopback is not there, whoever asks for it.
_NOWHERE = "http://127.0.0.1:9"
_STARTS_WITHIN_SECONDS = 60
_MOST_TRIES = 200


def plain_environment(home: Path) -> dict[str, str]:
    """This environment without any configuration of clients: no index but the one that is named."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OUTSIDE) and name.lower() not in _PROXIES and name not in _SLOW
    }
    return environment | {
        "HOME": str(home),
        "PDM_CHECK_UPDATE": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "share"),
        "XDG_STATE_HOME": str(home / "state"),
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@dataclass(frozen=True)
class Answer:
    """What a GET got: status, headers and body, without the date and the request's own id."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass
class Server:
    """A running index: its address and its settings."""

    url: str
    environment: Mapping[str, str]
    home: Path
    process: Process
    greeting: list[str] = field(default_factory=list)

    def greenroom(self, *arguments: str, stdin: str = "") -> str:
        """Run the command line beside the server; gives what it prints."""
        return greenroom(self.environment, *arguments, stdin=stdin)

    @contextmanager
    def services(self) -> Iterator[Services]:
        """What the server works on, in this process too."""
        services = open_services(load_settings(self.environment))
        try:
            yield services
        finally:
            services.database.close()

    def user(self, name: str) -> str:
        """A new account; gives its name."""
        with self.services() as services, services.writing() as uow:
            return factories.make_user(uow, name).username

    def token(self, user: str, *permissions: str) -> str:
        """A new API token of an account, with the usual permissions where none are named."""
        with self.services() as services, services.writing() as uow:
            account = accounts.get_user(uow.db, user)
            wanted = permissions or DEFAULT_TOKEN_PERMISSIONS
            return factories.make_token(uow, account, permissions=wanted)

    def get(self, path: str, accept: str = "*/*", token: str | None = None) -> Answer:
        """A GET; ``path`` may be a whole address of this server."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        request = urllib.request.Request(url, headers={"Accept": accept})
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return _answer(response.status, response.headers.items(), response.read())
        except HTTPError as error:
            with error:
                return _answer(error.code, error.headers.items(), error.read())

    def children(self) -> list[int]:
        """The numbers of the processes that it has started: its workers, and what helps them."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        return [int(child) for child in children.split()]

    def connect_to_each(self, workers: int) -> dict[int, http.client.HTTPConnection]:
        """Connections to so many workers, by the number of the process; they stay with them."""
        found: dict[int, http.client.HTTPConnection] = {}
        others: list[http.client.HTTPConnection] = []
        while len(found) < workers:
            assert len(others) < _MOST_TRIES, "a worker takes no connections"
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
            connection.request("GET", "/simple/")
            connection.getresponse().read()
            connection.auto_open = 0  # another one might be another worker's
            process = self._process_at(connection)
            if process is None or process in found:
                others.append(connection)
            else:
                found[process] = connection
        for connection in others:
            connection.close()
        return found

    def _process_at(self, connection: http.client.HTTPConnection) -> int | None:
        """Which of its processes has the other end of a connection; None: that cannot be seen."""
        ours, theirs = connection.sock.getsockname()[1], connection.sock.getpeername()[1]
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        sockets = {
            f"socket:[{line[9]}]"
            for line in lines
            if line[1].endswith(f":{theirs:04X}") and line[2].endswith(f":{ours:04X}")
        }
        for child in self.children():
            with suppress(FileNotFoundError):
                for descriptor in Path(f"/proc/{child}/fd").iterdir():
                    if os.readlink(descriptor) in sockets:
                        return child
        return None

    def run(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a client as a person would, with no configuration but ``environment``."""
        result = processes.run(
            command,
            env=plain_environment(self.home) | dict(environment or {}),
            cwd=folder or self.home,
            stderr=subprocess.STDOUT,
            timeout=180,
        )
        assert not check or result.returncode == 0, result.stdout
        return result


def _answer(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
    found = [(name.lower(), name, value) for name, value in headers]
    kept = [
        (name, value)
        for low, name, value in found
        if low not in ("date", "connection", "x-request-id")
    ]
    for low, _, value in found:
        if low == "x-request-id":
            body = body.replace(value.encode(), b"")
    return Answer(status, tuple(sorted(kept)), body)


def greenroom(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """Run ``greenroom`` with these settings; gives its standard output."""
    result = command(environment, *arguments, stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout


def command(
    environment: Mapping[str, str], *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """What comes of ``greenroom``, run in this process: to start one takes longer than all else.

    What it does not catch is raised here. Only ``serve`` has a process of its own, which forks.
    """
    if arguments[:1] == ("serve",):
        return preloaded().run(arguments, environment, Path.cwd(), timeout=60)
    out, errors, status = io.StringIO(), io.StringIO(), 0
    with (
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(os.environ, environment, clear=True),
    ):
        patch.setattr(sys, "argv", ["greenroom", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        before, handlers = structlog.get_config(), list(logging.root.handlers)
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            structlog.configure(**before)
            logging.root.handlers[:] = handlers
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), errors.getvalue())


@contextmanager
def serving(
    folder: Path,
    database_url: str | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    workers: int = 2,
    port: int = 0,
) -> Iterator[Server]:
    """``greenroom serve`` on a free port, with its data below ``folder``."""
    home = folder / "home"
    environment = plain_environment(home) | {
        "GREENROOM_DATA": str(folder / "data"),
        "GREENROOM_SECRET_KEY": SECRET_KEY,
        **(settings or {}),
    }
    if database_url is not None:
        environment["GREENROOM_DATABASE_URL"] = database_url
    log = folder / "serve.log"
    with log.open("a") as stderr:
        # In a group of its own, so that a test can kill the server with all its workers.
        process = preloaded().start(
            ["serve", "--port", str(port), "--workers", str(workers)], environment, stderr
        )
    try:
        url, greeting = _greeting(process, log)
        yield Server(url, environment, home, process, greeting)
    finally:
        stop(process)
    processes.look_through(process)


@cache
def preloaded() -> Preloaded:
    """What starts servers quickly; it lives for as long as the tests do."""
    made = Preloaded()
    atexit.register(made.close)
    return made


def stop(process: Process) -> None:
    """Stop a server as an operator does, and see that it goes."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    process.stdout.close()


def _greeting(process: Process, log: Path) -> tuple[str, list[str]]:
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Data:"):
            break
    assert lines, f"the server did not start: {log.read_text()}"
    return lines[0].rpartition(" ")[2].rstrip("/"), lines


def new_database(request: pytest.FixtureRequest, database: str = "sqlite") -> str | None:
    """The URL of a new database of this kind; None is the embedded one."""
    if database == "sqlite":
        return None
    make: MakeDatabase = request.getfixturevalue("new_migrated_postgresql")
    return make()


class Servers:
    """A server on each database, begun when it is first wanted, which tests use one by one."""

    def __init__(self, stack: ExitStack, folders: pytest.TempPathFactory) -> None:
        self._stack = stack
        self._folders = folders
        self._running: dict[str, Server] = {}

    def get(self, request: pytest.FixtureRequest, home: Path, database: str = "sqlite") -> Server:
        """The one on this database; nobody has done anything in it. Clients are at home there."""
        server = self._running.get(database)
        if server is None or server.process.poll() is not None:
            folder = self._folders.mktemp("server")
            url = new_database(request, database)
            server = self._running[database] = self._stack.enter_context(serving(folder, url))
        return as_new(server, home)


def as_new(server: Server, home: Path) -> Server:
    """The server, when all that was done in it is gone; clients are at home there."""
    with server.services() as services:
        empty(services.settings.sqlalchemy_url, is_in_use=True)
        for digest in list(services.storage.digests()):
            services.storage.delete(digest)
    return replace(server, home=home)


@contextmanager
def standing_servers(folders: pytest.TempPathFactory) -> Iterator[Servers]:
    """For a fixture of the whole session; the servers end with it."""
    with ExitStack() as stack:
        yield Servers(stack, folders)
