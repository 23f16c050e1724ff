"""Real indexes behind ours: what they say of a project is on our page, and pip installs it."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage, PyPISimple

from tests.artifacts import make_sdist, make_wheel
from tests.clients.installers import Installation, pip
from tests.clients.peers import PEERS
from tests.clients.upstreams import MODES, in_front_of
from tests.serving import Server

PROJECTS = ("beyond-app", "beyond-base", "beyond-source")


def distributions(folder: Path) -> list[Path]:
    """A wheel that needs another, of which one is for other Pythons, and an sdist alone."""
    needs = [("Requires-Dist", "beyond-base>=1.1"), ("Requires-Dist", "beyond-source")]
    return [
        make_wheel(folder, "beyond-app", "1.0", metadata_extra=needs),
        make_wheel(folder, "beyond-base", "1.0"),
        make_wheel(folder, "beyond-base", "1.1", requires_python=">=3.8,<4"),
        make_wheel(folder, "beyond-base", "2.0", requires_python=">=4"),
        make_sdist(folder, "beyond-source", "1.0", metadata_version="2.2"),
    ]


@dataclass(frozen=True)
class Said:
    """What a page says of a file, but for where it is."""

    filename: str
    digests: tuple[tuple[str, str], ...]
    requires_python: str | None
    yanked: str | None
    size: int | None
    upload_time: datetime | None
    has_metadata: bool
    metadata_digests: tuple[tuple[str, str], ...]


def said(package: DistributionPackage) -> Said:
    return Said(
        package.filename,
        tuple(sorted(package.digests.items())),
        package.requires_python or None,  # devpi-server says that there is none so
        (package.yanked_reason or "") if package.is_yanked else None,
        package.size,
        package.upload_time,
        bool(package.has_metadata),
        tuple(sorted((package.metadata_digests or {}).items())),
    )


def packages(index: str, project: str) -> dict[str, DistributionPackage]:
    with PyPISimple(index, accept=ACCEPT_JSON_PREFERRED) as client:
        return {package.filename: package for package in client.get_project_page(project).packages}


def is_on_our_page(index: str, ours: Server, mode: str) -> None:
    """Every file, as the index says it; where it is as the mode says."""
    for project in PROJECTS:
        theirs, found = packages(index, project), packages(f"{ours.url}/simple/", project)
        assert [said(package) for package in found.values()] == [
            said(package) for package in theirs.values()
        ]
        for filename, package in found.items():
            if mode == "redirect":
                assert package.url == theirs[filename].url
            else:
                assert package.url.startswith(f"{ours.url}/upstream/up/{project}/")
                assert package.url.endswith(f"/{filename}")


@pytest.mark.parametrize("peer", PEERS)
def test_what_a_peer_has_is_installed_through_ours(peer: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        # Of which nothing is asked but to have a place for clients to be at home.
        plain = tmp_path / "home"
        client = Server("", {}, plain, process=None)  # type: ignore[arg-type]
        files = distributions(tmp_path / "dist")
        index = stack.enter_context(PEERS[peer](files, tmp_path, client))
        for mode in MODES:
            folder = tmp_path / mode
            folder.mkdir()
            ours = stack.enter_context(in_front_of(index, folder, mode, workers=1))

            is_on_our_page(index, ours, mode)
            installation = Installation(ours, folder / "here", f"{ours.url}/simple/")
            python = pip(installation, "beyond-app", "--no-cache-dir")

            lines = "import beyond_app, beyond_base, beyond_source as source\n" + (
                "print(beyond_app.__version__, beyond_base.__version__, source.__version__)"
            )
            assert ours.run(*python, "-c", lines).stdout.split() == ["1.0", "1.1", "1.0"]
