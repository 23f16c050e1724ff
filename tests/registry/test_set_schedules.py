"""Publishing a release set at a time that was set: all of it once, as it was looked at, or none."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import (
    Approval,
    AuditEntry,
    Draft,
    DraftEvent,
    ReleaseSet,
    ReleaseSetEvent,
    RoleName,
    Schedule,
    SetState,
    User,
)
from greenroom.registry import (
    accounts,
    approvals,
    drafts,
    projects,
    publishing,
    release_sets,
    roles,
    schedules,
    set_schedules,
    tokens,
)
from greenroom.registry.approvals import Rules, Standing
from greenroom.registry.errors import (
    BeingReviewed,
    DraftChanged,
    Ended,
    FactorNotFresh,
    InvalidRequest,
    NotAllowed,
    NotConfirmed,
    NotFound,
    PersonPublishes,
)
from greenroom.registry.permissions import OPERATOR, TOKEN_PERMISSIONS, Actor, Person
from greenroom.registry.release_sets import Reference, SetDetails
from greenroom.registry.schedule_rows import ScheduleDetails
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.factories import present
from tests.jobs import do_due
from tests.registry.test_approvals import approve, digest

HOUR = timedelta(hours=1)
NAMES = ("alpha", "beta")


class Index:
    """A set of ada's with drafts of two projects, on which eve works as well."""

    def __init__(self, services: Services, clock: FakeClock, folder: Path) -> None:
        self.services, self.clock, self.folder = services, clock, folder
        with services.writing() as uow:
            ada, eve = factories.make_user(uow), factories.make_user(uow, "eve")
            self.id = release_sets.create(uow, Person(ada), "all").id
            for name in NAMES:
                project = factories.release(uow, ada, make_wheel(folder, name))
                factories.add_role(uow, project, eve, RoleName.MAINTAINER)
                self.stage(uow, name)
                release_sets.add(uow, Person(ada), self.draft(uow, name), Reference("all"))

    def stage(self, uow: UnitOfWork, name: str, tag: str = "py3-none-any", of: str = "ada") -> None:
        wheel = make_wheel(self.folder, name, version="2.0", tag=tag)
        factories.upload(uow, Person(self.user(uow, of)), wheel, staged=True)

    def draft(self, uow: UnitOfWork, name: str) -> Draft:
        found = factories.find_draft(uow, name, "2.0")
        assert found is not None
        return found

    def user(self, uow: UnitOfWork, name: str) -> User:
        return accounts.get_user(uow.db, name)

    def the_set(self, uow: UnitOfWork) -> ReleaseSet:
        return uow.db.get_one(ReleaseSet, self.id)

    def of_set(self, uow: UnitOfWork) -> SetDetails:
        return release_sets.details(uow, OPERATOR, self.the_set(uow))

    def schedule(
        self, by: str = "eve", *, after: timedelta = HOUR, is_embargoed: bool = False
    ) -> datetime:
        """Set the set to be published, in an hour mostly."""
        with self.services.writing() as uow:
            actor: Actor = OPERATOR if by == "operator" else present(uow, self.user(uow, by))
            at, of_set = uow.now + after, self.of_set(uow).content_digest
            set_schedules.schedule(
                *(uow, actor, self.the_set(uow), at, of_set), is_embargoed=is_embargoed
            )
        return at

    def cancel(self, by: str = "ada") -> None:
        with self.services.writing() as uow:
            set_schedules.cancel(uow, Person(self.user(uow, by)), self.the_set(uow))

    def wait(self, services: Services | None = None) -> None:
        """An hour later, what is due is done."""
        self.clock.advance(HOUR)
        do_due(services or self.services)

    def details(self, viewer: Actor = OPERATOR) -> ScheduleDetails | None:
        with self.services.reading() as uow:
            of_set = self.of_set(uow).content_digest
            return set_schedules.of_set(uow, viewer, self.the_set(uow), of_set)

    def doubts(self) -> str:
        found = self.details()
        assert found is not None
        assert found.is_waiting
        return " ".join(found.doubts)

    def reasons(self) -> str:
        found = self.details()
        assert found is not None
        assert not found.is_waiting
        return " ".join(found.reasons)

    def public(self) -> set[int]:
        """How many files of each project are public."""
        with self.services.reading() as uow:
            return {len(factories.public_filenames(uow, name)) for name in NAMES}

    def acts(self) -> list[tuple[str, str]]:
        with self.services.reading() as uow:
            rows = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id))
            return [(row.act, row.by) for row in rows]

    def states(self) -> list[str]:
        with self.services.reading() as uow:
            return list(uow.db.scalars(select(Schedule.state).order_by(Schedule.id)))


