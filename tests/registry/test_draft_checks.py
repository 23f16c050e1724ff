"""Checks of a draft: what is posted, what counts, what is required, and who installed it."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy.exc
from msgspec.structs import replace

from greenroom.models import CheckStatus, Draft
from greenroom.registry import (
    accounts,
    draft_checks,
    draft_contents,
    draft_installations,
    drafts,
    installers,
    projects,
    publishing,
    required_checks,
)
from greenroom.registry.draft_checks import MOST_KEPT, MOST_NAMES, CheckResult, Posted
from greenroom.registry.draft_installations import Installations
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    Ended,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotConfirmed,
    TooMany,
)
from greenroom.registry.permissions import Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.required_checks import INSTALLED, MOST_REQUIRED
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.registry.test_permissions import COLUMNS, ROWS, World

PIP = (
    'pip/26.0 {"ci":null,"cpu":"x86_64","distro":{"name":"Debian"},"implementation":{"name":'
    '"CPython","version":"3.13.1"},"installer":{"name":"pip","version":"26.0"},"python":"3.13.1",'
    '"system":{"name":"Linux","release":"6.1"}}'
)
SAID = "pip 26.0 on Linux x86_64, cp313"


@pytest.fixture
def draft(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Draft:
    return factories.stage(uow, ada, make_wheel(tmp_path))


def post(
    uow: UnitOfWork, actor: Person, draft: Draft, name: str, status: str, **more: str | None
) -> CheckResult:
    posted = Posted(name, status, **more)  # type: ignore[arg-type]
    return draft_checks.post(uow, actor, draft, posted)[0]


def digest(uow: UnitOfWork, draft: Draft) -> str:
    return draft_contents.digest_of(draft, drafts.files(uow.db, draft))


def counting(uow: UnitOfWork, draft: Draft) -> dict[str, tuple[str, bool]]:
    found = draft_checks.newest(uow, draft, digest(uow, draft))
    return {each.name: (each.status.value, each.is_current) for each in found}


def change(uow: UnitOfWork, ada: Person, folder: Path, salt: str = "another") -> None:
    factories.stage(uow, ada, make_wheel(folder / salt, salt=salt))


def test_the_newest_result_of_the_files_that_are_there_counts(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    before = digest(uow, draft)
    first = post(uow, ada, draft, "tests", "success", link="https://ci.index.example/1")
    assert (first.status, first.by, first.has_passed) == (CheckStatus.PASSED, "ada", True)
    again = Posted("tests", "passed", "https://ci.index.example/1", "", before)
    assert draft_checks.post(uow, ada, draft, again) == (first, False)
    post(uow, ada, draft, "lint", "failed", summary=" two\r\nlines ")

    change(uow, ada, tmp_path)
    assert counting(uow, draft) == {"tests": ("passed", False), "lint": ("failed", False)}
    with pytest.raises(DraftChanged, match="has changed since"):
        post(uow, ada, draft, "tests", "passed", content_digest=before)
    post(uow, ada, draft, "tests", "failed", content_digest=digest(uow, draft))
    assert counting(uow, draft)["tests"] == ("failed", True)

    factories.stage(uow, ada, tmp_path / "example-1.0-py3-none-any.whl")  # as it was
    assert digest(uow, draft) == before
    assert counting(uow, draft) == {"tests": ("passed", True), "lint": ("failed", True)}
    history = draft_checks.history(uow, draft, before, ["lint", "tests"])
    assert [each.status.value for each in history["tests"]] == ["failed", "passed"]
    assert [each.summary for each in history["lint"]] == ["two\nlines"]


NOTHING_DOES = [
    ("", "passed", {}),
    (" \t", "passed", {}),
    ("x" * 101, "passed", {}),
    ("a\nb", "passed", {}),
    ("a\0b", "passed", {}),
    ("\ud800", "passed", {}),
    ("Index:installed", "passed", {}),
    ("tests", "", {}),
    ("tests", "good", {}),
    ("tests", "passed", {"link": "javascript:alert(1)"}),
    ("tests", "passed", {"link": "https:///nowhere"}),
    ("tests", "passed", {"link": "https://ada:secret@ci.index.example/"}),
    ("tests", "passed", {"link": "https://ci.index.example:http/"}),
    ("tests", "passed", {"link": "https://[ci/"}),
    ("tests", "passed", {"link": "https://ci.index.example/a b"}),
    ("tests", "passed", {"link": "https://ci.index.example/" + "x" * 2000}),
    ("tests", "passed", {"summary": "x" * 1001}),
    ("tests", "passed", {"summary": "\x1b[31mred"}),
    ("tests", "passed", {"summary": "\u202egnihton"}),
    ("tests", "passed", {"content_digest": "sha256:0"}),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # nothing is written
def test_what_makes_no_sense_is_refused(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    for name, status, more in NOTHING_DOES:
        with pytest.raises(InvalidRequest):
            post(uow, ada, draft, name, status, **more)
    with pytest.raises(DraftChanged, match="never had"):
        post(uow, ada, draft, "tests", "passed", content_digest=f"sha256:{'0' * 64}")
    assert counting(uow, draft) == {}


def test_results_are_bounded(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    for number in range(MOST_KEPT):
        post(uow, ada, draft, "tests", "passed", summary=str(number))
    with pytest.raises(TooMany):
        post(uow, ada, draft, "tests", "failed")
    later = replace(uow, now=uow.now + timedelta(hours=2))
    post(later, ada, draft, "tests", "failed")
    kept = draft_checks.history(uow, draft, "", ["tests"])["tests"]
    assert [len(kept), kept[0].status, kept[-1].summary] == [MOST_KEPT, "failed", "1"]

    for number in range(MOST_NAMES - 1):
        post(uow, ada, draft, f"check {number}", "passed")
    with pytest.raises(InvalidRequest, match="of 100 checks"):
        post(uow, ada, draft, "one more", "passed")
    post(later, ada, draft, "check 0", "failed")


def test_required_checks_stand_in_the_way_one_by_one(
    uow: UnitOfWork, ada: Person, draft: Draft, tmp_path: Path
) -> None:
    project = draft.project
    assert project is not None
    names = ["failed", "missing", "passed", "pending", "skipped", "stale", INSTALLED]
    required_checks.change(uow, ada, project, [*names, " passed "])
    assert required_checks.of_project(uow, project) == tuple(sorted(names))
    assert not project.auto_publish_releases
    with pytest.raises(InvalidRequest, match="only a draft can have"):
        projects.change_settings(uow, ada, project, ProjectSettings(auto_publish_releases=True))
    post(uow, ada, draft, "stale", "passed")
    change(uow, ada, tmp_path)
    for status in CheckStatus:
        post(uow, ada, draft, status.value, status.value)
    post(uow, ada, draft, "another", "failed")

    with pytest.raises(CannotPublish) as refusal:
        publishing.publish(uow, ada, draft)
    told = [reason.split(":")[0] for reason in refusal.value.details]
    assert told == [
        "The required check 'failed' failed",
        "The project requires that a draft is installed from its address before it is published, "
        "and no installer has taken a file that it has now",
        "The required check 'missing' has no result",
        "The required check 'pending' has not ended yet",
        "The required check 'skipped' was skipped",
        "The required check 'stale' was made of other files than the draft has now",
    ]
    assert publishing.obstacles(uow, draft) == refusal.value.details

    with pytest.raises(NotConfirmed):
        required_checks.change(uow, ada, project, ["passed"])
    certain = factories.present(uow, ada.user)
    required_checks.change(uow, certain, project, ["passed"])
    publishing.publish(uow, ada, draft)
    with pytest.raises(Ended):
        post(uow, ada, draft, "passed", "failed")
    required_checks.change(uow, certain, project, [])
    projects.change_settings(uow, certain, project, ProjectSettings(auto_publish_releases=True))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of names alone
def test_what_a_project_cannot_require(uow: UnitOfWork, ada: Person, draft: Draft) -> None:
    assert draft.project is not None
    too_many = [str(number) for number in range(MOST_REQUIRED + 1)]
    for names in (["a\0b"], ["x" * 101], ["index:unheard-of"], too_many):
        with pytest.raises(InvalidRequest):
            required_checks.change(uow, ada, draft.project, names)
    assert required_checks.of_project(uow, draft.project) == ()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # which has no part in it
def test_who_may_stage_posts_and_who_may_manage_requires(uow: UnitOfWork, tmp_path: Path) -> None:
    world = World(uow)
    draft = factories.stage(uow, Person(world.users["owner"]), make_wheel(tmp_path, "this"))
    wrong = []
    for who, token, scope, *allowed in ROWS:
        try:
            actor = world.actor(who, token, scope)
        except NotAuthenticated:
            continue
        may = dict(zip(COLUMNS, allowed, strict=True))
        for act, do in (
            ("stage", partial(draft_checks.post, uow, actor, draft, Posted("tests", "passed"))),
            ("manage", partial(required_checks.change, uow, actor, world.this, ["tests"])),
        ):
            try:
                do()
                found = "yes"
            except NotAllowed:
                found = "-"
            if found != may[act]:
                wrong.append((who, token, scope, act))
    assert wrong == []


def test_installations_are_written_down_apart(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        key = factories.stage(uow, ada, make_wheel(tmp_path)).key
    with services.reading() as uow:
        draft = drafts.by_key(uow.db, key)
        assert draft is not None
        (file,) = drafts.files(uow.db, draft)
    pending = Installations()
    assert not pending.note(draft, file, "Mozilla/5.0 (X11; Linux)", clock.now)
    assert pending.note(draft, file, PIP, clock.now)
    pending.write(services)
    assert not pending.note(draft, file, PIP, clock.now)  # not so soon again
    assert pending.note(draft, file, PIP, clock.now + timedelta(minutes=2))
    assert pending.note(draft, file, "uv/0.9.1", clock.now)
    with services.writing() as uow:  # who writes keeps nobody waiting
        uow.lock("draft installations")
        accounts.get_user(uow.db, "ada")  # with which SQLite begins
        with pytest.raises(sqlalchemy.exc.DBAPIError):
            pending.write(services, at_once=True)
    pending.write(services, at_once=True)
    pending.write(services)  # there is nothing left
    with services.reading() as uow:
        found = draft_installations.of_draft(uow, draft, [file])
        assert [(each.client, each.count, each.is_current) for each in found] == [
            (SAID, 3, True),
            ("uv 0.9.1", 1, True),
        ]
        assert draft_installations.installed(uow, {draft.id: [file]}) == {draft.id}
        assert draft_installations.installed(uow, {draft.id: []}) == set()

    for number in range(draft_installations.MOST_KEPT):
        pending.note(draft, file, f"pip/1.{number}", clock.now + timedelta(hours=1))
    pending.write(services)
    with services.reading() as uow:
        clients = {each.client for each in draft_installations.of_draft(uow, draft, [file])}
    assert len(clients) == draft_installations.MOST_KEPT
    assert not clients & {SAID, "uv 0.9.1"}


AGENTS = {
    PIP: SAID,
    'uv/0.9.1 {"installer":{"name":"uv"},"python":"3.14.0","implementation":{"name":"PyPy"},'
    '"system":{"name":"Darwin"},"cpu":"arm64"}': "uv 0.9.1 on macOS arm64, pp314",
    "poetry/2.1.0 CPython/3.12.1 Linux/6.1": "poetry 2.1.0 on Linux, cp312",
    'pip/26.0 {"python":3,"system":[],"cpu":{},"implementation":"CPython"}': "pip 26.0",
    'pip/26.0 {"system":{"name":"<b>&\\n"},"python":"3.13.1"}': "pip 26.0, py313",
    'pip/26.0 {"system":': "pip 26.0",
    "pip/26.0 " + "[" * 1900: "pip 26.0",
    "pip/26.0 " + '{"a":' * 390: "pip 26.0",
    "pip/26.0": "pip 26.0",
    "uv/0.9.1 " + "x" * 2000: None,
    "pip": None,
    "pip/x": None,
    "pip/26.0\n": None,
    "curl/8.0": None,
    "Mozilla/5.0 (X11; Linux x86_64) pip/26.0": None,
    "": None,
}


def test_what_installers_say_becomes_words() -> None:
    assert {agent: installers.described(agent) for agent in AGENTS} == AGENTS
