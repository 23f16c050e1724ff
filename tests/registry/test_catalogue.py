"""What the public sees: what was published, and nothing of what waits."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy.orm import Session

from greenroom.models import Draft, Project, ProjectStatus, Release, RoleName, Visibility
from greenroom.registry import (
    accounts,
    catalogue,
    drafts,
    journal,
    projects,
    publishing,
)
from greenroom.registry.catalogue import ChangedProject, ListedFile, ListedProject, Listing
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel


@pytest.fixture
def project(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    return factories.release(
        uow,
        ada,
        make_wheel(tmp_path, "Zope.Example", "1.0", requires_python=">=3.11"),
        make_sdist(tmp_path, "Zope.Example", "1.0"),
        make_wheel(tmp_path, "Zope.Example", "1.10"),
        make_wheel(tmp_path, "Zope.Example", "1.9"),
    )


def all_answers(uow: UnitOfWork) -> dict[str, object]:
    """All that anybody can ask of the catalogue, in values that can be compared."""
    session = uow.db
    ada = Person(accounts.get_user(session, "ada"))
    answers: dict[str, object] = {
        "projects": catalogue.projects(session),
        "of ada": [project.name for project in catalogue.projects_of(session, ada.user)],
        "newest": catalogue.newest_releases(session, 100),
        "registered": catalogue.newest_projects(session, 100),
        "serials": catalogue.project_serials(session),
        "changed": catalogue.changed_projects(session, start=0, count=100),
        "count": catalogue.count_projects(session),
        "roles of ada": catalogue.roles_of(session, ada.user),
        "serial": journal.last_serial(session),
    }
    for name in ("zope.example", "fresh"):
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
    listing = catalogue.release_listing(session, detailed.project, detailed)
    return detailed.core_metadata, detailed.description_html, detailed.summary, files, listing


VERSIONS = ("1.0", "1.0.0", "2.0", "3.0")
FILENAMES = (
    "zope_example-1.0-py3-none-any.whl",
    "zope_example-1.0-py2-none-any.whl",
    "zope_example-2.0.tar.gz",
    "new-1.0-py3-none-any.whl",
)


def test_a_draft_changes_no_answer(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    before = all_answers(uow)
    for path in (
        make_wheel(tmp_path, "Zope.Example", "1.0", tag="py2-none-any", summary="Hidden."),
        make_sdist(tmp_path, "Zope.Example", "2.0", summary="Hidden."),
        make_wheel(tmp_path, "fresh", "1.0"),
    ):
        factories.stage(uow, ada, path)
        digest = factories.artifact_of(path).sha256
        assert catalogue.names_of_contents(uow.db, uow.settings, [digest]) == {}
    assert all_answers(uow) == before


def test_a_draft_that_ends_unpublished_changes_no_answer(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    before = all_answers(uow)
    discarded = factories.stage(uow, ada, make_sdist(tmp_path, "Zope.Example", "2.0"))
    drafts.discard(uow, ada, discarded)
    expired = factories.stage(uow, ada, make_wheel(tmp_path, "fresh", "1.0"))
    drafts.expire(replace(uow, now=expired.expires), expired)
    assert all_answers(uow) == before


def test_a_published_draft_is_seen_like_a_direct_upload(services: Services, tmp_path: Path) -> None:
    paths = (make_sdist(tmp_path, "fresh", "1.0"), make_wheel(tmp_path, "fresh", "1.0"))

    def answers(staged: bool) -> dict[str, object]:
        with services.database.writing() as session:
            uow = UnitOfWork(session, services.storage, services.settings, services.clock())
            ada = Person(factories.make_user(uow, "ada"))
            if staged:
                publishing.publish(uow, ada, factories.stage(uow, ada, *paths))
            else:
                factories.release(uow, ada, *paths)
            return all_answers(uow)

    assert answers(staged=True) == answers(staged=False)


def test_the_list_has_public_projects_by_name(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    factories.release(uow, ada, make_wheel(tmp_path, "another"))
    factories.stage(uow, ada, make_wheel(tmp_path, "hidden"))
    projects.create(uow, ada, "empty").registered = uow.now
    assert catalogue.projects(uow.db) == [
        ListedProject("another", 13),
        ListedProject("zope-example", 9),
    ]


@pytest.mark.parametrize("name", ["zope.example", "ZOPE_EXAMPLE"])
def test_a_public_project_is_found_in_any_spelling(
    uow: UnitOfWork, project: Project, name: str
) -> None:
    assert catalogue.project(uow.db, name) is project


@pytest.mark.parametrize("name", ["other", "", "a\0", "\udcff", "-zope-example"])
def test_what_is_not_there_is_not_found(uow: UnitOfWork, project: Project, name: str) -> None:
    assert catalogue.project(uow.db, name) is None
    assert catalogue.file(uow.db, name) is None
    assert catalogue.release(uow.db, project, name) is None


def test_a_listing_is_ordered_by_version_then_name(uow: UnitOfWork, project: Project) -> None:
    listing = catalogue.listing(uow.db, project)
    assert (listing.name, listing.last_serial) == ("zope-example", 9)
    assert listing.versions == ("1.0", "1.9", "1.10")
    assert [file.filename for file in listing.files] == [
        "zope_example-1.0-py3-none-any.whl",
        "zope_example-1.0.tar.gz",
        "zope_example-1.9-py3-none-any.whl",
        "zope_example-1.10-py3-none-any.whl",
    ]


def test_a_listed_file_says_what_installers_need(
    uow: UnitOfWork, project: Project, tmp_path: Path
) -> None:
    wheel = factories.artifact_of(tmp_path / "zope_example-1.0-py3-none-any.whl")
    file = catalogue.file(uow.db, wheel.filename)
    assert file is not None
    assert catalogue.listing(uow.db, project).files[0] == ListedFile(
        filename=wheel.filename,
        version="1.0",
        sha256=wheel.sha256,
        size=wheel.size,
        upload_time=uow.now,
        requires_python=">=3.11",
        yanked=False,
        yanked_reason="",
        metadata_sha256=file.metadata_sha256,
        packagetype="bdist_wheel",
        python_tag="py3",
        md5=wheel.md5,
        blake2_256=wheel.blake2_256,
    )


def test_a_source_distribution_offers_no_metadata_file(uow: UnitOfWork, project: Project) -> None:
    assert catalogue.listing(uow.db, project).files[1].metadata_sha256 is None


def test_a_draft_lists_its_own_files_only(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    draft = factories.stage(
        uow, ada, make_wheel(tmp_path, "Zope.Example", "1.0", tag="py2-none-any")
    )
    factories.stage(uow, ada, make_wheel(tmp_path, "Zope.Example", "2.0"))
    listing = catalogue.draft_listing(uow.db, draft)
    assert [file.filename for file in listing.files] == ["zope_example-1.0-py2-none-any.whl"]
    assert listing.versions == ("1.0",)
    assert listing.files[0].upload_time == uow.now


def test_a_draft_that_is_gone_lists_nothing(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    draft: Draft = factories.stage(uow, ada, make_wheel(tmp_path, "Gone"))
    drafts.discard(uow, ada, draft)
    assert catalogue.draft_listing(uow.db, draft) == Listing(
        "gone", 0, ProjectStatus.ACTIVE, "", (), ()
    )


def test_releases_come_highest_first(uow: UnitOfWork, project: Project) -> None:
    found = catalogue.releases(uow.db, project)
    assert [release.version for release in found] == ["1.10", "1.9", "1.0"]


@pytest.mark.parametrize("text", ["1.0", "1", "v1.0.0"])
def test_a_release_is_found_in_any_spelling(uow: UnitOfWork, project: Project, text: str) -> None:
    release = catalogue.release(uow.db, project, text)
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


def test_files_come_source_first(uow: UnitOfWork, project: Project) -> None:
    release = catalogue.release(uow.db, project, "1.0")
    assert release is not None
    assert [file.filename for file in catalogue.files(uow.db, release)] == [
        "zope_example-1.0.tar.gz",
        "zope_example-1.0-py3-none-any.whl",
    ]


def test_the_newest_releases_are_those_published_last(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    early = factories.stage(uow, ada, make_wheel(tmp_path, version="3.0"))
    factories.publish_directly(uow, "example")
    for hours, version in enumerate(("1.0", "2.0"), 1):
        later = replace(uow, now=uow.now + timedelta(hours=hours))
        factories.release(later, ada, make_wheel(tmp_path, version=version))
    last = replace(uow, now=uow.now + timedelta(hours=9))
    publishing.publish(last, ada, early)
    newest = catalogue.newest_releases(uow.db, 2)
    assert [release.version for release in newest] == ["3.0", "2.0"]


def test_releases_of_one_instant_come_by_name_not_by_the_age_of_their_rows(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    waited = factories.stage(uow, ada, make_wheel(tmp_path, "beta"))
    factories.release(uow, ada, make_wheel(tmp_path, "alpha"), make_wheel(tmp_path, "gamma"))
    publishing.publish(uow, ada, waited)

    newest = catalogue.newest_releases(uow.db, 10)
    registered = catalogue.newest_projects(uow.db, 10)

    assert [release.project for release in newest] == ["alpha", "beta", "gamma"]
    assert [project.name for project in registered] == ["alpha", "beta", "gamma"]


def test_the_newest_releases_can_be_those_of_one_project(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    later = replace(uow, now=uow.now + timedelta(hours=1))
    factories.release(later, ada, make_wheel(tmp_path, "Zope.Example", "0.5"))
    factories.release(later, ada, make_wheel(tmp_path, "another"))

    newest = catalogue.newest_releases(uow.db, 10, project)

    assert [release.project for release in newest] == ["Zope.Example"] * 4
    assert newest[0].version == "0.5"


def test_the_newest_projects_are_those_registered_last(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    later = replace(uow, now=uow.now + timedelta(hours=1))
    factories.release(later, ada, make_wheel(tmp_path, "another"))
    factories.stage(later, ada, make_wheel(tmp_path, "hidden"))

    newest = catalogue.newest_projects(uow.db, 10)

    assert [project.name for project in newest] == ["another", "Zope.Example"]
    assert catalogue.newest_projects(uow.db, 1) == newest[:1]


def test_projects_are_told_by_the_name_they_spell_themselves(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    later = replace(uow, now=uow.now + timedelta(hours=1))
    factories.release(later, ada, make_wheel(tmp_path, "another"))
    changed = [
        ChangedProject("another", later.now),
        ChangedProject("Zope.Example", uow.now),
    ]

    assert catalogue.project_serials(uow.db) == {"Zope.Example": 9, "another": 13}
    assert catalogue.changed_projects(uow.db, start=0, count=9) == changed
    assert catalogue.changed_projects(uow.db, start=1, count=1) == changed[1:]
    assert catalogue.count_projects(uow.db) == 2


def test_feeds_have_the_author_emails_of_the_metadata(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    email = "Ada <ada@index.example>"
    written = make_wheel(tmp_path, version="1.0", metadata_extra=[("Author-email", email)])
    factories.release(uow, ada, written, make_wheel(tmp_path, version="0.9"))

    newest = catalogue.newest_releases(uow.db, 10)
    registered = catalogue.newest_projects(uow.db, 10)

    assert [(release.version, release.author_email) for release in newest] == [
        ("1.0", email),
        ("0.9", ""),
    ]
    assert [project.author_email for project in registered] == [email]


def test_programs_are_told_what_people_are(uow: UnitOfWork, project: Project) -> None:
    found = catalogue.find(uow.db, "zope.example")

    assert found is not None
    assert found == (
        project.id,
        project.name,
        project.normalized_name,
        project.last_serial,
        project.status,
        project.status_reason,
        project.visibility,
    )
    assert catalogue.listing(uow.db, found) == catalogue.listing(uow.db, project)
    assert [(release.id, release.version) for release in catalogue.find_releases(uow.db, found.id)]
    for release in catalogue.releases(uow.db, project):
        public = catalogue.find_release(uow.db, found.id, release.version)
        assert public is not None
        assert public[:4] == (release.id, release.version, release.yanked, release.yanked_reason)
        assert public.adopted_from is None
        assert catalogue.metadata_of(uow.db, public) == release.core_metadata
    assert catalogue.find_release(uow.db, found.id, "7") is None


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("quarantined", [False, True])
def test_programs_are_told_the_status(
    uow: UnitOfWork, project: Project, archived: bool, quarantined: bool
) -> None:
    project.archived, project.archived_reason = archived, "done" if archived else ""
    project.quarantined, project.quarantined_reason = quarantined, "bad" if quarantined else ""
    uow.db.flush()

    found = catalogue.find(uow.db, project.name)

    assert found is not None
    assert (found.status, found.status_reason) == (project.status, project.status_reason)
    assert (catalogue.listing(uow.db, found).files == ()) is quarantined


def test_people_are_named_owners_first(uow: UnitOfWork, ada: Person, project: Project) -> None:
    for username, role in (("zoe", RoleName.OWNER), ("bob", RoleName.MAINTAINER)):
        factories.add_role(uow, project, factories.make_user(uow, username), role)
    found = catalogue.find(uow.db, project.name)
    assert found is not None

    assert [username for _, username in catalogue.people(uow.db, found)] == ["ada", "zoe", "bob"]


def test_what_a_user_owns_is_told_before_what_a_user_maintains(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    bob = Person(factories.make_user(uow, "bob"))
    factories.release(uow, bob, make_wheel(tmp_path, "another"))
    factories.release(uow, bob, make_wheel(tmp_path, "third"))
    factories.stage(uow, bob, make_wheel(tmp_path, "hidden"))
    factories.add_role(uow, project, bob.user, RoleName.MAINTAINER)

    assert catalogue.roles_of(uow.db, bob.user) == [
        ("owner", "another"),
        ("owner", "third"),
        ("maintainer", "Zope.Example"),
    ]


def test_the_listing_of_a_release_is_the_part_that_is_of_it(
    uow: UnitOfWork, project: Project
) -> None:
    release = catalogue.release(uow.db, project, "1.0")
    assert release is not None

    whole = catalogue.listing(uow.db, project)
    part = catalogue.release_listing(uow.db, project, release)

    assert part.files == tuple(file for file in whole.files if file.version == "1.0")
    assert (part.versions, part.last_serial) == (("1.0",), whole.last_serial)


def test_upload_time_is_the_moment_of_publication(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    last = replace(uow, now=uow.now + timedelta(days=5))
    publishing.publish(last, ada, draft)
    project = catalogue.project(uow.db, "example")
    assert project is not None
    assert catalogue.listing(uow.db, project).files[0].upload_time == last.now


def test_what_installers_ask_for_can_be_compiled_before(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    with services.reading() as uow:
        catalogue.prepare_statements(uow.db)
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    with services.reading() as uow:
        catalogue.find(uow.db, "fresh")
        catalogue.listing(uow.db, _NO_PROJECT)
        catalogue.offered_file(uow.db, "fresh-1.0.tar.gz")

    asked = [record.getMessage() for record in caplog.records]
    assert sum("[cached since" in line for line in asked) == 3
    assert not any("[generated in" in line for line in asked)


_NO_PROJECT = catalogue.PublicProject(
    0, "fresh", "fresh", 0, ProjectStatus.ACTIVE, "", Visibility.PUBLIC
)
