"""Upload 2.0 (PEP 694, draft of 29 July 2026) over HTTP: addresses, statuses, headers, bodies."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import RoleName, Token
from greenroom.registry import drafts, projects, roles
from greenroom.registry.draft_contents import content_digest
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.reviews import review_all
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.web.conftest import Response, Site, authorization

JSON = "application/vnd.pypi.upload.v2+json"
PROBLEM = "application/problem+json"
ROOT = "/upload/2.0/"
META = {"api-version": "2.0"}
WHEEL = "example-1.0-py3-none-any.whl"
POST_BYTES = "http-post-bytes"
RESUMABLE = "vnd-greenroom-resumable-v1"
BASE = "http://index.example"


class Client:
    """Somebody who speaks Upload 2.0 with one token."""

    def __init__(self, site: Site, token: str | None) -> None:
        self.site = site
        self.headers = authorization(token) if token is not None else {}

    def ask(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        status: int | str = "*",
        content_type: str = JSON,
        **headers: str,
    ) -> Response:
        data = (
            body
            if isinstance(body, bytes)
            else (b"" if body is None else json.dumps(body).encode())
        )
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.site.app.request(
            url,
            method=method,
            body=data,
            headers=sent | ({"Content-Type": content_type} if data else {}),
            status=status,
        )

    def get(self, url: str, **options: Any) -> Response:
        return self.ask("GET", url, **options)

    def post(self, url: str, body: object = None, **options: Any) -> Response:
        return self.ask("POST", url, {"meta": META} if body is None else body, **options)

    def delete(self, url: str, **options: Any) -> Response:
        return self.ask("DELETE", url, **options)

    def create(self, name: str = "example", version: str = "1.0", **options: Any) -> Response:
        return self.post(ROOT, {"meta": META, "name": name, "version": version}, **options)

    def session(self, name: str = "example", version: str = "1.0") -> dict[str, Any]:
        """The body of a new session."""
        return body(self.create(name, version, status=201))

    def announce(
        self, session: dict[str, Any], path: Path, mechanism: str = POST_BYTES, **options: Any
    ) -> Response:
        content = path.read_bytes()
        said = {
            "meta": META,
            "filename": path.name,
            "size": len(content),
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "mechanism": mechanism,
        }
        return self.post(session["links"]["upload"], said, **options)

    def send(self, upload: dict[str, Any], content: bytes, **options: Any) -> Response:
        return self.post(
            upload["mechanism"]["file_url"],
            content,
            content_type="application/octet-stream",
            **options,
        )

    def patch(self, upload: dict[str, Any], offset: int | str, content: bytes) -> Response:
        return self.ask(
            "PATCH",
            upload["mechanism"]["file_url"],
            content,
            content_type="application/octet-stream",
            Upload_Offset=str(offset),
        )

    def complete(self, upload: dict[str, Any], **options: Any) -> Response:
        return self.post(upload["links"]["complete"], **options)

    def add(self, session: dict[str, Any], path: Path) -> dict[str, Any]:
        """The completed upload of a file."""
        upload = body(self.announce(session, path, status=202))
        self.send(upload, path.read_bytes(), status=204)
        return body(self.complete(upload, status=201))


def body(response: Response) -> dict[str, Any]:
    """The body of an answer of the API, in the form that all have."""
    assert response.headers["Content-Type"] == JSON
    assert response.headers["Cache-Control"] == "private, no-store"
    got: dict[str, Any] = json.loads(response.body)
    assert got["meta"] == META
    return got


def problem(response: Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The body of a refusal, in the form that all have (RFC 9457)."""
    assert response.status_int == status, response.text
    assert response.headers["Content-Type"] == PROBLEM
    assert "no-store" in response.headers["Cache-Control"]
    got: dict[str, Any] = json.loads(response.body)
    assert set(got) == {"type", "status", "title", "detail", "details", "meta", "errors"}
    assert got["status"] == status
    assert got["meta"] == META
    assert got["type"].startswith(f"{BASE}/help/errors/#")
    assert got["detail"] == got["details"] == got["errors"][0]["message"]
    assert all(set(error) == {"source", "message"} for error in got["errors"])
    if code is not None:
        assert got["type"].endswith(f"#{code}")
    return got