@pytest.fixture
def index(services: Services, clock: FakeClock, tmp_path: Path) -> Index:
    return Index(services, clock, tmp_path)


def person_publishes(index: Index, name: str = "beta") -> None:
    with index.services.writing() as uow:
        projects.get(uow, name).auto_publish_releases = False


def test_it_is_published_at_the_time_and_not_before_and_once(index: Index) -> None:
    person_publishes(index)
    with index.services.writing() as uow:
        index.draft(uow, "beta").expires = uow.now + HOUR / 2  # which the draft outlives
    at = index.schedule()
    index.clock.advance(HOUR - timedelta(seconds=1))
    do_due(index.services)
    found = index.details()
    assert found is not None
    assert (found.at, found.by, found.is_waiting, found.is_void) == (at, "eve", True, False)
    assert found.doubts == ()
    assert index.public() == {1}

    index.clock.advance(timedelta(seconds=1))
    with index.services.reading() as uow:
        (number,) = uow.db.scalars(select(Schedule.id))
    factories.at_once(
        *[lambda: set_schedules.carry_out(index.services, number) for _ in range(3)],
        lambda: do_due(index.services),
    )

    assert index.public() == {2}
    assert index.states() == ["done"]
    assert [act for act in index.acts() if act[0] == "set-publish"] == [("set-publish", "eve")]
    with index.services.reading() as uow:
        assert index.the_set(uow).ended == at
        assert index.of_set(uow).scheduled is None
    assert index.details() is None


def demote(index: Index, uow: UnitOfWork) -> None:
    for name in NAMES:
        roles.take(uow, OPERATOR, projects.get(uow, name), "eve")


def demote_in_one(index: Index, uow: UnitOfWork) -> None:
    roles.take(uow, OPERATOR, projects.get(uow, "beta"), "eve")


def disable(index: Index, uow: UnitOfWork) -> None:
    index.user(uow, "eve").disabled = uow.now


def forget(index: Index, uow: UnitOfWork) -> None:
    uow.db.delete(index.user(uow, "eve"))


def want_two(index: Index, uow: UnitOfWork) -> None:
    approvals.change_rules(uow, OPERATOR, projects.get(uow, "beta"), Rules(2))


def archive(index: Index, uow: UnitOfWork) -> None:
    projects.archive(uow, Person(index.user(uow, "ada")), projects.get(uow, "beta"))


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (demote, "may publish none of the drafts"),
        (demote_in_one, "beta 2.0: Nobody who may publish beta has said go"),
        (disable, "'eve' is disabled"),
        (forget, "'eve' is disabled"),
        (want_two, "beta 2.0: It takes 2 approvals"),
        (archive, "archived"),
    ],
)
def test_what_stands_in_the_way_shows_before_and_is_refused_then(
    index: Index, happens: Callable[[Index, UnitOfWork], None], why: str
) -> None:
    index.schedule()
    assert index.doubts() == ""
    with index.services.writing() as uow:
        happens(index, uow)
    assert why in index.doubts()
    index.wait()
    assert index.public() == {1}
    assert why in index.reasons()
    assert index.acts()[-1] == ("set-miss", "schedule")
    assert index.states() == ["refused"]
    with index.services.reading() as uow:
        newest = select(ReleaseSetEvent).order_by(ReleaseSetEvent.id.desc()).limit(1)
        event = uow.db.scalars(newest).one()
        assert (event.by, event.act) == ("schedule", set_schedules.MISSED)
        assert why in event.detail
        of_drafts = select(DraftEvent).where(DraftEvent.act == set_schedules.MISSED)
        assert {line.detail for line in uow.db.scalars(of_drafts)} == {
            "with the release set ada/all"
        }
        assert drafts.details(uow, index.draft(uow, "beta")).is_live


