"""What a file must fulfil to come into a release."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version

from greenroom.models import Project, Release
from greenroom.registry import (
    file_rules,
    releases,
)
from greenroom.registry.errors import FileExists, InvalidFile, ReleaseClosed, SecondSdist, TooLarge
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel


def with_settings(uow: UnitOfWork, **settings: int) -> UnitOfWork:
    return replace(uow, settings=replace(uow.settings, **settings))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


@pytest.fixture
def project(uow: UnitOfWork, ada: Person, wheel: Path) -> Project:
    return factories.release(uow, ada, wheel)


@pytest.fixture
def release(uow: UnitOfWork, project: Project) -> Release:
    found = releases.find(uow.db, project, Version("1.0"))
    assert found is not None
    return found


def test_a_file_has_content() -> None:
    file_rules.check_content(1, None)
    file_rules.check_content(1, "application/octet-stream")
    with pytest.raises(InvalidFile, match="empty"):
        file_rules.check_content(0, None)


@pytest.mark.parametrize("content_type", ["image/png", "IMAGE/svg+xml"])
def test_an_image_is_no_distribution(content_type: str) -> None:
    with pytest.raises(InvalidFile, match="sent as an image"):
        file_rules.check_content(1, content_type)


def test_a_file_may_be_as_large_as_the_limit(uow: UnitOfWork) -> None:
    limited = with_settings(uow, max_file_size=1024)
    file_rules.check_file_size(limited, 1024)
    with pytest.raises(TooLarge, match=r"File too large\. This index takes files of at most 1 KiB"):
        file_rules.check_file_size(limited, 1025)


@pytest.mark.parametrize(
    ("size", "text"),
    [(500, "500 bytes"), (1536, "1.5 KiB"), (2**20, "1 MiB"), (2**30, "1 GiB"), (2**42, "4 TiB")],
)
def test_sizes_can_be_read(size: int, text: str) -> None:
    assert text in file_rules.file_too_large(size)


def test_a_project_may_be_as_large_as_its_quota(
    uow: UnitOfWork, project: Project, wheel: Path
) -> None:
    size = wheel.stat().st_size
    limited = with_settings(uow, max_project_size=size + 10)
    file_rules.check_project_size(limited, project, 10)
    with pytest.raises(TooLarge, match="Project size too large"):
        file_rules.check_project_size(limited, project, 11)


def test_a_new_project_has_a_quota_too(uow: UnitOfWork) -> None:
    with pytest.raises(TooLarge, match="Project size too large"):
        file_rules.check_project_size(with_settings(uow, max_project_size=10), None, 11)


def test_a_new_file_is_not_published(uow: UnitOfWork, project: Project) -> None:
    file_rules.check_not_published(uow, "example-1.0.tar.gz", "0" * 64)


def test_a_published_name_is_taken(uow: UnitOfWork, project: Project, wheel: Path) -> None:
    with pytest.raises(FileExists, match=r"File already exists: .* with other content"):
        file_rules.check_not_published(uow, wheel.name, "0" * 64)


def test_published_content_is_taken(uow: UnitOfWork, project: Project, wheel: Path) -> None:
    digest = factories.artifact_of(wheel).sha256
    with pytest.raises(FileExists, match="File already exists: the same content"):
        file_rules.check_not_published(uow, "example-1.0-1-py3-none-any.whl", digest)


def test_the_name_of_a_deleted_file_stays_taken(
    uow: UnitOfWork, project: Project, release: Release, wheel: Path
) -> None:
    uow.db.delete(release)
    digest = factories.artifact_of(wheel).sha256
    for content in (digest, "0" * 64):
        with pytest.raises(FileExists) as caught:
            file_rules.check_not_published(uow, wheel.name, content)
        assert str(caught.value) == (
            "This filename has already been used, use a different version."
        )


@pytest.mark.parametrize("days", [1, 14])
def test_a_release_is_open_for_some_days(uow: UnitOfWork, release: Release, days: int) -> None:
    limited = with_settings(uow, release_open_days=days)
    last = uow.now + timedelta(days=days)
    file_rules.check_release_open(replace(limited, now=last), release)
    with pytest.raises(ReleaseClosed, match=rf"1\.0 takes no more files: .* 2026-06-01, .*{days}"):
        file_rules.check_release_open(
            replace(limited, now=last + timedelta(microseconds=1)), release
        )


def test_a_release_may_be_open_for_ever(uow: UnitOfWork, release: Release) -> None:
    limited = with_settings(uow, release_open_days=0)
    file_rules.check_release_open(replace(limited, now=uow.now + timedelta(days=9999)), release)


def test_the_days_count_from_publication(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    assert draft.release is not None
    late = replace(uow, now=uow.now + timedelta(days=100))
    file_rules.check_release_open(late, draft.release)


def test_a_release_has_one_source_distribution(
    uow: UnitOfWork, ada: Person, project: Project, release: Release, tmp_path: Path
) -> None:
    file_rules.check_single_sdist(uow, release, "example-1.0.tar.gz")
    factories.stage(uow, ada, make_sdist(tmp_path))
    file_rules.check_single_sdist(uow, release, "example-1.0.tar.gz")
    file_rules.check_single_sdist(uow, release, None)
    with pytest.raises(SecondSdist, match=r"'example-1\.0\.tar\.gz'\. Remove it from the draft"):
        file_rules.check_single_sdist(uow, release, "example-1.0.0.tar.gz")


def test_files_of_a_draft_that_fell_due_count_no_more(
    uow: UnitOfWork, ada: Person, project: Project, release: Release, wheel: Path, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_sdist(tmp_path))
    late = replace(uow, now=draft.expires)
    file_rules.check_single_sdist(late, release, "example-1.0.0.tar.gz")
    limited = with_settings(late, max_project_size=wheel.stat().st_size)
    file_rules.check_project_size(limited, project, 0)
