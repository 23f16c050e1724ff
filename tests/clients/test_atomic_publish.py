"""Readers of a real server never see part of a release."""

import json
import threading
from collections import Counter
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

RELEASES = 50
FILES = 40
READERS = 3
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


class Reader(threading.Thread):
    """Reads the project's page again and again, and remembers how many files each release had."""

    def __init__(self, server: Server, stop: threading.Event) -> None:
        super().__init__()
        self.server = server
        self.stop = stop
        self.counts: set[int] = set()
        self.pages = 0
        self.serials: list[int] = []

    def run(self) -> None:
        while not self.stop.is_set():
            answer = self.server.get("/simple/example/", SIMPLE_JSON)
            page = json.loads(answer.body)
            versions = Counter(file["filename"].split("-")[1] for file in page["files"])
            del versions["0.0"]
            self.counts |= set(versions.values())
            self.serials.append(page["meta"]["_last-serial"])
            # One snapshot: the serial is that of the files that are listed.
            assert page["meta"]["_last-serial"] == 4 + len(versions) * (FILES + 1)
            self.pages += 1


def stage_and_publish(beside: Services, version: str) -> None:
    with beside.writing() as uow:
        actor = Person(accounts.get_user(uow.db, "ada"))
        project = projects.get(uow, "example")
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
        factories.release(uow, ada, make_wheel(tmp_path, version="0.0"))
    stop = threading.Event()
    readers = [Reader(server, stop) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        for number in range(RELEASES):
            stage_and_publish(beside, f"1.{number}")
    finally:
        stop.set()
        for reader in readers:
            reader.join()

    for reader in readers:
        assert reader.pages > 0
        assert reader.counts <= {FILES}
        assert reader.serials == sorted(reader.serials)
    with beside.reading() as uow:
        assert len(factories.public_filenames(uow, "example")) == RELEASES * FILES + 1
