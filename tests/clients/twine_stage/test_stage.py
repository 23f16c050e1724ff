"""``twine stage``: what gets into a session, and what it says of that."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import processes
from tests.artifacts import make_sdist, make_wheel
from tests.clients.conftest import SERVER_ON_BOTH
from tests.clients.twine_stage.conftest import Uploader, make_uploader, public_files
from tests.serving import Server, serving


@SERVER_ON_BOTH
def test_a_release_is_staged_tried_and_published(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    printed = uploader.run("stage", *release).stdout

    assert public_files(server, "thing") == []
    lines = dict(line.strip().split(":", 1) for line in printed.splitlines() if ": " in line)
    stage = lines["Stage"].strip()
    assert lines["thing 1.0"].strip() == "open"
    assert lines["Install"].strip() == (
        f"pip install --index-url {server.url}/simple/ --extra-index-url {stage} thing==1.0"
    )
    trial = uploader.home / "trial"
    server.run("uv", "venv", "--python", sys.executable, str(trial))
    server.run(
        sys.executable, "-m", "pip", "--python", str(trial / "bin" / "python"),
        *lines["Install"].split()[1:],
        environment={"PIP_INDEX_URL": f"{server.url}/simple/"},
    )  # fmt: skip

    published = uploader.run("session", "publish", lines["Session"].strip())

    assert published.stdout.startswith("thing 1.0: published\n")
    assert sorted(public_files(server, "thing")) == sorted(path.name for path in release)


def test_a_pattern_is_expanded_and_releases_are_told_apart(
    uploader: Uploader, release: list[Path]
) -> None:
    folder = release[0].parent
    make_wheel(folder, "thing", "1.1")
    make_sdist(folder, "Other.Thing", "2.0")
    (folder / "thing-1.0.tar.gz.asc").write_text("a signature")

    sessions = uploader.json("stage", folder / "*")["sessions"]

    assert [(one["project"], one["version"], len(one["files"])) for one in sessions] == [
        ("other-thing", "2.0", 1),
        ("thing", "1.0", 3),
        ("thing", "1.1", 1),
    ]
    assert len({one["id"] for one in sessions}) == 3


def test_scripts_are_told_everything(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)

    assert session["id"].startswith("thing-1.0-")
    assert session["status"] == "open"
    assert session["opened"] is True
    assert session["uploaded"] == sorted(path.name for path in release)
    assert session["unchanged"] == []
    assert session["failed"] == {}
    assert session["session-url"].startswith(f"{server.url}/upload/2.0/")
    assert session["stage-url"].startswith(f"{server.url}/draft/")
    assert session["install-command"].split()[5] == session["stage-url"]
    assert {file["filename"]: file["status"] for file in session["files"]} == {
        path.name: "completed" for path in release
    }
    assert session["expires-at"].endswith("Z")


def test_the_next_one_joins(server: Server, uploader: Uploader, release: list[Path]) -> None:
    first = uploader.stage(release[0])

    second = uploader.stage(*release)

    assert second["id"] == first["id"]
    assert second["opened"] is False
    assert second["unchanged"] == [release[0].name]
    assert len(second["uploaded"]) == 2


def test_other_content_under_the_same_name_replaces(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    uploader.stage(make_wheel(tmp_path / "a", "thing"))

    session = uploader.stage(make_wheel(tmp_path / "b", "thing", salt="other"))

    assert session["uploaded"] == ["thing-1.0-py3-none-any.whl"]
    uploader.run("session", "publish", session["id"])
    assert public_files(server, "thing") == ["thing-1.0-py3-none-any.whl"]


def test_many_files_travel_at_the_same_time(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    wheels = [
        make_wheel(tmp_path / "dist", "thing", tag=f"cp3{number}-cp3{number}-win_amd64")
        for number in range(20)
    ]

    session = uploader.stage(*wheels, options=("--jobs", "8"))

    assert len(session["uploaded"]) == 20


def test_what_one_file_is_refused_for_does_not_hold_up_the_others(
    uploader: Uploader, release: list[Path], tmp_path: Path
) -> None:
    broken = make_wheel(
        tmp_path / "dist", "thing", tag="cp310-cp310-win_amd64",
        overrides={"thing/__init__.py": b"not what RECORD says"},
    )  # fmt: skip

    said = uploader.json("stage", *release, broken, status=1)

    [session] = said["sessions"]
    assert "1 of 4 files of thing 1.0 was not staged" in said["error"]
    assert list(session["failed"]) == [broken.name]
    assert "RECORD" in session["failed"][broken.name]
    assert sorted(session["uploaded"]) == sorted(path.name for path in release)
    assert {file["status"] for file in session["files"]} == {"completed"}


def test_a_session_that_no_file_gets_into_is_not_left(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    broken = make_wheel(tmp_path, "thing", overrides={"thing/__init__.py": b"other"})

    said = uploader.json("stage", broken, status=1)

    assert said["sessions"][0]["status"] == "canceled"
    assert json.loads(server.greenroom("draft", "list", "--json")) == []
    assert uploader.run("session", "list").stdout.strip() == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing-*.whl"], "There is no file 'nothing-*.whl'."),
        (["{folder}/notes.txt"], "Unknown distribution format"),
        (["{folder}/thing-1.0-py3-none-any.whl.asc"], "There is no distribution"),
        (["--upload-root", "ftp://index.example/", "{wheel}"], "has to be an http or https URL"),
        (["-r", "nowhere", "--repository-url", "", "{wheel}"], "Missing 'nowhere' section"),
    ],
)
def test_wrong_usage_is_one_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "notes.txt").write_text("no distribution")
    (tmp_path / "thing-1.0-py3-none-any.whl.asc").write_text("a signature")
    wheel = make_wheel(tmp_path, "thing")
    uploader = Uploader(tmp_path / "home", "http://index.example", "gr_never_sent")
    uploader.home.mkdir(exist_ok=True)

    failed = uploader.run(
        "stage", *(text.format(folder=tmp_path, wheel=wheel) for text in arguments), status=1
    )

    [line] = failed.stderr.splitlines()
    assert line.startswith("twine stage: ")
    assert says in line


def test_options_that_mean_nothing_here_are_wrong_usage(tmp_path: Path) -> None:
    uploader = Uploader(tmp_path / "home", "http://index.example", "gr_never_sent")

    failed = uploader.run("stage", "--sign", make_wheel(tmp_path, "thing"), status=2)

    assert "--sign means nothing for a staged release" in failed.stderr


def test_wrong_credentials_are_one_sentence(server: Server, release: list[Path]) -> None:
    nobody = Uploader(server.home / "nobody", server.url, "gr_wrong")

    failed = nobody.run("stage", *release, status=1)

    [said] = failed.stderr.splitlines()
    assert said.startswith("twine stage: Invalid or non-existent authentication information.")
    assert "mistyped" in said
    assert failed.stdout == ""


def test_an_index_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    uploader = Uploader(tmp_path / "home", "http://127.0.0.1:9", "gr_never_sent")

    failed = uploader.run("stage", make_wheel(tmp_path, "thing"), status=1)

    assert failed.stderr.splitlines() == [
        "twine stage: http://127.0.0.1:9 does not answer: Connection refused."
    ]


def test_pypirc_names_the_index_and_the_credentials(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    (uploader.home / ".pypirc").write_text(
        "[distutils]\nindex-servers = ours\n\n"
        f"[ours]\nrepository = {server.url}/legacy/\nusername = __token__\n"
        f"password = {uploader.token}\n"
    )
    plain = {"TWINE_REPOSITORY_URL": None, "TWINE_USERNAME": None, "TWINE_PASSWORD": None}

    staged = json.loads(
        uploader.run("stage", "-r", "ours", "--json", *release, environment=plain).stdout
    )
    # The session remembers where it is.
    uploader.run("session", "publish", staged["sessions"][0]["id"], environment=plain)

    assert len(public_files(server, "thing")) == 3


KEYRING = """
from keyring.backend import KeyringBackend

