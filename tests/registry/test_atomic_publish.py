"""A publication is public as a whole or not at all, whatever happens to the one who publishes."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from packaging.version import Version

from greenroom.database import Database
from greenroom.models import DraftState, JournalEntry
from greenroom.registry import accounts, catalogue, drafts, projects
from greenroom.registry.index import Premises
from greenroom.registry.permissions import Actor
from tests import factories
from tests.artifacts import make_wheel

KILLED = 50
FILES = 40


@pytest.fixture
def ready(premises: Premises, tmp_path: Path) -> Premises:
    """An index in which ada has a project."""
    with premises.writing() as index:
        factories.release(index, factories.make_user(index), make_wheel(tmp_path, version="0.0"))
    return premises


def stage_release(premises: Premises, version: str) -> int:
    """A draft of this version with as many files as a large release has; gives its key."""
    with premises.writing() as index:
        project = projects.get(index, "example")
        ada = Actor(accounts.get_user(index.session, "ada"))
        draft = drafts.open_draft(index, ada, project, Version(version))
        factories.add_staged_rows(index, draft, FILES)
        return draft.id


def publish_in_child(premises: Premises, draft_id: int) -> int:
    """Fork a process that publishes the draft over connections of its own; gives its number."""
    child = os.fork()
    if child:
        return child
    try:
        mine = Premises(
            Database(premises.settings.sqlalchemy_url),
            premises.storage,
            premises.settings,
            premises.clock,
        )
        with mine.writing() as index:
            ada = Actor(accounts.get_user(index.session, "ada"))
            drafts.publish(index, ada, factories.get_draft(index, draft_id))
    finally:
        os._exit(0)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def how_long_publishing_takes(premises: Premises) -> float:
    draft_id = stage_release(premises, "1.0")
    begun = time.monotonic()
    os.waitpid(publish_in_child(premises, draft_id), 0)
    return time.monotonic() - begun


def test_a_publisher_that_is_killed_leaves_the_whole_release_public_or_none_of_it(
    ready: Premises,
) -> None:
    longest = how_long_publishing_takes(ready)
    chance = random.Random(694)
    outcomes = set()

    for number in range(KILLED):
        version = f"2.{number}"
        draft_id = stage_release(ready, version)
        ready.database.close()  # nothing is shared with the child
        child = publish_in_child(ready, draft_id)
        time.sleep(chance.uniform(0.2, 1.2) * longest)
        kill(child)

        with ready.reading() as index:
            project = catalogue.project(index.session, "example")
            assert project is not None
            release = catalogue.release(index.session, project, version)
            files = catalogue.files(index.session, release) if release is not None else []
            entries = index.session.query(JournalEntry).filter_by(version=version).count()
            state = factories.get_draft(index, draft_id).state
        outcomes.add(len(files))
        assert (len(files), entries, state) in [
            (0, 0, DraftState.OPEN),
            (FILES, FILES + 1, DraftState.PUBLISHED),
        ]

    assert outcomes <= {0, FILES}


def test_a_draft_whose_publisher_was_killed_can_be_published(ready: Premises) -> None:
    draft_id = stage_release(ready, "3.0")
    ready.database.close()
    kill(publish_in_child(ready, draft_id))

    with ready.writing() as index:
        ada = Actor(accounts.get_user(index.session, "ada"))
        drafts.publish(index, ada, factories.get_draft(index, draft_id))

    with ready.reading() as index:
        assert len(factories.public_filenames(index, "example")) == FILES + 1
