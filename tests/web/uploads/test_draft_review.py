"""``GET /api/drafts/<project>/<version>/review``: what a draft would make public, for programs."""

import json
import re
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from greenroom.web.http.urls import Urls
from greenroom.web.uploads.draft_lookup.openapi import describe
from greenroom.web.uploads.draft_lookup.review_schemas import ReviewBody
from greenroom.web.uploads.draft_lookup.review_text import code, escaped, plain
from tests import jobs
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import fetch

REVIEW = "/api/drafts/example/2.0/review"
NASTY = "www.a\x1b[31m b\n# c `d` <b>e</b> | [f](http://g.example) \N{RIGHT-TO-LEFT OVERRIDE}h"


@pytest.fixture
def drafted(site: Site, tmp_path: Path) -> tuple[Site, str]:
    """An index with a release, and a draft of the next one that has something to look at."""
    site.user()
    token = site.token()
    site.upload(make_sdist(tmp_path, "example", "1.0"), token)
    site.upload(make_wheel(tmp_path, "example", "1.0"), token)
    wheel = make_wheel(
        tmp_path,
        "example",
        "2.0",
        summary="Ring <b>it</b>",
        metadata_extra=[("Requires-Dist", "evil")],
        extra_files={"evil.pth": b"import os\n"},
    )
    site.upload(wheel, token, staged=True)
    return site, token


def test_it_says_all_of_it_once_the_files_were_looked_into(drafted: tuple[Site, str]) -> None:
    site, token = drafted
    first = fetch(site, REVIEW, headers=authorization(token))
    assert json.loads(first.body)["progress"] == {"analysed": 0, "of": 3}
    assert first.headers["Cache-Control"] == "private, no-store"
    jobs.do_due(site.services)

    response = fetch(site, REVIEW, headers=authorization(token))
    assert response.content_type == "application/json"
    body = json.loads(response.body)
    ReviewBody.checked(body)
    assert body["progress"] == {"analysed": 3, "of": 3}
    assert {finding["code"] for finding in body["findings"]} == {
        "missing-sdist",
        "new-dependency",
        "pth-file",
    }
    assert body["verdict"]["sentences"] == [
        "1.0 is public; 2.0 would become public with 1 file.",
        "It is not complete.",
        "Findings: 0 problems, 0 warnings, 3 to look at, 0 notes.",
        "Nothing stands in the way of publishing.",
    ]
    assert body["links"] == {"page": "http://index.example/manage/project/example/draft/2.0/"}
    (file,) = body["files"]
    assert file["credential"].startswith("token ")
    with site.services.reading() as uow:
        found = jobs.rows(uow, "analyse")
    # It was written when the file came; the first review saw that it was waiting.
    assert [job.state for job in found] == ["done"]


def test_it_is_text_and_markdown_as_well(drafted: tuple[Site, str]) -> None:
    site, token = drafted
    jobs.do_due(site.services)
    texts = {}
    for form in ("text", "markdown"):
        response = fetch(site, f"{REVIEW}?format={form}", headers=authorization(token))
        assert response.headers["Content-Type"].startswith(f"text/{form.replace('text', 'plain')}")
        texts[form] = response.body.decode()
        for said in ("pth-file", "evil.pth", "new-dependency", "1 file"):
            assert said in texts[form]
    assert "summary\n  " in texts["text"]
    assert "<b>" in texts["markdown"]
    assert "<b>" not in re.sub("`[^`]*`", "", texts["markdown"])  # as code it means nothing
    against = fetch(site, f"{REVIEW}?against=1&format=text", headers=authorization(token))
    assert against.body.decode() == texts["text"]


def test_nothing_that_is_repeated_means_anything(drafted: tuple[Site, str]) -> None:
    for shown in (plain(NASTY), escaped(NASTY), code(NASTY)):
        assert all(each.isprintable() for each in shown)
    assert not re.search(r"(?<!\\)[<>`\[\]|]|(?<!\\)://|www\.", escaped(NASTY))
    assert escaped("# x") == r"\# x"
    assert code(NASTY).count("`") == 2
    assert "|" not in code(NASTY)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?format=html", 400),
        ("?format=json&format=text", 400),
        ("?against=1&against=2", 400),
        ("?against=%00", 400),
        ("?against=9", 404),
        ("?against=nonsense", 404),
        ("?against=2.0", 404),
        ("?against=" + "1" * 4000, 404),
        ("?against=&format=", 200),
    ],
)
def test_odd_questions_get_a_sentence(drafted: tuple[Site, str], query: str, status: int) -> None:
    site, token = drafted
    response = fetch(site, f"{REVIEW}{query}", headers=authorization(token))
    assert response.status_int == status
    assert status == 200 or response.content_type == "text/plain"


def test_who_may_not_see_the_draft_cannot_tell_whether_there_is_one(
    drafted: tuple[Site, str],
) -> None:
    site, _ = drafted
    site.user("eve")
    for headers in ({}, authorization(site.token("eve"))):
        there = fetch(site, REVIEW, headers=headers)
        not_there = fetch(site, "/api/drafts/never-heard-of/1.0/review", headers=headers)
        session = fetch(site, "/api/drafts/example/2.0", headers=headers)
        assert there.status_int == 404
        assert there.body == not_there.body == session.body
        assert dict(there.headers) == dict(not_there.headers)
    token = site.token("ada", permissions=["publish"])
    assert fetch(site, REVIEW, headers=authorization(token)).status_int == 404
    assert site.sign_in("ada").get(REVIEW, status=200)


def test_it_describes_itself(site: Site) -> None:
    description = fetch(site, "/api/openapi.json")
    assert json.loads(description.body) == describe(Urls("http://index.example"))
    OpenAPIV31SpecValidator(describe(Urls("https://index.example"))).validate()