class Backend(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return {token!r} if (service, username) == ({service!r}, "__token__") else None

    def set_password(self, service, username, password):
        raise NotImplementedError
"""


def test_a_keyring_is_asked_as_twine_asks_it(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    folder = uploader.home / "modules"
    folder.mkdir()
    service = f"{server.url}/legacy/"
    (folder / "our_keyring.py").write_text(KEYRING.format(token=uploader.token, service=service))
    inherited = uploader.environment.get("PYTHONPATH", "")

    uploader.run(
        "stage", *release,
        environment={
            "TWINE_PASSWORD": None,
            "PYTHON_KEYRING_BACKEND": "our_keyring.Backend",
            "PYTHONPATH": f"{folder}:{inherited}",
        },
    )  # fmt: skip


def test_nothing_is_asked_for_where_nobody_is(server: Server, uploader: Uploader) -> None:
    wheel = make_wheel(uploader.home, "thing")

    failed = uploader.run("stage", "--json", wheel, environment={"TWINE_PASSWORD": None}, status=1)

    assert json.loads(failed.stdout) == {"error": "Credential not found for password."}


def test_without_a_terminal_missing_credentials_are_one_sentence(uploader: Uploader) -> None:
    wheel = make_wheel(uploader.home, "thing")

    failed = uploader.run("stage", wheel, environment={"TWINE_PASSWORD": None}, status=1)

    assert failed.stderr.endswith(
        "twine stage: Credentials are missing, and nobody is there to ask.\n"
    )


def test_the_upload_root_can_be_named(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    elsewhere = {"TWINE_REPOSITORY_URL": f"{server.url}/no/such/place/"}

    named = uploader.run(
        "stage", "--upload-root", f"{server.url}/upload/2.0/", release[0], environment=elsewhere
    )
    by_variable = uploader.run(
        "stage", release[1],
        environment={**elsewhere, "TWINE_UPLOAD_ROOT": f"{server.url}/upload/2.0"},
    )  # fmt: skip

    assert "thing 1.0: open" in named.stdout
    assert "thing 1.0: open" in by_variable.stdout


def test_variables_are_written_for_the_next_job(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    variables = uploader.home / "variables"

    session = uploader.stage(*release, options=("--variables", str(variables)))

    assert variables.read_text().splitlines() == [
        f"session_id={session['id']}",
        f"session_url={session['session-url']}",
        f"stage_url={session['stage-url']}",
    ]


def test_a_session_that_would_soon_expire_is_extended(tmp_path: Path, release: list[Path]) -> None:
    with serving(tmp_path, settings={"GREENROOM_DRAFT_LIFETIME": "30m"}) as server:
        session = make_uploader(server, "ada", tmp_path).stage(*release)

    left = datetime.fromisoformat(session["expires-at"]) - datetime.now(UTC)
    assert left > timedelta(hours=1)


def test_a_token_that_may_only_stage_stages(
    server: Server, tmp_path: Path, release: list[Path]
) -> None:
    builder = make_uploader(server, "builder", tmp_path, "stage")

    session = builder.stage(*release)
    failed = builder.run("session", "publish", session["id"], status=1)

    assert "may not publish" in failed.stderr
    assert public_files(server, "thing") == []


def test_credentials_go_to_their_index_only(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)
    path = urlsplit(session["session-url"]).path

    failed = uploader.run("session", "status", f"http://127.0.0.2:9{path}", status=1)

    assert "which your credentials are for: they go nowhere else" in failed.stderr


def test_a_home_that_cannot_be_written_to_does_not_keep_anybody_from_staging(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    occupied = uploader.home / "occupied"
    occupied.write_text("not a folder")

    staged = uploader.run("stage", *release, environment={"XDG_STATE_HOME": str(occupied)})

    assert "cannot be remembered" in staged.stderr
    assert "thing 1.0: open" in staged.stdout


def test_nothing_secret_is_remembered(uploader: Uploader, release: list[Path]) -> None:
    session = uploader.stage(*release)

    files = [path for path in uploader.state.rglob("*") if path.is_file()]
    text = "".join(path.read_text() for path in files)

    assert session["session-url"] in text
    assert uploader.token not in text
    assert session["stage-url"] not in text
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_twine_lists_the_commands() -> None:
    help_ = processes.run([sys.executable, "-m", "twine", "--help"], check=True).stdout

    assert "stage" in help_
    assert "session" in help_
