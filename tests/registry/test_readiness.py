"""What is told of an index that lacks something."""

import threading

import pytest
import structlog
from sqlalchemy import text

from greenroom.registry import readiness, storage_identity
from greenroom.registry.readiness import Readiness
from greenroom.registry.unit_of_work import Services


def problems(ready: Readiness, patience: float = 30) -> dict[str, str]:
    return {each.name: each.problem for each in ready.findings(patience) if each.problem}


@pytest.fixture
def ready(services: Services, monkeypatch: pytest.MonkeyPatch) -> Readiness:
    """Of an index that lacks nothing; it looks anew each time."""
    monkeypatch.setattr(readiness, "_KEPT_WHEN_WELL", 0)
    monkeypatch.setattr(readiness, "_KEPT_WHEN_NOT", 0)
    storage_identity.adopt(services)
    made = Readiness(services)
    assert problems(made) == {}
    return made


def revision(services: Services, text_: str) -> str:
    with services.writing() as uow:
        before = uow.db.scalar(text("SELECT version_num FROM alembic_version"))
        uow.db.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": text_})
    return str(before)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("0001", "The database has an old schema."),
        ("9999", "The database is of another version."),
    ],
)
def test_a_schema_that_is_not_the_one(
    ready: Readiness, services: Services, number: str, sentence: str
) -> None:
    before = revision(services, number)
    try:
        assert problems(ready) == {"schema": sentence}
    finally:
        revision(services, before)
    assert problems(ready) == {}


def test_a_storage_of_another_database(ready: Readiness, services: Services) -> None:
    services.storage.mark("another one's")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert problems(ready) == {
                "identity": "The storage is not the one that belongs to the database."
            }
    [line] = logs
    assert "'greenroom storage adopt'" in line["reason"]
    storage_identity.adopt(services)
    assert problems(ready) == {}


def test_who_asks_does_not_wait_for_what_hangs(
    ready: Readiness, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, begun = threading.Event(), list[None]()

    def hang(_: object) -> None:
        begun.append(None)
        go_on.wait(60)

    monkeypatch.setattr(type(services.storage), "check_writable", hang)
    for _ in range(3):
        assert problems(ready, 0.05)["storage"] == "There was no answer in time."
    assert len(begun) == 1
    go_on.set()
    assert problems(ready) == {}
