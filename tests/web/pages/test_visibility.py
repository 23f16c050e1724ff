"""Who may read a project: how owners say it, and what it changes for caches, lists and uploads."""

from pathlib import Path

import pytest
from sqlalchemy import delete, select

from greenroom.models import Job, JournalEntry, Visibility
from greenroom.registry import jobs
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Response, Site, authorization
from tests.web.reading import text
from tests.web.standing import with_settings

PAGE = "/manage/project/example/"
SIMPLE = "/simple/example/"
FILE = "example-1.0-py3-none-any.whl"


@pytest.fixture
def private(site: Site, tmp_path: Path) -> Site:
    """An index that decides by project who reads. Ada has published an example there."""
    private = with_settings(site, read="projects", purge_url="http://cache.example/purge")
    for name in ("ada", "eve"):
        private.user(name)
    private.release(make_wheel(tmp_path))
    return private


def open_to(site: Site, visibility: Visibility) -> None:
    form = site.sign_in().get(f"{PAGE}visibility").forms["confirm"]
    form["visibility"] = visibility.value
    form["typed"] = "example"
    assert text(form.submit().follow()).count(f"example is {visibility.value}.") == 1


def actions(site: Site) -> list[str]:
    with site.services.reading() as uow:
        return list(uow.db.scalars(select(JournalEntry.action).order_by(JournalEntry.id)))


def purged(site: Site) -> set[str]:
    with site.services.writing() as uow:
        payloads = uow.db.scalars(select(Job.payload).where(Job.kind == jobs.Kind.PURGE)).all()
        uow.db.execute(delete(Job))
    return {key for payload in payloads for key in jobs.texts(payload, "keys")}


def ask(site: Site, path: str, token: str | None = None) -> Response:
    return site.app.get(path, headers=authorization(token) if token else {}, status="*")


def test_an_owner_says_who_reads_a_project(private: Site) -> None:
    token = private.token("eve", permissions=("read",))
    assert actions(private) == []
    assert purged(private) == set()
    assert (ask(private, SIMPLE).status_int, ask(private, SIMPLE, token).status_int) == (401, 404)
    assert private.sign_in("eve").get("/project/example/", status="*").status_int == 404
    assert private.sign_in().get("/project/example/").status_int == 200
    signs_in = private.app.get("/project/example/", status=303)
    assert "/account/login?next=" in str(signs_in.location)

    open_to(private, Visibility.INTERNAL)
    assert (ask(private, SIMPLE).status_int, ask(private, SIMPLE, token).status_int) == (401, 200)
    assert (actions(private), purged(private)) == ([], set())

    open_to(private, Visibility.PUBLIC)
    assert (ask(private, SIMPLE).status_int, ask(private, SIMPLE, token).status_int) == (200, 200)
    assert actions(private) == ["create"]
    of_example = {"project/example", "files/example", "all-projects"}
    assert purged(private) == of_example

    open_to(private, Visibility.PRIVATE)
    assert (ask(private, SIMPLE).status_int, ask(private, SIMPLE, token).status_int) == (401, 404)
    assert actions(private) == ["create", "remove project"]
    assert purged(private) == of_example


def test_only_who_manages_a_project_says_who_reads_it(private: Site) -> None:
    assert private.sign_in("eve").get(f"{PAGE}visibility", status="*").status_int == 404
    page = private.sign_in().get(PAGE)
    assert "Private: who has a role in it" in text(page)


def test_shared_caches_keep_what_is_for_everybody_and_nothing_else(private: Site) -> None:
    token = private.token(permissions=("read",))
    for path in ("/simple/", SIMPLE, "/pypi/example/json", "/rss/updates.xml"):
        answer = ask(private, path, token)
        assert answer.headers["Cache-Control"].startswith("private"), path
        assert "s-maxage" not in answer.headers["Cache-Control"], path
        assert "Surrogate-Key" not in answer.headers, path
        assert {"Authorization", "Cookie"} <= set(answer.vary or ()), path
    assert set(ask(private, "/simple/").vary or ()) >= {"Authorization", "Cookie"}

    open_to(private, Visibility.PUBLIC)

    for path in (SIMPLE, "/pypi/example/json"):
        known, stranger = ask(private, path, token), ask(private, path)
        assert known.body == stranger.body, path
        for answer in (known, stranger):
            assert answer.headers["Cache-Control"].startswith("public"), path
            assert answer.headers["Surrogate-Key"] == "project/example", path
    assert ask(private, "/simple/", token).headers["Cache-Control"].startswith("private")


def test_who_uploads_to_what_they_may_not_read_learns_no_more_than_that_it_is_taken(
    private: Site, tmp_path: Path
) -> None:
    token = private.token("eve")
    with private.services.writing() as uow:
        factories.stage(uow, factories.make_user(uow, "bob"), make_wheel(tmp_path, "reserved"))

    refusals = {
        name: private.upload(
            make_wheel(tmp_path / "eves", name, "9"), token, fields={"name": name.upper()}
        )
        for name in ("example", "reserved")
    }

    assert [answer.status_int for answer in refusals.values()] == [403, 403]
    told = {answer.text.replace(name.upper(), "NAME") for name, answer in refusals.items()}
    assert len(told) == 1
    assert "isn't allowed to upload to project 'NAME'" in told.pop()
    similar = private.upload(make_wheel(tmp_path / "eves", "examp1e"), token)
    assert "too similar to that of an existing project:" in similar.text


@pytest.mark.parametrize("read", ["projects", "public"])
def test_a_token_that_registers_nothing_does_not_learn_what_is_taken(
    private: Site, tmp_path: Path, read: str
) -> None:
    """Of a project that is private, or that drafts alone reserve, and of a name like theirs."""
    site = with_settings(private, read=read)
    site.release(make_wheel(tmp_path, "eves-own"), by="eve")
    with site.services.writing() as uow:
        factories.stage(uow, factories.make_user(uow, "bob"), make_wheel(tmp_path, "reserved"))
    for limits in ({"permissions": ["read"]}, {"project": "eves-own"}):
        token = site.token("eve", **limits)
        for staged in (False, True):
            told = set()
            for name in ("reserved", "reserv3d", "nothing", *(["example"] * (read == "projects"))):
                wheel = make_wheel(tmp_path / "eves", name, "9")
                as_asked: dict[str, str | list[str] | None] = {"name": name.upper()}
                answer = site.upload(wheel, token, fields=as_asked, staged=staged, status=403)
                told.add(answer.text.replace(name.upper(), "NAME"))
            assert len(told) == 1, told
            assert "may not register the new project 'NAME'" in told.pop()


def test_content_of_what_one_may_not_read_is_taken(private: Site, tmp_path: Path) -> None:
    """To refuse it would show that it is there."""
    wheel = tmp_path / FILE
    same = tmp_path / "example-1.0-1-py3-none-any.whl"
    same.write_bytes(wheel.read_bytes())

    open_to(private, Visibility.PUBLIC)
    told = private.upload(same, private.token())
    assert "the same content is published" in told.text
    open_to(private, Visibility.PRIVATE)

    assert "the same content is published" not in private.upload(same, private.token()).text
