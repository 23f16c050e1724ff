"""What ``twine stage`` and ``twine session`` print: what is new, and no more of it than helps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import make_sdist, make_wheel
from tests.clients.twine_stage.between import CLOSED, CURRENT, OLD, Kind, another_index
from tests.clients.twine_stage.conftest import Uploader, make_uploader, public_files
from tests.serving import Server
from twine_stage.report import install_command, reason_lines
from twine_stage.uploads import Session

APIS = pytest.mark.parametrize("kind", [CURRENT, OLD], ids=["upload 2.0", "legacy"])


def wheels(folder: Path, number: int, *, broken: bool = False) -> list[Path]:
    """Wheels of thing 1.0 for as many Pythons; broken ones are not what RECORD says."""
    overrides = {"thing/__init__.py": b"not what RECORD says"} if broken else {}
    return [
        make_wheel(folder, "thing", tag=f"cp3{minor}-cp3{minor}-win_amd64", overrides=overrides)
        for minor in range(11 if broken else 21, (11 if broken else 21) + number)
    ]


def drafts(server: Server) -> list[str]:
    return [draft["version"] for draft in json.loads(server.greenroom("draft", "list", "--json"))]


@APIS
def test_files_that_are_refused_for_one_reason_are_one_reason(
    server: Server, uploader: Uploader, tmp_path: Path, kind: Kind
) -> None:
    good, bad = wheels(tmp_path, 1), wheels(tmp_path, 3, broken=True)
    other = make_wheel(tmp_path, "thing", overrides={"thing-1.0.dist-info/WHEEL": None})

    with another_index(server.url, kind) as (url, _):
        failed = replace(uploader, url=url).run("stage", *good, *bad, other, status=1)

    lines = failed.stderr[failed.stderr.index("twine stage: ") :].splitlines()
    assert lines[0] == "twine stage: 4 of 5 files of thing 1.0 were not staged:"
    [group] = [number for number, line in enumerate(lines) if line.startswith("  3 files: ")]
    assert "RECORD" in lines[group]
    assert [line.strip() for line in lines[group + 1 : group + 4]] == [path.name for path in bad]
    [alone] = [line for line in lines if line.startswith(f"  {other.name}: ")]
    assert "WHEEL" in alone
    assert lines[-1].startswith("1 file of them is in session thing-1.0-")
    assert len(lines) == 7


def test_a_legacy_index_that_takes_nothing_is_reported_as_the_others_are(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    bad = wheels(tmp_path, 2, broken=True)

    with another_index(server.url, OLD) as (url, _):
        said = replace(uploader, url=url).json("stage", *bad, status=1)

    assert said["error"].startswith("2 of 2 files of thing 1.0 were not staged: ")
    [session] = said["sessions"]
    assert session["session-url"] is session["id"] is session["stage-url"] is None
    assert session["status"] == "canceled"
    assert sorted(session["failed"]) == [path.name for path in bad]


def test_success_says_how_much_where_it_is_and_how_to_publish_it(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    files = wheels(tmp_path, 12)
    size = sum(path.stat().st_size for path in files) / 1000

    printed = uploader.run("stage", *files).stdout

    [session] = uploader.json("session", "list")["sessions"]
    known = uploader.json("session", "status", session["id"])
    page = known["stage-url"].removesuffix("simple/")
    lines = printed.splitlines()
    assert lines[0] == "thing 1.0: open"
    rows = {line.strip() for line in lines[1:]}
    assert f"Files:   12 files, {size:.3g} kB" in rows
    assert f"Page:    {page}" in rows
    assert f"Install: {known['install-command']}" in rows
    assert f"Publish: twine session publish {session['id']}" in rows
    assert f"{server.url}/manage/project/thing/draft/1.0/" in rows
    assert server.get(page.removeprefix(server.url)).status == 200
    assert known["size"] == sum(path.stat().st_size for path in files)
    assert known["page-url"] == page
    for command in ("status", "extend", "publish"):
        later = uploader.run("session", command, session["id"]).stdout
        assert f"12 files, {size:.3g} kB" in later
        assert ".whl" not in printed + later


@APIS
def test_what_is_published_with_the_same_content_is_done(
    server: Server, uploader: Uploader, release: list[Path], kind: Kind
) -> None:
    """A job that is run again after the release went out has nothing to do."""
    server.run("twine", "upload", "--repository-url", f"{server.url}/legacy/",
               "-u", "__token__", "-p", uploader.token, *map(str, release))  # fmt: skip
    variables = uploader.home / "variables"

    with another_index(server.url, kind) as (url, asked):
        there = replace(uploader, url=url)
        printed = there.run("stage", "--variables", variables, *release).stdout
        [session] = there.json("stage", *release)["sessions"]

    assert printed.startswith("thing 1.0: already published\n  Files:   3 files, ")
    assert [session["status"], session["id"], session["session-url"]] == ["published", None, None]
    assert session["already-published"] == sorted(path.name for path in release)
    assert session["failed"] == {}
    assert variables.read_text() == "session_id=\nsession_url=\nstage_url=\n"
    assert [line for line in asked if line.startswith("POST")] == []
    assert drafts(server) == []


@pytest.mark.parametrize("kind", [CURRENT, OLD, CLOSED], ids=["upload 2.0", "legacy", "unlisted"])
def test_what_is_not_published_yet_is_staged_beside_what_is(
    server: Server, uploader: Uploader, release: list[Path], kind: Kind
) -> None:
    server.run("twine", "upload", "--repository-url", f"{server.url}/legacy/",
               "-u", "__token__", "-p", uploader.token, str(release[0]))  # fmt: skip

    with another_index(server.url, kind) as (url, _):
        there = replace(uploader, url=url)
        printed = there.run("stage", *release).stdout
        session = there.stage(*release)

    assert "Files:   2 files, " in printed
    assert (
        "1 more file was already published with the same content, and not staged: "
        f"{release[0].name}\n"
    ) in printed
    assert session["already-published"] == [release[0].name]
    assert [file["filename"] for file in session["files"]] == sorted(p.name for p in release[1:])
    assert drafts(server) == ["1.0"]


def test_other_content_than_what_is_published_is_refused(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    session = uploader.stage(make_sdist(tmp_path, "thing"))
    uploader.run("session", "publish", session["id"])
    other = make_sdist(tmp_path / "other", "thing", salt="other")

    failed = uploader.run("stage", other, status=1)

    assert failed.stderr.splitlines()[-1].startswith(
        "twine stage: 1 of 1 file of thing 1.0 was not staged: thing-1.0.tar.gz: "
        "File already exists"
    )
    assert drafts(server) == []


def test_what_was_swapped_since_it_was_looked_at_is_not_published(
    server: Server, uploader: Uploader, release: list[Path], tmp_path: Path
) -> None:
    """Another machine replaces a wheel between the look and the word."""
    elsewhere = replace(uploader, home=uploader.home.parent / "elsewhere")
    session = uploader.stage(*release)
    looked_at = uploader.run("session", "status", session["id"]).stdout
    assert f"Digest:  {session['content-digest']}" in looked_at
    swapped = make_wheel(tmp_path / "swapped", "thing", salt="other")
    more = make_wheel(tmp_path / "more", "thing", tag="cp310-cp310-win_amd64")
    now = elsewhere.stage(swapped, more)["content-digest"]

    failed = uploader.run("session", "publish", session["id"], status=1)
    stated = elsewhere.run(
        "session", "publish", session["session-url"], "--digest", session["content-digest"],
        status=1,
    )  # fmt: skip

    for refused in (failed, stated):
        lines = refused.stderr.splitlines()
        assert lines[0] == (
            "twine session: The session is not what you saw any more, and nothing was published:"
        )
        assert any(line.startswith(f"  '{swapped.name}' was replaced: ") for line in lines)
        assert any(line.startswith(f"  '{more.name}' was added: ") for line in lines)
        assert lines[-1].startswith("Look at it with twine session status ")
    assert public_files(server, "thing") == []

    uploader.run("session", "status", session["id"])
    uploader.run("session", "publish", session["id"], "--digest", now)
    assert len(public_files(server, "thing")) == 4


def test_an_unknown_release_of_a_project_at_several_indexes_is_asked_about(
    server: Server, tmp_path: Path, release: list[Path]
) -> None:
    uploader = make_uploader(server, "ada", tmp_path)
    uploader.stage(*release)
    with another_index(server.url, CURRENT) as (url, asked):
        other = replace(uploader, url=url)
        other.stage(make_sdist(tmp_path / "2", "thing", "2.0"))
        unsaid = {"TWINE_REPOSITORY_URL": None}
        asked.clear()

        failed = uploader.run("session", "publish", "thing==3.0", environment=unsaid, status=1)
        named = uploader.run("session", "status", "thing==1.0", environment=unsaid)

    assert (
        f"at several indexes ({', '.join(sorted([f'{server.url}/legacy/', f'{url}/legacy/']))})"
        in failed.stderr
    )
    assert "--repository-url" in failed.stderr
    assert asked == []
    # One that is remembered itself is found without saying.
    assert named.stdout.startswith("thing 1.0: open\n")


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        (
            "https://index.example/base/draft/abc/simple/",
            "pip install --index-url https://index.example/base/simple/ "
            "--extra-index-url https://index.example/base/draft/abc/simple/ thing==1.0",
        ),
        # Where the index's own address is not known, pip is sent to no default.
        (
            "https://index.example/stages/abc/",
            "pip install --index-url https://index.example/stages/abc/ thing==1.0",
        ),
        (
            "https://index.example/st&ge/",
            "pip install --index-url 'https://index.example/st&ge/' thing==1.0",
        ),
    ],
)
def test_the_install_line_never_leaves_pip_to_its_default_index(stage: str, line: str) -> None:
    session = Session(
        "https://index.example/s/", "open", "", {"stage": stage}, mechanisms=(), files={}
    )

    assert install_command(session, "thing", "1.0") == line
    assert install_command(session, None, None) is None


def test_reasons_that_differ_in_a_file_name_are_one() -> None:
    assert reason_lines(
        ["No room.", "'a-1.whl' is taken.", "'b-1.tar.gz' is taken.", "'c-1.whl' became 'd-1.whl'."]
    ) == [
        "No room.",
        "2 files: this file is taken.",
        "  a-1.whl",
        "  b-1.tar.gz",
        "'c-1.whl' became 'd-1.whl'.",
    ]
