"""An index to measure: a process of its own, with a temporary data folder, a user and a token."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

USER = "bench"
PASSWORD = "a long password to measure with"
SETTINGS = {"GREENROOM_MAX_FILE_SIZE": "4GiB", "GREENROOM_LOG_FORMAT": "json"}


@dataclass(frozen=True)
class RunningIndex:
    """Where the index is, who may upload, and the process that is the parent of its workers."""

    url: str
    token: str
    pid: int


@contextmanager
def running_index(
    *, workers: int = 2, settings: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[RunningIndex]:
    """Run `greenroom serve` on this port, or a free one, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        environment = os.environ | SETTINGS | {"GREENROOM_DATA": folder} | dict(settings or {})
        _greenroom(
            environment, f"user create {USER} --email bench@example.org --password-stdin", PASSWORD
        )
        token = _greenroom(environment, f"token create --user {USER}").strip()
        command = [*_PROGRAM, "serve", "--port", str(port), "--workers", str(workers)]
        with _running(command, environment) as process:
            yield RunningIndex(announced_url(process), token, process.pid)


def announced_url(process: subprocess.Popen[str]) -> str:
    """The first URL that a process prints, without what ends it there."""
    assert process.stdout is not None
    for line in process.stdout:
        for word in line.split():
            if word.startswith("http://"):
                return word.rstrip("/,")
    raise SystemExit("The server did not start.")


_PROGRAM = [sys.executable, "-m", "greenroom"]


def _greenroom(environment: dict[str, str], arguments: str, standard_input: str = "") -> str:
    done = subprocess.run(
        [*_PROGRAM, *arguments.split()],
        env=environment,
        input=standard_input,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(90)
