"""Where files come from: a folder, a mirror's folder, devpi's export, and indexes over HTTP."""

import base64
import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.importing import fetching
from greenroom.importing.candidates import SourceFailed
from greenroom.importing.report import Report
from greenroom.importing.run import NobodyToOwn
from greenroom.importing.sources.open import NotASource, named
from greenroom.models import File, Project
from greenroom.registry import (
    accounts,
    audit_reading,
    catalogue,
    expected_files,
    projects,
    yanking,
)
from greenroom.registry.audit_reading import Wanted
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.importing.conftest import Destination
from tests.importing.make_devpi_export import EXPORT
from tests.serving import serving

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LONG_AGO = datetime(2011, 2, 3, 4, 5, 6, tzinfo=UTC)


def aged(path: Path, moment: datetime = LONG_AGO) -> Path:
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    return path


def reasons(report: Report) -> dict[str, str]:
    """Why files were refused, by where they are."""
    return {entry.where: " ".join(entry.reasons) for entry in report.refused}


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_comes_in_from_any_depth_with_its_times(
    index: Destination, tmp_path: Path
) -> None:
    folder = tmp_path / "packages"
    aged(make_wheel(folder, "example"))
    aged(make_sdist(folder / "deeper" / "still", "example"))
    make_wheel(folder / ".hidden", "hidden")
    (folder / "index.html").write_text("<p>not a distribution</p>")
    (folder / "broken-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    os.symlink("/etc/passwd", folder / "passwd")

    report = index.take(folder)

    assert (report.imported, report.passed) == (2, 2)
    assert reasons(report).keys() == {"broken-1.0-py3-none-any.whl"}
    for file in index.files().values():
        assert (file.published, file.created) == (LONG_AGO, LONG_AGO)
        assert file.release.published == LONG_AGO
        assert file.uploaded_by is not None
        assert file.uploaded_by.username == "ada"
    with index.services.reading() as uow:
        actions = [action for _, _, action in factories.journal_of(uow)]
        serials = [serial for serial, _, _ in factories.journal_of(uow)]
        newest = catalogue.project(uow.db, "example")
        found = uow.db.connection().exec_driver_sql("SELECT count(*) FROM search_documents")
        assert (found.scalar(), newest is not None) == (1, True)
    assert actions[:3] == ["create", "add Owner ada", "new release"]
    assert serials == list(range(1, len(serials) + 1))


@ON_SQLITE
def test_other_content_under_a_name_is_refused(index: Destination, tmp_path: Path) -> None:
    make_wheel(tmp_path / "one", "example")
    make_wheel(tmp_path / "two", "example", salt="other")
    assert index.take(tmp_path / "one").imported == 1

    report = index.take(tmp_path / "two")

    assert (report.imported, report.present) == (0, 0)
    (sentence,) = reasons(report).values()
    assert "published with other content" in sentence


@ON_SQLITE
def test_a_project_of_others_takes_nothing(index: Destination, tmp_path: Path) -> None:
    index.user("eve")
    index.take([make_wheel(tmp_path / "one", "example")][0].parent)
    make_wheel(tmp_path / "two", "example", "2.0")

    report = index.take(tmp_path / "two", owner="eve")

    assert report.imported == 0
    assert "isn't allowed to upload" in next(iter(reasons(report).values()))


@ON_SQLITE
def test_drafts_are_not_passed_by_and_reviews_are(index: Destination, tmp_path: Path) -> None:
    """What a project's people want holds for an import; the operator's review has been made."""
    settings = replace(index.services.settings, review_command="false")
    index = replace(index, services=replace(index.services, settings=settings))
    make_wheel(tmp_path / "one", "complete")
    assert index.take(make_wheel(tmp_path / "one", "example").parent).imported == 2
    with index.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        project = projects.get(uow, "example")
        drafts_only = projects.ProjectSettings(auto_publish_releases=False)
        projects.change_settings(uow, OPERATOR, project, drafts_only)
        expected_files.change(uow, OPERATOR, projects.get(uow, "complete"), "any\nwindows amd64")
        factories.open_new(uow, ada, "waiting", "1.0")
    make_wheel(tmp_path / "two", "example", "2.0")
    make_wheel(tmp_path / "two", "waiting")
    make_wheel(tmp_path / "two", "complete", "2.0")
    completes = make_wheel(tmp_path / "two", "complete", tag="cp312-cp312-win_amd64")

    report = index.take(tmp_path / "two")

    codes = sorted(refused.code for refused in report.refused)
    assert codes == ["draft-open", "drafts-only", "drafts-only"]
    assert (report.imported, completes.name in index.files()) == (1, True)


@ON_SQLITE
def test_an_index_that_is_gone_is_given_up(index: Destination, tmp_path: Path) -> None:
    """What came before is there, and is passed over the next time."""
    folder = tmp_path / "served"
    made = [make_wheel(folder / "files", "example", f"1.{number}") for number in range(40)]
    links = "".join(f'<a href="/files/{path.name}">x</a>' for path in made)
    (folder / "simple" / "example").mkdir(parents=True)
    (folder / "simple" / "example" / "index.html").write_text(links)

    with old_server(folder) as (url, old):
        source = url.replace("//", "//ada:secret@") + "/simple/"
        gone = sorted(path.name for path in made)[20:]
        old.fails.update({f"/files/{name}": 99 for name in gone})
        with pytest.raises(SourceFailed, match="many files in a row"):
            index.take(source, "example")
        assert len(index.files()) == 20
        old.fails.clear()
        report = index.take(source, "example")

    assert (report.present, report.imported, report.refused) == (20, 20, [])


@ON_SQLITE
def test_only_what_is_wanted_comes(index: Destination, tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    for name, version in (("example", "1.0"), ("example", "2.0"), ("other", "1.0"), ("no", "1.0")):
        make_wheel(folder, name, version)

    assert index.take(folder, "example>=1.5", "Other").imported == 2
    assert set(index.files()) == {"example-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"}


def test_a_mirror_says_what_is_yanked_and_when_it_was_uploaded(
    index: Destination, tmp_path: Path
) -> None:
    root = tmp_path / "mirror" / "web"
    one = make_wheel(root / "packages" / "aa" / "bb", "example")
    two = aged(make_wheel(root / "packages" / "cc", "other"))
    listed = {
        "filename": one.name,
        "url": f"../../packages/aa/bb/{one.name}",
        "hashes": {"sha256": hashlib.sha256(one.read_bytes()).hexdigest()},
        "upload-time": "2012-01-02T03:04:05.678901Z",
        "yanked": "It was\nbroken.",
    }
    gone = {"filename": "example-3.0-py3-none-any.whl", "url": "../../../../etc/passwd"}
    for name in ("example", "other"):
        (root / "simple" / name).mkdir(parents=True)
    page = json.dumps({"files": [listed, gone]})
    (root / "simple" / "example" / "index.v1_json").write_text(page)
    (root / "simple" / "other" / "index.html").write_text(
        f'<a href="../../packages/cc/{two.name}#sha256={"0" * 64}">x</a>'
    )

    report = index.take(tmp_path / "mirror")

    assert report.imported == 1
    assert "not in it" in reasons(report)["etc/passwd"]
    assert "does not have the digest" in reasons(report)[f"packages/cc/{two.name}"]
    file = index.files()[one.name]
    assert file.published == datetime(2012, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    # Each of its files is yanked, so that it does not stand for the project, and it is yanked as a
    # whole; it stays taken back where somebody does that.
    assert (file.release.yanked, file.release.yanked_reason) == (True, "It was broken.")
    with index.services.writing() as uow:
        yanking.unyank_release(uow, OPERATOR, projects.get(uow, "example"), "1.0")
    assert index.take(tmp_path / "mirror").present == 1
    file = index.files()[one.name]
    assert (file.yanked, file.release.yanked) == (False, False)


# --- devpi ----------------------------------------------------------------------------------------


def test_an_export_of_devpi_comes_in_with_its_people(index: Destination) -> None:
    """Made by devpi-server's own command: see ``make_devpi_export.py``."""
    index.user("bob")
    with pytest.raises(NobodyToOwn, match="'alice'"):
        index.take(EXPORT, owner=None)

    report = index.take(EXPORT, owner=None, user_names={"alice": "ada"})

    assert report.imported == 5
    assert reasons(report).keys() == {"bob/own/example/1.1/example-1.1-py3-none-any.whl"}
    files = index.files()
    uploaders = {
        name: file.uploaded_by.username for name, file in files.items() if file.uploaded_by
    }
    assert Counter(uploaders.values()) == {"ada": 3, "bob": 2}
    assert uploaders["other_thing-2.0-py3-none-any.whl"] == "bob"
    exported = json.loads((EXPORT / "dataindex.json").read_text())
    (entry, *_) = exported["indexes"]["alice/dev"]["files"]
    name = entry["relpath"].rpartition("/")[2]
    when = datetime(*entry["log"][0]["when"]).replace(tzinfo=UTC)
    assert files[name].published == when
    with index.services.reading() as uow:
        roles = {
            project.normalized_name: {(role.name, role.user.username) for role in project.roles}
            for project in uow.db.query(Project)
        }
    assert roles["example"] == {("owner", "ada"), ("maintainer", "bob")} == roles["other-thing"]
    assert roles["bobs-thing"] == {("owner", "bob")}
    assert index.take(EXPORT, owner=None, user_names={"alice": "ada"}).present == 5


@ON_SQLITE
def test_an_index_of_devpi_is_chosen_by_name(index: Destination) -> None:
    assert index.take(EXPORT, indexes=("bob/own",)).imported == 2
    with pytest.raises(SourceFailed, match="is a mirror"):
        index.take(EXPORT, indexes=("alice/mirror",))
    with pytest.raises(SourceFailed, match="It has: alice/dev, bob/own"):
        index.take(EXPORT, indexes=("alice/nothing",))
    uploaders = {file.uploaded_by.username for file in index.files().values() if file.uploaded_by}
    assert uploaders == {"ada"}


# --- indexes --------------------------------------------------------------------------------------


@ON_SQLITE
def test_another_index_comes_in_as_it_was(index: Destination, tmp_path: Path) -> None:
    """A second Greenroom, in processes of its own."""
    with serving(tmp_path) as server:
        with server.services() as theirs, theirs.writing() as uow:
            eve = factories.make_user(uow, "eve")
            for version in ("1.0", "2.0"):
                wheel = make_wheel(tmp_path / "dist", "example", version, requires_python=">=3.9")
                factories.release(
                    uow, eve, wheel, make_sdist(tmp_path / "dist", "example", version)
                )
            factories.release(uow, eve, make_wheel(tmp_path / "dist", "other"))
            project = catalogue.project(uow.db, "example")
            assert project is not None
            yanking.yank_release(uow, OPERATOR, project, "1.0", "It was wrong.")
        address = f"{server.url}/simple/"

        dry = index.take(address, is_all=True, dry_run=True)
        assert (dry.imported, dry.received, index.files()) == (5, 0, {})
        report = index.take(address, "example")
        whole = index.take(address, is_all=True)
        nobody = index.take(address, "nobody")

        with server.services() as theirs, theirs.reading() as uow:
            known = {
                file.filename: (file.sha256, file.published, file.requires_python)
                for file in uow.db.query(File)
            }
    assert (report.imported, report.refused) == (4, [])
    assert (whole.imported, whole.present, whole.refused) == (1, 4, [])
    assert "no project 'nobody'" in next(iter(reasons(nobody).values()))
    files = index.files()
    assert {
        name: (file.sha256, file.published, file.requires_python) for name, file in files.items()
    } == known
    assert {file.release.version for file in files.values() if file.release.yanked} == {"1.0"}


class Old(BaseHTTPRequestHandler):
    """A plain folder with pages in HTML, on a server that has bad moments."""

    protocol_version = "HTTP/1.1"
    folder: Path
    other: str
    seen: list[tuple[str, str | None, str | None]]
    fails: Counter[str]

    def do_GET(self) -> None:
        login = self.headers["Authorization"]
        self.seen.append((self.path, login, self.headers["User-Agent"]))
        if login != basic("ada", "secret") and not self.path.startswith("/elsewhere"):
            self.answer(401, b"who?")
        elif self.fails[self.path] > 0:
            self.fails[self.path] -= 1
            self.fail()
        elif self.path.startswith("/away/"):
            self.answer(302, b"", Location=f"{self.other}/elsewhere/{self.path[6:]}")
        elif self.path.startswith("/bad/"):
            self.answer(302, b"", Location="file:///etc/passwd")
        else:
            self.answer_with_file(self.path.removeprefix("/elsewhere"))

    def fail(self) -> None:
        if not self.path.endswith(".whl"):
            self.answer(503, b"busy", **{"Retry-After": "1"})
            return
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"PK")
        self.close_connection = True

    def answer_with_file(self, path: str) -> None:
        found = self.folder / path.lstrip("/")
        if found.is_dir():
            found = found / "index.html"
        if not found.is_file():
            self.answer(404, b"nothing")
            return
        changed = "Thu, 03 Feb 2011 04:05:06 GMT"
        kind = "text/html" if found.suffix == ".html" else "application/octet-stream"
        self.answer(200, found.read_bytes(), **{"Content-Type": kind, "Last-Modified": changed})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def old_server(folder: Path, other: str = "") -> Iterator[tuple[str, type[Old]]]:
    """Serves a folder; gives its address and what it has seen."""
    handler = type(
        "Handler", (Old,), {"folder": folder, "other": other, "seen": [], "fails": Counter()}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@ON_SQLITE
def test_a_plain_index_that_fails_at_times_comes_in(
    index: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In HTML, behind a password, with redirects; nothing is waited for, and nothing is told."""
    monkeypatch.setattr(fetching, "sleep", lambda seconds: None)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    folder = tmp_path / "served"
    one, two, three, four = (
        make_wheel(folder / "files", "example", version) for version in ("1.0", "2.0", "3.0", "4.0")
    )
    digest = hashlib.md5(one.read_bytes()).hexdigest()
    page = (
        '<base href="/simple/example/"><a href="?C=N">Name</a><a href="../">up</a>'
        f'<a href="../../files/{one.name}#md5={digest}" data-yanked>one</a>'
        f'<A HREF="/away/files/{two.name}">two</A>'
        f'<a href="/files/{three.name}#sha256={"1" * 64}">three</a>'
        f'<a href="/bad/{four.name}">four</a><a href="/files/example-9.0.tar.gz">gone</a>'
    )
    (folder / "simple" / "example").mkdir(parents=True)
    (folder / "simple" / "example" / "index.html").write_text(page)
    (folder / "simple" / "index.html").write_text('<a href="../">up</a><a href="example/">x</a>')

    with old_server(folder) as (elsewhere, away), old_server(folder, elsewhere) as (url, old):
        old.other = elsewhere.replace("127.0.0.1", "localhost")
        old.fails.update({"/simple/example/": 2, f"/files/{one.name}": 2})
        report = index.take(f"{url}/simple", is_all=True)
        fetched = Counter(path for path, _, _ in old.seen)
        again = index.take(f"{url}/simple", "example")
        refetched = Counter(path for path, _, _ in old.seen) - fetched
        monkeypatch.setenv("NETRC", str(tmp_path / "none"))
        (denied,) = index.take(f"{url}/simple", "example").refused
        inside = index.take(url.replace("//", "//ada:secret@") + "/simple/", "example")

    assert (report.imported, again.present, inside.present) == (2, 2, 2)
    files = index.files()
    yanked = {name: file.release.yanked for name, file in files.items()}
    assert yanked == {one.name: True, two.name: False}
    assert {file.published for file in files.values()} == {LONG_AGO}
    refused = reasons(report)
    assert "does not have the digest" in refused[f"{url}/files/{three.name}"]
    assert "not http or https" in refused[f"{url}/bad/{four.name}"]
    assert "404" in refused[f"{url}/files/example-9.0.tar.gz"]
    # A redirect to another host, as its name is another, carries no credentials.
    assert [login for _, login, _ in away.seen] == [None]
    assert fetched["/simple/example/"] == fetched[f"/files/{one.name}"] == 3
    assert refetched[f"/files/{one.name}"] == refetched[f"/away/files/{two.name}"] == 0
    assert "credentials (401)" in denied.reasons[0]
    with index.services.reading() as uow:
        found = audit_reading.everything(uow, OPERATOR, Wanted(), None, 100).lines
    everything = json.dumps([report.to_json(), inside.to_json(), denied.reasons])
    assert "secret" not in everything + str(found) + named(url.replace("//", "//ada:secret@"))
    # A file that comes yanked has one line, too; its release is yanked once all of it is there.
    imported = {line.filename: line.detail for line in found if line.act == "file-import"}
    assert sorted(line.act for line in found) == [
        *("file-import", "file-import", "release-yank", "user-create"),
    ]
    assert imported.keys() == {one.name, two.name}
    assert re.fullmatch(
        rf"sha256 \w{{64}}; made the project; yanked, as it was there; from {url}/files/{one.name}",
        str(imported[one.name]),
    )
    assert all(str(agent).startswith("greenroom/") for _, _, agent in old.seen)


@ON_SQLITE
@pytest.mark.parametrize(
    ("source", "names", "sentence"),
    [
        ("ftp://index.example/simple/", ("example",), "http"),
        ("file:///etc/", ("example",), "http"),
        ("http://index.example/simple/", (), "Say which projects"),
        ("http:///simple/", ("example",), "http"),
        ("/nowhere/at/all", (), "neither a folder"),
    ],
)
def test_what_is_no_source_is_said(
    index: Destination, source: str, names: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(NotASource, match=sentence):
        index.take(source, *names)


@ON_SQLITE
def test_an_index_that_is_not_there_is_said(index: Destination) -> None:
    index_without = "http://127.0.0.1:9/simple/"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "ATTEMPTS", 1)
        with pytest.raises(SourceFailed, match=r"cannot be reached: no connection\.$"):
            index.take(index_without, is_all=True)
        with pytest.raises(NobodyToOwn):
            index.take(index_without, "example", owner=None)
    with index.services.reading() as uow:
        assert accounts.find_user(uow.db, "ada") is not None
