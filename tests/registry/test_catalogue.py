"""What the public sees: what was published, and nothing of what waits."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy.orm import Session

from greenroom.models import Draft, Project, ProjectStatus, Release, User
from greenroom.registry import accounts, catalogue, drafts, journal, projects
from greenroom.registry.catalogue import ListedFile, ListedProject, Listing
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import Actor
from tests import factories
from tests.artifacts import make_sdist, make_wheel


@pytest.fixture
def ada(index: Index) -> User:
    return factories.make_user(index, "ada")


@pytest.fixture
def project(index: Index, ada: User, tmp_path: Path) -> Project:
    return factories.release(
        index,
        ada,
        make_wheel(tmp_path, "Zope.Example", "1.0", requires_python=">=3.11"),
        make_sdist(tmp_path, "Zope.Example", "1.0"),
        make_wheel(tmp_path, "Zope.Example", "1.10"),
        make_wheel(tmp_path, "Zope.Example", "1.9"),
    )


def all_answers(index: Index) -> dict[str, object]:
    """All that anybody can ask of the catalogue, in values that can be compared."""
    session = index.session
    ada = accounts.get_user(session, "ada")
    answers: dict[str, object] = {
        "projects": catalogue.projects(session),
        "of ada": [project.name for project in catalogue.projects_of(session, ada)],
        "newest": [(r.project.name, r.version) for r in catalogue.newest_releases(session, 100)],
        "serial": journal.last_serial(session),
    }
    for name in ("zope.example", "new"):
        project = catalogue.project(session, name)
        answers[name] = None if project is None else project_answers(session, project)
    for filename in FILENAMES:
        file = catalogue.file(session, filename)
        answers[filename] = None if file is None else (file.sha256, file.published)
    return answers


def project_answers(session: Session, project: Project) -> object:
    found = catalogue.releases(session, project)
    latest = catalogue.latest(found)
    asked = (catalogue.release(session, project, version) for version in VERSIONS)
    return (
        catalogue.listing(session, project),
        [(release.version, release.published, release.yanked) for release in found],
        latest.version if latest is not None else None,
        [release_answers(session, release) if release is not None else None for release in asked],
    )


def release_answers(session: Session, release: Release) -> object:
    detailed = catalogue.load_details(session, release)
    files = [(file.filename, file.published) for file in catalogue.files(session, release)]
    return detailed.core_metadata, detailed.description_html, detailed.summary, files


VERSIONS = ("1.0", "1.0.0", "2.0", "3.0")
FILENAMES = (
    "zope_example-1.0-py3-none-any.whl",
    "zope_example-1.0-py2-none-any.whl",
    "zope_example-2.0.tar.gz",
    "new-1.0-py3-none-any.whl",
)


def test_a_draft_changes_no_answer(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    before = all_answers(index)
    for path in (
        make_wheel(tmp_path, "Zope.Example", "1.0", tag="py2-none-any", summary="Hidden."),
        make_sdist(tmp_path, "Zope.Example", "2.0", summary="Hidden."),
        make_wheel(tmp_path, "new", "1.0"),
    ):
        factories.stage(index, ada, path)
        digest = factories.artifact_of(path).sha256
        assert catalogue.file_of_content(index.session, digest) is None
    assert all_answers(index) == before


def test_a_draft_that_ends_unpublished_changes_no_answer(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    before = all_answers(index)
    discarded = factories.stage(index, ada, make_sdist(tmp_path, "Zope.Example", "2.0"))
    drafts.discard(index, Actor(ada), discarded)
    expired = factories.stage(index, ada, make_wheel(tmp_path, "new", "1.0"))
    drafts.expire(replace(index, now=expired.expires), expired)
    assert all_answers(index) == before


def test_a_published_draft_is_seen_like_a_direct_upload(premises: Premises, tmp_path: Path) -> None:
    paths = (make_sdist(tmp_path, "new", "1.0"), make_wheel(tmp_path, "new", "1.0"))

    def answers(staged: bool) -> dict[str, object]:
        with premises.database.writing() as session:
            index = Index(session, premises.storage, premises.settings, premises.clock())
            ada = factories.make_user(index, "ada")
            if staged:
                drafts.publish(index, Actor(ada), factories.stage(index, ada, *paths))
            else:
                factories.release(index, ada, *paths)
            return all_answers(index)

    assert answers(staged=True) == answers(staged=False)


def test_the_list_has_public_projects_by_name(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    factories.release(index, ada, make_wheel(tmp_path, "another"))
    factories.stage(index, ada, make_wheel(tmp_path, "hidden"))
    projects.create(index, Actor(ada), "empty").registered = index.now
    assert catalogue.projects(index.session) == [
        ListedProject("another", 13),
        ListedProject("zope-example", 9),
    ]


@pytest.mark.parametrize("name", ["zope.example", "ZOPE_EXAMPLE"])
def test_a_public_project_is_found_in_any_spelling(
    index: Index, project: Project, name: str
) -> None:
    assert catalogue.project(index.session, name) is project


@pytest.mark.parametrize("name", ["other", "", "a\0", "\udcff", "-zope-example"])
def test_what_is_not_there_is_not_found(index: Index, project: Project, name: str) -> None:
    assert catalogue.project(index.session, name) is None
    assert catalogue.file(index.session, name) is None
    assert catalogue.release(index.session, project, name) is None


def test_a_listing_is_ordered_by_version_then_name(index: Index, project: Project) -> None:
    listing = catalogue.listing(index.session, project)
    assert (listing.name, listing.last_serial) == ("zope-example", 9)
    assert listing.versions == ("1.0", "1.9", "1.10")
    assert [file.filename for file in listing.files] == [
        "zope_example-1.0-py3-none-any.whl",
        "zope_example-1.0.tar.gz",
        "zope_example-1.9-py3-none-any.whl",
        "zope_example-1.10-py3-none-any.whl",
    ]


def test_a_listed_file_says_what_installers_need(
    index: Index, project: Project, tmp_path: Path
) -> None:
    wheel = factories.artifact_of(tmp_path / "zope_example-1.0-py3-none-any.whl")
    file = catalogue.file(index.session, wheel.filename)
    assert file is not None
    assert catalogue.listing(index.session, project).files[0] == ListedFile(
        filename=wheel.filename,
        version="1.0",
        sha256=wheel.sha256,
        size=wheel.size,
        upload_time=index.now,
        requires_python=">=3.11",
        yanked=False,
        yanked_reason="",
        metadata_sha256=file.metadata_sha256,
    )


def test_a_source_distribution_offers_no_metadata_file(index: Index, project: Project) -> None:
    assert catalogue.listing(index.session, project).files[1].metadata_sha256 is None


def test_a_draft_lists_its_own_files_only(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    draft = factories.stage(
        index, ada, make_wheel(tmp_path, "Zope.Example", "1.0", tag="py2-none-any")
    )
    factories.stage(index, ada, make_wheel(tmp_path, "Zope.Example", "2.0"))
    listing = catalogue.draft_listing(index.session, draft)
    assert [file.filename for file in listing.files] == ["zope_example-1.0-py2-none-any.whl"]
    assert listing.versions == ("1.0",)
    assert listing.files[0].upload_time == index.now


def test_a_draft_that_is_gone_lists_nothing(index: Index, ada: User, tmp_path: Path) -> None:
    draft: Draft = factories.stage(index, ada, make_wheel(tmp_path, "Gone"))
    drafts.discard(index, Actor(ada), draft)
    assert catalogue.draft_listing(index.session, draft) == Listing(
        "gone", 0, ProjectStatus.ACTIVE, "", (), ()
    )


def test_releases_come_highest_first(index: Index, project: Project) -> None:
    found = catalogue.releases(index.session, project)
    assert [release.version for release in found] == ["1.10", "1.9", "1.0"]


@pytest.mark.parametrize("text", ["1.0", "1", "v1.0.0"])
def test_a_release_is_found_in_any_spelling(index: Index, project: Project, text: str) -> None:
    release = catalogue.release(index.session, project, text)
    assert release is not None
    assert release.version == "1.0"


@pytest.mark.parametrize(
    ("versions", "yanked", "latest"),
    [
        (["2.0", "1.0"], [], "2.0"),
        (["2.0rc1", "1.0"], [], "1.0"),
        (["2.0rc1", "1.0"], ["1.0"], "2.0rc1"),
        (["2.0", "1.0"], ["2.0"], "1.0"),
        (["2.0", "1.0"], ["2.0", "1.0"], "2.0"),
        (["2.0.dev1", "1.0a1"], [], "2.0.dev1"),
        ([], [], None),
    ],
)
def test_the_latest_release_is_the_highest_that_stands(
    versions: list[str], yanked: list[str], latest: str | None
) -> None:
    ordered = sorted(versions, key=Version, reverse=True)
    releases = [Release(version=version, yanked=version in yanked) for version in ordered]
    found = catalogue.latest(releases)
    assert (found.version if found is not None else None) == latest


def test_files_come_source_first(index: Index, project: Project) -> None:
    release = catalogue.release(index.session, project, "1.0")
    assert release is not None
    assert [file.filename for file in catalogue.files(index.session, release)] == [
        "zope_example-1.0.tar.gz",
        "zope_example-1.0-py3-none-any.whl",
    ]


def test_the_newest_releases_are_those_published_last(
    index: Index, ada: User, tmp_path: Path
) -> None:
    early = factories.stage(index, ada, make_wheel(tmp_path, version="3.0"))
    for hours, version in enumerate(("1.0", "2.0"), 1):
        later = replace(index, now=index.now + timedelta(hours=hours))
        factories.release(later, ada, make_wheel(tmp_path, version=version))
    last = replace(index, now=index.now + timedelta(hours=9))
    drafts.publish(last, Actor(ada), early)
    newest = catalogue.newest_releases(index.session, 2)
    assert [release.version for release in newest] == ["3.0", "2.0"]


def test_upload_time_is_the_moment_of_publication(index: Index, ada: User, tmp_path: Path) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path))
    last = replace(index, now=index.now + timedelta(days=5))
    drafts.publish(last, Actor(ada), draft)
    project = catalogue.project(index.session, "example")
    assert project is not None
    assert catalogue.listing(index.session, project).files[0].upload_time == last.now