@pytest.mark.parametrize("with_factor", [True, False])
def test_what_was_shown_is_judged_by_what_each_project_wants_then(
    index: Index, *, with_factor: bool
) -> None:
    with index.services.writing() as uow:
        shown = timedelta(0) if with_factor else None
        eve, content = present(uow, index.user(uow, "eve"), shown=shown), index.of_set(uow)
        at = uow.now + HOUR
        set_schedules.schedule(uow, eve, index.the_set(uow), at, content.content_digest)
    person_publishes(index)
    assert ("second factor" in index.doubts()) != with_factor
    index.wait()
    assert index.public() == ({2} if with_factor else {1})


def change(index: Index, uow: UnitOfWork) -> None:
    index.stage(uow, "beta", "py3-none-win_amd64")


def take_out(index: Index, uow: UnitOfWork) -> None:
    ada = Person(index.user(uow, "ada"))
    release_sets.remove(uow, ada, index.the_set(uow), index.draft(uow, "beta"))


def publish_alone(index: Index, uow: UnitOfWork) -> None:
    publishing.publish(uow, Person(index.user(uow, "ada")), index.draft(uow, "beta"))


def discard(index: Index, uow: UnitOfWork) -> None:
    drafts.discard(uow, Person(index.user(uow, "ada")), index.draft(uow, "beta"))


def join(index: Index, uow: UnitOfWork) -> None:
    ada = index.user(uow, "ada")
    made = factories.stage(uow, ada, make_wheel(index.folder, "gamma"))
    release_sets.add(uow, Person(ada), made, Reference("all"))


def let_expire(index: Index, uow: UnitOfWork) -> None:
    index.draft(uow, "beta").expires = uow.now


@pytest.mark.parametrize("happens", [change, take_out, publish_alone, discard, join, let_expire])
def test_a_draft_that_changes_comes_or_goes_makes_the_time_void(
    index: Index, happens: Callable[[Index, UnitOfWork], None]
) -> None:
    index.schedule()
    with index.services.writing() as uow:
        happens(index, uow)
    found = index.details()
    assert found is not None
    assert (found.is_waiting, found.is_void) == (True, True)
    index.wait()
    assert index.states() == ["refused"]
    assert "does not have the content" in index.reasons()
    with index.services.reading() as uow:
        assert index.the_set(uow).state == SetState.OPEN
        assert len(factories.public_filenames(uow, "alpha")) == 1
    if happens is not let_expire:
        index.schedule("ada")
        index.wait()
        with index.services.reading() as uow:
            assert index.the_set(uow).state == SetState.PUBLISHED


