"""``POST /legacy/``: what an upload does, and how a request may look.

What is refused, and in which order, is in ``test_upload_checks.py``.
"""

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import Draft, Token
from greenroom.registry import accounts, projects, publishing, uploads
from greenroom.registry.arriving import Share, bytes_arriving, bytes_arriving_of
from greenroom.registry.artifacts import Receiver
from greenroom.registry.permissions import OPERATOR, Person
from tests.artifacts import make_sdist, make_wheel
from tests.factories import PASSWORD
from tests.web.conftest import Site, authorization
from tests.web.standing import KINDS, fetch, state, with_settings
from tests.web.test_queries import statements
from tests.web.uploads.uploading import (
    BOUNDARY,
    INVALID,
    UV,
    Stage,
    Upload,
    flagged,
    part,
    refused,
    set_stage,
    skips,
    upload_of,
)

SESSION_BODY = "application/vnd.pypi.upload.v2+json"


@pytest.fixture(scope="module", params=KINDS)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with set_stage(request, tmp_path_factory.mktemp("stage"), request.param) as stage:
        yield stage


@pytest.mark.parametrize("value", ["maybe", "UNKNOWN", "", "1", "0", " true", "yes"])
@pytest.mark.parametrize("place", ["field", "draft field", "query", "draft query", "header"])
def test_a_flag_that_is_neither_true_nor_false_is_refused(
    stage: Stage, value: str, place: str
) -> None:
    refused(stage, flagged(stage.wheel(), place, value), 400, "it has to be true or false.")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("field", "query"),
        ("query", "header"),
        ("field", "header"),
        ("field", "draft field"),
        ("query", "draft query"),
        ("draft field", "draft query"),
    ],
)
def test_flags_that_disagree_are_refused(stage: Stage, first: str, second: str) -> None:
    for values in (("true", "false"), ("false", "true")):
        upload = flagged(flagged(stage.wheel(), first, values[0]), second, values[1])
        refused(stage, upload, 400, "This upload says both that it is staged and that it is not")


@pytest.mark.parametrize("query", ["stage=true", "Staged=true", "staged_=1", "%20staged=true", "x"])
def test_a_query_that_nearly_says_staged_publishes_nothing(stage: Stage, query: str) -> None:
    said = refused(stage, stage.wheel().but(query=query), 400, "The upload URL has the query")
    assert "?staged=true" in said


@pytest.mark.parametrize("field", ["stage", "Staged", "staged_", "is_draft"])
@pytest.mark.parametrize("content_first", [False, True])
def test_a_field_that_is_nearly_staged_publishes_nothing(
    stage: Stage, field: str, content_first: bool
) -> None:
    upload = stage.wheel().also(field, "true").but(content_first=content_first)
    said = refused(stage, upload, 400, f"The form has the field '{field}'")
    assert "staged=true" in said


def test_a_header_that_is_nearly_the_flag_publishes_nothing(stage: Stage) -> None:
    upload = stage.wheel().but(headers={"X-PyPI-Staged": "true"})
    refused(stage, upload, 400, "The request has the header 'X-Pypi-Staged'")


def test_a_flag_that_the_form_has_twice_is_refused(stage: Stage) -> None:
    upload = stage.wheel().also("staged", "true").also("staged", "true")
    refused(stage, upload, 400, "'staged' is sent 2 times")


# What is wrong with the body


def whole(stage: Stage) -> bytes:
    return stage.wheel().body()


