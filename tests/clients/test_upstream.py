"""One address for everything: what clients resolve, lock and install of what an upstream has."""

import json
from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from tests.artifacts import make_wheel
from tests.clients import maintainer, universe
from tests.clients.installers import Installation, pip
from tests.clients.lockers import LOCKERS, Locked, Locker
from tests.clients.upstreams import MODES, in_front_of
from tests.serving import Server, new_database
from tests.upstream_server import UpstreamServer, upstream_running

EVERYTHING = {universe.name(number): universe.chosen(number) for number in range(universe.COUNT)}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpstreamServer]:
    """An index with sixty projects that need each other."""
    with upstream_running() as running:
        universe.fill(running, tmp_path_factory.mktemp("universe"))
        yield running


@pytest.fixture(scope="module")
def fronts(
    request: pytest.FixtureRequest,
    upstream: UpstreamServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Server]]:
    """A server in front of it in each mode, each on another database."""
    databases = dict(zip(MODES, ("sqlite", "postgresql"), strict=True))
    with (
        in_front_of(upstream.url, tmp_path_factory.mktemp("redirect"), "redirect") as redirect,
        in_front_of(
            upstream.url,
            tmp_path_factory.mktemp("cache"),
            "cache",
            database_url=new_database(request, databases["cache"]),
        ) as cache,
    ):
        running = {"redirect": redirect, "cache": cache}
        for server in running.values():
            server.user(maintainer.NAME)
        yield running


@pytest.mark.parametrize("client", LOCKERS, ids=attrgetter("__name__"))
def test_a_lock_file_holds_the_same_hashes_as_directly_from_the_upstream(
    client: Locker, upstream: UpstreamServer, fronts: dict[str, Server], tmp_path: Path
) -> None:
    def locked(server: Server, index: str, folder: str) -> Locked:
        alone = replace(server, home=tmp_path / "homes" / folder)  # where nothing is kept
        return client(Installation(alone, tmp_path / folder, index), universe.ROOT)

    directly = locked(fronts["cache"], upstream.url, "directly")
    assert directly.versions == EVERYTHING
    assert len(directly.hashes) >= universe.COUNT

    for mode, server in fronts.items():
        assert locked(server, f"{server.url}/simple/", mode) == directly


@pytest.mark.parametrize("mode", MODES)
def test_a_draft_is_installed_with_what_it_needs_of_the_upstream_through_one_address(
    mode: str, upstream: UpstreamServer, fronts: dict[str, Server], tmp_path: Path
) -> None:
    server, name = fronts[mode], f"staged-{mode}"
    needs = [("Requires-Dist", universe.ROOT)]
    with server.services() as services:
        slug = maintainer.stage(services, make_wheel(tmp_path, name, "1.0", metadata_extra=needs))
        full = f"{server.url}/draft/{slug}/full/simple/"
        installation = Installation(server, tmp_path / "here", full)

        python = pip(installation, name, "--no-cache-dir")

    assert installed(server, python) == EVERYTHING | {name: "1.0"}
    assert upstream.asked(upstream.page(name)) <= 1  # whether it has it, before the name was ours


def installed(server: Server, python: list[str]) -> dict[str, str]:
    """What a Python has, by name."""
    listing = (
        "import json, importlib.metadata as m;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    found: dict[str, str] = json.loads(server.run(*python, "-c", listing).stdout)
    return found


def test_what_is_published_here_is_installed_beside_what_the_upstream_has(
    upstream: UpstreamServer, fronts: dict[str, Server], tmp_path: Path
) -> None:
    server, leaf = fronts["redirect"], universe.name(universe.COUNT - 1)

    needs = [("Requires-Dist", "house-lib"), ("Requires-Dist", leaf)]
    with server.services() as services:
        maintainer.release(services, make_wheel(tmp_path, "house-app", metadata_extra=needs))
        maintainer.release(services, make_wheel(tmp_path, "house-lib", "0.1"))
    installation = Installation(server, tmp_path / "here", f"{server.url}/simple/")

    python = pip(installation, "house-app", "--no-cache-dir")

    assert installed(server, python) == {
        "house-app": "1.0",
        "house-lib": "0.1",
        leaf: EVERYTHING[leaf],
    }
    for name in ("house-app", "house-lib"):  # whether it has it, before the name was ours
        assert upstream.asked(upstream.page(name)) <= 1