def test_who_may_set_a_time_and_which(index: Index) -> None:
    with index.services.writing() as uow:
        the_set, eve, now = index.the_set(uow), index.user(uow, "eve"), uow.now
        content = index.of_set(uow).content_digest
        stranger = present(uow, factories.make_user(uow, "stranger"))
        token = factories.make_token(uow, eve, permissions=TOKEN_PERMISSIONS)
        draft = index.draft(uow, "alpha")
        draft.opened -= HOUR
        latest = draft.opened + uow.settings.draft_lifetime_max

        def refused(kind: type[Exception], actor: Actor, at: datetime = now + HOUR) -> str:
            with pytest.raises(kind) as caught:
                set_schedules.schedule(uow, actor, the_set, at, content)
            assert the_set.scheduled is None
            return str(caught.value)

        person = present(uow, eve)
        refused(NotFound, stranger)
        refused(PersonPublishes, tokens.actor_of_token(uow, token))
        assert "is past" in refused(InvalidRequest, person, now)
        late = refused(InvalidRequest, person, latest + timedelta(seconds=1))
        assert "The draft of alpha 2.0 lives until" in late
        with pytest.raises(DraftChanged):
            set_schedules.schedule(uow, person, the_set, now + HOUR, f"sha256:{'0' * 64}")
        projects.get(uow, "beta").reauthenticate_to_publish = True
        refused(NotConfirmed, Person(eve))
        projects.get(uow, "beta").auto_publish_releases = False
        refused(FactorNotFresh, present(uow, eve, shown=timedelta(minutes=5)))
        with pytest.raises(InvalidRequest, match="not to be published by itself"):
            set_schedules.cancel(uow, person, the_set)
        set_schedules.schedule(uow, person, the_set, latest, content)
        assert all(index.draft(uow, name).expires > latest for name in NAMES)
        with pytest.raises(NotFound):
            set_schedules.cancel(uow, stranger, the_set)


def test_there_is_something_to_publish(index: Index) -> None:
    with index.services.writing() as uow:
        eve = present(uow, index.user(uow, "eve"))
        empty = factories.open_new(uow, eve.user, "empty", "1.0")
        release_sets.add(uow, eve, empty, Reference("all", "ada"))
        at = uow.now + HOUR
        content = index.of_set(uow).content_digest
        with pytest.raises(InvalidRequest, match=r"empty 1\.0 has no files"):
            set_schedules.schedule(uow, eve, index.the_set(uow), at, content)
        bare = release_sets.create(uow, eve, "bare")
        content = release_sets.details(uow, eve, bare).content_digest
        with pytest.raises(InvalidRequest, match="no drafts"):
            set_schedules.schedule(uow, eve, bare, at, content)
        release_sets.discard(uow, eve, bare)
        with pytest.raises(Ended):
            set_schedules.schedule(uow, eve, bare, at, content)
        with pytest.raises(Ended):
            set_schedules.cancel(uow, eve, bare)


def test_it_can_be_set_again_taken_back_or_come_too_late(index: Index) -> None:
    index.schedule()
    index.clock.advance(HOUR / 2)
    index.schedule("operator")
    index.clock.advance(HOUR / 2)
    do_due(index.services)
    assert (index.public(), index.states()) == ({1}, ["canceled", "waiting"])
    index.cancel()
    assert index.details() is None
    index.schedule()
    with index.services.writing() as uow:
        publishing.publish_set(uow, Person(index.user(uow, "ada")), index.the_set(uow))
    index.wait()
    assert index.states() == ["canceled"] * 3
    assert index.public() == {2}


def test_it_ends_with_the_set(index: Index) -> None:
    index.schedule()
    with index.services.writing() as uow:
        release_sets.discard(uow, Person(index.user(uow, "ada")), index.the_set(uow))
    assert index.states() == ["canceled"]
    index.wait()
    assert (index.public(), index.states()) == ({1}, ["canceled"])


def test_a_draft_that_is_to_be_published_alone_before_is_said(index: Index) -> None:
    index.schedule(after=2 * HOUR)
    with index.services.writing() as uow:
        draft, eve = index.draft(uow, "beta"), present(uow, index.user(uow, "eve"))
        schedules.schedule(uow, eve, draft, uow.now + HOUR, digest(uow, draft))
    assert "beta 2.0 is to be published alone" in index.doubts()
    index.wait()
    found = index.details()
    assert found is not None
    assert found.is_void
    assert index.states() == ["waiting", "done"]


