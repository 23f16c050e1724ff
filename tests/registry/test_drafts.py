"""The contract of drafts, sentence by sentence."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import (
    Draft,
    DraftState,
    File,
    JournalEntry,
    Project,
    PublishedName,
    Release,
    RoleName,
    User,
)
from greenroom.registry import accounts, catalogue, drafts, file_uploads, projects, uploads
from greenroom.registry.drafts import Staged
from greenroom.registry.errors import (
    CannotPublish,
    DraftIsOpen,
    Ended,
    FileExists,
    InvalidRequest,
    NotAllowed,
    NotFound,
    ProjectClosed,
    Refusal,
    ReleaseClosed,
    SecondSdist,
    SessionExists,
    UploadConflict,
)
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor
from greenroom.registry.projects import ProjectSettings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)
LIFETIME, LONGEST = timedelta(days=14), timedelta(days=60)


@pytest.fixture
def ada(index: Index) -> User:
    return factories.make_user(index, "ada")


@pytest.fixture
def eve(index: Index) -> User:
    return factories.make_user(index, "eve")


@pytest.fixture
def project(index: Index, ada: User, tmp_path: Path) -> Project:
    """`example`, of which 0.9 is published with a wheel."""
    return factories.release(index, ada, make_wheel(tmp_path / "published", version="0.9"))


@pytest.fixture
def draft(index: Index, ada: User, tmp_path: Path) -> Draft:
    """The draft of `example` 1.0 with a wheel, which reserves the name."""
    return factories.stage(index, ada, make_wheel(tmp_path))


def after(index: Index, time: timedelta) -> Index:
    """The same unit of work at a later moment."""
    return replace(index, now=index.now + time)


def names(index: Index, draft: Draft) -> list[str]:
    return [file.filename for file in drafts.files(index.session, draft)]


def log(index: Index, draft: Draft) -> list[tuple[str, str, str | None]]:
    """The draft's log, the oldest first."""
    events = reversed(drafts.events(index.session, draft))
    return [(event.by, event.act, event.filename) for event in events]


def refused(
    index: Index, kind: type[Refusal], act: Callable[[], object], about: str | None = None
) -> Refusal:
    """The refusal of this kind that the act meets, after which nothing has changed."""
    before = factories.everything(index)
    with pytest.raises(kind, match=about) as caught:
        act()
    assert factories.everything(index) == before
    return caught.value


def live_drafts(index: Index) -> list[tuple[str, str]]:
    return sorted((draft.project_name, draft.version) for draft in drafts.all_live(index))


# One draft for a version, many for a project


def test_the_first_staged_file_opens_a_draft(index: Index, ada: User, draft: Draft) -> None:
    assert (draft.project_name, draft.version, draft.state) == ("example", "1.0", "open")
    assert (draft.opened, draft.changed) == (index.now, index.now)
    assert draft.expires == index.now + LIFETIME
    assert draft.ended is None
    assert log(index, draft) == [
        ("ada", "opened", None),
        ("ada", "added", "example-1.0-py3-none-any.whl"),
    ]


