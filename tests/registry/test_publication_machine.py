"""Everything that decides whether drafts become public, against a model of it in plain Python.

Three projects of three people, whose drafts are changed, approved, gathered into a set, let go,
scheduled and published, in any order, by people and by tokens, while the projects change their mind
about what they want. Nothing is public before the model says so, and all of it then.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select

from greenroom import background
from greenroom.database import Database
from greenroom.models import (
    Draft,
    DraftState,
    JournalEntry,
    ReleaseSet,
    RoleName,
    Schedule,
    ScheduleState,
    SetState,
)
from greenroom.registry import (
    accounts,
    approvals,
    catalogue,
    draft_contents,
    drafts,
    housekeeping,
    jobs,
    projects,
    publishing,
    release_sets,
    roles,
    schedules,
    set_members,
    set_schedules,
    tokens,
)
from greenroom.registry.approvals import Rules
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR, TOKEN_PERMISSIONS, Actor
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.release_sets import Reference
from greenroom.registry.schedule_rows import ScheduleDetails
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock, MakeDatabase, empty, unflushed
from tests.fuzzing import walk

LIFE, LONGEST_LIFE = timedelta(days=3), timedelta(days=5)
HOUR = timedelta(hours=1)
OF_ADA, NAMES = ("alpha", "beta"), ("alpha", "beta", "gamma")
OWNERS = {"alpha": "ada", "beta": "ada", "gamma": "eve"}
TAGS = ("py3-none-any", "py3-none-win_amd64")
NO_DIGEST = f"sha256:{'0' * 64}"
SET = Reference("together", "ada")

Content = frozenset[tuple[str, str]]

# What is done, and how often of a hundred times or so.
OFTEN = {
    "stage": 8,
    "remove_file": 2,
    "discard": 1,
    "want": 9,
    "let_bob_come_or_go": 3,
    "approve": 9,
    "withdraw": 3,
    "gather": 8,
    "leave": 2,
    "change_set": 4,
    "make_ready": 6,
    "say_go": 8,
    "publish_set": 8,
    "discard_set": 1,
    "publish": 7,
    "schedule": 12,
    "unschedule": 2,
    "schedule_set": 6,
    "unschedule_set": 2,
    "time_passes": 12,
    "work": 3,
    "keep_house": 1,
}
ANYTHING = tuple(act for act, often in OFTEN.items() for _ in range(often))


@dataclass(frozen=True)
class Step:
    """What is done, by whom, and how: each act takes of it what it needs.

    Attributes:
        shows: what they act with; mostly what is enough.
        says: which content they say: what is there, none, or another one.
    """

    act: str
    name: str
    who: str
    shows: str
    says: str
    tag: str
    salt: str
    number: int
    is_so: bool


steps_ = st.builds(
    Step,
    act=st.sampled_from(ANYTHING),
    name=st.sampled_from(NAMES),
    who=st.sampled_from(("owner", "owner", "bob", "bob", "ada", "eve")),
    shows=st.sampled_from(("fresh", "fresh", "fresh", "stale", "token")),
    says=st.sampled_from(("now", "now", "now", "now", "nothing", "other")),
    tag=st.sampled_from(TAGS),
    salt=st.sampled_from(("one", "two")),
    number=st.integers(0, 3),
    is_so=st.booleans(),
)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="greenroom-machine-"))


@cache
def wheel(name: str, version: str, tag: str, salt: str) -> Path:
    return make_wheel(_folder() / f"salt-{salt}", name, version=version, tag=tag, salt=salt)


@dataclass
class Staged:
    """A live draft, as the model has it.

    ``files`` has the content of each, and who staged it; ``approved`` the people by the content
    that they approved of by hand, ``given`` those who did by setting a time; ``go`` who let it go
    with the set, with what content, and whether they had shown a second factor.
    """

    id: int
    version: str
    opened: datetime
    expires: datetime
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    approved: set[tuple[str, Content]] = field(default_factory=set)
    given: list[tuple[str, Content, "Planned"]] = field(default_factory=list)
    in_set: bool = False
    go: tuple[str, Content, bool] | None = None
    schedule: "Planned | None" = None
    digests: dict[Content, str] = field(default_factory=dict)

    @property
    def content(self) -> Content:
        return frozenset((tag, salt) for tag, (salt, _) in self.files.items())


@dataclass(eq=False)
class Planned:
    """That it is to be published by itself, a draft or, with another content, the set."""

    at: datetime
    by: str
    content: Content | str | None
    with_factor: bool
    number: int


@dataclass
class Rule:
    """What a project wants."""

    person: bool = False
    needed: int = 0
    by_others: bool = False


class Publications(RuleBasedStateMachine):
    """Drafts of three projects, one after the other of each; sets, one after the other."""

    database: Database

    @initialize()
    def build(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenroom-publications-"))
        url = self.database.engine.url.render_as_string(hide_password=False)
        empty(url)
        self.clock = FakeClock()
        configured = Settings(
            data=self.folder / "data",
            database_url=url,
            draft_lifetime=LIFE,
            draft_lifetime_max=LONGEST_LIFE,
            release_open_days=0,
        )
        storage = open_storage(None, configured.files)
        self.services = Services(self.database, storage, configured, self.clock)
        self.rules_ = {name: Rule() for name in NAMES}
        self.works = {name: {OWNERS[name], "bob"} for name in NAMES}
        self.drafts: dict[str, Staged] = {}
        self.ended: list[tuple[int, str]] = []
        self.public = {name: {wheel(name, "0", TAGS[0], "").name} for name in NAMES}
        self.versions = dict.fromkeys(NAMES, 0)
        self.set_id: int | None = None
        self.set_plan: Planned | None = None
        self.plans = 0
        self.touched, self.published, self.lines = NAMES[0], -1, 0
        self.only_together = False
        with self.services.writing() as uow:
            people = {who: factories.make_user(uow, who) for who in ("ada", "eve", "bob")}
            for name in NAMES:
                path = wheel(name, "0", TAGS[0], "")
                project = factories.release(uow, people[OWNERS[name]], path)
                factories.add_role(uow, project, people["bob"], RoleName.MAINTAINER)
            self.tokens = {
                who: factories.make_token(uow, user, permissions=TOKEN_PERMISSIONS)
                for who, user in people.items()
            }
        for name in NAMES:
            self.stage(name, TAGS[0], "one", "bob")

    def teardown(self) -> None:
        if hasattr(self, "services"):
            self.services.database.close()
            shutil.rmtree(self.folder)

    # What the model knows.

    @property
    def now(self) -> datetime:
        return self.clock.now

    @property
    def gathered(self) -> list[str]:
        return [name for name in NAMES if name in self.drafts and self.drafts[name].in_set]

    def may(self, who: str, name: str) -> bool:
        return who in self.works[name]

    def counts(self, who: str, name: str) -> bool:
        """Whether the project takes an approval of theirs."""
        stagers = {by for _, by in self.drafts[name].files.values()}
        return self.may(who, name) and not (self.rules_[name].by_others and who in stagers)

    def approvers(self, name: str) -> set[str]:
        draft = self.drafts[name]
        given = draft.approved | {(who, content) for who, content, _ in draft.given}
        return {
            who for who, content in given if content == draft.content and self.counts(who, name)
        }

    def shows_enough(self, shows: str, name: str) -> bool:
        return shows == "fresh" or not self.rules_[name].person

    def is_ready(self, name: str, publisher: str | None = None) -> bool:
        """Whether nothing of the draft itself stands in the way."""
        people = self.approvers(name)
        if publisher is not None and self.counts(publisher, name):
            people |= {publisher}
        return bool(self.drafts[name].files) and len(people) >= self.rules_[name].needed

    def is_go(self, name: str) -> bool:
        """Whether somebody else lets it go with the set."""
        draft = self.drafts[name]
        if draft.go is None:
            return False
        who, content, with_factor = draft.go
        enough = with_factor or not self.rules_[name].person
        return self.may(who, name) and content == draft.content and enough

    def approves(self, who: str, shows: str, name: str, plan: Planned | None = None) -> None:
        """What publishing, and what comes before it, writes down besides."""
        if shows != "fresh" or not self.rules_[name].needed or not self.counts(who, name):
            return
        draft = self.drafts[name]
        mine = (who, draft.content)
        if plan is None:
            draft.approved.add(mine)
        elif mine not in draft.approved:
            draft.given.append((*mine, plan))

    def plan(self, who: str, shows: str, content: Content | str | None) -> Planned:
        self.plans += 1
        return Planned(self.now + HOUR, who, content, shows == "fresh", self.plans)

    def ends(self, plan: Planned | None) -> None:
        """What was approved with a time ends with it."""
        for draft in self.drafts.values():
            draft.given = [each for each in draft.given if each[2] is not plan]

    # What the index is asked.

    def actor(self, uow: UnitOfWork, who: str, shows: str = "fresh") -> Actor:
        if shows == "token":
            return tokens.actor_of_token(uow, self.tokens[who])
        user = accounts.get_user(uow.db, who)
        return factories.present(uow, user, shown=None if shows == "stale" else timedelta(0))

    def row(self, uow: UnitOfWork, name: str) -> Draft:
        return uow.db.get_one(Draft, self.drafts[name].id)

    def the_set(self, uow: UnitOfWork) -> ReleaseSet:
        assert self.set_id is not None
        return uow.db.get_one(ReleaseSet, self.set_id)

    def tried(self, act: Callable[[UnitOfWork], object], *, works: bool) -> bool:
        """Whether it is done; and see that this is what the model says."""
        refusal: Refusal | None = None
        try:
            with self.services.writing() as uow:
                act(uow)
        except Refusal as caught:
            refusal = caught
        assert (refusal is None) == works, refusal
        return works

    def said(self, name: str, says: str) -> str | None:
        """The digest that is given with a draft."""
        draft = self.drafts[name]
        if says == "nothing":
            return None
        if says == "now":
            return draft.digests[draft.content]
        former = [digest for content, digest in draft.digests.items() if content != draft.content]
        return former[-1] if former else NO_DIGEST

    @rule(step=steps_)
    def do(self, step: Step) -> None:
        """Any of the acts below; what it needs is there before."""
        name, act = step.name, step.act
        who = OWNERS[name] if step.who == "owner" else step.who
        self.touched = name
        if act not in ("time_passes", "work", "keep_house", "want") and name not in self.drafts:
            self.stage(name, step.tag, step.salt, OWNERS[name])
        of_set = ("leave", "change_set", "say_go", "publish_set", "discard_set", "schedule_set")
        if act in of_set and not self.gathered:
            self.gather(name, OWNERS[name], step.is_so)
        of_draft = {
            "discard": self.discard,
            "leave": self.leave,
            "unschedule": self.unschedule,
        }
        with_credential = {
            "approve": self.approve,
            "publish": self.publish,
            "schedule": self.schedule,
        }
        if act in of_draft:
            of_draft[act](name, who)
        elif act in with_credential:
            with_credential[act](name, who, step.shows, step.says)
        else:
            self.do_else(step, who)

    def do_else(self, step: Step, who: str) -> None:
        name = step.name
        match step.act:
            case "stage":
                self.stage(name, step.tag, step.salt, who)
            case "remove_file":
                self.remove_file(name, step.tag, who)
            case "want":
                self.want(name, step.is_so, (1, 0, 1, 2)[step.number], step.salt == "two")
            case "let_bob_come_or_go":
                self.let_bob_come_or_go(name)
            case "withdraw":
                self.withdraw(name, who, step.shows)
            case "gather":
                self.gather(name, who, step.is_so)
            case "change_set":
                self.change_set(step.is_so)
            case "make_ready":
                self.make_ready()
            case "say_go":
                self.say_go(who, step.shows, step.says)
            case "publish_set":
                self.publish_set(who, step.shows, step.says)
            case "schedule_set":
                self.schedule_set(who, step.shows, step.says)
            case "unschedule_set":
                self.unschedule_set(who)
            case "discard_set":
                self.discard_set(step.is_so)
            case "time_passes":
                self.time_passes((HOUR, HOUR / 2, HOUR, timedelta(days=1))[step.number])
                if step.is_so:
                    self.work()
            case "work":
                self.work()
            case "keep_house":
                self.keep_house()

    def make_ready(self) -> None:
        """All there is to a set that is published: it is gathered, approved of, and let go."""
        for name in NAMES:
            if name not in self.drafts:
                self.stage(name, TAGS[0], "one", OWNERS[name])
            if not self.drafts[name].in_set:
                self.gather(name, OWNERS[name], only_together=True)
            for who in (OWNERS[name], "bob"):
                if not self.is_ready(name):
                    self.approve(name, who, "fresh", "now")
        for who in ("ada", "eve"):
            self.say_go(who, "fresh", "now")

    # Drafts

    def stage(self, name: str, tag: str, salt: str, who: str) -> None:
        version = self.drafts[name].version if name in self.drafts else ""
        version = version or str(self.versions[name] + 1)
        path = wheel(name, version, tag, salt)

        def act(uow: UnitOfWork) -> None:
            accepted = factories.upload(uow, self.actor(uow, who), path, staged=True)
            found = factories.draft_of(uow, accepted)
            assert found is not None
            made.append(found.id)

        made: list[int] = []
        if not self.tried(act, works=self.may(who, name)):
            return
        if name not in self.drafts:
            self.versions[name] += 1
            self.drafts[name] = Staged(made[0], version, self.now, self.now + LIFE)
        draft = self.drafts[name]
        assert draft.id == made[0]
        if draft.files.get(tag, ("", ""))[0] != salt:
            draft.files[tag] = (salt, who)
            self.touch(draft)
        self.learn(name)

    def remove_file(self, name: str, tag: str, who: str) -> None:
        draft = self.drafts[name]
        if tag not in draft.files:
            return
        filename = wheel(name, draft.version, tag, draft.files[tag][0]).name
        if self.tried(
            lambda uow: drafts.remove_file(
                uow, self.actor(uow, who), self.row(uow, name), filename
            ),
            works=self.may(who, name),
        ):
            del draft.files[tag]
            self.touch(draft)
            self.learn(name)

    def touch(self, draft: Staged) -> None:
        latest = draft.opened + LONGEST_LIFE
        draft.expires = max(draft.expires, min(self.now + LIFE, latest))

    def learn(self, name: str) -> None:
        """Remember the digest of what is in the draft now; other content has another one."""
        draft = self.drafts[name]
        with self.services.reading() as uow:
            row = self.row(uow, name)
            digest = draft_contents.digest_of(row, drafts.files(uow.db, row))
        assert draft.digests.setdefault(draft.content, digest) == digest
        assert len(set(draft.digests.values())) == len(draft.digests)

    def discard(self, name: str, who: str) -> None:
        if self.tried(
            lambda uow: drafts.discard(uow, self.actor(uow, who), self.row(uow, name)),
            works=self.may(who, name),
        ):
            self.end(name, "discarded")

    def end(self, name: str, state: str) -> None:
        self.ended.append((self.drafts.pop(name).id, state))

    def went_public(self, name: str) -> None:
        draft = self.drafts[name]
        assert draft.files
        assert len(self.approvers(name)) >= self.rules_[name].needed
        for tag, (salt, _) in draft.files.items():
            self.public[name].add(wheel(name, draft.version, tag, salt).name)
        with self.services.reading() as uow:
            project = catalogue.find(uow.db, name)
            assert project is not None
            release = catalogue.find_release(uow.db, project.id, draft.version)
            assert release is not None
            given = set(approvals.approvers(uow.db, release))
        assert given == self.approvers(name)
        self.end(name, "published")

    # Approvals, and what is wanted

    def want(self, name: str, person: bool, needed: int, by_others: bool) -> None:
        rules = Rules(needed, by_others=by_others)
        settings = ProjectSettings(auto_publish_releases=not (person or needed))
        with self.services.writing() as uow:
            project = projects.get(uow, name)
            approvals.change_rules(uow, OPERATOR, project, rules)
            projects.change_settings(uow, OPERATOR, project, settings)
        self.rules_[name] = Rule(person or needed > 0, needed, by_others)

    def let_bob_come_or_go(self, name: str) -> None:
        with self.services.writing() as uow:
            project = projects.get(uow, name)
            if self.may("bob", name):
                roles.take(uow, OPERATOR, project, "bob")
            else:
                bob = accounts.get_user(uow.db, "bob")
                factories.add_role(uow, project, bob, RoleName.MAINTAINER)
        self.works[name] ^= {"bob"}

    def approve(self, name: str, who: str, shows: str, says: str) -> None:
        draft, digest = self.drafts[name], self.said(name, says) or NO_DIGEST
        works = shows == "fresh" and says == "now" and bool(draft.files) and self.counts(who, name)
        if self.tried(
            lambda uow: approvals.approve(
                uow, self.actor(uow, who, shows), self.row(uow, name), digest
            ),
            works=works,
        ):
            draft.approved.add((who, draft.content))

    def withdraw(self, name: str, who: str, shows: str) -> None:
        draft = self.drafts[name]
        mine = {each for each in draft.approved if each[0] == who}
        with_time = [each for each in draft.given if each[0] == who]
        if self.tried(
            lambda uow: approvals.withdraw(uow, self.actor(uow, who, shows), self.row(uow, name)),
            works=bool(mine or with_time) and shows != "token" and self.may(who, name),
        ):
            draft.approved -= mine
            draft.given = [each for each in draft.given if each[0] != who]

    # Sets

    def gather(self, name: str, who: str, only_together: bool) -> None:
        if self.set_id is None:
            with self.services.writing() as uow:
                ada = self.actor(uow, "ada")
                made = release_sets.create(uow, ada, SET.name)
                release_sets.change(uow, ada, made, only_together=only_together)
                release_sets.invite(uow, ada, made, "gamma")
                self.set_id, self.only_together = made.id, only_together
        is_one_of_them = any(self.may(who, other) for other in self.gathered)
        takes = who == "ada" or name == "gamma" or is_one_of_them or self.drafts[name].in_set
        if self.tried(
            lambda uow: release_sets.add(uow, self.actor(uow, who), self.row(uow, name), SET),
            works=self.may(who, name) and takes,
        ):
            self.drafts[name].in_set = True

    def leave(self, name: str, who: str) -> None:
        draft = self.drafts[name]
        if self.tried(
            lambda uow: release_sets.remove(
                uow, self.actor(uow, who), self.the_set(uow), self.row(uow, name)
            ),
            works=draft.in_set and (who == "ada" or self.may(who, name)),
        ):
            draft.in_set, draft.go = False, None

    def change_set(self, only_together: bool) -> None:
        with self.services.writing() as uow:
            found = self.the_set(uow)
            release_sets.change(uow, self.actor(uow, "ada"), found, only_together=only_together)
        self.only_together = only_together

    def digest_of_set(self, says: str) -> str | None:
        if says == "nothing":
            return None
        if says == "other":
            return NO_DIGEST
        releases = [(name, self.drafts[name]) for name in self.gathered]
        return set_members.content_digest(
            (name, draft.version, draft.digests[draft.content]) for name, draft in releases
        )

    def say_go(self, who: str, shows: str, says: str) -> None:
        own = [name for name in self.gathered if self.may(who, name)]
        enough = all(self.shows_enough(shows, name) for name in own)
        digest = self.digest_of_set(says) or NO_DIGEST
        if self.tried(
            lambda uow: publishing.say_go(
                uow, self.actor(uow, who, shows), self.the_set(uow), content_digest=digest
            ),
            works=bool(own) and enough and says == "now",
        ):
            for name in own:
                draft = self.drafts[name]
                draft.go = (who, draft.content, shows == "fresh")
                self.approves(who, shows, name)

    def publish_set(self, who: str, shows: str, says: str) -> None:
        there, digest = self.gathered, self.digest_of_set(says)
        own = [name for name in there if self.may(who, name)]
        publisher = who if shows == "fresh" and says == "now" else None
        works = (
            bool(own)
            and says != "other"
            and all(self.shows_enough(shows, name) for name in own)
            and all(name in own or self.is_go(name) for name in there)
            and all(self.is_ready(name, publisher if name in own else None) for name in there)
        )
        if not self.tried(
            lambda uow: publishing.publish_set(
                uow, self.actor(uow, who, shows), self.the_set(uow), content_digest=digest
            ),
            works=works,
        ):
            return
        self.check_range(there)
        for name in there:
            if publisher is not None and name in own:
                self.approves(who, shows, name)
            self.went_public(name)
        self.end_set()

    def end_set(self) -> None:
        self.ends(self.set_plan)
        self.set_id = self.set_plan = None

    def check_range(self, names: list[str]) -> None:
        """All that was published together has one range of serials, and one moment."""
        with self.services.reading() as uow:
            lines = [
                line
                for name in names
                for line in uow.db.scalars(
                    select(JournalEntry).where(
                        JournalEntry.project_name == name,
                        JournalEntry.version == self.drafts[name].version,
                    )
                )
            ]
        serials = sorted(line.id for line in lines)
        assert serials == list(range(serials[0], serials[0] + len(serials)))
        assert {line.at for line in lines} == {self.now}

    def discard_set(self, with_drafts: bool) -> None:
        there = self.gathered
        works = not with_drafts or all(self.may("ada", name) for name in there)
        if self.tried(
            lambda uow: release_sets.discard(
                uow, self.actor(uow, "ada"), self.the_set(uow), with_drafts=with_drafts
            ),
            works=works,
        ):
            self.end_set()
            for name in there:
                self.drafts[name].in_set, self.drafts[name].go = False, None
                if with_drafts:
                    self.end(name, "discarded")

    # Publishing alone, now and later

    def publish(self, name: str, who: str, shows: str, says: str) -> None:
        draft, digest = self.drafts[name], self.said(name, says)
        publisher = who if shows == "fresh" and says == "now" else None
        works = (
            self.may(who, name)
            and self.shows_enough(shows, name)
            and says != "other"
            and not (draft.in_set and self.only_together)
            and self.is_ready(name, publisher)
        )
        if self.tried(
            lambda uow: publishing.publish(
                uow, self.actor(uow, who, shows), self.row(uow, name), content_digest=digest
            ),
            works=works,
        ):
            if publisher is not None:
                self.approves(who, shows, name)
            self.went_public(name)

    def schedule(self, name: str, who: str, shows: str, says: str) -> None:
        draft, digest, at = self.drafts[name], self.said(name, says) or NO_DIGEST, self.now + HOUR
        works = (
            self.may(who, name)
            and shows != "token"
            and self.shows_enough(shows, name)
            and says == "now"
            and bool(draft.files)
            and at <= draft.opened + LONGEST_LIFE
        )
        if self.tried(
            lambda uow: schedules.schedule(
                uow, self.actor(uow, who, shows), self.row(uow, name), at, digest
            ),
            works=works,
        ):
            self.ends(draft.schedule)
            draft.schedule = self.plan(who, shows, draft.content)
            draft.expires = max(draft.expires, at + timedelta(days=1))
            self.approves(who, shows, name, draft.schedule)

    def unschedule(self, name: str, who: str) -> None:
        draft = self.drafts[name]
        if self.tried(
            lambda uow: schedules.cancel(uow, self.actor(uow, who), self.row(uow, name)),
            works=draft.schedule is not None and self.may(who, name),
        ):
            self.ends(draft.schedule)
            draft.schedule = None

    def schedule_set(self, who: str, shows: str, says: str) -> None:
        there, digest, at = self.gathered, self.digest_of_set(says) or NO_DIGEST, self.now + HOUR
        own = [name for name in there if self.may(who, name)]
        works = (
            bool(own)
            and shows != "token"
            and all(self.shows_enough(shows, name) for name in own)
            and says == "now"
            and all(self.drafts[name].files for name in there)
            and all(at <= self.drafts[name].opened + LONGEST_LIFE for name in there)
        )
        if self.tried(
            lambda uow: set_schedules.schedule(
                uow, self.actor(uow, who, shows), self.the_set(uow), at, digest
            ),
            works=works,
        ):
            self.ends(self.set_plan)
            self.set_plan = self.plan(who, shows, digest)
            for name in there:
                draft = self.drafts[name]
                draft.expires = max(draft.expires, at + timedelta(days=1))
            for name in own:
                self.approves(who, shows, name, self.set_plan)

    def unschedule_set(self, who: str) -> None:
        if self.set_id is None:
            return
        publishes = any(self.may(who, name) for name in self.gathered)
        if self.tried(
            lambda uow: set_schedules.cancel(uow, self.actor(uow, who), self.the_set(uow)),
            works=self.set_plan is not None and (publishes or who == "ada"),
        ):
            self.ends(self.set_plan)
            self.set_plan = None

    # Time

    def time_passes(self, length: timedelta) -> None:
        self.clock.advance(length)
        for name, draft in list(self.drafts.items()):
            if draft.expires <= self.now:
                self.end(name, "expired")

    def work(self) -> None:
        """Whatever is due is done: some is published, or refused."""
        plans = [(draft.schedule, name) for name, draft in self.drafts.items()]
        plans.append((self.set_plan, ""))
        due = [
            (plan.at, plan.number, plan, name)
            for plan, name in plans
            if plan is not None and plan.at <= self.now
        ]
        while taken := jobs.take(self.services, [jobs.Kind.PUBLISH]):
            background.do(self.services, taken)
        for _, _, plan, name in sorted(due, key=lambda each: each[:2]):
            if name:
                self.is_time_for_draft(name, plan)
            elif plan is self.set_plan:
                self.is_time_for_set(plan)

    def is_time_for_draft(self, name: str, plan: Planned) -> None:
        if name not in self.drafts or self.drafts[name].schedule is not plan:
            return  # it was published with its set just before
        draft = self.drafts[name]
        draft.schedule = None
        if plan.content == draft.content and not self.doubts(name, plan):
            self.went_public(name)
        else:
            self.ends(plan)

    def doubts(self, name: str, plan: Planned) -> bool:
        """Whether something but its content stands in the way of a draft that is due."""
        return not (
            self.may(plan.by, name)
            and (plan.with_factor or not self.rules_[name].person)
            and not (self.drafts[name].in_set and self.only_together)
            and self.is_ready(name)
        )

    def is_time_for_set(self, plan: Planned) -> None:
        there = self.gathered
        if plan.content != self.digest_of_set("now") or self.doubts_of_set(plan):
            self.ends(plan)
            self.set_plan = None
            return
        self.check_range(there)
        for name in there:
            self.went_public(name)
        self.end_set()

    def doubts_of_set(self, plan: Planned) -> bool:
        """Whether something but its content stands in the way of the set."""
        there = self.gathered
        own = [name for name in there if self.may(plan.by, name)]
        return not (
            own
            and (plan.with_factor or not any(self.rules_[name].person for name in own))
            and all(name in own or self.is_go(name) for name in there)
            and all(self.is_ready(name) for name in there)
        )

    def keep_house(self) -> None:
        """It only writes down what is so already, and ends sets that were empty for long."""
        housekeeping.keep_house(self.services)
        if self.set_id is not None:
            with self.services.reading() as uow:
                ended = self.the_set(uow).state == SetState.EXPIRED
            assert not (ended and self.gathered)
            if ended:
                self.end_set()

    # What must be so after each of them.

    @invariant()
    def what_was_done_is_what_the_model_says(self) -> None:
        """Of what was touched just now; and of everything, when some of it has become public."""
        if not hasattr(self, "services"):
            return
        published = sum(state == "published" for _, state in self.ended)
        is_all, self.published = published != self.published, published
        with self.services.reading() as uow:
            of_releases = select(func.count()).where(JournalEntry.version.is_not(None))
            lines = uow.db.scalar(of_releases)
            assert is_all or lines == self.lines
            self.lines = lines or 0
            self.check_set(uow)
            for name in NAMES if is_all else (self.touched,):
                self.check_public(uow, name)
                if name in self.drafts:
                    self.check_draft(uow, name)
            if is_all:
                self.check_all(uow)

    def check_public(self, uow: UnitOfWork, name: str) -> None:
        assert set(factories.public_filenames(uow, name)) == self.public[name]
        project = catalogue.find(uow.db, name)
        assert project is not None
        if name in self.drafts:
            version = self.drafts[name].version
            assert catalogue.find_release(uow.db, project.id, version) is None

    def check_draft(self, uow: UnitOfWork, name: str) -> None:
        """What is shown of approvals, and of the reasons, is what publishing goes by."""
        draft, row = self.drafts[name], self.row(uow, name)
        assert drafts.state(uow, row) == DraftState.OPEN
        assert row.expires == draft.expires
        seen = approvals.of_draft(uow, OPERATOR, row, drafts.files(uow.db, row))
        assert seen.counted == len(self.approvers(name))
        self.check_schedule(
            schedules.of_draft(uow, row, draft.digests[draft.content]),
            draft.schedule,
            is_void=draft.schedule is not None and draft.schedule.content != draft.content,
            doubts=draft.schedule is not None and self.doubts(name, draft.schedule),
        )
        is_bound = draft.in_set and self.only_together
        assert bool(publishing.obstacles(uow, row)) == (is_bound or not self.is_ready(name))

    def check_schedule(
        self,
        shown: ScheduleDetails | None,
        plan: Planned | None,
        *,
        is_void: bool,
        doubts: bool,
    ) -> None:
        """What is shown of a time that waits is what becomes of it, should nothing change."""
        waits = shown if shown is not None and shown.is_waiting else None
        assert (waits is None) == (plan is None)
        if waits is not None and plan is not None:
            assert (waits.at, waits.by, waits.is_void) == (plan.at, plan.by, is_void)
            assert bool(waits.doubts) == doubts, waits.doubts

    def check_all(self, uow: UnitOfWork) -> None:
        ended = dict(self.ended)
        for draft in uow.db.scalars(select(Draft)):
            assert drafts.state(uow, draft) == ended.get(draft.id, "open")
        waiting = Schedule.state == ScheduleState.WAITING
        waits = select(Schedule.draft_id).where(waiting, Schedule.draft_id.is_not(None))
        planned = {draft.id for draft in self.drafts.values() if draft.schedule is not None}
        assert set(uow.db.scalars(waits)) - ended.keys() == planned
        of_sets = select(Schedule.release_set_id).where(waiting, Schedule.draft_id.is_(None))
        assert list(uow.db.scalars(of_sets)) == ([self.set_id] if self.set_plan else [])

    def check_set(self, uow: UnitOfWork) -> None:
        if self.set_id is None:
            assert not self.gathered
            return
        found = release_sets.details(uow, OPERATOR, self.the_set(uow))
        assert found.is_open
        assert found.only_together == self.only_together
        assert sorted(member.project_name for member in found.members) == self.gathered
        assert found.content_digest == self.digest_of_set("now")
        plan = self.set_plan
        earlier = (self.drafts[name].schedule for name in self.gathered)
        self.check_schedule(
            set_schedules.of_set(uow, OPERATOR, self.the_set(uow), found.content_digest),
            plan,
            is_void=plan is not None and plan.content != found.content_digest,
            doubts=plan is not None
            and (
                self.doubts_of_set(plan)
                or any(each is not None and each.at < plan.at for each in earlier)
            ),
        )


def run(url: str, seed: int) -> None:
    database = unflushed(Database(url))
    machine = type("Machine", (Publications,), {"database": database})
    try:
        walk(machine, seed, walks=7, steps=50, at_least=45)
    finally:
        database.close()


def test_publications_follow_the_model_on_sqlite(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "copy.sqlite")
    run(f"sqlite:///{tmp_path / 'copy.sqlite'}", seed=3)


def test_publications_follow_the_model_on_postgresql(new_migrated_postgresql: MakeDatabase) -> None:
    run(new_migrated_postgresql(), seed=4)