def test_the_others_say_go_before_or_after(index: Index) -> None:
    with index.services.writing() as uow:
        ada, kim = index.user(uow, "ada"), factories.make_user(uow, "kim")
        theirs = factories.stage(uow, kim, make_wheel(index.folder, "theirs"))
        factories.publish_directly(uow, "theirs")
        release_sets.invite(uow, Person(ada), index.the_set(uow), "theirs")
        release_sets.add(uow, Person(kim), theirs, Reference("all", "ada"))
    index.schedule("ada")
    assert "theirs 1.0: Nobody who may publish theirs has said go" in index.doubts()
    with index.services.writing() as uow:
        ada_token = factories.make_token(uow, index.user(uow, "eve"))
        eve = tokens.actor_of_token(uow, ada_token)
    # A token is told of the projects that it covers.
    told = index.details(eve)
    assert told is not None
    assert "theirs" not in " ".join(told.doubts)
    assert "1 draft of projects that this token does not cover" in " ".join(told.doubts)
    with index.services.writing() as uow:
        content = index.of_set(uow).content_digest
        kim = index.user(uow, "kim")
        publishing.say_go(uow, present(uow, kim), index.the_set(uow), content_digest=content)
    assert index.doubts() == ""
    index.wait()
    assert index.public() == {2}


def test_an_embargo_is_other_addresses_for_members(index: Index) -> None:
    with index.services.writing() as uow:
        kim = factories.make_user(uow, "kim")
        theirs = factories.stage(uow, kim, make_wheel(index.folder, "theirs"))
        release_sets.invite(uow, Person(index.user(uow, "ada")), index.the_set(uow), "theirs")
        release_sets.add(uow, Person(kim), theirs, Reference("all", "ada"))
        before = {index.draft(uow, name).slug for name in NAMES} | {index.the_set(uow).slug}
        of_kim, number = theirs.slug, theirs.id
    index.schedule(is_embargoed=True)
    with index.services.writing() as uow:
        own = [index.draft(uow, name) for name in NAMES]
        after = {draft.slug for draft in own} | {index.the_set(uow).slug}
        assert not before & after
        assert [draft.members_only for draft in own] == [True, True]
        theirs = uow.db.get_one(Draft, number)
        assert (theirs.slug, theirs.members_only) == (of_kim, False)
    index.cancel()
    with index.services.writing() as uow:
        assert index.draft(uow, "alpha").members_only
    acts = [act for act, _ in index.acts()]
    assert acts[-2:] == ["set-schedule", "set-unschedule"]


def test_what_is_reviewed_then_keeps_what_was_shown(index: Index) -> None:
    person_publishes(index)
    index.schedule()
    command = replace(index.services.settings, review_command="true")
    index.wait(replace(index.services, settings=command))
    assert index.public() == {2}


def test_it_is_not_taken_back_while_it_is_decided(index: Index) -> None:
    index.schedule()
    command = replace(index.services.settings, review_command="true")
    with replace(index.services, settings=command).writing() as uow:
        ada = Person(index.user(uow, "ada"))
        publishing.publish_set(uow, ada, index.the_set(uow))
        with pytest.raises(BeingReviewed):
            set_schedules.cancel(uow, ada, index.the_set(uow))
        at, content = uow.now + HOUR, index.of_set(uow).content_digest
        with pytest.raises(BeingReviewed):
            set_schedules.schedule(uow, ada, index.the_set(uow), at, content)


# Approvals that were given by setting a time


def standing(index: Index, by: str = "eve") -> list[tuple[Standing, bool]]:
    with index.services.reading() as uow:
        draft, eve = index.draft(uow, "beta"), Person(index.user(uow, by))
        found = approvals.of_draft(uow, eve, draft, drafts.files(uow.db, draft))
        return [(line.standing, line.is_with_time) for line in found.lines if line.by == by]


def want_one(index: Index) -> None:
    with index.services.writing() as uow:
        approvals.change_rules(uow, OPERATOR, projects.get(uow, "beta"), Rules(1))


def schedule_draft(index: Index, by: str = "eve") -> None:
    with index.services.writing() as uow:
        draft, who = index.draft(uow, "beta"), present(uow, index.user(uow, by))
        schedules.schedule(uow, who, draft, uow.now + HOUR, digest(uow, draft))


def cancel_draft(index: Index) -> None:
    with index.services.writing() as uow:
        schedules.cancel(uow, Person(index.user(uow, "ada")), index.draft(uow, "beta"))