def test_further_files_join_it(index: Index, ada: User, draft: Draft, tmp_path: Path) -> None:
    assert factories.stage(index, ada, make_sdist(tmp_path)) is draft
    assert names(index, draft) == ["example-1.0.tar.gz", "example-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("version", ["1.0.0", "1", "1.0"])
def test_all_spellings_of_a_version_have_one_draft(
    index: Index, ada: User, draft: Draft, tmp_path: Path, version: str
) -> None:
    other = make_wheel(tmp_path, version=version, tag="py2-none-any")
    assert factories.stage(index, ada, other) is draft
    assert draft.version == "1.0"
    assert factories.find_draft(index, "Example", version) is draft


def test_any_number_of_versions_have_drafts_at_once(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    for version in ("1.1", "2.0", "2.0rc1"):
        factories.stage(index, ada, make_wheel(tmp_path, version=version))
    assert [version for _, version in live_drafts(index)] == ["1.0", "1.1", "2.0", "2.0rc1"]


def test_opening_an_open_draft_gives_it(index: Index, ada: User, draft: Draft) -> None:
    project = projects.get(index, "example")
    assert drafts.open_draft(index, Actor(ada), project, Version("1.0.0")) is draft


def test_of_two_who_open_a_draft_one_opens_it(premises: Premises, tmp_path: Path) -> None:
    with premises.writing() as index:
        factories.make_user(index, "ada")

    def stage(path: Path) -> Callable[[], tuple[str, bool]]:
        def act() -> tuple[str, bool]:
            with premises.writing() as index:
                actor = Actor(accounts.get_user(index.session, "ada"))
                accepted = factories.upload(index, actor, path, staged=True)
                assert accepted.draft is not None
                return accepted.draft.slug, accepted.opened

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


def test_a_draft_is_found_by_its_whole_slug(index: Index, draft: Draft) -> None:
    assert drafts.by_slug(index.session, draft.slug) is draft


@pytest.mark.parametrize("slug", ["", "x", "x" * 22, "\0" * 22, "\udcff" * 22, "é" * 22, "%" * 22])
def test_another_slug_finds_nothing(index: Index, draft: Draft, slug: str) -> None:
    assert drafts.by_slug(index.session, slug) is None
    assert drafts.by_slug(index.session, draft.slug[:21]) is None
    assert drafts.by_slug(index.session, draft.slug.swapcase()) is None


def test_another_address_makes_the_old_one_unknown(index: Index, ada: User, draft: Draft) -> None:
    before = draft.slug
    drafts.rotate(index, Actor(ada), draft)
    assert drafts.by_slug(index.session, before) is None
    assert drafts.by_slug(index.session, draft.slug) is draft
    assert log(index, draft)[-1] == ("ada", "rotated the address", None)
    assert before not in str(factories.everything(index))


def test_the_log_does_not_know_slugs(index: Index, ada: User, draft: Draft) -> None:
    drafts.rotate(index, Actor(ada), draft)
    assert draft.slug not in str(factories.everything(index)["draft_events"])


# A name that waits


def test_a_new_name_is_reserved_while_its_draft_lives(
    index: Index, eve: User, draft: Draft, tmp_path: Path
) -> None:
    for staged in (True, False):
        refused(
            index,
            NotAllowed,
            partial(factories.upload, index, Actor(eve), make_sdist(tmp_path), staged=staged),
            "The user 'eve' isn't allowed to upload to project 'example'",
        )


def discard(index: Index, draft: Draft) -> Index:
    drafts.discard(index, OPERATOR, draft)
    return index


def expire(index: Index, draft: Draft) -> Index:
    late = replace(index, now=draft.expires)
    assert drafts.expire(late, draft)
    return late


def fall_due(index: Index, draft: Draft) -> Index:
    return replace(index, now=draft.expires)


End = Callable[[Index, Draft], Index]
ALL_ENDS = pytest.mark.parametrize("end", [discard, expire, fall_due])
SWEPT = pytest.mark.parametrize("end", [discard, expire])


@ALL_ENDS
def test_a_name_is_free_again_when_its_last_draft_ends(
    index: Index, eve: User, draft: Draft, tmp_path: Path, end: End
) -> None:
    index = end(index, draft)
    assert projects.find(index, "example") is None
    accepted = factories.upload(index, Actor(eve), make_wheel(tmp_path), staged=False)
    assert accepted.published
    assert [role.user for role in projects.get(index, "example").roles] == [eve]


@ALL_ENDS
def test_a_name_stays_reserved_while_another_draft_of_it_lives(
    index: Index, ada: User, eve: User, draft: Draft, tmp_path: Path, end: End
) -> None:
    other = factories.stage(after(index, DAY), ada, make_wheel(tmp_path, version="2.0"))
    index = end(index, draft)
    refused(
        index,
        NotAllowed,
        lambda: factories.upload(index, Actor(eve), make_wheel(tmp_path), staged=True),
    )
    assert drafts.is_live(index, other)
    end(index, other)
    assert projects.find(replace(index, now=other.expires), "example") is None


@ALL_ENDS
def test_a_published_project_stays_when_its_draft_ends(
    index: Index, project: Project, draft: Draft, end: End
) -> None:
    index = end(index, draft)
    assert projects.find(index, "example") is project
    assert factories.public_filenames(index, "example") == ["example-0.9-py3-none-any.whl"]


@SWEPT
def test_a_release_that_was_never_published_goes_with_its_draft(
    index: Index, project: Project, draft: Draft, end: End
) -> None:
    end(index, draft)
    assert index.session.scalars(select(Release.version)).all() == ["0.9"]
    assert index.session.scalars(select(File.filename)).all() == ["example-0.9-py3-none-any.whl"]


def test_a_token_of_a_reserved_name_goes_with_it(index: Index, ada: User, draft: Draft) -> None:
    text = factories.make_token(index, ada, project=draft.project)
    drafts.discard(index, Actor(ada), draft)
    index.session.expire_all()
    with pytest.raises(Refusal):
        accounts.actor_of_token(index, text)


# Drafts of published releases


@pytest.fixture
def addition(index: Index, ada: User, project: Project, tmp_path: Path) -> Draft:
    """A draft that adds a source distribution to the published release 0.9."""
    return factories.stage(index, ada, make_sdist(tmp_path, version="0.9", summary="Added."))


def test_a_published_release_takes_more_files_by_a_draft(
    index: Index, ada: User, project: Project, addition: Draft
) -> None:
    assert factories.public_filenames(index, "example") == ["example-0.9-py3-none-any.whl"]
    drafts.publish(after(index, DAY), Actor(ada), addition)
    assert factories.public_filenames(index, "example") == [
        "example-0.9-py3-none-any.whl",
        "example-0.9.tar.gz",
    ]
    assert [action for *_, action in factories.journal_of(index)][4:] == [
        "add source file example-0.9.tar.gz"
    ]
    assert addition.release is not None
    assert addition.release.published == index.now


@SWEPT
def test_it_stays_as_it_was_when_the_draft_ends(
    index: Index, project: Project, addition: Draft, end: End
) -> None:
    index = end(index, addition)
    release = catalogue.release(index.session, project, "0.9")
    assert release is not None
    assert release.summary == "An example."
    assert factories.public_filenames(index, "example") == ["example-0.9-py3-none-any.whl"]


def test_a_draft_says_nothing_in_the_name_of_what_is_published(
    index: Index, addition: Draft
) -> None:
    assert addition.release is not None
    assert addition.release.summary == "An example."
    describing = drafts.describing_file(index.session, addition)
    assert describing is not None
    assert describing.core_metadata["summary"] == "Added."


def test_a_closed_release_gets_no_draft(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    late = after(index, timedelta(days=15))
    refused(
        late,
        ReleaseClosed,
        lambda: drafts.open_draft(late, Actor(ada), project, Version("0.9")),
    )


# Files


def test_the_same_bytes_again_change_nothing(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    before = factories.everything(index)
    accepted = factories.upload(after(index, DAY), Actor(ada), make_wheel(tmp_path), staged=True)
    assert (accepted.draft, accepted.opened, accepted.changed) == (draft, False, False)
    assert factories.everything(index) == before


def test_other_bytes_replace_and_the_log_says_by_whom_and_how(
    index: Index, ada: User, eve: User, draft: Draft, tmp_path: Path
) -> None:
    project = projects.get(index, "example")
    factories.add_role(index, project, eve, RoleName.MAINTAINER)
    (former,) = drafts.files(index.session, draft)
    before = former.sha256
    other = make_wheel(tmp_path, salt="other")
    factories.stage(index, eve, other)
    (file,) = drafts.files(index.session, draft)
    assert file.sha256 == factories.artifact_of(other).sha256
    event = drafts.events(index.session, draft)[0]
    assert (event.by, event.act, event.filename) == ("eve", Staged.REPLACED, other.name)
    assert before in event.detail
    assert file.sha256 in event.detail


def test_a_published_name_is_not_staged_with_other_bytes(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path, version="0.9", salt="other")
    refused(
        index,
        FileExists,
        lambda: factories.upload(index, Actor(ada), other, staged=True),
        "^File already exists",
    )


def test_published_bytes_are_not_staged_again(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    before = factories.everything(index)
    same = make_wheel(tmp_path, version="0.9")
    accepted = factories.upload(index, Actor(ada), same, staged=True)
    assert (accepted.draft, accepted.published, accepted.changed) == (None, True, False)
    assert factories.everything(index) == before


@pytest.mark.parametrize("salt", ["", "other"])
def test_staging_burns_no_name(
    index: Index, ada: User, draft: Draft, tmp_path: Path, salt: str
) -> None:
    drafts.remove_file(index, Actor(ada), draft, "example-1.0-py3-none-any.whl")
    again = make_wheel(tmp_path, salt=salt)
    assert factories.upload(index, Actor(ada), again, staged=True).changed
    drafts.discard(index, Actor(ada), draft)
    assert factories.upload(index, Actor(ada), again, staged=False).published


def test_an_empty_draft_stays_open(index: Index, ada: User, draft: Draft) -> None:
    drafts.remove_file(index, Actor(ada), draft, "example-1.0-py3-none-any.whl")
    assert drafts.is_live(index, draft)
    assert names(index, draft) == []
    assert log(index, draft)[-1] == ("ada", "removed", "example-1.0-py3-none-any.whl")
    assert projects.find(index, "example") is not None


def test_a_file_that_is_not_there_is_not_removed(index: Index, ada: User, draft: Draft) -> None:
    refused(
        index,
        NotFound,
        lambda: drafts.remove_file(index, Actor(ada), draft, "example-1.0.tar.gz"),
        "has no file 'example-1.0.tar.gz'",
    )


def test_a_draft_does_not_reach_into_another(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    other = factories.stage(index, ada, make_wheel(tmp_path, version="2.0"))
    with pytest.raises(NotFound):
        drafts.remove_file(index, Actor(ada), draft, "example-2.0-py3-none-any.whl")
    assert names(index, other) == ["example-2.0-py3-none-any.whl"]


def test_staged_bytes_count_and_are_given_back(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    project, before = projects.get(index, "example"), 0
    wheel, sdist = tmp_path / "example-1.0-py3-none-any.whl", make_sdist(tmp_path)
    assert projects.size(index, project) == wheel.stat().st_size
    factories.stage(index, ada, sdist)
    assert projects.size(index, project) == wheel.stat().st_size + sdist.stat().st_size
    drafts.remove_file(index, Actor(ada), draft, wheel.name)
    assert projects.size(index, project) == sdist.stat().st_size
    larger = make_sdist(tmp_path, payload=b"x" * 1000)
    factories.stage(index, ada, larger)
    assert projects.size(index, project) == larger.stat().st_size
    assert projects.size(replace(index, now=draft.expires), project) == before


def test_a_file_is_replaced_in_a_project_that_is_full(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    other = make_wheel(tmp_path, salt="other")
    settings = index.settings.model_copy(update={"max_project_size": other.stat().st_size})
    full = replace(index, settings=settings)
    assert factories.upload(full, Actor(ada), other, staged=True).changed


# What a draft says of its release


def described(draft: Draft) -> tuple[str, str | None]:
    assert draft.release is not None
    return draft.release.summary, draft.release.requires_python


def test_the_metadata_is_the_source_distributions_or_else_the_earliest_wheels(
    index: Index, ada: User, tmp_path: Path
) -> None:
    actor = Actor(ada)
    early = make_wheel(tmp_path, tag="py3-none-any", summary="Early.", requires_python=">=3.9")
    late = make_wheel(tmp_path, tag="py2-none-any", summary="Late.")
    sdist = make_sdist(tmp_path, summary="Source.", requires_python=">=3.11")
    draft = factories.stage(index, ada, early)
    assert described(draft) == ("Early.", ">=3.9")
    factories.stage(index, ada, late)
    assert described(draft) == ("Early.", ">=3.9")
    factories.stage(index, ada, sdist)
    assert described(draft) == ("Source.", ">=3.11")
    drafts.remove_file(index, actor, draft, early.name)
    assert described(draft) == ("Source.", ">=3.11")
    drafts.remove_file(index, actor, draft, sdist.name)
    assert described(draft) == ("Late.", None)
    drafts.remove_file(index, actor, draft, late.name)
    assert described(draft) == ("", None)
    assert draft.release is not None
    assert (draft.release.core_metadata, draft.release.description_html) == ({}, "")


def test_the_metadata_follows_a_replaced_file(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    markdown = make_wheel(
        tmp_path,
        summary="Other.",
        description="# Other",
        description_content_type="text/markdown",
    )
    factories.stage(index, ada, markdown)
    assert described(draft) == ("Other.", None)
    assert draft.release is not None
    assert "<h1" in draft.release.description_html
    assert draft.release.core_metadata["summary"] == "Other."


# Publishing


def test_a_published_draft_is_public_and_has_ended(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    factories.stage(index, ada, make_sdist(tmp_path))
    later = after(index, DAY)
    assert drafts.publish(later, Actor(ada), draft) is draft
    assert factories.public_filenames(index, "example") == [
        "example-1.0-py3-none-any.whl",
        "example-1.0.tar.gz",
    ]
    assert (draft.state, draft.ended) == (DraftState.PUBLISHED, later.now)
    assert names(index, draft) == []
    assert log(index, draft)[-1] == ("ada", "published", None)
    assert later.changed == {"project/example", "all-projects"}
    project = projects.get(index, "example")
    assert drafts.newest(later, project, Version("1.0")) is draft


def test_the_public_sees_the_moment_of_publication(index: Index, ada: User, draft: Draft) -> None:
    later = after(index, timedelta(days=13))
    drafts.publish(later, Actor(ada), draft)
    project = projects.get(index, "example")
    release = catalogue.release(index.session, project, "1.0")
    assert release is not None
    assert (release.created, release.published) == (index.now, later.now)
    assert project.registered == later.now
    listed = catalogue.listing(index.session, project).files
    assert [file.upload_time for file in listed] == [later.now]


def test_the_days_for_further_files_count_from_publication(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    published = after(index, timedelta(days=13))
    drafts.publish(published, Actor(ada), draft)
    sdist = make_sdist(tmp_path)
    late = after(published, timedelta(days=14) + INSTANT)
    refused(late, ReleaseClosed, lambda: factories.upload(late, Actor(ada), sdist, staged=False))
    in_time = after(published, timedelta(days=14))
    assert factories.upload(in_time, Actor(ada), sdist, staged=False).published


def test_publishing_again_answers_the_same_and_changes_nothing(
    index: Index, ada: User, draft: Draft
) -> None:
    drafts.publish(index, Actor(ada), draft)
    before = factories.everything(index)
    again = replace(after(index, timedelta(days=90)), changed=set())
    assert drafts.publish(again, Actor(ada), draft) is draft
    assert factories.everything(index) == before
    assert again.changed == set()


def test_publishing_again_takes_the_same_permission(
    index: Index, ada: User, eve: User, draft: Draft
) -> None:
    drafts.publish(index, Actor(ada), draft)
    refused(index, NotAllowed, lambda: drafts.publish(index, Actor(eve), draft))


def test_an_empty_draft_is_not_published(index: Index, ada: User, draft: Draft) -> None:
    drafts.remove_file(index, Actor(ada), draft, "example-1.0-py3-none-any.whl")
    refusal = refused(
        index, CannotPublish, lambda: drafts.publish(index, Actor(ada), draft), "no files"
    )
    assert len(refusal.details) == 1


def test_an_empty_session_of_a_new_project_registers_its_name(index: Index, ada: User) -> None:
    session = drafts.open_session(index, Actor(ada), "registered", Version("0.0.0a0"))

    drafts.publish(index, Actor(ada), session, registers_name=True)

    project = projects.get(index, "registered")
    assert project.registered == index.now
    assert (session.state, session.release) == (DraftState.PUBLISHED, None)
    assert drafts.find_release(index.session, project, Version("0.0.0a0")) is None


def test_every_reason_against_publishing_is_told_at_once(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    """What passed when it was staged may not pass any more."""
    used = make_wheel(tmp_path, version="0.9", tag="py2-none-any")
    taken = make_wheel(tmp_path, version="0.9", tag="py4-none-any")
    draft = factories.stage(
        after(index, DAY), ada, used, taken, make_sdist(tmp_path, version="0.9")
    )
    (template,) = [file for file in drafts.files(index.session, draft) if file.is_sdist]
    index.session.add(
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
            core_metadata={},
            created=index.now,
            published=index.now,
        )
    )
    index.session.add(PublishedName(filename=used.name, sha256="0" * 64))
    content = factories.artifact_of(taken).sha256
    published = catalogue.file(index.session, "example-0.9-py3-none-any.whl")
    assert published is not None
    published.sha256 = content
    index.session.flush()
    # Its days are over, its quota was lowered.
    settings = index.settings.model_copy(update={"max_project_size": 1})
    late = replace(index, now=index.now + timedelta(days=14, hours=1), settings=settings)
    refusal = refused(late, CannotPublish, lambda: drafts.publish(late, Actor(ada), draft))
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
    index: Index, ada: User, project: Project, draft: Draft
) -> None:
    projects.change_settings(index, Actor(ada), project, ProjectSettings(False))
    drafts.publish(index, Actor(ada), draft)
    assert len(factories.public_filenames(index, "example")) == 2


def test_to_publish_reads_and_stores_no_bytes(index: Index, ada: User, draft: Draft) -> None:
    for digest in index.storage.digests():
        index.storage.delete(digest)
    drafts.publish(index, Actor(ada), draft)
    assert factories.public_filenames(index, "example") == ["example-1.0-py3-none-any.whl"]
    assert list(index.storage.digests()) == []


@ON_POSTGRESQL
def test_who_lost_the_role_meanwhile_does_not_publish(premises: Premises, tmp_path: Path) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index, "ada")
        slug = factories.stage(index, ada, make_wheel(tmp_path)).slug
        bob = factories.make_user(index, "bob")
        factories.add_role(index, projects.get(index, "example"), bob, RoleName.OWNER)
    with premises.writing() as slow:
        bob = accounts.get_user(slow.session, "bob")
        (project,) = projects.of_user(slow, bob)
        assert bob in [role.user for role in project.roles]
        draft = drafts.by_slug(slow.session, slug)
        assert draft is not None
        with premises.writing() as index:
            projects.remove_role(index, OPERATOR, projects.get(index, "example"), "bob")
        with pytest.raises(NotAllowed):
            drafts.publish(slow, Actor(bob), draft)


def test_of_two_publishers_at_once_one_publishes(premises: Premises, tmp_path: Path) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index, "ada")
        slug = factories.stage(index, ada, make_wheel(tmp_path), make_sdist(tmp_path)).slug

    def publish() -> tuple[str, bool]:
        with premises.writing() as index:
            draft = drafts.by_slug(index.session, slug)
            assert draft is not None
            actor = Actor(accounts.get_user(index.session, "ada"))
            return drafts.publish(index, actor, draft).state, bool(index.changed)

    outcomes = factories.at_once(*[publish] * 4)
    assert [state for state, _ in outcomes] == ["published"] * 4
    assert [changed for _, changed in outcomes].count(True) == 1
    with premises.reading() as index:
        assert [action for *_, action in factories.journal_of(index)] == [
            "create",
            "add Owner ada",
            "new release",
            "add source file example-1.0.tar.gz",
            "add py3 file example-1.0-py3-none-any.whl",
        ]


@pytest.mark.parametrize("other", ["discard", "expire", "upload", "direct"])
def test_who_meets_a_publisher_comes_before_or_after(
    premises: Premises, clock: FakeClock, tmp_path: Path, other: str
) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index, "ada")
        slug = factories.stage(index, ada, make_wheel(tmp_path)).slug
    sdist = make_sdist(tmp_path)

    def with_draft(act: Callable[[Index, Actor, Draft], object]) -> Callable[[], str]:
        def run() -> str:
            try:
                with premises.writing() as index:
                    draft = drafts.by_slug(index.session, slug)
                    assert draft is not None
                    act(index, Actor(accounts.get_user(index.session, "ada")), draft)
            except (Ended, DraftIsOpen) as refusal:
                return refusal.code
            return "done"

        return run

    def upload(index: Index, actor: Actor, draft: Draft) -> object:
        return factories.upload(index, actor, sdist, staged=other == "upload")

    def fall_due(index: Index, actor: Actor, draft: Draft) -> object:
        return drafts.expire(replace(index, now=draft.expires), draft)

    acts = {"discard": drafts.discard, "expire": fall_due}
    publisher, meeting = factories.at_once(
        with_draft(drafts.publish), with_draft(acts.get(other, upload))
    )
    with premises.reading() as index:
        public = factories.public_filenames(index, "example")
        if publisher == "draft-ended":
            assert (meeting, public) == ("done", [])
        else:
            assert publisher == "done"
            assert "example-1.0-py3-none-any.whl" in public
            assert meeting in ("done", "draft-ended", "draft-open")


# Time


def test_a_change_of_files_prolongs_the_draft(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    later = after(index, timedelta(days=3))
    factories.stage(later, ada, make_sdist(tmp_path))
    assert (draft.changed, draft.expires) == (later.now, later.now + LIFETIME)
    last = after(index, timedelta(days=5))
    drafts.remove_file(last, Actor(ada), draft, "example-1.0.tar.gz")
    assert (draft.changed, draft.expires) == (last.now, last.now + LIFETIME)
    assert draft.opened == index.now


def test_who_asks_gets_one_more_lifetime(index: Index, ada: User, draft: Draft) -> None:
    later = after(index, timedelta(days=10))
    drafts.extend(later, Actor(ada), draft)
    assert draft.expires == later.now + LIFETIME
    assert draft.changed == index.now
    assert log(index, draft)[-1] == ("ada", "extended", None)


def test_no_draft_lives_longer_than_the_longest_time(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    for days in (13, 26, 39, 50):
        drafts.extend(after(index, timedelta(days=days)), Actor(ada), draft)
    assert draft.expires == index.now + LONGEST
    late = after(index, timedelta(days=55))
    refused(
        late,
        InvalidRequest,
        lambda: drafts.extend(late, Actor(ada), draft),
        "2026-07-31 12:00 UTC, which is as late as it can be",
    )
    factories.stage(late, ada, make_sdist(tmp_path))
    assert draft.expires == index.now + LONGEST


def test_the_expiry_never_moves_earlier(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    before = draft.expires
    shorter = index.settings.model_copy(
        update={"draft_lifetime": DAY, "draft_lifetime_max": 2 * DAY}
    )
    later = replace(after(index, DAY), settings=shorter)
    factories.stage(later, ada, make_sdist(tmp_path))
    assert draft.expires == before
    with pytest.raises(InvalidRequest):
        drafts.extend(later, Actor(ada), draft)
    assert draft.expires == before


def test_a_draft_has_expired_from_the_second_it_falls_due(index: Index, draft: Draft) -> None:
    assert drafts.state(replace(index, now=draft.expires - INSTANT), draft) is DraftState.OPEN
    assert drafts.state(replace(index, now=draft.expires), draft) is DraftState.EXPIRED


def test_a_draft_expires_when_it_has_fallen_due_and_not_before(index: Index, draft: Draft) -> None:
    early = replace(index, now=draft.expires - INSTANT)
    assert drafts.due(early) == []
    assert not drafts.expire(early, draft)
    late = replace(index, now=draft.expires)
    assert drafts.due(late) == [draft]
    assert drafts.expire(late, draft)
    assert not drafts.expire(late, draft)
    assert drafts.due(late) == []
    assert log(index, draft)[-1] == ("expiry", "expired", None)


# A draft that fell due is gone, swept up or not


@pytest.mark.parametrize("end", [expire, fall_due])
@pytest.mark.parametrize("who", ["ada", "stranger", "operator", "anonymous"])
@pytest.mark.parametrize("act", ["publish", "discard", "extend", "rotate", "remove"])
def test_nothing_is_done_to_a_draft_that_fell_due(
    index: Index, ada: User, eve: User, draft: Draft, end: End, who: str, act: str
) -> None:
    late = end(index, draft)
    actor = {"ada": Actor(ada), "stranger": Actor(eve), "operator": OPERATOR}.get(who, ANONYMOUS)
    refused(late, Ended, lambda: perform(late, act, actor, draft), "has expired")


def perform(index: Index, act: str, actor: Actor, draft: Draft) -> None:
    """Do this to the draft."""
    if act == "remove":
        drafts.remove_file(index, actor, draft, "example-1.0-py3-none-any.whl")
    if act == "publish":
        drafts.publish(index, actor, draft)
    if act == "discard":
        drafts.discard(index, actor, draft)
    if act == "extend":
        drafts.extend(index, actor, draft)
    if act == "rotate":
        drafts.rotate(index, actor, draft)


@ALL_ENDS
def test_a_draft_that_is_gone_is_found_by_its_slug_alone(
    index: Index, ada: User, project: Project, draft: Draft, end: End
) -> None:
    index = end(index, draft)
    assert drafts.by_slug(index.session, draft.slug) is draft
    assert factories.find_draft(index, "example", "1.0") is None
    assert drafts.newest(index, project, Version("1.0")) is None
    assert drafts.live_of_projects(index, [project]) == []
    assert drafts.all_live(index) == []
    with pytest.raises(NotFound):
        drafts.live_for(index, Actor(ada), "example", Version("1.0"))


@ALL_ENDS
def test_what_was_published_before_it_is_the_newest_again(
    index: Index, ada: User, draft: Draft, tmp_path: Path, end: End
) -> None:
    drafts.publish(index, Actor(ada), draft)
    second = factories.stage(index, ada, make_sdist(tmp_path))
    project = projects.get(index, "example")
    assert drafts.newest(index, project, Version("1.0")) is second
    index = end(index, second)
    assert drafts.newest(index, project, Version("1.0")) is draft


@ALL_ENDS
def test_a_new_draft_of_the_version_may_be_opened(
    index: Index, ada: User, project: Project, draft: Draft, tmp_path: Path, end: End
) -> None:
    index = end(index, draft)
    second = factories.stage(index, ada, make_wheel(tmp_path, salt="second"))
    assert second is not draft
    assert second.slug != draft.slug
    assert names(index, second) == ["example-1.0-py3-none-any.whl"]
    assert drafts.by_slug(index.session, draft.slug) is draft


@ALL_ENDS
def test_a_draft_may_be_opened_without_a_file(
    index: Index, ada: User, project: Project, draft: Draft, end: End
) -> None:
    index = end(index, draft)
    second = drafts.open_draft(index, Actor(ada), project, Version("1.0.0"))
    assert (second.version, second.release) != (draft.version, draft.release)
    assert drafts.live(index, project, Version("1.0")) is second


@ALL_ENDS
def test_its_source_distribution_is_in_nobodys_way(
    index: Index, ada: User, project: Project, tmp_path: Path, end: End
) -> None:
    draft = factories.stage(index, ada, make_sdist(tmp_path))
    index = end(index, draft)
    other = make_sdist(tmp_path, version="1.0.0")
    assert factories.upload(index, Actor(ada), other, staged=True).opened


def test_but_while_it_lives_it_is(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    factories.stage(index, ada, make_sdist(tmp_path))
    other = make_sdist(tmp_path, version="1.0.0")
    refused(index, SecondSdist, lambda: factories.upload(index, Actor(ada), other, staged=True))


@ALL_ENDS
def test_the_version_takes_direct_uploads_again(
    index: Index, ada: User, project: Project, draft: Draft, tmp_path: Path, end: End
) -> None:
    index = end(index, draft)
    assert factories.upload(index, Actor(ada), make_sdist(tmp_path), staged=False).published


def test_a_file_is_not_added_to_a_draft_that_has_ended(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, tag="py2-none-any")
    artifact = factories.artifact_of(wheel)
    distribution = uploads.examine(index.settings, artifact, factories.claims_of(wheel))
    late = replace(index, now=draft.expires)
    refused(late, Ended, lambda: drafts.add_file(late, Actor(ada), draft, artifact, distribution))


# Tombstones


@SWEPT
def test_a_tombstone_outlives_what_it_named(index: Index, draft: Draft, end: End) -> None:
    end(index, draft)
    index.session.expire_all()
    assert (draft.project_name, draft.version, draft.canonical_version) == ("example", "1.0", "1")
    assert (draft.project_id, draft.release_id) == (None, None)
    assert draft.ended is not None
    assert index.session.scalars(select(Project)).all() == []
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
    index: Index, ada: User, draft: Draft, act: str, sentence: str
) -> None:
    perform(index, act, Actor(ada), draft)
    assert drafts.ended_sentence(after(index, 99 * DAY) if act else index, draft) == sentence


def test_a_draft_that_fell_due_says_so(index: Index, draft: Draft) -> None:
    late = replace(index, now=draft.expires)
    assert drafts.ended_sentence(late, draft) == "The draft of example 1.0 has expired."


@pytest.mark.parametrize("act", ["publish", "extend", "rotate", "remove"])
def test_nothing_is_done_to_a_discarded_draft(
    index: Index, ada: User, draft: Draft, act: str
) -> None:
    drafts.discard(index, Actor(ada), draft)
    refused(index, Ended, lambda: perform(index, act, Actor(ada), draft), "was discarded")


def test_a_discarded_draft_may_be_discarded_again(index: Index, ada: User, draft: Draft) -> None:
    drafts.discard(index, Actor(ada), draft)
    before = factories.everything(index)
    drafts.discard(after(index, DAY), Actor(ada), draft)
    assert factories.everything(index) == before


@pytest.mark.parametrize("act", ["discard", "extend", "rotate", "remove"])
def test_nothing_is_done_to_a_published_draft(
    index: Index, ada: User, draft: Draft, act: str
) -> None:
    drafts.publish(index, Actor(ada), draft)
    refused(index, Ended, lambda: perform(index, act, Actor(ada), draft), "was published")


def test_a_published_draft_never_expires(index: Index, ada: User, draft: Draft) -> None:
    drafts.publish(index, Actor(ada), draft)
    late = after(index, 99 * DAY)
    assert drafts.state(late, draft) is DraftState.PUBLISHED
    assert drafts.due(late) == []
    assert not drafts.expire(late, draft)


def test_the_draft_of_a_project_that_is_gone_has_ended(
    index: Index, ada: User, draft: Draft
) -> None:
    drafts.publish(index, Actor(ada), draft)
    index.session.delete(draft.project)
    index.session.flush()
    index.session.expire_all()
    refused(index, Ended, lambda: drafts.publish(index, Actor(ada), draft), "was published")


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


@pytest.mark.parametrize(
    ("act", "who", "outcome"),
    [
        (row[0], who, outcome)
        for row in _ROWS
        for who, outcome in zip(_HEAD[1:], row[1:], strict=True)
    ],
)
def test_acts_by_role(index: Index, draft: Draft, act: str, who: str, outcome: str) -> None:
    later = after(index, DAY)
    project = projects.get(later, "example")
    actor = {
        "owner": Actor(accounts.get_user(index.session, "ada")),
        "anonymous": ANONYMOUS,
        "operator": OPERATOR,
    }.get(who) or Actor(factories.make_user(index, who, administrator=who == "administrator"))
    if who == "maintainer" and actor.user is not None:
        factories.add_role(index, project, actor.user, RoleName.MAINTAINER)
    if outcome == "-":
        refused(later, NotAllowed, lambda: perform(later, act, actor, draft), "may not")
        assert drafts.is_live(later, draft)
    else:
        perform(later, act, actor, draft)
        assert log(index, draft)[-1][0] == actor.name


def test_acts_at_the_command_line_are_the_operators(index: Index, draft: Draft) -> None:
    drafts.publish(index, OPERATOR, draft)
    assert log(index, draft)[-1] == ("operator", "published", None)
    assert set(index.session.scalars(select(JournalEntry.by))) == {"operator"}


def test_the_owner_of_one_project_has_no_part_in_another(
    index: Index, eve: User, draft: Draft, tmp_path: Path
) -> None:
    factories.stage(index, eve, make_wheel(tmp_path, "another"))
    refused(index, NotAllowed, lambda: drafts.discard(index, Actor(eve), draft))


# Who sees it


def test_who_may_stage_finds_the_draft_and_others_do_not(
    index: Index, ada: User, eve: User, draft: Draft
) -> None:
    version = Version("1.0.0")
    assert drafts.live_for(index, Actor(ada), "Example", version) is draft
    sentences = {
        str(refused(index, NotFound, partial(drafts.live_for, index, actor, "example", version)))
        for actor in (Actor(eve), ANONYMOUS)
    }
    assert sentences == {"There is no draft of example 1.0.0 that you may see."}
    with pytest.raises(NotFound) as caught:
        drafts.live_for(index, Actor(eve), "unknown", version)
    assert str(caught.value).replace("unknown", "example") in sentences


def test_administrators_and_operators_see_every_draft(index: Index, draft: Draft) -> None:
    administrator = Actor(factories.make_user(index, "root", administrator=True))
    for actor in (administrator, OPERATOR):
        assert drafts.live_for(index, actor, "example", Version("1.0")) is draft
    assert drafts.all_live(index) == [draft]


def test_a_persons_drafts_come_last_changed_first(
    index: Index, ada: User, eve: User, draft: Draft, tmp_path: Path
) -> None:
    factories.stage(index, eve, make_wheel(tmp_path, "another"))
    second = factories.stage(after(index, DAY), ada, make_wheel(tmp_path, version="2.0"))
    mine = drafts.live_of_projects(index, projects.of_user(index, ada))
    assert mine == [second, draft]
    assert [file.filename for file in mine[1].files] == ["example-1.0-py3-none-any.whl"]
    factories.stage(after(index, 2 * DAY), ada, make_sdist(tmp_path))
    assert drafts.live_of_projects(index, projects.of_user(index, ada)) == [draft, second]


# Sessions of Upload 2.0 are drafts


def test_a_session_is_a_draft_without_files(index: Index, ada: User) -> None:
    session = factories.open_session(index, ada)

    assert names(index, session) == []
    assert (session.state, session.expires) == ("open", index.now + LIFETIME)
    assert log(index, session) == [("ada", "opened", None)]
    assert factories.find_draft(index, "example", "1.0.0") is session


def test_a_session_is_found_by_its_whole_key_alone(index: Index, draft: Draft) -> None:
    assert drafts.by_key(index.session, draft.key) is draft
    for key in ("", draft.key[:-1], draft.key + "A", draft.slug, "\0" * 22, "é" * 22):
        assert drafts.by_key(index.session, key) is None


def test_another_address_leaves_the_session_where_it_is(
    index: Index, ada: User, draft: Draft
) -> None:
    key = draft.key

    drafts.rotate(index, Actor(ada), draft)

    assert drafts.by_key(index.session, key) is draft


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0"])
def test_who_may_upload_is_led_to_the_session_that_is_open(
    index: Index, ada: User, draft: Draft, version: str
) -> None:
    refusal = refused(
        index, SessionExists, lambda: factories.open_session(index, ada, "Example", version)
    )
    assert isinstance(refusal, SessionExists)
    assert refusal.draft is draft
    assert draft.slug not in str(refusal)


def test_who_may_not_upload_does_not_learn_that_a_session_is_open(
    index: Index, ada: User, eve: User, project: Project
) -> None:
    without = refused(index, NotAllowed, lambda: factories.open_session(index, eve, version="2.0"))
    factories.open_session(index, ada, version="2.0")

    beside = refused(index, NotAllowed, lambda: factories.open_session(index, eve, version="2.0"))
    assert str(beside) == str(without)


def test_an_archived_project_gets_no_session(index: Index, ada: User, project: Project) -> None:
    projects.archive(index, Actor(ada), project, "Done.")
    refused(index, ProjectClosed, lambda: factories.open_session(index, ada))


def test_after_the_end_there_is_a_new_session_with_other_secrets(
    index: Index, ada: User, draft: Draft
) -> None:
    drafts.publish(index, Actor(ada), draft)
    second = factories.open_session(index, ada)
    drafts.discard(index, Actor(ada), second)
    third = factories.open_session(index, ada)
    later = after(index, LIFETIME)
    fourth = factories.open_session(later, ada)

    sessions = [draft, second, third, fourth]
    assert len({session.key for session in sessions}) == 4
    assert len({session.slug for session in sessions}) == 4
    assert [drafts.state(later, session).value for session in sessions] == [
        "published",
        "discarded",
        "expired",
        "open",
    ]


def test_more_time_is_as_much_as_was_asked_for(index: Index, ada: User, draft: Draft) -> None:
    drafts.extend_for(index, Actor(ada), draft, timedelta(hours=1))
    assert draft.expires == index.now + LIFETIME + timedelta(hours=1)

    drafts.extend_for(index, Actor(ada), draft, timedelta(0))
    assert draft.expires == index.now + LIFETIME + timedelta(hours=1)
    assert [act for _, act, _ in log(index, draft)].count("extended") == 1


def test_more_time_ends_with_the_longest_life(index: Index, ada: User, draft: Draft) -> None:
    for _ in range(2):
        drafts.extend_for(index, Actor(ada), draft, timedelta(days=3650))
        assert draft.expires == draft.opened + LONGEST


def test_only_who_may_stage_gives_it_more_time(
    index: Index, ada: User, eve: User, draft: Draft
) -> None:
    hour = timedelta(hours=1)
    refused(index, NotAllowed, lambda: drafts.extend_for(index, Actor(eve), draft, hour))
    due = after(index, LIFETIME)
    refused(due, Ended, lambda: drafts.extend_for(due, Actor(ada), draft, hour))


def test_unfinished_uploads_stand_in_the_way_of_publication(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    pending = factories.announce(index, ada, draft, make_sdist(tmp_path))
    failing = factories.announce(index, ada, draft, make_wheel(tmp_path, tag="py2-none-any"))
    with pytest.raises(UploadConflict):
        factories.complete(index, ada, draft, failing)

    refusal = refused(index, CannotPublish, lambda: drafts.publish(index, Actor(ada), draft))
    assert refusal.details == (
        "The upload of 'example-1.0-py2-none-any.whl' is in error: delete it.",
        "The upload of 'example-1.0.tar.gz' is pending, not completed: wait for it, or delete it.",
    )
    file_uploads.begin_completion(index, Actor(ada), draft, pending)
    refusal = refused(index, CannotPublish, lambda: drafts.publish(index, Actor(ada), draft))
    assert "'example-1.0.tar.gz' is processing" in str(refusal)
    late = after(index, drafts.COMPLETION_LEASE)
    refusal = refused(late, CannotPublish, lambda: drafts.publish(late, Actor(ada), draft))
    assert "'example-1.0.tar.gz' is in error" in str(refusal)

    for upload in (pending, failing):
        file_uploads.cancel(late, Actor(ada), draft, upload)
    assert drafts.publish(late, Actor(ada), draft).state == "published"


def test_an_upload_that_fell_due_is_in_nobodys_way(
    index: Index, ada: User, draft: Draft, tmp_path: Path
) -> None:
    factories.announce(index, ada, draft, make_sdist(tmp_path))
    later = after(index, file_uploads.LIFETIME)

    assert drafts.publish(later, Actor(ada), draft).state == "published"
    assert factories.public_filenames(index, "example") == ["example-1.0-py3-none-any.whl"]


def test_an_empty_session_registers_the_name_and_nothing_else(index: Index, ada: User) -> None:
    session = factories.open_session(index, ada, "example", "0.0.0a0")

    drafts.publish(index, Actor(ada), session, registers_name=True)

    assert session.state == "published"
    assert (session.project_name, session.version) == ("example", "0.0.0a0")
    project = projects.get(index, "example")
    assert project.registered == index.now
    assert [role.user for role in project.roles] == [ada]
    assert index.session.scalars(select(Release)).all() == []
    assert factories.public_filenames(index, "example") == []
    assert [(version, action) for _, version, action in factories.journal_of(index)] == [
        (None, "create"),
        (None, "add Owner ada"),
    ]
    drafts.publish(index, Actor(ada), session, registers_name=True)
    assert len(factories.journal_of(index)) == 2


def test_an_empty_session_of_a_registered_project_is_not_published(
    index: Index, ada: User, project: Project
) -> None:
    session = factories.open_session(index, ada, version="2.0")
    refused(
        index,
        CannotPublish,
        lambda: drafts.publish(index, Actor(ada), session, registers_name=True),
        "no files",
    )


def test_with_uploads_under_way_a_session_is_not_empty(
    index: Index, ada: User, tmp_path: Path
) -> None:
    session = factories.open_session(index, ada)
    factories.announce(index, ada, session, make_wheel(tmp_path))
    refused(
        index,
        CannotPublish,
        lambda: drafts.publish(index, Actor(ada), session, registers_name=True),
        "is pending",
    )


def test_a_registered_name_outlives_other_sessions_that_held_it(index: Index, ada: User) -> None:
    first = factories.open_session(index, ada, version="1.0")
    second = factories.open_session(index, ada, version="2.0")
    drafts.publish(index, Actor(ada), first, registers_name=True)

    drafts.discard(index, Actor(ada), second)

    assert projects.get(index, "example").registered == index.now
