"""The journal: serials without gaps, visible in the order of commits."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.models import JournalEntry, Project
from greenroom.registry import accounts, drafts, journal, projects
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.jobs import purged

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def project(uow: UnitOfWork) -> Project:
    return projects.create(uow, Person(factories.make_user(uow)), "example")


def test_an_index_without_history_is_at_serial_zero(uow: UnitOfWork) -> None:
    assert journal.last_serial(uow.db) == 0


def test_entries_are_numbered_one_by_one(uow: UnitOfWork, project: Project) -> None:
    journal.append(uow, project, None, ["create", "add Owner ada"], "ada")
    assert project.last_serial == 2
    journal.append(uow, project, "1.0", ["new release"], "ada")
    assert factories.journal_of(uow) == [
        (1, None, "create"),
        (2, None, "add Owner ada"),
        (3, "1.0", "new release"),
    ]
    assert project.last_serial == journal.last_serial(uow.db) == 3


@pytest.mark.parametrize(
    ("serial", "most", "found"),
    [
        (0, 10, [1, 2, 3]),
        (1, 10, [2, 3]),
        (0, 2, [1, 2]),
        (3, 10, []),
        (-(10**30), 10, [1, 2, 3]),
        (2**31, 10, []),
        (10**30, 10, []),
    ],
)
def test_entries_are_read_from_any_serial_on(
    uow: UnitOfWork, project: Project, serial: int, most: int, found: list[int]
) -> None:
    journal.append(uow, project, None, ["create", "add Owner ada"], "ada")
    journal.append(uow, project, "1.0", ["new release"], "ada")

    entries = journal.entries_since(uow.db, serial, most)

    assert [entry.serial for entry in entries] == found


def test_an_entry_says_what_of_whom_and_when(uow: UnitOfWork, project: Project) -> None:
    journal.append(uow, project, "1.0", ["new release"], "ada")
    entry = uow.db.get_one(JournalEntry, 1)
    assert (entry.project_name, entry.version, entry.by) == ("example", "1.0", "ada")
    assert entry.at == uow.now


def test_an_entry_about_the_longest_file_name_fits(uow: UnitOfWork, project: Project) -> None:
    action = "add py2.py3 file " + "x" * 255
    journal.append(uow, project, "1.0", [action], "ada")
    uow.db.expire_all()
    assert uow.db.get_one(JournalEntry, 1).action == action


def test_what_changes_publicly_is_to_be_purged(uow: UnitOfWork, project: Project) -> None:
    journal.append(uow, project, "1.0", ["new release"], "ada")
    assert purged(uow) == {"project/example", "all-projects"}


def test_work_on_drafts_is_not_in_the_journal(uow: UnitOfWork, tmp_path: Path) -> None:
    ada = Person(factories.make_user(uow))
    actor = ada
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    draft = factories.stage(uow, ada, wheel, sdist, make_wheel(tmp_path, salt="other"))
    drafts.remove_file(uow, actor, draft, sdist.name)
    drafts.rotate(uow, actor, draft)
    later = UnitOfWork(
        uow.db,
        uow.storage,
        uow.settings,
        uow.now + timedelta(days=1),
    )
    drafts.extend(later, actor, draft)
    drafts.discard(later, actor, draft)
    due = factories.stage(uow, ada, make_wheel(tmp_path, version="2.0"))
    later = UnitOfWork(uow.db, uow.storage, uow.settings, due.expires)
    assert drafts.expire(later, due)
    assert factories.journal_of(uow) == []
    assert purged(uow) == set()


def append(services: Services, action: str) -> int:
    with services.writing() as uow:
        project = projects.get(uow, "example")
        journal.append(uow, project, None, [action], "ada")
        return project.last_serial


@pytest.fixture
def registered(services: Services) -> Services:
    with services.writing() as uow:
        made = projects.create(uow, Person(factories.make_user(uow)), "example")
        made.registered = uow.now
    return services


@ON_POSTGRESQL
def test_a_second_writer_waits_for_the_first(registered: Services) -> None:
    second_has_begun = threading.Event()
    second: list[int] = []

    def write() -> None:
        second_has_begun.set()
        second.append(append(registered, "second"))

    thread = threading.Thread(target=write)
    with registered.writing() as uow:
        journal.append(uow, projects.get(uow, "example"), None, ["first"], "ada")
        thread.start()
        second_has_begun.wait()
        assert second == []
        with registered.reading() as reader:
            assert journal.last_serial(reader.db) == 0
    thread.join()
    assert second == [2]
    with registered.reading() as reader:
        assert factories.journal_of(reader) == [(1, None, "first"), (2, None, "second")]


@ON_POSTGRESQL
def test_a_writer_that_fails_leaves_no_gap(registered: Services) -> None:
    second: list[int] = []
    thread = threading.Thread(target=lambda: second.append(append(registered, "second")))

    def fail() -> None:
        with registered.writing() as uow:
            journal.append(uow, projects.get(uow, "example"), None, ["first"], "ada")
            thread.start()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    thread.join()
    assert second == [1]


def test_serials_of_many_writers_have_no_gaps_and_become_visible_in_order(
    registered: Services, tmp_path: Path
) -> None:
    done = threading.Event()
    seen: list[list[int]] = []

    def watch() -> int:
        while not done.is_set():
            with registered.reading() as uow:
                seen.append([serial for serial, _, _ in factories.journal_of(uow)])
        return 0

    def write(number: int) -> None:
        wheel = make_wheel(tmp_path, f"project{number}")
        with registered.writing() as uow:
            factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        factories.at_once(*(lambda n=n: write(n) for n in range(8)))
    finally:
        done.set()
        watcher.join()
    with registered.reading() as uow:
        serials = [serial for serial, _, _ in factories.journal_of(uow)]
    assert serials == list(range(1, 8 * 4 + 1))
    assert all(at_a_time == serials[: len(at_a_time)] for at_a_time in seen)
