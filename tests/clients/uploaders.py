"""The clients that upload, each run as its users run it.

Each is told the address, the user name and the token in the way that its own documentation
recommends for automation, and has no other configuration.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from types import MappingProxyType

from tests.artifacts import make_sdist, make_wheel
from tests.clients.programs import program
from tests.serving import Server

_PYPROJECT = """\
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"

[project]
name = "{name}"
version = "{version}"
description = "An example."
requires-python = ">=3.11"
"""


@dataclass(frozen=True)
class Checkout:
    """The folder of a project, with what was built of it in ``dist/``."""

    folder: Path
    name: str
    version: str

    @property
    def files(self) -> list[Path]:
        return sorted((self.folder / "dist").iterdir())


def make_checkout(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    salt: str = "",
    overrides: Mapping[str, bytes] = MappingProxyType({}),
) -> Checkout:
    """A project that is ready for upload.

    ``salt`` makes other files of the same names; ``overrides`` spoils the wheel.
    """
    package = folder / name.replace("-", "_")
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'__version__ = "{version}"\n')
    (folder / "pyproject.toml").write_text(_PYPROJECT.format(name=name, version=version))
    python, dist = ">=3.11", folder / "dist"
    make_sdist(dist, name, version, requires_python=python, salt=salt)
    make_wheel(dist, name, version, requires_python=python, salt=salt, overrides=overrides)
    return Checkout(folder, name, version)


@dataclass(frozen=True)
class Upload:
    """One run of a client in a checkout."""

    server: Server
    checkout: Checkout
    staged: bool
    token: str

    @property
    def url(self) -> str:
        return f"{self.server.url}/legacy/{'?staged=true' if self.staged else ''}"

    @property
    def files(self) -> list[str]:
        return [str(file) for file in self.checkout.files]

    def run(self, *command: str, **environment: str) -> CompletedProcess[str]:
        return self.server.run(
            *command, environment=environment, folder=self.checkout.folder, check=False
        )


# An upload, and options for this run; gives what was printed and the exit status.
Uploader = Callable[..., CompletedProcess[str]]


def twine(upload: Upload, *options: str) -> CompletedProcess[str]:
    return upload.run(
        sys.executable, "-m", "twine", "upload", *options, *upload.files,
        TWINE_REPOSITORY_URL=upload.url,
        TWINE_USERNAME="__token__",
        TWINE_PASSWORD=upload.token,
    )  # fmt: skip


def uv(upload: Upload, *options: str) -> CompletedProcess[str]:
    return upload.run(
        "uv", "publish", *options, UV_PUBLISH_URL=upload.url, UV_PUBLISH_TOKEN=upload.token
    )


def poetry(upload: Upload, *options: str) -> CompletedProcess[str]:
    return upload.run(
        program("poetry"), "publish", "--no-interaction", "--repository", "greenroom", *options,
        POETRY_REPOSITORIES_GREENROOM_URL=upload.url,
        POETRY_PYPI_TOKEN_GREENROOM=upload.token,
    )  # fmt: skip


def pdm(upload: Upload, *options: str) -> CompletedProcess[str]:
    return upload.run(
        program("pdm"), "publish", "--no-build", *options,
        PDM_PUBLISH_REPO=upload.url,
        PDM_PUBLISH_USERNAME="__token__",
        PDM_PUBLISH_PASSWORD=upload.token,
        PDM_USE_VENV="0",
    )  # fmt: skip


def hatch(upload: Upload, *options: str) -> CompletedProcess[str]:
    return upload.run(
        program("hatch"), "publish", *options,
        HATCH_INDEX_REPO=upload.url,
        HATCH_INDEX_USER="__token__",
        HATCH_INDEX_AUTH=upload.token,
    )  # fmt: skip


def flit(upload: Upload, *options: str) -> CompletedProcess[str]:
    """Builds what it uploads; the time that is set makes it build the same again."""
    return upload.run(
        program("flit"), "publish", *options,
        FLIT_INDEX_URL=upload.url,
        FLIT_USERNAME="__token__",
        FLIT_PASSWORD=upload.token,
        SOURCE_DATE_EPOCH="1700000000",
    )  # fmt: skip


UPLOADERS: list[Uploader] = [twine, uv, poetry, pdm, hatch, flit]

# The options with which a client prints what the index says of a refusal, where it has to be asked.
SAY_WHY: dict[Uploader, tuple[str, ...]] = {pdm: ("-vv",)}
