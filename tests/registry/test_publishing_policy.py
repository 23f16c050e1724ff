"""Who may publish, with which credential, by which act: as a table, and as a list of the ways."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import greenroom
from greenroom.models import Draft, ReleaseSet, RoleName, User
from greenroom.registry import (
    accounts,
    approvals,
    projects,
    publishing,
    release_sets,
    required_checks,
    schedules,
    set_schedules,
    tokens,
)
from greenroom.registry.approvals import Rules
from greenroom.registry.errors import (
    CannotPublish,
    FactorNotFresh,
    NotConfirmed,
    PersonPublishes,
)
from greenroom.registry.permissions import OPERATOR, TOKEN_PERMISSIONS, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.factories import present
from tests.registry.test_approvals import World, approve, digest

HOUR = timedelta(hours=1)
REFUSED = {
    "no": "not-allowed",
    "unknown": "not-found",
    "no-factor": "second-factor-not-fresh",
    "person": "person-publishes",
    "reasons": "cannot-publish",
    "drafts": "drafts-only",
}

# What a project wants, whoever shows what, and what may be done: `yes`, or what is refused, in the
# words of above. `direct` publishes what is uploaded; in `person` a person publishes; `new` began
# with a draft, and nothing of it was published; `new-off` is the same where GREENROOM_AUTO_PUBLISH
# is false; `approved` wants one approval; `two` wants two of others than who staged, and a person;
# `checks` requires one that is missing; `files` expects one that is missing, lets tokens
# publish, and takes drafts only;
# `confirmed` wants people to confirm who they are, and is direct. A set has just the one draft.
TABLE = """
    policy    who              publish   set       go        schedule  set-later approve   upload
    direct    owner-fresh      yes       yes       yes       yes       yes       yes       yes
    direct    owner-stale      yes       yes       yes       yes       yes       no-factor yes
    direct    owner-without    yes       yes       yes       yes       yes       no-factor yes
    direct    maintainer-fresh yes       yes       yes       yes       yes       yes       yes
    direct    admin-fresh      no        no        no        no        no        no        no
    direct    stranger-fresh   no        unknown   unknown   no        unknown   no        no
    direct    token-all        yes       yes       yes       person    person    person    yes
    direct    token-stage      no        no        no        no        no        no        no
    direct    token-publish    yes       unknown   unknown   person    unknown   person    no
    direct    token-read       no        unknown   unknown   no        unknown   no        no
    direct    workflow         yes       yes       no        person    person    person    yes
    direct    operator         yes       yes       no        yes       yes       no        no
    person    owner-fresh      yes       yes       yes       yes       yes       yes       drafts
    person    owner-stale      no-factor no-factor no-factor no-factor no-factor no-factor drafts
    person    owner-without    no-factor no-factor no-factor no-factor no-factor no-factor drafts
    person    maintainer-fresh yes       yes       yes       yes       yes       yes       drafts
    person    admin-fresh      no        no        no        no        no        no        no
    person    stranger-fresh   no        unknown   unknown   no        unknown   no        no
    person    token-all        person    person    person    person    person    person    drafts
    person    token-stage      no        no        no        no        no        no        no
    person    token-publish    person    unknown   unknown   person    unknown   person    no
    person    token-read       no        unknown   unknown   no        unknown   no        no
    person    workflow         person    person    person    person    person    person    drafts
    person    operator         yes       yes       no        yes       yes       no        no
    new       owner-fresh      yes       yes       yes       yes       yes       yes       drafts
    new       owner-without    yes       yes       yes       yes       yes       no-factor drafts
    new       token-all        yes       yes       yes       person    person    person    drafts
    new       token-stage      no        no        no        no        no        no        no
    new       workflow         yes       yes       no        person    person    person    drafts
    new       operator         yes       yes       no        yes       yes       no        no
    new-off   owner-fresh      yes       yes       yes       yes       yes       yes       drafts
    new-off   owner-without    no-factor no-factor no-factor no-factor no-factor no-factor drafts
    new-off   token-all        person    person    person    person    person    person    drafts
    new-off   workflow         person    person    person    person    person    person    drafts
    new-off   operator         yes       yes       no        yes       yes       no        no
    approved  owner-fresh      yes       yes       yes       yes       yes       yes       drafts
    approved  owner-stale      no-factor no-factor no-factor no-factor no-factor no-factor drafts
    approved  token-all        person    person    person    person    person    person    drafts
    approved  workflow         person    person    person    person    person    person    drafts
    approved  operator         reasons   reasons   no        yes       yes       no        no
    two       owner-fresh      reasons   reasons   yes       yes       yes       no        drafts
    two       maintainer-fresh reasons   reasons   yes       yes       yes       yes       drafts
    two       token-all        person    person    person    person    person    person    drafts
    two       workflow         person    person    person    person    person    person    drafts
    two       operator         reasons   reasons   no        yes       yes       no        no
    checks    owner-fresh      reasons   reasons   yes       yes       yes       yes       drafts
    checks    owner-stale      no-factor no-factor no-factor no-factor no-factor no-factor drafts
    checks    token-all        person    person    person    person    person    person    drafts
    checks    token-publish    person    unknown   unknown   person    unknown   person    no
    checks    operator         reasons   reasons   no        yes       yes       no        no
    files     owner-fresh      reasons   reasons   yes       yes       yes       yes       drafts
    files     token-all        reasons   reasons   yes       person    person    person    drafts
    files     token-publish    reasons   unknown   unknown   person    unknown   person    no
    files     workflow         reasons   reasons   no        person    person    person    drafts
    files     operator         reasons   reasons   no        yes       yes       no        no
    confirmed owner-fresh      yes       yes       yes       yes       yes       yes       yes
    confirmed owner-without    yes       yes       yes       yes       yes       no-factor yes
    confirmed token-all        yes       yes       yes       person    person    person    yes
    confirmed workflow         yes       yes       no        person    person    person    yes
    confirmed operator         yes       yes       no        yes       yes       no        no
