"""Housekeeping: drafts that fell due end, and blobs go exactly when nobody refers to them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import Attempt, DraftState, File, Project
from greenroom.registry import accounts, drafts, projects
from greenroom.registry.housekeeping import STALE_AFTER, Report, keep_house
from greenroom.registry.index import Premises
from greenroom.registry.permissions import Actor
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

NOTHING = Report(drafts_expired=0, blobs_freed=0, stale_files_removed=0)


@pytest.fixture(autouse=True)
def _ada(premises: Premises) -> None:
    with premises.writing() as index:
        factories.make_user(index, "ada")


def stage(premises: Premises, *paths: Path) -> str:
    """Stage these files; gives the draft's slug."""
    with premises.writing() as index:
        return factories.stage(index, accounts.get_user(index.session, "ada"), *paths).slug


def release(premises: Premises, *paths: Path) -> None:
    with premises.writing() as index:
        factories.release(index, accounts.get_user(index.session, "ada"), *paths)


def discard(premises: Premises, slug: str) -> None:
    with premises.writing() as index:
        draft = drafts.by_slug(index.session, slug)
        assert draft is not None
        drafts.discard(index, Actor(accounts.get_user(index.session, "ada")), draft)


def referenced(premises: Premises) -> set[str]:
    with premises.reading() as index:
        files = index.session.scalars(select(File)).all()
        return {digest for file in files for digest in (file.sha256, file.metadata_sha256)}


def kept(premises: Premises) -> set[str]:
    return set(premises.storage.digests())


def test_where_nothing_is_due_nothing_is_done(premises: Premises, tmp_path: Path) -> None:
    release(premises, make_wheel(tmp_path))
    stage(premises, make_wheel(tmp_path, version="2.0"))
    before = kept(premises)
    assert keep_house(premises) == NOTHING
    assert kept(premises) == before == referenced(premises)


def test_drafts_that_fell_due_expire(premises: Premises, clock: FakeClock, tmp_path: Path) -> None:
    slug = stage(premises, make_wheel(tmp_path))
    clock.advance(premises.settings.draft_lifetime)
    younger = stage(premises, make_wheel(tmp_path, "younger"))
    told: list[str] = []
    report = keep_house(premises, told.append)
    assert report == Report(drafts_expired=1, blobs_freed=2, stale_files_removed=0)
    assert told == ["The draft of example 1.0 has expired."]
    with premises.reading() as index:
        ended, open_ = drafts.by_slug(index.session, slug), drafts.by_slug(index.session, younger)
        assert ended is not None
        assert open_ is not None
        assert (ended.state, open_.state) == (DraftState.EXPIRED, DraftState.OPEN)
        assert drafts.events(index.session, ended)[0].by == "expiry"
        assert index.session.scalars(select(Project.name)).all() == ["younger"]
    assert keep_house(premises) == NOTHING


def test_a_draft_is_left_alone_a_moment_before_it_falls_due(
    premises: Premises, clock: FakeClock, tmp_path: Path
) -> None:
    stage(premises, make_wheel(tmp_path))
    clock.advance(premises.settings.draft_lifetime - timedelta(microseconds=1))
    assert keep_house(premises) == NOTHING
    clock.advance(timedelta(microseconds=1))
    assert keep_house(premises).drafts_expired == 1


# Blobs


def test_the_files_of_a_discarded_draft_are_freed(premises: Premises, tmp_path: Path) -> None:
    slug = stage(premises, make_wheel(tmp_path), make_sdist(tmp_path))
    discard(premises, slug)
    # The wheel and the sdist have metadata of their own.
    assert keep_house(premises).blobs_freed == 4
    assert kept(premises) == set()


def test_a_file_that_was_replaced_is_freed(premises: Premises, tmp_path: Path) -> None:
    stage(premises, make_wheel(tmp_path))
    stage(premises, make_wheel(tmp_path, salt="other"))
    assert len(kept(premises)) == 3
    assert keep_house(premises).blobs_freed == 1
    assert kept(premises) == referenced(premises)


def test_metadata_that_two_files_share_stays_while_one_does(
    premises: Premises, tmp_path: Path
) -> None:
    wheels = [make_wheel(tmp_path, tag=tag) for tag in ("py3-none-any", "py2-none-any")]
    stage(premises, *wheels)
    assert len(kept(premises)) == 3
    with premises.writing() as index:
        draft = factories.find_draft(index, "example", "1.0")
        assert draft is not None
        actor = Actor(accounts.get_user(index.session, "ada"))
        drafts.remove_file(index, actor, draft, wheels[0].name)
    assert keep_house(premises).blobs_freed == 1
    assert kept(premises) == referenced(premises)


def test_content_that_two_files_share_stays_while_one_does(
    premises: Premises, tmp_path: Path
) -> None:
    one = make_wheel(tmp_path)
    two = make_wheel(tmp_path, filename="example-1.0-1-py3-none-any.whl")
    stage(premises, one, two)
    assert len(kept(premises)) == 2
    with premises.writing() as index:
        draft = factories.find_draft(index, "example", "1.0")
        assert draft is not None
        drafts.remove_file(index, Actor(accounts.get_user(index.session, "ada")), draft, one.name)
    assert keep_house(premises) == NOTHING
    assert kept(premises) == referenced(premises)


