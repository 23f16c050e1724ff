"""A publication is public as a whole or not at all, whatever happens to the one who publishes."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from packaging.version import Version

from greenroom.models import DraftState, JournalEntry
from greenroom.registry import (
    accounts,
    catalogue,
    drafts,
    projects,
    publishing,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel

KILLED = 50
FILES = 40


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
    child = os.fork()
    if child:
        return child
    try:
        publish(services, draft_id)
    finally:
        os._exit(0)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def how_long_publishing_takes(services: Services) -> float:
    publish(services, stage_release(services, "0.1"))  # whose statements the others find compiled
    draft_id = stage_release(services, "1.0")
    begun = time.monotonic()
    os.waitpid(publish_in_child(services, draft_id), 0)
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


def test_a_draft_whose_publisher_was_killed_can_be_published(ready: Services) -> None:
    draft_id = stage_release(ready, "3.0")
    kill(publish_in_child(ready, draft_id))

    publish(ready, draft_id)

    with ready.reading() as uow:
        assert len(factories.public_filenames(uow, "example")) == FILES + 1
