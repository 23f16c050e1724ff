"""``POST /legacy/``: what an upload does, and that a refused one does nothing."""

import dataclasses
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
import webob
from requests import Response as RequestsResponse
from sqlalchemy import select, update
from twine.commands.upload import skip_upload
from twine.package import PackageFile

from greenroom.models import Project, PublishedName, Token
from greenroom.registry import accounts
from greenroom.registry.permissions import Actor
from tests import factories
from tests.artifacts import make_sdist, make_wheel, tar_gz_of, zip_of
from tests.factories import PASSWORD
from tests.web.conftest import Site, authorization, form_fields
from tests.web.standing import KINDS, State, fetch, standing_site, state, with_settings

BOUNDARY = "b0undary"
JSON = {"Accept": "application/json"}
UV = {"Accept": "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"}
INVALID = "Invalid or non-existent authentication information."
SESSION_BODY = "application/vnd.pypi.upload.v2+json"

Fields = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Upload:
    """One upload request, whose every part can be bent."""

    fields: Fields
    filename: str | bytes | None
    content: bytes | None
    token: str
    file_type: str = "application/octet-stream"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_first: bool = False

    def but(self, **changes: object) -> "Upload":
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def saying(self, **values: str | bytes | None) -> "Upload":
        """With these form fields instead; None removes. ``action`` is ``:action``."""
        renamed = {":action" if name == "action" else name: v for name, v in values.items()}
        kept = tuple((name, value) for name, value in self.fields if name not in renamed)
        added = tuple((name, value) for name, value in renamed.items() if value is not None)
        return self.but(fields=kept + added)

    def also(self, name: str, value: str | bytes) -> "Upload":
        return self.but(fields=(*self.fields, (name, value)))

    def body(self) -> bytes:
        parts = [
            _part(
                f'form-data; name="{name}"', value if isinstance(value, bytes) else value.encode()
            )
            for name, value in self.fields
        ]
        if self.content is not None:
            named = self.filename
            quoted = (
                b""
                if named is None
                else b'; filename="%s"' % (named if isinstance(named, bytes) else named.encode())
            )
            file = _part(b'form-data; name="content"' + quoted, self.content, self.file_type)
            parts.insert(0 if self.content_first else len(parts), file)
        return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()

    def send(self, site: Site, **headers: str) -> webob.Response:
        credentials = authorization(self.token) if self.token else {}
        return fetch(
            site,
            "/legacy/" + (f"?{self.query}" if self.query else ""),
            method="POST",
            headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            | credentials
            | self.headers
            | {name.replace("_", "-"): value for name, value in headers.items()},
            body=self.body(),
        )


def _part(disposition: str | bytes, content: bytes, content_type: str = "") -> bytes:
    shown = disposition if isinstance(disposition, bytes) else disposition.encode()
    head = b"Content-Disposition: " + shown
    if content_type:
        head += f"\r\nContent-Type: {content_type}".encode()
    return f"--{BOUNDARY}\r\n".encode() + head + b"\r\n\r\n" + content + b"\r\n"


def upload_of(path: Path, token: str) -> Upload:
    """The upload of a truthful client."""
    fields = tuple((name, str(value)) for name, value in form_fields(path).items())
    return Upload(fields, path.name, path.read_bytes(), token)