@pytest.mark.parametrize("of", ["draft", "set"])
def test_an_approval_ends_with_the_time_that_it_came_with(index: Index, of: str) -> None:
    want_one(index)

    def schedule(by: str = "eve") -> None:
        if of == "draft":
            schedule_draft(index, by)
        else:
            index.schedule(by)

    def cancel() -> None:
        if of == "draft":
            cancel_draft(index)
        else:
            index.cancel()

    schedule()
    assert standing(index) == [(Standing.STANDS, True)]
    schedule("ada")  # in the place of eve's
    assert standing(index) == [(Standing.WITHDRAWN, True)]
    assert standing(index, "ada") == [(Standing.STANDS, True)]
    schedule()
    cancel()
    assert standing(index) == [(Standing.WITHDRAWN, True)]
    with index.services.reading() as uow:
        rows = uow.db.scalars(select(DraftEvent).where(DraftEvent.act == "ended the approval"))
        lines = [(row.by, row.detail.partition(",")[0]) for row in rows]
    assert lines == [("ada", "of eve"), ("eve", "of ada"), ("ada", "of eve")]
    assert [act for act in index.acts() if act[0] == "draft-withdraw"] == [
        *(("draft-withdraw", who) for who in ("ada", "eve", "ada"))
    ]
    # One that was given by hand stays.
    with index.services.writing() as uow:
        approve(uow, index.user(uow, "eve"), index.draft(uow, "beta"))
    schedule()
    cancel()
    assert (Standing.STANDS, False) in standing(index)


def test_one_by_hand_beside_one_with_a_time_stays(index: Index) -> None:
    want_one(index)
    index.schedule()
    schedule_draft(index)
    assert standing(index) == [(Standing.STANDS, True)] * 2
    with index.services.writing() as uow:
        approve(uow, index.user(uow, "eve"), index.draft(uow, "beta"))
    index.cancel()
    assert standing(index) == [
        *((Standing.WITHDRAWN, True), (Standing.STANDS, True), (Standing.STANDS, False)),
    ]
    with index.services.writing() as uow:
        eve = Person(index.user(uow, "eve"))
        approvals.withdraw(uow, eve, index.draft(uow, "beta"))
    assert {each[0] for each in standing(index)} == {Standing.WITHDRAWN}
    found = index.services
    with found.reading() as uow:
        draft = index.draft(uow, "beta")
        details = schedules.of_draft(uow, draft, digest(uow, draft))
    assert details is not None
    assert "approval" in " ".join(details.doubts)


def test_a_time_that_is_refused_takes_its_approvals_along(index: Index) -> None:
    want_one(index)
    index.schedule()
    with index.services.writing() as uow:
        archive(index, uow)
    index.wait()
    assert standing(index) == [(Standing.WITHDRAWN, True)]


def test_those_with_which_it_is_published_stay(index: Index) -> None:
    want_one(index)
    index.schedule()
    index.wait()
    with index.services.reading() as uow:
        given = uow.db.scalars(select(Approval)).one()
        assert (given.by, given.counted, given.withdrawn) == ("eve", True, None)


def test_those_that_were_published_by_hand_before_stay(index: Index) -> None:
    want_one(index)
    index.schedule()
    with index.services.writing() as uow:
        ada = Person(index.user(uow, "ada"))
        projects.get(uow, "beta").auto_publish_releases = True
        publishing.publish_set(uow, ada, index.the_set(uow))
    index.wait()
    with index.services.reading() as uow:
        given = uow.db.scalars(select(Approval)).one()
        assert (given.by, given.counted, given.withdrawn) == ("eve", True, None)
    assert index.states() == ["canceled"]


def test_who_may_take_it_back(index: Index) -> None:
    with index.services.writing() as uow:
        admin = factories.make_user(uow, "admin", administrator=True)
        assert admin.is_administrator
    index.schedule()
    with pytest.raises(NotAllowed):
        index.cancel("admin")
    index.cancel("eve")
    assert index.details() is None
