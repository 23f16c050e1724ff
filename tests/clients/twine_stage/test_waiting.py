"""``twine session wait``: until it is published, or ends otherwise, or the time is up."""

import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.conftest import SERVER_ON_BOTH
from tests.clients.twine_stage.between import wire_to
from tests.clients.twine_stage.conftest import Uploader, make_uploader
from tests.processes import Process
from tests.serving import Server, serving


def ended(process: Process) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


@SERVER_ON_BOTH
def test_it_hears_that_the_session_is_published(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    with wire_to(server.url) as wire:
        uploader = replace(uploader, url=wire.url)
        session = uploader.stage(*release)
        with (
            uploader.start("session", "wait", session["id"]) as told,
            uploader.start("session", "wait", "thing==1.0", "--json") as scripted,
        ):
            deadline = time.monotonic() + 60
            while wire.heard.count(b"?wait=50 ") < 2:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            uploader.run("session", "publish", session["id"])

            assert ended(told)[:2] == (0, f"thing 1.0: published\n  Session: {session['id']}\n")
            status, output, _ = ended(scripted)
    body = json.loads(output)
    assert (status, body["status"], body["outcome"]) == (0, "published", "published")


def test_each_end_has_a_status_and_who_is_out_of_time_is_told_how_to_go_on(
    uploader: Uploader, release: list[Path]
) -> None:
    session = uploader.stage(*release)
    name = session["id"]

    late = uploader.run("session", "wait", name, "--timeout", "1s", status=5)
    scripted = uploader.json("session", "wait", name, "--timeout", "1s", status=5)
    uploader.run("session", "cancel", name)
    discarded = uploader.run("session", "wait", session["session-url"], status=3)

    assert late.stdout.startswith("thing 1.0: open\n")
    assert late.stdout.endswith(f"The time is up. To wait on:\n  twine session wait {name}\n")
    assert scripted["outcome"] == "timed-out"
    assert scripted["next-command"] == f"twine session wait {name}"
    assert discarded.stdout.startswith("thing 1.0: discarded\n")
    assert uploader.run("session", "wait", name, "--timeout", "soon", status=2).stdout == ""
    unknown = session["session-url"].replace("/session/", "/session/x")
    assert "does not know" in uploader.run("session", "wait", unknown, status=1).stderr


def test_it_hears_that_the_session_has_expired(tmp_path: Path, release: list[Path]) -> None:
    lifetime = {"GREENROOM_DRAFT_LIFETIME": "5s", "GREENROOM_DRAFT_LIFETIME_MAX": "5s"}
    with serving(tmp_path / "served", settings=lifetime) as server:
        uploader = make_uploader(server, "ada", tmp_path)
        session = uploader.stage(*release)

        expired = uploader.run("session", "wait", session["session-url"], status=4)

    assert expired.stdout.startswith("thing 1.0: expired\n")


def test_it_waits_while_the_index_is_restarted(tmp_path: Path, release: list[Path]) -> None:
    with serving(tmp_path / "served") as server:
        uploader = make_uploader(server, "ada", tmp_path)
        session = uploader.stage(*release)
    gone = uploader.run("session", "wait", session["id"], "--timeout", "1s", status=1)
    assert "does not answer" in gone.stderr
    with uploader.start("session", "wait", session["id"], "--timeout", "90s") as waiting:
        port = urlsplit(server.url).port or 0
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(60)
            listener.accept()[0].close()  # it has asked, and got no answer
        with serving(tmp_path / "served", port=port):
            uploader.run("session", "publish", session["id"])
            status, _, errors = ended(waiting)
    assert status == 0
    assert errors.count("trying again") == 1
