"""The contract of drafts, sentence by sentence."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select

from greenroom.core_metadata import CoreMetadata
from greenroom.models import (
    Draft,
    DraftState,
    File,
    JournalEntry,
    Project,
    PublishedName,
    Release,
    RoleName,
)
from greenroom.registry import (
    accounts,
    announced,
    catalogue,
    drafts,
    projects,
    publishing,
    releases,
    roles,
    tokens,
    upload_sessions,
    uploads,
)
from greenroom.registry.drafts import Staged
from greenroom.registry.errors import (
    CannotPublish,
    DraftExists,
    DraftIsOpen,
    Ended,
    FactorNotFresh,
    FileExists,
    InvalidRequest,
    NotAllowed,
    NotFound,
    ProjectClosed,
    Refusal,
    ReleaseClosed,
    SecondSdist,
    UploadConflict,
)
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.jobs import purged
from tests.jobs import rows as jobs_of

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)
LIFETIME, LONGEST = timedelta(days=14), timedelta(days=60)


@pytest.fixture
def project(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    """`example`, of which 0.9 is published with a wheel."""
    return factories.release(uow, ada, make_wheel(tmp_path / "published", version="0.9"))


@pytest.fixture
def draft(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Draft:
    """The draft of `example` 1.0 with a wheel, which reserves the name."""
    return factories.stage(uow, ada, make_wheel(tmp_path))


def after(uow: UnitOfWork, time: timedelta) -> UnitOfWork:
    """The same unit of work at a later moment."""
    return replace(uow, now=uow.now + time)


def names(uow: UnitOfWork, draft: Draft) -> list[str]:
    return [file.filename for file in drafts.files(uow.db, draft)]


def log(uow: UnitOfWork, draft: Draft) -> list[tuple[str, str, str | None]]:
    """The draft's log, the oldest first."""
    events = reversed(drafts.events(uow.db, draft))
    return [(event.by, event.act, event.filename) for event in events]


def refused(
    uow: UnitOfWork, kind: type[Refusal], act: Callable[[], object], about: str | None = None
) -> Refusal:
    """The refusal of this kind that the act meets, after which nothing has changed."""
    before = factories.everything(uow)
    with pytest.raises(kind, match=about) as caught:
        act()
    assert factories.everything(uow) == before
    return caught.value


def live_drafts(uow: UnitOfWork) -> list[tuple[str, str]]:
    return sorted((draft.project_name, draft.version) for draft in drafts.all_live(uow))


# One draft for a version, many for a project


