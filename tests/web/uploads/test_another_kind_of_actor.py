"""An actor without an account at the doors for uploads, which ask it nothing that it has not."""

from pathlib import Path

import pytest

from greenroom.registry import accounts, projects
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from tests.artifacts import make_sdist, make_wheel
from tests.registry.test_another_kind_of_actor import TrustedPublisher
from tests.web.conftest import Site, authorization


@pytest.fixture
def _by_publisher(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a token is the trusted publisher of `example`."""
    site.user()
    site.release(make_wheel(tmp_path, version="0.9"))
    with site.services.reading() as uow:
        publisher = TrustedPublisher("forge/example", projects.get(uow, "example").id)

    def actor_of_token(uow: UnitOfWork, text: str) -> Actor:
        return publisher

    monkeypatch.setattr(accounts, "actor_of_token", actor_of_token)


@pytest.mark.usefixtures("_by_publisher")
def test_it_uploads_as_twine_does(site: Site, tmp_path: Path) -> None:
    opened = site.upload(make_wheel(tmp_path), "gr_x", staged=True, status=201)
    assert opened.json["status"] == "open"
    found = site.app.get("/api/drafts/example/1.0", headers=authorization("gr_x"))
    assert list(found.json["files"]) == ["example-1.0-py3-none-any.whl"]
    site.upload(make_sdist(tmp_path, version="1.1"), "gr_x", status=200)
    assert "example-1.1.tar.gz" in site.app.get("/simple/example/").text


@pytest.mark.usefixtures("_by_publisher")
def test_it_publishes_a_session(site: Site, tmp_path: Path) -> None:
    opened = site.upload(make_wheel(tmp_path), "gr_x", staged=True, status=201)
    publish = opened.json["links"]["publish"].removeprefix("http://index.example")
    site.app.post(
        publish,
        '{"meta": {"api-version": "2.0"}}',
        headers=authorization("gr_x")
        | {
            "Content-Type": "application/vnd.pypi.upload.v2+json",
            "Accept": "application/vnd.pypi.upload.v2+json",
        },
    )
    assert "example-1.0-py3-none-any.whl" in site.app.get("/simple/example/").text