BODY_CASES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "no body": (lambda body: b"", "multipart/form-data; boundary=b0undary", "stopped before"),
    "cut in the file": (
        lambda body: body[:-500],
        "multipart/form-data; boundary=b0undary",
        "stopped before its end",
    ),
    "cut in the last boundary": (
        lambda body: body[:-6],
        "multipart/form-data; boundary=b0undary",
        "stopped before its end",
    ),
    "cut in the fields": (
        lambda body: body[:100],
        "multipart/form-data; boundary=b0undary",
        "stopped before its end",
    ),
    "more behind the end": (
        lambda body: body.removesuffix(b"\r\n") + b"more",
        "multipart/form-data; boundary=b0undary",
        "goes on after its last boundary",
    ),
    "something before": (
        lambda body: b"x" + body,
        "multipart/form-data; boundary=b0undary",
        "does not begin with its boundary",
    ),
    "another boundary": (lambda body: body, "multipart/form-data; boundary=other", "boundary"),
    "no boundary": (lambda body: body, "multipart/form-data", "no valid boundary"),
    "empty boundary": (lambda body: body, "multipart/form-data; boundary=", "no valid boundary"),
    "another type": (
        lambda body: b"a=b",
        "application/x-www-form-urlencoded",
        "is not multipart/form-data",
    ),
    "json": (lambda body: b"{}", "application/json", "is not multipart/form-data"),
    "no type": (lambda body: body, "", "is not multipart/form-data"),
    "garbage": (lambda body: b"\0\xff" * 99, "multipart/form-data; boundary=b0undary", "boundary"),
}


@pytest.mark.parametrize("case", BODY_CASES)
def test_a_body_that_is_no_form_is_refused(stage: Stage, case: str) -> None:
    bend, content_type, sentence = BODY_CASES[case]
    before = state(stage.site)

    response = fetch(
        stage.site,
        "/legacy/?staged=true",
        method="POST",
        headers={"Content-Type": content_type} | authorization(stage.tokens["good"]),
        body=bend(whole(stage)),
    )

    assert response.status_int == 400
    assert sentence in response.status
    assert sentence in response.text
    assert state(stage.site) == before


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}, {}])
def test_a_compressed_body_is_refused_as_one(stage: Stage, headers: dict[str, str]) -> None:
    """Also one that does not say so: it begins as a gzip file does."""
    before = state(stage.site)

    response = fetch(
        stage.site,
        "/legacy/?staged=true",
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        | authorization(stage.tokens["good"])
        | headers,
        body=gzip.compress(whole(stage)),
    )

    sentence = "The request body is compressed: send it as it is, without a Content-Encoding."
    assert response.status == f"400 {sentence}"
    assert response.text == f"400 {sentence}\n"
    assert state(stage.site) == before


class Unread(io.RawIOBase):
    """A body of which only the beginning is there to be read."""

    def __init__(self, start: bytes) -> None:
        self._start = io.BytesIO(start)
        self.asked_beyond = False

    def read(self, size: int = -1, /) -> bytes:
        piece = self._start.read(size)
        self.asked_beyond |= not piece
        return piece


def test_two_gibibytes_are_refused_when_they_are_announced(stage: Stage) -> None:
    """The answer does not wait for them: the beginning of the file is enough."""
    body = whole(stage)
    start = body[: body.index(b"PK\x03\x04") + 4]
    stream = Unread(start)
    before = state(stage.site)

    response = fetch(
        stage.site,
        "/legacy/",
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        | authorization(stage.tokens["good"]),
        environ={"CONTENT_LENGTH": str(2 * 1024**3), "wsgi.input": stream},
    )

    assert response.status == ("400 File too large. This index takes files of at most 1 GiB.")
    assert not stream.asked_beyond
    assert state(stage.site) == before


def test_a_disk_that_is_nearly_full_is_said_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.registry.arriving.RESERVE", 2**80)
    refused(stage, stage.wheel(), 507, "no space left for uploads", code="out-of-space")
    assert list(stage.site.services.storage.incoming.iterdir()) == []


def test_bad_credentials_are_refused_before_the_file_arrives(stage: Stage) -> None:
    body = whole(stage)
    stream = Unread(body[: body.index(b"PK\x03\x04") + 4])

    response = fetch(
        stage.site,
        "/legacy/",
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        | authorization(stage.tokens["unknown"]),
        environ={"wsgi.input": stream},
    )

    assert response.status == f"403 {INVALID}"
    assert not stream.asked_beyond


