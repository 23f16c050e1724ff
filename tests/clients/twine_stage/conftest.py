"""Somebody who works with ``twine stage``, and releases to stage."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.artifacts import make_wheel
from tests.preloaded import Preloaded
from tests.serving import Server, Servers, plain_environment


@dataclass(frozen=True)
class Uploader:
    """A home folder of their own, an index, and a token for it."""

    home: Path
    url: str
    token: str

    @property
    def state(self) -> Path:
        return self.home / "state" / "twine-stage"

    @property
    def environment(self) -> dict[str, str]:
        return plain_environment(self.home) | {
            "XDG_STATE_HOME": str(self.home / "state"),
            "TWINE_REPOSITORY_URL": f"{self.url}/legacy/",
            "TWINE_USERNAME": "__token__",
            "TWINE_PASSWORD": self.token,
        }

    def start(self, *arguments: str | Path) -> processes.Process:
        return processes.start(
            self.command(*arguments), env=self.environment, cwd=self.home, is_client=True
        )

    def run(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str | None] | None = None,
        status: int = 0,
    ) -> "subprocess.CompletedProcess[str]":
        """Run twine; a variable that is None is not set."""
        given = {**self.environment, **(environment or {})}
        wanted = {name: value for name, value in given.items() if value is not None}
        # What Python itself is told, it has to be told when it starts.
        anew = any(name.startswith("PYTHON") for name in environment or {})
        result = (self._run_anew if anew else self._run)(arguments, wanted)
        assert result.returncode == status, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        assert self.token not in result.stdout + result.stderr
        return result

    def _run(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        words = [str(argument) for argument in arguments]
        return _twine().run(words, environment, self.home, timeout=180)

    def _run_anew(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        return processes.run(
            self.command(*arguments),
            env=environment,
            cwd=self.home,
            timeout=180,
            is_client=True,
            # Without a terminal, which it would ask for a password.
            start_new_session=True,
        )

    def json(self, *arguments: str | Path, status: int = 0) -> Any:
        """What twine says to scripts."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)

    def stage(self, *dists: Path, options: tuple[str, ...] = ()) -> Any:
        """Stage one release; gives its session."""
        [session] = self.json("stage", *options, *dists)["sessions"]
        return session

    @staticmethod
    def command(*arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "twine", *(str(argument) for argument in arguments)]


@cache
def _twine() -> Preloaded:
    """What runs twine; it lives for as long as the tests do."""
    home = tempfile.TemporaryDirectory()
    made = Preloaded("twine", plain_environment(Path(home.name)))
    atexit.register(home.cleanup)
    atexit.register(made.close)
    return made


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Server:
    """An index in which nobody has done anything; on SQLite where a test does not say."""
    return servers.get(request, tmp_path / "home", getattr(request, "param", "sqlite"))


@pytest.fixture
def uploader(server: Server, tmp_path: Path) -> Uploader:
    return make_uploader(server, "ada", tmp_path)


def make_uploader(server: Server, name: str, folder: Path, *permissions: str) -> Uploader:
    home = folder / name
    home.mkdir()
    return Uploader(home, server.url, server.token(server.user(name), *permissions))


@pytest.fixture
def large_wheel(tmp_path: Path) -> Path:
    """One that takes a while to send."""
    return make_wheel(tmp_path / "large", "thing", payload=os.urandom(8 * 1024 * 1024))


def public_files(server: Server, project: str) -> list[str]:
    answer = server.get(f"/simple/{project}/", "application/vnd.pypi.simple.v1+json")
    if answer.status == 404:
        return []
    return [file["filename"] for file in json.loads(answer.body)["files"]]
