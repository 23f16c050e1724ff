"""Clients read an index that asks who reads, as the guide says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artifacts import make_wheel
from tests.clients import guide, maintainer
from tests.clients.conftest import SharedServer
from tests.clients.installers import Installation
from tests.clients.test_mirroring import Mirror
from tests.serving import new_database, serving


@pytest.fixture(scope="module")
def private(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServer]:
    """An index whose new projects are private, and a token of their owner that reads."""
    folder = tmp_path_factory.mktemp("private")
    settings = {"GREENROOM_READ": "projects"}
    with (
        serving(folder, new_database(request, "postgresql"), settings=settings) as server,
        server.services() as services,
    ):
        maintainer.join(services)
        maintainer.release(services, make_wheel(folder / "dist", "confidential"))
        yield SharedServer(server, services, server.token(maintainer.NAME, "read"))


def section(private: SharedServer, client: str, token: str) -> guide.Section:
    url = private.server.url
    host = url.removeprefix("http://").partition(":")[0]
    return guide.section(
        "Reading with a token",
        client,
        url_with_token=url.replace("://", f"://__token__:{token}@"),
        machine=f"machine {host}",
        url=url,
        token=token,
        project="confidential",
    )


@pytest.mark.parametrize("client", ["pip", "uv", "poetry", "pdm", "hatch", "netrc"])
def test_a_client_installs_what_its_token_may_read(
    private: SharedServer, client: str, tmp_path: Path
) -> None:
    written = section(private, client, private.token)
    home, folder = tmp_path / "home", tmp_path / "here"
    project = Installation(private.server, folder, "")
    project.new_project()
    if client == "hatch":
        with (folder / "pyproject.toml").open("a") as file:
            file.write(HATCH)
    guide.write(written.files, home=home, folder=folder)
    python = project.new_environment(".venv")

    guide.type_in(
        private.server, written.commands, home=home, folder=folder,
        HATCH_DATA_DIR=str(tmp_path / "hatch"),
        PIP_PYTHON=str(python) if client != "hatch" else "",
        POETRY_VIRTUALENVS_IN_PROJECT="true",
    )  # fmt: skip

    found = [*folder.rglob("confidential-*.dist-info"), *tmp_path.rglob("confidential-*.dist-info")]
    assert found


@pytest.mark.parametrize("client", ["pip", "uv pip"])
def test_a_client_finds_its_token_in_a_keyring(
    private: SharedServer, client: str, tmp_path: Path
) -> None:
    home, folder = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    project = Installation(private.server, folder, "")
    project.new_project()
    python = project.new_environment(".venv")
    (tmp_path / "kept_in_a_file.py").write_text(KEYRING)
    url = f"{private.server.url}/simple/"
    with_name = url.replace("://", "://__token__@")
    which = f"--keyring-provider subprocess --index-url {with_name}"

    guide.type_in(
        private.server,
        [
            f"keyring set {url} __token__ <<< {private.token}",
            f"{client} install {which} confidential",
        ],
        home=home, folder=folder,
        PIP_PYTHON=str(python),
        PYTHON_KEYRING_BACKEND="kept_in_a_file.Keyring",
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip

    assert [*folder.rglob("confidential-*.dist-info")]


def test_a_client_without_a_token_finds_nothing(private: SharedServer, tmp_path: Path) -> None:
    answers = {
        name: private.server.get(f"/simple/{name}/") for name in ("confidential", "unheard-of")
    }

    assert [answer.status for answer in answers.values()] == [401, 401]
    assert answers["confidential"].body == answers["unheard-of"].body


def test_bandersnatch_mirrors_what_its_token_may_read(
    private: SharedServer, tmp_path: Path
) -> None:
    written = section(private, "bandersnatch", private.token)
    mirror = Mirror(private.server, tmp_path / "mirror", "xmlrpc", written)

    mirror.update()

    assert mirror.projects() == ["confidential"]
    assert list(mirror.digests()) == ["confidential-1.0-py3-none-any.whl"]


# There is no keyring of a desktop here.
KEYRING = """
import json
import pathlib

import keyring.backend

FILE = pathlib.Path(__file__).with_name("keyring.json")


class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        return kept.get(f"{service} {username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps({f"{service} {username}": password}))
"""

HATCH = """
[tool.hatch.envs.default]
installer = "pip"
skip-install = true
dependencies = ["confidential"]
"""