"""
HEAD, *ROWS = [tuple(line.split()) for line in TABLE.strip().splitlines()]


def outcomes(world: World, who: str) -> tuple[str, ...]:
    """What comes of each act, in the order of the table."""
    uow, draft, actor = world.uow, world.draft, world.actor(who)
    content, wheel = digest(uow, draft), make_wheel(world.folder, version="7.0")
    gathered = release_sets.add(uow, world.actor("owner-without"), draft, Reference("all"))
    of_set = release_sets.details(uow, OPERATOR, gathered).content_digest
    acts = (
        lambda: publishing.publish(uow, actor, draft, content_digest=content),
        lambda: publishing.publish_set(uow, actor, gathered, content_digest=of_set),
        lambda: publishing.say_go(uow, actor, gathered, content_digest=of_set),
        lambda: schedules.schedule(uow, actor, draft, uow.now + HOUR, content),
        lambda: set_schedules.schedule(uow, actor, gathered, uow.now + HOUR, of_set),
        lambda: approvals.approve(uow, actor, draft, content),
        lambda: factories.upload(uow, actor, wheel, staged=False),
    )
    return tuple(map(world.outcome, acts))


@pytest.mark.parametrize("policy", list(dict.fromkeys(row[0] for row in ROWS)))
def test_who_may_say_go_with_what(uow: UnitOfWork, tmp_path: Path, policy: str) -> None:
    world = World(uow, tmp_path)
    world.adopt(policy)
    uow.db.flush()
    rows = [row for row in ROWS if row[0] == policy]
    expected = [(row[1], *(REFUSED.get(word, word) for word in row[2:])) for row in rows]
    assert [(who, *outcomes(world, who)) for _, who, *_ in rows] == expected


# Whatever publishes, now or later, or says that something may be: each column of the table, and who
# asks for it. What is not in here is another way to publish: put it into the table.
WAYS = {
    r"publishing\.publish\(": [
        "cli/drafts.py",
        "registry/schedules.py",
        "web/pages/manage/drafts.py",
        "web/uploads/pep694/sessions.py",
    ],
    r"publishing\.publish_set\(": [
        "cli/sets.py",
        "registry/set_schedules.py",
        "web/pages/manage/sets.py",
        "web/uploads/pep694/sets.py",
    ],
    r"publishing\.say_go\(": ["web/pages/manage/sets.py", "web/uploads/pep694/sets.py"],
    r"publishing\.finish_review\(": ["registry/reviews.py"],
    r"\bschedules\.schedule\(": ["cli/drafts.py", "web/pages/manage/schedules.py"],
    r"\bschedules\.carry_out\(": ["registry/job_handlers.py"],
    r"set_schedules\.schedule\(": ["cli/sets.py", "web/pages/manage/schedules.py"],
    r"set_schedules\.carry_out\(": ["registry/job_handlers.py"],
    r"\bapprovals\.approve\(": ["registry/set_approvals.py", "web/pages/manage/approvals.py"],
    r"publication\.make_public\(": [
        "registry/imports.py",
        "registry/publishing.py",
        "registry/uploads.py",
    ],
}


def test_the_table_has_every_way_to_publish() -> None:
    root = Path(greenroom.__file__).parent
    texts = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.py")}
    for call, expected in WAYS.items():
        assert sorted(name for name, text in texts.items() if re.search(call, text)) == expected


class Mixed:
    """A set of ada's with projects that want different things, and one of eve's."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services, self.folder = services, folder
        with services.writing() as uow:
            ada, eve = factories.make_user(uow), factories.make_user(uow, "eve")
            drafts_only = ProjectSettings(auto_publish_releases=False)
            names = ("approved", "checked", "complete", "person", "plain", "theirs")
            for name in names:
                who = eve if name == "theirs" else ada
                project = factories.release(uow, who, make_wheel(folder, name, version="0.1"))
                factories.stage(uow, who, make_wheel(folder, name))
                if name in ("approved", "person"):
                    projects.change_settings(uow, OPERATOR, project, drafts_only)
            kim = factories.make_user(uow, "kim")
            factories.add_role(uow, projects.get(uow, "approved"), kim, RoleName.MAINTAINER)
            rules = Rules(1, by_others=True)
            approvals.change_rules(uow, OPERATOR, projects.get(uow, "approved"), rules)
            required_checks.change(uow, OPERATOR, projects.get(uow, "checked"), ["tests"])
            projects.get(uow, "complete").expected_files = "sdist"
            made = release_sets.create(uow, Person(ada), "all")
            release_sets.invite(uow, Person(ada), made, "theirs")
            for name in names:
                who = eve if name == "theirs" else ada
                of_ada = Reference("all", "ada")
                release_sets.add(uow, Person(who), self.draft(uow, name), of_ada)
            self.id, self.names = made.id, names
            self.token = factories.make_token(uow, ada, permissions=TOKEN_PERMISSIONS)

    def user(self, uow: UnitOfWork, name: str) -> User:
        return accounts.get_user(uow.db, name)

    def draft(self, uow: UnitOfWork, name: str) -> Draft:
        found = factories.find_draft(uow, name, "1.0")
        assert found is not None
        return found

    def the_set(self, uow: UnitOfWork) -> ReleaseSet:
        return uow.db.get_one(ReleaseSet, self.id)

    def digest(self, uow: UnitOfWork) -> str:
        return release_sets.details(uow, OPERATOR, self.the_set(uow)).content_digest

    def say_go(self, uow: UnitOfWork, *, shown: timedelta | None) -> None:
        eve = present(uow, self.user(uow, "eve"), shown=shown)
        publishing.say_go(uow, eve, self.the_set(uow), content_digest=self.digest(uow))

    def reasons(self) -> list[str]:
        """Why ada, who shows everything, does not publish it; empty where it was published."""
        try:
            with self.services.writing() as uow:
                ada = present(uow, self.user(uow, "ada"))
                digest = self.digest(uow)
                publishing.publish_set(uow, ada, self.the_set(uow), content_digest=digest)
        except CannotPublish as refusal:
            return [reason.partition(" ")[0] for reason in refusal.details]
        return []

    def public(self) -> list[int]:
        with self.services.reading() as uow:
            return [len(factories.public_filenames(uow, name)) for name in self.names]