def test_published_files_stay(premises: Premises, tmp_path: Path) -> None:
    release(premises, make_wheel(tmp_path))
    discard(premises, stage(premises, make_sdist(tmp_path)))
    keep_house(premises)
    assert kept(premises) == referenced(premises)
    assert len(kept(premises)) == 2


def test_a_blob_of_a_crashed_upload_is_freed(premises: Premises, tmp_path: Path) -> None:
    artifact = factories.artifact_of(make_wheel(tmp_path))
    premises.storage.put(artifact.path, artifact.sha256)
    assert keep_house(premises).blobs_freed == 1
    assert kept(premises) == set()


def test_files_that_are_arriving_stay(premises: Premises) -> None:
    path = premises.storage.new_file()
    assert keep_house(premises) == NOTHING
    assert path.exists()
    assert timedelta(hours=1) <= STALE_AFTER


def test_old_failures_to_sign_in_are_forgotten(premises: Premises, clock: FakeClock) -> None:
    with premises.writing() as index:
        accounts.sign_in(index, "ada", "wrong", "192.0.2.1")
    clock.advance(accounts.FAILURES_COUNT_FOR)
    keep_house(premises)
    with premises.reading() as index:
        assert index.session.scalars(select(Attempt)).all() == []


# Many at once


def test_many_housekeepers_at_once_do_it_once(
    premises: Premises, clock: FakeClock, tmp_path: Path
) -> None:
    for number in range(6):
        stage(premises, make_wheel(tmp_path, f"project{number}"))
    clock.advance(premises.settings.draft_lifetime)
    reports = factories.at_once(*[lambda: keep_house(premises)] * 4)
    assert sum(report.drafts_expired for report in reports) == 6
    assert kept(premises) == set()
    with premises.reading() as index:
        assert index.session.scalars(select(Project)).all() == []


def test_a_draft_that_is_used_while_it_would_expire_is_whole_or_gone(
    premises: Premises, clock: FakeClock, tmp_path: Path
) -> None:
    """An uploader and a housekeeper who meet at the moment at which the draft falls due."""
    wheels = [
        make_wheel(tmp_path / str(number), f"project{number}", salt=salt)
        for number in range(4)
        for salt in ("first",)
    ]
    for wheel in wheels:
        stage(premises, wheel)
    clock.advance(premises.settings.draft_lifetime)
    again = [make_wheel(tmp_path / f"again{n}", f"project{n}", salt="again") for n in range(4)]

    def upload(path: Path) -> Callable[[], str]:
        return lambda: stage(premises, path)

    def clean() -> str:
        keep_house(premises)
        return ""

    slugs = factories.at_once(*(upload(path) for path in again), clean, clean)
    keep_house(premises)
    with premises.reading() as index:
        for number in range(4):
            draft = factories.find_draft(index, f"project{number}", "1.0")
            assert draft is not None
            assert draft.slug in slugs
            staged = drafts.files(index.session, draft)
            assert [file.sha256 for file in staged] == [factories.artifact_of(again[number]).sha256]
    assert kept(premises) == referenced(premises)


def test_no_blob_that_is_referred_to_is_lost_while_uploads_go_on(
    premises: Premises, tmp_path: Path
) -> None:
    """Drafts come and go, always with the same content, while housekeepers free it."""
    paths = {number: make_wheel(tmp_path, f"project{number}") for number in range(3)}

    def come_and_go(number: int) -> Callable[[], list[str]]:
        def act() -> list[str]:
            lost = []
            for _ in range(4):
                slug = stage(premises, paths[number])
                with premises.reading() as index:
                    draft = drafts.by_slug(index.session, slug)
                    assert draft is not None
                    for file in drafts.files(index.session, draft):
                        lost += [
                            digest
                            for digest in (file.sha256, file.metadata_sha256)
                            if digest not in premises.storage
                        ]
                discard(premises, slug)
            stage(premises, paths[number])
            return lost

        return act

    def clean() -> list[str]:
        for _ in range(6):
            keep_house(premises)
        return []

    lost = factories.at_once(*(come_and_go(number) for number in paths), clean, clean)
    assert [digest for digests in lost for digest in digests] == []
    keep_house(premises)
    assert kept(premises) == referenced(premises)
    assert len(kept(premises)) == 6


def test_an_upload_and_a_housekeeper_who_want_the_same_blob_wait_for_each_other(
    premises: Premises, tmp_path: Path
) -> None:
    """The same file is published by many while its blob, left by a draft, is being freed."""
    wheel = make_wheel(tmp_path)
    discard(premises, stage(premises, wheel))

    def publish() -> bool:
        release(premises, wheel)
        return True

    def clean() -> bool:
        keep_house(premises)
        return True

    factories.at_once(publish, clean, publish, clean)
    assert kept(premises) == referenced(premises)
    assert len(kept(premises)) == 2
    with premises.reading() as index:
        project = projects.get(index, "example")
        assert drafts.find_release(index.session, project, Version("1.0")) is not None
