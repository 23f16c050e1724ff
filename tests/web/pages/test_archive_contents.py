"""Pages of what is in a distribution: published, staged, by the secret address."""

import hashlib
from pathlib import Path

import pytest
from webtest import TestResponse

from greenroom.distributions import member_reading
from greenroom.registry import accounts, archive_contents, drafts, projects
from greenroom.registry.permissions import OPERATOR, Person
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import attribute, inside, text, the

pytestmark = pytest.mark.usefixtures("account")
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone

WHEEL, SDIST = "example-1.0-py3-none-any.whl", "example-1.0.tar.gz"
PUBLIC = "/project/example/1.0/contents/"
EVIL = b"<script>alert(1)</script>\nuser = 'x\xe2\x80\xae'\nlast\n"
FILES = {
    "example/evil.html": EVIL,
    "example/data.bin": b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\0" + bytes(100),
    "example/long.txt": b"".join(b"line %d\n" % number for number in range(1, 2501)),
    "example/wide.txt": b"w" * 5000 + b"\n",
    "example/old.txt": b"one\ntwo\nthree\n",
}


def make(folder: Path, version: str = "1.0") -> list[Path]:
    files = FILES
    if version != "1.0":
        files = FILES | {"example/old.txt": b"one\n2\nthree\n", "example/new.py": b"new = 1\n"}
    return [
        make_wheel(folder, version=version, extra_files=files),
        make_sdist(folder, version=version),
    ]


