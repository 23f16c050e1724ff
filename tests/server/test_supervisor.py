"""The processes of a server: one supervises, one loads and ends, and workers answer."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

import pytest
import requests

import greenroom
from greenroom.cli import served
from greenroom.server.supervisor import Heartbeats, Kept, Order, Report
from tests import processes
from tests.processes import Process
from tests.server.process import Server, Setup, serving, start, stop
from tests.serving import plain_environment
from tests.serving import serving as serving_an_index


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def workers_of(pid: int, count: int, *, without: Collection[int] = ()) -> set[int]:
    """The workers of a supervisor, when there are so many and none of others is among them."""
    found: set[int] = set()

    def look() -> bool:
        found.clear()
        found.update(children(pid))
        return len(found) == count and found.isdisjoint(without)

    assert within(60, look), found
    return found


def is_there(pid: int) -> bool:
    """Whether a process runs, and is not only waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def answers(server: Server) -> bool:
    try:
        return bool(server.get("/who"))
    except requests.RequestException:
        return False


def loader_of(process: Process) -> int:
    """The process that loads, when it says so."""
    assert process.stdout is not None
    return next(int(line.split()[1]) for line in process.stdout if line.startswith("loader "))


def test_who_supervises_has_not_loaded_the_application(tmp_path: Path) -> None:
    environment = plain_environment(tmp_path) | {"GREENROOM_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "greenroom", "serve", "--port", "0", "--workers", "2"]
    with processes.start(command, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Greenroom ")
            workers = workers_of(process.pid, 2)  # whoever has loaded them is gone
            loaded = [Path(f"/proc/{pid}/maps").read_text() for pid in (process.pid, *workers)]
        finally:
            stop(process)
    for library in ("sqlalchemy", "msgspec"):
        assert [library in maps for maps in loaded] == [False, True, True]


def test_what_it_imports_is_little() -> None:
    program = "import sys, greenroom.__main__, greenroom.server.supervisor; print(*sys.modules)"
    imported = set(processes.run([sys.executable, "-c", program], check=True).stdout.split())
    libraries = {"gunicorn", "msgspec", "pydantic", "pyramid", "sqlalchemy", "structlog"}
    much = {"asyncio", "click", "importlib.metadata", "inspect", "logging", "pathlib"}
    assert imported & (libraries | much | {"greenroom.settings"}) == set()


def test_what_reads_the_command_line_may_supervise_too(tmp_path: Path) -> None:
    environment = plain_environment(tmp_path) | {"GREENROOM_DATA": str(tmp_path / "data")}
    program = "from greenroom.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--workers", "1"]
    with processes.start(command, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Greenroom ")
            [first] = workers_of(process.pid, 1)
            os.kill(first, signal.SIGKILL)
            workers_of(process.pid, 1, without={first})
        finally:
            stop(process)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "How many processes answer requests."),
        (["--workers", "none"], 2, "Invalid value for '--workers'"),
        (["--workers", "257"], 2, "Invalid value for '--workers'"),
        (["--host", "192.0.2.1"], 1, "Cannot listen on 192.0.2.1"),
    ],
)
def test_what_is_not_to_be_served_ends_at_once(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    environment = plain_environment(tmp_path) | {"GREENROOM_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "greenroom", "serve", *arguments]
    done = processes.run(command, env=environment)
    assert done.returncode == status
    assert said in (done.stderr if status else done.stdout)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("adopts", [True, False])
def test_workers_that_end_are_replaced_whoever_they_are(adopts: bool) -> None:
    with serving(Setup(workers=2, adopts=adopts)) as server:
        ended: set[int] = set()
        for _ in range(2):
            workers = workers_of(server.process.pid, 2, without=ended)
            ended |= workers
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
        workers_of(server.process.pid, 2, without=ended)
        assert within(60, lambda: answers(server))
        server.process.terminate()
        status, _, errors = server.wait()
    assert status == 0
    for pid in ended:
        assert f"process {pid} has ended and is replaced: signal 9 (Killed)\n" in errors


def test_a_worker_that_is_silent_is_replaced() -> None:
    with serving(Setup(timing={"heartbeat": 1})) as server:
        first = server.get("/who")
        os.kill(int(first), signal.SIGSTOP)
        assert within(60, lambda: not is_there(int(first)))
        assert within(60, lambda: answers(server))
        server.process.terminate()
        status, _, errors = server.wait()
    assert (status, errors) == (0, f"process {first} has ended and is replaced: it was silent\n")


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_end_when_who_supervises_them_is_killed(workers: int) -> None:
    with serving(Setup(workers=workers)) as server:
        pids = workers_of(server.process.pid, workers)
        server.process.kill()
        assert within(60, lambda: not any(map(is_there, pids)))


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """While this file is there, nobody goes on loading."""
    file = tmp_path / "loading"
    file.touch()
    return file


def test_who_loads_first_is_killed(held: Path) -> None:
    process = start(Setup(loading=str(held)))
    os.kill(loader_of(process), signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors == "Error: The process that loads the index has ended: signal 9 (Killed).\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("group", [False, True], ids=["parent", "everyone"])
def test_the_server_is_stopped_while_it_loads(
    held: Path, number: signal.Signals, group: bool
) -> None:
    process = start(Setup(loading=str(held)))
    loader = loader_of(process)
    (os.killpg if group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert not is_there(loader)


def test_who_supervises_is_killed_while_it_loads(held: Path) -> None:
    process = start(Setup(loading=str(held), workers=3))
    loader = loader_of(process)
    process.kill()
    process.wait()
    held.unlink()
    assert within(60, lambda: not is_there(loader))
    output, _ = process.communicate(timeout=30)  # which ends when nobody is left to write it
    assert "http" not in output


def test_who_loads_for_another_worker_is_killed(tmp_path: Path) -> None:
    held = tmp_path / "loading"
    with serving(Setup(loading=str(held), workers=2)) as server:
        killed, other = workers_of(server.process.pid, 2)
        held.touch()
        os.kill(killed, signal.SIGKILL)
        loader = loader_of(server.process)
        os.kill(loader, signal.SIGKILL)
        assert server.get("/who") == str(other)
        held.unlink()
        assert within(60, lambda: server.get("/who") != str(other))
        server.process.terminate()
        status, _, errors = server.wait()
    assert status == 0
    for pid in (killed, loader):
        assert f"process {pid} has ended and is replaced: signal 9 (Killed)\n" in errors


@pytest.mark.parametrize("errors", ["", "/dev/full"])
def test_an_application_that_cannot_be_made_again_ends_the_server(errors: str) -> None:
    with serving(Setup(breaks=True, workers=2), errors) as server:
        killed, other = workers_of(server.process.pid, 2)
        os.kill(killed, signal.SIGKILL)
        status, _, said = server.wait()
    assert status == 1
    assert errors or "this application cannot be made" in said
    assert not is_there(other)


def open_files(pid: int) -> list[str]:
    """What a process has open, besides what it has open for itself alone."""
    return sorted(
        target
        for file in Path(f"/proc/{pid}/fd").iterdir()
        if not (target := os.readlink(file)).startswith("anon_inode:")
    )


def replaced(server: Server, times: int) -> None:
    """Kill its only worker, and wait for another one; so often."""
    for _ in range(times):
        [killed] = workers_of(server.process.pid, 1)
        os.kill(killed, signal.SIGKILL)
        workers_of(server.process.pid, 1, without={killed})
        assert within(60, lambda: answers(server))


@pytest.mark.parametrize("adopts", [True, False])
def test_a_replacement_has_open_what_the_first_one_had(adopts: bool) -> None:
    with serving(Setup(adopts=adopts)) as server:
        assert answers(server)
        before = open_files(server.process.pid)
        replaced(server, 3)
        assert open_files(server.process.pid) == before


@pytest.mark.parametrize("adopts", [True, False])
def test_who_comes_to_a_server_that_stops_is_refused(adopts: bool) -> None:
    """Also where workers were replaced: nobody has the socket open any more."""
    with serving(Setup(adopts=adopts)) as server:
        replaced(server, 2)
        with server.connect() as held:
            held.sendall(b"GET /slow?4000 HTTP/1.1\r\nHost: it\r\n\r\n")
            time.sleep(0.5)
            server.process.terminate()

            def is_refused() -> bool:
                try:
                    server.connect().close()
                except ConnectionRefusedError:
                    return True
                return False

            assert within(3, is_refused)
            assert server.process.poll() is None
            assert held.recv(1000).startswith(b"HTTP/1.1 200")


def test_folders_are_removed_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with serving(Setup(folder=str(folder))) as server:
        replaced(server, 1)
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.parametrize("adopts", [True, False])
def test_a_standard_stream_that_was_closed_is_the_null_device(tmp_path: Path, adopts: bool) -> None:
    """No file or socket that is opened later is in its place."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    setup = json.dumps(asdict(Setup(port=port, adopts=adopts)))
    command = [sys.executable, "-m", "tests.server.process", setup]
    with processes.start(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "it", *command]) as process:
        try:
            server = Server(process, f"http://127.0.0.1:{port}")
            assert within(60, lambda: answers(server))
            [worker] = workers_of(process.pid, 1)
            streams = {
                os.readlink(f"/proc/{pid}/fd/{number}")
                for pid in (process.pid, worker)
                for number in range(3)
            }
        finally:
            stop(process)
    assert (process.returncode, streams) == (0, {"/dev/null"})


TOLD_AT_ONCE = """
import os, signal, sys
from greenroom.server import loader

class Worker:
    tmp = open(os.devnull)
    def notify(self): pass
    def start(self): print("it has begun", flush=True)

def fork():
    pid = forked()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid

forked, os.fork = os.fork, fork
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[1] == "ignored" else lambda *_: None)
gate = loader._Gate()
pid = loader._fork(gate, Worker())
gate.open(1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("before", ["ignored", "noted"])
def test_a_worker_that_is_told_to_end_as_it_begins_ends(before: str) -> None:
    done = processes.run([sys.executable, "-c", TOLD_AT_ONCE, before], check=True)
    assert done.stdout == f"{-signal.SIGTERM}\n"


ORPHAN = """
import os, time
from greenroom.server.supervisor import end_with_parent

parent = os.getpid()
pid = os.fork()
if pid == 0:
    end_with_parent(parent)
    print(os.getpid(), flush=True)
    time.sleep(600)
time.sleep(1)
os._exit(0)
"""


def test_a_process_ends_with_its_parent() -> None:
    done = processes.run([sys.executable, "-c", ORPHAN], check=True)
    assert within(60, lambda: not is_there(int(done.stdout)))


@pytest.mark.parametrize(("closed", "status"), [(">&-", 0), ("2>&-", 2)])
def test_what_nobody_can_be_told_changes_no_exit_status(closed: str, status: int) -> None:
    arguments = ["serve", "--help" if status == 0 else "--nonsense"]
    command = [sys.executable, "-m", "greenroom", *arguments]
    done = processes.run(["sh", "-c", f'exec "$@" {closed}', "it", *command])
    assert done.returncode == status


def test_a_worker_that_replaces_another_has_the_settings_of_the_first(tmp_path: Path) -> None:
    config = tmp_path / "greenroom.toml"
    config.write_text('metrics_token = "a token that is long enough"\n')
    with serving_an_index(
        tmp_path, settings={"GREENROOM_CONFIG": str(config)}, workers=1
    ) as server:
        config.write_text("metrics_token = not toml\n")
        [first] = workers_of(server.process.pid, 1)
        os.kill(first, signal.SIGKILL)
        workers_of(server.process.pid, 1, without={first})
        metrics = server.get("/_metrics", token="a token that is long enough")
    assert metrics.status == 200
    assert b"greenroom_workers 1.0" in metrics.body  # the first one is not counted any more


def test_no_other_version_is_mixed_with_the_one_that_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = Kept({"version": "0.0.1"})
    order = Order([0], os.getpid(), Heartbeats(), kept, (), Report())
    with pytest.raises(SystemExit) as ended:
        served.load(order, 1)
    assert order.report.read() is None
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "Error: A worker cannot be replaced: Greenroom 0.0.1 runs, and what is installed is "
        f"{greenroom.__version__} by now. Start it again.\n"
    )


def test_who_is_slower_to_listen_on_a_port_says_that_it_is_in_use(
    held: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    slow = start(Setup(loading=str(held), port=port, folder=str(folder)))
    loader_of(slow)
    with serving(Setup(port=port)):
        held.unlink()
        _, errors = slow.communicate(timeout=30)
    assert slow.returncode == 1
    assert errors == f"Cannot listen on http://127.0.0.1:{port}: Address already in use.\n"
    assert not folder.exists()
