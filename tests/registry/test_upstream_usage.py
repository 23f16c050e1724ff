"""Which projects of upstreams are used, by whom, and how upstreams are doing."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread

import pytest
import sqlalchemy.exc
from msgspec.structs import replace
from sqlalchemy import event

from greenroom.models import UpstreamFile, UpstreamPage
from greenroom.registry import teams, tokens, upstream_overview, upstream_usage
from greenroom.registry.permissions import ANONYMOUS, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_overview import Asked, Kept
from greenroom.registry.upstream_usage import Usage, Who
from greenroom.upstream_settings import Upstream
from tests import factories
from tests.conftest import FakeClock

UPSTREAMS = (
    Upstream("pypi", "https://ada:secret@index.example/simple/"),
    Upstream("other", "https://other.example/simple/"),
)


def upstream_services(services: Services) -> Services:
    settings = replace(services.settings, upstreams=UPSTREAMS)
    return Services(services.database, services.storage, settings, services.clock)


def test_who_asks(uow: UnitOfWork) -> None:
    ada = factories.make_user(uow, "ada")
    token = tokens.actor_of_token(uow, factories.make_token(uow, ada))

    assert upstream_usage.who(ANONYMOUS) == Who()
    assert upstream_usage.who(Person(ada)) == Who("ada")
    shown = upstream_usage.who(token)
    assert (shown.by, shown.token.startswith("pypi-") or bool(shown.token)) == ("ada", True)


def test_uses_are_added_up(services: Services, clock: FakeClock) -> None:
    services = upstream_services(services)
    usage = Usage()
    with services.writing() as uow:
        for name in ("ada", "eve"):
            factories.make_user(uow, name)
        ada = factories.make_user(uow, "root", administrator=True)
        teams.create(uow, Person(ada), "Core", ada)
    now = services.clock()
    for was_kept in (False, True, True):
        usage.note_page("pypi", "requests", Who("root", "t1 (ci)"), now, was_kept=was_kept)
    usage.note_file("pypi", "requests", Who(), now, was_kept=False, size=10)
    usage.write(services)
    clock.advance(timedelta(hours=1))
    usage.note_file("pypi", "requests", Who("eve"), services.clock(), was_kept=True, size=10)
    usage.note_page("other", "flask", Who(), now, was_kept=False)
    usage.write(services)
    usage.write(services, at_once=True)

    with services.reading() as uow:
        used, flask = upstream_overview.used(uow, start=0, count=9)
        assert (used.project, used.upstream, used.last) == ("requests", "pypi", services.clock())
        assert used.asked == Asked(3, 2, 2, 1, 20)
        assert (used.asked.page_rate, used.asked.file_rate) == (66, 50)
        assert (used.users[0], used.more, used.teams) == (Who("eve"), 0, ("Core",))
        assert set(used.users) == {Who("eve"), Who(), Who("root", "t1 (ci)")}
        assert (flask.project, flask.asked.file_rate) == ("flask", None)
        assert upstream_overview.count_used(uow, "FLA") == 1
        assert upstream_overview.count_used(uow, "\x01") == 0
        assert [each.asked for each in upstream_overview.of_all(uow)] == [
            Asked(3, 2, 2, 1, 20),
            Asked(1, 0, 0, 0, 0),
        ]


def test_of_many_users_some_are_named(services: Services) -> None:
    usage = Usage()
    for number in range(9):
        now = services.clock() + timedelta(seconds=number)
        usage.note_page("pypi", "requests", Who(f"user{number}"), now, was_kept=True)
    usage.write(services)
    with services.reading() as uow:
        [used] = upstream_overview.used(uow, start=0, count=9)
        assert [who.by for who in used.users] == [f"user{number}" for number in range(8, 3, -1)]
        assert used.more == 4


def test_how_upstreams_are_doing(services: Services, clock: FakeClock) -> None:
    services = upstream_services(services)
    usage = Usage()
    long_ago = services.clock() - timedelta(days=3)
    with services.writing() as uow:
        for name, is_there in (("requests", True), ("nothing", False)):
            uow.db.add(
                UpstreamPage(
                    upstream="pypi",
                    project=name,
                    is_there=is_there,
                    base="",
                    url="",
                    etag="",
                    last_modified="",
                    content="",
                    digest="",
                    checked=long_ago,
                    fresh_until=long_ago,
                    changed=long_ago,
                    used=long_ago,
                )
            )
        uow.db.add(
            UpstreamFile(
                upstream="other",
                project="flask",
                filename="flask-1.0.tar.gz",
                url="",
                said="",
                sha256="0" * 64,
                size=7,
                is_verified=True,
                fetched=long_ago,
                used=long_ago,
            )
        )
    with services.reading() as uow:
        pypi, other = upstream_overview.of_all(uow)
    assert (pypi.url, pypi.answered) == ("https://index.example/simple/", long_ago)
    assert pypi.kept == Kept(1, 1, long_ago, 0, 0)
    assert (other.kept, other.is_reachable, other.answered) == (Kept(files=1, size=7), None, None)

    usage.note_answer("pypi", services.clock())
    usage.write(services)
    clock.advance(timedelta(minutes=1))
    usage.note_failure("pypi", "It does not answer.", services.clock())
    usage.write(services)
    with services.reading() as uow:
        pypi, _ = upstream_overview.of_all(uow)
        assert (pypi.is_reachable, pypi.failure) == (False, "It does not answer.")
    usage.note_answer("pypi", services.clock())
    usage.write(services)
    with services.reading() as uow:
        assert upstream_overview.of_all(uow)[0].is_reachable is True


def test_what_cannot_be_written_down_is_remembered(services: Services) -> None:
    usage = Usage()
    note: list[Callable[[], None]] = [
        lambda: usage.note_page("pypi", "requests", Who(), services.clock(), was_kept=True),
        lambda: usage.note_license("pypi", "requests", "requests.whl", "MIT"),
        lambda: usage.note_failure("pypi", "No.", services.clock()),
    ]
    for each in note:
        each()

    def fail(*_args: object) -> None:
        for each in note:
            each()
        raise sqlalchemy.exc.OperationalError("", {}, Exception())

    engine = services.database.engine
    event.listen(engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            usage.write(services)
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    usage.write(services)
    with services.reading() as uow:
        [used] = upstream_overview.used(uow, start=0, count=9)
        assert used.asked.pages == 2


def test_several_processes_add_to_the_same(services: Services) -> None:
    def work() -> None:
        usage = Usage()
        for number in range(5):
            usage.note_page("pypi", f"p{number}", Who("ada"), services.clock(), was_kept=False)
            usage.write(services)

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with services.reading() as uow:
        assert [each.asked.pages for each in upstream_overview.used(uow, start=0, count=9)] == [
            3
        ] * 5
