"""An actor without an account: a workflow that a project trusts, wherever an actor is asked."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import File, JournalEntry, Project
from greenroom.registry import (
    accounts,
    draft_checks,
    drafts,
    projects,
    publishing,
    uploads,
    yanking,
)
from greenroom.registry.draft_checks import Posted
from greenroom.registry.errors import NotAllowed, TooMany
from greenroom.registry.permissions import (
    OPERATOR,
    Act,
    PendingGrant,
    PublisherGrant,
    TokenUser,
    TrustedPublisher,
    may,
    may_follow,
    may_read_audit,
    require,
)
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel


@pytest.fixture
def project(uow: UnitOfWork, tmp_path: Path) -> Project:
    """`example`, of which 0.9 is published by a person."""
    owner = factories.make_user(uow, "owner")
    return factories.release(uow, owner, make_wheel(tmp_path, version="0.9"))


@pytest.fixture
def trusted(project: Project) -> TrustedPublisher:
    return TrustedPublisher(
        0, "forge:ada/example", "run 1", (PublisherGrant(project.id, True),), ()
    )


def by_of(uow: UnitOfWork) -> list[str]:
    return list(uow.db.scalars(select(JournalEntry.by).order_by(JournalEntry.id.desc()).limit(1)))


def test_it_stages_and_publishes_under_its_name(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    draft = factories.stage(uow, trusted, make_wheel(tmp_path), make_sdist(tmp_path))
    checked, _ = draft_checks.post(uow, trusted, draft, Posted("tests", "passed"))
    assert (checked.by, checked.means) == ("forge:ada/example", "run 1")
    publishing.publish(uow, trusted, draft)

    events = drafts.events(uow.db, draft)
    assert [event.act for event in events] == ["published", "added", "added", "opened"]
    assert {event.by for event in events} == {"forge:ada/example"}
    assert drafts.opened_by(uow.db, draft) == trusted.name
    assert by_of(uow) == ["forge:ada/example"]
    assert len(factories.public_filenames(uow, "example")) == 3
    uploaders = select(File.uploaded_by_id).where(File.draft_id.is_(None), File.id > 1)
    assert set(uow.db.scalars(uploaders)) == {None}


def test_it_publishes_at_once(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    assert factories.upload(uow, trusted, make_wheel(tmp_path), staged=False).published
    assert by_of(uow) == ["forge:ada/example"]


def test_it_has_the_file_upload_sessions_that_people_have(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    draft = factories.open_new(uow, trusted, "example", "2.0")
    factories.add_upload(uow, trusted, draft, make_wheel(tmp_path, version="2.0"))
    assert may_follow(trusted, project)
    assert drafts.live_for(uow, trusted, "example", Version("2.0")) is draft
    drafts.discard(uow, OPERATOR, draft)


def test_its_refusals_call_it_by_its_words(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    stager = replace(trusted, grants=(PublisherGrant(project.id, may_publish=False),))
    with pytest.raises(
        NotAllowed,
        match=r"^The trusted publisher 'forge:ada/example' isn't allowed to upload to project "
        r"'example' without staging: it may stage but not publish\.$",
    ) as caught:
        factories.upload(uow, stager, make_wheel(tmp_path), staged=False)
    assert caught.value.may_stage
    draft = factories.stage(uow, stager, make_wheel(tmp_path))
    with pytest.raises(
        NotAllowed,
        match="The trusted publisher 'forge:ada/example' may not publish in project 'example'",
    ):
        publishing.publish(uow, stager, draft)
    with pytest.raises(
        NotAllowed, match="The trusted publisher 'forge:ada/example' may not manage"
    ):
        yanking.yank_release(uow, trusted, project, "0.9")
    with pytest.raises(NotAllowed, match="may not register the new project 'other'"):
        factories.upload(uow, trusted, make_wheel(tmp_path, "other"), staged=True)
    with pytest.raises(NotAllowed, match="Only administrators"):
        accounts.verify_user(uow, trusted, 1)


def test_it_has_nothing_to_do_with_another_project(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    other = factories.release(
        uow, accounts.get_user(uow.db, "owner"), make_wheel(tmp_path, "another")
    )
    assert not any(may(trusted, act, other) for act in Act)
    with pytest.raises(NotAllowed):
        require(trusted, Act.SEE, other)
    with pytest.raises(NotAllowed, match="isn't allowed to upload to project 'another'"):
        uploads.check_actor(uow, trusted, "another", staged=True)


def test_its_uploads_are_limited_apart_from_those_of_people(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    limited = replace(uow, settings=replace(uow.settings, uploads_per_hour=1))
    factories.upload(limited, trusted, make_wheel(tmp_path), staged=True)
    with pytest.raises(TooMany, match="'forge:ada/example' uploaded 1 file"):
        factories.upload(limited, trusted, make_sdist(tmp_path), staged=True)


def test_a_review_is_not_asked_for_in_the_name_of_the_operator(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    """A draft remembers accounts: whoever cannot be remembered is no operator."""
    reviewed = replace(uow, settings=replace(uow.settings, review_command="true"))
    draft = factories.stage(reviewed, trusted, make_wheel(tmp_path))
    with pytest.raises(NotAllowed, match="cannot ask for a review"):
        publishing.publish(reviewed, trusted, draft)


def test_a_project_that_it_makes_belongs_to_nobody(
    uow: UnitOfWork, trusted: TrustedPublisher
) -> None:
    made = projects.create(uow, trusted, "made")
    assert (made.roles, made.created_by_id) == ([], None)
    trusted.note_use(uow)


# `right` is what the workflow may, `for` of what: the project, which may be in quarantine, another
# one, or a name that it may register (`pending`), whose user may have lost the verification.
# `staged` and `direct` are the two ways to upload the first file of that name.
TABLE = """
    right   for         see comment stage publish discard manage quarantine audit staged direct
    stage   this        yes -       yes   -       -       -      -          -     -      -
    publish this        yes -       yes   yes     yes     -      -          -     -      -
    stage   quarantined yes -       -     -       -       -      -          -     -      -
    publish quarantined yes -       -     -       -       -      -          -     -      -
    stage   other       -   -       -     -       -       -      -          -     -      -
    publish other       -   -       -     -       -       -      -          -     -      -
    stage   pending     -   -       -     -       -       -      -          -     yes    -
    publish pending     -   -       -     -       -       -      -          -     yes    yes
    publish unverified  -   -       -     -       -       -      -          -     -      -
