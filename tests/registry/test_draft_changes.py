"""The marks of drafts: another one after each change, the same one otherwise."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.models import Draft, Project, ReleaseSet
from greenroom.registry import (
    accounts,
    approvals,
    draft_changes,
    draft_checks,
    draft_comments,
    draft_contents,
    drafts,
    expected_files,
    file_facts,
    publishing,
    release_sets,
    releases,
    required_checks,
    schedules,
    upload_sessions,
)
from greenroom.registry.draft_changes import DraftMarks
from greenroom.registry.draft_checks import Posted
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

Act = Callable[[UnitOfWork, Person, Draft], object]


def opened(services: Services, folder: Path, name: str = "example") -> int:
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        return factories.stage(uow, ada, make_wheel(folder, name)).id


@pytest.fixture
def staged(services: Services, tmp_path: Path) -> int:
    """A draft of ``example``, by its number."""
    with services.writing() as uow:
        factories.make_user(uow, "ada")
    return opened(services, tmp_path)


def test_every_change_gives_another_mark(
    services: Services, clock: FakeClock, staged: int, tmp_path: Path
) -> None:
    source = DraftMarks(services.database)
    topic = f"draft:{staged}"
    name, arriving = "example-1.0-py3-none-any.whl", make_wheel(tmp_path, tag="py2-none-any")
    acts: list[Act] = [
        lambda uow, ada, draft: factories.announce(uow, ada, draft, arriving),
        lambda uow, ada, draft: upload_sessions.remove(uow, ada, draft, arriving.name),
        lambda uow, ada, draft: factories.stage(uow, ada, make_sdist(tmp_path)),
        lambda uow, ada, draft: drafts.remove_file(uow, ada, draft, name),
        lambda uow, ada, draft: drafts.extend(uow, ada, draft),
        lambda uow, ada, draft: drafts.rotate(uow, ada, draft),
        lambda uow, ada, draft: publishing.publish(uow, ada, draft),
    ]
    found = source.look([topic], anew=True)
    assert found is not None
    seen = [found[topic]]
    for act in acts:
        clock.advance(timedelta(minutes=1))
        with services.writing() as uow:
            draft = uow.db.get_one(Draft, staged)
            act(uow, Person(accounts.get_user(uow.db, "ada")), draft)
        found = source.look([topic, "draft:999999"], anew=False)
        assert found is not None
        assert list(found) == [topic]
        seen.append(found[topic])
        with services.reading() as uow:
            assert draft_changes.mark(uow.db, uow.db.get_one(Draft, staged)) == seen[-1]
    assert len(set(seen)) == len(seen)


def test_a_release_set_has_another_mark_after_each_change_that_it_tells_of(
    services: Services, clock: FakeClock, staged: int, tmp_path: Path
) -> None:
    other = opened(services, tmp_path / "other", "other")
    third = opened(services, tmp_path / "third", "third")
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        made = release_sets.add(uow, ada, uow.db.get_one(Draft, staged), Reference("all"))
        release_sets.add(uow, ada, uow.db.get_one(Draft, other), Reference("all"))
        number = made.id
    topic, source = f"set:{number}", DraftMarks(services.database)

    def approve(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
        digest = draft_contents.digest_of(draft, drafts.files(uow.db, draft))
        approvals.approve(uow, ada, draft, digest)

    def schedule(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
        digest = draft_contents.digest_of(draft, drafts.files(uow.db, draft))
        schedules.schedule(uow, ada, draft, uow.now + timedelta(days=1), digest)

    posted = Posted("tests", "passed")
    acts: list[Act] = [
        lambda uow, ada, draft: draft_checks.post(uow, ada, draft, posted),
        lambda uow, ada, draft: releases.with_renderings(
            lambda: draft_comments.add(uow, ada, draft, "Look at this.")
        ),
        approve,
        lambda uow, ada, draft: approvals.withdraw(uow, ada, draft),
        lambda uow, ada, draft: required_checks.change(uow, ada, project(draft), ["tests"]),
        lambda uow, ada, draft: expected_files.change(uow, ada, project(draft), "sdist"),
        lambda uow, ada, draft: factories.stage(uow, ada, make_sdist(tmp_path)),
        lambda uow, ada, draft: file_facts.analyse(factories.one_unit(uow), [draft.id]),
        schedule,
        lambda uow, ada, draft: schedules.cancel(uow, ada, draft),
        lambda uow, ada, draft: release_sets.add(
            uow, ada, uow.db.get_one(Draft, third), Reference("all")
        ),
        lambda uow, ada, draft: release_sets.remove(
            uow, ada, uow.db.get_one(ReleaseSet, number), uow.db.get_one(Draft, third)
        ),
        lambda uow, ada, draft: drafts.discard(uow, ada, draft),
    ]
    found = source.look([topic], anew=True)
    assert found is not None
    seen = [found[topic]]
    for act in acts:
        clock.advance(timedelta(seconds=1))
        with services.writing() as uow:
            ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
            act(uow, ada, uow.db.get_one(Draft, other))
        found = source.look([topic, "set:999999"], anew=False)
        assert found is not None
        seen.append(found[topic])
        with services.reading() as uow:
            again = draft_changes.mark_of_set(uow.db, uow.db.get_one(ReleaseSet, number))
        assert again == seen[-1]
    assert len(set(seen)) == len(seen)


def project(draft: Draft) -> Project:
    assert draft.project is not None
    return draft.project


def test_what_is_done_elsewhere_leaves_the_mark(
    services: Services, staged: int, tmp_path: Path
) -> None:
    source = DraftMarks(services.database)
    topic = f"draft:{staged}"
    before = source.look([topic], anew=True)
    quiet = source.look([topic], anew=False)

    other = opened(services, tmp_path / "other", "other")
    with services.writing() as uow:
        factories.stage(uow, accounts.get_user(uow.db, "ada"), make_wheel(tmp_path, version="2.0"))

    # SQLite says that nothing was written; PostgreSQL is asked.
    assert quiet is None if services.database.is_sqlite else quiet == before
    assert source.look([topic], anew=True) == before
    both = source.look([topic, f"draft:{other}"], anew=False)
    assert both is None if services.database.is_sqlite else len(both or ()) == 2


def test_a_discarded_draft_has_another_mark_though_its_project_is_gone(
    services: Services, staged: int
) -> None:
    source = DraftMarks(services.database)
    before = source.look([f"draft:{staged}"], anew=True)
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        drafts.discard(uow, ada, uow.db.get_one(Draft, staged))

    after = source.look([f"draft:{staged}"], anew=False)

    assert after is not None
    assert before != after
    with services.reading() as uow:
        gone = draft_changes.of_topic(uow.db, f"draft:{staged}")
        assert gone is not None
        assert gone.state == "discarded"