def test_the_first_staged_file_opens_a_draft(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    assert (draft.project_name, draft.version, draft.state) == ("example", "1.0", "open")
    assert (draft.opened, draft.changed) == (uow.now, uow.now)
    assert draft.expires == uow.now + LIFETIME
    assert draft.ended is None
    assert log(uow, draft) == [
        ("ada", "opened", None),
        ("ada", "added", "example-1.0-py3-none-any.whl"),
    ]


def test_further_files_join_it(uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path) -> None:
    assert factories.stage(uow, ada, make_sdist(tmp_path)) is draft
    assert names(uow, draft) == ["example-1.0.tar.gz", "example-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("version", ["1.0.0", "1", "1.0"])
def test_all_spellings_of_a_version_have_one_draft(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path, version: str
) -> None:
    other = make_wheel(tmp_path, version=version, tag="py2-none-any")
    assert factories.stage(uow, ada, other) is draft
    # As the first of its files by name spells it, not the first that came.
    assert draft.version == ("1" if version == "1" else "1.0")
    assert factories.find_draft(uow, "Example", version) is draft


def test_any_number_of_versions_have_drafts_at_once(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    for version in ("1.1", "2.0", "2.0rc1"):
        factories.stage(uow, ada, make_wheel(tmp_path, version=version))
    assert [version for _, version in live_drafts(uow)] == ["1.0", "1.1", "2.0", "2.0rc1"]


def test_opening_an_open_draft_gives_it(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    project = projects.get(uow, "example")
    assert drafts.open_draft(uow, ada, project, Version("1.0.0")) is draft


def test_of_two_who_open_a_draft_one_opens_it(services: Services, tmp_path: Path) -> None:
    with services.writing() as uow:
        factories.make_user(uow, "ada")

    def stage(path: Path) -> Callable[[], tuple[str, bool]]:
        def act() -> tuple[str, bool]:
            with services.writing() as uow:
                actor = Person(accounts.get_user(uow.db, "ada"))
                accepted = factories.upload(uow, actor, path, staged=True)
                draft = factories.draft_of(uow, accepted)
                assert draft is not None
                return draft.slug, accepted.opened

        return act

    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    (one, one_opened), (two, two_opened) = factories.at_once(stage(wheel), stage(sdist))
    assert one == two
    assert sorted((one_opened, two_opened)) == [False, True]


# Slugs


def test_a_slug_is_a_secret_of_22_letters_and_digits(draft: Draft) -> None:
    assert len(draft.slug) == 22
    assert draft.slug.isascii()
    assert draft.slug.isalnum()


def test_a_draft_is_found_by_its_whole_slug(uow: UnitOfWork, draft: Draft) -> None:
    assert drafts.by_slug(uow.db, draft.slug) is draft


def test_another_slug_finds_nothing(uow: UnitOfWork, draft: Draft) -> None:
    others = ["", "x", "x" * 22, "\0" * 22, "\udcff" * 22, "é" * 22, "%" * 22]
    others += [draft.slug[:21], draft.slug.swapcase()]

    assert {slug: drafts.by_slug(uow.db, slug) for slug in others} == dict.fromkeys(others)


def test_another_address_makes_the_old_one_unknown(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    before = draft.slug
    drafts.rotate(uow, ada, draft)
    assert drafts.by_slug(uow.db, before) is None
    assert drafts.by_slug(uow.db, draft.slug) is draft
    assert log(uow, draft)[-1] == ("ada", "rotated the address", None)
    assert before not in str(factories.everything(uow))


def test_the_log_does_not_know_slugs(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    drafts.rotate(uow, ada, draft)
    assert draft.slug not in str(factories.everything(uow)["draft_events"])


# A name that waits


def test_a_new_name_is_reserved_while_its_draft_lives(
    uow: UnitOfWork, eve: Person, draft: Draft, tmp_path: Path
) -> None:
    for staged in (True, False):
        refused(
            uow,
            NotAllowed,
            partial(factories.upload, uow, eve, make_sdist(tmp_path), staged=staged),
            "The user 'eve' isn't allowed to upload to project 'example'",
        )


def discard(uow: UnitOfWork, draft: Draft) -> UnitOfWork:
    drafts.discard(uow, OPERATOR, draft)
    return uow


def expire(uow: UnitOfWork, draft: Draft) -> UnitOfWork:
    late = replace(uow, now=draft.expires)
    assert drafts.expire(late, draft)
    return late


def fall_due(uow: UnitOfWork, draft: Draft) -> UnitOfWork:
    return replace(uow, now=draft.expires)


End = Callable[[UnitOfWork, Draft], UnitOfWork]
ALL_ENDS = pytest.mark.parametrize("end", [discard, expire, fall_due])
SWEPT = pytest.mark.parametrize("end", [discard, expire])


@ALL_ENDS
def test_a_name_is_free_again_when_its_last_draft_ends(
    uow: UnitOfWork, eve: Person, draft: Draft, tmp_path: Path, end: End
) -> None:
    uow = end(uow, draft)
    assert projects.find(uow, "example") is None
    accepted = factories.upload(uow, eve, make_wheel(tmp_path), staged=False)
    assert accepted.published
    assert [role.user for role in projects.get(uow, "example").roles] == [eve.user]


@ALL_ENDS
def test_a_name_stays_reserved_while_another_draft_of_it_lives(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft, tmp_path: Path, end: End
) -> None:
    other = factories.stage(after(uow, DAY), ada, make_wheel(tmp_path, version="2.0"))
    uow = end(uow, draft)
    refused(
        uow,
        NotAllowed,
        lambda: factories.upload(uow, eve, make_wheel(tmp_path), staged=True),
    )
    assert drafts.is_live(uow, other)
    end(uow, other)
    assert projects.find(replace(uow, now=other.expires), "example") is None


@ALL_ENDS
def test_a_published_project_stays_when_its_draft_ends(
    uow: UnitOfWork, project: Project, draft: Draft, end: End
) -> None:
    uow = end(uow, draft)
    assert projects.find(uow, "example") is project
    assert factories.public_filenames(uow, "example") == ["example-0.9-py3-none-any.whl"]


@SWEPT
def test_a_release_that_was_never_published_goes_with_its_draft(
    uow: UnitOfWork, project: Project, draft: Draft, end: End
) -> None:
    end(uow, draft)
    assert uow.db.scalars(select(Release.version)).all() == ["0.9"]
    assert uow.db.scalars(select(File.filename)).all() == ["example-0.9-py3-none-any.whl"]


def test_a_token_of_a_reserved_name_goes_with_it(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    text = factories.make_token(uow, ada.user, project=draft.project)
    drafts.discard(uow, ada, draft)
    uow.db.expire_all()
    with pytest.raises(Refusal):
        tokens.actor_of_token(uow, text)


# Drafts of published releases


@pytest.fixture
def addition(uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path) -> Draft:
    """A draft that adds a source distribution to the published release 0.9."""
    return factories.stage(uow, ada, make_sdist(tmp_path, version="0.9", summary="Added."))


def test_a_published_release_takes_more_files_by_a_draft(
    uow: UnitOfWork, ada: Person, project: Project, addition: Draft
) -> None:
    assert factories.public_filenames(uow, "example") == ["example-0.9-py3-none-any.whl"]
    publishing.publish(after(uow, DAY), ada, addition)
    assert factories.public_filenames(uow, "example") == [
        "example-0.9-py3-none-any.whl",
        "example-0.9.tar.gz",
    ]
    assert [action for *_, action in factories.journal_of(uow)][4:] == [
        "add source file example-0.9.tar.gz"
    ]
    assert addition.release is not None
    assert addition.release.published == uow.now


@SWEPT
def test_it_stays_as_it_was_when_the_draft_ends(
    uow: UnitOfWork, project: Project, addition: Draft, end: End
) -> None:
    uow = end(uow, addition)
    release = catalogue.release(uow.db, project, "0.9")
    assert release is not None
    assert release.summary == "An example."
    assert factories.public_filenames(uow, "example") == ["example-0.9-py3-none-any.whl"]


def test_a_draft_says_nothing_in_the_name_of_what_is_published(
    uow: UnitOfWork, addition: Draft
) -> None:
    assert addition.release is not None
    assert addition.release.summary == "An example."
    assert drafts.metadata(uow.db, addition).summary == "Added."


def test_it_says_what_the_release_will_say_with_what_is_public_already(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    wheel = make_wheel(
        tmp_path, version="0.9", tag="py2-none-any", summary="First.", requires_python=">=3.9"
    )
    sdist = make_sdist(tmp_path, version="0.9", summary="Old.", metadata_version="2.1")
    draft = factories.stage(uow, ada, wheel, sdist)
    says = drafts.metadata(uow.db, draft)
    assert (says.summary, says.requires_python) == ("First.", ">=3.9")

    publishing.publish(uow, ada, draft)

    release = catalogue.release(uow.db, project, "0.9")
    assert release is not None
    assert release.core_metadata == says


def test_a_closed_release_gets_no_draft(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    late = after(uow, timedelta(days=15))
    refused(
        late,
        ReleaseClosed,
        lambda: drafts.open_draft(late, ada, project, Version("0.9")),
    )


# Files


def test_the_same_bytes_again_change_nothing(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    before = factories.everything(uow)
    accepted = factories.upload(after(uow, DAY), ada, make_wheel(tmp_path), staged=True)
    assert (accepted.draft_key, accepted.opened, accepted.changed) == (draft.key, False, False)
    assert factories.everything(uow) == before


def test_other_bytes_replace_and_the_log_says_by_whom_and_how(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft, tmp_path: Path
) -> None:
    project = projects.get(uow, "example")
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)
    (former,) = drafts.files(uow.db, draft)
    before = former.sha256
    other = make_wheel(tmp_path, salt="other")
    factories.stage(uow, eve, other)
    (file,) = drafts.files(uow.db, draft)
    assert file.sha256 == factories.artifact_of(other).sha256
    event = drafts.events(uow.db, draft)[0]
    assert (event.by, event.act, event.filename) == ("eve", Staged.REPLACED, other.name)
    assert before in event.detail
    assert file.sha256 in event.detail


def test_a_published_name_is_not_staged_with_other_bytes(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path, version="0.9", salt="other")
    refused(
        uow,
        FileExists,
        lambda: factories.upload(uow, ada, other, staged=True),
        "^File already exists",
    )


def test_published_bytes_are_not_staged_again(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    before = factories.everything(uow)
    same = make_wheel(tmp_path, version="0.9")
    accepted = factories.upload(uow, ada, same, staged=True)
    assert (accepted.draft_key, accepted.published, accepted.changed) == (None, True, False)
    assert factories.everything(uow) == before


@pytest.mark.parametrize("salt", ["", "other"])
def test_staging_burns_no_name(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path, salt: str
) -> None:
    drafts.remove_file(uow, ada, draft, "example-1.0-py3-none-any.whl")
    again = make_wheel(tmp_path, salt=salt)
    assert factories.upload(uow, ada, again, staged=True).changed
    drafts.discard(uow, ada, draft)
    assert factories.upload(uow, ada, again, staged=False).published


def test_an_empty_draft_stays_open(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    drafts.remove_file(uow, ada, draft, "example-1.0-py3-none-any.whl")
    assert drafts.is_live(uow, draft)
    assert names(uow, draft) == []
    assert log(uow, draft)[-1] == ("ada", "removed", "example-1.0-py3-none-any.whl")
    assert projects.find(uow, "example") is not None


def test_a_file_that_is_not_there_is_not_removed(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    refused(
        uow,
        NotFound,
        lambda: drafts.remove_file(uow, ada, draft, "example-1.0.tar.gz"),
        "has no file 'example-1.0.tar.gz'",
    )


def test_a_draft_does_not_reach_into_another(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    other = factories.stage(uow, ada, make_wheel(tmp_path, version="2.0"))
    with pytest.raises(NotFound):
        drafts.remove_file(uow, ada, draft, "example-2.0-py3-none-any.whl")
    assert names(uow, other) == ["example-2.0-py3-none-any.whl"]


def test_staged_bytes_count_and_are_given_back(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    project, before = projects.get(uow, "example"), 0
    wheel, sdist = tmp_path / "example-1.0-py3-none-any.whl", make_sdist(tmp_path)
    assert projects.size(uow, project) == wheel.stat().st_size
    factories.stage(uow, ada, sdist)
    assert projects.size(uow, project) == wheel.stat().st_size + sdist.stat().st_size
    drafts.remove_file(uow, ada, draft, wheel.name)
    assert projects.size(uow, project) == sdist.stat().st_size
    larger = make_sdist(tmp_path, payload=b"x" * 1000)
    factories.stage(uow, ada, larger)
    assert projects.size(uow, project) == larger.stat().st_size
    assert projects.size(replace(uow, now=draft.expires), project) == before


def test_a_file_is_replaced_in_a_project_that_is_full(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path, salt="other")
    settings = replace(uow.settings, max_project_size=other.stat().st_size)
    full = replace(uow, settings=settings)
    assert factories.upload(full, ada, other, staged=True).changed


# What a draft says of its release


def described(draft: Draft) -> tuple[str, str | None]:
    assert draft.release is not None
    return draft.release.summary, draft.release.requires_python


def test_the_metadata_is_the_source_distributions_or_else_the_first_wheels(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    actor = ada
    early = make_wheel(tmp_path, tag="py2-none-any", summary="Early.", requires_python=">=3.9")
    late = make_wheel(tmp_path, tag="py3-none-any", summary="Late.")
    sdist = make_sdist(tmp_path, summary="Source.", requires_python=">=3.11")
    draft = factories.stage(uow, ada, early)
    assert described(draft) == ("Early.", ">=3.9")
    factories.stage(uow, ada, late)
    assert described(draft) == ("Early.", ">=3.9")
    factories.stage(uow, ada, sdist)
    assert described(draft) == ("Source.", ">=3.11")
    drafts.remove_file(uow, actor, draft, early.name)
    assert described(draft) == ("Source.", ">=3.11")
    drafts.remove_file(uow, actor, draft, sdist.name)
    assert described(draft) == ("Late.", None)
    drafts.remove_file(uow, actor, draft, late.name)
    assert described(draft) == ("", None)
    assert draft.release is not None
    assert (draft.release.core_metadata, draft.release.description_html) == (CoreMetadata(), "")


def test_the_metadata_follows_a_replaced_file(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    markdown = make_wheel(
        tmp_path,
        summary="Other.",
        description="# Other",
        description_content_type="text/markdown",
    )
    factories.stage(uow, ada, markdown)
    assert described(draft) == ("Other.", None)
    assert draft.release is not None
    assert "<h1" in draft.release.description_html
    assert draft.release.core_metadata.summary == "Other."


# Publishing


def test_a_published_draft_is_public_and_has_ended(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    factories.stage(uow, ada, make_sdist(tmp_path))
    later = after(uow, DAY)
    assert publishing.publish(later, ada, draft) is draft
    assert factories.public_filenames(uow, "example") == [
        "example-1.0-py3-none-any.whl",
        "example-1.0.tar.gz",
    ]
    assert (draft.state, draft.ended) == (DraftState.PUBLISHED, later.now)
    assert names(uow, draft) == []
    assert log(uow, draft)[-1] == ("ada", "published", None)
    assert purged(later) == {"project/example", "all-projects"}
    project = projects.get(uow, "example")
    assert drafts.newest(later, project, Version("1.0")) is draft


def test_the_public_sees_the_moment_of_publication(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    later = after(uow, timedelta(days=13))
    publishing.publish(later, ada, draft)
    project = projects.get(uow, "example")
    release = catalogue.release(uow.db, project, "1.0")
    assert release is not None
    assert (release.created, release.published) == (uow.now, later.now)
    assert project.registered == later.now
    listed = catalogue.listing(uow.db, project).files
    assert [file.upload_time for file in listed] == [later.now]


def test_the_days_for_further_files_count_from_publication(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    published = after(uow, timedelta(days=13))
    publishing.publish(published, ada, draft)
    factories.publish_directly(uow, "example")
    sdist = make_sdist(tmp_path)
    late = after(published, timedelta(days=14) + INSTANT)
    refused(late, ReleaseClosed, lambda: factories.upload(late, ada, sdist, staged=False))
    in_time = after(published, timedelta(days=14))
    assert factories.upload(in_time, ada, sdist, staged=False).published


def test_publishing_again_answers_the_same_and_changes_nothing(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    publishing.publish(uow, ada, draft)
    before = factories.everything(uow)
    told = len(jobs_of(uow, "purge"))
    again = replace(after(uow, timedelta(days=90)), collecting={})
    assert publishing.publish(again, ada, draft) is draft
    assert factories.everything(uow) == before
    assert len(jobs_of(again, "purge")) == told


def test_publishing_again_takes_the_same_permission(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft
) -> None:
    publishing.publish(uow, ada, draft)
    refused(uow, NotAllowed, lambda: publishing.publish(uow, eve, draft))


def test_an_empty_draft_is_not_published(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    drafts.remove_file(uow, ada, draft, "example-1.0-py3-none-any.whl")
    refusal = refused(uow, CannotPublish, lambda: publishing.publish(uow, ada, draft), "no files")
    assert len(refusal.details) == 1


def test_an_empty_session_of_a_new_project_registers_its_name(uow: UnitOfWork, ada: Person) -> None:
    session = drafts.open_new(uow, ada, "registered", Version("0.0.0a0"))

    publishing.publish(uow, ada, session, registers_name=True)

    project = projects.get(uow, "registered")
    assert project.registered == uow.now
    assert (session.state, session.release) == (DraftState.PUBLISHED, None)
    assert releases.find(uow.db, project, Version("0.0.0a0")) is None


def test_every_reason_against_publishing_is_told_at_once(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    """What passed when it was staged may not pass any more."""
    used = make_wheel(tmp_path, version="0.9", tag="py2-none-any")
    taken = make_wheel(tmp_path, version="0.9", tag="py4-none-any")
    draft = factories.stage(after(uow, DAY), ada, used, taken, make_sdist(tmp_path, version="0.9"))
    (template,) = [file for file in drafts.files(uow.db, draft) if file.is_sdist]
    uow.db.add(
        File(
            release_id=template.release_id,
            filename="example-0.9.0.tar.gz",
            packagetype="sdist",
            python_tag="source",
            size=1,
            sha256="0" * 64,
            md5="",
            blake2_256="",
            metadata_sha256="0" * 64,
            core_metadata=CoreMetadata(),
            created=uow.now,
            published=uow.now,
        )
    )
    uow.db.add(PublishedName(filename=used.name, sha256="0" * 64))
    content = factories.artifact_of(taken).sha256
    published = catalogue.file(uow.db, "example-0.9-py3-none-any.whl")
    assert published is not None
    published.sha256 = content
    uow.db.flush()
    # Its days are over, its quota was lowered.
    settings = replace(uow.settings, max_project_size=1)
    late = replace(uow, now=uow.now + timedelta(days=14, hours=1), settings=settings)
    refusal = refused(late, CannotPublish, lambda: publishing.publish(late, ada, draft))
    reasons = [
        "takes no more files",
        "Project size too large",
        "Only one source distribution",
        "This filename has already been used",
        "File already exists: the same content",
    ]
    assert len(refusal.details) == len(reasons)
    for reason in reasons:
        assert sum(reason in detail for detail in refusal.details) == 1, reason
        assert reason in str(refusal)
    assert drafts.is_live(late, draft)


def test_a_project_that_wants_drafts_publishes_drafts(
    uow: UnitOfWork, ada: Person, project: Project, draft: Draft
) -> None:
    projects.change_settings(uow, ada, project, ProjectSettings(False))
    with pytest.raises(FactorNotFresh):
        publishing.publish(uow, ada, draft)
    publishing.publish(uow, OPERATOR, draft)
    assert len(factories.public_filenames(uow, "example")) == 2


def test_to_publish_reads_and_stores_no_bytes(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    for digest in uow.storage.digests():
        uow.storage.delete(digest)
    publishing.publish(uow, ada, draft)
    assert factories.public_filenames(uow, "example") == ["example-1.0-py3-none-any.whl"]
    assert list(uow.storage.digests()) == []


@ON_POSTGRESQL
def test_who_lost_the_role_meanwhile_does_not_publish(services: Services, tmp_path: Path) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        slug = factories.stage(uow, ada, make_wheel(tmp_path)).slug
        bob = Person(factories.make_user(uow, "bob"))
        factories.add_role(uow, projects.get(uow, "example"), bob.user, RoleName.OWNER)
    with services.writing() as slow:
        bob = Person(accounts.get_user(slow.db, "bob"))
        (project,) = projects.of_user(slow, bob.user)
        assert bob.user in [role.user for role in project.roles]
        draft = drafts.by_slug(slow.db, slug)
        assert draft is not None
        with services.writing() as uow:
            roles.take(uow, OPERATOR, projects.get(uow, "example"), "bob")
        with pytest.raises(NotAllowed):
            publishing.publish(slow, bob, draft)


def test_of_two_publishers_at_once_one_publishes(services: Services, tmp_path: Path) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        slug = factories.stage(uow, ada, make_wheel(tmp_path), make_sdist(tmp_path)).slug

    def publish() -> tuple[str, bool]:
        with services.writing() as uow:
            draft = drafts.by_slug(uow.db, slug)
            assert draft is not None
            actor = Person(accounts.get_user(uow.db, "ada"))
            return publishing.publish(uow, actor, draft).state, bool(uow.collecting)

    outcomes = factories.at_once(*[publish] * 4)
    assert [state for state, _ in outcomes] == ["published"] * 4
    assert [changed for _, changed in outcomes].count(True) == 1
    with services.reading() as uow:
        assert [action for *_, action in factories.journal_of(uow)] == [
            "create",
            "add Owner ada",
            "new release",
            "add source file example-1.0.tar.gz",
            "add py3 file example-1.0-py3-none-any.whl",
        ]


@pytest.mark.parametrize("other", ["discard", "expire", "upload", "direct"])
def test_who_meets_a_publisher_comes_before_or_after(
    services: Services, clock: FakeClock, tmp_path: Path, other: str
) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        slug = factories.stage(uow, ada, make_wheel(tmp_path)).slug
        factories.publish_directly(uow, "example")
    sdist = make_sdist(tmp_path)

    def with_draft(act: Callable[[UnitOfWork, Actor, Draft], object]) -> Callable[[], str]:
        def run() -> str:
            try:
                with services.writing() as uow:
                    draft = drafts.by_slug(uow.db, slug)
                    assert draft is not None
                    act(uow, Person(accounts.get_user(uow.db, "ada")), draft)
            except (Ended, DraftIsOpen) as refusal:
                return refusal.code
            return "done"

        return run

    def upload(uow: UnitOfWork, actor: Actor, draft: Draft) -> object:
        return factories.upload(uow, actor, sdist, staged=other == "upload")

    def fall_due(uow: UnitOfWork, actor: Actor, draft: Draft) -> object:
        return drafts.expire(replace(uow, now=draft.expires), draft)

    acts = {"discard": drafts.discard, "expire": fall_due}
    publisher, meeting = factories.at_once(
        with_draft(publishing.publish), with_draft(acts.get(other, upload))
    )
    with services.reading() as uow:
        public = factories.public_filenames(uow, "example")
        if publisher == "draft-ended":
            assert (meeting, public) == ("done", [])
        else:
            assert publisher == "done"
            assert "example-1.0-py3-none-any.whl" in public
            assert meeting in ("done", "draft-ended", "draft-open")


# Time


def test_a_change_of_files_prolongs_the_draft(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    later = after(uow, timedelta(days=3))
    factories.stage(later, ada, make_sdist(tmp_path))
    assert (draft.changed, draft.expires) == (later.now, later.now + LIFETIME)
    last = after(uow, timedelta(days=5))
    drafts.remove_file(last, ada, draft, "example-1.0.tar.gz")
    assert (draft.changed, draft.expires) == (last.now, last.now + LIFETIME)
    assert draft.opened == uow.now


def test_who_asks_gets_one_more_lifetime(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    later = after(uow, timedelta(days=10))
    drafts.extend(later, ada, draft)
    assert draft.expires == later.now + LIFETIME
    assert draft.changed == uow.now
    assert log(uow, draft)[-1] == ("ada", "extended", None)


def test_no_draft_lives_longer_than_the_longest_time(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    for days in (13, 26, 39, 50):
        drafts.extend(after(uow, timedelta(days=days)), ada, draft)
    assert draft.expires == uow.now + LONGEST
    late = after(uow, timedelta(days=55))
    refused(
        late,
        InvalidRequest,
        lambda: drafts.extend(late, ada, draft),
        "2026-07-31 12:00 UTC, which is as late as it can be",
    )
    factories.stage(late, ada, make_sdist(tmp_path))
    assert draft.expires == uow.now + LONGEST


def test_the_expiry_never_moves_earlier(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    before = draft.expires
    shorter = replace(uow.settings, draft_lifetime=DAY, draft_lifetime_max=2 * DAY)
    later = replace(after(uow, DAY), settings=shorter)
    factories.stage(later, ada, make_sdist(tmp_path))
    assert draft.expires == before
    with pytest.raises(InvalidRequest):
        drafts.extend(later, ada, draft)
    assert draft.expires == before


def test_a_draft_has_expired_from_the_second_it_falls_due(uow: UnitOfWork, draft: Draft) -> None:
    assert drafts.state(replace(uow, now=draft.expires - INSTANT), draft) is DraftState.OPEN
    assert drafts.state(replace(uow, now=draft.expires), draft) is DraftState.EXPIRED


def test_a_draft_expires_when_it_has_fallen_due_and_not_before(
    uow: UnitOfWork, draft: Draft
) -> None:
    early = replace(uow, now=draft.expires - INSTANT)
    assert drafts.due(early) == []
    assert not drafts.expire(early, draft)
    late = replace(uow, now=draft.expires)
    assert drafts.due(late) == [draft.id]
    assert drafts.expire(late, draft)
    assert not drafts.expire(late, draft)
    assert drafts.due(late) == []
    assert log(uow, draft)[-1] == ("expiry", "expired", None)


# A draft that fell due is gone, swept up or not


@pytest.mark.parametrize("end", [expire, fall_due])
def test_nothing_is_done_to_a_draft_that_fell_due(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft, end: End
) -> None:
    late = end(uow, draft)
    for act in ("publish", "discard", "extend", "rotate", "remove"):
        for actor in (ada, eve, OPERATOR, ANONYMOUS):
            refused(late, Ended, partial(perform, late, act, actor, draft), "has expired")


def perform(uow: UnitOfWork, act: str, actor: Actor, draft: Draft) -> None:
    """Do this to the draft."""
    if act == "remove":
        drafts.remove_file(uow, actor, draft, "example-1.0-py3-none-any.whl")
    if act == "publish":
        publishing.publish(uow, actor, draft)
    if act == "discard":
        drafts.discard(uow, actor, draft)
    if act == "extend":
        drafts.extend(uow, actor, draft)
    if act == "rotate":
        drafts.rotate(uow, actor, draft)


@ALL_ENDS
def test_a_draft_that_is_gone_is_found_by_its_slug_alone(
    uow: UnitOfWork, ada: Person, project: Project, draft: Draft, end: End
) -> None:
    uow = end(uow, draft)
    assert drafts.by_slug(uow.db, draft.slug) is draft
    assert factories.find_draft(uow, "example", "1.0") is None
    assert drafts.newest(uow, project, Version("1.0")) is None
    assert drafts.live_of_projects(uow, [project]) == []
    assert drafts.all_live(uow) == []
    with pytest.raises(NotFound):
        drafts.live_for(uow, ada, "example", Version("1.0"))


@ALL_ENDS
def test_what_was_published_before_it_is_the_newest_again(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path, end: End
) -> None:
    publishing.publish(uow, ada, draft)
    second = factories.stage(uow, ada, make_sdist(tmp_path))
    project = projects.get(uow, "example")
    assert drafts.newest(uow, project, Version("1.0")) is second
    uow = end(uow, second)
    assert drafts.newest(uow, project, Version("1.0")) is draft


@ALL_ENDS
def test_a_new_draft_of_the_version_may_be_opened(
    uow: UnitOfWork, ada: Person, project: Project, draft: Draft, tmp_path: Path, end: End
) -> None:
    uow = end(uow, draft)
    second = factories.stage(uow, ada, make_wheel(tmp_path, salt="second"))
    assert second is not draft
    assert second.slug != draft.slug
    assert names(uow, second) == ["example-1.0-py3-none-any.whl"]
    assert drafts.by_slug(uow.db, draft.slug) is draft


@ALL_ENDS
def test_a_draft_may_be_opened_without_a_file(
    uow: UnitOfWork, ada: Person, project: Project, draft: Draft, end: End
) -> None:
    uow = end(uow, draft)
    second = drafts.open_draft(uow, ada, project, Version("1.0.0"))
    assert (second.version, second.release) != (draft.version, draft.release)
    assert drafts.live(uow, project, Version("1.0")) is second


@ALL_ENDS
def test_its_source_distribution_is_in_nobodys_way(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, end: End
) -> None:
    draft = factories.stage(uow, ada, make_sdist(tmp_path))
    uow = end(uow, draft)
    other = make_sdist(tmp_path, version="1.0.0")
    assert factories.upload(uow, ada, other, staged=True).opened


def test_but_while_it_lives_it_is(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    factories.stage(uow, ada, make_sdist(tmp_path))
    other = make_sdist(tmp_path, version="1.0.0")
    refused(uow, SecondSdist, lambda: factories.upload(uow, ada, other, staged=True))


@ALL_ENDS
def test_the_version_takes_direct_uploads_again(
    uow: UnitOfWork, ada: Person, project: Project, draft: Draft, tmp_path: Path, end: End
) -> None:
    uow = end(uow, draft)
    assert factories.upload(uow, ada, make_sdist(tmp_path), staged=False).published


def test_a_file_is_not_added_to_a_draft_that_has_ended(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, tag="py2-none-any")
    artifact = factories.artifact_of(wheel)
    distribution = uploads.examine(uow.settings, artifact, factories.claims_of(wheel))
    late = replace(uow, now=draft.expires)
    refused(
        late, Ended, lambda: drafts.add_file(late, ada, draft, artifact, distribution, former=None)
    )


# Tombstones


@SWEPT
def test_a_tombstone_outlives_what_it_named(uow: UnitOfWork, draft: Draft, end: End) -> None:
    end(uow, draft)
    uow.db.expire_all()
    assert (draft.project_name, draft.version, draft.canonical_version) == ("example", "1.0", "1")
    assert (draft.project_id, draft.release_id) == (None, None)
    assert draft.ended is not None
    assert uow.db.scalars(select(Project)).all() == []
    assert [event.act for event in draft.events][:2] == ["opened", "added"]


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        ("", "The draft of example 1.0 is open."),
        ("publish", "The draft of example 1.0 was published."),
        ("discard", "The draft of example 1.0 was discarded."),
    ],
)
def test_a_draft_says_what_became_of_it(
    uow: UnitOfWork, ada: Person, draft: Draft, act: str, sentence: str
) -> None:
    perform(uow, act, ada, draft)
    assert drafts.ended_sentence(after(uow, 99 * DAY) if act else uow, draft) == sentence


def test_a_draft_that_fell_due_says_so(uow: UnitOfWork, draft: Draft) -> None:
    late = replace(uow, now=draft.expires)
    assert drafts.ended_sentence(late, draft) == "The draft of example 1.0 has expired."


def test_nothing_is_done_to_a_discarded_draft(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    drafts.discard(uow, ada, draft)
    for act in ("publish", "extend", "rotate", "remove"):
        refused(uow, Ended, partial(perform, uow, act, ada, draft), "was discarded")


def test_a_discarded_draft_may_be_discarded_again(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    drafts.discard(uow, ada, draft)
    before = factories.everything(uow)
    drafts.discard(after(uow, DAY), ada, draft)
    assert factories.everything(uow) == before


def test_nothing_is_done_to_a_published_draft(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    publishing.publish(uow, ada, draft)
    for act in ("discard", "extend", "rotate", "remove"):
        refused(uow, Ended, partial(perform, uow, act, ada, draft), "was published")


def test_a_published_draft_never_expires(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    publishing.publish(uow, ada, draft)
    late = after(uow, 99 * DAY)
    assert drafts.state(late, draft) is DraftState.PUBLISHED
    assert drafts.due(late) == []
    assert not drafts.expire(late, draft)


def test_the_draft_of_a_project_that_is_gone_has_ended(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    publishing.publish(uow, ada, draft)
    uow.db.delete(draft.project)
    uow.db.flush()
    uow.db.expire_all()
    refused(uow, Ended, lambda: publishing.publish(uow, ada, draft), "was published")


# Who may do what

WHO_MAY = """
act      owner  maintainer  stranger  anonymous  administrator  operator
publish  yes    yes         -         -          -              yes
discard  yes    yes         -         -          yes            yes
extend   yes    yes         -         -          -              -
rotate   yes    yes         -         -          -              -
remove   yes    yes         -         -          -              -
"""
_HEAD, *_ROWS = (line.split() for line in WHO_MAY.strip().splitlines())


_MAY = [
    (row[0], who, outcome == "yes")
    for row in _ROWS
    for who, outcome in zip(_HEAD[1:], row[1:], strict=True)
]


def somebody(uow: UnitOfWork, who: str) -> Actor:
    """Ada, who owns the example; or a new user with this part in it."""
    known = {
        "owner": Person(accounts.get_user(uow.db, "ada")),
        "anonymous": ANONYMOUS,
        "operator": OPERATOR,
    }
    if who in known:
        return known[who]
    user = factories.make_user(uow, who, administrator=who == "administrator")
    if who == "maintainer":
        factories.add_role(uow, projects.get(uow, "example"), user, RoleName.MAINTAINER)
    return Person(user, why="Asked." if who == "administrator" else "")


@pytest.mark.parametrize(("act", "who"), [(act, who) for act, who, may in _MAY if may])
def test_who_may_act(uow: UnitOfWork, draft: Draft, act: str, who: str) -> None:
    later = after(uow, DAY)
    actor = somebody(later, who)
    perform(later, act, actor, draft)
    assert log(uow, draft)[-1][0] == actor.name


def test_who_may_not_act(uow: UnitOfWork, draft: Draft) -> None:
    later = after(uow, DAY)
    actors = {who: somebody(later, who) for who in _HEAD[1:]}
    for act, who, may in _MAY:
        if not may:
            doing = partial(perform, later, act, actors[who], draft)
            refused(later, NotAllowed, doing, "may not")
            assert drafts.is_live(later, draft)


def test_acts_at_the_command_line_are_the_operators(uow: UnitOfWork, draft: Draft) -> None:
    publishing.publish(uow, OPERATOR, draft)
    assert log(uow, draft)[-1] == ("operator", "published", None)
    assert set(uow.db.scalars(select(JournalEntry.by))) == {"operator"}


def test_the_owner_of_one_project_has_no_part_in_another(
    uow: UnitOfWork, eve: Person, draft: Draft, tmp_path: Path
) -> None:
    factories.stage(uow, eve, make_wheel(tmp_path, "another"))
    refused(uow, NotAllowed, lambda: drafts.discard(uow, eve, draft))


# Who sees it


def test_who_may_stage_finds_the_draft_and_others_do_not(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft
) -> None:
    version = Version("1.0.0")
    assert drafts.live_for(uow, ada, "Example", version) is draft
    sentences = {
        str(refused(uow, NotFound, partial(drafts.live_for, uow, actor, "example", version)))
        for actor in (eve, ANONYMOUS)
    }
    assert sentences == {"There is no draft of example 1.0.0 that you may see."}
    with pytest.raises(NotFound) as caught:
        drafts.live_for(uow, eve, "unknown", version)
    assert str(caught.value).replace("unknown", "example") in sentences


def test_administrators_and_operators_see_every_draft(uow: UnitOfWork, draft: Draft) -> None:
    administrator = Person(factories.make_user(uow, "root", administrator=True))
    for actor in (administrator, OPERATOR):
        assert drafts.live_for(uow, actor, "example", Version("1.0")) is draft
    assert drafts.all_live(uow) == [draft]


def test_a_persons_drafts_come_last_changed_first(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft, tmp_path: Path
) -> None:
    factories.stage(uow, eve, make_wheel(tmp_path, "another"))
    second = factories.stage(after(uow, DAY), ada, make_wheel(tmp_path, version="2.0"))
    mine = drafts.live_of_projects(uow, projects.of_user(uow, ada.user))
    assert mine == [second, draft]
    assert [file.filename for file in mine[1].files] == ["example-1.0-py3-none-any.whl"]
    factories.stage(after(uow, 2 * DAY), ada, make_sdist(tmp_path))
    assert drafts.live_of_projects(uow, projects.of_user(uow, ada.user)) == [draft, second]


# Sessions of Upload 2.0 are drafts


def test_a_session_is_a_draft_without_files(uow: UnitOfWork, ada: Person) -> None:
    session = factories.open_new(uow, ada)

    assert names(uow, session) == []
    assert (session.state, session.expires) == ("open", uow.now + LIFETIME)
    assert log(uow, session) == [("ada", "opened", None)]
    assert factories.find_draft(uow, "example", "1.0.0") is session


def test_a_session_is_found_by_its_whole_key_alone(uow: UnitOfWork, draft: Draft) -> None:
    assert drafts.by_key(uow.db, draft.key) is draft
    for key in ("", draft.key[:-1], draft.key + "A", draft.slug, "\0" * 22, "é" * 22):
        assert drafts.by_key(uow.db, key) is None


def test_another_address_leaves_the_session_where_it_is(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    key = draft.key

    drafts.rotate(uow, ada, draft)

    assert drafts.by_key(uow.db, key) is draft


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0"])
def test_who_may_upload_is_led_to_the_session_that_is_open(
    uow: UnitOfWork, ada: Person, draft: Draft, version: str
) -> None:
    refusal = refused(uow, DraftExists, lambda: factories.open_new(uow, ada, "Example", version))
    assert isinstance(refusal, DraftExists)
    assert refusal.draft is draft
    assert draft.slug not in str(refusal)


def test_who_may_not_upload_does_not_learn_that_a_session_is_open(
    uow: UnitOfWork, ada: Person, eve: Person, project: Project
) -> None:
    without = refused(uow, NotAllowed, lambda: factories.open_new(uow, eve, version="2.0"))
    factories.open_new(uow, ada, version="2.0")

    beside = refused(uow, NotAllowed, lambda: factories.open_new(uow, eve, version="2.0"))
    assert str(beside) == str(without)


def test_an_archived_project_gets_no_session(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    projects.archive(uow, ada, project, "Done.")
    refused(uow, ProjectClosed, lambda: factories.open_new(uow, ada))


def test_after_the_end_there_is_a_new_session_with_other_secrets(
    uow: UnitOfWork, ada: Person, draft: Draft
) -> None:
    publishing.publish(uow, ada, draft)
    second = factories.open_new(uow, ada)
    drafts.discard(uow, ada, second)
    third = factories.open_new(uow, ada)
    later = after(uow, LIFETIME)
    fourth = factories.open_new(later, ada)

    sessions = [draft, second, third, fourth]
    assert len({session.key for session in sessions}) == 4
    assert len({session.slug for session in sessions}) == 4
    assert [drafts.state(later, session).value for session in sessions] == [
        "published",
        "discarded",
        "expired",
        "open",
    ]


def test_more_time_is_as_much_as_was_asked_for(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    drafts.extend_for(uow, ada, draft, timedelta(hours=1))
    assert draft.expires == uow.now + LIFETIME + timedelta(hours=1)

    drafts.extend_for(uow, ada, draft, timedelta(0))
    assert draft.expires == uow.now + LIFETIME + timedelta(hours=1)
    assert [act for _, act, _ in log(uow, draft)].count("extended") == 1


def test_more_time_ends_with_the_longest_life(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    for _ in range(2):
        drafts.extend_for(uow, ada, draft, timedelta(days=3650))
        assert draft.expires == draft.opened + LONGEST


def test_only_who_may_stage_gives_it_more_time(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft
) -> None:
    hour = timedelta(hours=1)
    refused(uow, NotAllowed, lambda: drafts.extend_for(uow, eve, draft, hour))
    due = after(uow, LIFETIME)
    refused(due, Ended, lambda: drafts.extend_for(due, ada, draft, hour))


def test_unfinished_uploads_stand_in_the_way_of_publication(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    pending = factories.announce(uow, ada, draft, make_sdist(tmp_path))
    failing = factories.announce(uow, ada, draft, make_wheel(tmp_path, tag="py2-none-any"))
    with pytest.raises(UploadConflict):
        factories.complete(uow, ada, draft, failing)

    refusal = refused(uow, CannotPublish, lambda: publishing.publish(uow, ada, draft))
    assert refusal.details == (
        "The upload of 'example-1.0-py2-none-any.whl' is in error: delete it.",
        "The upload of 'example-1.0.tar.gz' is pending, not completed: wait for it, or delete it.",
    )
    upload_sessions.begin_completion(uow, ada, draft, pending)
    refusal = refused(uow, CannotPublish, lambda: publishing.publish(uow, ada, draft))
    assert "'example-1.0.tar.gz' is processing" in str(refusal)
    late = after(uow, announced.COMPLETION_LEASE)
    refusal = refused(late, CannotPublish, lambda: publishing.publish(late, ada, draft))
    assert "'example-1.0.tar.gz' is in error" in str(refusal)

    for upload in (pending, failing):
        upload_sessions.cancel(late, ada, draft, upload)
    assert publishing.publish(late, ada, draft).state == "published"


def test_an_upload_that_fell_due_is_in_nobodys_way(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    factories.announce(uow, ada, draft, make_sdist(tmp_path))
    later = after(uow, upload_sessions.LIFETIME)

    assert publishing.publish(later, ada, draft).state == "published"
    assert factories.public_filenames(uow, "example") == ["example-1.0-py3-none-any.whl"]


def test_an_empty_session_registers_the_name_and_nothing_else(uow: UnitOfWork, ada: Person) -> None:
    session = factories.open_new(uow, ada, "example", "0.0.0a0")

    publishing.publish(uow, ada, session, registers_name=True)

    assert session.state == "published"
    assert (session.project_name, session.version) == ("example", "0.0.0a0")
    project = projects.get(uow, "example")
    assert project.registered == uow.now
    assert [role.user for role in project.roles] == [ada.user]
    assert uow.db.scalars(select(Release)).all() == []
    assert factories.public_filenames(uow, "example") == []
    assert [(version, action) for _, version, action in factories.journal_of(uow)] == [
        (None, "create"),
        (None, "add Owner ada"),
    ]
    publishing.publish(uow, ada, session, registers_name=True)
    assert len(factories.journal_of(uow)) == 2


def test_an_empty_session_of_a_registered_project_is_not_published(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    session = factories.open_new(uow, ada, version="2.0")
    refused(
        uow,
        CannotPublish,
        lambda: publishing.publish(uow, ada, session, registers_name=True),
        "no files",
    )


def test_with_uploads_under_way_a_session_is_not_empty(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    session = factories.open_new(uow, ada)
    factories.announce(uow, ada, session, make_wheel(tmp_path))
    refused(
        uow,
        CannotPublish,
        lambda: publishing.publish(uow, ada, session, registers_name=True),
        "is pending",
    )


def test_a_registered_name_outlives_other_sessions_that_held_it(
    uow: UnitOfWork, ada: Person
) -> None:
    first = factories.open_new(uow, ada, version="1.0")
    second = factories.open_new(uow, ada, version="2.0")
    publishing.publish(uow, ada, first, registers_name=True)

    drafts.discard(uow, ada, second)

    assert projects.get(uow, "example").registered == uow.now
