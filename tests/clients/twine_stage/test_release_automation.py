"""The example is a release that works, and one that fails without a trace."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import processes
from tests.serving import Server, plain_environment

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "release-automation"
FILES = [
    "tidewatch-1.0-py3-none-any.whl",
    "tidewatch-1.0-py3-none-win_amd64.whl",
    "tidewatch-1.0.tar.gz",
]


@dataclass(frozen=True)
class Automation:
    """A copy of the project, and what the scripts are told."""

    server: Server
    folder: Path

    @property
    def module(self) -> Path:
        return self.folder / "project" / "src" / "tidewatch" / "__init__.py"

    def release(self) -> "subprocess.CompletedProcess[str]":
        tokens = {
            f"{act.upper()}_TOKEN": self.server.token("ada", act)
            for act in ("stage", "publish", "discard")
        }
        return processes.run(
            [EXAMPLE / "release.sh"],
            env=plain_environment(self.folder / "home")
            | tokens
            | {
                "INDEX_URL": self.server.url,
                "PROJECT": str(self.folder / "project"),
                "WORK": str(self.folder / "work"),
                "PYTHON": sys.executable,
            },
            stderr=subprocess.STDOUT,
            timeout=300,
        )

    def public_files(self) -> list[str]:
        answer = self.server.get("/simple/tidewatch/", "application/vnd.pypi.simple.v1+json")
        if answer.status == 404:
            return []
        return [file["filename"] for file in json.loads(answer.body)["files"]]


@pytest.fixture
def automation(server: Server, tmp_path: Path) -> Automation:
    server.user("ada")
    shutil.copytree(EXAMPLE / "project", tmp_path / "project")
    return Automation(server, tmp_path)


# The other one, which is released in the end, is on SQLite.
@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_a_release_of_several_builders_is_published_at_once(automation: Automation) -> None:
    result = automation.release()

    assert result.returncode == 0, result.stdout
    assert automation.public_files() == FILES
    assert ": published" in result.stdout


def test_a_release_that_fails_its_test_frees_the_version(automation: Automation) -> None:
    sound = automation.module.read_text()
    automation.module.write_text(sound.replace("> 0", "> 2"))

    failed = automation.release()

    assert failed.returncode == 1, failed.stdout
    assert "FAILED" in failed.stdout
    assert ": canceled" in failed.stdout
    assert automation.public_files() == []
    assert json.loads(automation.server.greenroom("draft", "list", "--json")) == []
    automation.module.write_text(sound)
    mended = automation.release()
    assert mended.returncode == 0, mended.stdout
    assert ": published" in mended.stdout
    assert automation.public_files() == FILES


def test_the_scripts_can_be_run() -> None:
    scripts = [*EXAMPLE.glob("[1-5]-*.sh"), EXAMPLE / "release.sh"]

    assert len(scripts) == 6
    assert all(os.access(script, os.X_OK) for script in scripts)
