"""Readers of a real server never see part of a release."""

import json
import threading
from collections import Counter, defaultdict
from pathlib import Path

from packaging.version import Version

from greenroom.registry import (
    accounts,
    drafts,
    projects,
    publishing,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel
from tests.clients.conftest import SERVER_ON_BOTH
from tests.serving import Server

# A few projects, as readers who ask for long pages leave publishers no time.
PROJECTS = [f"example{number}" for number in range(3)]
RELEASES = 8
FILES = 40
# What a project with one file is in the journal, and a release.
ENTRIES_OF_PROJECT = 4
ENTRIES_OF_RELEASE = FILES + 1
READERS = 3
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


class Publisher:
    """What is being published, for those who read it."""

    def __init__(self) -> None:
        self.number = 0
        self.done = threading.Event()


class Reader(threading.Thread):
    """Reads a project's page again and again, and remembers how many files each release had."""

    def __init__(self, server: Server, publisher: Publisher) -> None:
        super().__init__()
        self.server = server
        self.publisher = publisher
        self.counts: set[int] = set()
        self.serials: dict[int, list[int]] = defaultdict(list)

    def run(self) -> None:
        while not self.publisher.done.is_set():
            number = self.publisher.number
            answer = self.server.get(f"/simple/{PROJECTS[number]}/", SIMPLE_JSON)
            page = json.loads(answer.body)
            versions = Counter(file["filename"].split("-")[1] for file in page["files"])
            del versions["0.0"]
            self.counts |= set(versions.values())
            self.serials[number].append(page["meta"]["_last-serial"])
            # One snapshot: the serial is that of the files that are listed.
            assert page["meta"]["_last-serial"] == serial(number, len(versions))


def serial(number: int, releases: int) -> int:
    """The serial of a project with so many releases, after those before it have all of theirs."""
    if releases == 0:
        return ENTRIES_OF_PROJECT * (number + 1)
    return ENTRIES_OF_PROJECT * len(PROJECTS) + (number * RELEASES + releases) * ENTRIES_OF_RELEASE


def stage_and_publish(beside: Services, name: str, version: str) -> None:
    with beside.writing() as uow:
        actor = Person(accounts.get_user(uow.db, "ada"))
        project = projects.get(uow, name)
        draft = drafts.open_draft(uow, actor, project, Version(version))
        factories.add_staged_rows(uow, draft, FILES)
        draft_id = draft.id
    with beside.writing() as uow:
        actor = Person(accounts.get_user(uow.db, "ada"))
        publishing.publish(uow, actor, factories.get_draft(uow, draft_id))


@SERVER_ON_BOTH
def test_no_reader_sees_part_of_a_release(server: Server, beside: Services, tmp_path: Path) -> None:
    server.user("ada")
    with beside.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        for name in PROJECTS:
            factories.release(uow, ada, make_wheel(tmp_path, name, version="0.0"))
    publisher = Publisher()
    readers = [Reader(server, publisher) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        for publisher.number, name in enumerate(PROJECTS):
            for number in range(RELEASES):
                stage_and_publish(beside, name, f"1.{number}")
    finally:
        publisher.done.set()
        for reader in readers:
            reader.join()

    for reader in readers:
        assert reader.serials
        assert reader.counts <= {FILES}
        assert all(serials == sorted(serials) for serials in reader.serials.values())
    with beside.reading() as uow:
        for name in PROJECTS:
            assert len(factories.public_filenames(uow, name)) == RELEASES * FILES + 1
