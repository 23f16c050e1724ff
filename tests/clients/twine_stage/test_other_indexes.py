"""Other indexes: without Upload 2.0, or with no more of it than they need to have."""

import json
from dataclasses import replace
from pathlib import Path

from tests.clients.conftest import SERVER_ON_BOTH
from tests.clients.twine_stage.between import OLD, OLDER, PLAIN, SERIAL, another_index, wire_to
from tests.clients.twine_stage.conftest import Uploader
from tests.serving import Server


@SERVER_ON_BOTH
def test_files_are_staged_through_the_legacy_api(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    with another_index(server.url, OLD) as (url, asked):
        old = replace(uploader, url=url)

        session = old.stage(*release)
        status = old.json("session", "status", session["id"])

    assert "POST /upload/2.0/" in asked
    assert asked.count("POST /legacy/?staged=true") == 3
    assert session["opened"] is True
    assert sorted(session["uploaded"]) == sorted(path.name for path in release)
    assert session["stage-url"].startswith(f"{url}/draft/")
    assert status["status"] == "open"
    assert len(status["files"]) == 3
    assert server.get("/simple/thing/").status == 404


def test_a_query_in_the_repository_url_stays(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    with another_index(server.url, OLD) as (url, asked):
        uploader.run(
            "stage", release[0],
            environment={"TWINE_REPOSITORY_URL": f"{url}/legacy/?team=a&staged=true"},
        )  # fmt: skip

    assert "POST /legacy/?team=a&staged=true" in asked


def test_an_index_that_would_publish_gets_nothing(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    """It takes the flag for nothing, and would make public what it is sent."""
    with another_index(server.url, OLDER) as (url, asked):
        failed = replace(uploader, url=url).run("stage", *release, status=1)

    [line] = failed.stderr.splitlines()
    assert "nothing was uploaded, because it would have been published" in line
    assert server.get("/simple/thing/").status == 404
    assert json.loads(server.greenroom("draft", "list", "--json")) == []
    # Whether it has the release already, has Upload 2.0, and knows the flag.
    assert asked == ["GET /simple/thing/", "POST /upload/2.0/", "POST /legacy/?staged=neither"]


def test_what_it_refuses_is_said(server: Server, uploader: Uploader, release: list[Path]) -> None:
    with another_index(server.url, OLD) as (url, _):
        nobody = Uploader(uploader.home.parent / "nobody", url, "gr_wrong")
        failed = nobody.run("stage", *release, status=1)

    assert "Invalid or non-existent authentication information." in failed.stderr


def test_what_it_cannot_do_is_said(server: Server, uploader: Uploader, release: list[Path]) -> None:
    with another_index(server.url, OLD) as (url, _):
        old = replace(uploader, url=url)
        session = old.stage(*release)
        failed = old.run("session", "publish", session["id"], status=1)

    assert failed.stderr.startswith("twine session: ")
    assert len(failed.stderr.splitlines()) == 1


def test_every_index_takes_a_file_in_one_request(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    with another_index(server.url, PLAIN) as (url, asked):
        session = replace(uploader, url=url).stage(*release)

    assert len(session["uploaded"]) == 3
    assert [line.partition(" ")[0] for line in asked if line.endswith("/bytes")] == ["POST"] * 3


def test_a_file_that_has_to_come_in_one_request_is_sent_again(
    server: Server, uploader: Uploader, large_wheel: Path
) -> None:
    with another_index(server.url, PLAIN) as (url, asked), wire_to(url) as wire:
        wire.breaks_after = 5 * 1024 * 1024

        session = replace(uploader, url=wire.url).stage(large_wheel)

    assert session["uploaded"] == [large_wheel.name]
    assert [line.partition(" ")[0] for line in asked if line.endswith("/bytes")] == ["POST"] * 2


def test_an_index_that_takes_one_file_at_a_time_gets_them_one_by_one(
    server: Server, uploader: Uploader, release: list[Path]
) -> None:
    with another_index(server.url, SERIAL) as (url, _):
        session = replace(uploader, url=url).stage(*release)

    assert len(session["uploaded"]) == 3
    assert session["failed"] == {}
