"""What the workers of a server share of the public answers that they keep."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import BinaryIO

import pytest
import requests

from greenroom.registry import accounts, projects, publishing, removal, yanking
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.server import serve
from greenroom.server.answers import (
    REMEMBERED_CHANGES,
    SHARED_AT_ONCE,
    Answer,
    Answers,
    HeaderLines,
    Wanted,
)
from greenroom.server.front import Front
from greenroom.server.shared_answers import Place, SharedAnswer, SharedAnswers
from greenroom.server.timing import Timing
from tests import factories, processes
from tests.artifacts import make_wheel
from tests.server import answer_writer
from tests.server.answer_writer import NUMBERS, is_of, place_of
from tests.serving import Server, new_database, serving
from tests.test_background import wait_until
from tests.web.conftest import form_fields

PAGE = b"<!DOCTYPE html>" + b"a line of a page\n" * 200
PLACE: Place = (1, b"/simple/", (b"text/html",), "")
SMALL = answer_writer.MOST_BYTES


# --- the file -----------------------------------------------------------------------------------


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(buffering=0) as made:
        yield made


def answer(mark: str = "1", body: bytes | Path = PAGE) -> SharedAnswer:
    return SharedAnswer(
        mark, "200 OK", [(b"x-name", b"caf\xe9")], body, {"gzip": b"\n\0", "zstd": b""}
    )


def test_what_one_has_put_another_finds_as_it_was(file: BinaryIO) -> None:
    SharedAnswers(file).put([(PLACE, answer()), (place_of(1), answer(body=Path("/a b/\udcff")))])
    others = SharedAnswers(file)
    assert others.find(PLACE) == answer()
    assert others.find(place_of(1)) == answer(body=Path("/a b/\udcff"))
    assert others.find(place_of(2)) is None


def test_what_is_put_last_is_found(file: BinaryIO) -> None:
    shared = SharedAnswers(file)
    for mark in ("1", "2"):
        shared.put([(PLACE, answer(mark))])
    assert shared.find(PLACE) == answer("2")


def test_there_is_room_for_so_many_bytes_and_the_oldest_go(file: BinaryIO) -> None:
    shared = SharedAnswers(file, SMALL)
    for number in range(1000):
        shared.put([(place_of(number), answer(str(number)))])
    assert os.fstat(file.fileno()).st_size <= SMALL
    found = [number for number in range(1000) if shared.find(place_of(number)) is not None]
    assert found == sorted(found)
    assert 50 < len(found) < 500
    assert found[-1] == 999
    assert found[0] > 500
    assert all(shared.find(place_of(number)) == answer(str(number)) for number in found)


def test_what_would_take_the_room_of_many_is_left_out(file: BinaryIO) -> None:
    shared = SharedAnswers(file, SMALL)
    shared.put([(place_of(1), answer()), (place_of(2), answer(body=bytes(SMALL // 2)))])
    assert shared.find(place_of(1)) is not None
    assert shared.find(place_of(2)) is None


@pytest.mark.parametrize("missing", [1, 1000, SMALL // 2, SMALL])
def test_what_is_not_whole_is_not_there(file: BinaryIO, missing: int) -> None:
    shared = SharedAnswers(file, SMALL)
    shared.put([(PLACE, answer())])
    os.truncate(file.fileno(), max(0, os.fstat(file.fileno()).st_size - missing))
    assert shared.find(PLACE) is None
    shared.put([(PLACE, answer())])
    assert shared.find(PLACE) == answer()


def test_whatever_is_damaged_is_found_as_it_was_or_not_at_all(file: BinaryIO) -> None:
    shared = SharedAnswers(file, SMALL)
    shared.put([(PLACE, answer())])
    end = os.fstat(file.fileno()).st_size
    empty = bytes(64)
    blocks = (start for start in range(0, end, 64) if os.pread(file.fileno(), 64, start) != empty)
    for place in (place for start in blocks for place in range(start, min(start + 64, end))):
        before = os.pread(file.fileno(), 1, place)
        os.pwrite(file.fileno(), b"\xff" if before != b"\xff" else b"\xfe", place)
        assert shared.find(PLACE) in (None, answer())
        shared.put([(place_of(1), answer())])  # it can be written to
        os.pwrite(file.fileno(), before, place)


def test_who_cannot_write_shares_nothing() -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        shared = SharedAnswers(full)
        shared.put([(PLACE, answer())])
        assert shared.find(PLACE) is None


def test_where_no_such_file_can_be_made_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = serve.file_in_memory("answers")
    assert made is not None
    made.close()

    def refuse(_name: str) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "memfd_create", refuse)
    assert serve.file_in_memory("answers") is None


def test_while_others_write_and_are_killed_whatever_is_found_is_whole(file: BinaryIO) -> None:
    shared, found = SharedAnswers(file, SMALL), 0
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(writing(file))
            for number in 20 * list(range(NUMBERS)):
                one = shared.find(place_of(number))
                found += one is not None
                assert one is None or is_of(number, one)
        for number in range(NUMBERS):
            one = shared.find(place_of(number))
            assert one is None or is_of(number, one)
        shared.put([(PLACE, answer())])  # those that were killed hold up nobody
        assert shared.find(PLACE) == answer()
    assert found > NUMBERS


@contextmanager
def writing(file: BinaryIO) -> Iterator[None]:
    """A process that writes, and is killed."""
    command = [sys.executable, "-m", "tests.server.answer_writer", str(file.fileno())]
    folder = Path(__file__).parents[2]
    with processes.start(command, cwd=folder, pass_fds=(file.fileno(),)) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == "writes\n"
            yield
        finally:
            writer.kill()


# --- two workers --------------------------------------------------------------------------------


class Worker:
    """What a worker keeps, on a file that it shares."""

    def __init__(self, file: BinaryIO, day: int = 1, mark: str = "1") -> None:
        self.answers = Answers(shared=SharedAnswers(file), day=day)
        self.begin(mark)

    def begin(self, mark: str) -> None:
        """It may be another database."""
        self.answers.clear()
        self.answers.reach(mark)

    def look(self, mark: str, *moved: str) -> None:
        self.answers.drop(moved)
        self.answers.reach(mark)

    def keep(self, target: str = "/a", keys: str = "project/a", body: bytes | Path = PAGE) -> None:
        lines = headers(keys, len(body) if isinstance(body, bytes) else 9)
        self.answers.keep(wanted(target), self.answers.age, "200 OK", lines, body)
        self.answers.find(wanted(target))

    def share(self) -> None:
        while self.answers.has_unshared:
            self.answers.share(self.answers.take_unshared())

    def find(self, target: str = "/a", coding: str = "") -> Answer | None:
        return self.answers.find(wanted(target, coding))


def wanted(target: str, coding: str = "") -> Wanted:
    return Wanted(target.encode(), (b"text/html", b"", b""), coding, None)


def headers(keys: str, length: int) -> HeaderLines:
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % length),
        (b"cache-control", b"public, max-age=0"),
        (b"surrogate-key", keys.encode()),
        (b"etag", b'"x"'),
    ]


@pytest.fixture
def two(file: BinaryIO) -> tuple[Worker, Worker]:
    return Worker(file), Worker(file)


Two = tuple[Worker, Worker]


@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
@pytest.mark.parametrize("other", ["", "gzip", "zstd"])
def test_one_finds_what_the_other_keeps(two: Two, coding: str, other: str) -> None:
    one, another = two
    one.keep()
    expected, of_other = one.find(coding=coding), one.find(coding=other)
    assert another.find(coding=coding) is None
    one.share()
    assert another.find(coding=coding) == expected
    assert another.find(coding=other) == of_other


def test_what_was_compressed_is_not_compressed_again(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, another = two
    one.keep()
    expected = one.find(coding="gzip")
    one.share()
    monkeypatch.setattr("greenroom.server.answers.gzip", None)
    assert another.find(coding="gzip") == expected
    assert not another.answers.has_unshared


def test_what_is_compressed_later_is_shared_as_well(two: Two) -> None:
    one, another = two
    one.keep()
    one.share()
    expected = one.find(coding="zstd")
    assert one.answers.has_unshared
    one.share()
    assert another.find(coding="zstd") == expected
    assert not another.answers.has_unshared


def test_a_file_is_shared_by_its_place(two: Two, tmp_path: Path) -> None:
    one, another = two
    one.keep(body=tmp_path / "large")
    one.share()
    found = another.find()
    assert found is not None
    assert found.body == tmp_path / "large"
    assert found == one.find()


def test_many_are_shared_some_at_a_time(two: Two) -> None:
    one, another = two
    for number in range(SHARED_AT_ONCE + 1):
        one.keep(f"/{number}")
    one.answers.share(one.answers.take_unshared())
    assert another.find("/0") is not None
    assert another.find(f"/{SHARED_AT_ONCE}") is None
    one.answers.share(one.answers.take_unshared())
    assert another.find(f"/{SHARED_AT_ONCE}") is not None
    assert not one.answers.has_unshared


def test_what_has_moved_since_is_not_found(two: Two) -> None:
    one, another = two
    one.keep("/a", "project/a")
    one.keep("/b", "project/b")
    one.share()
    another.look("2", "project/a")
    assert another.find("/a") is None
    assert another.find("/b") == one.find("/b")
    another.look("3", "project/b")
    assert another.find("/b") is None


def test_what_moves_before_it_is_shared_is_not_shared(two: Two) -> None:
    one, another = two
    one.keep("/a", "project/a")
    one.keep("/b", "project/b")
    unshared = one.answers.take_unshared()
    one.look("2", "project/a")
    one.answers.share(unshared)
    for mark in ("1", "2"):
        another.begin(mark)
        assert another.find("/a") is None
    assert another.find("/b") == one.find("/b")


def test_what_another_has_not_seen_it_does_not_take(two: Two) -> None:
    """It cannot say what has moved since; nor may it hold that this is of the same database."""
    one, another = two
    one.look("2", "project/b")
    one.keep()
    one.share()
    assert another.find() is None
    another.look("2", "project/b")
    assert another.find() is not None


def test_what_is_new_in_one_state_takes_the_place_of_what_is_old(two: Two) -> None:
    one, another = two
    one.keep(body=PAGE)
    one.share()
    one.look("2", "project/a")
    one.keep(body=PAGE[::-1])
    another.look("2", "project/a")
    assert another.find() is None
    one.share()
    assert another.find() == one.find()
    assert one.find().body == PAGE[::-1]  # type: ignore[union-attr]


def test_in_another_database_nothing_of_before_is_found(two: Two) -> None:
    one, another = two
    one.keep()
    one.share()
    another.begin("of another database")
    assert another.find() is None
    another.look("2 of another database", "project/b")
    assert another.find() is None
    another.answers.clear()
    assert another.find() is None


def test_what_was_kept_of_another_database_is_not_shared(two: Two) -> None:
    one, another = two
    one.keep()
    unshared = one.answers.take_unshared()
    one.begin("2")
    one.answers.share(unshared)
    for mark in ("1", "2"):
        another.begin(mark)
        assert another.find() is None


def test_what_changed_too_often_since_is_not_found(two: Two) -> None:
    one, another = two
    one.keep()
    one.share()
    for number in range(2, REMEMBERED_CHANGES + 3):
        another.look(str(number), "project/b")
    assert another.find() is None


def test_each_day_begins_with_nothing(two: Two) -> None:
    one, another = two
    one.keep()
    one.share()
    another.answers.begin_day(2)
    assert another.find() is None
    one.keep("/b")
    unshared = one.answers.take_unshared()
    one.answers.begin_day(2)
    one.answers.share(unshared)
    assert another.find("/b") is None
    one.keep("/b")
    one.share()
    assert another.find("/b") == one.find("/b")


def test_what_is_kept_for_a_time_is_not_shared(two: Two) -> None:
    one, another = two
    lines = headers("project/a", len(PAGE))
    one.answers.keep(wanted("/a"), one.answers.age, "200 OK", lines, PAGE, 30.0)
    assert one.find() is not None
    assert not one.answers.has_unshared
    one.share()
    assert another.find() is None


def test_what_is_over_is_not_replaced_by_what_was_shared_before(two: Two) -> None:
    one, another = two
    one.keep()
    one.share()
    lines = headers("project/a", len(PAGE))
    another.answers.keep(wanted("/a"), another.answers.age, "200 OK", lines, PAGE, 0.0)
    assert another.find() is None
    assert another.answers.find(wanted("/a"), outlasting=True) is not None


def test_while_nobody_can_say_what_holds_nothing_is_taken_from_others(two: Two) -> None:
    one, another = two
    one.keep()
    one.share()
    assert another.answers.find(wanted("/a"), outlasting=True) is None


class Source:
    """Says what a test wants to have changed."""

    def __init__(self, *, is_instant: bool) -> None:
        self.is_instant = is_instant
        self.mark = "1"
        self.changed: set[str] | None = None

    def look(self) -> set[str] | None:
        changed, self.changed = self.changed, set()
        return changed


async def share_after(changed: set[str], file: BinaryIO, *, is_instant: bool) -> int:
    """Let an answer be shared, where something has changed since; give the day by which it is."""
    source = Source(is_instant=is_instant)
    front = Front(
        lambda environ, start: [],
        asyncio.get_running_loop(),
        threads=1,
        timing=Timing(),
        locals_=(),
        source=source,
        proxies=(),
        shared=SharedAnswers(file),
    )
    assert await front.find(wanted("/a")) is None
    front.answers.keep(wanted("/a"), front.answers.age, "200 OK", headers("a", len(PAGE)), PAGE)
    assert await front.find(wanted("/a")) is not None
    source.mark, source.changed = "2", changed
    front.check()
    assert front._sharing is not None
    await front._sharing
    assert not front.answers.has_unshared
    return front._day


@pytest.mark.parametrize("is_instant", [True, False])
@pytest.mark.parametrize(("changed", "marks"), [({"a"}, []), ({"b"}, ["2"])])
def test_before_an_answer_is_shared_it_is_looked_whether_it_holds(
    file: BinaryIO, changed: set[str], marks: list[str], is_instant: bool
) -> None:
    day = asyncio.run(share_after(changed, file, is_instant=is_instant))
    assert [mark for mark in ("1", "2") if Worker(file, day, mark).find()] == marks


# --- servers ------------------------------------------------------------------------------------


SETTINGS = {"GREENROOM_URL": "http://index.example"}
FORMS = 20


class TwoWorkers:
    """A server of two workers with a project, and a connection to each of them."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        user = server.user("ada")
        self.token = server.token(user)
        for version in ("1.0", "2.0"):
            self.upload(make_wheel(folder, "alpha", version))
        self.connections: dict[int, HTTPConnection] = {}
        self.connect()

    def connect(self) -> None:
        """Anew, where they have been restarted."""
        self.close()
        self.connections = self.server.connect_to_each(2)
        self.one, self.other = self.connections.values()

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()

    def upload(self, wheel: Path, **more: str) -> None:
        answer = requests.post(
            f"{self.server.url}/legacy/",
            data=form_fields(wheel) | more,
            files={"content": (wheel.name, wheel.read_bytes())},
            auth=("__token__", self.token),
            timeout=60,
        )
        assert answer.ok, answer.reason

    def act(self, act: Callable[[UnitOfWork, Actor], object]) -> None:
        with self.server.services() as services, services.writing() as uow:
            act(uow, Person(accounts.get_user(uow.db, "ada")))

    def was_kept(self, identity: str) -> bool:
        """Whether the request with this id was answered without the application."""
        log = self.server.home.parent / "serve.log"
        lines: list[str] = []

        def is_logged() -> bool:
            lines[:] = [line for line in log.read_text().splitlines() if identity in line]
            return bool(lines)

        wait_until(is_logged)
        return bool(json.loads(lines[0])["kept"])

    def warm(self, path: str) -> None:
        """Have one worker make and share answers in many forms, of which the other has none."""
        for number in range(FORMS):
            assert get(self.one, path, number)[0] == 200
        wait_until(lambda: self._spares_the_other(path))

    def _spares_the_other(self, path: str) -> bool:
        """What one worker makes now it shares after what it has made before."""
        number = time.monotonic_ns()
        get(self.one, path, number)
        time.sleep(0.3)
        return self.was_kept(get(self.other, path, number)[1])


