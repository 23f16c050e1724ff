"""Quotas of the index and of people, where several things are under way at once."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import DBAPIError

from greenroom.models import RoleName
from greenroom.outages import outage_of
from greenroom.registry import accounts, upload_sessions, uploads
from greenroom.registry.arriving import Share, bytes_arriving, bytes_arriving_of
from greenroom.registry.artifacts import Receiver
from greenroom.registry.errors import OutOfSpace, Refusal, TooLarge
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel

QUOTAS = [("max_user_size", TooLarge), ("max_total_size", OutOfSpace)]
of_each_quota = pytest.mark.parametrize(("setting", "refusal"), QUOTAS)


@pytest.fixture
def ada(uow: UnitOfWork) -> Person:
    return Person(factories.make_user(uow))


def with_limit(uow: UnitOfWork, setting: str, limit: int) -> UnitOfWork:
    return replace(uow, settings=replace(uow.settings, **{setting: limit}))


@of_each_quota
def test_two_units_of_work_do_not_pass_a_quota_together(
    services: Services, tmp_path: Path, setting: str, refusal: type[Refusal]
) -> None:
    """The second one waits for the first, whatever projects they are of."""
    one, other = make_wheel(tmp_path, "one"), make_wheel(tmp_path, "other")
    with services.writing() as uow:
        factories.make_user(uow)
    limit = one.stat().st_size + other.stat().st_size - 1
    changed = replace(services.settings, **{setting: limit})
    limited = replace(services, settings=changed)

    def accept(uow: UnitOfWork, path: Path) -> None:
        artifact, claims = factories.artifact_of(path), factories.claims_of(path)
        distribution = uploads.examine(uow.settings, artifact, claims)
        actor = Person(accounts.get_user(uow.db, "ada"))
        uploads.accept(uow, actor, artifact, claims, distribution, staged=True)

    with limited.writing() as first:
        accept(first, one)
        with pytest.raises(DBAPIError) as failure, limited.writing_at_once() as second:
            accept(second, other)
        assert outage_of(failure.value) is not None
    with pytest.raises(refusal), limited.writing() as second:
        accept(second, other)


@of_each_quota
def test_what_is_announced_counts_until_it_is_there_or_canceled(
    uow: UnitOfWork, ada: Person, tmp_path: Path, setting: str, refusal: type[Refusal]
) -> None:
    paths = [make_wheel(tmp_path, name) for name in ("one", "two", "three")]
    one, two, three = paths
    limited = with_limit(uow, setting, sum(path.stat().st_size for path in paths) - 1)
    first, second = (factories.open_new(limited, ada, name) for name in ("one", "two"))
    kept = factories.announce(limited, ada, first, one)
    canceled = factories.announce(limited, ada, second, two)

    for staged in (True, False):
        with pytest.raises(refusal):
            factories.upload(limited, ada, three, staged=staged)
    third = factories.open_new(limited, ada, "three")
    with pytest.raises(refusal):
        factories.announce(limited, ada, third, three)
    factories.send(limited, ada, first, kept, one.read_bytes())
    factories.complete(limited, ada, first, kept)  # it had its room
    with pytest.raises(refusal):
        factories.upload(limited, ada, three, staged=True)
    upload_sessions.cancel(limited, ada, second, canceled)
    assert factories.upload(limited, ada, three, staged=True).changed


def test_what_is_announced_for_the_projects_of_others_is_theirs(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    bob = Person(factories.make_user(uow, "bob"))
    draft = factories.open_new(uow, ada, "one")
    assert draft.project is not None
    factories.add_role(uow, draft.project, bob.user, RoleName.MAINTAINER)
    factories.announce(uow, bob, draft, make_wheel(tmp_path, "one"))
    path = make_wheel(tmp_path, "two")
    limited = with_limit(uow, "max_user_size", path.stat().st_size)
    assert factories.upload(limited, bob, path, staged=True).changed
    with pytest.raises(TooLarge):
        factories.upload(limited, ada, make_wheel(tmp_path, "three"), staged=True)


def test_what_arrives_of_one_person_is_bounded_together(tmp_path: Path) -> None:
    mine, others = Share(1, left=100), Share(2, left=100)
    with (
        Receiver(tmp_path, limit=1000, share=mine) as first,
        Receiver(tmp_path, limit=1000, share=mine) as second,
        Receiver(tmp_path, limit=1000, share=others) as third,
        Receiver(tmp_path, limit=1000, share=None) as announced,
    ):
        first.add(b"x" * 60)
        second.add(b"x" * 40)
        third.add(b"x" * 100)
        announced.add(b"x" * 1000)
        assert (bytes_arriving(tmp_path), bytes_arriving_of(tmp_path, 1)) == (200, 100)
        with pytest.raises(TooLarge, match="Your projects are too large"):
            first.add(b"x")
        first.remove()
        second.add(b"x" * 60)
        first.remove()
    assert (bytes_arriving(tmp_path), bytes_arriving_of(tmp_path, 1)) == (0, 0)