@pytest.fixture(params=["published", "shared", "managed"])
def where(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> str:
    """Where an archive is browsed."""
    if request.param == "published":
        site.release(*make(tmp_path))
        return PUBLIC
    slug = site.stage(*make(tmp_path))
    here = {"shared": f"/draft/{slug}/", "managed": "/manage/project/example/draft/1.0/"}
    return f"{here[request.param]}contents/"


def links(page: TestResponse, selector: str) -> dict[str, str]:
    return {a.get_text().strip(): attribute(a, "href") for a in page.html.select(selector)}


@ONE_DATABASE
def test_an_archive_is_browsed_from_the_page_that_lists_it(site: Site, where: str) -> None:
    browser = site.sign_in()
    listing = browser.get(where.removesuffix("contents/"))
    assert listing.html.select_one("a.browse") is not None, "no link to the contents"
    page = listing.click(href=f"{WHEEL}/$")

    assert "9 files" in text(page)
    assert set(links(page, ".members .folder a")) == {"example/", "example-1.0.dist-info/"}
    metadata = page.click("^METADATA$")
    assert "Metadata-Version: 2.1" in the("#L1", metadata).get_text()
    inside = page.click("^example/$", index=0)
    assert set(links(inside, ".members td > a")) >= {"evil.html", "data.bin", "old.txt"}

    evil = inside.click("^evil.html$")
    assert "<script>alert" not in evil.text
    assert "<script>alert(1)</script>" in the("#L1 code", evil).get_text()
    assert the("#L2 code", evil).get_text() == "user = 'x⟨U+202E⟩'"
    assert "characters in it that are not seen" in text(evil)
    assert attribute(the("#L3 .number a", evil), "href") == "#L3"
    assert hashlib.sha256(EVIL).hexdigest() in text(evil)

    found = browser.get(f"{where}{WHEEL}/?find=OLD+.txt")
    assert list(links(found, ".members td > a")) == ["example/old.txt"]
    sdist = browser.get(f"{where}{SDIST}/")
    assert "PKG-INFO" in links(sdist, ".jumps a")


@ONE_DATABASE
def test_members_are_bounded_and_told_what_they_are(site: Site, where: str) -> None:
    browser = site.sign_in()
    native = browser.get(f"{where}{WHEEL}/?member=example/data.bin")
    assert "Machine code: ELF for x86_64" in text(native)
    assert "no text" in text(native)
    assert native.html.select_one("table.code") is None
    long = browser.get(f"{where}{WHEEL}/?member=example/long.txt&page=3")
    assert long.html.select("table.code tr")[0]["id"] == "L2001"
    assert long.html.select("table.code tr")[-1]["id"] == "L2500"
    wide = browser.get(f"{where}{WHEEL}/?member=example/wide.txt")
    assert len(the("#L1 code", wide).get_text()) < 2100
    assert "goes on" in the("#L1", wide).get_text()


@ONE_DATABASE
def test_bytes_are_sent_so_that_no_browser_shows_them(site: Site, where: str) -> None:
    browser = site.sign_in()
    raw = browser.get(f"{where}{WHEEL}/?raw=example/evil.html")
    assert raw.body == EVIL
    assert raw.content_type == "application/octet-stream"
    assert raw.headers["Content-Disposition"] == 'attachment; filename="evil.html"'
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in raw.headers["Content-Security-Policy"]
    assert "noindex" in raw.headers["X-Robots-Tag"]
    again = {"If-None-Match": raw.headers["ETag"]}
    browser.get(f"{where}{WHEEL}/?raw=example/evil.html", headers=again, status=304)


@ONE_DATABASE
def test_what_is_not_there_is_said(site: Site, where: str) -> None:
    browser = site.sign_in()
    for query in (
        *("member=none", "raw=none", "folder=none/", "folder=examp", "member=example", "member="),
        *("member=../../etc/passwd", "member=example/old.txt&against=9", "find=a&page=99"),
        *("member=example/old.txt&against=%F0%9F%92%A5", "folder=" + "x/" * 2000),
    ):
        page = browser.get(f"{where}{WHEEL}/?{query}", status=404)
        assert page.content_type == "text/html"
    for query in (
        "member=%FF",
        "member=a%00b",
        "member=a&member=b",
        "page=-1",
        "member=" + "x" * 5000,
    ):
        browser.get(f"{where}{WHEEL}/?{query}", status=400)
    for path in ("", "none.whl/", f"{WHEEL}/example/", "a%00b/"):
        browser.get(f"{where}{path}", status=404)


def changed(page: TestResponse) -> list[tuple[str, str]]:
    rows = page.html.select(".code tr")
    return [(" ".join(row["class"]), inside(row, "code").get_text()) for row in rows]


def test_a_member_is_compared_with_that_of_a_public_release(site: Site, tmp_path: Path) -> None:
    site.release(*make(tmp_path))
    site.stage(*make(tmp_path, "1.1"))
    browser = site.sign_in()
    here = "/manage/project/example/draft/1.1/contents/"
    wheel = f"{here}{WHEEL.replace('1.0', '1.1')}/"

    forms = browser.get(f"{wheel}?member=example/old.txt").forms.values()
    page = next(form for form in forms if "against" in form.fields).submit()
    rows = changed(page)
    assert ("removed", "two") in rows
    assert ("added", "2") in rows
    assert the("tr.added .number:nth-child(2)", page).get_text() == "2"

    new = browser.get(f"{wheel}?member=example/new.py&against=1.0")
    assert "does not have it" in text(new)
    gone = browser.get(f"{wheel}?member=nowhere&former=example/old.txt&against=1.0")
    assert "not in this archive any more" in text(gone)
    same = browser.get(f"{wheel}?member=example/long.txt&against=v1.0")
    assert "same bytes" in text(same)
    # What names the archive does not count.
    metadata = browser.get(f"{wheel}?member=example-1.1.dist-info/METADATA&against=1.0")
    assert ("added", "Version: 1.1") in changed(metadata)
    sdist = browser.get(f"{here}example-1.1.tar.gz/?member=example-1.1/PKG-INFO&against=1.0")
    assert "Version: 1.1" in text(sdist)


@ONE_DATABASE
def test_an_archive_that_cannot_be_read_is_told(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.release(*make(tmp_path))
    monkeypatch.setattr(archive_contents, "_remembered", archive_contents._Remembered())
    monkeypatch.setattr(member_reading, "MOST_UNPACKED", 100)
    page = site.app.get(f"{PUBLIC}{SDIST}/")
    assert "rest of it is not read" in text(page)
    page = site.app.get(f"{PUBLIC}{SDIST}/?member=example-1.0/PKG-INFO")
    assert "so far behind" in text(page)
    site.app.get(f"{PUBLIC}{SDIST}/?raw=example-1.0/PKG-INFO", status=400)


@ONE_DATABASE
def test_a_file_that_is_lost_is_an_outage(site: Site, tmp_path: Path) -> None:
    wheel, sdist = make(tmp_path)
    site.release(wheel, sdist)
    site.services.storage.delete(hashlib.sha256(wheel.read_bytes()).hexdigest())
    page = site.app.get(f"{PUBLIC}{WHEEL}/?member=example/old.txt", status=503)
    assert "Retry-After" in page.headers


@ONE_DATABASE
def test_caches_keep_public_contents_and_nobody_those_of_drafts(site: Site, where: str) -> None:
    for query in ("", "?member=example/old.txt", "?raw=example/old.txt"):
        browser = site.app if "draft" not in where or where.startswith("/draft") else site.sign_in()
        headers = browser.get(f"{where}{WHEEL}/{query}").headers
        if where == PUBLIC:
            assert headers["Cache-Control"].startswith("public")
            assert "project/example" in headers["Surrogate-Key"]
        else:
            assert "no-store" in headers["Cache-Control"]
            assert "Surrogate-Key" not in headers
        if where.startswith("/draft/"):
            assert headers["Referrer-Policy"] == "no-referrer"


def test_only_who_may_see_the_files_looks_into_them(site: Site, tmp_path: Path) -> None:
    site.release(*make(tmp_path))
    slug = site.stage(*make(tmp_path, "1.1"))
    site.user("mallory")
    other = site.sign_in("mallory")
    staged = WHEEL.replace("1.0", "1.1")
    managed, shared = (
        f"/manage/project/example/draft/1.1/contents/{staged}/",
        f"/draft/{slug}/contents/{staged}/",
    )

    site.app.get(managed, status=303)
    other.get(managed, status=404)
    # By the address of a published release no staged file is found, whoever asks.
    for browser in (site.app, other, site.sign_in()):
        browser.get(f"{PUBLIC}{staged}/", status=404)
        browser.get(f"/project/example/1.1/contents/{staged}/", status=404)
    # Nor is one compared with what is not public.
    site.app.get(f"{PUBLIC}{WHEEL}/?member=example/old.txt&against=1.1", status=404)
    site.app.get(shared)

    with site.services.writing() as uow:
        projects.quarantine(uow, OPERATOR, projects.get(uow, "example"), "Look.")
    for address in (f"{PUBLIC}{WHEEL}/", shared):
        site.app.get(address, status=404)
    site.sign_in().get(managed, status=404)


@ONE_DATABASE
def test_a_draft_that_has_ended_says_so_to_people(site: Site, tmp_path: Path) -> None:
    slug = site.stage(*make(tmp_path))
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        drafts.discard(uow, ada, draft)
    for path in (f"{WHEEL}/", f"{WHEEL}/?member=x", ""):
        page = site.app.get(f"/draft/{slug}/contents/{path}", status=410)
        assert page.content_type == "text/html"
        assert "discarded" in text(page)
    site.app.get(f"/draft/{'x' * 22}/contents/{WHEEL}/", status=404)
