"""Connections that break, and commands that are ended before their time."""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import processes
from tests.clients.conftest import SERVER_ON_BOTH
from tests.clients.twine_stage.between import Wire, wire_to
from tests.clients.twine_stage.conftest import Uploader
from tests.serving import Server

LARGE = 1024 * 1024


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with wire_to(server.url) as wire:
        yield wire


@pytest.fixture
def remote(uploader: Uploader, wire: Wire) -> Uploader:
    """Ada, far away: her connections go over the wire."""
    return replace(uploader, url=wire.url)


def drafts(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.greenroom("draft", "list", "--json"))
    return found


def stalled(wire: Wire, make_uploader: Uploader, wheel: Path) -> processes.Process:
    """A command in the middle of sending a file; its connection hangs, and new ones do not."""
    wire.stalls_after = 5 * LARGE
    command = make_uploader.start("stage", wheel)
    assert wire.stalled.wait(60), command.communicate(timeout=10)
    wire.stalls_after = None
    return command


def lose(wire: Wire, make_uploader: Uploader, wheel: Path) -> None:
    """Begin to send a file, and be killed in the middle of it."""
    command = stalled(wire, make_uploader, wheel)
    command.kill()
    command.communicate()


def wait_for_arrival(make_uploader: Uploader) -> None:
    """Returns when the index has kept what came over a connection that ended."""
    [noted] = make_uploader.state.glob("*/uploads/*.json")
    credentials = ("__token__", make_uploader.token)
    upload = requests.get(json.loads(noted.read_text())["url"], auth=credentials, timeout=30)
    file_url = upload.json()["mechanism"]["file_url"]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answer = requests.head(file_url, auth=credentials, timeout=30)
        if int(answer.headers["Upload-Offset"]) > 0:
            return
        time.sleep(0.1)
    pytest.fail("the index has kept nothing")


@SERVER_ON_BOTH
def test_a_broken_connection_is_gone_on_with_where_it_broke(
    wire: Wire, remote: Uploader, large_wheel: Path
) -> None:
    wire.breaks_after = 5 * LARGE

    session = remote.stage(large_wheel)

    assert session["uploaded"] == [large_wheel.name]
    assert wire.offsets[0] == 0
    assert wire.offsets[-1] > LARGE
    remote.run("session", "publish", session["id"])


def test_a_killed_command_is_gone_on_with_by_the_next(
    server: Server, wire: Wire, remote: Uploader, large_wheel: Path
) -> None:
    lose(wire, remote, large_wheel)
    wait_for_arrival(remote)

    session = remote.stage(large_wheel)

    assert session["opened"] is False
    assert session["uploaded"] == [large_wheel.name]
    assert [file["status"] for file in session["files"]] == ["completed"]
    assert wire.offsets[-1] > LARGE
    assert len(drafts(server)) == 1


def test_another_machine_can_begin_anew_what_a_lost_one_left(
    server: Server, wire: Wire, remote: Uploader, large_wheel: Path
) -> None:
    lose(wire, remote, large_wheel)
    other = replace(remote, home=remote.home.parent / "other")

    refused = other.json("stage", large_wheel, status=1)
    session = other.stage(large_wheel, options=("--replace-unfinished",))

    assert "is being uploaded" in refused["error"]
    assert session["uploaded"] == [large_wheel.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_cancels_what_the_command_opened(
    server: Server, wire: Wire, remote: Uploader, large_wheel: Path, number: signal.Signals
) -> None:
    command = stalled(wire, remote, large_wheel)

    command.send_signal(number)
    output, errors = command.communicate(timeout=60)

    assert command.returncode == 130
    assert output == ""
    assert errors.splitlines()[1:] == [
        "Interrupted: canceling what this began.",
        "Canceled the session of thing 1.0 again.",
        "twine stage: Interrupted.",
    ]
    assert drafts(server) == []
    assert list(remote.state.iterdir()) == []


def test_an_interruption_leaves_a_session_that_was_joined(
    server: Server, wire: Wire, remote: Uploader, release: list[Path], large_wheel: Path
) -> None:
    remote.stage(release[0])
    command = stalled(wire, remote, large_wheel)

    command.send_signal(signal.SIGINT)
    command.communicate(timeout=60)

    assert command.returncode == 130
    [draft] = drafts(server)
    assert draft["files"] == [release[0].name]
    # Nothing of it is in anybody's way.
    remote.run("session", "publish", "thing==1.0")


def test_a_token_that_may_not_discard_leaves_the_session_and_says_so(
    server: Server, wire: Wire, remote: Uploader, large_wheel: Path
) -> None:
    builder = replace(remote, token=server.token("ada", "stage"))
    command = stalled(wire, builder, large_wheel)

    command.send_signal(signal.SIGINT)
    errors = command.communicate(timeout=60)[1]

    assert command.returncode == 130
    assert "Could not cancel the session of thing 1.0" in errors
    assert len(drafts(server)) == 1


def test_an_index_that_is_gone_for_good_ends_the_command(
    server: Server, wire: Wire, remote: Uploader, large_wheel: Path
) -> None:
    command = stalled(wire, remote, large_wheel)

    wire.close()
    errors = command.communicate(timeout=120)[1]

    assert command.returncode == 1
    assert "twine stage: " in errors.splitlines()[-1]
    assert "does not answer" in errors.splitlines()[-1]
    # What has arrived is not thrown away: another run goes on.
    assert len(drafts(server)) == 1
