"""``--set``: releases of several projects that are staged and published together."""

import json
import time
from pathlib import Path

from tests.artifacts import make_sdist, make_wheel
from tests.clients.conftest import SERVER_ON_BOTH
from tests.clients.twine_stage.conftest import Uploader
from tests.serving import Server


@SERVER_ON_BOTH
def test_releases_are_staged_into_a_set_and_published_together(
    server: Server, uploader: Uploader, tmp_path: Path
) -> None:
    files = [make_wheel(tmp_path, "one"), make_sdist(tmp_path, "one"), make_wheel(tmp_path, "two")]
    uploader.run("stage", "--set", "2026.11", *files)
    [listed] = json.loads(server.greenroom("set", "list", "--json"))
    assert (listed["name"], [draft["project"] for draft in listed["drafts"]]) == (
        "ada/2026.11",
        ["one", "two"],
    )

    found = uploader.json("session", "status", "--set", "2026.11")

    assert [each["project"] for each in found["sessions"]] == ["one", "two"]
    assert found["content-digest"] == listed["content-digest"]
    shown = server.greenroom("set", "show", "ada/2026.11")
    assert "two 1.0, 1 file, expires" in shown
    uploader.run("stage", make_wheel(tmp_path, "two", tag="py2-none-any"))
    stale = uploader.run(
        *("session", "publish", "--set", "2026.11", "--digest", found["content-digest"]), status=1
    )
    assert "nothing was published" in stale.stderr
    elsewhere = uploader.run("stage", "--set", "other", files[0], status=1)
    assert "ada/2026.11" in elsewhere.stderr
    reviewed = uploader.json("session", "review", "--set", "2026.11", "--wait", "1s")
    assert [each["project"] for each in reviewed["drafts"]] == ["one", "two"]
    told = uploader.run("session", "review", "--set", "2026.11", "--markdown", "--wait", "1s")
    assert "## Review of the release set `ada/2026.11`" in told.stdout
    uploader.run("session", "review", "--set", "2026.11", "--against", "1.0", status=2)
    uploader.run("session", "publish", status=2)
    uploader.run("session", "publish", "one==1.0", "--set", "2026.11", status=2)

    late = uploader.json("session", "wait", "--set", "2026.11", "--timeout", "1s", status=5)
    assert late["next-command"] == "twine session wait --set 2026.11"
    with uploader.start("session", "wait", "--set", "2026.11", "--timeout", "2m") as waiting:
        time.sleep(2)
        published = uploader.json("session", "publish", "--set", "2026.11")
        output, _ = waiting.communicate(timeout=120)

    assert (waiting.returncode, published["status"]) == (0, "published")
    assert output.startswith("ada/2026.11 is published.")
    assert json.loads(server.greenroom("set", "list", "--json")) == []
    gone = uploader.run("session", "status", "--set", "2026.11", status=1)
    assert "no open release set '2026.11'" in gone.stderr
