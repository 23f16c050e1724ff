"""The command line: what it prints, its exit status, and that it never shows a traceback."""

import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import click
import pytest
from sqlalchemy import select

from greenroom import cli, paths
from greenroom.models import AccountLink, Token
from greenroom.registry import accounts, jobs, tokens
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from greenroom.web.http.urls import published_file_path
from tests import factories, processes
from tests.artifacts import make_wheel
from tests.conftest import MakeDatabase
from tests.factories import PASSWORD
from tests.serving import command, plain_environment, serving

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return plain_environment(tmp_path / "home") | {
        "GREENROOM_DATA": str(settings.data),
        "GREENROOM_DATABASE_URL": settings.sqlalchemy_url,
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Runs ``greenroom`` and gives what came of it."""

    def run(*arguments: str, stdin: str = "", **changed: str) -> subprocess.CompletedProcess[str]:
        return command(environment | changed, *arguments, stdin=stdin)

    return run


@pytest.fixture
def run_embedded(migrated_sqlite: Path, tmp_path: Path) -> Run:
    """Runs ``greenroom`` with the embedded database, for what no database matters to."""
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "data" / "greenroom.sqlite")

    def run(*arguments: str, stdin: str = "", **changed: str) -> subprocess.CompletedProcess[str]:
        return command(environment | changed, *arguments, stdin=stdin)

    return run


def test_the_command_is_a_program(run_embedded: Run, tmp_path: Path) -> None:
    """As the others here are run in this process."""
    result = processes.run(
        [sys.executable, "-m", "greenroom", "draft", "publish", "x"],
        env=plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path / "data")},
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: There is no draft with this slug: see 'greenroom draft list'.\n"
    )


def create_user(run: Run, name: str) -> None:
    arguments = ("user", "create", name, "--email", f"{name}@index.example", "--password-stdin")
    assert run(*arguments, stdin=PASSWORD).returncode == 0


def test_an_operator_makes_users_tokens_and_roles(
    run: Run, services: Services, tmp_path: Path
) -> None:
    for name in ("ada", "bob"):
        create_user(run, name)
    with services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.release(uow, ada, make_wheel(tmp_path))

    token = run("token", "create", "--user", "ada", "--project", "example", "--permission", "stage")
    added = run("role", "add", "example", "bob", "owner")
    removed = run("role", "remove", "example", "ada")
    last = run("role", "remove", "example", "bob")

    assert (added.returncode, removed.returncode) == (0, 0)
    assert (last.returncode, last.stdout) == (1, "")
    assert last.stderr.startswith("Error: 'bob' is the last owner")
    log = [json.loads(line) for line in run("audit", "--json").stdout.splitlines()]
    log.sort(key=lambda line: int(line["id"]))  # this process and the others differ in their clocks
    assert [(line["act"], line["by"], line["about"]) for line in log] == [
        ("user-create", "operator", "ada"),
        ("user-create", "operator", "bob"),
        ("file-upload", "ada", None),
        ("token-create", "operator", "ada"),
        ("role-give", "operator", "bob"),
        ("role-take", "operator", "ada"),
    ]
    assert log[0]["credential"].startswith("command line as ")
    assert token.stdout.strip() not in str(log)
    chosen = ("audit", "--since", "1d", "--user", "BOB", "--project", "Example")
    [line] = run(*chosen, "--act", "role-give").stdout.splitlines()
    assert re.fullmatch(
        r"\S+Z operator role-give bob example with command line as \S+: owner", line
    )
    for mistake in (("--since", "soon"), ("--act", "nothing")):
        wrong = run("audit", *mistake)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert mistake[0] in wrong.stderr
    assert run("audit", "--since", "2100-01-01").stdout == ""
    with services.reading() as uow:
        actor = tokens.actor_of_token(uow, token.stdout.removesuffix("\n"))
        assert actor.token.permissions == ("stage",)
        assert actor.token.user.email_verified


def test_an_operator_lets_a_project_trust_a_workflow(
    run: Run, services: Services, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["GREENROOM_TRUSTED_ISSUERS"] = "github, kite=https://kite.example pipeline"
    environment["GREENROOM_URL"] = "https://index.example"
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), make_wheel(tmp_path))
    which = ("owner=ada", "repository=example", "workflow=release.yml", "owner_number=65")
    add = ("publisher", "add", "example")

    assert run(*add, "github", *which, "--may-publish").stdout == (
        "example trusts GitHub: ada/example, release.yml.\n"
    )
    assert run(*add, "kite", "pipeline=a=b").stdout == "example trusts kite: pipeline a=b.\n"

    for wrong, status in (
        (("gitlab", "owner=ada"), 1),
        (("github", "owner=ada"), 1),
        (("github", *which), 1),
        (("github", "owner"), 2),
        (("github", "pipeline=1"), 2),
        (("kite", "pipeline=1", "pipeline=2"), 2),
    ):
        refused = run(*add, *wrong)
        assert (refused.returncode, refused.stdout) == (status, ""), wrong
    first, second = json.loads(run("publisher", "list", "example", "--json").stdout)
    assert (first["workflow"], first["owner-number"]) == ("ada/example, release.yml", "65")
    assert (first["may-publish"], second["may-publish"]) == (True, False)
    table = run("publisher", "list", "example").stdout
    assert "stage and publish" in table
    assert "never" in table
    assert run("publisher", "remove", "example", str(first["id"])).returncode == 0
    assert run("publisher", "remove", "example", str(first["id"])).returncode == 1
    assert run("publisher", "remove", "example", str(second["id"])).returncode == 0
    assert run("publisher", "list", "example").stdout == "example trusts no workflow.\n"


def test_an_operator_switches_webhooks_off_and_on(
    run: Run, services: Services, tmp_path: Path
) -> None:
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), make_wheel(tmp_path))
    assert run("webhook", "list").stdout == "There are no webhooks.\n"
    with services.writing() as uow:
        factories.add_webhooks(uow, "example")

    done = run("webhook", "switch", "1", "off")
    assert done.stdout == "The webhook CI (ci.example) is switched off.\n"
    [listed] = json.loads(run("webhook", "list", "Example", "--json").stdout)
    assert (listed["state"], listed["host"], listed["id"]) == ("off", "ci.example", 1)
    assert "ci.example  json  on" in run("webhook", "list").stdout
    assert run("webhook", "switch", "1", "on").returncode == 0
    for wrong, status in ((("3", "on"), 1), (("0", "on"), 2), (("1", "sideways"), 2)):
        assert run("webhook", "switch", *wrong).returncode == status


def test_drafts_are_listed_with_their_whole_slugs(tmp_path: Path) -> None:
    """On a running index, by the real clock."""
    with serving(tmp_path) as server:
        token = server.token(server.user("ada"))
        for version in ("1.0", "2.0"):
            wheel = make_wheel(tmp_path / "dist", version=version)
            server.run(
                "twine", "upload", "--repository-url", f"{server.url}/legacy/?staged=true",
                "--username", "__token__", "--password", token, str(wheel),
            )  # fmt: skip
        known = json.loads(server.greenroom("draft", "list", "--json"))
        server.greenroom("role", "add", "example", server.user("bob"), "maintainer")
        server.greenroom("role", "remove", "example", "bob")
        second, first = json.loads(server.greenroom("draft", "list", "--json"))
        table = server.greenroom("draft", "list")

        publish = ("draft", "publish", first["slug"], "--digest")
        refused = [
            command(server.environment, *publish, digest)
            for digest in (second["content-digest"], "")
        ]
        assert server.get("/simple/example/").status == 404
        server.greenroom("draft", "publish", first["slug"], "--digest", first["content-digest"])
        again = server.greenroom("draft", "publish", first["slug"])
        server.greenroom("draft", "discard", second["slug"])

        assert {first["version"], second["version"]} == {"1.0", "2.0"}
        assert {draft["slug"] for draft in known}.isdisjoint([first["slug"], second["slug"]])
        assert all(draft["slug"] in table and len(draft["slug"]) == 22 for draft in (first, second))
        assert [result.returncode for result in refused] == [1, 1]
        assert "never had the content" in refused[0].stderr
        assert "A content digest is" in refused[1].stderr
        assert again == "Published example 1.0.\n"
        assert server.greenroom("draft", "list", "--json").strip() == "[]"
        assert server.get("/simple/example/").status == 200
        assert server.get(f"/draft/{second['slug']}/").status == 410


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["draft", "publish", "x" * 22], 1, "There is no draft with this slug"),
        (["draft", "discard", "x"], 1, "There is no draft with this slug"),
        (["draft", "schedule", "x", "2026-01-31T09:30Z"], 1, "There is no draft with this slug"),
        (["draft", "schedule", "x", "soon"], 2, "'soon' is no time such as 2026-01-31T09:30Z"),
        (["draft", "schedule", "x"], 2, "Give a TIME, or --cancel"),
        (["set", "schedule", "ada/x", "2026-01-31T09:30Z"], 1, "There is no open release set"),
        (["set", "schedule", "ada/x", "soon"], 2, "'soon' is no time such as 2026-01-31T09:30Z"),
        (["set", "schedule", "ada/x", "--cancel", "2026-01-31"], 2, "Give a TIME, or --cancel"),
        (["role", "add", "nothing", "ada", "owner"], 1, "There is no project 'nothing'"),
        (["role", "add", "nothing", "ada", "king"], 2, "Invalid value"),
        (["publisher", "list", "nothing"], 1, "There is no project 'nothing'"),
        (["publisher", "add", "nothing", "github", "owner=ada"], 1, "Trusted publishing is off"),
        (["publisher", "add", "nothing", "github"], 2, "Missing argument"),
        (["publisher", "remove", "nothing", "0"], 2, "Invalid value"),
        (["token", "create", "--user", "nobody"], 1, "There is no user 'nobody'"),
        (["token", "create"], 2, "Missing option"),
        (["token", "create", "--user", "a", "--expires-in", "soon"], 2, "such as 14d"),
        (["user", "create", "ada", "--email", "a@index.example"], 2, "Missing option"),
        (["jobs", "retry", "7"], 1, "There is no job 7"),
        (["jobs", "retry", "9" * 30], 1, "There is no job"),
        (["jobs", "retry", "x"], 2, "Invalid value"),
        (["serve", "--port", "70000"], 2, "Invalid value"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_status(
    run_embedded: Run, arguments: list[str], status: int, words: str
) -> None:
    result = run_embedded(*arguments)

    assert result.returncode == status
    assert words in result.stderr
    assert status == 2 or len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GREENROOM_POLICY", "secret", "public or private"),
        ("GREENROOM_MAX_FILE_SIZE", "large", "1GiB"),
        ("GREENROOM_DRAFT_LIFETIME", "90d", "GREENROOM_DRAFT_LIFETIME_MAX"),
        ("GREENROOM_STORAGE_URL", "ftp://x", "s3://"),
        ("GREENROOM_DATABASE_URL", "mysql://x", "postgresql+psycopg2://"),
        ("GREENROOM_TRUSTED_PROXIES", "everyone", "10.0.0.0/8"),
    ],
)
def test_a_setting_that_does_not_parse_stops_the_start(
    run_embedded: Run, name: str, value: str, words: str
) -> None:
    result = run_embedded("serve", **{name: value})

    assert result.returncode == 1
    assert name in result.stderr
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_data_folder_that_cannot_be_made_stops_the_start(run_embedded: Run) -> None:
    result = run_embedded("serve", GREENROOM_DATA="/proc/nothing/data")

    assert result.returncode == 1
    assert result.stderr.startswith("Error: The folder /proc/nothing/data cannot be used: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_settings_that_hold_are_printed(run_embedded: Run, tmp_path: Path) -> None:
    config = tmp_path / "greenroom.toml"
    config.write_text('policy = "private"\npurge_token = "hunter2"\nponicy = "x"\n')
    changed = {"GREENROOM_CONFIG": str(config), "GREENROOM_DRAFT_LIFETIME": "3d"}

    text = run_embedded("config", **changed)
    listed = json.loads(run_embedded("config", "--json", **changed).stdout)
    broken = run_embedded("config", **changed, GREENROOM_POLICY="none")

    assert (text.returncode, broken.returncode) == (0, 1)
    lines = {line.split()[0]: line.split()[1:] for line in text.stdout.splitlines()}
    assert lines["GREENROOM_POLICY"] == [str(config), "private"]
    assert lines["GREENROOM_DRAFT_LIFETIME"] == ["environment", "3d"]
    assert "hunter2" not in text.stdout
    assert f"ponicy in {config} is no setting and does nothing: did you mean policy?" in text.stderr
    assert {"name": "GREENROOM_POLICY", "value": "private", "source": str(config)} in listed
    assert broken.stderr == ("Error: GREENROOM_POLICY is 'none': it accepts public or private.\n")


def test_a_short_password_is_refused(run_embedded: Run) -> None:
    result = run_embedded(
        "user", "create", "ada", "--email", "a@b.example", "--password-stdin", stdin="x\n"
    )

    assert result.returncode == 1
    assert "at least 10 characters" in result.stderr


def test_an_sqlite_without_full_text_search_is_refused_with_a_reason(
    run_embedded: Run, tmp_path: Path
) -> None:
    # One that was compiled without it is not at hand: a table hides its list of modules.
    (tmp_path / "data" / "greenroom.sqlite").unlink()
    with closing(sqlite3.connect(tmp_path / "data" / "greenroom.sqlite")) as connection:
        connection.execute("CREATE TABLE pragma_module_list (name TEXT)")

    result = run_embedded("db", "upgrade")

    assert result.returncode == 1
    assert "FTS5" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_postgresql_with_an_old_schema_is_refused_until_it_is_upgraded(
    new_postgresql_database: MakeDatabase, tmp_path: Path
) -> None:
    environment = plain_environment(tmp_path / "home") | {
        "GREENROOM_DATA": str(tmp_path / "data"),
        "GREENROOM_DATABASE_URL": new_postgresql_database(),
    }

    behind = command(environment, "db", "check")
    refused = command(environment, "serve", "--port", "0")
    upgraded = command(environment, "db", "upgrade")
    current = command(environment, "db", "check")

    assert (behind.returncode, upgraded.returncode, current.returncode) == (1, 0, 0)
    assert refused.returncode == 1
    assert "greenroom db upgrade" in refused.stderr


def test_a_database_that_does_not_answer_is_one_sentence(run_embedded: Run) -> None:
    result = run_embedded(
        "db", "check", GREENROOM_DATABASE_URL="postgresql+psycopg2://a@127.0.0.1:1/b"
    )

    assert result.returncode == 1
    assert result.stderr.startswith("Error: The database cannot be used: OperationalError: ")
    assert len(result.stderr.splitlines()) == 1


def test_housekeeping_says_what_it_did(run: Run, services: Services, tmp_path: Path) -> None:
    with services.writing() as uow:
        factories.stage(uow, factories.make_user(uow), make_wheel(tmp_path))

    first, second = run("housekeeping"), run("housekeeping")

    assert first.stdout.splitlines() == [
        "The draft of example 1.0 has expired.",
        "Drafts expired: 1. Blobs freed: 2. Stale uploads removed: 0.",
    ]
    assert second.stdout.startswith("Drafts expired: 0. Blobs freed: 0.")


def test_what_an_index_makes_is_readable_to_nobody_else(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    before = os.umask(0o022)
    try:
        with serving(tmp_path, settings={"GREENROOM_DATA": str(data)}):
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in (data, *data.iterdir())
                if path.name.startswith(("data", "greenroom.sqlite", "secret"))
            }
            first = (tmp_path / "serve.log").read_text()
    finally:
        os.umask(before)
    data.chmod(0o750)
    (data / "greenroom.sqlite").chmod(0o644)
    with serving(tmp_path, settings={"GREENROOM_DATA": str(data)}):
        second = (tmp_path / "serve.log").read_text().removeprefix(first)

    assert modes.pop("data") == 0o700
    assert set(modes.values()) == {0o600}
    assert "greenroom.sqlite" in modes
    assert "open to other accounts" not in first
    assert f"{data} is open to other accounts of this machine: 'chmod 0700 " in second
    assert f"'chmod 0600 {data}/greenroom.sqlite' closes it." in second


def test_a_verification_says_what_is_wrong(run: Run, services: Services, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), wheel)
    fine = run("storage", "verify")
    backup = shutil.copytree(services.storage.address, tmp_path / "backup")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    services.storage.delete(digest)

    quick = run("storage", "verify", "--quick")
    found = run("storage", "verify", "--json")
    mended = run("storage", "verify", "--json", "--repair-from", str(backup))
    wrong = run("storage", "verify", "--repair-from", str(tmp_path / "nothing"))

    assert (fine.returncode, fine.stdout) == (
        0, "Blobs checked: 2. Missing: 0. Wrong: 0. Unknown: 0. Repaired: 0.\n"
    )  # fmt: skip
    assert (quick.returncode, quick.stdout.splitlines()) == (
        1,
        [
            f"{wheel.name} ({digest}): It is missing.",
            "Blobs checked: 2. Missing: 1. Wrong: 0. Unknown: 0. Repaired: 0.",
        ],
    )
    missing = {"sha256": digest, "filename": wheel.name, "reason": "It is missing."}
    nothing_else = {"checked": 2, "wrong": [], "unknown": []}
    assert found.returncode == 1
    assert json.loads(found.stdout) == nothing_else | {"missing": [missing | {"repaired": False}]}
    assert mended.returncode == 0
    assert json.loads(mended.stdout) == nothing_else | {"missing": [missing | {"repaired": True}]}
    assert wrong.stderr == (
        f"Error: {tmp_path}/nothing is no folder and no s3:// URL: name a copy of the files.\n"
    )
    assert wheel.read_bytes() == (Path(backup) / digest[:2] / digest[2:4] / digest).read_bytes()


def test_jobs_are_listed_and_tried_again(run: Run, services: Services) -> None:
    assert run("jobs", "list").stdout == "There are no jobs.\n"
    with services.writing() as uow:
        later = uow.now + timedelta(days=3650)
        number = jobs.enqueue(uow, jobs.Kind.PURGE, {"keys": ["project/example"]}, later).id
        done = jobs.enqueue(uow, jobs.Kind.HOUSEKEEPING, {})
        done.state = "done"

    (before,) = json.loads(run("jobs", "list", "--json").stdout)
    table = run("jobs", "list").stdout
    retried = run("jobs", "retry", str(number))
    (after,) = json.loads(run("jobs", "list", "--json").stdout)

    assert before == {
        "id": number,
        "kind": "purge",
        "about": "project/example",
        "state": "waiting",
        "created": "2026-06-01T12:00:00Z",
        "attempts": 0,
        "next-attempt": "2036-05-29T12:00:00Z",
        "error": None,
    }
    assert table.splitlines()[1].split()[1:4] == ["purge", "project/example", "waiting"]
    assert (retried.returncode, retried.stdout) == (0, f"Job {number} is due now.\n")
    assert after["next-attempt"] < before["next-attempt"]

    refused = run("jobs", "retry", str(number + 1))
    assert (refused.returncode, refused.stderr) == (
        1,
        f"Error: Job {number + 1} is done already.\n",
    )


def test_a_server_that_believes_everybody_about_its_address_warns(tmp_path: Path) -> None:
    trusted = {"GREENROOM_TRUSTED_PROXIES": "10.0.0.0/8"}
    for folder, settings, warns in (
        ("without", trusted, True),
        ("with", trusted | {"GREENROOM_URL": "https://index.example"}, False),
    ):
        with serving(tmp_path / folder, settings=settings, workers=1):
            said = (tmp_path / folder / "serve.log").read_text()
            warnings = [line for line in said.splitlines() if "warning" in line]
            about = [line for line in warnings if "GREENROOM_TRUSTED_PROXIES is set and" in line]
            assert len(about) == warns


def test_a_new_index_prints_a_link_that_makes_the_first_administrator(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"GREENROOM_LOG_FORMAT": "text"}) as server:
        lines = [server.process.stdout.readline().strip() for _ in range(2)]
        first = lines[1]
        assert lines[0].startswith("There is no user yet.")
        assert server.get(first).status == 200

        another = server.greenroom("user", "first-administrator-link").strip()

        assert server.get(first).status == 404
        newest = f"{server.url}{another.removeprefix('http://127.0.0.1:6543')}"
        assert server.get(newest).status == 200

        server.user("ada")

        assert server.get(newest).status == 404


def test_the_link_of_the_first_administrator_is_in_no_json_log(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"GREENROOM_LOG_FORMAT": "json"}) as server:
        line = server.process.stdout.readline()
        assert "'greenroom user first-administrator-link' prints a link" in line
        with server.services() as services, services.reading() as uow:
            assert uow.db.scalars(select(AccountLink)).all() == []


COMMANDS = [
    ["db", "check"],
    ["draft", "list"],
    ["draft", "publish", "x"],
    ["housekeeping"],
    ["jobs", "list"],
    ["role", "remove", "example", "ada"],
    ["token", "create", "--user", "ada"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_where_no_index_is_says_so_and_makes_none(
    tmp_path: Path, arguments: list[str]
) -> None:
    data = tmp_path / "empty" / "data"
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(data)}

    result = command(environment, *arguments)

    assert (result.returncode, result.stdout) == (1, "")
    assert f"There is no index in {data}" in result.stderr
    assert not data.parent.exists()


def test_an_index_can_begin_with_its_first_user(tmp_path: Path) -> None:
    environment = plain_environment(tmp_path / "home") | {
        "GREENROOM_DATA": str(tmp_path / "new" / "data")
    }
    arguments = ("user", "create", "ada", "--email", "ada@index.example", "--password-stdin")
    assert command(environment, *arguments, stdin=PASSWORD).returncode == 0


@pytest.mark.parametrize("below", ["", "data", "deep/data"])
@pytest.mark.parametrize(
    "arguments", [["serve", "--port", "0"], ["db", "upgrade"], ["jobs", "list"]]
)
def test_a_file_is_no_data_folder(tmp_path: Path, below: str, arguments: list[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(file / below)}

    result = command(environment, *arguments)

    assert (result.returncode, result.stdout) == (1, "")
    assert f"GREENROOM_DATA is {file / below}, but {file} is no folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("GREENROOM_POLCY", "did you mean GREENROOM_POLICY?"),
        ("GREENROOM_MAXFILESIZE", "did you mean GREENROOM_MAX_FILE_SIZE?"),
        ("greenroom_url", "did you mean GREENROOM_URL?"),
        ("GREENROOM_", "docs/operating.md"),
    ],
)
def test_a_variable_that_is_no_setting_is_warned_about(
    run_embedded: Run, name: str, says: str
) -> None:
    result = run_embedded("draft", "list", **{name: "very secret"})

    assert result.returncode == 0
    assert f"{name} is no setting and does nothing" in result.stderr
    assert says in result.stderr
    assert "very secret" not in result.stderr


def test_a_password_is_asked_for_on_a_terminal(tmp_path: Path) -> None:
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path / "data")}
    ours, theirs = pty.openpty()
    process = processes.start(
        [
            *(sys.executable, "-m", "greenroom", "user", "create", "ada"),
            *("--email", "ada@index.example"),
        ],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # which is how a terminal ends
        for _ in range(2):
            while not shown.endswith(b": "):
                shown += os.read(ours, 1000)
            os.write(ours, f"{PASSWORD}\n".encode())
            shown += os.read(ours, 1000)
        while chunk := os.read(ours, 1000):
            shown += chunk
    assert process.wait() == 0, shown
    os.close(ours)

    assert b"Created the user ada." in shown
    assert PASSWORD.encode() not in shown


def test_every_argument_and_option_is_explained() -> None:
    """Arguments in the sentence of their command, options by themselves."""
    unexplained = [
        f"{path} {parameter.name}"
        for path, found in commands(cli.greenroom, "greenroom")
        for parameter in found.params
        if not (
            parameter.help
            if isinstance(parameter, click.Option)
            else (parameter.metavar or parameter.name or "").strip("[].").split("|")[0].lower()
            in (found.help or "").lower()
        )
    ]
    assert unexplained == []


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


def test_a_second_server_on_the_same_data_remarks_on_the_first(tmp_path: Path) -> None:
    with serving(tmp_path, workers=1) as first:
        with serving(tmp_path, workers=1) as second:
            assert second.get("/simple/").status == first.get("/simple/").status == 200
        assert "another 'greenroom serve' runs on" in (tmp_path / "serve.log").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_as_the_documentation_says(tmp_path: Path, shell: str) -> None:
    documented = (paths.DOCS / "operating.md").read_text()
    assert f"_GREENROOM_COMPLETE={shell}_source greenroom" in documented

    script = processes.run(
        [Path(sys.executable).with_name("greenroom")],
        env=plain_environment(tmp_path / "home") | {"_GREENROOM_COMPLETE": f"{shell}_source"},
    ).stdout
    assert "_GREENROOM_COMPLETE" in script


def test_downloads_are_imported_once(run: Run, services: Services, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), wheel)
    address = published_file_path(factories.artifact_of(wheel).sha256, wheel.name)
    log = tmp_path / "access.log"
    line = f'::1 - - [01/Jun/2026:00:30:00 +0000] "GET /{address} HTTP/1.1" 200 9 "-" "pip"'
    log.write_text(f"{line}\n{line}\n")

    first, again = [run("downloads", "import", str(log)) for _ in range(2)]
    assert (first.returncode, first.stdout) == (0, f"{log}: new lines: 2, downloads: 2.\n")
    assert again.stdout == f"{log}: new lines: 0, downloads: 0.\n"
    off = run("downloads", "import", str(log), GREENROOM_DOWNLOADS="off")
    assert (off.returncode, off.stderr) == (
        1,
        "Error: GREENROOM_DOWNLOADS is off: nothing is counted.\n",
    )
    assert run("downloads", "import", str(tmp_path / "none")).returncode == 2


def test_a_token_lives_for_a_year_unless_the_operator_says_otherwise(
    run: Run, services: Services
) -> None:
    create_user(run, "ada")
    make = ("token", "create", "--user", "ada", "--expires-in")
    texts = [run(*make[:-1]).stdout, run(*make, "7d").stdout, run(*make, "never").stdout]
    with services.reading() as uow:
        made = [
            uow.db.get_one(Token, tokens.actor_of_token(uow, each.strip()).token.id)
            for each in texts
        ]
        lives = [each.expires - each.created if each.expires else None for each in made]
    assert lives == [timedelta(days=365), timedelta(days=7), None]
    for mistake in ("soon", "0d", "0", "-1d"):
        wrong = run(*make[:-1], f"--expires-in={mistake}")
        assert (wrong.returncode, wrong.stdout) == (2, ""), mistake
