"""Storages of both kinds, and the server that one of them needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.storage import LocalStorage, Parts, Storage, open_storage
from tests.s3_server import S3Server, s3_server
from tests.storage.keeping import unused_prefix


@pytest.fixture(scope="package")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def signed_in(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest) -> tuple[str | None, str | None]:
    """The URL and the endpoint of an empty storage."""
    if request.param == "local":
        return None, None
    server: S3Server = request.getfixturevalue("signed_in")
    return f"{server.url}/{unused_prefix()}", server.endpoint


@pytest.fixture
def storage(place: tuple[str | None, str | None], tmp_path: Path) -> Storage:
    url, endpoint = place
    return open_storage(url, tmp_path / "files", s3_endpoint=endpoint)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "files")


@pytest.fixture
def s3(signed_in: S3Server, tmp_path: Path) -> Storage:
    url = f"{signed_in.url}/{unused_prefix()}"
    return open_storage(url, tmp_path / "files", s3_endpoint=signed_in.endpoint)


@pytest.fixture
def parts(signed_in: S3Server, tmp_path: Path) -> Parts:
    """The parts of a storage that clients reach under another address than the index does."""
    storage = open_storage(
        f"{signed_in.url}/{unused_prefix()}",
        tmp_path / "files",
        s3_endpoint=signed_in.endpoint,
        s3_public_endpoint=signed_in.endpoint.replace("127.0.0.1", "localhost"),
    )
    assert storage.parts is not None
    return storage.parts