def get(connection: HTTPConnection, path: str, form: int) -> tuple[int, str, bytes]:
    """Status, request id and content of a page in one of many forms, which are the same."""
    accept = f"application/vnd.pypi.simple.v1+json, x/{form};q=0.1"
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    return answer.status, answer.headers["X-Request-Id"], answer.read()


@pytest.fixture(params=["sqlite", "postgresql"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoWorkers]:
    with serving(tmp_path, new_database(request, request.param), settings=SETTINGS) as server:
        workers = TwoWorkers(server, tmp_path)
        try:
            yield workers
        finally:
            workers.close()


def test_what_one_worker_has_made_the_other_need_not_make(workers: TwoWorkers) -> None:
    path = "/simple/alpha/"
    workers.warm(path)
    identities = []
    for number in range(FORMS):
        status, identity, body = get(workers.other, path, number)
        assert (status, body) == get(workers.one, path, number)[::2]
        identities.append(identity)
    assert all(map(workers.was_kept, identities))


def _publish(uow: UnitOfWork, actor: Actor) -> None:
    draft = factories.find_draft(uow, "alpha", "3.0")
    assert draft is not None
    publishing.publish(uow, actor, draft, registers_name=True)


ACTS: dict[str, Callable[[UnitOfWork, Actor], object]] = {
    "publication": _publish,
    "yank": lambda uow, actor: yanking.yank_release(
        uow, actor, projects.get(uow, "alpha"), "1.0", "broken"
    ),
    "deletion": lambda uow, actor: removal.remove_release(
        uow, actor, projects.get(uow, "alpha"), "1.0"
    ),
    "quarantine": lambda uow, _: projects.quarantine(uow, OPERATOR, projects.get(uow, "alpha")),
}


def test_what_has_changed_is_seen_at_once_by_way_of_either(
    workers: TwoWorkers, tmp_path: Path
) -> None:
    """Though the answers of before are shared, and the worker that is asked had none itself."""
    path = "/simple/alpha/"
    workers.upload(make_wheel(tmp_path, "alpha", "3.0"), staged="true")
    for name, act in ACTS.items():
        workers.warm(path)
        before = get(workers.one, path, 0)[::2]
        workers.act(act)
        seen = [get(workers.other, path, number)[::2] for number in range(FORMS)]
        seen += [get(workers.one, path, number)[::2] for number in range(FORMS)]
        assert set(seen) == {seen[0]}, name
        assert seen[0] != before, name


@pytest.mark.parametrize("workers", ["sqlite"], indirect=True)
def test_another_database_has_taken_the_place(workers: TwoWorkers, tmp_path: Path) -> None:
    path = "/simple/alpha/"
    database = tmp_path / "data" / "greenroom.sqlite"
    workers.warm(path)
    before = get(workers.one, path, 0)[::2]
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        content = copy.serialize()
    workers.act(ACTS["yank"])
    workers.warm(path)
    assert get(workers.one, path, 0)[::2] != before

    with stopped(workers.server):
        (tmp_path / "copy").write_bytes(content)
        (tmp_path / "copy").replace(database)
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    for number in range(FORMS):
        assert get(workers.other, path, number)[::2] == before
        assert get(workers.one, path, number)[::2] == before
    workers.warm(path)
    workers.act(ACTS["quarantine"])
    for number in range(FORMS):
        assert get(workers.other, path, number)[::2] != before


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Nothing in it runs meanwhile."""
    os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)


def test_workers_are_killed_and_the_others_go_on(workers: TwoWorkers) -> None:
    path = "/simple/alpha/"
    expected = get(workers.one, path, 0)[::2]
    for turn in range(3):
        workers.warm(path)
        for number in range(FORMS):  # it is killed when it may be sharing them
            get(workers.one, path, 1000 * turn + number)
        killed = next(iter(workers.connections))
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda killed=killed: killed not in workers.server.children())  # type: ignore[misc]
        workers.connect()
        for number in range(FORMS):
            assert get(workers.other, path, 1000 * turn + number)[::2] == expected
            assert get(workers.one, path, 1000 * turn + number)[::2] == expected
