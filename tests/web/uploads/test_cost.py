"""What an upload costs: queries and flushes, which do not depend on what is there already."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.test_queries import statements

# Locks of the project, of the blobs and of the journal take a query each where they take any.
LOCKS = {"sqlite": 0, "postgresql": 3}


def wheel(folder: Path, name: str, version: str, number: int = 0) -> Path:
    tag = f"py3-none-macosx_{10 + number}_0_arm64"
    return make_wheel(folder, name, version, tag=tag, salt=tag)


@contextmanager
def flushes(patch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """What is flushed to the disk meanwhile."""
    seen: list[Path] = []

    def flush(descriptor: int) -> None:
        seen.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    with patch.context() as context:
        context.setattr(os, "fsync", flush)
        yield seen


def cost(site: Site, path: Path, token: str, *, staged: bool) -> int:
    """The queries that an upload takes, some time after the last one."""
    site.clock.advance(timedelta(seconds=1))
    with statements(site.services.database) as seen:
        assert site.upload(path, token, staged=staged).status_int in (200, 201)
    return len(seen)


@pytest.mark.parametrize("staged", [False, True])
def test_an_upload_takes_few_queries_whatever_is_there(
    site: Site, account: str, tmp_path: Path, staged: bool
) -> None:
    token = site.token()
    site.upload(wheel(tmp_path, "used", "1.0"), token)  # the token's last use is noted
    first = cost(site, wheel(tmp_path, "example", "1.0"), token, staged=staged)

    releases, files = [], []
    for version in ("2.0", "2.1", "2.2"):
        path = wheel(tmp_path, "example", version)
        releases.append(cost(site, path, token, staged=staged))
        for number in (1, 2, 3):
            path = wheel(tmp_path, "example", version, number)
            files.append(cost(site, path, token, staged=staged))

    locks = LOCKS[site.services.database.engine.dialect.name]
    assert first <= 37 + locks  # with the names that nobody may register
    assert set(releases) == {releases[0]}
    assert releases[0] <= 24 + locks  # with jobs, who is told of it, and the audit log
    assert set(files) == {files[0]}
    assert files[0] <= (20 if staged else 18) + locks


def test_an_upload_flushes_two_files_and_their_folders(
    site: Site, account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = site.token()
    path = wheel(tmp_path, "example", "1.0")
    with flushes(monkeypatch) as seen:
        site.upload(path, token, status=200)

    root = site.services.storage.incoming.parent
    files = [place for place in seen if place.parent.name == "incoming"]
    folders = [place for place in seen if place not in files]
    assert len(files) == 2
    assert len(folders) == len(set(folders)) <= 5
    assert all(place.is_relative_to(root) for place in folders)

    with flushes(monkeypatch) as seen:
        site.upload(path, token, status=200)
    assert seen == []
