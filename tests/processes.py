"""The one way in which tests start processes: what they log is looked through for secrets.

Standard error, where this program logs, is kept aside unless a test says where it goes. It is
looked through when the process has ended: at the end of a test, or of all.
``tests/test_architecture.py`` sees that nothing else starts any.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

Words = Sequence[str | Path]
Stream = int | IO[str] | IO[bytes] | None


class _Ending(Protocol):
    def poll(self) -> int | None: ...


class Process(subprocess.Popen[str]):
    """A process whose standard error is kept aside, for its test and for what looks through it."""

    aside: IO[bytes] | None = None
    _kept = ""

    def logged(self) -> str:
        """What it has written to standard error so far; nothing where the test reads that."""
        if self.aside is None:
            return self._kept
        descriptor = self.aside.fileno()  # it writes at the place that it shares with us
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("utf-8", "replace")

    def close_log(self) -> str:
        """All that it has written there; more is not read."""
        self._kept = self.logged()
        if self.aside is not None:
            self.aside.close()
            self.aside = None
        return self._kept

    def forget_log(self) -> str:
        """The same, of which nothing is for others to look through."""
        self.close_log()
        return ""

    def communicate(
        self, input: str | None = None, timeout: float | None = None
    ) -> tuple[str, str]:
        """What it wrote until its end to standard output, where that is a pipe, and to error."""
        out, _ = super().communicate(input, timeout)
        return out or "", self.logged()


_running: list[tuple[_Ending, Callable[[], str]]] = []


def start(
    command: Words,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = None,
    pass_fds: Sequence[int] = (),
    start_new_session: bool = False,
    preexec_fn: Callable[[], object] | None = None,
    is_client: bool = False,
) -> Process:
    """A process that runs.

    ``stderr`` names where its errors go for programs that are not ours. What ``is_client`` tells
    its user there what is the user's to know, and is not looked through. Everything else is as
    :class:`subprocess.Popen` has it.
    """
    aside = tempfile.TemporaryFile() if stderr is None else None  # noqa: SIM115 (read until its end)
    process = Process(
        command,
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=aside if stderr is None else stderr,
        pass_fds=pass_fds,
        start_new_session=start_new_session,
        preexec_fn=preexec_fn,
        text=True,
    )
    process.aside = aside
    if aside is not None:
        watch(process, process.forget_log if is_client else process.close_log)
    return process


def run(
    command: Words,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stderr: Stream = None,
    timeout: float | None = None,
    check: bool = False,
    start_new_session: bool = False,
    is_client: bool = False,
) -> subprocess.CompletedProcess[str]:
    """What comes of a process, whose errors are looked through unless it ``is_client``.

    Raises:
        subprocess.CalledProcessError: it fails, where ``check`` says that it must not.
        subprocess.TimeoutExpired: it takes longer than so many seconds, and is killed.
        secrets_in_logs.SecretLogged: a secret is in its errors.
    """
    process = start(
        command,
        env=env,
        cwd=cwd,
        stderr=stderr,
        start_new_session=start_new_session,
        is_client=is_client,
    )
    with process:
        try:
            out, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    look_through(process)
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out, errors)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def fork(act: Callable[[], object]) -> int:
    """Do this in a fork of this process, which then ends; gives its number.

    Its exit status is 0 where nothing was raised, and nothing secret logged.
    """
    from tests import secrets_in_logs

    secrets_in_logs.look_through()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        act()
        secrets_in_logs.look_through()
        status = 0
    finally:
        os._exit(status)


def watch(process: _Ending, errors: Callable[[], str]) -> None:
    """Look through what a process logs, once it has ended."""
    _running.append((process, errors))


def look_through(process: _Ending) -> None:
    """Look through what a process has logged that has ended, for the last time.

    Raises:
        secrets_in_logs.SecretLogged: a secret is in it.
    """
    for number, (watched, errors) in enumerate(_running):
        if watched is process:
            del _running[number]
            _check(process, errors)
            return


def look_through_ended() -> None:
    """Look through what the processes have logged that have ended since the last time.

    Raises:
        secrets_in_logs.SecretLogged: a secret is in it.
    """
    ended = [watched for watched, _ in _running if watched.poll() is not None]
    for process in ended:
        look_through(process)


def _check(process: _Ending, errors: Callable[[], str]) -> None:
    # Imported where it is needed: it imports the program, which not every process here is made of.
    from tests import secrets_in_logs

    text = errors()
    secrets_in_logs.look_through_text(text, f"The log of {getattr(process, 'args', process)}")