class Stage:
    """An index on which an upload can be wrong in every way there is.

    ``closed`` was published long ago and has an open draft all the same. ``example`` 1.0 is
    published, and ``example`` 2.0 is in a draft. ``strict`` takes drafts only.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        site.user("ada")
        site.user("eve")
        site.user("newcomer", verified=False)
        with site.premises.writing() as index:
            factories.release(index, self._ada(index), make_sdist(folder, "closed"))
        site.clock.advance(timedelta(days=13))
        with site.premises.writing() as index:
            factories.stage(index, self._ada(index), make_wheel(folder, "closed"))
        site.clock.advance(timedelta(days=2))
        with site.premises.writing() as index:
            ada = self._ada(index)
            factories.release(
                index, ada, make_sdist(folder, "example"), make_wheel(folder, "example")
            )
            draft = factories.stage(index, ada, make_wheel(folder, "example", "2.0"))
            self.slug = draft.slug
            factories.release(index, ada, make_wheel(folder, "strict"))
            index.session.execute(
                update(Project).where(Project.name == "strict").values(auto_publish_releases=False)
            )
            index.session.add(
                PublishedName(filename="example-0.9-py3-none-any.whl", sha256="0" * 64)
            )
            factories.stage(index, ada, make_wheel(folder, "reserved"))
        self.tokens = {
            "good": site.token("ada"),
            "eve": site.token("eve"),
            "newcomer": site.token("newcomer"),
            "stage only": site.token("ada", permissions=["stage"]),
            "publish only": site.token("ada", permissions=["publish", "discard", "manage"]),
            "of another project": site.token("ada", project="strict"),
            "expired": site.token("ada", expires_in=timedelta(seconds=1)),
            "revoked": site.token("ada"),
            "foreign": "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw",
            "unknown": "gr_" + "A" * 48,
            "empty": "",
        }
        with site.premises.writing() as index:
            revoked = index.session.scalars(select(Token).order_by(Token.id.desc())).first()
            assert revoked is not None
            accounts.revoke_token(index, revoked.user, revoked.id)
        site.clock.advance(timedelta(seconds=1))

    @staticmethod
    def _ada(index: object) -> Actor:
        return Actor(accounts.get_user(index.session, "ada"))  # type: ignore[attr-defined]

    def wheel(self, name: str = "example", version: str = "3.0", **options: object) -> Upload:
        made = make_wheel(self.folder / "new", name, version, **options)  # type: ignore[arg-type]
        return upload_of(made, self.tokens["good"])

    def sdist(self, name: str = "example", version: str = "3.0", **options: object) -> Upload:
        made = make_sdist(self.folder / "new", name, version, **options)  # type: ignore[arg-type]
        return upload_of(made, self.tokens["good"])

    def bytes_as(self, filename: str, content: bytes) -> Upload:
        """Any bytes, sent as a wheel or source distribution of this name."""
        path = self.folder / "new" / filename
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return upload_of(path, self.tokens["good"])


@pytest.fixture(scope="module", params=KINDS)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Shared: what is refused here changes nothing, which every refusal checks."""
    folder = tmp_path_factory.mktemp("stage")
    with standing_site(request, folder, request.param) as site:
        yield Stage(site, folder / "dist")


Case = Callable[[Stage], Upload]


def refused(
    stage: Stage, upload: Upload, status: int, sentence: str, *, site: Site | None = None
) -> str:
    """Check that the upload is refused in every dialect, and changes nothing; give the sentence."""
    before = _state(stage)
    plain = upload.send(site or stage.site)
    as_json = upload.send(site or stage.site, **UV)
    assert _state(stage) == before

    assert plain.status_int == as_json.status_int == status, plain.status
    reason = plain.status.partition(" ")[2]
    assert sentence in reason
    assert sentence in plain.text
    assert plain.content_type == "text/plain"
    assert as_json.content_type == "application/json"
    body = json.loads(as_json.body)
    assert set(body) == {"message", "code", "errors"}
    assert sentence in body["message"]
    assert body["errors"]
    assert as_json.status == plain.status
    for response in (plain, as_json):
        assert response.headers["Cache-Control"] == "no-store"
        assert "Location" not in response.headers
        assert stage.slug not in f"{response.status}{response.text}{dict(response.headers)}"
        assert response.status.isascii()
        assert response.status.isprintable()
        is_there = reason.startswith(("File already exists",))
        assert skips(response) == is_there
    return str(body["message"])


def _state(stage: Stage) -> State:
    return state(stage.site)


def skips(response: webob.Response) -> bool:
    """Whether `twine upload --skip-existing` takes the answer for "it is there already"."""
    as_requests = RequestsResponse()
    as_requests.status_code = response.status_int
    as_requests.reason = response.status.partition(" ")[2]
    as_requests._content = response.body
    return skip_upload(as_requests, skip_existing=True, package=PackageFile.__new__(PackageFile))


# What is wrong with the form


