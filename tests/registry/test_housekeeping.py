"""Housekeeping: drafts that fell due end, and blobs go exactly when nobody refers to them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import Attempt, DraftState, File, Project
from greenroom.registry import (
    accounts,
    drafts,
    projects,
    releases,
    signing_in,
    storage_identity,
)
from greenroom.registry.attempt_limits import LIMITS, Purpose
from greenroom.registry.housekeeping import STALE_AFTER, Report, keep_house
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

NOTHING = Report(drafts_expired=0, blobs_freed=0, stale_files_removed=0)


@pytest.fixture(autouse=True)
def _ada(services: Services) -> None:
    storage_identity.check(services)
    with services.writing() as uow:
        factories.make_user(uow, "ada")


def stage(services: Services, *paths: Path) -> str:
    """Stage these files; gives the draft's slug."""
    with services.writing() as uow:
        return factories.stage(uow, accounts.get_user(uow.db, "ada"), *paths).slug


def release(services: Services, *paths: Path) -> None:
    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), *paths)


def discard(services: Services, slug: str) -> None:
    with services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        drafts.discard(uow, Person(accounts.get_user(uow.db, "ada")), draft)


def referenced(services: Services) -> set[str]:
    with services.reading() as uow:
        files = uow.db.scalars(select(File)).all()
        return {digest for file in files for digest in (file.sha256, file.metadata_sha256)}


def kept(services: Services) -> set[str]:
    return set(services.storage.digests())


def test_where_nothing_is_due_nothing_is_done(services: Services, tmp_path: Path) -> None:
    release(services, make_wheel(tmp_path))
    stage(services, make_wheel(tmp_path, version="2.0"))
    before = kept(services)
    assert keep_house(services) == NOTHING
    assert kept(services) == before == referenced(services)


def test_drafts_that_fell_due_expire(services: Services, clock: FakeClock, tmp_path: Path) -> None:
    slug = stage(services, make_wheel(tmp_path))
    clock.advance(services.settings.draft_lifetime)
    younger = stage(services, make_wheel(tmp_path, "younger"))
    told: list[str] = []
    report = keep_house(services, told.append)
    assert report == Report(drafts_expired=1, blobs_freed=2, stale_files_removed=0)
    assert told == ["The draft of example 1.0 has expired."]
    with services.reading() as uow:
        ended, open_ = drafts.by_slug(uow.db, slug), drafts.by_slug(uow.db, younger)
        assert ended is not None
        assert open_ is not None
        assert (ended.state, open_.state) == (DraftState.EXPIRED, DraftState.OPEN)
        assert drafts.events(uow.db, ended)[0].by == "expiry"
        assert uow.db.scalars(select(Project.name)).all() == ["younger"]
    assert keep_house(services) == NOTHING