class Endless(io.RawIOBase):
    """The fields of a form that never comes to its file; it counts what is read."""

    def __init__(self, most: int, seen: list[str]) -> None:
        self.read_so_far = 0
        self.queries_before: int | None = None
        self._most = most
        self._seen = seen

    def read(self, size: int = -1, /) -> bytes:
        if self.queries_before is None:
            self.queries_before = len(self._seen)
        field = part('form-data; name="x"', b"x" * 50_000)
        piece = field if self.read_so_far < self._most else b""
        self.read_so_far += len(piece)
        return piece


@pytest.mark.parametrize(
    ("who", "status", "most"),
    [("unknown", f"403 {INVALID}", 256 * 1024), ("good", "400 ", 16 * 1024**2)],
)
def test_so_much_text_is_read_as_the_credentials_are_worth(
    stage: Stage, who: str, status: str, most: int
) -> None:
    with statements(stage.site.services.database) as seen:
        stream = Endless(2 * most, seen)
        response = fetch(
            stage.site,
            "/legacy/",
            method="POST",
            headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            | authorization(stage.tokens[who]),
            environ={"wsgi.input": stream},
        )

    assert response.status.startswith(status)
    assert most < stream.read_so_far <= most + 110_000
    # The token was looked up before anything was read.
    assert stream.queries_before == 1


@pytest.mark.parametrize("length", [None, "", "x", "-1"])
def test_a_body_of_unknown_length_is_read_to_its_end(
    site: Site, tmp_path: Path, length: str | None
) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token())

    response = fetch(
        site,
        "/legacy/",
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        | authorization(upload.token),
        environ={
            "wsgi.input": io.BytesIO(upload.body()),
            "CONTENT_LENGTH": length,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
        },
    )

    assert response.status_int == 200


# Who may not


@pytest.mark.parametrize("who", ["revoked", "unknown", "empty"])
def test_credentials_that_prove_nothing_are_refused_alike(stage: Stage, who: str) -> None:
    upload = stage.wheel().but(token=stage.tokens[who])

    assert refused(stage, upload, 403, INVALID) == INVALID


@pytest.mark.parametrize(
    "header", ["Basic \xe9", "Basic !", "Bearer", "Digest a=b", "", "Bearer gr_\0"]
)
def test_credentials_that_cannot_be_read_are_refused_alike(stage: Stage, header: str) -> None:
    upload = stage.wheel().but(token="", headers={"Authorization": header})

    assert refused(stage, upload, 403, INVALID) == INVALID


def test_a_password_is_refused(stage: Stage) -> None:
    for user in ("ada", "nobody"):
        upload = stage.wheel().but(token="", headers=authorization(PASSWORD, user))
        refused(stage, upload, 403, "Passwords cannot upload; use an API token")


FILENAMES: list[str | bytes] = [
    "../example-3.0-py3-none-any.whl",
    "/etc/example-3.0-py3-none-any.whl",
    "a/b-3.0-py3-none-any.whl",
    "..\\example-3.0-py3-none-any.whl",
    'exa\\"mple-3.0-py3-none-any.whl',
    "example%0a-3.0-py3-none-any.whl",
    "example-3.0-py3-none-any.whl%00",
    "example -3.0-py3-none-any.whl",
    "exämple-3.0-py3-none-any.whl",
    "example-3.0-py3-none-any.whl\u202e",
    "e" * 300 + "-3.0-py3-none-any.whl",
    ".example-3.0-py3-none-any.whl",
    "..",
    "example-3.0-py3-none-any.whl.metadata",
    "example-3.0-py3-none-any.WHL",
    "Example-3.0-py3-none-any.whl",
    "example-3.0.zip",
    "example-3.0.tar.bz2",
    "example-3.0.egg",
    "example-3.0",
    "<script>-3.0-py3-none-any.whl",
    b"exampl\xe9-3.0-py3-none-any.whl",
    b"example-3.0\n-py3-none-any.whl",
    b"example-3.0\0-py3-none-any.whl",
]