"""
COLUMNS, *ROWS = (tuple(line.split()) for line in TABLE.strip().splitlines())


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_a_workflow_may_do_what_the_table_says(
    uow: UnitOfWork, project: Project, row: tuple[str, ...]
) -> None:
    right, scope = row[:2]
    may_publish = right == "publish"
    number = project.id if scope in ("this", "quarantined") else project.id + 1
    project.quarantined = scope == "quarantined"
    user = TokenUser(1, "owner", email_verified=scope == "pending")
    pending = (PendingGrant(1, "new-thing", may_publish, user),)
    names = pending if scope in ("pending", "unverified") else ()
    grants = () if names else (PublisherGrant(number, may_publish),)
    actor = TrustedPublisher(0, "forge:ada/example", "run 1", grants, names)
    found = []
    for column in COLUMNS[2:]:
        if column == "audit":
            passes = may_read_audit(actor, project)
        elif column in ("staged", "direct"):
            passes = _passes(uow, actor, staged=column == "staged")
        else:
            passes = may(actor, Act(column), project)
        found.append("yes" if passes else "-")
    assert tuple(found) == row[2:]
    assert {*COLUMNS[2:]} == {*Act, "audit", "staged", "direct"} - {Act.READ}


def _passes(uow: UnitOfWork, actor: TrustedPublisher, *, staged: bool) -> bool:
    try:
        projects.check_can_register(uow, actor, "New.Thing", staged=staged)
    except NotAllowed:
        return False
    return True
