"""A publication is public as a whole or not at all, whatever happens to the one who publishes."""

import os
import random
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from greenroom.models import (
    AuditEntry,
    Draft,
    DraftState,
    JournalEntry,
    ReleaseSet,
    ReleaseSetMember,
    Schedule,
    SetState,
)
from greenroom.registry import (
    accounts,
    catalogue,
    draft_contents,
    drafts,
    projects,
    publishing,
    release_sets,
    schedules,
    set_schedules,
)
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services
from tests import factories, processes
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.jobs import do_due

HOUR = timedelta(hours=1)

KILLED = 50
FILES = 40
DRAFTS = 6
SETS_KILLED = 15
SCHEDULES_KILLED = 8


@pytest.fixture
def ready(services: Services, tmp_path: Path) -> Services:
    """An index in which ada has a project."""
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), make_wheel(tmp_path, version="0.0"))
    return services


def stage_release(services: Services, version: str) -> int:
    """A draft of this version with as many files as a large release has; gives its key."""
    with services.writing() as uow:
        project = projects.get(uow, "example")
        ada = Person(accounts.get_user(uow.db, "ada"))
        draft = drafts.open_draft(uow, ada, project, Version(version))
        factories.add_staged_rows(uow, draft, FILES)
        return draft.id


def publish(services: Services, draft_id: int) -> None:
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        publishing.publish(uow, ada, factories.get_draft(uow, draft_id))


def publish_in_child(services: Services, draft_id: int) -> int:
    """Fork a process that publishes the draft over connections of its own; gives its number."""
    services.database.close()  # nothing is shared with the child but what is compiled
    return processes.fork(lambda: publish(services, draft_id))


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def how_long_publishing_takes(services: Services) -> float:
    publish(services, stage_release(services, "0.1"))  # whose statements the others find compiled
    draft_id = stage_release(services, "1.0")
    begun = time.monotonic()
    assert os.waitpid(publish_in_child(services, draft_id), 0)[1] == 0
    return time.monotonic() - begun


def test_a_publisher_that_is_killed_leaves_the_whole_release_public_or_none_of_it(
    ready: Services,
) -> None:
    longest = how_long_publishing_takes(ready)
    chance = random.Random(694)
    outcomes = set()

    for number in range(KILLED):
        version = f"2.{number}"
        draft_id = stage_release(ready, version)
        child = publish_in_child(ready, draft_id)
        time.sleep(chance.uniform(0.2, 1.2) * longest)
        kill(child)

        with ready.reading() as uow:
            project = catalogue.project(uow.db, "example")
            assert project is not None
            release = catalogue.release(uow.db, project, version)
            files = catalogue.files(uow.db, release) if release is not None else []
            entries = uow.db.query(JournalEntry).filter_by(version=version).count()
            state = factories.get_draft(uow, draft_id).state
        outcomes.add(len(files))
        assert (len(files), entries, state) in [
            (0, 0, DraftState.OPEN),
            (FILES, FILES + 1, DraftState.PUBLISHED),
        ]

    assert outcomes <= {0, FILES}


def gather(services: Services, number: int) -> int:
    """A set of drafts of projects that do not exist yet; gives its number."""
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        for each in range(DRAFTS):
            draft = drafts.open_new(uow, ada, f"of-set-{each}", Version(f"1.{number}"))
            factories.add_staged_rows(uow, draft, 3)
            factories.publish_directly(uow, draft.project_name)
            made = release_sets.add(uow, ada, draft, Reference(f"set-{number}"))
        return made.id


def publish_set(services: Services, set_id: int) -> None:
    with services.writing() as uow:
        ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
        publishing.publish_set(uow, ada, uow.db.get_one(ReleaseSet, set_id))


def publish_set_in_child(services: Services, set_id: int) -> int:
    services.database.close()
    return processes.fork(lambda: publish_set(services, set_id))


def test_a_publisher_that_is_killed_leaves_a_whole_set_public_or_none_of_it(
    ready: Services,
) -> None:
    publish_set(ready, gather(ready, 0))  # whose statements the others find compiled
    set_id = gather(ready, 1)
    begun = time.monotonic()
    assert os.waitpid(publish_set_in_child(ready, set_id), 0)[1] == 0
    longest = time.monotonic() - begun
    chance = random.Random(694)

    for number in range(2, 2 + SETS_KILLED):
        set_id = gather(ready, number)
        child = publish_set_in_child(ready, set_id)
        time.sleep(chance.uniform(0.2, 1.2) * longest)
        kill(child)

        with ready.reading() as uow:
            state = uow.db.get_one(ReleaseSet, set_id).state
            version = f"1.{number}"
            lines = uow.db.query(JournalEntry).filter_by(version=version).all()
            states = {draft.state for draft in uow.db.query(Draft).filter_by(version=version).all()}
            in_set = uow.db.query(ReleaseSetMember).filter_by(release_set_id=set_id).count()
        serials = sorted(line.id for line in lines)
        assert (state, states, len(lines), in_set) in [
            (SetState.OPEN, {DraftState.OPEN}, 0, DRAFTS),
            (SetState.PUBLISHED, {DraftState.PUBLISHED}, DRAFTS * 4, DRAFTS),
        ]
        assert serials == list(range(serials[0], serials[0] + len(serials))) if serials else True

    set_id = gather(ready, 100)
    kill(publish_set_in_child(ready, set_id))
    publish_set(ready, set_id)
    with ready.reading() as uow:
        assert uow.db.get_one(ReleaseSet, set_id).state == SetState.PUBLISHED


