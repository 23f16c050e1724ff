"""The main job with the clients that people have: twine, pip and uv, as they come."""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.artifacts import make_wheel
from tests.clients.conftest import SERVER_ON_BOTH
from tests.serving import Answer, Server

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"

# Each with the Accept headers that make a difference.
PUBLIC = [
    ("/", "text/html"),
    ("/simple/", "text/html"),
    ("/simple/", SIMPLE_JSON),
    ("/simple/thing/", "text/html"),
    ("/simple/thing/", SIMPLE_JSON),
    ("/project/thing/", "text/html"),
    ("/project/thing/1.0/", "text/html"),
    ("/user/ada/", "text/html"),
]


def public_face(server: Server) -> list[Answer]:
    """Every answer that the public can get about the project."""
    return [server.get(path, accept) for path, accept in PUBLIC]


def twine(server: Server, token: str, *arguments: str, check: bool = True) -> str:
    result = server.run(
        sys.executable, "-m", "twine", *arguments,
        environment={"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": token},
        check=check,
    )  # fmt: skip
    return result.stdout


def new_environment(server: Server, name: str) -> Path:
    """A virtual environment without anything in it; gives its Python."""
    path = server.home / name
    server.run("uv", "venv", "--python", sys.executable, str(path))
    return path / "bin" / "python"


def pip(server: Server, python: Path, *arguments: str, check: bool = True) -> str:
    return server.run(
        sys.executable, "-m", "pip", "--python", str(python), *arguments,
        environment={"PIP_INDEX_URL": f"{server.url}/simple/"},
        check=check,
    ).stdout  # fmt: skip


def version_of_thing(server: Server, python: Path) -> str:
    return server.run(str(python), "-c", "import thing; print(thing.__version__)").stdout.strip()


def draft_of_thing(server: Server) -> dict[str, Any]:
    """What the operator sees of the one draft."""
    [draft] = json.loads(server.greenroom("draft", "list", "--json"))
    assert isinstance(draft, dict)
    return draft


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@SERVER_ON_BOTH
def test_a_release_goes_from_twine_through_pip_to_the_public(
    server: Server, release: list[Path], tmp_path: Path
) -> None:
    token = server.token(server.user("ada"))
    before = public_face(server)

    upload = ["upload", "--repository-url", f"{server.url}/legacy/?staged=true"]
    twine(server, token, *upload, *map(str, release))

    assert public_face(server) == before
    stage = f"{server.url}/draft/{draft_of_thing(server)['slug']}/simple/"
    trial = new_environment(server, "trial")
    pip(server, trial, "install", "--extra-index-url", stage, "thing")
    assert version_of_thing(server, trial) == "1.0"
    assert "No matching distribution" in pip(
        server, new_environment(server, "public"), "install", "thing", check=False
    )

    server.greenroom("draft", "publish", draft_of_thing(server)["slug"])

    public = new_environment(server, "later")
    pip(server, public, "install", "thing")
    assert version_of_thing(server, public) == "1.0"
    assert server.get(stage).status == 410
    listed = json.loads(server.get("/simple/thing/", SIMPLE_JSON).body)["files"]
    assert {file["filename"]: file["hashes"]["sha256"] for file in listed} == {
        path.name: sha256(path) for path in release
    }


def test_pip_downloads_from_the_draft_the_very_files_that_were_uploaded(
    server: Server, release: list[Path], tmp_path: Path
) -> None:
    token = server.token(server.user("ada"))
    twine(
        server, token, "upload", "--repository-url", f"{server.url}/legacy/?staged=true",
        *map(str, release),
    )  # fmt: skip
    stage = f"{server.url}/draft/{draft_of_thing(server)['slug']}/simple/"
    python = new_environment(server, "trial")
    got = tmp_path / "got"

    for option in ("--only-binary=:all:", "--no-binary=:all:"):
        pip(
            server, python, "download", "--no-deps", "--no-build-isolation", option,
            "--extra-index-url", stage, "--dest", str(got), "thing",
        )  # fmt: skip

    downloaded = {path.name: sha256(path) for path in got.iterdir()}
    assert downloaded == {path.name: sha256(path) for path in release[:2]}


def test_uv_publishes_a_draft_and_installs_it(server: Server, release: list[Path]) -> None:
    token = server.token(server.user("ada"))
    before = public_face(server)

    server.run(
        "uv", "publish", "--publish-url", f"{server.url}/legacy/?staged=true",
        "--token", token, *map(str, release),
    )  # fmt: skip

    assert public_face(server) == before
    draft = draft_of_thing(server)
    assert draft["files"] == sorted(path.name for path in release)
    python = new_environment(server, "trial")
    server.run(
        "uv", "pip", "install", "--python", str(python),
        "--index-url", f"{server.url}/simple/",
        "--extra-index-url", f"{server.url}/draft/{draft['slug']}/simple/", "thing",
    )  # fmt: skip
    assert version_of_thing(server, python) == "1.0"


def test_twine_prints_why_an_upload_was_refused(server: Server, release: list[Path]) -> None:
    server.user("ada")

    printed = twine(
        server, "gr_wrong", "upload", "--repository-url", f"{server.url}/legacy/",
        str(release[0]), check=False,
    )  # fmt: skip

    words = re.sub(r"\s+", " ", printed)
    assert "403 Forbidden" in words
    assert "Invalid or non-existent authentication information." in words


def test_a_job_that_forgets_the_flag_fails(server: Server, release: list[Path]) -> None:
    """One job of a matrix without the flag must neither publish nor pretend that all is well."""
    token = server.token(server.user("ada"))
    flagged = ["upload", "--repository-url", f"{server.url}/legacy/?staged=true"]
    unflagged = ["upload", "--repository-url", f"{server.url}/legacy/"]
    twine(server, token, *flagged, str(release[0]))

    printed = twine(server, token, *unflagged, str(release[1]), check=False)

    assert "A draft of thing 1.0 is open" in re.sub(r"\s+", " ", printed)
    assert draft_of_thing(server)["files"] == [release[0].name]
    assert server.get("/simple/thing/").status == 404


def test_a_script_asks_for_the_draft_by_project_and_version(
    server: Server, release: list[Path]
) -> None:
    token = server.token(server.user("ada"))
    twine(
        server, token, "upload", "--repository-url", f"{server.url}/legacy/?staged=true",
        str(release[1]),
    )  # fmt: skip

    body = json.loads(server.get("/api/drafts/thing/1.0", token=token).body)

    python = new_environment(server, "trial")
    [line] = [notice for notice in body["notices"] if "--extra-index-url" in notice]
    arguments = line.partition("pip ")[2].split()
    pip(server, python, *arguments)
    assert version_of_thing(server, python) == "1.0"


def test_several_drafts_compose_by_repeating_the_option(server: Server, tmp_path: Path) -> None:
    token = server.token(server.user("ada"))
    base = make_wheel(tmp_path / "dist", "base")
    thing = make_wheel(tmp_path / "dist", "thing", metadata_extra=[("Requires-Dist", "base==1.0")])
    twine(
        server, token, "upload", "--repository-url", f"{server.url}/legacy/?staged=true",
        str(base), str(thing),
    )  # fmt: skip
    drafts = json.loads(server.greenroom("draft", "list", "--json"))
    options = [
        part
        for draft in drafts
        for part in ("--extra-index-url", f"{server.url}/draft/{draft['slug']}/simple/")
    ]
    python = new_environment(server, "trial")

    pip(server, python, "install", *options, "thing")

    assert version_of_thing(server, python) == "1.0"