@pytest.fixture
def client(site: Site) -> Client:
    site.user("ada")
    return Client(site, site.token("ada"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


def public(site: Site) -> list[str]:
    with site.services.reading() as uow:
        return factories.public_filenames(uow, "example")


# Sessions


def test_a_session_is_created(client: Client) -> None:
    response = client.create("Example", "1.0", status=201)

    created = body(response)
    session = created["links"]["session"]
    token = created["session-token"]
    assert response.headers["Location"] == session
    assert session.startswith(f"{BASE}/upload/2.0/session/")
    assert created["links"] == {
        "session": session,
        "upload": f"{session}upload",
        "publish": f"{session}publish",
        "extend": f"{session}extend",
        "stage": f"{BASE}/draft/{token}/simple/",
        "join-set": f"{session}set",
    }
    assert token not in session
    assert created["mechanisms"][0] == POST_BYTES
    assert RESUMABLE in created["mechanisms"]
    assert created["status"] == "open"
    assert created["files"] == {}
    assert created["expires-at"] == "2026-06-15T12:00:00Z"
    assert any("pip install" in notice for notice in created["notices"])


def test_its_status_is_the_same_body(client: Client) -> None:
    created = client.session()
    assert body(client.get(created["links"]["session"], status=200)) == created


def test_the_same_status_is_found_by_project_and_version(client: Client, site: Site) -> None:
    created = client.session()
    found = site.app.get("/api/drafts/example/1.0", headers=client.headers)
    assert body(found) == created


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0"])
def test_while_one_is_open_there_is_no_other(client: Client, version: str) -> None:
    created = client.session()

    response = client.create("EXAMPLE", version)

    problem(response, 409, "session-exists")
    assert response.headers["Location"] == created["links"]["session"]
    assert created["session-token"] not in response.text


def test_after_the_end_a_new_one_has_other_addresses(client: Client) -> None:
    first = client.session()
    client.delete(first["links"]["session"], status=204)

    second = client.session()

    for key in ("session", "stage"):
        assert first["links"][key] != second["links"][key]
    assert first["session-token"] != second["session-token"]
    assert body(client.get(first["links"]["session"]))["status"] == "canceled"


BAD_BODIES: dict[str, object] = {
    "no JSON": b"{",
    "no object": [],
    "nothing": {"x": 1},
    "no meta": {"name": "example", "version": "1.0"},
    "meta of another kind": {"meta": "2.0", "name": "example", "version": "1.0"},
    "another version": {"meta": {"api-version": "3.0"}, "name": "example", "version": "1.0"},
    "a number as version": {"meta": {"api-version": 2.0}, "name": "example", "version": "1.0"},
    "no name": {"meta": META, "version": "1.0"},
    "no version": {"meta": META, "name": "example"},
    "an empty name": {"meta": META, "name": "", "version": "1.0"},
    "a name of another kind": {"meta": META, "name": ["example"], "version": "1.0"},
    "an invalid name": {"meta": META, "name": "-example", "version": "1.0"},
    "a name with NUL": {"meta": META, "name": "exam\0ple", "version": "1.0"},
    "half a character": b'{"meta": {"api-version": "2.0"}, "name": "\\ud800", "version": "1"}',
    "bytes that are no text": b'{"meta": {"api-version": "2.0"}, "name": "\xff", "version": "1"}',
    "an invalid version": {"meta": META, "name": "example", "version": "one"},
    "a local version": {"meta": META, "name": "example", "version": "1.0+local"},
    "too much": {"meta": META, "name": "example", "version": "1.0", "x": "y" * 70_000},
    "too deep": b"[" * 10_000,
}


def test_a_body_that_makes_no_sense_is_refused(client: Client) -> None:
    answers = {what: client.post(ROOT, sent) for what, sent in BAD_BODIES.items()}

    said = {what: answer.status_int for what, answer in answers.items()}
    assert said == dict.fromkeys(BAD_BODIES, 400)
    for answer in answers.values():
        problem(answer, 400)


def test_every_key_that_is_wrong_is_named(client: Client) -> None:
    got = problem(client.post(ROOT, {"meta": {}, "name": 1}), 400, "invalid-request")
    assert [error["message"] for error in got["errors"]] == [
        "meta.api-version: This key is missing.",
        "name: Expected `str`, got `int`.",
        "version: This key is missing.",
    ]


def test_keys_of_other_indexes_are_ignored(client: Client) -> None:
    meta = META | {"_elsewhere.example": {"organization": "x"}}
    client.post(ROOT, {"meta": meta, "name": "example", "version": "1.0", "y": 1}, status=201)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/vnd.pypi.upload.v1+json",
        "text/plain",
        "multipart/form-data",
    ],
)
def test_a_body_of_another_type_is_refused(client: Client, content_type: str, wheel: Path) -> None:
    session = client.session()
    upload = body(client.announce(session, wheel))
    links = session["links"] | upload["links"]
    for url in (ROOT, *(links[name] for name in ("publish", "extend", "upload", "complete"))):
        sent = {"meta": META, "name": "example", "version": "2.0"}
        problem(client.post(url, sent, content_type=content_type), 415)


