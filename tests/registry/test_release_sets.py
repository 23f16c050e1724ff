"""Release sets: who may do what, what is in one, and that all of it is published or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import (
    Approval,
    AuditEntry,
    Draft,
    DraftState,
    JournalEntry,
    ReleaseSet,
    RoleName,
    SetState,
)
from greenroom.registry import (
    accounts,
    approvals,
    catalogue,
    drafts,
    projects,
    publishing,
    release_sets,
    roles,
    set_approvals,
    set_members,
    tokens,
)
from greenroom.registry.approvals import Rules
from greenroom.registry.errors import (
    BeingReviewed,
    CannotPublish,
    DraftChanged,
    Ended,
    FactorNotFresh,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Refusal,
    SetConflict,
)
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.release_sets import Reference, reference
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock

NAME = Reference("2026.11")


def staged(uow: UnitOfWork, who: Person, folder: Path, *names: str) -> list[Draft]:
    return [factories.stage(uow, who, make_wheel(folder, name)) for name in names]


def gathered(uow: UnitOfWork, who: Person, *of: Draft) -> ReleaseSet:
    for draft in of:
        release_set = release_sets.add(uow, who, draft, NAME)
    return release_set


def digest(uow: UnitOfWork, release_set: ReleaseSet) -> str:
    return release_sets.details(uow, OPERATOR, release_set).content_digest


def names(uow: UnitOfWork, release_set: ReleaseSet) -> list[str]:
    return [m.project_name for m in release_sets.details(uow, OPERATOR, release_set).members]


def acts(uow: UnitOfWork, release_set: ReleaseSet) -> list[str]:
    return [line.act for line in reversed(release_sets.events(uow.db, release_set))]


def test_all_drafts_of_a_set_become_public_at_once_in_one_range_of_serials(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    factories.release(uow, ada, make_wheel(tmp_path, "other"))
    two, one = staged(uow, ada, tmp_path, "two", "one")
    release_set = gathered(uow, ada, two, one)
    assert set_members.title(release_set) == "ada/2026.11"
    assert names(uow, release_set) == ["one", "two"]
    seen = digest(uow, release_set)

    publishing.publish_set(uow, ada, release_set, content_digest=seen)

    assert (one.state, two.state, release_set.state) == ("published",) * 2 + ("published",)
    lines = uow.db.scalars(select(JournalEntry).order_by(JournalEntry.id)).all()
    mine = [line for line in lines if line.project_name in ("one", "two")]
    assert [line.id for line in mine] == list(range(mine[0].id, mine[0].id + len(mine)))
    assert len({line.at for line in mine}) == 1
    assert mine[0].project_name == "one"
    for name in ("one", "two"):
        assert factories.public_filenames(uow, name) == [f"{name}-1.0-py3-none-any.whl"]
    kinds = uow.db.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all()
    assert kinds[-3:] == ["draft-publish", "draft-publish", "set-publish"]

    again = publishing.publish_set(uow, ada, release_set, content_digest=seen)

    assert again is release_set
    assert uow.db.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all() == kinds
    with pytest.raises(DraftChanged, match="was published with the content"):
        publishing.publish_set(uow, ada, release_set, content_digest="sha256:" + 64 * "0")
    assert names(uow, release_set) == ["one", "two"]
    assert digest(uow, release_set) == seen


def test_every_reason_of_every_draft_is_told_and_nothing_happens(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    good, bad = staged(uow, ada, tmp_path, "good", "bad")
    empty = factories.open_new(uow, ada, "empty")
    drafts.remove_file(uow, ada, bad, "bad-1.0-py3-none-any.whl")
    release_set = gathered(uow, ada, good, bad, empty)
    before = factories.everything(uow)

    with pytest.raises(CannotPublish) as refused:
        publishing.publish_set(uow, ada, release_set)

    assert refused.value.details == (
        "bad 1.0: It has no files: upload one first.",
        "empty 1.0: It has no files: upload one first.",
    )
    assert factories.everything(uow) == before
    told = publishing.set_obstacles(uow, ada, release_set)
    assert {what for what, reasons in told.items() if reasons} == {"bad 1.0", "empty 1.0"}
    assert set(told) == {"bad 1.0", "empty 1.0", "good 1.0"}

    with pytest.raises(CannotPublish, match="no drafts"):
        publishing.publish_set(uow, ada, release_sets.create(uow, ada, "nothing"))


def test_a_set_that_is_not_what_was_looked_at_is_not_published(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    one, two = staged(uow, ada, tmp_path, "one", "two")
    release_set = gathered(uow, ada, one)
    seen = digest(uow, release_set)
    release_sets.add(uow, ada, two, NAME)
    with pytest.raises(DraftChanged, match=r"two 1\.0 changed last on"):
        publishing.publish_set(uow, ada, release_set, content_digest=seen)
    seen = digest(uow, release_set)
    release_sets.change(uow, ada, release_set, name="another")
    assert digest(uow, release_set) == seen
    factories.stage(uow, ada, make_wheel(tmp_path, "two", tag="py2-none-any"))
    assert digest(uow, release_set) != seen
    with pytest.raises(InvalidRequest, match="A content digest is"):
        publishing.publish_set(uow, ada, release_set, content_digest="sha256:")


def test_a_draft_is_in_one_set_and_leaves_it_however_it_ends(
    uow: UnitOfWork, ada: Person, tmp_path: Path, clock: FakeClock
) -> None:
    one, two, three, four = staged(uow, ada, tmp_path, "one", "two", "three", "four")
    release_set = gathered(uow, ada, one, two, three, four)
    assert release_sets.add(uow, ada, one, Reference("2026.11", "ADA")) is release_set
    with pytest.raises(SetConflict, match=r"is in the release set 'ada/2026\.11'"):
        release_sets.add(uow, ada, one, Reference("other"))

    release_sets.remove(uow, ada, release_set, one)
    drafts.discard(uow, ada, two)
    publishing.publish(uow, ada, three)
    assert names(uow, release_set) == ["four"]
    with pytest.raises(NotFound):
        release_sets.remove(uow, ada, release_set, one)
    assert acts(uow, release_set) == [
        *("created", "added", "added", "added", "added"),
        *("removed", "discarded", "published alone"),
    ]
    release_sets.add(uow, ada, one, Reference("other"))
    assert [s.title for s in release_sets.all_open(uow)] == ["ada/2026.11", "ada/other"]


def test_drafts_of_a_set_that_wants_so_are_published_together_only(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    [one] = staged(uow, ada, tmp_path, "one")
    release_set = gathered(uow, ada, one)
    release_sets.change(uow, ada, release_set, only_together=True)

    assert "'ada/2026.11'" in publishing.obstacles(uow, one)[0]
    with pytest.raises(CannotPublish, match=r"in the release set 'ada/2026\.11'"):
        publishing.publish(uow, ada, one)
    assert one.project is not None
    token = factories.make_token(uow, ada.user, project=one.project, permissions=["publish"])
    with pytest.raises(CannotPublish, match="in a release set, whose drafts"):
        publishing.publish(uow, tokens.actor_of_token(uow, token), one)
    assert publishing.set_obstacles(uow, ada, release_set) == {"one 1.0": ()}
    publishing.publish_set(uow, ada, release_set)
    assert one.state == DraftState.PUBLISHED


@dataclass
class Apart:
    """A set of ada's project and of eve's, who have none in common."""

    release_set: ReleaseSet
    of_ada: Draft
    of_eve: Draft


@pytest.fixture
def apart(uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path) -> Apart:
    [of_ada] = staged(uow, ada, tmp_path, "adas")
    [of_eve] = staged(uow, eve, tmp_path, "eves")
    release_set = gathered(uow, ada, of_ada)
    named = Reference("2026.11", "ada")
    with pytest.raises(NotFound, match="takes drafts of eves"):
        release_sets.add(uow, eve, of_eve, named)
    release_sets.invite(uow, ada, release_set, "EVES")
    assert release_sets.add(uow, eve, of_eve, named) is release_set
    return Apart(release_set, of_ada, of_eve)


def test_each_owner_lets_their_drafts_go_and_the_last_one_publishes(
    uow: UnitOfWork, ada: Person, eve: Person, apart: Apart, tmp_path: Path
) -> None:
    release_set = apart.release_set
    with pytest.raises(CannotPublish) as refused:
        publishing.publish_set(uow, ada, release_set)
    assert refused.value.details == (
        "eves 1.0: Nobody who may publish eves has said go to what it has now.",
    )
    seen = digest(uow, release_set)
    assert publishing.say_go(uow, eve, release_set, content_digest=seen) == ["eves 1.0"]
    # A change voids it.
    factories.stage(uow, eve, make_wheel(tmp_path, "eves", tag="py2-none-any"))
    with pytest.raises(DraftChanged):
        publishing.say_go(uow, eve, release_set, content_digest=seen)
    with pytest.raises(CannotPublish):
        publishing.publish_set(uow, ada, release_set)
    publishing.say_go(uow, eve, release_set, content_digest=digest(uow, release_set))
    # So does the loss of the role of whoever said so.
    mal = factories.make_user(uow, "mal")
    assert apart.of_eve.project is not None
    factories.add_role(uow, apart.of_eve.project, mal, RoleName.OWNER)
    roles.take(uow, OPERATOR, apart.of_eve.project, "eve")
    with pytest.raises(CannotPublish):
        publishing.publish_set(uow, ada, release_set)
    now = digest(uow, release_set)
    publishing.say_go(uow, Person(mal), release_set, content_digest=now)

    publishing.publish_set(uow, ada, release_set, content_digest=now)

    assert factories.public_filenames(uow, "adas")
    by = dict(uow.db.execute(select(JournalEntry.project_name, JournalEntry.by)).all())
    assert by == {"adas": "ada", "eves": "mal"}
    with pytest.raises(NotFound):
        publishing.publish_set(uow, eve, release_set)


def test_a_set_belongs_to_those_who_work_on_it(
    uow: UnitOfWork, ada: Person, eve: Person, apart: Apart, tmp_path: Path
) -> None:
    """Each act by each kind of actor."""
    release_set = apart.release_set
    uow.db.flush()
    bob = Person(factories.make_user(uow, "bob"))
    both = Person(factories.make_user(uow, "both"))
    root = Person(factories.make_user(uow, "root", administrator=True), why="Asked.")
    for draft in (apart.of_ada, apart.of_eve):
        assert draft.project is not None
        factories.add_role(uow, draft.project, both.user, RoleName.MAINTAINER)
    assert apart.of_ada.project is not None

    def token(user: Person, **limits: object) -> Actor:
        return tokens.actor_of_token(uow, factories.make_token(uow, user.user, **limits))  # type: ignore[arg-type]

    actors: dict[str, Actor] = {
        "nobody": ANONYMOUS,
        "stranger": bob,
        "administrator": root,
        "operator": OPERATOR,
        "owner of the set": ada,
        "of one project": eve,
        "of both": both,
        "token of both": token(both),
        "token of one of both": token(both, project=apart.of_ada.project),
        "token of both that stages": token(both, permissions=["stage"]),
        "token that reads": token(both, permissions=["read"]),
    }
    others = staged(uow, both, tmp_path, "third")
    todo: dict[str, Callable[[Actor], object]] = {
        "see": lambda actor: release_sets.open_for(uow, actor, Reference("2026.11", "ada")),
        "add": lambda actor: release_sets.add(uow, actor, others[0], Reference("2026.11", "ada")),
        "remove": lambda actor: release_sets.remove(uow, actor, release_set, apart.of_eve),
        "rename": lambda actor: release_sets.change(uow, actor, release_set, name="x"),
        "invite": lambda actor: release_sets.invite(uow, actor, release_set, "fourth"),
        "rotate": lambda actor: release_sets.rotate(uow, actor, release_set),
        "go": lambda actor: publishing.say_go(
            uow, actor, release_set, content_digest=digest(uow, release_set)
        ),
        "publish": lambda actor: publishing.publish_set(uow, actor, release_set),
        "discard": lambda actor: release_sets.discard(uow, actor, release_set),
        "discard all": lambda actor: release_sets.discard(
            uow, actor, release_set, with_drafts=True
        ),
    }
    found: dict[str, set[str]] = {}
    for who, actor in actors.items():
        for act, do in todo.items():
            nested = uow.db.begin_nested()
            try:
                do(actor)
            except (NotAllowed, NotFound):
                pass
            except CannotPublish:
                found.setdefault(who, set()).add(f"{act}?")  # it may, and has to wait for others
            else:
                found.setdefault(who, set()).add(act)
            nested.rollback()
            uow.db.expire_all()

    run = {"rename", "invite"}
    assert found == {
        "administrator": {"see", "discard", "discard all"},
        "operator": {"see", *run, "rotate", "publish", "discard", "discard all"},
        "owner of the set": {"see", "remove", *run, "rotate", "go", "publish?", "discard"},
        "of one project": {"see", "remove", "rotate", "go", "publish?"},
        "of both": {"see", "add", "remove", *run, "rotate", "go", "publish"}
        | {"discard", "discard all"},
        "token of both": {"see", "add", "remove", *run, "rotate", "go", "publish"}
        | {"discard", "discard all"},
        "token of one of both": {"see", "rotate", "go", "publish?"},
        "token of both that stages": {"see", "add", "remove", "rotate"},
    }


def test_who_loses_a_role_loses_the_address(
    uow: UnitOfWork, ada: Person, eve: Person, apart: Apart
) -> None:
    release_set, slugs = apart.release_set, [apart.release_set.slug]
    assert apart.of_ada.project is not None

    def changed() -> bool:
        uow.db.refresh(release_set)
        slugs.append(release_set.slug)
        return slugs[-1] != slugs[-2]

    factories.add_role(uow, apart.of_ada.project, factories.make_user(uow, "bob"), RoleName.OWNER)
    assert not changed()
    roles.take(uow, ada, apart.of_ada.project, "bob")
    assert changed()
    release_sets.rotate(uow, eve, release_set)
    assert changed()
    # A project leaves whose people work on no other one.
    release_sets.remove(uow, ada, release_set, apart.of_eve)
    assert changed()
    release_sets.uninvite(uow, ada, release_set, "eves")
    assert changed()
    drafts.discard(uow, ada, apart.of_ada)  # nobody is left to be kept from anything
    assert not changed()
    assert not release_sets.may_see(uow, eve, release_set)
    assert release_sets.may_see(uow, ada, release_set)
    assert release_sets.by_slug(uow.db, slugs[-1]) is release_set
    assert release_sets.by_slug(uow.db, slugs[0]) is None


def test_a_set_is_discarded_with_its_drafts_or_without(
    uow: UnitOfWork, ada: Person, eve: Person, apart: Apart, tmp_path: Path
) -> None:
    with pytest.raises(NotAllowed, match="may not discard in project 'eves'"):
        release_sets.discard(uow, ada, apart.release_set, with_drafts=True)
    assert drafts.is_live(uow, apart.of_ada)
    assert release_sets.discard(uow, ada, apart.release_set) == 0
    assert release_sets.discard(uow, ada, apart.release_set) == 0
    assert drafts.is_live(uow, apart.of_ada)
    with pytest.raises(Ended):
        publishing.publish_set(uow, ada, apart.release_set)
    again = gathered(uow, ada, apart.of_ada)  # the name is free
    assert again is not apart.release_set
    assert release_sets.discard(uow, ada, again, with_drafts=True) == 1
    assert apart.of_ada.state == DraftState.DISCARDED
    assert drafts.is_live(uow, apart.of_eve)


def test_empty_sets_end_and_expired_drafts_leave(
    uow: UnitOfWork, services: Services, ada: Person, tmp_path: Path, clock: FakeClock
) -> None:
    [one] = staged(uow, ada, tmp_path, "one")
    release_set = gathered(uow, ada, one)
    clock.advance(uow.settings.draft_lifetime)
    later = services.unit_of_work(uow.db)
    assert names(later, release_set) == []
    assert drafts.expire(later, one)
    assert acts(later, release_set)[-1] == "expired"
    assert release_sets.expire(later) == 0
    clock.advance(uow.settings.draft_lifetime_max + timedelta(seconds=1))
    later = services.unit_of_work(uow.db)
    assert release_sets.expire(later) == 1
    assert release_set.state == SetState.EXPIRED
    assert release_sets.expire(later) == 0


def test_names_and_limits(
    uow: UnitOfWork, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reference("Ada/2026.11") == Reference("2026.11", "Ada")
    for text in ("", "/", "a/", "/a", "a/b/c", "é", "a b", "-a", "a" * 61, "a\0", "../x", "a\n/b"):
        with pytest.raises(InvalidRequest):
            reference(text)
    release_sets.create(uow, ada, "one")
    with pytest.raises(SetConflict, match="is open"):
        release_sets.create(uow, ada, "ONE")
    with pytest.raises(NotAllowed):
        release_sets.create(uow, OPERATOR, "x")
    monkeypatch.setattr(release_sets, "MOST_SETS", 1)
    with pytest.raises(SetConflict, match="as many as an account"):
        release_sets.create(uow, ada, "two")
    monkeypatch.setattr(release_sets, "MOST_DRAFTS", 1)
    one, two = staged(uow, ada, tmp_path, "one", "two")
    release_set = release_sets.add(uow, ada, one, Reference("one"))
    with pytest.raises(SetConflict, match="as many as a set"):
        release_sets.add(uow, ada, two, Reference("one"))
    other = release_set.name
    monkeypatch.setattr(release_sets, "MOST_SETS", 9)
    three = release_sets.create(uow, ada, "three")
    with pytest.raises(SetConflict, match="is open"):
        release_sets.change(uow, ada, three, name=other.upper())


def test_where_publications_are_reviewed_all_pass_or_none_is_published(
    services: Services, tmp_path: Path
) -> None:
    settings = replace(services.settings, review_command="/bin/true")
    reviewed = Services(services.database, services.storage, settings, services.clock)

    def decide(draft_id: int, *, passed: bool) -> None:
        with reviewed.writing() as uow:
            draft = factories.get_draft(uow, draft_id)
            publishing.finish_review(uow, draft, passed=passed, notices=["said so"])

    with reviewed.writing() as uow:
        ada = Person(factories.make_user(uow))
        one, two = staged(uow, ada, tmp_path, "one", "two")
        release_set = gathered(uow, ada, one, two)
        publishing.publish_set(uow, ada, release_set)
        assert release_set.in_review
        first, second = one.id, two.id
        with pytest.raises(BeingReviewed):
            release_sets.remove(uow, ada, release_set, one)
        with pytest.raises(BeingReviewed):
            release_sets.discard(uow, ada, release_set)
        [third] = staged(uow, ada, tmp_path, "three")
        with pytest.raises(BeingReviewed):
            release_sets.add(uow, ada, third, NAME)
        number = release_set.id
    decide(first, passed=True)
    with reviewed.writing() as uow:
        assert [draft.id for draft in publishing.in_review(uow)] == [second]
        assert not publishing.take_review(uow, factories.get_draft(uow, first))
    decide(second, passed=False)
    with reviewed.writing() as uow:
        release_set = uow.db.get_one(ReleaseSet, number)
        assert [factories.get_draft(uow, each).review for each in (first, second)] == [
            None,
            "error",
        ]
        assert not release_set.in_review
        publishing.publish_set(uow, Person(accounts.get_user(uow.db, "ada")), release_set)
    decide(second, passed=True)
    decide(first, passed=True)
    with reviewed.reading() as uow:
        assert uow.db.get_one(ReleaseSet, number).state == SetState.PUBLISHED
        assert factories.public_filenames(uow, "one")
        assert factories.public_filenames(uow, "two")
        assert publishing.in_review(uow) == []


def test_a_project_of_a_set_that_wants_confirmation_gets_it(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    [one] = staged(uow, ada, tmp_path, "one")
    release_set = gathered(uow, ada, one)
    settings = ProjectSettings(auto_publish_releases=False, reauthenticate_to_publish=True)
    assert one.project is not None
    projects.change_settings(uow, ada, one.project, settings)
    with pytest.raises(Refusal, match="Confirm who you are"):
        publishing.publish_set(uow, ada, release_set)
    assert catalogue.find(uow.db, "one") is None


@dataclass
class Round:
    """A set of two drafts, and a third one, on which several act at once."""

    services: Services
    number: int
    set_id: int
    ids: list[int]

    @property
    def named(self) -> Reference:
        return Reference(f"round-{self.number}")

    def act(self, do: Callable[[UnitOfWork, Person, ReleaseSet], object]) -> str:
        try:
            with self.services.writing() as uow:
                ada = Person(accounts.get_user(uow.db, "ada"))
                do(uow, ada, uow.db.get_one(ReleaseSet, self.set_id))
        except Refusal as refusal:
            return refusal.code
        return "done"

    def publish_all(self) -> str:
        return self.act(publishing.publish_set)

    def discard_first(self) -> str:
        return self.act(lambda uow, ada, _: drafts.discard(uow, ada, self.draft(uow, 0)))

    def publish_second(self) -> str:
        return self.act(lambda uow, ada, _: publishing.publish(uow, ada, self.draft(uow, 1)))

    def add_third(self) -> str:
        return self.act(
            lambda uow, ada, _: release_sets.add(uow, ada, self.draft(uow, 2), self.named)
        )

    def draft(self, uow: UnitOfWork, which: int) -> Draft:
        return factories.get_draft(uow, self.ids[which])


def begin_round(services: Services, folder: Path, number: int) -> Round:
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        found = staged(uow, ada, folder / str(number), *(f"{n}-{number}" for n in "abc"))
        for draft in found[:2]:
            release_set = release_sets.add(uow, ada, draft, Reference(f"round-{number}"))
        return Round(services, number, release_set.id, [draft.id for draft in found])


def test_whatever_is_done_to_its_drafts_meanwhile_a_set_is_published_as_it_is_then(
    services: Services, tmp_path: Path
) -> None:
    with services.writing() as uow:
        factories.make_user(uow)
    for number in range(6):
        this = begin_round(services, tmp_path, number)

        whole, discarded, added, alone = factories.at_once(
            this.publish_all, this.discard_first, this.add_third, this.publish_second
        )

        with services.reading() as uow:
            release_set = uow.db.get_one(ReleaseSet, this.set_id)
            states = [this.draft(uow, which).state for which in range(3)]
            there = {each.project_name[0] for each in release_sets.drafts_of(uow, release_set)}
        assert discarded in ("done", "draft-ended")
        assert states[0] == ("discarded" if discarded == "done" else "published")
        assert (added, alone, states[1]) == ("done", "done", "published")
        if whole == "done":
            assert release_set.state == SetState.PUBLISHED
            public = {n for n, state in zip("abc", states, strict=True) if state == "published"}
            assert there <= public
            assert ("c" in there) == (states[2] == "published")
        else:  # all that was in it had gone
            assert (whole, release_set.state) == ("cannot-publish", SetState.OPEN)


def test_one_act_approves_of_all_drafts_that_somebody_may_approve_of(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    by_ada = staged(uow, ada, tmp_path, "one", "two")
    [by_eve] = staged(uow, eve, tmp_path, "three")
    for draft in by_ada:
        assert draft.project is not None
        factories.add_role(uow, draft.project, eve.user, RoleName.MAINTAINER)
        approvals.change_rules(uow, OPERATOR, draft.project, Rules(1, by_others=True))
    release_set = gathered(uow, ada, *by_ada)
    release_sets.invite(uow, ada, release_set, "three")
    release_sets.add(uow, eve, by_eve, reference("ada/2026.11"))
    seen = digest(uow, release_set)
    fresh = factories.present(uow, eve.user)
    known = set_approvals.standings(uow, fresh, release_set)
    for who, refusal in (
        (eve, FactorNotFresh),
        (factories.present(uow, factories.make_user(uow, "bob")), NotFound),
        (ANONYMOUS, NotFound),
        (OPERATOR, NotAllowed),
    ):
        with pytest.raises(refusal):
            set_approvals.approve(uow, who, release_set, seen, known)
    with pytest.raises(DraftChanged):
        set_approvals.approve(uow, fresh, release_set, f"sha256:{'0' * 64}", known)
    own = factories.present(uow, ada.user)
    with pytest.raises(NotAllowed, match="has staged some of the files"):
        set_approvals.approve(uow, own, release_set, seen, {})
    assert uow.db.scalars(select(Approval)).all() == []

    for _ in range(2):
        given = set_approvals.approve(uow, fresh, release_set, seen, known)

    assert given.approved == ("one 1.0", "three 1.0", "two 1.0")
    assert (given.left_out, len(uow.db.scalars(select(Approval)).all())) == ({}, 3)
    stands = set_approvals.of_set(uow, ada, release_set)
    assert {what: (each.counted, each.missing) for what, each in stands.items()} == {
        "one 1.0": (1, 0),
        "two 1.0": (1, 0),
    }
    acts_of_eve = [e.act for e in release_sets.events(uow.db, release_set) if e.by == "eve"]
    assert acts_of_eve[:3] == ["approved"] * 3
    factories.stage(uow, ada, make_wheel(tmp_path, "one", tag="py2-none-any"))
    assert set_approvals.of_set(uow, ada, release_set)["one 1.0"].missing == 1
    with pytest.raises(DraftChanged):
        set_approvals.approve(uow, fresh, release_set, seen, known)
    release_sets.discard(uow, ada, release_set)
    with pytest.raises(Ended):
        set_approvals.approve(uow, ada, release_set, seen, known)