def test_a_set_is_published_when_each_of_its_projects_has_what_it_wants(
    services: Services, tmp_path: Path
) -> None:
    mixed = Mixed(services, tmp_path)
    with services.writing() as uow:
        ada, the_set = mixed.user(uow, "ada"), mixed.the_set(uow)
        with pytest.raises(PersonPublishes):
            publishing.publish_set(uow, tokens.actor_of_token(uow, mixed.token), the_set)
        with pytest.raises(FactorNotFresh):
            publishing.publish_set(uow, present(uow, ada, shown=timedelta(minutes=5)), the_set)
        projects.get(uow, "plain").reauthenticate_to_publish = True
        with pytest.raises(NotConfirmed):
            publishing.publish_set(uow, Person(ada), the_set)
    assert mixed.reasons() == ["approved", "checked", "complete", "theirs"]
    with services.writing() as uow:
        approve(uow, mixed.user(uow, "kim"), mixed.draft(uow, "approved"))
        required_checks.change(uow, OPERATOR, projects.get(uow, "checked"), [])
    assert mixed.reasons() == ["complete", "theirs"]
    with services.writing() as uow:
        factories.stage(uow, mixed.user(uow, "ada"), make_sdist(tmp_path, "complete"))
        mixed.say_go(uow, shown=None)
        # That is enough until her project wants a second factor.
        projects.get(uow, "theirs").auto_publish_releases = False
    assert mixed.reasons() == ["theirs"]
    with services.writing() as uow:
        with pytest.raises(FactorNotFresh):
            mixed.say_go(uow, shown=None)
        mixed.say_go(uow, shown=timedelta(0))
    assert mixed.public() == [1] * len(mixed.names)
    assert mixed.reasons() == []
    assert mixed.public() == [2, 2, 3, 2, 2, 2]
