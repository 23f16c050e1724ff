"""Who answers for a name: this index, the indexes behind it, or nobody."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import event

from greenroom.registry import drafts, projects, publishing, removal, yanking
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upstreams import Answering, answering
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from tests import factories
from tests.artifacts import make_wheel

PYPI = Upstream("pypi", "https://pypi.example/simple/")
OTHER = Upstream("other", "https://other.example/simple/")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, upstreams=(PYPI,), claimed_names=("acme-*", "Inner.Thing"))


def at(uow: UnitOfWork, **changed: object) -> UnitOfWork:
    """The same database, in an index with other settings."""
    settings = replace(uow.settings, **changed)
    return UnitOfWork(uow.db, uow.storage, settings, uow.now)


def later(uow: UnitOfWork, length: timedelta) -> UnitOfWork:
    return UnitOfWork(uow.db, uow.storage, uow.settings, uow.now + length)


def reserve(uow: UnitOfWork, person: Person, name: str, *, found: str | None) -> None:
    """A draft of a name of which an upstream has said this."""
    draft = factories.open_new(uow, person, name)
    assert draft.project is not None
    draft.project.found_upstream = found
    uow.db.flush()


@pytest.mark.parametrize("name", ["example", "Some.Thing", "a", "acme", "acmefoo", "inner-thing-2"])
def test_of_what_nobody_has_here_the_upstream_is_asked(uow: UnitOfWork, name: str) -> None:
    assert answering(uow, name) is Answering.UPSTREAM


@pytest.mark.parametrize("name", ["", "-", "a b", "../etc", "ünder", "a" * 3 + "\n"])
def test_what_is_no_name_is_asked_of_nobody(uow: UnitOfWork, name: str) -> None:
    assert answering(uow, name) is Answering.NOBODY


@pytest.mark.parametrize(
    "name", ["acme-tools", "ACME_Tools", "acme.x", "inner-thing", "Inner_Thing"]
)
def test_claimed_names_never_leave_the_house(uow: UnitOfWork, name: str) -> None:
    assert answering(uow, name) is Answering.CLAIMED
    assert answering(at(uow, claimed_names=()), name) is Answering.UPSTREAM


@pytest.mark.parametrize("claim", ["acme-*", "acme.*", "ACME_*"])
def test_a_claim_is_one_in_any_spelling(uow: UnitOfWork, claim: str) -> None:
    house = at(uow, claimed_names=(claim,))

    assert answering(house, "acme-tools") is Answering.CLAIMED
    assert answering(house, "acme") is Answering.UPSTREAM
    assert answering(at(uow, claimed_names=("acme*",)), "acme") is Answering.CLAIMED


def test_without_upstreams_nothing_is_asked(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    factories.release(uow, ada, make_wheel(tmp_path, "example", "1.0"))
    alone = at(uow, upstreams=())
    asked: list[object] = []

    def note(*said: object) -> None:
        asked.append(said[2])

    event.listen(uow.db.get_bind(), "before_cursor_execute", note)
    try:
        assert answering(alone, "example") is Answering.NOBODY
        assert answering(alone, "acme-tools") is Answering.NOBODY
        assert asked == []
        assert answering(uow, "example") is Answering.HERE
        assert len(asked) == 1
    finally:
        event.remove(uow.db.get_bind(), "before_cursor_execute", note)


def test_what_is_published_here_is_answered_here(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    before = at(uow, claimed_names=())
    project = factories.release(before, ada, make_wheel(tmp_path, "acme-tools", "1.0"))
    assert answering(uow, "Acme.Tools") is Answering.HERE

    yanking.yank_release(uow, OPERATOR, project, "1.0", "")
    assert answering(uow, "acme-tools") is Answering.HERE
    projects.quarantine(uow, OPERATOR, project)
    assert answering(uow, "acme-tools") is Answering.HERE
    projects.lift_quarantine(uow, OPERATOR, project)
    removal.remove_release(uow, OPERATOR, project, "1.0")
    assert answering(uow, "acme-tools") is Answering.HERE
    removal.remove_project(uow, OPERATOR, project)
    assert answering(uow, "acme-tools") is Answering.HERE


@pytest.mark.parametrize(
    ("found", "answers"),
    [
        ("pypi", Answering.UPSTREAM),
        ("", Answering.RESERVED),
        (None, Answering.RESERVED),
        ("other", Answering.RESERVED),  # which this index no longer has behind it
    ],
)
def test_a_name_that_a_draft_has_is_whose_it_was_before(
    uow: UnitOfWork, ada: Person, tmp_path: Path, found: str | None, answers: Answering
) -> None:
    reserve(uow, ada, "example", found=found)
    assert answering(uow, "example") is answers
    assert answering(at(uow, upstreams=(OTHER, PYPI)), "example") is (
        Answering.UPSTREAM if found else Answering.RESERVED
    )

    draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "1.0"))
    assert answering(uow, "example") is answers
    publishing.publish(uow, ada, draft)
    assert answering(uow, "example") is Answering.HERE


def test_a_name_is_free_when_its_last_draft_is_gone(uow: UnitOfWork, ada: Person) -> None:
    reserve(uow, ada, "example", found="")
    reserve(uow, ada, "thing", found="")
    assert answering(uow, "example") is Answering.RESERVED
    draft = factories.find_draft(uow, "thing", "1.0")
    assert draft is not None

    drafts.discard(uow, ada, draft)

    assert answering(uow, "thing") is Answering.UPSTREAM
    after = later(uow, uow.settings.draft_lifetime)  # before anything has cleared it away
    assert answering(after, "example") is Answering.UPSTREAM
    assert answering(later(uow, timedelta(hours=1)), "example") is Answering.RESERVED