def schedule(services: Services, draft_id: int) -> None:
    with services.writing() as uow:
        ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
        draft = factories.get_draft(uow, draft_id)
        digest = draft_contents.digest_of(draft, drafts.files(uow.db, draft))
        schedules.schedule(uow, ada, draft, uow.now + HOUR, digest)


def test_what_a_killed_worker_was_to_publish_is_published_once_by_the_others(
    ready: Services, clock: FakeClock
) -> None:
    draft_id = stage_release(ready, "0.1")
    schedule(ready, draft_id)
    clock.advance(HOUR)
    begun = time.monotonic()
    do_due(ready)  # whose statements the others find compiled
    longest = time.monotonic() - begun
    chance = random.Random(694)

    for number in range(SCHEDULES_KILLED):
        version = f"4.{number}"
        draft_id = stage_release(ready, version)
        schedule(ready, draft_id)
        clock.advance(HOUR)
        ready.database.close()
        child = processes.fork(lambda: do_due(ready))
        time.sleep(chance.uniform(0.0, 1.2) * longest)
        kill(child)

        with ready.reading() as uow:
            lines = uow.db.query(JournalEntry).filter_by(version=version).count()
            state = factories.get_draft(uow, draft_id).state
        assert (lines, state) in [(0, DraftState.OPEN), (FILES + 1, DraftState.PUBLISHED)]

        clock.advance(HOUR)  # for which the others take the job to be in good hands
        factories.at_once(*[lambda: do_due(ready)] * 3)

        with ready.reading() as uow:
            ids = uow.db.query(Schedule.id, Schedule.state).filter_by(draft_id=draft_id).all()
            lines = uow.db.query(JournalEntry).filter_by(version=version).count()
            told = uow.db.query(AuditEntry).filter_by(act="draft-publish", version=version).count()
        assert ([state for _, state in ids], lines, told) == (["done"], FILES + 1, 1)


def schedule_set(services: Services, set_id: int) -> None:
    with services.writing() as uow:
        ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
        found = uow.db.get_one(ReleaseSet, set_id)
        content = release_sets.details(uow, ada, found).content_digest
        set_schedules.schedule(uow, ada, found, uow.now + HOUR, content)


def test_a_set_that_a_killed_worker_was_to_publish_is_published_once_by_the_others(
    ready: Services, clock: FakeClock
) -> None:
    schedule_set(ready, gather(ready, 0))
    clock.advance(HOUR)
    begun = time.monotonic()
    do_due(ready)  # whose statements the others find compiled
    longest = time.monotonic() - begun
    chance = random.Random(694)

    for number in range(1, 1 + SCHEDULES_KILLED):
        set_id, version = gather(ready, number), f"1.{number}"
        schedule_set(ready, set_id)
        clock.advance(HOUR)
        ready.database.close()
        child = processes.fork(lambda: do_due(ready))
        time.sleep(chance.uniform(0.0, 1.2) * longest)
        kill(child)

        with ready.reading() as uow:
            lines = uow.db.query(JournalEntry).filter_by(version=version).count()
            state = uow.db.get_one(ReleaseSet, set_id).state
        assert (lines, state) in [(0, SetState.OPEN), (DRAFTS * 4, SetState.PUBLISHED)]

        clock.advance(HOUR)  # for which the others take the job to be in good hands
        factories.at_once(*[lambda: do_due(ready)] * 3)

        with ready.reading() as uow:
            of_set = uow.db.query(Schedule).filter_by(release_set_id=set_id)
            states = [row.state for row in of_set]
            serials = [row.id for row in uow.db.query(JournalEntry).filter_by(version=version)]
            told = uow.db.query(AuditEntry).filter_by(act="set-publish").count()
        assert (states, len(serials), told) == (["done"], DRAFTS * 4, number + 1)
        assert max(serials) - min(serials) == len(serials) - 1


def test_a_draft_whose_publisher_was_killed_can_be_published(ready: Services) -> None:
    draft_id = stage_release(ready, "3.0")
    kill(publish_in_child(ready, draft_id))

    publish(ready, draft_id)

    with ready.reading() as uow:
        assert len(factories.public_filenames(uow, "example")) == FILES + 1