@pytest.mark.parametrize("filename", FILENAMES, ids=lambda name: ascii(name)[:40])
@pytest.mark.parametrize("flag", ["", "staged=true"])
def test_a_file_name_is_a_distribution_s_and_nothing_else(
    stage: Stage, filename: str | bytes, flag: str
) -> None:
    refused(stage, stage.wheel().but(filename=filename, query=flag), 400, "")


# What is accepted


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_a_direct_upload_is_public_at_once(
    site: Site, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    site.user()
    path = make(tmp_path)

    response = upload_of(path, site.token()).send(site)

    assert response.status_int == 200
    assert "Location" not in response.headers
    assert path.name in fetch(site, "/simple/example/").text
    assert list(site.services.storage.incoming.iterdir()) == []


def test_the_order_of_the_fields_does_not_matter(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token("ada", permissions=["stage"]))

    response = upload.also("staged", "true").but(content_first=True).send(site)

    assert response.status_int == 201


def distutils_form(upload: Upload) -> tuple[bytes, str]:
    """What `setup.py upload` of distutils sends, byte for byte; also its Content-Type.

    It begins with a line end, which makes an empty preamble, and says None where it has nothing.
    """
    boundary = "--------------GHSKFJDLGDS7543FJKLFHRE75642756743254"
    data: dict[str, object] = dict(upload.fields) | {
        "content": (upload.filename, upload.content),
        "md5_digest": hashlib.md5(upload.content or b"", usedforsecurity=False).hexdigest(),
        "metadata_version": "1.0",
        "home_page": None,
        "platform": None,
        "license": "UNKNOWN",
        "classifiers": ["Programming Language :: Python", "Topic :: Software Development"],
        "provides": [],
        "comment": "",
    }
    body = b""
    for key, values in data.items():
        title = f'\r\nContent-Disposition: form-data; name="{key}"'
        for value in values if isinstance(values, list) else [values]:
            content = value[1] if isinstance(value, tuple) else str(value).encode()
            if isinstance(value, tuple):
                title += f'; filename="{value[0]}"'
            body += f"\r\n--{boundary}{title}\r\n\r\n".encode() + content
    body += f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
@pytest.mark.parametrize("query", ["", "?staged=true"])
def test_what_distutils_sends_is_a_form(
    site: Site, tmp_path: Path, make: Callable[[Path], Path], query: str
) -> None:
    site.user()
    upload = upload_of(make(tmp_path), site.token())
    body, content_type = distutils_form(upload)
    assert body.startswith(b"\r\n--")

    response = fetch(
        site,
        f"/legacy/{query}",
        method="POST",
        headers={"Content-Type": content_type} | authorization(upload.token),
        body=body,
    )

    assert response.status_int == (201 if query else 200), response.status


def test_a_form_may_have_words_around_it(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token())
    body = upload.body().replace(b"undary\r\n", b"undary \t\r\n")

    response = fetch(
        site,
        "/legacy/",
        method="POST",
        headers={"Content-Type": f"MULTIPART/form-data ; Boundary={BOUNDARY}"}
        | authorization(upload.token),
        body=b"This is a form.\r\n" + body + b"That was a form.",
    )

    assert response.status_int == 200, response.status


def comments(site: Site) -> dict[str, str]:
    """What the JSON API says of the files of `example`."""
    said = json.loads(fetch(site, "/pypi/example/json").body)
    assert said["urls"] == [file for files in said["releases"].values() for file in files]
    return {file["filename"]: file["comment_text"] for file in said["urls"]}


def test_a_comment_is_told_with_the_file(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    commented = "built for Débian <12>\nand others"
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    assert upload_of(wheel, token).saying(comment=commented).send(site).status_int == 200
    assert upload_of(sdist, token).saying(comment="UNKNOWN").send(site).status_int == 200

    assert comments(site) == {wheel.name: commented, sdist.name: ""}


def test_a_comment_waits_in_the_draft_with_its_file(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token()).but(query="staged=true")
    other = upload_of(make_sdist(tmp_path), upload.token).but(query="staged=true")
    upload.saying(comment="first").send(site)
    other.saying(comment="of the sdist").send(site)

    again = upload.saying(comment="second").send(site)
    assert json.loads(again.body)["notices"][0].startswith("Draft of example")
    for sent in (upload, upload.saying(comment="second")):  # neither says anything new
        before = state(site)
        assert "this very content" in json.loads(sent.send(site).body)["notices"][0]
        assert state(site) == before
    with site.services.writing() as uow:
        draft = uow.db.scalars(select(Draft)).one()
        publishing.publish(uow, OPERATOR, draft)

    assert comments(site) == {
        str(upload.filename): "second",
        str(other.filename): "of the sdist",
    }


def test_a_comment_goes_with_the_bytes_that_it_was_sent_with(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    upload = upload_of(make_wheel(tmp_path), token).but(query="staged=true")
    upload.saying(comment="of the first").send(site)
    upload_of(make_wheel(tmp_path, salt="other"), token).but(query="staged=true").send(site)
    with site.services.writing() as uow:
        publishing.publish(uow, OPERATOR, uow.db.scalars(select(Draft)).one())

    assert list(comments(site).values()) == [""]


# What would be dropped


@pytest.mark.parametrize("name", ["attestations", "attestation", "provenance", "sigstore_bundle"])
@pytest.mark.parametrize("content_first", [False, True])
def test_attestations_are_refused_not_dropped(stage: Stage, name: str, content_first: bool) -> None:
    upload = stage.wheel().also(name, "[{}]").but(content_first=content_first)
    said = refused(stage, upload, 400, "This index takes no attestations yet", code="invalid-form")
    assert f"'{name}'" in said


@pytest.mark.parametrize("value", ["", " ", "UNKNOWN", "[]"])
def test_no_attestations_are_none(site: Site, tmp_path: Path, value: str) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token()).also("attestations", value)
    upload = upload.also("sha512_digest", value)

    assert upload.send(site).status_int == 200


@pytest.mark.parametrize("name", ["sha512_digest", "sha3_256_digest", "blake2b_256_digest"])
def test_a_digest_that_is_not_checked_is_refused(stage: Stage, name: str) -> None:
    refused(stage, stage.wheel().also(name, "0" * 64), 400, f"'{name}' is a digest that this index")


def test_bearer_is_as_good_as_basic(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), "")

    response = upload.but(headers={"Authorization": f"Bearer {site.token()}"}).send(site)

    assert response.status_int == 200


@pytest.mark.parametrize("place", ["field", "draft field", "query", "draft query", "header"])
@pytest.mark.parametrize("value", ["true", "TRUE"])
def test_a_flag_in_any_place_stages(site: Site, tmp_path: Path, place: str, value: str) -> None:
    site.user()
    upload = flagged(upload_of(make_wheel(tmp_path), site.token()), place, value)

    response = upload.send(site)

    assert response.status_int == 201
    assert fetch(site, "/simple/example/").status_int == 404


def test_all_flags_at_once_that_agree_stage(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token())
    for place, value in (
        ("field", "true"),
        ("draft field", "True"),
        ("query", "TRUE"),
        ("query", "true"),
        ("draft query", "true"),
        ("header", "true"),
    ):
        upload = flagged(upload, place, value)

    assert upload.send(site).status_int == 201


def test_a_flag_that_says_false_is_a_direct_upload(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = flagged(upload_of(make_wheel(tmp_path), site.token()), "field", "False")

    assert upload.send(site).status_int == 200
    assert fetch(site, "/simple/example/").status_int == 200


@pytest.mark.parametrize(
    "base", ["http://index.example", "https://company.example/index/of%20us"], ids=["root", "path"]
)
def test_whoever_is_refused_for_a_draft_is_told_where_it_is(
    site: Site, tmp_path: Path, base: str
) -> None:
    site.user()
    slug = site.stage(make_wheel(tmp_path, "Example.Project", "1.0"))
    upload = upload_of(make_sdist(tmp_path, "Example.Project", "1.0"), site.token())

    refused = upload.send(with_settings(site, url=base))

    sentence = (
        "A draft of Example.Project 1.0 is open, and this upload does not say that it belongs to "
        "it. Add the file to the draft (put ?staged=true behind the upload URL), or publish or "
        f"discard the draft first: {base}/manage/project/Example.Project/draft/1.0/"
    )
    assert (refused.status, refused.text) == (f"400 {sentence}", f"400 {sentence}\n")
    assert slug not in refused.text


def test_whoever_may_only_upload_drafts_is_told_how(site: Site, tmp_path: Path) -> None:
    site.user()
    path = make_wheel(tmp_path)
    site.stage(path)
    with site.services.writing() as uow:
        projects.get(uow, "example").auto_publish_releases = False

    another = make_wheel(tmp_path, version="2.0")
    refused = upload_of(another, site.token()).send(site)
    assert refused.text == (
        "400 The project 'example' publishes through drafts only. Upload this file as a draft (put "
        "?staged=true behind the upload URL), then publish the draft.\n"
    )
    with site.services.writing() as uow:
        projects.get(uow, "example").auto_publish_releases = True
        projects.get(uow, "example").expected_files = "sdist"
    refused = upload_of(another, site.token()).send(site)
    assert refused.text == (
        "400 The project 'example' expects certain files in every release, and only a draft can be "
        "held against that. Upload this file as a draft (put ?staged=true behind the upload URL), "
        "then publish the draft.\n"
    )
    refused = upload_of(another, site.token(permissions=["stage"])).send(site)
    assert refused.status_int == 403
    assert refused.text.endswith(
        "it may stage but not publish. Add ?staged=true to the upload URL to upload a draft.\n"
    )


def test_the_answer_that_opens_a_draft_says_everything(site: Site, tmp_path: Path) -> None:
    site.user()
    path = make_wheel(tmp_path, "Example.Project", "1.0")

    response = upload_of(path, site.token()).but(query="staged=true").send(site)

    body = json.loads(response.body)
    slug = body["session-token"]
    draft = f"http://index.example/draft/{slug}/"
    session = response.headers["Location"]
    assert response.status_int == 201
    assert response.headers["Content-Type"] == SESSION_BODY
    assert session.startswith("http://index.example/upload/2.0/session/")
    assert response.headers["Cache-Control"] == "private, no-store"
    assert len(slug) == 22
    assert slug.isalnum()
    content = f"example-project 1.0\n{hashlib.sha256(path.read_bytes()).hexdigest()} {path.name}\n"
    digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    assert body == {
        "meta": {"api-version": "2.0"},
        "links": {
            "session": session,
            "upload": f"{session}upload",
            "publish": f"{session}publish",
            "extend": f"{session}extend",
            "stage": f"{draft}simple/",
            "join-set": f"{session}set",
        },
        "mechanisms": ["http-post-bytes", "vnd-greenroom-resumable-v1"],
        "session-token": slug,
        "expires-at": "2026-06-15T12:00:00Z",
        "content-digest": digest,
        "status": "open",
        "files": {path.name: {"status": "completed", "link": f"{draft}files/{path.name}"}},
        "notices": [
            f"Draft of Example.Project 1.0: {draft}",
            "Try it: pip install --index-url http://index.example/simple/ "
            f"--extra-index-url {draft}simple/ Example.Project==1.0",
            f"Or with one index: pip install --index-url {draft}full/simple/ Example.Project==1.0",
            "It expires on 2026-06-15 at 12:00 UTC.",
            f"The digest of its content is {digest}.",
            "Publish it: http://index.example/manage/project/Example.Project/draft/1.0/",
        ],
    }
    for link in (body["links"]["stage"], draft, body["files"][path.name]["link"]):
        assert fetch(site, link.removeprefix("http://index.example")).status_int == 200
    assert fetch(site, session.removeprefix("http://index.example")).status_int == 401


def test_later_uploads_join_the_draft(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    first = upload_of(make_sdist(tmp_path), token).but(query="staged=true").send(site)
    site.clock.advance(timedelta(days=1))

    second = upload_of(make_wheel(tmp_path), token).also("staged", "true").send(site)

    assert (first.status_int, second.status_int) == (201, 200)
    assert second.headers["Location"] == first.headers["Location"]
    body = json.loads(second.body)
    assert body["session-token"] == json.loads(first.body)["session-token"]
    assert set(body["files"]) == {"example-1.0.tar.gz", "example-1.0-py3-none-any.whl"}
    assert body["expires-at"] == "2026-06-16T12:00:00Z"


def test_the_same_file_again_changes_nothing_and_says_so(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token()).but(query="staged=true")
    upload.send(site)
    before = state(site)

    again = upload.send(site)

    assert again.status_int == 200
    assert "is in the draft with this very content" in json.loads(again.body)["notices"][0]
    assert state(site) == before


def test_other_bytes_replace_a_staged_file(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    upload_of(make_wheel(tmp_path), token).but(query="staged=true").send(site)
    other = make_wheel(tmp_path, salt="other")

    response = upload_of(other, token).but(query="staged=true").send(site)

    body = json.loads(response.body)
    assert response.status_int == 200
    assert list(body["files"]) == [other.name]
    link = body["files"][other.name]["link"].removeprefix("http://index.example")
    assert fetch(site, link).body == other.read_bytes()


@pytest.mark.parametrize(
    "words", ["cannot be updated", "updating asset", "overwrite artifact", "already been taken"]
)
def test_words_for_which_poetry_and_pdm_skip_a_file_are_not_repeated(
    stage: Stage, words: str
) -> None:
    said = refused(stage, stage.wheel().saying(version=words), 400, "invalid value for Version")

    assert words not in said


@pytest.mark.parametrize("staged", [False, True])
def test_what_is_published_already_is_published_again_in_vain(
    site: Site, tmp_path: Path, staged: bool
) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token())
    upload.send(site)
    before = state(site)

    again = upload.but(query="staged=true" if staged else "").send(site)

    assert again.status_int == 200
    assert state(site) == before
    assert not skips(again)
    if staged:
        notices = json.loads(again.body)["notices"]
        assert "is published with this very content: nothing was staged" in notices[0]
        assert again.headers["Cache-Control"] == "private, no-store"
        assert "Location" not in again.headers
    else:
        assert again.body == b""


def test_a_job_may_run_again_while_a_draft_is_open(site: Site, tmp_path: Path) -> None:
    """The one unflagged upload that an open draft does not refuse."""
    site.user()
    token = site.token()
    published = upload_of(make_sdist(tmp_path), token)
    published.send(site)
    slug = json.loads(
        upload_of(make_wheel(tmp_path), token).but(query="staged=true").send(site).body
    )["session-token"]
    before = state(site)

    direct = published.send(site)
    staged = published.but(query="staged=true").send(site)

    assert (direct.status_int, staged.status_int) == (200, 200)
    assert slug.encode() not in direct.body
    assert json.loads(staged.body)["session-token"] == slug
    assert "nothing was staged" in json.loads(staged.body)["notices"][0]
    assert state(site) == before


def test_a_no_op_is_for_those_who_may_upload(stage: Stage) -> None:
    upload = stage.wheel(version="1.0").but(token=stage.tokens["eve"])

    refused(stage, upload, 403, "isn't allowed to upload")


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_the_form_s_metadata_gives_way_to_the_file_s(
    site: Site, tmp_path: Path, make: Callable[..., Path]
) -> None:
    site.user()
    path = make(tmp_path, requires_python=">=3.9")
    upload = upload_of(path, site.token()).saying(
        requires_python=">=2.7", summary="Not this.", metadata_version="99", author="x" * 5000
    )

    assert upload.send(site).status_int == 200

    page = json.loads(
        fetch(
            site, "/simple/example/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
        ).body
    )
    assert page["files"][0]["requires-python"] == ">=3.9"


@pytest.mark.parametrize("query", ["", "?staged=true"])
def test_a_signature_beside_the_file_is_let_go_and_not_in_silence(
    site: Site, tmp_path: Path, query: str
) -> None:
    site.user()
    path = make_wheel(tmp_path)
    upload = upload_of(path, site.token())
    signature = part('form-data; name="gpg_signature"; filename="x.asc"', b"\xff\xfe", "a/b")
    body = upload.body().replace(f"--{BOUNDARY}--".encode(), signature + f"--{BOUNDARY}--".encode())

    response = fetch(
        site,
        f"/legacy/{query}",
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        | authorization(upload.token),
        body=body,
    )

    sentence = f"The signature of {path.name} is not kept."
    if query:
        assert response.status_int == 201
        assert json.loads(response.body)["notices"][0] == sentence
    else:
        assert response.status_int == 200
        assert response.text == f"{sentence}\n"
    assert list(site.services.storage.incoming.iterdir()) == []


def test_a_token_remembers_that_it_was_used(site: Site, tmp_path: Path) -> None:
    site.user()
    upload_of(make_wheel(tmp_path), site.token()).send(site)

    with site.services.reading() as uow:
        assert uow.db.scalars(select(Token.last_used)).one() == site.clock.now


def test_what_a_limited_token_may_not_register_it_may_stage(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token(permissions=["stage"]))

    assert upload.send(site).status_int == 403
    assert upload.but(query="staged=true").send(site).status_int == 201


def test_other_methods_are_told_how_uploads_are_sent(stage: Stage) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        response = fetch(stage.site, "/legacy/", method=method)
        assert response.status_int == HTTPStatus.METHOD_NOT_ALLOWED
        assert response.allow == ("POST",)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain"),
        ("", "text/plain"),
        ("*/*", "text/plain"),  # twine
        ("application/json", "application/json"),
        (UV["Accept"], "application/problem+json"),
        ("text/html", "text/plain"),
        ("garbage", "text/plain"),
        ("application/json;q=0", "text/plain"),
    ],
)
def test_a_refusal_is_json_where_that_is_preferred(
    stage: Stage, accept: str | None, content_type: str
) -> None:
    upload = stage.wheel().but(token=stage.tokens["unknown"])

    response = upload.send(stage.site, **({} if accept is None else {"Accept": accept}))

    assert response.content_type == content_type


def test_a_status_line_has_room_for_what_is_in_it(stage: Stage) -> None:
    """Whatever a client sends is quoted in ASCII, on one line, of bounded length."""
    for name in ("é\r\nX-Evil: 1", "x" * 5000, "\u2028", "🐍" * 300):
        response = stage.wheel().saying(name=name).send(stage.site)
        assert response.status_int == 400
        assert len(response.status) < 900
        assert response.status.isascii()
        assert response.status.isprintable()
        assert "X-Evil" not in response.headers


def test_an_upload_counts_beside_those_of_the_same_person_that_are_arriving(
    site: Site, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    site.user()
    limited = with_settings(site, max_user_size=wheel.stat().st_size + 100)
    token, incoming = site.token(), site.services.storage.incoming
    with site.services.reading() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        limited_uow = replace(uow, settings=limited.services.settings)
        # Whose project it is comes after the file: it counts, and may be refused in the end.
        assert uploads.share(limited_uow, ada, wheel.name, None) == Share(ada.user_id)

    with Receiver(incoming, limit=10**6, share=Share(ada.user_id)) as arriving:
        arriving.add(b"x" * 101)
        response = limited.upload(wheel, token)
        assert "What you are uploading at the same time" in response.text
        arriving.add(b"x" * wheel.stat().st_size)
        assert "Your projects are too large. All files" in limited.upload(wheel, token).text
    assert len(list(incoming.iterdir())) == 0
    assert limited.upload(wheel, token).status_int == 200
    assert (bytes_arriving(incoming), bytes_arriving_of(incoming, ada.user_id)) == (0, 0)
