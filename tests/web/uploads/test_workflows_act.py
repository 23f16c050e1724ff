"""Workflows at the doors for uploads, which ask them nothing that they have not."""

from pathlib import Path

import pytest

from greenroom.models import ProjectPublisher
from greenroom.registry import minted_tokens, projects
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization


@pytest.fixture
def token(site: Site, tmp_path: Path) -> str:
    """What a workflow got that `example` trusts."""
    site.user()
    site.release(make_wheel(tmp_path, version="0.9"))
    return workflow_token(site)


def workflow_token(site: Site) -> str:
    """What a workflow gets that may publish in `example`."""
    with site.services.writing() as uow:
        publisher = ProjectPublisher(
            project_id=projects.get(uow, "example").id,
            added_by="ada",
            service="forgejo",
            issuer="https://forge.example",
            subject="ada/example",
            conditions={},
            may_publish=True,
            created=uow.now,
        )
        uow.db.add(publisher)
        uow.db.flush()
        return minted_tokens.mint(uow, "forge:ada/example", "run 1", [publisher], []).text


def test_it_uploads_as_twine_does(site: Site, token: str, tmp_path: Path) -> None:
    opened = site.upload(make_wheel(tmp_path), token, staged=True, status=201)
    assert opened.json["status"] == "open"
    found = site.app.get("/api/drafts/example/1.0", headers=authorization(token))
    assert list(found.json["files"]) == ["example-1.0-py3-none-any.whl"]
    site.upload(make_sdist(tmp_path, version="1.1"), token, status=200)
    assert "example-1.1.tar.gz" in site.app.get("/simple/example/").text


def test_it_publishes_a_session(site: Site, token: str, tmp_path: Path) -> None:
    opened = site.upload(make_wheel(tmp_path), token, staged=True, status=201)
    publish = opened.json["links"]["publish"].removeprefix("http://index.example")
    site.app.post(
        publish,
        '{"meta": {"api-version": "2.0"}}',
        headers=authorization(token)
        | {
            "Content-Type": "application/vnd.pypi.upload.v2+json",
            "Accept": "application/vnd.pypi.upload.v2+json",
        },
    )
    assert "example-1.0-py3-none-any.whl" in site.app.get("/simple/example/").text
