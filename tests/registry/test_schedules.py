"""Publishing at a time that was set: once, as it was looked at, or not at all."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom import background
from greenroom.models import AuditEntry, Draft, Job, RoleName, Schedule, ScheduleState, User
from greenroom.registry import (
    accounts,
    approvals,
    catalogue,
    draft_contents,
    drafts,
    jobs,
    projects,
    publishing,
    release_sets,
    roles,
    schedules,
    tokens,
)
from greenroom.registry.approvals import Rules
from greenroom.registry.errors import (
    DraftChanged,
    FactorNotFresh,
    InvalidRequest,
    NotAllowed,
    NotConfirmed,
    PersonPublishes,
)
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.schedule_rows import ScheduleDetails
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.factories import present
from tests.jobs import do_due

HOUR = timedelta(hours=1)


class Index:
    """A project with a draft that eve, a maintainer, may publish."""

    def __init__(self, services: Services, clock: FakeClock, folder: Path) -> None:
        self.services, self.clock, self.folder = services, clock, folder
        with services.writing() as uow:
            ada, eve = factories.make_user(uow), factories.make_user(uow, "eve")
            project = factories.release(uow, ada, make_wheel(folder))
            factories.add_role(uow, project, eve, RoleName.MAINTAINER)
            self.draft_id = factories.stage(uow, ada, make_wheel(folder, version="2.0")).id

    def draft(self, uow: UnitOfWork) -> Draft:
        return uow.db.get_one(Draft, self.draft_id)

    def user(self, uow: UnitOfWork, name: str) -> User:
        return accounts.get_user(uow.db, name)

    def digest(self, uow: UnitOfWork) -> str:
        draft = self.draft(uow)
        return draft_contents.digest_of(draft, drafts.files(uow.db, draft))

    def schedule(self, by: str = "eve", *, is_embargoed: bool = False) -> datetime:
        """Set the draft to be published in an hour."""
        with self.services.writing() as uow:
            actor: Actor = OPERATOR if by == "operator" else present(uow, self.user(uow, by))
            at = uow.now + HOUR
            schedules.schedule(
                *(uow, actor, self.draft(uow), at, self.digest(uow)), is_embargoed=is_embargoed
            )
        return at

    def files(self) -> list[str]:
        with self.services.reading() as uow:
            return sorted(factories.public_filenames(uow, "example"))

    @property
    def is_published(self) -> bool:
        return "example-2.0-py3-none-any.whl" in self.files()

    def acts(self) -> list[tuple[str, str, str]]:
        with self.services.reading() as uow:
            rows = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id))
            return [(row.act, row.by, row.credential) for row in rows]

    def details(self) -> ScheduleDetails | None:
        with self.services.reading() as uow:
            return schedules.of_draft(uow, self.draft(uow), self.digest(uow))

    def states(self) -> list[str]:
        with self.services.reading() as uow:
            return list(uow.db.scalars(select(Schedule.state).order_by(Schedule.id)))


@pytest.fixture
def index(services: Services, clock: FakeClock, tmp_path: Path) -> Index:
    return Index(services, clock, tmp_path)


def test_it_is_published_at_the_time_and_not_before_and_once(index: Index) -> None:
    with index.services.writing() as uow:
        projects.get(uow, "example").auto_publish_releases = False
        index.draft(uow).expires = uow.now + HOUR / 2  # which the draft outlives
    at = index.schedule()
    index.clock.advance(HOUR - timedelta(seconds=1))
    do_due(index.services)
    assert not index.is_published
    details = index.details()
    assert details is not None
    assert (details.at, details.by, details.is_waiting, details.is_void) == (at, "eve", True, False)

    index.clock.advance(timedelta(seconds=1))
    with index.services.reading() as uow:
        (number,) = uow.db.scalars(select(Schedule.id))
    factories.at_once(
        *[lambda: schedules.carry_out(index.services, number) for _ in range(3)],
        lambda: do_due(index.services),
    )

    assert index.is_published
    assert index.states() == ["done"]
    with index.services.reading() as uow:
        release = catalogue.release(uow.db, projects.get(uow, "example"), "2.0")
        assert release is not None
        assert release.published == at
    published = [act for act in index.acts() if act[0] == "draft-publish"]
    assert [act[:2] for act in published] == [("draft-publish", "eve")]


def test_what_is_asked_again_then_is_refused_and_written_down(index: Index) -> None:
    def disable(uow: UnitOfWork) -> None:
        index.user(uow, "eve").disabled = uow.now

    def change(uow: UnitOfWork) -> None:
        ada = Person(index.user(uow, "ada"))
        wheel = make_wheel(index.folder, version="2.0", tag="py3-none-win_amd64")
        factories.upload(uow, ada, wheel, staged=True)

    def forget(uow: UnitOfWork) -> None:
        uow.db.delete(index.user(uow, "eve"))

    def want_two(uow: UnitOfWork) -> None:
        approvals.change_rules(uow, OPERATOR, projects.get(uow, "example"), Rules(2))

    def demote(uow: UnitOfWork) -> None:
        roles.take(uow, OPERATOR, projects.get(uow, "example"), "eve")

    def archive(uow: UnitOfWork) -> None:
        projects.archive(uow, Person(index.user(uow, "ada")), projects.get(uow, "example"))

    worlds: list[tuple[Callable[[UnitOfWork], None], str]] = [
        (change, "has changed since"),
        (want_two, "takes 2 approvals"),
        (archive, "archived"),
        (demote, "may not publish"),
        (disable, "disabled"),
        (forget, "disabled"),
    ]
    for number, (happens, why) in enumerate(worlds):
        index.schedule()
        with index.services.writing() as uow:
            happens(uow)
        waiting = index.details()
        assert waiting is not None
        assert waiting.is_void == (happens is change)
        index.clock.advance(HOUR)
        do_due(index.services)
        assert not index.is_published
        refused = index.details()
        assert refused is not None
        assert not refused.is_waiting
        assert why in " ".join(refused.reasons)
        assert index.acts()[-1] == ("draft-miss", "schedule", "job")
        assert index.states() == ["refused"] * (number + 1)
        _mend(index)
    index.schedule()
    index.clock.advance(HOUR)
    do_due(index.services)
    assert index.is_published


@pytest.mark.parametrize("with_factor", [True, False])
def test_what_was_shown_is_judged_by_what_the_project_wants_then(
    index: Index, *, with_factor: bool
) -> None:
    with index.services.writing() as uow:
        projects.get(uow, "example").auto_publish_releases = True
        shown = timedelta(0) if with_factor else None
        eve, at = present(uow, index.user(uow, "eve"), shown=shown), uow.now + HOUR
        schedules.schedule(uow, eve, index.draft(uow), at, index.digest(uow))
        projects.get(uow, "example").auto_publish_releases = False
    index.clock.advance(HOUR)
    do_due(index.services)
    assert index.is_published == with_factor
    details = index.details()
    assert ("second factor" in str(details and details.reasons)) != with_factor


def test_what_is_reviewed_then_keeps_what_was_shown(index: Index) -> None:
    with index.services.writing() as uow:
        projects.get(uow, "example").auto_publish_releases = False
    index.schedule()
    index.clock.advance(HOUR)
    reviewed = replace(index.services.settings, review_command="true")
    do_due(replace(index.services, settings=reviewed))
    assert index.is_published


def _mend(index: Index) -> None:
    """Let eve publish again, where that can be."""
    with index.services.writing() as uow:
        project = projects.get(uow, "example")
        project.archived = False
        project.approvals_needed = 0
        eve = accounts.find_user(uow.db, "eve") or factories.make_user(uow, "eve")
        eve.disabled = None
        uow.db.flush()
        if eve.id not in {role.user_id for role in project.roles}:
            factories.add_role(uow, project, eve, RoleName.MAINTAINER)


def test_who_may_set_a_time_and_which(index: Index) -> None:
    with index.services.writing() as uow:
        draft, digest, eve = index.draft(uow), index.digest(uow), index.user(uow, "eve")
        project, now = projects.get(uow, "example"), uow.now
        stranger = present(uow, factories.make_user(uow, "stranger"))
        token = tokens.actor_of_token(uow, factories.make_token(uow, eve))
        person = present(uow, eve)
        latest = draft.opened + uow.settings.draft_lifetime_max

        def refused(kind: type[Exception], actor: Actor, at: datetime = now + HOUR) -> str:
            with pytest.raises(kind) as caught:
                schedules.schedule(uow, actor, draft, at, digest)
            assert draft.scheduled is None
            return str(caught.value)

        refused(NotAllowed, stranger)
        refused(PersonPublishes, token)
        assert "is past" in refused(InvalidRequest, person, now)
        assert "at the longest" in refused(InvalidRequest, person, latest + timedelta(seconds=1))
        refused(InvalidRequest, person, datetime.max.replace(tzinfo=now.tzinfo))
        with pytest.raises(DraftChanged):
            schedules.schedule(uow, person, draft, now + HOUR, f"sha256:{'0' * 64}")
        project.reauthenticate_to_publish = True
        refused(NotConfirmed, Person(eve))
        project.auto_publish_releases = False
        refused(FactorNotFresh, present(uow, eve, shown=timedelta(minutes=5)))
        with pytest.raises(InvalidRequest, match="not to be published by itself"):
            schedules.cancel(uow, person, draft)
        schedules.schedule(uow, person, draft, latest, digest)
        assert draft.expires > latest
        empty = factories.open_new(uow, eve, "example", "3.0")
        content = draft_contents.digest_of(empty, ())
        with pytest.raises(InvalidRequest, match="no files"):
            schedules.schedule(uow, person, empty, now + HOUR, content)


def test_it_can_be_set_again_and_taken_back(index: Index) -> None:
    index.schedule()
    index.clock.advance(timedelta(minutes=30))
    index.schedule("operator")
    index.clock.advance(timedelta(minutes=30))
    do_due(index.services)
    assert (index.is_published, index.states()) == (False, ["canceled", "waiting"])
    with index.services.writing() as uow:
        schedules.cancel(uow, Person(index.user(uow, "ada")), index.draft(uow))
    assert index.details() is None
    index.schedule("operator")
    with index.services.writing() as uow:
        publishing.publish(uow, Person(index.user(uow, "eve")), index.draft(uow))
    index.clock.advance(HOUR)
    do_due(index.services)
    assert index.states() == ["canceled"] * 3
    with index.services.reading() as uow:
        states = set(uow.db.scalars(select(Job.state).where(Job.kind == jobs.Kind.PUBLISH)))
    assert states == {"done"}


def test_tried_too_early_it_waits(index: Index) -> None:
    index.schedule()
    with index.services.writing() as uow:
        number = uow.db.scalars(select(Job.id).where(Job.kind == jobs.Kind.PUBLISH)).one()
        jobs.retry(uow, OPERATOR, number)
    for _ in range(2):
        taken = jobs.take(index.services, [jobs.Kind.PUBLISH])
        if taken is not None:
            background.do(index.services, taken)
    assert not index.is_published
    index.clock.advance(HOUR)
    do_due(index.services)
    assert index.is_published


def test_an_embargo_is_another_address_for_members(index: Index) -> None:
    with index.services.writing() as uow:
        draft, ada = index.draft(uow), Person(index.user(uow, "ada"))
        release_set = release_sets.add(uow, ada, draft, release_sets.Reference("together"))
        before, of_set = draft.slug, (release_set.key, release_set.slug)
    index.schedule(is_embargoed=True)
    with index.services.writing() as uow:
        draft = index.draft(uow)
        assert draft.slug != before
        # The address of the set would open the draft, too.
        found = release_sets.by_key(uow.db, of_set[0])
        assert found is not None
        assert found.slug != of_set[1]
        assert draft.members_only
        ada = Person(index.user(uow, "ada"))
        schedules.cancel(uow, ada, draft)
        assert draft.members_only
        with pytest.raises(NotAllowed):
            schedules.set_members_only(uow, OPERATOR, draft, members_only=False)
        for _ in range(2):
            schedules.set_members_only(uow, ada, draft, members_only=False)
    assert [act[0] for act in index.acts()][-3:] == [
        *("draft-schedule", "draft-unschedule", "draft-members"),
    ]


def test_who_sets_the_time_approves(index: Index) -> None:
    with index.services.writing() as uow:
        approvals.change_rules(uow, OPERATOR, projects.get(uow, "example"), Rules(1))
    index.schedule()
    index.clock.advance(HOUR)
    do_due(index.services)
    assert index.is_published
    with index.services.reading() as uow:
        project = catalogue.find(uow.db, "example")
        assert project is not None
        release = catalogue.find_release(uow.db, project.id, "2.0")
        assert release is not None
        assert approvals.approvers(uow.db, release) == ("eve",)


def test_a_time_that_was_missed_is_made_up_for(index: Index) -> None:
    index.schedule()
    index.clock.advance(HOUR + timedelta(hours=20))  # the index was down
    do_due(index.services)
    assert index.is_published
    assert index.states() == [ScheduleState.DONE]
