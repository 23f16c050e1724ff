"""Indexes of others, run on loopback as their documentation runs them.

devpi-server is among the clients; simple-repository-server has an environment of its own, which
``make test`` makes from the lock file that ``make bench`` uses, too.
"""

import hashlib
import html
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from tests import processes
from tests.clients import maintainer
from tests.clients.programs import program
from tests.serving import Server, plain_environment, serving

_SIMPLE_REPOSITORY = Path(sys.prefix) / "bench" / "simple-repository" / "bin"


# devpi-server


@contextmanager
def devpi_server(server: Server, folder: Path) -> Iterator[str]:
    """A devpi-server without an index, at which root is signed in; gives its address."""
    data = str(folder / "devpi")
    server.run(program("devpi-init"), "--serverdir", data, "--no-root-pypi")
    url = f"http://127.0.0.1:{free_port()}"
    with _running(
        [
            *(program("devpi-server"), "--serverdir", data),
            *("--listen", url.removeprefix("http://"), "--threads", "4"),
            # Its secrets are not worth the seconds and the half gigabyte that they cost.
            *("--argon2-memory-cost", "1024", "--argon2-time-cost", "1"),
        ],
        f"{url}/+api",
        folder / "devpi",
    ):
        devpi(server, "use", url)
        devpi(server, "login", "root", "--password=")
        yield url


def devpi(server: Server, *arguments: str) -> None:
    """Run the client of devpi."""
    server.run(program("devpi"), *arguments)


@contextmanager
def devpi_index(files: Sequence[Path], folder: Path, server: Server) -> Iterator[str]:
    """An index of a devpi-server with these files; gives the address of its simple index.

    ``server`` is where the client of devpi is at home.
    """
    with devpi_server(server, folder) as url:
        devpi(server, "index", "--create", "root/tried", "volatile=True")
        devpi(server, "use", f"{url}/root/tried")
        devpi(server, "upload", *map(str, files))
        yield f"{url}/root/tried/+simple/"


# Others


@contextmanager
def simple_repository(files: Sequence[Path], folder: Path, server: Server) -> Iterator[str]:
    """simple-repository-server on a folder for each project."""
    packages = folder / "packages"
    for file in files:
        (packages / project_of(file)).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, packages / project_of(file))
    installed = _SIMPLE_REPOSITORY / "simple-repository-server"
    assert installed.exists(), "simple-repository-server is not installed: `make test` does that."
    port = free_port()
    url = f"http://127.0.0.1:{port}/simple/"
    command = [installed, "--host", "127.0.0.1", "--port", str(port), str(packages)]
    with _running([*map(str, command)], url, folder / "simple-repository"):
        yield url


@contextmanager
def second_greenroom(files: Sequence[Path], folder: Path, server: Server) -> Iterator[str]:
    """Another index of ours."""
    with serving(folder / "second", settings={"GREENROOM_NEW_PROJECTS_PER_HOUR": "0"}) as second:
        with second.services() as services:
            maintainer.join(services)
            for file in files:
                maintainer.release(services, file)
        yield f"{second.url}/simple/"


@contextmanager
def static_files(files: Sequence[Path], folder: Path, server: Server) -> Iterator[str]:
    """Pages that somebody has written into a folder, with the digests of the files and no more."""
    root = folder / "static"
    pages: dict[str, list[str]] = {}
    for file in files:
        target = root / "files" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        link = f'<a href="../../files/{html.escape(file.name)}#sha256={digest}">{file.name}</a>'
        pages.setdefault(project_of(file), []).append(link)
    _write(root / "simple", [f'<a href="{project}/">{project}</a>' for project in pages])
    for project, links in pages.items():
        _write(root / "simple" / project, links)
    port = free_port()
    url = f"http://127.0.0.1:{port}/simple/"
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with _running([*command, "--directory", str(root)], url, folder / "static-server"):
        yield url


def _write(folder: Path, links: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "<br>\n".join(["<!DOCTYPE html>\n<title>Links</title>", *links])
    (folder / "index.html").write_text(text)


def project_of(file: Path) -> str:
    """The normalized name of the project that a distribution is of."""
    parse = parse_wheel_filename if file.suffix == ".whl" else parse_sdist_filename
    name, *_ = parse(file.name)
    return name


PEERS = {
    "greenroom": second_greenroom,
    "devpi-server": devpi_index,
    "simple-repository-server": simple_repository,
    "static": static_files,
}
"""Each takes files, a folder and a server of ours, and gives the address of a simple index."""


@contextmanager
def _running(command: Sequence[str], url: str, home: Path) -> Iterator[None]:
    home.mkdir(exist_ok=True)
    with (home / "log").open("w") as log:
        process = processes.start(
            command,
            env=plain_environment(home / "home"),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(url, process, home / "log")
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def _wait_for(url: str, process: processes.Process, log: Path) -> None:
    """Until something answers there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        assert process.poll() is None, f"it ended: {log.read_text()}"
        try:
            opener.open(url, timeout=5).close()
        except URLError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("it did not start within a minute")
