"""Release sets in Upload 2.0: this index's own addresses beside those of PEP 694."""

from pathlib import Path

import pytest

from greenroom.models import RoleName
from tests.artifacts import make_wheel
from tests.web.conftest import Response, Site
from tests.web.uploads.test_pep694 import META, Client

pytestmark = pytest.mark.usefixtures("account")


def code(response: Response) -> str:
    return str(response.json["errors"][0]["source"])


def test_sessions_are_gathered_and_published_together(site: Site, tmp_path: Path) -> None:
    client = Client(site, site.token())
    for name in ("one", "two"):
        site.stage(make_wheel(tmp_path, name))
    sessions = [client.ask("GET", f"/api/drafts/{name}/1.0").json for name in ("one", "two")]
    assert "set" not in sessions[0]["links"]
    body = {"meta": META, "set": "a b"}
    wrong = client.ask(
        "POST", f"{sessions[0]['links']['session']}set", {"meta": META, "set": "a b"}
    )
    assert (wrong.status_int, code(wrong)) == (400, "invalid-request")
    for session in sessions:
        body = {"meta": META, "set": "2026.11"}
        joined = client.ask("POST", f"{session['links']['session']}set", body, status=200).json
    opened = {"meta": META, "name": "three", "version": "1.0", "set": "2026.11"}
    third = client.ask("POST", "/upload/2.0/", opened, status=201).json
    assert third["links"]["set"] == joined["links"]["set"]

    found = client.ask("GET", "/upload/2.0/set/?name=2026.11", status=200).json
    assert found == client.ask("GET", joined["links"]["set"], status=200).json
    assert found["name"] == "ada/2026.11"
    assert [session["name"] for session in found["sessions"]] == ["one", "three", "two"]
    assert found["sessions"][1]["obstacles"] == ["It has no files: upload one first."]
    digest = {"meta": META, "content-digest": found["content-digest"]}
    refused = client.ask("POST", found["links"]["publish"], digest)
    assert (refused.status_int, code(refused)) == (409, "cannot-publish")
    assert "three 1.0: It has no files" in refused.json["detail"]
    client.ask("DELETE", f"{third['links']['session']}set", status=204)
    client.ask("DELETE", f"{third['links']['session']}set", status=204)
    stale = client.ask("POST", found["links"]["publish"], digest)
    assert (stale.status_int, code(stale)) == (409, "draft-changed")
    done = client.ask("POST", found["links"]["publish"], {"meta": META}, status=201).json
    assert (done["status"], done["links"]) == ("published", {"set": found["links"]["set"]})
    assert client.ask("POST", found["links"]["publish"], {"meta": META}, status=201).json == done
    gone = client.ask("GET", "/upload/2.0/set/?name=2026.11")
    assert (gone.status_int, code(gone)) == (404, "not-found")
    assert client.ask("GET", "/upload/2.0/set/").status_int == 400


def test_a_token_is_shown_what_it_covers_and_adds_no_more(site: Site, tmp_path: Path) -> None:
    whole = Client(site, site.token())
    for name in ("one", "two"):
        site.stage(make_wheel(tmp_path, name))
        session = whole.ask("GET", f"/api/drafts/{name}/1.0").json["links"]["session"]
        body = {"meta": META, "set": "together"}
        there = whole.ask("POST", f"{session}set", body).json["links"]["set"]
    site.stage(make_wheel(tmp_path, "three"))
    limited = Client(site, site.token(project="one"))
    found = limited.ask("GET", there, status=200).json
    assert ([each["name"] for each in found["sessions"]], found["hidden"]) == (["one"], 1)
    assert "stage" not in found["links"]
    assert "two" not in str(found)
    session = whole.ask("GET", "/api/drafts/three/1.0").json["links"]["session"]
    assert limited.ask("POST", f"{session}set", {"meta": META, "set": "together"}).status_int == 403
    assert limited.ask("DELETE", there).status_int == 403
    go = {"meta": META, "content-digest": found["content-digest"]}
    assert limited.ask("POST", f"{there}go", go).json["sessions"][0]["go-by"] == "ada"
    assert limited.ask("POST", f"{there}go", {"meta": META}).status_int == 400
    refused = limited.ask("POST", f"{there}publish", {"meta": META})
    assert (code(refused), "two" in refused.text) == ("cannot-publish", False)
    assert "1 draft of projects that this token does not cover" in refused.json["detail"]
    stale = {"meta": META, "content-digest": f"sha256:{'0' * 64}"}
    for act in ("publish", "go"):
        refused = limited.ask("POST", f"{there}{act}", stale)
        assert (code(refused), "two 1.0" in refused.text) == ("draft-changed", False)
        assert "one 1.0 changed last" in refused.text
    site.user("eve")
    stranger = Client(site, site.token("eve"))
    for method, act in (("GET", ""), ("DELETE", ""), ("POST", "publish"), ("POST", "go")):
        assert stranger.ask(method, f"{there}{act}", go).status_int == 404
    assert stranger.ask("GET", "/upload/2.0/set/?name=ada/together").status_int == 404
    assert Client(site, None).ask("GET", there).status_int == 401
    site.role("two", "eve", RoleName.MAINTAINER)
    assert stranger.ask("GET", "/upload/2.0/set/?name=ada/together").status_int == 200
    whole.ask("DELETE", there, status=204)
    assert whole.ask("GET", there).json["status"] == "canceled"
    assert whole.ask("POST", f"{there}publish", {"meta": META}).status_int == 410
