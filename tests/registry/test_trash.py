"""The trash: what goes there, what comes back, and what is deleted from there."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, select

from greenroom.models import File, ReleasedBlob
from greenroom.registry import (
    accounts,
    drafts,
    housekeeping,
    projects,
    removal,
    storage_identity,
    trash,
)
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.trash import TooMuchAtOnce
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upload_sessions import RESUMABLE
from greenroom.storage import Shelf
from greenroom.storage.local import blob_path
from tests import factories
from tests.artifacts import make_wheel
from tests.storage.keeping import keep

DAYS = 14


@pytest.fixture(autouse=True)
def _bound(services: Services) -> None:
    storage_identity.check(services)


def release(services: Services, *paths: Path) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow)
        factories.release(uow, ada, *paths)


def forget_files(services: Services) -> list[dict[str, object]]:
    """What an older database is: it does not know the files. Gives what brings them back."""
    with services.writing() as uow:
        rows = [dict(row) for row in uow.db.execute(select(File.__table__)).mappings()]
        uow.db.execute(delete(File))
    return rows


def know_files(services: Services, rows: list[dict[str, object]]) -> None:
    with services.writing() as uow:
        uow.db.execute(File.__table__.insert(), rows)  # type: ignore[attr-defined]


def shelf(services: Services, shelf: Shelf) -> set[str]:
    return set(services.storage.digests(shelf=shelf))


def kept(services: Services) -> set[str]:
    return shelf(services, Shelf.KEPT)


def trashed(services: Services) -> set[str]:
    return shelf(services, Shelf.TRASH)


def let_lie(monkeypatch: pytest.MonkeyPatch, age: timedelta) -> None:
    """Let what is on the disk be older by so much."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + age.total_seconds())


