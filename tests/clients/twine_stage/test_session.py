"""``twine session``: look, publish, cancel, prolong, list."""

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from twine.utils import DEFAULT_REPOSITORY as PUBLIC_REPOSITORY

from tests import factories
from tests.artifacts import make_sdist
from tests.clients.conftest import SERVER_ON_BOTH
from tests.clients.twine_stage.conftest import Uploader
from tests.serving import Server, serving
from twine_stage.connection import CONTENT_TYPE


@SERVER_ON_BOTH
def test_cancel_discards_and_frees_the_version(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)

    canceled = uploader.json("session", "cancel", session["id"])

    assert canceled["status"] == "canceled"
    assert json.loads(server.greenroom("draft", "list", "--json")) == []
    assert uploader.json("session", "status", session["session-url"])["status"] == "canceled"
    again = uploader.stage(*release)
    assert again["opened"] is True
    assert again["id"] != session["id"]


def test_another_machine_names_the_session_by_address_or_by_release(
    uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)
    elsewhere = replace(uploader, home=uploader.home.parent / "elsewhere")

    by_address = elsewhere.json("session", "status", session["session-url"])
    by_release = elsewhere.json("session", "status", "Thing==1.0.0")
    by_id = elsewhere.run("session", "status", session["id"], status=1)

    assert by_address["stage-url"] == by_release["stage-url"] == session["stage-url"]
    assert by_address["id"] == session["id"]
    assert "No session 'thing-1.0-" in by_id.stderr


def test_to_publish_or_cancel_twice_is_as_good_as_once(
    uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)
    uploader.run("session", "publish", session["id"])

    assert uploader.json("session", "publish", session["session-url"])["status"] == "published"
    failed = uploader.run("session", "cancel", session["id"], status=1)

    assert "was published" in failed.stderr
    other = uploader.stage(make_sdist(uploader.home, "other"))
    uploader.run("session", "cancel", other["id"])
    uploader.run("session", "cancel", other["id"])


def test_a_release_finds_its_session_of_today(uploader: Uploader, release: list[Path]) -> None:
    """What this machine remembers may have ended elsewhere, and begun anew."""
    elsewhere = replace(uploader, home=uploader.home.parent / "elsewhere")
    former = uploader.stage(*release)
    elsewhere.run("session", "cancel", former["session-url"])
    assert uploader.json("session", "status", "thing==1.0")["status"] == "canceled"
    session = elsewhere.stage(*release)

    found = uploader.json("session", "status", "thing==1.0")

    assert found["session-url"] == session["session-url"]
    assert found["status"] == "open"


def test_what_was_canceled_is_not_published(uploader: Uploader, release: list[Path]) -> None:
    session = uploader.stage(*release)
    uploader.run("session", "cancel", session["id"])

    failed = uploader.run("session", "publish", session["id"], status=1)

    assert "it is canceled" in failed.stderr


def test_extend_asks_for_more_time(uploader: Uploader, release: list[Path]) -> None:
    session = uploader.stage(*release)

    extended = uploader.json("session", "extend", session["id"], "--for", "10d")

    assert extended["expires-at"] > session["expires-at"]


def test_a_review_says_what_would_become_public(uploader: Uploader, release: list[Path]) -> None:
    session = uploader.stage(*release)

    body = uploader.json("session", "review", session["id"])
    assert body["progress"] == {"analysed": len(release), "of": len(release)}
    assert body["content-digest"] == session["content-digest"]
    text = uploader.run("session", "review", "Thing==1.0.0").stdout
    assert text.splitlines()[:2] == [
        "Review of thing 1.0",
        f"  Nothing is public; 1.0 would become public with {len(release)} files.",
    ]
    markdown = uploader.run("session", "review", session["session-url"], "--markdown").stdout
    assert markdown.startswith("## Review of `thing 1.0`\n")
    failed = uploader.run("session", "review", session["id"], "--against", "9", status=1)
    assert "'9'" in failed.stderr
    assert (
        "choose one"
        in uploader.run("session", "review", session["id"], "--json", "--markdown", status=2).stderr
    )
    uploader.run("session", "cancel", session["id"])
    gone = uploader.run("session", "review", session["id"], status=1)
    assert "There is no open session of thing 1.0" in gone.stderr


def test_list_knows_what_is_open_and_asks_nobody(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)
    nobody_there = {"TWINE_REPOSITORY_URL": "http://127.0.0.1:9/legacy/"}

    listed = uploader.run("session", "list", "--json", environment=nobody_there).stdout

    [one] = json.loads(listed)["sessions"]
    assert one["id"] == session["id"]
    assert one["session-url"] == session["session-url"]
    assert one["repository-url"] == f"{server.url}/legacy/"
    uploader.run("session", "publish", session["id"])
    assert uploader.json("session", "list")["sessions"] == []
    assert len(uploader.json("session", "list", "--all")["sessions"]) == 1


def test_an_unknown_release_is_one_sentence(uploader: Uploader) -> None:
    failed = uploader.run("session", "status", "nothing==1.0", status=1)

    assert failed.stderr.splitlines() == [
        "twine session: There is no open session of nothing 1.0 that these credentials may see."
    ]


