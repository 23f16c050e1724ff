"""Download counts: what is written down, what is told of it, and logs that are read once."""

import gzip
import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import FileDownloads, Project
from greenroom.registry import download_logs, downloads, projects, removal
from greenroom.registry.download_logs import Imported, LogFormat, import_log
from greenroom.registry.downloads import Downloaded
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.web.http.urls import published_file_at, published_file_path
from greenroom.web.pages.download_plot import download_plot
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

TODAY = date(2026, 6, 1)  # of the clock that obeys


def of_files(uow: UnitOfWork) -> dict[tuple[int, date], int]:
    return {(row.file_id, row.day): row.count for row in uow.db.scalars(select(FileDownloads))}


def downloaded(path: Path, day: date) -> Downloaded:
    return Downloaded(factories.artifact_of(path).sha256, path.name, day)


def test_downloads_are_added_up_by_file_and_day(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    staged = make_wheel(tmp_path, version="2.0")
    project = factories.release(uow, ada, wheel, sdist)
    factories.stage(uow, ada, staged)
    yesterday, before = TODAY - timedelta(days=1), TODAY - timedelta(days=2)
    counts = {
        downloaded(wheel, yesterday): 3,
        downloaded(sdist, yesterday): 2,
        downloaded(wheel, before): 1,
        downloaded(wheel, TODAY): 7,
        downloaded(wheel, TODAY - timedelta(days=7)): 10,
        downloaded(wheel, TODAY - timedelta(days=30)): 100,
        downloaded(wheel, TODAY - timedelta(days=90)): 1000,
        downloaded(wheel, TODAY - timedelta(days=91)): 10_000,
        downloaded(staged, yesterday): 5,
        Downloaded("0" * 64, wheel.name, yesterday): 5,
        Downloaded("0" * 64, "nothing-1.0.tar.gz", yesterday): 5,
    }
    assert downloads.add(uow, counts) == 11_123
    assert downloads.add(uow, {downloaded(wheel, yesterday): 1}) == 1
    assert downloads.add(uow, {}) == 0

    assert sorted(of_files(uow).values()) == [1, 2, 4, 7, 10, 100, 1000, 10_000]
    told = downloads.of_project(uow, project.id)
    assert told is not None
    assert (told.last_day, told.last_week, told.last_month) == (6, 17, 117)
    assert (len(told.days), sum(told.days)) == (90, 1117)
    at_night = replace(uow, now=datetime(2026, 6, 2, 0, 59, tzinfo=UTC))
    assert downloads.of_project(at_night, project.id) == told
    later = replace(uow, now=datetime(2026, 6, 2, 1, 0, tzinfo=UTC))
    of_today = downloads.of_project(later, project.id)
    assert of_today is not None
    assert of_today.last_day == 7
    off = replace(uow, settings=replace(uow.settings, downloads="off"))
    assert downloads.of_project(off, project.id) is None
    removal.remove_file(uow, ada, project, wheel.name)
    assert downloads.of_project(uow, project.id) == told  # it was downloaded all the same


def test_a_plot_says_in_words_what_it_shows() -> None:
    days = (0,) * 80 + (1, 0, 400, 0, 3, 0, 0, 0, 0, 2)
    plot = download_plot(downloads.DownloadNumbers(days, date(2026, 5, 31)))

    assert plot is not None
    assert plot.words == "Downloads a day from 3 Mar 2026 to 31 May 2026, most on 24 May 2026: 400."
    assert plot.path.count("M") == 4
    assert "v-40h" in plot.path
    assert "v-1h" in plot.path  # what is small is seen
    assert [count for _, count in plot.weeks][-2:] == [401, 5]
    assert plot.weeks[-1][0] == date(2026, 5, 25)
    assert download_plot(None) is None


class Log:
    """Lines about the files of a project, in each of the formats."""

    def __init__(self, services: Services, folder: Path) -> None:
        wheel = make_wheel(folder)
        with services.writing() as uow:
            self.project: Project = factories.release(uow, factories.make_user(uow), wheel)
            self.project_id = self.project.id
        self.target = f"/{published_file_path(factories.artifact_of(wheel).sha256, wheel.name)}"
        self.services, self.path = services, folder / "access.log"
        self.path.touch()

    def common(self, target: str | None = None, *, rest: str = "200 1234", to: str = "GET") -> str:
        request = f"{to} {target or self.target} HTTP/1.1"
        moment = "31/May/2026:23:30:00 -0100"
        return f'192.0.2.1 - - [{moment}] "{request}" {rest} "-" "pip/26.0"\n'

    def lines(self) -> list[str]:
        said = {"method": "GET", "uri": self.target, "status": 200}
        moment = "2026-06-01T00:30:00Z"
        return [
            self.common(),
            self.common(f"https://index.example{self.target}?x"),
            json.dumps({**said, "time": moment}) + "\n",
            json.dumps({"request": said, "status": 200, "ts": 1780273800.25}) + "\n",
            json.dumps({"request": f"GET {self.target} HTTP/2.0", "status": "200", "time": moment})
            + "\n",
            # What does not count.
            self.common(rest="304 0"),
            self.common(rest="206 10"),
            self.common(rest="404 10"),
            self.common(to="HEAD"),
            self.common(f"{self.target}.metadata"),
            self.common("/simple/example/"),
            self.common().replace("31/May", "31/Mai"),
            self.common().replace("31/May/2026:23:30:00 -0100", "01/Jan/0001:00:00:00 +0100"),
            json.dumps({**said, "time": "9999-12-31T23:30:00-01:00"}) + "\n",
            json.dumps({**said, "time": "yesterday"}) + "\n",
            json.dumps({**said, "status": 304, "time": moment}) + "\n",
            *("{\n", "[" * 5000 + "\n", "\n", "\x00\xff\n", "x" * 200_000 + "\n", "null\n"),
        ]

    def write(self, *lines: str) -> None:
        with self.path.open("a", encoding="latin-1") as file:
            file.writelines(lines)

    def read(self, path: Path | None = None, log_format: LogFormat = LogFormat.AUTO) -> Imported:
        return import_log(self.services, path or self.path, log_format, published_file_at)

    def counted(self) -> dict[date, int]:
        with self.services.reading() as uow:
            return {day: count for (_, day), count in of_files(uow).items()}


@pytest.fixture
def log(services: Services, tmp_path: Path) -> Log:
    return Log(services, tmp_path)


def test_a_log_counts_once_however_often_it_is_read(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_logs, "_LINES_AT_ONCE", 3)
    lines = log.lines()
    log.write(*lines)
    assert log.read() == Imported(len(lines), 5)
    assert log.counted() == {TODAY: 5}
    assert log.read() == Imported(0, 0)
    log.write(log.common(), log.common()[:40])  # the last one is being written
    assert log.read() == Imported(1, 1)
    log.write(log.common()[40:])
    moved = tmp_path / "access.log.1.gz"
    moved.write_bytes(gzip.compress(log.path.read_bytes()))
    assert log.read(moved) == Imported(1, 1)
    assert log.read() == Imported(0, 0)
    assert log.counted() == {TODAY: 7}

    log.path.write_text(log.path.read_text("latin-1")[:4000], "latin-1")  # a part of it
    with pytest.raises(InvalidRequest, match="begins like one that was read before"):
        log.read()
    assert log.counted() == {TODAY: 7}


def test_an_import_that_is_broken_off_goes_on_where_it_was(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_logs, "_LINES_AT_ONCE", 2)
    log.write(*(log.common(rest=f"200 {number}") for number in range(9)))
    add, calls = downloads.add, 0

    def fail_once(uow: UnitOfWork, counts: downloads.Counts) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        return add(uow, counts)

    monkeypatch.setattr(downloads, "add", fail_once)
    with pytest.raises(InvalidRequest, match="No space left"):
        log.read()
    assert log.counted() == {TODAY: 4}
    assert log.read() == Imported(5, 5)
    assert log.counted() == {TODAY: 9}


def test_one_format_can_be_demanded(log: Log, clock: FakeClock) -> None:
    log.write(*log.lines()[:5])
    assert log.read(log_format=LogFormat.COMMON) == Imported(5, 2)
    log.path.unlink()
    log.write(*reversed(log.lines()[:5]))
    assert log.read(log_format=LogFormat.JSON) == Imported(5, 3)
    with log.services.reading() as uow:
        assert projects.get(uow, "example").id == log.project_id
    broken = log.path.with_suffix(".gz")
    compressed = gzip.compress(b"x\n" * 1000)
    for damaged in (compressed[:-20], compressed[:10] + b"\xff" * 20 + compressed[30:]):
        broken.write_bytes(damaged)
        with pytest.raises(InvalidRequest, match=r"The log 'access\.gz' cannot be read"):
            log.read(broken)


def test_a_log_that_cannot_be_read_twice_is_refused(log: Log, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InvalidRequest, match=r"The log 'pipe' is no file"):
        log.read(pipe)
