"""What is kept of files of upstreams, and what goes: nothing of ours ever goes with them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.registry import (
    accounts,
    backup_holds,
    drafts,
    housekeeping,
    storage_identity,
    trash,
    upstream_files,
    verification,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_files import Usage
from greenroom.storage import Shelf
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.upstream_cache import keep


@pytest.fixture(autouse=True)
def _bound(services: Services) -> None:
    storage_identity.check(services)


def limited(services: Services, most: int) -> Services:
    """The same index, which keeps so many bytes."""
    settings = replace(services.settings, upstream_cache_size=most)
    return replace(services, settings=settings)


def names(services: Services) -> list[str]:
    return [kept.filename for kept in upstream_files.all_of(services)]


def publish(services: Services, path: Path) -> None:
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), path)


def stage(services: Services, path: Path) -> None:
    with services.writing() as uow:
        factories.stage(uow, factories.make_user(uow), path)


def test_what_nobody_has_asked_for_the_longest_goes_first(
    services: Services, clock: FakeClock
) -> None:
    kept = {}
    for name in "abcd":
        kept[name] = keep(services, name.encode() * 100, name)
        clock.advance(timedelta(hours=2))
    upstream_files.PENDING.note(kept["a"], clock())
    upstream_files.PENDING.write(services)

    gone = upstream_files.make_room(limited(services, 300), 50)

    assert gone == Usage(2, 200)
    assert names(services) == ["a", "d"]
    assert set(services.storage.digests()) == {kept["a"].sha256, kept["d"].sha256}


def test_housekeeping_keeps_the_quota_and_no_kept_file_is_an_orphan(services: Services) -> None:
    for name in "abc":
        keep(services, name.encode() * 100, name)

    report = housekeeping.keep_house(services)
    assert (report.upstream_files, report.blobs_freed) == (0, 0)
    report = housekeeping.keep_house(limited(services, 250))

    assert (report.upstream_files, report.blobs_freed) == (1, 0)
    assert len(list(services.storage.digests())) == 2
    assert list(services.storage.digests(shelf=Shelf.TRASH)) == []


@pytest.mark.parametrize("bring", [publish, stage], ids=["published", "staged"])
def test_bytes_that_are_ours_as_well_stay(
    services: Services, tmp_path: Path, bring: Callable[[Services, Path], None]
) -> None:
    wheel = make_wheel(tmp_path)
    kept = keep(services, wheel.read_bytes(), wheel.name)
    bring(services, wheel)

    assert upstream_files.let_go_of_all(services).files == 1

    assert services.storage.size(kept.sha256) == kept.size
    assert names(services) == []
    findings = verification.verify(services)
    assert (findings.damages, findings.unknown) == ([], [])


def test_bytes_of_a_metadata_file_of_ours_stay(services: Services, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    publish(services, wheel)
    [other] = set(services.storage.digests()) - {factories.artifact_of(wheel).sha256}
    with services.storage.open(other) as blob:
        keep(services, b"".join(blob), f"{wheel.name}.metadata")

    upstream_files.let_go_of_all(services)

    assert other in services.storage


def test_bytes_that_two_names_have_stay_until_both_are_gone(services: Services) -> None:
    one, two = keep(services, b"same", "one"), keep(services, b"same", "two")

    assert upstream_files.let_go(services, one)
    assert one.sha256 in services.storage
    assert not upstream_files.let_go(services, one)
    assert upstream_files.let_go(services, two)
    assert one.sha256 not in services.storage


def test_what_was_ours_and_kept_waits_in_the_trash(services: Services, tmp_path: Path) -> None:
    """Whoever has discarded a draft may want it again."""
    wheel = make_wheel(tmp_path)
    kept = keep(services, wheel.read_bytes(), wheel.name)
    with services.writing() as uow:
        ada = factories.make_user(uow)
        drafts.discard(uow, Person(ada), factories.stage(uow, ada, wheel))
    housekeeping.keep_house(services)
    assert kept.sha256 in services.storage

    upstream_files.let_go_of_all(services)

    assert kept.sha256 not in services.storage
    assert kept.sha256 in set(services.storage.digests(shelf=Shelf.TRASH))


def test_while_a_backup_is_made_nothing_is_deleted_for_good(services: Services) -> None:
    kept = keep(services, b"content")

    with backup_holds.held(services):
        upstream_files.let_go_of_all(services)

    assert set(services.storage.digests(shelf=Shelf.TRASH)) == {kept.sha256}


def test_an_upload_of_the_same_bytes_at_the_same_time_keeps_them(
    services: Services, tmp_path: Path
) -> None:
    """Whichever of them comes first, what was accepted is there."""
    with services.writing() as uow:
        factories.make_user(uow)
    for number in range(4):
        wheel = make_wheel(tmp_path, "example", f"{number}.0")
        kept = keep(services, wheel.read_bytes(), wheel.name)

        def release(wheel: Path = wheel) -> bool:
            with services.writing() as uow:
                factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)
            return True

        factories.at_once(release, lambda kept=kept: upstream_files.let_go(services, kept))  # type: ignore[misc]

        assert services.storage.size(kept.sha256) == kept.size
    findings = verification.verify(services)
    assert (findings.damages, findings.unknown) == ([], [])


def test_what_lies_in_the_trash_is_brought_back_when_it_is_kept(services: Services) -> None:
    kept = keep(services, b"content")
    services.storage.move(kept.sha256, Shelf.KEPT, Shelf.TRASH)

    assert trash.restore_wanted(services) == 1

    assert kept.sha256 in services.storage


def test_a_use_is_written_down_once_an_hour(services: Services, clock: FakeClock) -> None:
    kept = keep(services, b"content")
    began = clock()
    for minutes in (30, 40):
        clock.advance(timedelta(minutes=minutes))
        upstream_files.PENDING.note(kept, clock())
        upstream_files.PENDING.write(services)
        [found] = upstream_files.all_of(services)
        assert (found.used == began) == (minutes == 30)


def test_what_is_asked_for_meanwhile_does_not_go(services: Services, clock: FakeClock) -> None:
    kept = keep(services, b"content")
    clock.advance(timedelta(hours=2))
    upstream_files.PENDING.note(kept, clock())
    upstream_files.PENDING.write(services)

    assert not upstream_files.let_go(services, kept, unless_used=True)


def test_verifying_the_storage_does_not_count_them(services: Services) -> None:
    kept = keep(services, b"content")
    services.storage.delete(kept.sha256)

    findings = verification.verify(services)

    assert (findings.checked, findings.damages, findings.unknown) == (0, [], [])