def test_a_session_that_cannot_be_published_says_every_reason(
    server: Server, uploader: Uploader, release: list[Path], tmp_path: Path
) -> None:
    session = uploader.stage(*release)
    server.greenroom("role", "add", "thing", server.user("grace"), "owner")
    server.greenroom("role", "remove", "thing", "ada")

    failed = uploader.run("session", "publish", session["id"], status=1)

    assert "isn't allowed" in failed.stderr


REVIEW = """\
import sys
print("The license is not ours.")
sys.exit({status})
"""


@pytest.fixture
def reviewing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """An index whose operator has publications reviewed, which comes to what the test says."""
    script = tmp_path / "review.py"
    script.write_text(REVIEW.format(status=request.param))
    command = shlex.join([sys.executable, str(script)])
    with serving(tmp_path, settings={"GREENROOM_REVIEW_COMMAND": command}) as server:
        yield server


def _reviewed(server: Server, folder: Path) -> Uploader:
    return Uploader(folder / "ada", server.url, server.token(server.user("ada")))


@pytest.mark.parametrize("reviewing", [0], indirect=True)
def test_publishing_waits_for_a_review(
    reviewing: Server, tmp_path: Path, release: list[Path]
) -> None:
    uploader = _reviewed(reviewing, tmp_path)
    session = uploader.stage(*release)

    assert uploader.json("session", "publish", session["id"])["status"] == "published"

    assert reviewing.get("/simple/thing/").status == 200


@pytest.mark.parametrize("reviewing", [1], indirect=True)
def test_what_a_review_refuses_is_said(
    reviewing: Server, tmp_path: Path, release: list[Path]
) -> None:
    uploader = _reviewed(reviewing, tmp_path)
    session = uploader.stage(*release)

    failed = uploader.run("session", "publish", session["id"], status=1)

    assert "The license is not ours." in failed.stderr
    assert reviewing.get("/simple/thing/").status == 404
    # The session stays, and can be canceled.
    uploader.run("session", "cancel", session["id"])


UNSAID = {"TWINE_REPOSITORY_URL": None}


def test_a_name_is_looked_for_where_its_project_was(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    """Another machine staged this version; this one knows where the project is."""
    uploader.stage(*release)
    elsewhere = replace(uploader, home=uploader.home.parent / "elsewhere")
    elsewhere.stage(make_sdist(uploader.home, "thing", "2.0"))
    with server.services() as services, services.writing() as uow:
        factories.publish_directly(uow, "thing")

    for _ in range(2):
        published = elsewhere.run("session", "publish", "Thing==2.0", environment=UNSAID)
        assert published.stdout.startswith("thing 2.0: published\n")
    found = elsewhere.run("session", "publish", "thing==1.0", environment=UNSAID)

    assert found.stdout.startswith("thing 1.0: published\n")


@pytest.mark.parametrize(
    "repository",
    [
        {},
        {"TWINE_REPOSITORY": "testpypi"},
        {"TWINE_REPOSITORY_URL": PUBLIC_REPOSITORY},
    ],
)
def test_no_command_speaks_to_an_index_that_twine_has_as_a_default(
    uploader: Uploader, release: list[Path], repository: dict[str, str]
) -> None:
    # Whatever is sent to another host would go through this, where nobody listens.
    environment = UNSAID | {"HTTPS_PROXY": "http://127.0.0.1:9"} | repository
    for command in (
        ("stage", release[0]),
        ("session", "status", "other==1.0"),
        ("session", "publish", "other==1.0"),
        ("session", "cancel", "other==1.0"),
        ("session", "extend", "other==1.0"),
        ("session", "publish", f"{uploader.url}/upload/2.0/x/"),
    ):
        failed = uploader.run(*command, environment=environment, status=1)
        assert "say which with --repository-url" in failed.stderr
        assert "Nothing was sent." in failed.stderr


def _open_empty(server: Server, uploader: Uploader) -> str:
    message = {"meta": {"api-version": "2.0"}, "name": "thing", "version": "1.0"}
    opened = requests.post(
        f"{server.url}/upload/2.0/",
        json=message,
        headers={"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE},
        auth=("__token__", uploader.token),
        timeout=60,
    )
    return str(opened.json()["links"]["session"])


def test_a_session_without_files_registers_a_name_only_when_told(
    server: Server, uploader: Uploader
) -> None:
    session = _open_empty(server, uploader)

    failed = uploader.run("session", "publish", "thing==1.0", status=1)
    assert "has no files" in failed.stderr
    assert "--register-name" in failed.stderr
    assert uploader.json("session", "status", session)["status"] == "open"

    done = uploader.run("session", "publish", "thing==1.0", "--register-name")
    assert done.stdout == "The name thing is registered. No release is.\n"


def test_files_are_not_published_to_register_a_name(
    uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)

    failed = uploader.run("session", "publish", session["id"], "--register-name", status=1)

    assert "leave it out" in failed.stderr
    assert uploader.json("session", "status", session["id"])["status"] == "open"
