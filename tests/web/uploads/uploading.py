"""Upload requests that can be bent in every part, and an index on which they are all refused."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import webob
from requests import Response as RequestsResponse
from sqlalchemy import select, update
from twine.commands.upload import skip_upload
from twine.package import PackageFile

from greenroom.models import Project, PublishedName, Token
from greenroom.registry import accounts, projects, removal, tokens
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization, form_fields
from tests.web.standing import fetch, standing_site, state

BOUNDARY = "b0undary"
UV = {"Accept": "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"}
INVALID = "Invalid or non-existent authentication information."

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
            part(f'form-data; name="{name}"', value if isinstance(value, bytes) else value.encode())
            for name, value in self.fields
        ]
        if self.content is not None:
            named = self.filename
            quoted = (
                b""
                if named is None
                else b'; filename="%s"' % (named if isinstance(named, bytes) else named.encode())
            )
            file = part(b'form-data; name="content"' + quoted, self.content, self.file_type)
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


def part(disposition: str | bytes, content: bytes, content_type: str = "") -> bytes:
    """One part of the body, from its boundary on."""
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

    ``past`` and ``closed`` were published long ago; ``closed`` has an open draft all the same.
    ``example`` 1.0 is published, 0.9 was deleted, 2.0 is in a draft. ``strict`` takes drafts only.
    ``reserved`` has a draft and nothing else. ``shelved`` is archived, ``suspect`` in quarantine,
    and ``departed`` was deleted.

    ``state`` is what the last upload has left, which is what the next one finds.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        site.user("ada")
        site.user("eve")
        site.user("newcomer", verified=False)
        with site.services.writing() as uow:
            factories.release(uow, self._ada(uow), make_sdist(folder, "closed"))
            factories.release(uow, self._ada(uow), make_sdist(folder, "past"))
        site.clock.advance(timedelta(days=13))
        with site.services.writing() as uow:
            factories.stage(uow, self._ada(uow), make_wheel(folder, "closed"))
        site.clock.advance(timedelta(days=2))
        with site.services.writing() as uow:
            ada = self._ada(uow)
            factories.release(
                uow, ada, make_sdist(folder, "example"), make_wheel(folder, "example")
            )
            draft = factories.stage(uow, ada, make_wheel(folder, "example", "2.0"))
            self.slug = draft.slug
            factories.release(uow, ada, make_wheel(folder, "strict"))
            uow.db.execute(
                update(Project).where(Project.name == "strict").values(auto_publish_releases=False)
            )
            uow.db.add(PublishedName(filename="example-0.9-py3-none-any.whl", sha256="0" * 64))
            factories.stage(uow, ada, make_wheel(folder, "reserved"))
            shelved = factories.release(uow, ada, make_wheel(folder, "shelved"))
            projects.archive(uow, ada, shelved, "Use another one.")
            suspect = factories.release(uow, ada, make_wheel(folder, "suspect"))
            projects.quarantine(uow, OPERATOR, suspect)
            departed = factories.release(uow, ada, make_wheel(folder, "departed"))
            removal.remove_project(uow, ada, departed)
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
        with site.services.writing() as uow:
            revoked = uow.db.scalars(select(Token).order_by(Token.id.desc())).first()
            assert revoked is not None
            tokens.revoke(uow, revoked.user, revoked.id)
        site.clock.advance(timedelta(seconds=1))
        self.state = state(site)

    @staticmethod
    def _ada(uow: UnitOfWork) -> Actor:
        return Person(accounts.get_user(uow.db, "ada"))

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


@contextmanager
def set_stage(request: pytest.FixtureRequest, folder: Path, kind: str) -> Iterator[Stage]:
    """A stage to share: what is refused there changes nothing, which every refusal checks."""
    with standing_site(request, folder, kind) as site:
        yield Stage(site, folder / "dist")


Case = Callable[[Stage], Upload]


def refused(
    stage: Stage,
    upload: Upload,
    status: int,
    sentence: str,
    *,
    code: str | None = None,
    site: Site | None = None,
) -> str:
    """Check that the upload is refused in every dialect, and changes nothing; give the sentence.

    ``sentence`` is a part of it. ``site`` is the same index with other settings.
    """
    before = stage.state
    plain = upload.send(site or stage.site)
    as_json = upload.send(site or stage.site, **UV)
    stage.state = state(stage.site)
    assert stage.state == before

    assert plain.status_int == as_json.status_int == status, plain.status
    reason = plain.status.partition(" ")[2]
    assert sentence in reason, reason
    assert sentence in plain.text
    assert plain.content_type == "text/plain"
    assert as_json.content_type == "application/problem+json"
    body = json.loads(as_json.body)
    assert set(body) == {"status", "detail", "message", "code", "errors"}
    assert body["status"] == status
    assert body["detail"] == body["message"]
    assert sentence in body["message"]
    assert body["errors"]
    assert code in (None, body["code"])
    assert as_json.status == plain.status
    for response in (plain, as_json):
        assert response.headers["Cache-Control"] == "no-store"
        assert "Location" not in response.headers
        assert stage.slug not in f"{response.status}{response.text}{dict(response.headers)}"
        assert response.status.isascii()
        assert response.status.isprintable()
        assert ("Retry-After" in response.headers) == (status in (429, 507))
        is_there = reason.startswith("File already exists")
        assert skips(response) == is_there
    return str(body["message"])


def skips(response: webob.Response) -> bool:
    """Whether `twine upload --skip-existing` takes the answer for "it is there already"."""
    as_requests = RequestsResponse()
    as_requests.status_code = response.status_int
    as_requests.reason = response.status.partition(" ")[2]
    as_requests._content = response.body
    return skip_upload(as_requests, skip_existing=True, package=PackageFile.__new__(PackageFile))


def flagged(upload: Upload, place: str, value: str) -> Upload:
    """With the staged flag in a place: a field, the query or the header."""
    name = "draft" if place.startswith("draft") else "staged"
    if place == "header":
        return upload.but(headers=upload.headers | {"X-PyPI-Is-Staged": value})
    if place.endswith("field"):
        return upload.also(name, value)
    pair = f"{name}={value.replace(' ', '%20')}"
    return upload.but(query="&".join(filter(None, [upload.query, pair])))
