"""``vnd-greenroom-presigned-v1`` over HTTP: the index says where, the storage gets the bytes."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webtest
from msgspec.structs import replace

from greenroom.registry import projects, upload_sessions
from greenroom.registry.permissions import OPERATOR
from greenroom.services import open_services
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.jobs import do_due
from tests.s3_server import S3Server, put_at, s3_server
from tests.web.conftest import Response, Site, authorization

TYPE = "application/vnd.pypi.upload.v2+json"
PRESIGNED = "vnd-greenroom-presigned-v1"
META = {"meta": {"api-version": "2.0"}}
PART = 400


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def site(
    settings: Settings,
    clock: FakeClock,
    server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """An index that keeps its files on an S3-compatible service, which clients reach."""
    monkeypatch.setattr(upload_sessions, "PART_SIZE", PART)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    folder = base64.b16encode(hashlib.sha256(str(tmp_path).encode()).digest()[:8]).decode()
    on_s3 = replace(
        settings,
        storage_url=f"{server.url}/{folder}",
        s3_endpoint=server.endpoint,
        s3_public_endpoint=server.endpoint,
    )
    services = open_services(on_s3, clock)
    yield Site(services, clock)
    services.database.close()


class Client:
    """A client of the upload API that has opened a session for ``example`` 1.0."""

    def __init__(self, site: Site, token: str) -> None:
        self.app: webtest.TestApp = site.app
        self.headers = authorization(token)
        self.session = self.post("/upload/2.0/", {"name": "example", "version": "1.0"}).json

    def post(self, url: str, body: dict[str, object], status: int | None = None) -> Response:
        headers = self.headers | {"Content-Type": TYPE}
        return self.app.post(url, json.dumps(META | body), headers=headers, status=status)

    def get(self, url: str) -> Response:
        return self.app.get(url, headers=self.headers)

    def announce(self, wheel: Path) -> Any:
        content = wheel.read_bytes()
        body: dict[str, object] = {
            "filename": wheel.name,
            "size": len(content),
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "mechanism": PRESIGNED,
        }
        return self.post(self.session["links"]["upload"], body, 202).json


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


@pytest.fixture
def client(site: Site) -> Client:
    site.user("ada")
    return Client(site, site.token("ada"))


def put(parts: Any, wheel: Path) -> None:
    """Do with the parts of a mechanism what it says."""
    content = wheel.read_bytes()
    for part in parts:
        put_at(part["url"], content[part["start"] : part["start"] + part["size"]])


def test_a_release_whose_file_went_past_the_index_is_published(
    site: Site, client: Client, wheel: Path
) -> None:
    upload = client.announce(wheel)
    put(client.get(upload["links"]["file-upload-session"]).json["mechanism"]["parts"], wheel)

    completed = client.post(upload["links"]["complete"], {}, 201)
    client.post(client.session["links"]["publish"], {}, 201)

    assert completed.json["status"] == "completed"
    assert completed.json["mechanism"]["parts"] == []
    detail = site.app.get(
        "/simple/example/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    ).json
    [file] = detail["files"]
    assert site.app.get(file["url"].replace("../..", "")).body == wheel.read_bytes()


def test_the_mechanism_is_offered_first(client: Client) -> None:
    assert client.session["mechanisms"] == [
        PRESIGNED,
        "http-post-bytes",
        "vnd-greenroom-resumable-v1",
    ]


def test_the_answer_to_an_announcement_says_what_to_put_where(client: Client, wheel: Path) -> None:
    upload = client.announce(wheel)

    mechanism, size = upload["mechanism"], wheel.stat().st_size
    assert {name: value for name, value in mechanism.items() if name != "parts"} == {
        "identifier": PRESIGNED,
        "part-size": PART,
        "expires-at": upload["expires-at"],
    }
    parts = mechanism["parts"]
    assert all(set(part) == {"number", "start", "size", "url"} for part in parts)
    assert [part["number"] for part in parts] == list(range(1, len(parts) + 1))
    assert sum(part["size"] for part in parts) == size


def test_the_status_says_which_parts_have_arrived(client: Client, wheel: Path) -> None:
    upload = client.announce(wheel)
    put(client.get(upload["links"]["file-upload-session"]).json["mechanism"]["parts"][1:2], wheel)

    status = client.get(upload["links"]["file-upload-session"]).json

    assert status["mechanism"]["arrived"] == [2]


def test_a_completion_without_all_parts_is_refused_for_good(client: Client, wheel: Path) -> None:
    upload = client.announce(wheel)

    refusal = client.post(upload["links"]["complete"], {}, 409).json

    assert [error["message"] for error in refusal["errors"]][:1] == [
        f"Part 1 of {len(upload['mechanism']['parts'])} has not arrived."
    ]
    status = client.get(upload["links"]["file-upload-session"]).json
    assert status["status"] == "error"
    assert status["mechanism"]["parts"] == []


def test_who_may_look_but_not_stage_is_given_no_urls(
    site: Site, client: Client, wheel: Path
) -> None:
    upload = client.announce(wheel)
    with site.services.writing() as uow:
        factories.publish_directly(uow, "example")
    site.release(make_wheel(wheel.parent, version="0.9"))
    with site.services.writing() as uow:
        projects.quarantine(uow, OPERATOR, projects.get(uow, "example"))

    status = client.get(upload["links"]["file-upload-session"]).json

    assert status["status"] == "pending"
    assert status["mechanism"]["parts"] == []
    assert "arrived" not in status["mechanism"]


def test_canceling_removes_what_was_put(site: Site, client: Client, wheel: Path) -> None:
    upload = client.announce(wheel)
    here = upload["links"]["file-upload-session"]
    put(client.get(here).json["mechanism"]["parts"], wheel)
    parts = site.services.storage.parts
    assert parts is not None
    assert len(list(parts.uploads())) == 1

    site.app.delete(here, headers=client.headers, status=204)
    do_due(site.services)

    assert list(parts.uploads()) == []


def test_where_clients_do_not_reach_the_storage_the_mechanism_is_unknown(
    settings: Settings,
    server: S3Server,
    clock: FakeClock,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    within = replace(settings, storage_url=server.url, s3_endpoint=server.endpoint)
    site = Site(open_services(within, clock), clock)
    site.user("ada")
    client = Client(site, site.token("ada"))

    assert PRESIGNED not in client.session["mechanisms"]
    body: dict[str, object] = {
        "filename": wheel.name,
        "size": 9,
        "hashes": {"sha256": "0" * 64},
        "mechanism": PRESIGNED,
    }
    client.post(client.session["links"]["upload"], body, 422)
    site.services.database.close()
