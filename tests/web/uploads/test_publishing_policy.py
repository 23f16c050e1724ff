"""Where a person publishes, no token does: by any address, with any credential."""

from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import Draft
from greenroom.registry import projects
from greenroom.registry.permissions import TOKEN_PERMISSIONS
from tests.artifacts import make_wheel
from tests.web.conftest import Site, authorization
from tests.web.uploads.test_pep694 import META, Client
from tests.web.uploads.test_workflows_act import workflow_token

# What every address answers to each credential: pages know no tokens, and ask to sign in.
TABLE = """
    credential  upload  staged  session  set  go   page  set-page     schedule-page     approve-page
    all         400     201     403      403  403  303   303          303               303
    publish     403     403     403      404  404  303   303          303               303
    stage       403     201     403      403  403  303   303          303               303
    read        403     403     403      404  404  303   303          303               303
    of-project  400     201     403      403  403  303   303          303               303
    workflow    400     201     403      403  403  303   303          303               303
    none        403     403     401      401  401  303   303          303               303
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]


def token(site: Site, credential: str) -> str:
    """A credential that ada, or her workflow, has."""
    if credential == "workflow":
        return workflow_token(site)
    if credential == "of-project":
        return site.token(project="example", permissions=TOKEN_PERMISSIONS)
    return site.token(permissions=TOKEN_PERMISSIONS if credential == "all" else (credential,))


@pytest.mark.usefixtures("account")
def test_no_token_publishes_where_a_person_does(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path, version="0.9"))
    site.stage(make_wheel(tmp_path))
    with site.services.writing() as uow:
        projects.get(uow, "example").auto_publish_releases = False
    whole = Client(site, site.token())
    session = whole.ask("GET", "/api/drafts/example/1.0").json["links"]["session"]
    body = {"meta": META, "set": "all"}
    there = whole.ask("POST", f"{session}set", body).json["links"]["set"]
    digest = whole.ask("GET", there).json["content-digest"]
    go = {"meta": META, "content-digest": digest}
    draft = "/manage/project/example/draft/1.0/"
    key = there.rstrip("/").rpartition("/")[2]
    pages = (
        f"{draft}publish",
        f"/manage/sets/{key}/publish",
        f"{draft}schedule",
        f"{draft}approve",
    )
    number = 0
    for credential, *expected in ROWS:
        held = token(site, credential) if credential != "none" else None
        client, number = Client(site, held), number + 1
        headers = authorization(held) if held is not None else {}
        further = [make_wheel(tmp_path, version=f"2.{number}.{each}") for each in range(2)]
        found = [
            *(site.upload(path, held or "", staged=staged).status_int
              for path, staged in zip(further, (False, True), strict=True)),
            client.ask("POST", f"{session}publish", {"meta": META}).status_int,
            client.ask("POST", f"{there}publish", go).status_int,
            client.ask("POST", f"{there}go", go).status_int,
            *(site.app.post(page, headers=headers, status="*").status_int for page in pages),
        ]  # fmt: skip
        assert (credential, [str(status) for status in found]) == (credential, expected)
    assert site.app.get("/simple/example/").text.count("<a ") == 1
    with site.services.reading() as uow:
        assert set(uow.db.scalars(select(Draft.state))) == {"open"}