def test_what_nobody_refers_to_is_deleted_when_it_has_lain_in_the_trash(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = keep(services.storage)

    report = keep_house(services)
    assert (report.blobs_freed, report.blobs_deleted) == (1, 0)
    assert (kept(services), trashed(services)) == (set(), {digest})
    let_lie(monkeypatch, timedelta(days=DAYS, seconds=-10))
    assert keep_house(services).blobs_deleted == 0
    let_lie(monkeypatch, timedelta(seconds=20))
    assert keep_house(services).blobs_deleted == 1
    assert trashed(services) == set()


def test_without_a_trash_it_is_deleted_at_once(services: Services) -> None:
    settings = replace(services.settings, trash_days=0)
    without = Services(services.database, services.storage, settings, services.clock)
    keep(services.storage)

    report = keep_house(without)

    assert (report.blobs_freed, report.blobs_deleted) == (1, 1)
    assert trashed(services) == set()


def test_what_is_wanted_again_comes_back_by_itself(services: Services, tmp_path: Path) -> None:
    """Somebody ran an old database for a while."""
    release(services, make_wheel(tmp_path))
    before = kept(services)
    rows = forget_files(services)
    assert keep_house(services).blobs_freed == 2
    know_files(services, rows)

    assert keep_house(services).blobs_restored == 2

    assert kept(services) == before
    assert trashed(services) == set()


def test_what_is_wanted_is_not_deleted_however_long_it_has_lain(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(services, make_wheel(tmp_path))
    before = kept(services)
    for digest in before:
        services.storage.move(digest, Shelf.KEPT, Shelf.TRASH)
    let_lie(monkeypatch, timedelta(days=1000))

    assert trash.empty(services) == 0
    assert trash.restore_wanted(services) == 2
    assert kept(services) == before


def test_an_upload_of_the_same_bytes_is_there_again(services: Services, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    release(services, wheel)
    for digest in kept(services):
        services.storage.move(digest, Shelf.KEPT, Shelf.TRASH)

    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)

    assert kept(services) == trashed(services)
    assert len(kept(services)) == 2
    assert keep_house(services).blobs_restored == 0


def test_all_of_the_trash_comes_back_when_asked_for(services: Services) -> None:
    digests = {keep(services.storage, bytes([number])) for number in range(3)}
    keep_house(services)

    assert trash.restore_wanted(services) == 0
    assert trash.restore_all(services) == 3

    assert kept(services) == digests


def test_what_was_damaged_in_the_trash_does_not_come_back(services: Services) -> None:
    digest = keep(services.storage)
    keep_house(services)
    path = blob_path(Path(services.storage.address) / "trash", digest)
    path.unlink()
    path.write_bytes(b"other bytes")

    assert trash.restore_all(services) == 0

    assert kept(services) == set()
    assert shelf(services, Shelf.DAMAGED) == {digest}


def test_a_damaged_blob_is_kept_while_it_is_all_there_is(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path)
    release(services, wheel)
    for digest in kept(services):
        services.storage.move(digest, Shelf.KEPT, Shelf.DAMAGED)
    let_lie(monkeypatch, timedelta(days=1000))

    assert trash.empty(services) == 0
    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)
    assert trash.empty(services) == 2


# Too much at once


def stock(services: Services, tmp_path: Path, *, unused: int, used: int = 0) -> set[str]:
    """So many blobs that nobody refers to, beside those of so many wheels, two of each."""
    if used:
        release(services, *[make_wheel(tmp_path, version=f"{n}.0") for n in range(used // 2)])
    return {keep(services.storage, f"unused {number}".encode()) for number in range(unused)}


def test_too_much_at_once_stays_until_it_is_forced(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = stock(services, Path(), unused=21)

    with pytest.raises(TooMuchAtOnce, match=r"21 of the 21 blobs.*--dry-run.*--force"):
        keep_house(services)
    assert (kept(services), trashed(services)) == (digests, set())
    assert "nothing is moved to the trash" in capsys.readouterr().err

    assert keep_house(services, force=True).blobs_freed == 21
    assert (kept(services), trashed(services)) == (set(), digests)


def test_as_much_as_that_is_usual(services: Services) -> None:
    stock(services, Path(), unused=20)
    assert keep_house(services).blobs_freed == 20


def test_a_tenth_is_usual() -> None:
    trash.Unused(tuple("a" * 21), 210).check()
    with pytest.raises(TooMuchAtOnce):
        trash.Unused(tuple("a" * 22), 219).check()


def test_nothing_is_deleted_for_good_while_something_looks_wrong(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = keep(services.storage)
    keep_house(services)
    stock(services, Path(), unused=21)
    let_lie(monkeypatch, timedelta(days=1000))

    with pytest.raises(TooMuchAtOnce):
        keep_house(services)

    assert trashed(services) == {digest}


def test_to_look_changes_nothing(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow)
        factories.stage(uow, ada, make_wheel(tmp_path))
        factories.release(uow, ada, make_wheel(tmp_path, "other"))
    old = keep(services.storage, b"old")
    services.storage.move(old, Shelf.KEPT, Shelf.TRASH)
    unused = keep(services.storage)
    services.clock.advance(services.settings.draft_lifetime)  # type: ignore[attr-defined]
    let_lie(monkeypatch, timedelta(days=DAYS, seconds=10))
    before = kept(services)
    told: list[str] = []

    would = housekeeping.look(services, told.append)

    assert (kept(services), trashed(services)) == (before, {old})
    assert told[0] == "The draft of example 1.0 would expire."
    assert f"{unused} would go to the trash." in told
    assert f"{old} would be deleted from the trash." in told
    did = keep_house(services)
    assert (would.drafts_expired, would.blobs_freed, would.blobs_deleted) == (1, 3, 1)
    assert (did.drafts_expired, did.blobs_freed) == (1, 3)


def test_a_process_that_is_killed_at_any_moment_leaves_each_blob_on_a_shelf(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = stock(services, Path(), unused=5)

    class Killed(BaseException):
        pass

    replace = os.replace
    for moment in ("before", "after"):

        def dying(source: Path, target: Path, moment: str = moment) -> None:
            if moment == "after":
                replace(source, target)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dying)
            with pytest.raises(Killed):
                keep_house(services)
        assert kept(services) | trashed(services) == digests
    keep_house(services)
    assert (kept(services), trashed(services)) == (set(), digests)


def test_a_large_draft_in_a_small_index_may_go(services: Services, tmp_path: Path) -> None:
    """Everything that was in it is unwanted at once, but nobody has to wonder why."""
    with services.writing() as uow:
        ada = factories.make_user(uow)
        wheels = [make_wheel(tmp_path, tag=f"py3-none-macosx_{n}_0_arm64") for n in range(10, 32)]
        draft = factories.stage(uow, ada, *wheels)
        upload = factories.announce(
            uow, ada, draft, make_wheel(tmp_path, tag="py3-none-any"), mechanism=RESUMABLE
        )
        content = make_wheel(tmp_path, tag="py3-none-any").read_bytes()
        for start in range(0, 50, 10):
            factories.send(uow, ada, draft, upload, content[start : start + 10], start)
    before = kept(services)
    services.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    with services.writing() as uow:
        drafts.discard(uow, OPERATOR, factories.get_draft(uow, 1))

    assert keep_house(services).blobs_freed == len(before) > trash.ALWAYS_ALLOWED

    assert trashed(services) == before
    with services.reading() as uow:
        assert uow.db.scalars(select(ReleasedBlob)).all() == []


@pytest.mark.parametrize("act", ["release", "project", "expiry"])
def test_so_may_what_was_deleted_or_has_expired(
    services: Services, tmp_path: Path, act: str
) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow)
        wheels = [make_wheel(tmp_path, tag=f"py3-none-macosx_{n}_0_arm64") for n in range(10, 32)]
        if act == "expiry":
            factories.stage(uow, ada, *wheels)
        else:
            factories.release(uow, ada, *wheels)
    with services.writing() as uow:
        if act == "release":
            removal.remove_release(uow, OPERATOR, projects.get(uow, "example"), "1.0")
        elif act == "project":
            removal.remove_project(uow, OPERATOR, projects.get(uow, "example"))
        else:
            services.clock.advance(services.settings.draft_lifetime)  # type: ignore[attr-defined]

    would = housekeeping.look(services)

    assert keep_house(services).blobs_freed == would.blobs_freed == 23


def test_what_vanishes_beside_a_draft_that_was_discarded_is_left_alone(
    services: Services, tmp_path: Path
) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow)
        draft = factories.stage(uow, ada, make_wheel(tmp_path))
        drafts.discard(uow, OPERATOR, draft)
    lost = stock(services, Path(), unused=21)
    before = kept(services)

    with pytest.raises(TooMuchAtOnce, match=r"^Nobody refers to 21 of the 23 blobs"):
        keep_house(services)

    assert kept(services) == before > lost
