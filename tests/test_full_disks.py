"""A disk that is full, or read-only, for a while: what is written to it is refused, and no more."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
import sqlalchemy

from greenroom.outages import outage_of
from greenroom.registry import (
    accounts,
    arriving,
    housekeeping,
    readiness,
    storage_identity,
    upload_sessions,
    verification,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upload_sessions import Place
from greenroom.services import open_services
from greenroom.settings import Settings
from greenroom.storage import StorageUnavailable
from tests import factories, processes
from tests.artifacts import make_wheel
from tests.conftest import SECRET_KEY, FakeClock
from tests.serving import command, plain_environment
from tests.web.conftest import Site

FULL = "The index has no space left"
READ_ONLY = "Nothing can be written to this index now"
SIZE = 24 * 2**20


class Disk(Protocol):
    """What an index lies on.

    Attributes:
        folder: where.
        has_database: whether the database on it finds no room either.
    """

    folder: Path
    has_database: bool

    def fill(self) -> None: ...
    def protect(self) -> None: ...
    def mend(self) -> None: ...


class Mounted:
    """A small disk of its own, in memory."""

    has_database = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            for size in (2**20, 4096, 1):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(size))

    def protect(self) -> None:
        mount("-o", "remount,ro", str(self.folder))

    def mend(self) -> None:
        mount("-o", "remount,rw", str(self.folder))
        (self.folder / "ballast").unlink(missing_ok=True)


class Imagined:
    """Where nothing may be mounted, the calls that write files fail as on such a disk."""

    has_database = False

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch

    def _break(self, number: int) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        for holder, name in (
            *((tempfile, "mkstemp"), (os, "link"), (shutil, "copyfile")),
            (Path, "write_bytes"),
        ):
            self._patch.setattr(holder, name, fail)

    def fill(self) -> None:
        self._break(errno.ENOSPC)

    def protect(self) -> None:
        self._break(errno.EROFS)

    def mend(self) -> None:
        self._patch.undo()


def mount(*arguments: str) -> bool:
    return processes.run(["mount", *arguments]).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The disk of the data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    if mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)):
        try:
            yield Mounted(folder)
        finally:
            processes.run(["umount", "--lazy", str(folder)], check=True)
        return
    with pytest.MonkeyPatch.context() as patch:
        yield Imagined(folder, patch)


class Index:
    """An index on such a disk: a release is published, another one waits in a draft."""

    def __init__(self, folder: Path, dist: Path, database_url: str | None = None) -> None:
        settings = Settings(
            data=folder,
            database_url=database_url,
            secret_key=SECRET_KEY,
            url="http://index.example",
        )
        clock = FakeClock()
        self.database_url = settings.sqlalchemy_url
        self.services = open_services(settings, clock)
        self.services.database.upgrade()
        storage_identity.check(self.services)
        self.site = Site(self.services, clock)
        self.site.user("ada")
        self.site.release(make_wheel(dist))
        self.site.stage(make_wheel(dist, version="2.0"))
        self.token = self.site.token("ada")
        self.browser = self.site.sign_in("ada")
        self.publish = "/manage/project/example/draft/2.0/publish"
        self.form = self.browser.get(self.publish).forms["publish"]
        self.wheels = {version: make_wheel(dist, version=version) for version in ("3.0", "4.0")}
        self.arrived = self.send(make_wheel(dist, version="5.0"))
        # What was written before needs no room any more.
        with self.services.database.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")

    def send(self, path: Path) -> Place:
        """Begin an upload of which all bytes have arrived."""
        with self.services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            draft = factories.open_new(uow, ada, "example", "5.0")
            upload = factories.announce(uow, ada, draft, path)
            factories.send(uow, ada, draft, upload, path.read_bytes())
            return Place(draft.key, upload.key)

    def complete(self) -> None:
        def ada(uow: UnitOfWork) -> Person:
            return Person(accounts.get_user(uow.db, "ada"))

        upload_sessions.complete_upload(self.services, ada, self.arrived)

    def upload(self, version: str, *, staged: bool = False) -> tuple[int, str, bool]:
        answer = self.site.upload(self.wheels[version], self.token, staged=staged)
        return answer.status_int, answer.status.partition(" ")[2], "Retry-After" in answer.headers

    def reads(self) -> set[str]:
        """The files that are published, each of which can be had."""
        page = self.site.app.get("/simple/example/").text
        found = re.findall(r'href="[^"]*(/packages/[^"#]*/([^"#]*))#', page)
        for address, _ in found:
            assert self.site.app.get(address).status_int == 200
        return {name for _, name in found}

    def works_again(self) -> None:
        """Everything that was refused is done now, and of what was refused nothing was left."""
        assert list(self.services.storage.incoming.iterdir()) == []
        assert self.reads() == {"example-1.0-py3-none-any.whl"}
        assert self.upload("3.0")[0] == 200
        assert self.upload("4.0", staged=True)[0] == 201
        assert self.form.submit().status_int == 303
        self.complete()
        housekeeping.keep_house(self.services)
        assert len(self.reads()) == 3
        assert verification.verify(self.services).damages == []


@pytest.fixture(autouse=True)
def _disks_may_become_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "RESERVE", 0)
    monkeypatch.setattr(readiness, "_KEPT_WHEN_WELL", 0)
    monkeypatch.setattr(readiness, "_KEPT_WHEN_NOT", 0)


def test_a_disk_that_is_full(disk: Disk, tmp_path: Path) -> None:
    index = Index(disk.folder, tmp_path / "dist")
    disk.fill()

    for staged in (False, True):
        status, sentence, has_header = index.upload("3.0", staged=staged)
        assert (status, sentence.startswith(FULL), has_header) == (507, True, True)
    if disk.has_database:
        refuses_to_write_rows(index)
    assert index.reads() == {"example-1.0-py3-none-any.whl"}

    disk.mend()
    index.works_again()
    index.services.database.close()


def refuses_to_write_rows(index: Index) -> None:
    page = index.form.submit(status=507)
    assert FULL in page.text
    assert page.content_type == "text/html"
    index.site.clock.advance(timedelta(days=20))  # the draft has expired
    with pytest.raises(sqlalchemy.exc.OperationalError) as failed:
        housekeeping.keep_house(index.services)
    index.site.clock.advance(-timedelta(days=20))
    outage = outage_of(failed.value)
    assert outage is not None
    assert outage.is_full


def test_a_disk_of_files_that_is_read_only(disk: Disk, tmp_path: Path) -> None:
    index = Index(disk.folder, tmp_path / "dist", f"sqlite:///{tmp_path}/apart.sqlite")
    disk.protect()

    for staged in (False, True):
        status, sentence, has_header = index.upload("3.0", staged=staged)
        assert (status, sentence.startswith(READ_ONLY), has_header) == (503, True, True)
    settings = {"GREENROOM_DATA": str(disk.folder), "GREENROOM_DATABASE_URL": index.database_url}
    started = command(plain_environment(tmp_path / "home") | settings, "serve", "--port", "0")
    assert started.returncode == 1
    assert started.stderr.splitlines()[-1].startswith(f"Error: The folder {disk.folder}/files ")
    with pytest.raises(StorageUnavailable):
        index.complete()
    ready = index.site.app.get("/_ready", status=503)
    assert ready.text.startswith(f"storage: {READ_ONLY}")
    assert len(ready.text.splitlines()) == 1
    assert index.reads() == {"example-1.0-py3-none-any.whl"}

    disk.mend()
    assert index.site.app.get("/_ready").text == "ok\n"
    index.works_again()
    index.services.database.close()