def saying(name: str, value: str | None) -> Case:
    return lambda stage: stage.wheel().saying(**{name: value})


def saying_twice(name: str) -> Case:
    return lambda stage: stage.wheel().also(name, dict(stage.wheel().fields)[name])


FORM_CASES: dict[str, tuple[Case, int, str]] = {
    "unknown action": (lambda s: s.wheel().saying(action="x"), 400, "The :action has to be"),
    "no action": (lambda s: s.wheel().saying(action=None), 400, "The :action has to be"),
    **{
        f"retired action {action}": (
            saying("action", action),
            410,
            f"The action '{action}' is gone",
        )
        for action in ("submit", "submit_pkg_info", "doc_upload")
    },
    "protocol 2": (
        lambda s: s.wheel().saying(protocol_version="2"),
        400,
        "The protocol_version has to be 1.",
    ),
    **{
        f"no {name}": (
            saying(name, None),
            400,
            f"The form field '{name}' is missing",
        )
        for name in ("name", "version", "filetype", "pyversion")
    },
    **{
        f"two {name}": (
            saying_twice(name),
            400,
            f"The form field '{name}' is sent 2 times",
        )
        for name in (
            ":action",
            "protocol_version",
            "name",
            "version",
            "filetype",
            "pyversion",
            "sha256_digest",
            "metadata_version",
        )
    },
    "no digest": (
        lambda s: s.wheel().saying(sha256_digest=None),
        400,
        "The form has no digest of the file",
    ),
    "invalid digest": (
        lambda s: s.wheel().saying(sha256_digest="xyz"),
        400,
        "has to be 64 hexadecimal digits",
    ),
    "invalid name": (lambda s: s.wheel().saying(name="é!"), 400, "is an invalid value for Name"),
    "invalid version": (
        lambda s: s.wheel().saying(version="one"),
        400,
        "is an invalid value for Version",
    ),
    "local version": (lambda s: s.wheel().saying(version="1+x"), 400, "is a local version"),
    "egg": (lambda s: s.wheel().saying(filetype="bdist_egg"), 400, "this index takes 'sdist'"),
    "NUL": (lambda s: s.wheel().saying(summary="a\0b"), 400, "contains a NUL character"),
    "NUL in the name": (lambda s: s.wheel().saying(name="exam\0ple"), 400, "NUL character"),
    "not UTF-8": (lambda s: s.wheel().saying(summary=b"\xff\xfe"), 400, "is not UTF-8"),
    "name not UTF-8": (lambda s: s.wheel().saying(name=b"exampl\xe9"), 400, "is not UTF-8"),
    "no file": (lambda s: s.wheel().but(content=None), 400, "The form has no file"),
    "a file without a name": (
        lambda s: s.wheel().but(filename=None),
        400,
        "must be a file and have a file name",
    ),
    "a file with an empty name": (
        lambda s: s.wheel().but(filename=""),
        400,
        "must be a file and have a file name",
    ),
    "an empty file": (lambda s: s.wheel().but(content=b""), 400, "The file is empty."),
    "an image": (
        lambda s: s.wheel().but(file_type="image/png"),
        400,
        "The file is sent as an image",
    ),
    "an image with parameters": (
        lambda s: s.wheel().but(file_type="Image/SVG+xml; charset=utf-8"),
        400,
        "as an image",
    ),
    "query not UTF-8": (
        lambda s: s.wheel().but(query="staged=%ff"),
        400,
        "The query of the upload URL is not UTF-8",
    ),
    "name of the skipping words": (
        lambda s: s.wheel().saying(name="already exists"),
        400,
        "is an invalid value for Name",
    ),
    "version of the skipping words": (
        lambda s: s.wheel().saying(version="Already  Exists"),
        400,
        "invalid value for Version",
    ),
    "type of the skipping words": (
        lambda s: s.wheel().saying(filetype="already exist"),
        400,
        "this index takes 'sdist'",
    ),
    "flag of the skipping words": (
        lambda s: s.wheel().saying(staged="already exist"),
        400,
        "it has to be true or false",
    ),
}