@pytest.mark.parametrize(
    "content_type",
    [
        f"{JSON}; charset=utf-8",
        f"{JSON};charset=UTF-8",
        f'{JSON} ; charset="utf-8"',
        f'{JSON}\t;\ta="; b=c";;',
        f"{JSON};",
        JSON.upper(),
        JSON.title() + "; Charset=UTF-8",
        f" {JSON} ",
    ],
)
def test_a_content_type_is_read_as_http_has_it(
    client: Client, content_type: str, wheel: Path
) -> None:
    session = body(client.create(status=201, content_type=content_type))
    upload = client.announce(session, wheel, content_type=content_type)
    assert upload.status_int == 202


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate, gzip", "identity, gzip"])
def test_a_compressed_body_is_refused_as_one(client: Client, coding: str, wheel: Path) -> None:
    session = client.session()
    refused = [client.create("other", Content_Encoding=coding)]
    upload = body(client.announce(session, wheel))
    bytes_url = upload["mechanism"]["file_url"]
    refused.append(client.post(bytes_url, wheel.read_bytes(), Content_Encoding=coding))
    for response in refused:
        problem(response, 415)
        assert "The request body is compressed" in response.json["detail"]
    client.post(bytes_url, wheel.read_bytes(), Content_Encoding="identity", status=204)


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.pypi.upload.v1+json", "image/*"])
def test_who_accepts_nothing_of_ours_is_told(client: Client, accept: str) -> None:
    session = client.session()
    problem(client.create("other", Accept=accept), 406)
    problem(client.get(session["links"]["session"], Accept=accept), 406)


@pytest.mark.parametrize("accept", ["*/*", "", JSON, "application/*", f"text/html, {JSON};q=0.1"])
def test_whatever_takes_ours_is_fine(client: Client, accept: str) -> None:
    client.create(Accept=accept, status=201)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("GET", "publish"),
        ("PUT", "session"),
        ("POST", "session"),
        ("GET", "upload"),
        ("DELETE", "publish"),
    ],
)
def test_another_method_is_not_there(client: Client, method: str, name: str) -> None:
    session = client.session()
    response = client.ask(method, session["links"][name])
    problem(response, 405)
    assert method not in response.headers["Allow"]


@pytest.mark.parametrize("path", ["x", "session/", "session/" + "A" * 22 + "/", "session/%00/"])
def test_what_is_not_there_is_a_problem_too(client: Client, path: str) -> None:
    problem(client.get(ROOT + path), 404, "not-found")


# Files


def test_a_file_is_announced_sent_and_completed(client: Client, site: Site, wheel: Path) -> None:
    session = client.session()

    response = client.announce(session, wheel, status=202)
    upload = body(response)
    here = upload["links"]["file-upload-session"]
    assert response.headers["Location"] == here
    assert int(response.headers["Retry-After"]) > 0
    assert here.startswith(session["links"]["session"])
    assert upload == {
        "meta": META,
        "links": {
            "file-upload-session": here,
            "complete": f"{here}complete",
            "extend": f"{here}extend",
        },
        "status": "pending",
        "expires-at": "2026-06-02T12:00:00Z",
        "mechanism": {"identifier": POST_BYTES, "file_url": f"{here}bytes"},
    }
    listed = body(client.get(session["links"]["session"]))["files"]
    link = f"{BASE}/draft/{session['session-token']}/files/{WHEEL}"
    assert listed == {WHEEL: {"status": "pending", "link": link}}
    site.app.get(link, status=404)

    assert client.send(upload, wheel.read_bytes(), status=204).body == b""
    completed = client.complete(upload, status=201)
    assert completed.headers["Location"] == here
    assert body(completed) == upload | {"status": "completed"}

    listed = body(client.get(session["links"]["session"]))["files"]
    assert listed == {WHEEL: {"status": "completed", "link": link}}
    assert site.app.get(link).body == wheel.read_bytes()
    answer = client.get(here, status=200)
    assert body(answer) == upload | {"status": "completed"}
    assert int(answer.headers["Retry-After"]) > 0


def test_a_failed_completion_is_final_and_says_why(client: Client, wheel: Path) -> None:
    session = client.session()
    upload = body(client.announce(session, wheel))
    client.send(upload, b"x" * wheel.stat().st_size, status=204)

    got = problem(client.complete(upload), 400, "wrong-digest")

    seen = body(client.get(upload["links"]["file-upload-session"]))
    assert seen["status"] == "error"
    assert seen["notices"] == [got["detail"]]
    listed = body(client.get(session["links"]["session"]))["files"][WHEEL]
    assert (listed["status"], listed["notices"]) == ("error", [got["detail"]])
    problem(client.complete(upload), 409, "upload-conflict")
    problem(client.send(upload, wheel.read_bytes()), 409, "upload-conflict")
    problem(client.announce(session, wheel), 409, "upload-conflict")
    refusal = problem(client.post(session["links"]["publish"]), 409, "cannot-publish")
    assert f"{WHEEL!r} is in error" in refusal["errors"][0]["message"]

    client.delete(upload["links"]["file-upload-session"], status=204)
    client.add(session, wheel)
    client.post(session["links"]["publish"], status=201)


def test_a_file_without_its_bytes_is_not_completed(client: Client, wheel: Path) -> None:
    upload = body(client.announce(client.session(), wheel))
    problem(client.complete(upload), 409, "upload-conflict")


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [(-1, 400, "invalid-request"), (1, 409, "too-large"), (None, 400, "invalid-request")],
)
def test_too_few_or_too_many_bytes_are_refused_and_may_be_sent_again(
    client: Client, wheel: Path, sent: int | None, status: int, code: str
) -> None:
    upload = body(client.announce(client.session(), wheel))
    content = wheel.read_bytes()
    wrong = b"" if sent is None else content[:-1] if sent < 0 else content + b"x"

    problem(client.send(upload, wrong), status, code)

    client.send(upload, content, status=204)
    client.complete(upload, status=201)


UNACCEPTABLE: list[tuple[dict[str, object], int, str]] = [
    ({"filename": "example.txt"}, 400, "invalid-distribution"),
    ({"filename": "other-1.0.tar.gz"}, 400, "invalid-distribution"),
    ({"filename": "example-2.0.tar.gz"}, 400, "invalid-distribution"),
    ({"filename": "exam\0ple-1.0.tar.gz"}, 400, "invalid-distribution"),
    ({"filename": "a" * 300}, 400, "invalid-request"),
    ({"size": 0}, 400, "invalid-request"),
    ({"size": -1}, 400, "invalid-request"),
    ({"size": "10"}, 400, "invalid-request"),
    ({"size": 1.5}, 400, "invalid-request"),
    ({"size": True}, 400, "invalid-request"),
    ({"size": 2**70}, 400, "invalid-request"),
    ({"size": 2**40}, 409, "too-large"),
    ({"hashes": {}}, 400, "invalid-request"),
    ({"hashes": {"md5": "0" * 32}}, 400, "invalid-request"),
    ({"hashes": {"sha256": "0"}}, 400, "invalid-request"),
    ({"hashes": {"\0": "0" * 64}}, 400, "invalid-request"),
    ({"hashes": "sha256"}, 400, "invalid-request"),
    ({"mechanism": "vnd-elsewhere-x"}, 422, "unknown-mechanism"),
    ({"mechanism": ""}, 400, "invalid-request"),
]


def test_what_cannot_be_accepted_is_refused_before_it_is_sent(client: Client) -> None:
    session = client.session()
    right = {
        "meta": META,
        "filename": WHEEL,
        "size": 1000,
        "hashes": {"sha256": "0" * 64},
        "mechanism": POST_BYTES,
    }
    for changes, status, code in UNACCEPTABLE:
        answer = client.post(session["links"]["upload"], right | changes)

        assert answer.status_int == status, changes
        problem(answer, status, code)
        assert body(client.get(session["links"]["session"]))["files"] == {}, changes


def test_a_published_file_is_a_conflict(client: Client, site: Site, wheel: Path) -> None:
    site.release(wheel)
    problem(client.announce(client.session(), wheel), 409, "file-exists")


def test_a_file_under_way_is_a_conflict_and_a_completed_one_is_replaced(
    client: Client, wheel: Path, tmp_path: Path
) -> None:
    session = client.session()
    upload = body(client.announce(session, wheel))
    problem(client.announce(session, wheel), 409, "upload-conflict")
    client.send(upload, wheel.read_bytes())
    client.complete(upload, status=201)

    client.add(session, make_wheel(tmp_path / "other", salt="other"))

    seen = body(client.get(upload["links"]["file-upload-session"]))
    assert seen["status"] == "canceled"


def test_a_file_is_deleted_by_its_session_or_its_link(
    client: Client, site: Site, wheel: Path, tmp_path: Path
) -> None:
    session = client.session()
    first = client.add(session, wheel)
    second = body(client.announce(session, make_sdist(tmp_path)))
    links = {
        name: file["link"]
        for name, file in body(client.get(session["links"]["session"]))["files"].items()
    }

    response = client.delete(first["links"]["file-upload-session"], status=204)
    assert response.body == b""
    assert client.delete(links["example-1.0.tar.gz"], status=204).body == b""

    assert body(client.get(session["links"]["session"]))["files"] == {}
    for upload in (first, second):
        here = upload["links"]["file-upload-session"]
        assert body(client.get(here, status=200))["status"] == "canceled"
        client.delete(here, status=204)
    problem(client.delete(links[WHEEL]), 404)


def test_the_link_of_a_file_lets_nobody_delete_it_who_may_not(
    client: Client, site: Site, wheel: Path
) -> None:
    session = client.session()
    client.add(session, wheel)
    link = body(client.get(session["links"]["session"]))["files"][WHEEL]["link"]
    site.user("eve")

    anonymous = Client(site, None).delete(link)
    problem(anonymous, 401)
    assert "WWW-Authenticate" in anonymous.headers
    problem(Client(site, site.token("eve")).delete(link), 403)
    assert site.app.get(link, status=200).body == wheel.read_bytes()


def test_more_time_is_given_as_far_as_that_goes(client: Client, wheel: Path) -> None:
    session = client.session()
    upload = body(client.announce(session, wheel))
    hour: dict[str, object] = {"meta": META, "extend-for": 3600}

    longer = body(client.post(session["links"]["extend"], hour, status=200))
    assert longer["expires-at"] == "2026-06-15T13:00:00Z"
    assert longer == body(client.get(session["links"]["session"]))
    answer = client.post(upload["links"]["extend"], hour, status=200)
    assert body(answer) == upload | {"expires-at": "2026-06-02T13:00:00Z"}
    assert "Retry-After" in answer.headers

    endless = {"meta": META, "extend-for": 2**53 - 1}
    longest = body(client.post(session["links"]["extend"], endless, status=200))
    assert longest["expires-at"] == "2026-07-31T12:00:00Z"
    assert (
        body(client.post(upload["links"]["extend"], endless))["expires-at"] == longest["expires-at"]
    )


def test_a_number_of_seconds_may_have_a_fraction_of_zero(client: Client) -> None:
    session = client.session()
    answer = client.post(session["links"]["extend"], {"meta": META, "extend-for": 3600.0})
    assert body(answer)["expires-at"] == "2026-06-15T13:00:00Z"


@pytest.mark.parametrize("length", [-1, 1.5, "3600", None, 2**70, True])
def test_more_time_is_a_number_of_seconds(client: Client, length: object) -> None:
    session = client.session()
    problem(client.post(session["links"]["extend"], {"meta": META, "extend-for": length}), 400)


# Resumable uploads


def test_a_file_comes_in_parts(client: Client, wheel: Path) -> None:
    content = wheel.read_bytes()
    upload = body(client.announce(client.session(), wheel, RESUMABLE, status=202))
    url = upload["mechanism"]["file_url"]

    def offsets(response: Response) -> tuple[int, str, str]:
        headers = response.headers
        return response.status_int, headers["Upload-Offset"], headers["Upload-Length"]

    length = str(len(content))
    assert offsets(client.ask("HEAD", url)) == (204, "0", length)
    assert offsets(client.patch(upload, 0, content[:100])) == (204, "100", length)
    assert offsets(client.ask("HEAD", url)) == (204, "100", length)
    problem(client.patch(upload, 0, content), 409, "wrong-offset")
    problem(client.patch(upload, 101, content[101:]), 409, "wrong-offset")
    problem(client.patch(upload, 100, content[100:] + b"x"), 409, "too-large")
    for nonsense in ("", "-1", "x", "1e2", "٣", "9" * 30):
        raw = nonsense.encode().decode("latin-1")
        problem(client.patch(upload, raw, content), 400, "invalid-request")
    assert offsets(client.patch(upload, 100, content[100:])) == (204, length, length)
    problem(client.patch(upload, len(content), b"x"), 409, "too-large")
    assert body(client.complete(upload, status=201))["status"] == "completed"


def test_each_mechanism_has_its_method(client: Client, wheel: Path, tmp_path: Path) -> None:
    session = client.session()
    whole = body(client.announce(session, wheel))
    parts = body(client.announce(session, make_sdist(tmp_path), RESUMABLE))

    problem(client.patch(whole, 0, b"x"), 409, "upload-conflict")
    problem(client.send(parts, make_sdist(tmp_path).read_bytes()), 409, "upload-conflict")


# The end


def test_a_session_is_published(client: Client, site: Site, wheel: Path, tmp_path: Path) -> None:
    session = client.session()
    client.add(session, wheel)
    client.add(session, make_sdist(tmp_path))
    assert public(site) == []

    response = client.post(session["links"]["publish"], status=201)

    assert response.headers["Location"] == session["links"]["session"]
    published = body(response)
    assert published["status"] == "published"
    assert published["links"] == {"session": session["links"]["session"]}
    assert sorted(public(site)) == [WHEEL, "example-1.0.tar.gz"]
    assert body(client.post(session["links"]["publish"], status=201)) == published
    assert body(client.get(session["links"]["session"])) == published


DIGEST = "sha256:" + "a" * 64


def publication(digest: object) -> dict[str, object]:
    return {"meta": META, "content-digest": digest}


def test_what_is_published_can_be_named_by_its_digest(
    client: Client, site: Site, wheel: Path, tmp_path: Path
) -> None:
    session = client.session()
    here, publish = session["links"]["session"], session["links"]["publish"]
    assert session["content-digest"] == content_digest("example", "1.0", {})
    client.add(session, wheel)
    reviewed = body(client.get(here))["content-digest"]
    client.add(session, make_sdist(tmp_path))

    refusal = problem(client.post(publish, publication(reviewed)), 409, "draft-changed")

    assert public(site) == []
    assert [error["message"].partition(":")[0] for error in refusal["errors"][1:]] == [
        "'example-1.0.tar.gz' was added"
    ]
    now = body(client.get(here))["content-digest"]
    assert now in refusal["detail"]
    published = body(client.post(publish, publication(now), status=201))
    assert published["content-digest"] == now
    assert body(client.post(publish, publication(now), status=201)) == published
    problem(client.post(publish, publication(reviewed)), 409, "draft-changed")
    assert body(client.post(publish, status=201)) == published


def test_what_is_no_digest_publishes_nothing(client: Client, site: Site, wheel: Path) -> None:
    session = client.session()
    client.add(session, wheel)

    for digest in (None, "", 7, "sha256:" + "A" * 64, "sha256:" + "a" * 63, DIGEST + "\n"):
        refusal = client.post(session["links"]["publish"], publication(digest))

        assert refusal.status_int == 400, digest
        assert "content-digest" in problem(refusal, 400, "invalid-request")["detail"]
        assert public(site) == [], digest


def test_the_digest_of_another_session_publishes_nothing(
    client: Client, site: Site, wheel: Path
) -> None:
    session = client.session()
    client.add(session, wheel)
    other = content_digest("example", "2.0", {})

    refusal = client.post(session["links"]["publish"], publication(other))

    assert "never had the content" in problem(refusal, 409, "draft-changed")["detail"]
    assert public(site) == []


def test_an_empty_session_registers_a_name(client: Client, site: Site) -> None:
    session = client.session("fresh", "0.0.0a0")

    published = body(client.post(session["links"]["publish"], status=201))

    assert published["status"] == "published"
    site.user("eve")
    refusal = Client(site, site.token("eve")).create("fresh", "1.0")
    problem(refusal, 403)
    problem(client.post(client.session("fresh", "1.0")["links"]["publish"]), 409, "cannot-publish")


def test_a_session_is_canceled_with_all_that_is_in_it(
    client: Client, site: Site, wheel: Path, tmp_path: Path
) -> None:
    session = client.session()
    completed = client.add(session, wheel)
    pending = body(client.announce(session, make_sdist(tmp_path)))

    assert client.delete(session["links"]["session"], status=204).body == b""

    seen = body(client.get(session["links"]["session"], status=200))
    assert (seen["status"], seen["files"]) == ("canceled", {})
    client.delete(session["links"]["session"], status=204)
    for upload in (completed, pending):
        here = upload["links"]["file-upload-session"]
        assert body(client.get(here, status=200))["status"] == "canceled"
        problem(client.complete(upload), 410, "draft-ended")
        problem(client.send(upload, b"x"), 410, "draft-ended")
    problem(client.announce(session, wheel), 410, "draft-ended")
    problem(client.post(session["links"]["publish"]), 410, "draft-ended")
    problem(client.post(session["links"]["extend"], {"meta": META, "extend-for": 1}), 410)
    site.app.get(session["links"]["stage"], status=410)
    site.user("eve")
    Client(site, site.token("eve")).create(status=201)


@pytest.mark.parametrize("end", ["cancel", "publish", "expire"])
def test_how_it_ended_is_told_for_thirty_days(
    client: Client, site: Site, clock: FakeClock, wheel: Path, end: str
) -> None:
    session = client.session()
    here = session["links"]["session"]
    upload = client.add(session, wheel)
    if end == "cancel":
        client.delete(here, status=204)
    elif end == "publish":
        client.post(session["links"]["publish"], status=201)
    else:
        clock.advance(site.services.settings.draft_lifetime)
        with site.services.writing() as uow:
            drafts.expire_due(uow, "example")
    status = "published" if end == "publish" else "canceled"

    clock.advance(timedelta(days=30) - timedelta(microseconds=1))
    assert body(client.get(here, status=200))["status"] == status
    client.get(upload["links"]["file-upload-session"], status=200)

    clock.advance(timedelta(microseconds=1))
    problem(client.get(here), 404, "not-found")
    problem(client.get(upload["links"]["file-upload-session"]), 404, "not-found")
    problem(client.post(session["links"]["publish"]), 404, "not-found")


def test_an_expired_session_is_canceled_from_the_second_it_falls_due(
    client: Client, clock: FakeClock, site: Site
) -> None:
    session = client.session()
    clock.advance(site.services.settings.draft_lifetime)

    assert body(client.get(session["links"]["session"]))["status"] == "canceled"
    problem(client.post(session["links"]["publish"]), 410, "draft-ended")
    assert client.session()["links"]["session"] != session["links"]["session"]


# Both ways into one draft


def test_a_legacy_upload_joins_the_session(
    client: Client, site: Site, wheel: Path, tmp_path: Path
) -> None:
    session = client.session()
    client.add(session, wheel)

    answer = site.upload(make_sdist(tmp_path), site.token(), staged=True, status=200)

    assert body(answer) == body(client.get(session["links"]["session"]))
    assert answer.headers["Location"] == session["links"]["session"]
    assert set(answer.json["files"]) == {WHEEL, "example-1.0.tar.gz"}
    client.post(session["links"]["publish"], status=201)
    assert len(public(site)) == 2


def test_the_session_that_a_legacy_upload_opened_takes_uploads(
    client: Client, site: Site, wheel: Path, tmp_path: Path
) -> None:
    opened = site.upload(make_sdist(tmp_path), site.token(), staged=True, status=201)
    conflict = client.create()
    problem(conflict, 409, "session-exists")
    assert conflict.headers["Location"] == opened.headers["Location"]
    session = body(client.get(conflict.headers["Location"]))

    client.add(session, wheel)
    client.delete(session["files"]["example-1.0.tar.gz"]["link"], status=204)
    client.post(session["links"]["publish"], status=201)

    assert public(site) == [WHEEL]


def test_an_unflagged_legacy_upload_is_refused_while_a_session_is_open(
    client: Client, site: Site, wheel: Path
) -> None:
    session = client.session()
    answer = site.upload(wheel, site.token(), status=400)
    assert session["session-token"] not in answer.text
    assert public(site) == []


# Reviews


class TestReviewed:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        command = f"sh -c 'echo scanned; test ! -e {tmp_path}/refuse'"
        return replace(settings, review_command=command)

    def test_publication_is_decided_later(
        self, client: Client, site: Site, wheel: Path, tmp_path: Path
    ) -> None:
        session = client.session()
        here = session["links"]["session"]
        upload = client.add(session, wheel)
        (tmp_path / "refuse").touch()

        accepted = client.post(session["links"]["publish"], status=202)
        assert accepted.headers["Location"] == here
        assert int(accepted.headers["Retry-After"]) > 0
        assert body(accepted)["status"] == "processing"
        waiting = client.get(here, status=200)
        assert (body(waiting)["status"], "Retry-After" in waiting.headers) == ("processing", True)
        client.post(session["links"]["publish"], status=202)
        for refusal in (
            client.delete(here),
            client.delete(upload["links"]["file-upload-session"]),
            client.delete(waiting.json["files"][WHEEL]["link"]),
            client.announce(session, make_sdist(tmp_path)),
            client.post(session["links"]["extend"], {"meta": META, "extend-for": 1}),
        ):
            problem(refusal, 409, "being-reviewed")
        conflict = client.create()
        problem(conflict, 409, "session-exists")
        assert conflict.headers["Location"] == here

        review_all(site.services)
        refused = client.get(here, status=200)
        assert body(refused)["status"] == "error"
        assert "scanned" in refused.json["notices"]
        assert "Retry-After" not in refused.headers
        assert public(site) == []

        (tmp_path / "refuse").unlink()
        client.post(session["links"]["publish"], status=202)
        review_all(site.services)
        passed = body(client.get(here, status=200))
        assert passed["status"] == "published"
        assert "scanned" in passed["notices"]
        assert public(site) == [WHEEL]

    def test_a_legacy_upload_meanwhile_is_refused_and_nobody_takes_it_for_done(
        self, client: Client, site: Site, wheel: Path, tmp_path: Path
    ) -> None:
        session = client.session()
        client.add(session, wheel)
        client.post(session["links"]["publish"], status=202)

        for staged in (True, False):
            same = site.upload(wheel, site.token(), staged=staged, status=409)
            assert "File already exists" in same.status
            other = site.upload(make_sdist(tmp_path), site.token(), staged=staged, status=400)
            assert "already" not in other.text

    def test_direct_uploads_are_refused(self, client: Client, site: Site, wheel: Path) -> None:
        answer = site.upload(wheel, site.token(), status=400)
        assert "reviews what is published" in answer.text


# Who asks


BAD_CREDENTIALS: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"Authorization": ""},
    "a wrong token": authorization("gr_" + "A" * 48),
    "a wrong bearer": {"Authorization": "Bearer gr_x"},
    "a password": authorization(factories.PASSWORD, "ada"),
    "another scheme": {"Authorization": "Digest gr_x"},
    "no base64": {"Authorization": "Basic %%%"},
}


def requests(client: Client, wheel: Path, sdist: Path) -> dict[str, Callable[[Client], Response]]:
    """Every request that the API knows, against a session with a completed and a pending file."""
    session = client.session()
    done = client.add(session, wheel)
    pending = body(client.announce(session, sdist, RESUMABLE))
    links, length = session["links"], {"meta": META, "extend-for": 1}
    link = body(client.get(links["session"]))["files"][WHEEL]["link"]
    return {
        "create": lambda c: c.create(),
        "status": lambda c: c.get(links["session"]),
        "extend": lambda c: c.post(links["extend"], length),
        "announce": lambda c: c.announce(session, wheel),
        "file status": lambda c: c.get(pending["links"]["file-upload-session"]),
        "extend file": lambda c: c.post(pending["links"]["extend"], length),
        "offset": lambda c: c.ask("HEAD", pending["mechanism"]["file_url"]),
        "send": lambda c: c.patch(pending, 0, sdist.read_bytes()),
        "complete": lambda c: c.complete(pending),
        "delete file": lambda c: c.delete(done["links"]["file-upload-session"]),
        "delete link": lambda c: c.delete(link),
        "publish": lambda c: c.post(links["publish"]),
        "cancel": lambda c: c.delete(links["session"]),
    }


def test_every_request_takes_valid_credentials(
    client: Client, site: Site, wheel: Path, tmp_path: Path
) -> None:
    acts = requests(client, wheel, make_sdist(tmp_path))
    slug = body(acts["status"](client))["session-token"]
    for headers in BAD_CREDENTIALS.values():
        somebody = Client(site, None)
        somebody.headers = headers
        for name, act in acts.items():
            response = act(somebody)
            assert response.status_int == 401, name
            assert response.headers["WWW-Authenticate"].startswith("Basic"), name
            assert slug not in response.text
            if name != "offset":  # a HEAD has no body
                problem(response, 401, "not-authenticated")


def test_a_browsers_session_opens_nothing(client: Client, site: Site) -> None:
    session = client.session()
    browser = site.sign_in("ada")
    browser.get(session["links"]["session"], status=401)


def test_a_bearer_is_as_good(site: Site) -> None:
    site.user("ada")
    client = Client(site, None)
    client.headers = {"Authorization": f"Bearer {site.token('ada')}"}
    client.create(status=201)


# What each may do to a session of `example`: the status of each request, in this order.
# 409: the actor may, and only the state of things does not allow it.
ACTS = (
    "create",
    "status",
    "extend",
    "file status",
    "extend file",
    "offset",
    "send",
    "complete",
    "delete file",
    "announce",
    "publish",
    "cancel",
)
MAY_ALL = (409, 200, 200, 200, 200, 204, 204, 201, 204, 202, 201, 204)
MAY_STAGE = (409, 200, 200, 200, 200, 204, 204, 201, 204, 202, 403, 403)
MAY_PUBLISH = (403, 200, 403, 200, 403, 204, 403, 403, 403, 403, 201, 403)
MAY_DISCARD = (*MAY_PUBLISH[:-2], 403, 204)
MAY_NOTHING = (403,) * 12
PERMISSIONS: dict[str, tuple[int, ...]] = {
    "owner": MAY_ALL,
    "maintainer": MAY_ALL,
    "stranger": MAY_NOTHING,
    "administrator": MAY_NOTHING,
    "owner, stage only": MAY_STAGE,
    "owner, stage and publish": (*MAY_ALL[:-1], 403),
    "owner, stage and discard": (*MAY_ALL[:-2], 403, 204),
    "owner, publish only": MAY_PUBLISH,
    "owner, discard only": MAY_DISCARD,
    "owner, manage only": MAY_NOTHING,
    "owner, this project": MAY_ALL,
    "owner, another project": MAY_NOTHING,
}
TOKENS: dict[str, dict[str, Any]] = {
    "stage only": {"permissions": ["stage"]},
    "stage and publish": {"permissions": ["stage", "publish"]},
    "stage and discard": {"permissions": ["stage", "discard"]},
    "publish only": {"permissions": ["publish"]},
    "discard only": {"permissions": ["discard"]},
    "manage only": {"permissions": ["manage"]},
    "this project": {"project": "example"},
    "another project": {"project": "another"},
}


# Permissions are judged without the database.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("who", PERMISSIONS)
def test_who_may_do_what(site: Site, tmp_path: Path, who: str) -> None:
    username, _, kind = who.partition(", ")
    for name in ("owner", "maintainer", "stranger"):
        site.user(name)
    site.user("administrator", administrator=True)
    owner = Client(site, site.token("owner"))
    site.release(make_wheel(tmp_path, version="0.1"), by="owner")
    site.release(make_wheel(tmp_path, "another"), by="owner")
    site.role("example", "maintainer", RoleName.MAINTAINER)
    client = Client(site, site.token(username, **TOKENS.get(kind, {})))

    acts = requests(owner, make_wheel(tmp_path), make_sdist(tmp_path))
    slug = body(acts["status"](owner))["session-token"]
    second = owner.session(version="2.0")["links"]["session"]

    got = {}
    for act in ACTS:
        response = client.delete(second) if act == "cancel" else acts[act](client)
        got[act] = response.status_int
        if response.status_int == 403:
            assert slug not in response.text
            assert "Location" not in response.headers
            # What comes after it needs what it would have done.
            if act in ("send", "complete", "delete file"):
                acts[act](owner)
        if act == "announce" and response.status_int == 202:
            owner.delete(response.headers["Location"], status=204)

    assert got == dict(zip(ACTS, PERMISSIONS[who], strict=True))


def test_permission_is_judged_at_each_request(site: Site, wheel: Path, tmp_path: Path) -> None:
    site.user("ada")
    site.user("bob")
    site.release(make_wheel(tmp_path, version="0.1"))
    client, bob = Client(site, site.token("ada")), Client(site, site.token("bob"))
    site.role("example", "bob", RoleName.MAINTAINER)
    session = bob.session()
    upload = body(bob.announce(session, wheel))

    with site.services.writing() as uow:
        roles.take(uow, OPERATOR, projects.get(uow, "example"), "bob")
    for refusal in (
        bob.get(session["links"]["session"]),
        bob.send(upload, wheel.read_bytes()),
        bob.complete(upload),
        bob.post(session["links"]["publish"]),
        bob.delete(session["links"]["session"]),
    ):
        problem(refusal, 403, "not-allowed")
    client.send(upload, wheel.read_bytes(), status=204)

    site.role("example", "bob", RoleName.MAINTAINER)
    bob.complete(upload, status=201)
    bob.post(session["links"]["publish"], status=201)


def test_refusals_come_before_conflicts(client: Client, site: Site) -> None:
    site.user("eve")
    eve = Client(site, site.token("eve"))
    session = client.session()

    answer = eve.create()

    problem(answer, 403)
    assert "Location" not in answer.headers
    for secret in (session["session-token"], session["links"]["session"]):
        assert secret not in answer.text


def test_nobody_learns_of_a_session_beside_a_published_project(
    client: Client, site: Site, tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path, version="0.1"))
    site.user("eve")
    eve = Client(site, site.token("eve"))
    without = eve.create()
    client.session()
    beside = eve.create()

    problem(beside, 403)
    assert (beside.body, beside.headers) == (without.body, without.headers)


def test_who_opened_what_is_gone_sees_that_it_is(client: Client, site: Site) -> None:
    session = client.session()
    client.delete(session["links"]["session"], status=204)
    site.user("eve")

    assert body(client.get(session["links"]["session"]))["status"] == "canceled"
    problem(Client(site, site.token("eve")).get(session["links"]["session"]), 403)


def test_the_use_of_a_token_is_noted(site: Site, services: Services, tmp_path: Path) -> None:
    site.user("ada")
    client = Client(site, site.token("ada"))

    def last_used() -> list[datetime | None]:
        with services.reading() as uow:
            return list(uow.db.scalars(select(Token.last_used)))

    session = body(client.create(status=201))
    assert last_used() == [site.clock.now]
    site.clock.advance(timedelta(hours=1))
    client.announce(session, make_wheel(tmp_path), status=202)
    assert last_used() == [site.clock.now]
    site.clock.advance(timedelta(hours=1))
    client.get(session["links"]["session"])
    assert last_used() == [site.clock.now]
    site.clock.advance(-timedelta(days=2))  # it was ahead until now
    client.announce(session, make_wheel(tmp_path, tag="cp39-cp39-win32"), status=202)
    assert last_used() == [site.clock.now]
