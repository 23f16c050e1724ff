"""Greenroom and twine, started at once: forks of a process that has imported everything.

Most of what it takes to start a program is to import what it is made of, and tests start hundreds.
What runs is what ``python -m greenroom`` or ``python -m twine`` runs, in a process of its own, with
the environment, the arguments and the streams it is given; ``tests/test_cli.py`` and
``tests/clients/test_uploading.py`` start them the usual way.

    python -m tests.preloaded <program> <file descriptor of a socket>

takes a request for each process: arguments, environment and folder as JSON, and three file
descriptors, of standard output, standard error, and of a pipe into which it writes the exit status.
"""

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, NoReturn

from tests import processes

# What each program is made of; the function ``main`` of the first module is the program.
_MODULES = {
    "greenroom": (
        "greenroom.cli",
        "greenroom.cli.failures",
        "greenroom.cli.served",
        "greenroom.cli.serving",
        "greenroom.background",
        "greenroom.server.loader",
        "greenroom.server.serve",
        "greenroom.web.application",
        "greenroom.web.http.authentication",
        "alembic.command",
        "sqlalchemy.dialects.postgresql.psycopg2",
        "sqlalchemy.dialects.sqlite.pysqlite",
    ),
    "twine": ("twine.__main__", "twine.commands.upload", "twine_stage.commands"),
}
# A variable of the environment: the seconds that a server waits for what, as JSON.
HURRY = "TESTS_HURRY"
_LARGEST_REQUEST = 1 << 20
_CHECKOUT = Path(__file__).resolve().parent.parent


class Process:
    """A process that was started so, with what tests use of a ``subprocess.Popen``."""

    def __init__(self, pid: int, status: int, stdout: IO[str]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it takes longer than so many seconds.
        """
        status = self._wait(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if not selector.select(timeout):
                    return None
            said = os.read(self._status, 20)
            os.close(self._status)
            self.returncode = int(said) if said else -signal.SIGKILL
        return self.returncode


class Preloaded:
    """The process that forks; it ends with the tests."""

    def __init__(
        self, program: str = "greenroom", environment: Mapping[str, str] | None = None
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _LARGEST_REQUEST)
        self._channel = ours
        self._is_of_the_index = program == "greenroom"
        self._process = processes.start(
            [sys.executable, "-m", "tests.preloaded", program, str(theirs.fileno())],
            env=environment,
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,
            cwd=_CHECKOUT,
            start_new_session=True,
        )
        theirs.close()

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], stderr: IO[str]
    ) -> Process:
        """Start the program with these arguments, in a process group of its own."""
        out, their_out = os.pipe()
        pid, status = self._fork(arguments, environment, _CHECKOUT, their_out, stderr.fileno())
        os.close(their_out)
        process = Process(pid, status, os.fdopen(out))
        log = Path(stderr.name)
        processes.watch(process, lambda: log.read_text("utf-8", "replace"))
        return process

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        timeout: float | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """What comes of the program, run in a folder.

        Raises:
            subprocess.TimeoutExpired: it takes longer than so many seconds, and is killed.
        """
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            pid, status = self._fork(arguments, environment, folder, out.fileno(), errors.fileno())
            process = Process(pid, status, out)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(pid, signal.SIGKILL)
                raise
            for file in (out, errors):
                file.seek(0)
            result = subprocess.CompletedProcess(arguments, code, out.read(), errors.read())
            if self._is_of_the_index:
                from tests import secrets_in_logs  # which what is started so is not made of

                secrets_in_logs.look_through_text(result.stderr, f"The log of {arguments}")
            return result

    def _fork(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        out: int,
        errors: int,
    ) -> tuple[int, int]:
        """The number of the new process, and where its exit status will be read."""
        status, their_status = os.pipe()
        request = json.dumps([list(arguments), dict(environment), str(folder)]).encode()
        socket.send_fds(self._channel, [request], [out, errors, their_status])
        os.close(their_status)
        return int(self._channel.recv(20)), status

    def close(self) -> None:
        """End the process; what it has started goes on."""
        self._channel.close()
        self._process.wait()


def _serve(program: str, channel: socket.socket) -> None:
    """Fork until the other end of the channel is closed."""
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    running: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        for source in (channel.fileno(), woken):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 1000)
                    _reap(running)
                    continue
                request, descriptors, *_ = socket.recv_fds(channel, _LARGEST_REQUEST, 3)
                if not request:
                    return
                pid = os.fork()
                if pid == 0:
                    _run(program, request, descriptors)
                running[pid] = descriptors[2]
                for descriptor in descriptors[:2]:
                    os.close(descriptor)
                channel.send(str(pid).encode())


def _reap(running: dict[int, int]) -> None:
    """Tell the exit status of each process that has ended."""
    for pid, status in list(running.items()):
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            os.write(status, str(os.waitstatus_to_exitcode(code)).encode())
            os.close(status)
            del running[pid]


def _run(program: str, request: bytes, descriptors: Sequence[int]) -> NoReturn:
    """Be the command, in the process that was just forked."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for stream, descriptor in enumerate(descriptors[:2], start=1):
        os.dup2(descriptor, stream)
    os.closerange(3, 1000)
    arguments, environment, folder = json.loads(request)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = [program, *arguments]
    if hurry := os.environ.pop(HURRY, None):
        _hurry(json.loads(hurry))
    code: int | str | None = 0
    try:
        code = importlib.import_module(_MODULES[program][0]).main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    atexit._run_exitfuncs()
    for file in (sys.stdout, sys.stderr):
        file.flush()
    os._exit(code or 0)


def _hurry(seconds: Mapping[str, float]) -> None:
    """Let the server of this process wait no longer than that, as it has no setting for it."""
    serve = importlib.import_module("greenroom.server.serve")
    serve.Timing = partial(serve.Timing, **seconds)  # type: ignore[attr-defined]


def _preload(program: str) -> None:
    """Import what the program is made of."""
    for module in _MODULES[program]:
        importlib.import_module(module)
    if program == "greenroom":
        importlib.import_module("tests.secrets_in_logs").write_down()
        _make_application()
    # What is here stays, and is shared with the forks for as long as they do not touch it.
    gc.collect()
    gc.freeze()


def _make_application() -> None:
    """Import what an application imports when it is made."""
    from greenroom.services import open_services
    from greenroom.settings import Settings
    from greenroom.web.application import make_app

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), secret_key="not a secret, only for tests")
        make_app(settings, services=open_services(settings))


if __name__ == "__main__":
    _preload(sys.argv[1])
    _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
