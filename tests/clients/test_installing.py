"""Clients that install: what they choose, from the index and from a draft."""

from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import pytest
from pypi_simple import PyPISimple

from tests.artifacts import make_sdist, make_wheel
from tests.clients import guide, installers, maintainer
from tests.clients.conftest import SHARED_ON_BOTH, SharedServer
from tests.clients.installers import INSTALLERS, Installation, Installer

every_installer = pytest.mark.parametrize("client", INSTALLERS, ids=attrgetter("__name__"))


def simple(shared: SharedServer) -> str:
    return f"{shared.server.url}/simple/"


def versions(shared: SharedServer, python: list[str], *packages: str) -> list[str]:
    """The versions of packages that a Python has."""
    lines = [f"import {package}; print({package}.__version__)" for package in packages]
    return shared.server.run(*python, "-c", "\n".join(lines)).stdout.split()


@SHARED_ON_BOTH
@every_installer
def test_a_client_installs_the_newest_release_for_its_python_with_what_it_requires(
    shared: SharedServer, client: Installer, tmp_path: Path
) -> None:
    name = f"wanted-by-{client.__name__.replace('_', '-')}"
    base, dist = f"base-of-{name}", tmp_path / "dist"
    requires = [("Requires-Dist", f"{base} (>=1.0)")]
    maintainer.release(shared.services, make_wheel(dist, base))
    maintainer.release(shared.services, make_wheel(dist, name, "1.0", metadata_extra=requires))
    maintainer.release(
        shared.services,
        make_sdist(dist, name, "1.1", metadata_extra=requires),
        make_wheel(dist, name, "1.1", requires_python=">=3.8,<4", metadata_extra=requires),
    )
    maintainer.release(shared.services, make_wheel(dist, name, "2.0", requires_python=">=4"))
    maintainer.release(shared.services, make_wheel(dist, name, "1.2", metadata_extra=requires))
    maintainer.yank(shared.services, name, "1.2")
    maintainer.stage(shared.services, make_wheel(dist, name, "1.3", metadata_extra=requires))
    installation = Installation(shared.server, tmp_path / "here", simple(shared))

    python = client(installation, f"{name}>=1.0")

    package = name.replace("-", "_")
    assert versions(shared, python, package, f"base_of_{package}") == ["1.1", "1.0"]


@pytest.mark.parametrize("client", ["pip", "uv", "poetry", "pdm"])
def test_a_client_installs_a_draft_as_the_guide_says(
    shared: SharedServer, client: str, tmp_path: Path
) -> None:
    name = f"tried-by-{client}"
    maintainer.release(shared.services, make_wheel(tmp_path / "dist", name, "1.0"))
    slug = maintainer.stage(shared.services, make_wheel(tmp_path / "dist", name, "2.0"))
    section = guide.section("Installing", client, url=shared.server.url, slug=slug, project=name)
    home, folder = tmp_path / "home", tmp_path / "here"
    project = Installation(shared.server, folder, simple(shared))
    project.new_project()
    guide.write(section.files, home=home, folder=folder)
    python = project.new_environment(".venv")

    guide.type_in(
        shared.server, section.commands, home=home, folder=folder,
        PIP_PYTHON=str(python),
        POETRY_VIRTUALENVS_IN_PROJECT="true",
    )  # fmt: skip

    assert versions(shared, [str(python)], name.replace("-", "_")) == ["2.0"]


pips = pytest.mark.parametrize(
    "client",
    [client for client in INSTALLERS if client in (installers.pip, installers.old_pip)],
    ids=attrgetter("__name__"),
)


@pips
def test_pip_reads_a_draft_as_json_and_as_html(
    shared: SharedServer, client: Installer, tmp_path: Path
) -> None:
    name = f"read-by-{client.__name__.replace('_', '-')}"
    maintainer.release(shared.services, make_wheel(tmp_path / "dist", name, "1.0"))
    slug = maintainer.stage(
        shared.services,
        make_wheel(tmp_path / "dist", name, "2.0", requires_python=">=3.8,<4"),
        make_sdist(tmp_path / "dist", name, "2.0"),
    )
    installation = Installation(shared.server, tmp_path / "here", simple(shared))

    python = client(
        installation, name, "--extra-index-url", f"{shared.server.url}/draft/{slug}/simple/"
    )

    assert versions(shared, python, name.replace("-", "_")) == ["2.0"]


@pytest.mark.parametrize("client", [installers.pip, installers.uv], ids=attrgetter("__name__"))
def test_a_draft_and_what_it_requires_come_through_one_index(
    shared: SharedServer, client: Installer, tmp_path: Path
) -> None:
    name = f"through-one-by-{client.__name__}"
    required = make_wheel(tmp_path / "dist", f"{name}-needs", "1.0")
    maintainer.release(shared.services, required)
    maintainer.release(shared.services, make_wheel(tmp_path / "dist", name, "1.0"))
    needs = [("Requires-Dist", f"{name}-needs")]
    staged = make_wheel(tmp_path / "dist", name, "2.0", metadata_extra=needs)
    slug = maintainer.stage(shared.services, staged)
    full = f"{shared.server.url}/draft/{slug}/full/simple/"
    installation = Installation(shared.server, tmp_path / "here", full)

    python = client(installation, f"{name}==2.0")

    for module, version in ((name, "2.0"), (f"{name}-needs", "1.0")):
        assert versions(shared, python, module.replace("-", "_")) == [version]


def test_uv_holds_back_what_was_published_too_late_however_early_it_was_staged(
    shared: SharedServer, tmp_path: Path
) -> None:
    maintainer.release(shared.services, make_wheel(tmp_path, "held-back", "1.0"))
    maintainer.stage(shared.services, make_wheel(tmp_path, "held-back", "2.0"))
    between = datetime.now(UTC).isoformat()
    maintainer.publish(shared.services, "held-back", "2.0")
    installation = Installation(shared.server, tmp_path / "here", simple(shared))

    python = installers.uv(installation, "held-back", "--exclude-newer", between)

    assert versions(shared, python, "held_back") == ["1.0"]


def test_pypi_simple_lists_downloads_and_verifies(shared: SharedServer, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist", "read-by-pypi-simple", requires_python=">=3.11")
    sdist = make_sdist(tmp_path / "dist", "read-by-pypi-simple", requires_python=">=3.11")
    maintainer.release(shared.services, sdist, wheel)
    got = tmp_path / "got"

    with PyPISimple(simple(shared)) as client:
        names = client.get_index_page().projects
        page = client.get_project_page("Read.by_pypi-simple")
        for package in page.packages:
            client.download_package(package, got / package.filename)
        metadata = client.get_package_metadata(page.packages[0])

    assert "read-by-pypi-simple" in names
    assert {path.name: path.read_bytes() for path in got.iterdir()} == {
        path.name: path.read_bytes() for path in (sdist, wheel)
    }
    assert [package.package_type for package in page.packages] == ["wheel", "sdist"]
    assert "Requires-Python: >=3.11" in metadata
