"""Which storage belongs to which database, and that neither is touched while that is open."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.models import File
from greenroom.registry import housekeeping, storage_identity, trash, verification
from greenroom.registry.storage_identity import ForeignStorage, check
from greenroom.registry.unit_of_work import Services
from greenroom.storage import LocalStorage, Shelf
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import empty
from tests.storage.keeping import keep


def release(services: Services, folder: Path, count: int = 1) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow)
        for number in range(count):
            factories.release(uow, ada, make_wheel(folder, f"project{number}"))


def on(services: Services, folder: Path) -> Services:
    """The same database with the storage in another folder."""
    return Services(
        services.database, LocalStorage(folder / "files"), services.settings, services.clock
    )


def unmarked(services: Services) -> Path:
    """What an older version left: files, and no marker."""
    marker = Path(services.storage.address) / "identity"
    marker.unlink(missing_ok=True)
    return marker


def kept(services: Services) -> set[str]:
    return set(services.storage.digests())


def test_a_new_database_and_an_empty_storage_belong_together_from_then_on(
    services: Services, tmp_path: Path
) -> None:
    check(services)
    marker = services.storage.marker()
    check(services)

    assert marker is not None
    assert services.storage.marker() == marker
    other = on(services, tmp_path / "other")
    check(other)
    assert other.storage.marker() == marker


def test_many_who_start_at_once_agree(services: Services) -> None:
    factories.at_once(*[lambda: check(services)] * 6)
    check(services)


def test_a_storage_of_before_is_taken_with_the_files_that_the_database_knows(
    services: Services, tmp_path: Path
) -> None:
    release(services, tmp_path, 10)
    keep(services.storage, b"of an upload that was broken off")
    unmarked(services)
    with services.reading() as uow:
        lost = uow.db.query(File.sha256).order_by(File.sha256).limit(1).scalar()
    services.storage.delete(str(lost))

    check(services)

    assert services.storage.marker() is not None


ACTS: dict[str, Callable[[Services], object]] = {
    "check": check,
    "housekeeping": housekeeping.keep_house,
    "housekeeping by force": lambda services: housekeeping.keep_house(services, force=True),
    "verification": verification.verify,
    "looking": housekeeping.look,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_database_that_knows_none_of_the_files_touches_none(
    services: Services, tmp_path: Path, act: Callable[[Services], object]
) -> None:
    release(services, tmp_path)
    empty(services.settings.sqlalchemy_url)
    unmarked(services)
    before = kept(services)

    with pytest.raises(ForeignStorage, match=r"the database knows none of them.*storage adopt"):
        act(services)

    assert kept(services) == before != set()
    assert services.storage.marker() is None


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_storage_of_another_database_is_not_touched(
    services: Services, tmp_path: Path, act: Callable[[Services], object]
) -> None:
    release(services, tmp_path)
    check(services)
    services.storage.mark("another")
    keep(services.storage, b"of the other index")
    before = kept(services)

    with pytest.raises(ForeignStorage, match=r"belongs to another database.*storage adopt"):
        act(services)

    assert kept(services) == before
    assert services.storage.marker() == "another"


def test_files_in_the_trash_are_files(services: Services) -> None:
    digest = keep(services.storage)
    services.storage.move(digest, Shelf.KEPT, Shelf.TRASH)

    with pytest.raises(ForeignStorage):
        check(services)


@pytest.mark.parametrize("bound", [False, True])
def test_a_storage_without_the_files_is_not_taken(
    services: Services, tmp_path: Path, bound: bool
) -> None:
    """It is not mounted, or was lost, or is another one."""
    release(services, tmp_path, 3)
    if bound:
        check(services)
    elsewhere = on(services, tmp_path / "other")

    with pytest.raises(ForeignStorage, match="has 0 of 3 files"):
        check(elsewhere)

    assert elsewhere.storage.marker() is None


def test_a_database_that_is_about_to_be_made_takes_an_empty_storage_only(
    services: Services,
) -> None:
    storage_identity.check_new(services.storage)
    keep(services.storage)
    with pytest.raises(ForeignStorage, match="there is no database that knows them"):
        storage_identity.check_new(services.storage)


def test_what_is_adopted_is_the_database_s_and_nobody_else_s(
    services: Services, tmp_path: Path
) -> None:
    release(services, tmp_path)
    check(services)
    services.storage.mark("another")

    bond = storage_identity.look(services)
    storage_identity.adopt(services)

    assert (bond.is_bound, bond.is_marked, bond.is_empty) == (False, True, False)
    assert (bond.looked_for, bond.found) == (1, 1)
    check(services)
    assert storage_identity.look(services).is_bound
    assert trash.unused(services).digests == ()
