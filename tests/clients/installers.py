"""The clients that install, each run as its users run it, with one index and no other."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients.programs import program
from tests.serving import Server

_PYPROJECT = """\
[project]
name = "application"
version = "1.0"
requires-python = ">=3.11,<4"

[tool.pdm]
distribution = false

[tool.poetry]
package-mode = false
"""


@dataclass(frozen=True)
class Installation:
    """One run of a client in a folder of its own."""

    server: Server
    folder: Path
    index: str

    def run(self, *command: str, **environment: str) -> str:
        self.folder.mkdir(exist_ok=True)
        return self.server.run(*command, environment=environment, folder=self.folder).stdout

    def new_environment(self, name: str = "environment") -> Path:
        """A virtual environment without anything in it; gives its Python."""
        self.run("uv", "venv", "--python", sys.executable, name)
        return self.folder / name / "bin" / "python"

    def new_project(self) -> None:
        """The folder of a project that requires nothing yet, and that nobody distributes."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "pyproject.toml").write_text(_PYPROJECT)


# An installation, a requirement and options; gives the command that runs Python with it.
Installer = Callable[..., list[str]]


def pip(installation: Installation, requirement: str, *options: str) -> list[str]:
    python = str(installation.new_environment())
    installation.run(
        sys.executable, "-m", "pip", "--python", python, "install", *options, requirement,
        PIP_INDEX_URL=installation.index,
    )  # fmt: skip
    return [python]


def old_pip(installation: Installation, requirement: str, *options: str) -> list[str]:
    """The last pip that reads HTML alone; it cannot yet install into another environment."""
    installation.run(
        program("python"), "-m", "pip", "install", "--target", "packages", *options, requirement,
        PIP_INDEX_URL=installation.index,
    )  # fmt: skip
    return ["env", f"PYTHONPATH={installation.folder / 'packages'}", sys.executable]


def uv(installation: Installation, requirement: str, *options: str) -> list[str]:
    python = str(installation.new_environment())
    installation.run(
        "uv", "pip", "install", "--python", python, *options, requirement,
        UV_DEFAULT_INDEX=installation.index,
    )  # fmt: skip
    return [python]


def poetry(installation: Installation, requirement: str, *options: str) -> list[str]:
    installation.new_project()
    installation.run(program("poetry"), "source", "add", "greenroom", installation.index)
    installation.run(
        program("poetry"), "add", *options, requirement, POETRY_VIRTUALENVS_IN_PROJECT="true"
    )
    return [str(installation.folder / ".venv" / "bin" / "python")]


def pdm(installation: Installation, requirement: str, *options: str) -> list[str]:
    installation.new_project()
    installation.run(program("pdm"), "add", *options, requirement, PDM_PYPI_URL=installation.index)
    return [str(installation.folder / ".venv" / "bin" / "python")]


INSTALLERS: list[Installer] = [pip, uv, poetry, pdm]
if sys.version_info < (3, 12):
    # Newer ones cannot import it.
    INSTALLERS.append(old_pip)