def test_a_draft_is_left_alone_a_moment_before_it_falls_due(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    stage(services, make_wheel(tmp_path))
    clock.advance(services.settings.draft_lifetime - timedelta(microseconds=1))
    assert keep_house(services) == NOTHING
    clock.advance(timedelta(microseconds=1))
    assert keep_house(services).drafts_expired == 1


# Blobs


def test_the_files_of_a_discarded_draft_are_freed(services: Services, tmp_path: Path) -> None:
    slug = stage(services, make_wheel(tmp_path), make_sdist(tmp_path))
    discard(services, slug)
    # The wheel and the sdist have metadata of their own.
    assert keep_house(services).blobs_freed == 4
    assert kept(services) == set()


def test_a_file_that_was_replaced_is_freed(services: Services, tmp_path: Path) -> None:
    stage(services, make_wheel(tmp_path))
    stage(services, make_wheel(tmp_path, salt="other"))
    assert len(kept(services)) == 3
    assert keep_house(services).blobs_freed == 1
    assert kept(services) == referenced(services)


def test_metadata_that_two_files_share_stays_while_one_does(
    services: Services, tmp_path: Path
) -> None:
    wheels = [make_wheel(tmp_path, tag=tag) for tag in ("py3-none-any", "py2-none-any")]
    stage(services, *wheels)
    assert len(kept(services)) == 3
    with services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        actor = Person(accounts.get_user(uow.db, "ada"))
        drafts.remove_file(uow, actor, draft, wheels[0].name)
    assert keep_house(services).blobs_freed == 1
    assert kept(services) == referenced(services)


def test_content_that_two_files_share_stays_while_one_does(
    services: Services, tmp_path: Path
) -> None:
    one = make_wheel(tmp_path)
    two = make_wheel(tmp_path, filename="example-1.0-1-py3-none-any.whl")
    stage(services, one, two)
    assert len(kept(services)) == 2
    with services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        drafts.remove_file(uow, Person(accounts.get_user(uow.db, "ada")), draft, one.name)
    assert keep_house(services) == NOTHING
    assert kept(services) == referenced(services)


def test_published_files_stay(services: Services, tmp_path: Path) -> None:
    release(services, make_wheel(tmp_path))
    discard(services, stage(services, make_sdist(tmp_path)))
    keep_house(services)
    assert kept(services) == referenced(services)
    assert len(kept(services)) == 2


def test_a_blob_of_a_crashed_upload_is_freed(services: Services, tmp_path: Path) -> None:
    artifact = factories.artifact_of(make_wheel(tmp_path))
    services.storage.put(artifact.path, artifact.sha256)
    assert keep_house(services).blobs_freed == 1
    assert kept(services) == set()


def test_files_that_are_arriving_stay(services: Services) -> None:
    path = services.storage.new_file()
    assert keep_house(services) == NOTHING
    assert path.exists()
    assert timedelta(hours=1) <= STALE_AFTER


def test_old_failures_to_sign_in_are_forgotten(services: Services, clock: FakeClock) -> None:
    signing_in.sign_in(services, "ada", "wrong", "192.0.2.1")
    clock.advance(LIMITS[Purpose.SIGN_IN].longest)
    keep_house(services)
    with services.reading() as uow:
        assert uow.db.scalars(select(Attempt)).all() == []


# Many at once


def test_many_housekeepers_at_once_do_it_once(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    for number in range(6):
        stage(services, make_wheel(tmp_path, f"project{number}"))
    clock.advance(services.settings.draft_lifetime)
    reports = factories.at_once(*[lambda: keep_house(services)] * 4)
    assert sum(report.drafts_expired for report in reports) == 6
    assert kept(services) == set()
    with services.reading() as uow:
        assert uow.db.scalars(select(Project)).all() == []


def test_a_draft_that_is_used_while_it_would_expire_is_whole_or_gone(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    """An uploader and a housekeeper who meet at the moment at which the draft falls due."""
    wheels = [
        make_wheel(tmp_path / str(number), f"project{number}", salt=salt)
        for number in range(4)
        for salt in ("first",)
    ]
    for wheel in wheels:
        stage(services, wheel)
    clock.advance(services.settings.draft_lifetime)
    again = [make_wheel(tmp_path / f"again{n}", f"project{n}", salt="again") for n in range(4)]

    def upload(path: Path) -> Callable[[], str]:
        return lambda: stage(services, path)

    def clean() -> str:
        keep_house(services)
        return ""

    slugs = factories.at_once(*(upload(path) for path in again), clean, clean)
    keep_house(services)
    with services.reading() as uow:
        for number in range(4):
            draft = factories.find_draft(uow, f"project{number}", "1.0")
            assert draft is not None
            assert draft.slug in slugs
            staged = drafts.files(uow.db, draft)
            assert [file.sha256 for file in staged] == [factories.artifact_of(again[number]).sha256]
    assert kept(services) == referenced(services)


def test_no_blob_that_is_referred_to_is_lost_while_uploads_go_on(
    services: Services, tmp_path: Path
) -> None:
    """Drafts come and go, always with the same content, while housekeepers free it."""
    paths = {number: make_wheel(tmp_path, f"project{number}") for number in range(3)}

    def come_and_go(number: int) -> Callable[[], list[str]]:
        def act() -> list[str]:
            lost = []
            for _ in range(4):
                slug = stage(services, paths[number])
                with services.reading() as uow:
                    draft = drafts.by_slug(uow.db, slug)
                    assert draft is not None
                    for file in drafts.files(uow.db, draft):
                        lost += [
                            digest
                            for digest in (file.sha256, file.metadata_sha256)
                            if digest not in services.storage
                        ]
                discard(services, slug)
            stage(services, paths[number])
            return lost

        return act

    def clean() -> list[str]:
        for _ in range(6):
            keep_house(services)
        return []

    lost = factories.at_once(*(come_and_go(number) for number in paths), clean, clean)
    assert [digest for digests in lost for digest in digests] == []
    keep_house(services)
    assert kept(services) == referenced(services)
    assert len(kept(services)) == 6


def test_an_upload_and_a_housekeeper_who_want_the_same_blob_wait_for_each_other(
    services: Services, tmp_path: Path
) -> None:
    """The same file is published by many while its blob, left by a draft, is being freed."""
    wheel = make_wheel(tmp_path)
    discard(services, stage(services, wheel))

    def publish() -> bool:
        release(services, wheel)
        return True

    def clean() -> bool:
        keep_house(services)
        return True

    factories.at_once(publish, clean, publish, clean)
    assert kept(services) == referenced(services)
    assert len(kept(services)) == 2
    with services.reading() as uow:
        project = projects.get(uow, "example")
        assert releases.find(uow.db, project, Version("1.0")) is not None