@pytest.mark.parametrize("case", FORM_CASES)
def test_a_form_that_is_wrong_is_refused(stage: Stage, case: str) -> None:
    make, status, sentence = FORM_CASES[case]
    for flag in ("", "staged=true"):
        upload = make(stage)
        refused(
            stage, upload.but(query="&".join(filter(None, [upload.query, flag]))), status, sentence
        )


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


def test_a_flag_that_the_form_has_twice_is_refused(stage: Stage) -> None:
    upload = stage.wheel().also("staged", "true").also("staged", "true")
    refused(stage, upload, 400, "'staged' is sent 2 times")


def flagged(upload: Upload, place: str, value: str) -> Upload:
    name = "draft" if place.startswith("draft") else "staged"
    if place == "header":
        return upload.but(headers=upload.headers | {"X-PyPI-Is-Staged": value})
    if place.endswith("field"):
        return upload.also(name, value)
    pair = f"{name}={value.replace(' ', '%20')}"
    return upload.but(query="&".join(filter(None, [upload.query, pair])))


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
        lambda body: body + b"more",
        "multipart/form-data; boundary=b0undary",
        "goes on after its last boundary",
    ),
    "something before": (
        lambda body: b"x\r\n" + body,
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
    before = _state(stage)

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
    assert _state(stage) == before


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
    before = _state(stage)

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
    assert _state(stage) == before


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


@pytest.mark.parametrize("who", ["expired", "revoked", "foreign", "unknown", "empty"])
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


@pytest.mark.parametrize(
    ("who", "staged", "sentence"),
    [
        ("eve", False, "The user 'eve' isn't allowed to upload to project 'example'."),
        ("eve", True, "The user 'eve' isn't allowed to upload to project 'example'."),
        ("stage only", False, "it may stage but not publish. Add ?staged=true"),
        ("publish only", False, "isn't allowed to upload to project 'example'"),
        ("publish only", True, "isn't allowed to upload to project 'example'"),
        ("of another project", False, "isn't allowed to upload to project 'example'"),
        ("of another project", True, "isn't allowed to upload to project 'example'"),
    ],
)
def test_who_may_not_upload_is_refused(stage: Stage, who: str, staged: bool, sentence: str) -> None:
    upload = stage.wheel().but(token=stage.tokens[who], query="staged=true" if staged else "")

    refused(stage, upload, 403, sentence)


def test_a_reserved_name_is_refused_like_any_that_is_taken(stage: Stage) -> None:
    def sentence(name: str) -> str:
        upload = stage.wheel(name, "9.0").but(token=stage.tokens["eve"])
        return refused(stage, upload, 403, "isn't allowed to upload").replace(name, "NAME")

    assert sentence("reserved") == sentence("example")


@pytest.mark.parametrize(
    ("name", "who", "status", "sentence"),
    [
        ("json", "good", 400, "The name 'json' isn't allowed"),
        ("examp1e", "good", 400, "is too similar to that of an existing project"),
        ("reserve-d", "good", 400, "is too similar to that of an existing project"),
        ("fresh", "newcomer", 403, "has no verified e-mail address"),
        ("fresh", "of another project", 403, "may not register the new project 'fresh'"),
        ("fresh", "stage only", 403, "may not register the new project 'fresh'"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused(
    stage: Stage, name: str, who: str, status: int, sentence: str
) -> None:
    upload = stage.wheel(name, "1.0").but(token=stage.tokens[who])

    refused(stage, upload, status, sentence)


# What is wrong with the file


def other_bytes(filename: str, content: bytes) -> Case:
    return lambda stage: stage.bytes_as(filename, content)


def linked_tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in (("example-3.0/PKG-INFO", b"Metadata-Version: 2.1\nName: example\n"),):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("example-3.0/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return target.getvalue()


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("example/zeros", b"\0" * (70 * 1024**2))
    return target.getvalue()


BOMB = bomb()
WHEEL_3 = "example-3.0-py3-none-any.whl"
SDIST_3 = "example-3.0.tar.gz"

FILE_CASES: dict[str, tuple[Case, str]] = {
    "not a zip": (other_bytes(WHEEL_3, b"this is no zip" * 99), "Invalid distribution file."),
    "not a tar": (other_bytes(SDIST_3, b"this is no tar" * 99), "Invalid distribution file."),
    "html": (other_bytes(WHEEL_3, b"<html><script>"), "Invalid distribution file."),
    "a tar called a wheel": (
        other_bytes(WHEEL_3, tar_gz_of({"a/PKG-INFO": b""})),
        "Invalid distribution file.",
    ),
    "truncated zip": (
        lambda s: s.bytes_as(WHEEL_3, (s.wheel().content or b"")[:-30]),
        "Invalid distribution file.",
    ),
    "truncated tar": (
        lambda s: s.bytes_as(SDIST_3, (s.sdist().content or b"")[:-30]),
        "Invalid distribution file.",
    ),
    "zip bomb": (other_bytes(WHEEL_3, BOMB), "Invalid distribution file."),
    "member outside": (
        other_bytes(WHEEL_3, zip_of({"../evil.py": b"", "example-3.0.dist-info/METADATA": b""})),
        "Invalid distribution file.",
    ),
    "symbolic link": (other_bytes(SDIST_3, linked_tar()), "Invalid distribution file."),
    "empty zip": (other_bytes(WHEEL_3, zip_of({})), "Invalid distribution file."),
    "direct reference": (
        lambda s: s.wheel(
            metadata_extra=[("Requires-Dist", "x @ https://elsewhere.example/x.whl")]
        ),
        "Invalid distribution file.",
    ),
    "words that make clients skip": (
        lambda s: s.wheel(metadata_extra=[("Classifier", "File already exists")]),
        "Invalid distribution file.",
    ),
    "wheel for linux": (
        lambda s: s.wheel(tag="py3-none-linux_x86_64"),
        "fits only the machine it was built on",
    ),
    "form of another name": (
        lambda s: s.wheel().saying(name="fresh-name"),
        "The file is of the project 'example', the form says 'fresh-name'.",
    ),
    "form of another version": (
        lambda s: s.wheel().saying(version="3.1"),
        "The file is of the version 3.0, the form says 3.1",
    ),
    "form of another type": (
        lambda s: s.wheel().saying(filetype="sdist", pyversion="source"),
        "The file is of the type 'bdist_wheel', the form says 'sdist'",
    ),
    "form of another tag": (
        lambda s: s.wheel().saying(pyversion="cp311"),
        "The wheel is for 'py3', the form says 'cp311'.",
    ),
    "form of a wheel for a source distribution": (
        lambda s: s.sdist().saying(filetype="bdist_wheel", pyversion="py3"),
        "The file is of the type 'sdist', the form says 'bdist_wheel'",
    ),
}


@pytest.mark.parametrize("case", FILE_CASES)
@pytest.mark.parametrize("flag", ["", "staged=true"])
def test_a_file_that_is_wrong_is_refused(stage: Stage, case: str, flag: str) -> None:
    make, sentence = FILE_CASES[case]

    refused(stage, make(stage).but(query=flag), 400, sentence)


@pytest.mark.parametrize("field_name", ["md5_digest", "sha256_digest", "blake2_256_digest"])
@pytest.mark.parametrize("flag", ["", "staged=true"])
def test_bytes_that_were_not_announced_are_refused(
    stage: Stage, field_name: str, flag: str
) -> None:
    length = 32 if field_name == "md5_digest" else 64
    upload = stage.wheel().saying(**{field_name: "0" * length}).but(query=flag)

    refused(stage, upload, 400, "does not match the digest calculated from the uploaded file")


@pytest.mark.parametrize("field_name", ["md5_digest", "sha256_digest", "blake2_256_digest"])
def test_one_digest_is_enough_and_may_be_in_capitals(
    site: Site, tmp_path: Path, field_name: str
) -> None:
    site.user()
    wheel = make_wheel(tmp_path)
    artifact = factories.artifact_of(wheel)
    digest: str = getattr(artifact, field_name.removesuffix("_digest"))
    upload = (
        upload_of(wheel, site.token())
        .saying(sha256_digest=None)
        .saying(**{field_name: digest.upper()})
    )

    assert upload.send(site).status_int == 200


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


# What is wrong with where it would go


PLACE_CASES: dict[str, tuple[Case, str]] = {
    "published under this name": (
        lambda s: s.wheel(version="1.0", salt="x"),
        "File already exists: 'example-1.0-py3-none-any.whl' is published with other content",
    ),
    "published under another name": (
        lambda s: s.wheel(version="1.0").but(filename="example-1.0-1-py3-none-any.whl"),
        "File already exists: the same content is published under the name",
    ),
    "name of a deleted file": (
        lambda s: s.wheel(version="0.9"),
        "This filename has already been used, use a different version.",
    ),
    "closed release": (
        lambda s: s.wheel("closed", tag="cp311-cp311-win32", version="1.0").but(
            query="staged=true"
        ),
        "takes no more files",
    ),
    "second source distribution": (
        lambda s: (
            s.sdist(version="1.0")
            .but(
                filename="example-1.0.0.tar.gz",
                content=b"x",
            )
            .saying(sha256_digest=hashlib.sha256(b"x").hexdigest())
        ),
        "Only one source distribution per release: 1.0 has 'example-1.0.tar.gz'",
    ),
    "open draft": (
        lambda s: s.wheel(version="2.0", tag="cp311-cp311-win32"),
        "A draft of example 2.0 is open",
    ),
    "open draft, another spelling": (
        lambda s: s.wheel(version="2.0.0", tag="cp311-cp311-win32"),
        "/manage/project/example/draft/2.0/",
    ),
    "open draft, the very file": (
        lambda s: s.wheel(version="2.0"),
        "Add the file to the draft (put ?staged=true behind the upload URL), or publish",
    ),
    "open draft, flag says false": (
        lambda s: s.wheel(version="2.0").but(query="staged=false"),
        "A draft of example 2.0 is open",
    ),
    "drafts only": (
        lambda s: s.wheel("strict", "1.1"),
        "The project 'strict' publishes through drafts only.",
    ),
}


@pytest.mark.parametrize("case", PLACE_CASES)
def test_a_file_for_which_there_is_no_place_is_refused(stage: Stage, case: str) -> None:
    make, sentence = PLACE_CASES[case]
    listings = [f"/draft/{stage.slug}/simple/example/", "/simple/example/", "/simple/"]
    before = [fetch(stage.site, path).body for path in listings]

    said = refused(stage, make(stage), 400, sentence)

    assert [fetch(stage.site, path).body for path in listings] == before
    if not case.startswith("published"):
        assert "already exist" not in said


def test_a_file_is_stopped_while_it_arrives(stage: Stage) -> None:
    site = with_settings(stage.site, max_file_size="1KiB")
    upload = stage.wheel(payload=b"x" * 5000)

    refused(
        stage, upload, 400, "File too large. This index takes files of at most 1 KiB.", site=site
    )
    no_length = {"Content-Length": ""}
    refused(stage, upload.but(headers=no_length), 400, "File too large.", site=site)


def test_a_project_has_a_quota(stage: Stage) -> None:
    site = with_settings(stage.site, max_project_size="1KiB")

    for flag in ("", "staged=true"):
        upload = stage.wheel(payload=b"x" * 5000).but(query=flag)
        refused(stage, upload, 400, "Project size too large.", site=site)


def test_a_private_index_takes_what_a_public_one_does_not(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    private = with_settings(site, policy="private")

    for path in (
        make_wheel(tmp_path, tag="py3-none-linux_x86_64"),
        make_wheel(tmp_path, version="1.0+local"),
        make_wheel(
            tmp_path, version="2.0", metadata_extra=[("Requires-Dist", "x @ https://a.example/x")]
        ),
    ):
        assert upload_of(path, token).send(site).status_int == 400
        assert upload_of(path, token).send(private).status_int == 200


# The order of the checks


def empty_file(upload: Upload) -> Upload:
    return upload.but(content=b"")


def wrong_digest(upload: Upload) -> Upload:
    return upload.saying(sha256_digest="0" * 64)


BROKEN = b"no archive"

# Each is wrong in two ways, which are neighbours in the contract; the sentence is the first's.
ORDER: dict[str, tuple[Case, int, str]] = {
    "action, protocol": (
        lambda s: s.wheel().saying(action="x", protocol_version="2"),
        400,
        "The :action has to be",
    ),
    "protocol, credentials": (
        lambda s: s.wheel().saying(protocol_version="2").but(token=s.tokens["unknown"]),
        400,
        "The protocol_version has to be 1.",
    ),
    "retired, credentials": (
        lambda s: s.wheel().saying(action="submit").but(token=s.tokens["unknown"]),
        410,
        "is gone",
    ),
    "credentials, flag": (
        lambda s: s.wheel().but(token=s.tokens["unknown"], query="staged=maybe"),
        403,
        INVALID,
    ),
    "credentials, form": (
        lambda s: s.wheel().saying(filetype="x").but(token=s.tokens["unknown"]),
        403,
        INVALID,
    ),
    "flag, form": (
        lambda s: s.wheel().saying(filetype="x").but(query="staged=maybe"),
        400,
        "it has to be true or false",
    ),
    "form, version": (
        lambda s: s.wheel().saying(filetype="x", version="x"),
        400,
        "The form field 'filetype' is 'x'",
    ),
    "form, digest missing and version": (
        lambda s: s.wheel().saying(sha256_digest=None, version="x"),
        400,
        "has no digest",
    ),
    "form, permission": (
        lambda s: s.wheel().saying(filetype="x").but(token=s.tokens["eve"]),
        400,
        "The form field 'filetype' is 'x'",
    ),
    "version, permission": (
        lambda s: s.wheel().saying(version="x").but(token=s.tokens["eve"]),
        400,
        "is an invalid value for Version",
    ),
    "version, prohibited name": (
        lambda s: s.wheel("json").saying(version="1+x"),
        400,
        "is a local version",
    ),
    "prohibited name, empty": (lambda s: empty_file(s.wheel("json")), 400, "The name 'json' isn't"),
    "permission, empty": (
        lambda s: empty_file(s.wheel().but(token=s.tokens["eve"])),
        403,
        "isn't allowed to upload",
    ),
    "permission, image": (
        lambda s: s.wheel().but(token=s.tokens["eve"], file_type="image/png"),
        403,
        "isn't allowed to upload",
    ),
    "permission of a direct upload, empty": (
        lambda s: empty_file(s.wheel().but(token=s.tokens["stage only"])),
        403,
        "it may stage but not publish",
    ),
    "permission, open draft": (
        lambda s: s.wheel(version="2.0").but(token=s.tokens["eve"]),
        403,
        "isn't allowed to upload",
    ),
    "permission, published": (
        lambda s: s.wheel(version="1.0", salt="x").but(token=s.tokens["eve"]),
        403,
        "isn't allowed to upload",
    ),
    "image, digest": (
        lambda s: wrong_digest(s.wheel().but(file_type="image/png")),
        400,
        "sent as an image",
    ),
    "empty, digest": (lambda s: empty_file(s.wheel()), 400, "The file is empty."),
    "digest, published": (
        lambda s: wrong_digest(s.wheel(version="1.0", salt="x")),
        400,
        "does not match the digest",
    ),
    "digest, open draft": (
        lambda s: wrong_digest(s.wheel(version="2.0")),
        400,
        "does not match the digest",
    ),
    "published, open draft": (
        lambda s: s.sdist("closed", "1.0", salt="x"),
        400,
        "File already exists",
    ),
    "published, closed": (
        lambda s: s.sdist("closed", "1.0", salt="x").but(query="staged=true"),
        400,
        "File already exists",
    ),
    "open draft, closed": (
        lambda s: s.wheel("closed", "1.0", tag="cp311-cp311-win32"),
        400,
        "A draft of closed 1.0",
    ),
    "closed, second sdist": (
        lambda s: s.bytes_as("closed-1.0.0.tar.gz", BROKEN).but(query="staged=true"),
        400,
        "takes no more files",
    ),
    "closed, archive": (
        lambda s: s.bytes_as("closed-1.0-cp311-cp311-win32.whl", BROKEN).but(query="staged=true"),
        400,
        "takes no more files",
    ),
    "second sdist, archive": (
        lambda s: s.bytes_as("example-1.0.0.tar.gz", BROKEN),
        400,
        "Only one source distribution",
    ),
    "drafts only, archive": (
        lambda s: s.bytes_as("strict-3.0.tar.gz", BROKEN),
        400,
        "publishes through drafts only",
    ),
}


@pytest.mark.parametrize("case", ORDER)
@pytest.mark.parametrize("content_first", [False, True], ids=["file last", "file first"])
def test_the_first_check_that_fails_answers(stage: Stage, case: str, content_first: bool) -> None:
    make, status, sentence = ORDER[case]
    upload = make(stage).but(content_first=content_first)
    if content_first and case in ("protocol, credentials", "retired, credentials"):
        # A body is not read to its end for somebody who cannot say who it is.
        status, sentence = 403, INVALID

    refused(stage, upload, status, sentence)


def test_a_file_that_is_too_large_comes_after_who_may_and_before_its_digest(stage: Stage) -> None:
    site = with_settings(stage.site, max_file_size="1KiB")
    large = wrong_digest(stage.wheel(payload=b"x" * 5000))

    refused(stage, large, 400, "File too large.", site=site)
    refused(stage, large.but(token=stage.tokens["eve"]), 403, "isn't allowed to upload", site=site)


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
    assert list(site.premises.storage.incoming.iterdir()) == []


def test_the_order_of_the_fields_does_not_matter(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token("ada", permissions=["stage"]))

    response = upload.also("staged", "true").but(content_first=True).send(site)

    assert response.status_int == 201


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


def test_the_answer_that_opens_a_draft_says_everything(site: Site, tmp_path: Path) -> None:
    site.user()
    path = make_wheel(tmp_path, "Example.Project", "1.0")

    response = upload_of(path, site.token()).but(query="staged=true").send(site)

    body = json.loads(response.body)
    slug = body["session-token"]
    draft = f"http://index.example/draft/{slug}/"
    assert response.status_int == 201
    assert response.headers["Content-Type"] == SESSION_BODY
    assert response.headers["Location"] == draft
    assert response.headers["Cache-Control"] == "private, no-store"
    assert len(slug) == 22
    assert slug.isalnum()
    assert body == {
        "meta": {"api-version": "2.0"},
        "links": {"stage": f"{draft}simple/"},
        "session-token": slug,
        "expires-at": "2026-06-15T12:00:00Z",
        "status": "open",
        "files": {path.name: {"status": "completed", "link": f"{draft}files/{path.name}"}},
        "notices": [
            f"Draft of Example.Project 1.0: {draft}",
            f"Try it: pip install --extra-index-url {draft}simple/ Example.Project==1.0",
            "It expires on 2026-06-15 at 12:00 UTC.",
            "Publish it: http://index.example/manage/project/Example.Project/draft/1.0/",
        ],
    }
    links = [body["links"]["stage"], response.headers["Location"], body["files"][path.name]["link"]]
    for link in links:
        assert fetch(site, link.removeprefix("http://index.example")).status_int == 200


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


def test_a_signature_beside_the_file_is_let_go(site: Site, tmp_path: Path) -> None:
    site.user()
    upload = upload_of(make_wheel(tmp_path), site.token())
    signature = _part('form-data; name="gpg_signature"; filename="x.asc"', b"\xff\xfe", "a/b")
    body = upload.body().replace(f"--{BOUNDARY}--".encode(), signature + f"--{BOUNDARY}--".encode())

    response = fetch(
        site,
        "/legacy/",
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        | authorization(upload.token),
        body=body,
    )

    assert response.status_int == 200
    assert list(site.premises.storage.incoming.iterdir()) == []


def test_a_token_remembers_that_it_was_used(site: Site, tmp_path: Path) -> None:
    site.user()
    upload_of(make_wheel(tmp_path), site.token()).send(site)

    with site.premises.reading() as index:
        assert index.session.scalars(select(Token.last_used)).one() == site.clock.now


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
        (UV["Accept"], "application/json"),
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
