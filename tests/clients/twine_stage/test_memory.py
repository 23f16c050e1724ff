"""What is remembered of sessions, and how it is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from twine_stage.errors import Failure
from twine_stage.memory import Memory, PendingUpload, Record, session_id, state_folder

URL = "https://index.example/upload/2.0/session/abc/"


def record(**changes: object) -> Record:
    made = Record(
        id=session_id("thing", "1.0", URL),
        project="thing",
        version="1.0",
        name=None,
        repository="https://index.example/legacy/",
        root="https://index.example/upload/2.0/",
        session=URL,
        legacy=False,
        status="open",
        changed="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "state")


def test_a_session_is_remembered_by_id_address_and_release(memory: Memory) -> None:
    memory.remember(record())

    [found] = memory.sessions()
    assert memory.get(found.id) == found
    assert memory.by_url(URL) == found
    assert memory.by_name("thing", "1.0") == found
    assert memory.by_name("thing", "2.0") is None


def test_only_its_owner_can_read_it(memory: Memory) -> None:
    memory.remember(record())

    [path] = memory.folder.glob("*/session.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_left_of_writing(memory: Memory) -> None:
    memory.remember(record())
    memory.remember(record(status="published"))

    [folder] = memory.folder.iterdir()
    assert [path.name for path in folder.iterdir()] == ["session.json"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"id": 1}', "null", "\x00"])
def test_what_cannot_be_read_is_not_there(memory: Memory, content: str) -> None:
    memory.remember(record())
    [path] = memory.folder.glob("*/session.json")
    path.write_text(content)

    assert memory.sessions() == []
    assert memory.get(path.parent.name) is None


@pytest.mark.parametrize("text", ["", "..", "../x", "a/b", "/etc", "A", "thing 1"])
def test_an_id_is_no_path(memory: Memory, text: str) -> None:
    assert memory.get(text) is None


def test_ids_are_the_same_everywhere_and_fit_a_shell() -> None:
    assert session_id("thing", "1.0", URL) == session_id("thing", "1.0", URL)
    assert session_id("thing", "1.0", URL) != session_id("thing", "1.0", f"{URL}x")
    assert session_id("thing", "1!2.0+local", URL).startswith("thing-1-2.0-local-")


def test_several_sessions_of_a_release_have_to_be_told_apart(memory: Memory) -> None:
    memory.remember(record())
    other = "https://other.example/upload/2.0/session/abc/"
    memory.remember(record(id=session_id("thing", "1.0", other), session=other))

    with pytest.raises(Failure, match="There are several sessions"):
        memory.by_name("thing", "1.0")


def test_what_ended_long_ago_is_forgotten(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.remember(record(status="published"))
    memory.remember(record(id="thing-2.0-abcdef", version="2.0"))
    [path] = memory.folder.glob("thing-1.0-*/session.json")
    long_ago = (datetime.now(UTC) - timedelta(days=31)).isoformat(timespec="seconds")
    for file in memory.folder.glob("*/session.json"):
        kept = memory.get(file.parent.name)
        assert kept is not None
        file.write_text(file.read_text().replace(kept.changed, long_ago))

    assert [one.version for one in memory.sessions()] == ["2.0"]
    assert not path.exists()


def test_an_upload_that_is_under_way_is_remembered(memory: Memory) -> None:
    upload = PendingUpload(f"{URL}file/x/", "00" * 32)
    memory.remember(record())

    memory.remember_upload(record().id, "thing-1.0.tar.gz", upload)

    assert memory.pending_upload(record().id, "thing-1.0.tar.gz") == upload
    memory.forget_upload(record().id, "thing-1.0.tar.gz")
    assert memory.pending_upload(record().id, "thing-1.0.tar.gz") is None


def test_the_folder_is_where_it_should_be() -> None:
    assert state_folder({"XDG_STATE_HOME": "/x"}) == Path("/x/twine-stage")
    assert state_folder({"XDG_STATE_HOME": "x"}) == Path.home() / ".local/state/twine-stage"
    assert state_folder({}) == Path.home() / ".local/state/twine-stage"
