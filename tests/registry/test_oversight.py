"""Prohibited names, reports of projects, quotas and transfers: what administrators decide."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import AuditEntry, ReportKind, RoleName
from greenroom.registry import (
    accounts,
    jobs,
    prohibited_names,
    project_oversight,
    projects,
    publishing,
    reports,
    roles,
    teams,
    tokens,
    upload_places,
    uploads,
)
from greenroom.registry.errors import (
    AccountDisabled,
    CannotPublish,
    InvalidRequest,
    NameNotAvailable,
    NotAllowed,
    NotFound,
    TooLarge,
    TooMany,
)
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor, Person
from greenroom.registry.project_oversight import ProjectState, WantedProjects
from greenroom.registry.reports import WantedReports
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock

WHY = "They asked for it."


def last_line(uow: UnitOfWork) -> AuditEntry:
    found = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1))
    return found.one()


def test_administrators_and_the_operator_decide_and_nobody_else(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    root = factories.make_user(uow, "root", administrator=True)
    ada = factories.make_user(uow, "ada")
    project = factories.release(uow, ada, make_wheel(tmp_path))
    reports.report(uow, ANONYMOUS, project, ReportKind.SPAM, "Spam.", factories.HOME)
    [found] = reports.listed(uow, WantedReports(), start=0, count=10)
    job = jobs.enqueue(uow, jobs.Kind.VERIFY, {})
    prohibited_names.prohibit(uow, OPERATOR, "taken")
    acts: dict[str, Callable[[Actor], object]] = {
        "name-prohibit": lambda by: prohibited_names.prohibit(uow, by, "acme", WHY),
        "name-allow": lambda by: prohibited_names.allow(uow, by, "taken", WHY),
        "report-handle": lambda by: reports.handle(uow, by, found.id, WHY),
        "project-quota": lambda by: project_oversight.set_quota(uow, by, project, 7, WHY),
        "project-transfer": lambda by: project_oversight.transfer(uow, by, project, "root", WHY),
        "job-retry": lambda by: jobs.retry(uow, by, job.id, WHY),
    }
    token = tokens.actor_of_token(uow, factories.make_token(uow, root))
    for kind, act in acts.items():
        for actor in (ANONYMOUS, Person(ada), token, Person(root), OPERATOR):
            undone = uow.db.begin_nested()
            if actor.is_administrator:
                act(actor)
                line = last_line(uow)
                assert (line.act, line.by) == (kind, actor.name)
                assert WHY in line.detail
            else:
                with pytest.raises(NotAllowed):
                    act(actor)
            undone.rollback()
            uow.db.expire_all()
    for without in (
        lambda: prohibited_names.prohibit(uow, Person(root), "acme"),
        lambda: prohibited_names.allow(uow, Person(root), "taken", " "),
        lambda: reports.handle(uow, OPERATOR, found.id, ""),
        lambda: project_oversight.set_quota(uow, Person(root), project, 7),
        lambda: project_oversight.transfer(uow, Person(root), project, "root"),
    ):
        with pytest.raises(InvalidRequest):
            without()


# Prohibited names


@pytest.mark.parametrize(
    ("prohibited", "refused", "free"),
    [
        ("Acme.Core", ["acme-core", "ACME__core", "acmecore", "acme-c0re"], ["acme", "acme-cores"]),
        ("acme-*", ["acme-", "acme-x", "Acme.Core"], ["acme", "acmeology", "my-acme-x"]),
        ("*-acme", ["x-acme", "a-b-acme"], ["acme", "x-acme-y"]),
        ("*acme*", ["acme", "x-acme-y"], ["ac-me"]),
        ("d*b*c", ["dbc", "d-xbxc", "d-b-b-c"], ["db", "dcb", "dc"]),
        ("ab*ab", ["abab", "ab-ab"], ["ab", "aba"]),
    ],
)
def test_a_name_is_prohibited_with_what_looks_like_it_and_a_pattern_as_it_says(
    uow: UnitOfWork, prohibited: str, refused: list[str], free: list[str]
) -> None:
    kept = prohibited_names.prohibit(uow, OPERATOR, f" {prohibited} ")
    for name in refused:
        if name.rstrip("-") == name:
            with pytest.raises(NameNotAvailable, match="isn't allowed on this index"):
                projects.check_name_is_free(uow, name)
    for name in free:
        projects.check_name_is_free(uow, name)
    with pytest.raises(InvalidRequest, match="as before"):
        prohibited_names.prohibit(uow, OPERATOR, prohibited.upper())
    assert prohibited_names.allow(uow, OPERATOR, prohibited.upper()) == kept
    projects.check_name_is_free(uow, refused[-1])
    with pytest.raises(NotFound):
        prohibited_names.allow(uow, OPERATOR, prohibited)


@pytest.mark.parametrize(
    "name", ["", " ", "*", "**", "-", "*-*", "a b", "é", "a\0", "x" * 201, "a*b*c*d*e*f*g", "a/b"]
)
def test_what_is_no_name_and_no_pattern(uow: UnitOfWork, name: str) -> None:
    with pytest.raises(InvalidRequest):
        prohibited_names.prohibit(uow, OPERATOR, name)


def test_a_reserved_name_that_is_prohibited_is_not_registered(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    ada = Person(factories.make_user(uow, "ada"))
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "acme"))
    factories.release(uow, ada, make_wheel(tmp_path, "registered"))
    for name in ("acme", "registered"):
        prohibited_names.prohibit(uow, OPERATOR, name)
    [obstacle] = publishing.obstacles(uow, draft)
    assert "isn't allowed on this index" in obstacle
    with pytest.raises(CannotPublish, match="isn't allowed"):
        publishing.publish(uow, ada, draft)
    factories.publish_directly(uow, "acme")
    direct = make_wheel(tmp_path, "acme", "2.0")
    with pytest.raises(NameNotAvailable):
        factories.release(uow, ada, direct)
    factories.release(uow, ada, make_wheel(tmp_path, "registered", "2.0"))


# Reports


def test_reports_are_limited_by_person_and_by_address(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    with services.writing() as uow:
        factories.make_user(uow, "eve")
        factories.release(uow, factories.make_user(uow, "ada"), make_wheel(tmp_path))

    def report(name: str | None, address: str) -> None:
        with services.writing() as uow:
            project = projects.get(uow, "example")
            actor = Person(accounts.get_user(uow.db, name)) if name is not None else ANONYMOUS
            reports.report(uow, actor, project, ReportKind.OTHER, "Look.", address)

    for host in range(reports.PER_ADDRESS):
        report(None, f"2001:db8::{host}")
    with pytest.raises(TooMany):
        report(None, "2001:db8::ffff")
    report(None, "2001:db8:0:1::1")
    for _ in range(reports.PER_PERSON):
        report("eve", "2001:db8::1")
    with pytest.raises(TooMany):
        report("eve", factories.ELSEWHERE)
    report("ada", "2001:db8::1")
    clock.advance(reports._WITHIN)
    report(None, "2001:db8::1")
    report("eve", "2001:db8::1")


def test_a_report_is_handled_once_with_a_note(uow: UnitOfWork, tmp_path: Path) -> None:
    project = factories.release(uow, factories.make_user(uow, "ada"), make_wheel(tmp_path))
    for text in ("", " \n ", "x" * 2001, "bell\a", "\u202e"):
        with pytest.raises(InvalidRequest):
            reports.report(uow, ANONYMOUS, project, ReportKind.SPAM, text, factories.HOME)
    said = " It mines.\n\n\tSee setup.py. "
    reports.report(uow, ANONYMOUS, project, ReportKind.MALWARE, said, factories.HOME)
    assert last_line(uow).detail == "malware"
    [found] = reports.listed(uow, WantedReports(project="EXAMPLE"), start=0, count=10)
    assert (found.text, found.by) == ("It mines.\n\n\tSee setup.py.", "anonymous")
    handled = reports.handle(uow, OPERATOR, found.id, "Quarantined.")
    assert (handled.handled_by, handled.note) == ("operator", "Quarantined.")
    assert reports.count_of(uow, WantedReports()) == 0
    assert reports.count_of(uow, WantedReports(is_open=False, kind=ReportKind.MALWARE)) == 1
    assert reports.count_of(uow, WantedReports(is_open=None, kind=ReportKind.SPAM)) == 0
    with pytest.raises(InvalidRequest, match="operator has handled this report"):
        reports.handle(uow, OPERATOR, found.id, "Again.")
    for number in (0, -1, found.id + 1, 10**12):
        with pytest.raises(NotFound):
            reports.handle(uow, OPERATOR, number, "Done.")


# Quotas, transfers, the list


def test_a_project_has_a_quota_of_its_own(uow: UnitOfWork, tmp_path: Path) -> None:
    ada = Person(factories.make_user(uow, "ada"))
    wheel = make_wheel(tmp_path)
    project = factories.release(uow, ada, wheel)
    size = projects.size(uow, project)
    assert project_oversight.look_at(uow, project).limit == uow.settings.max_project_size
    project_oversight.set_quota(uow, OPERATOR, project, size)
    another = make_wheel(tmp_path, version="2.0")
    there = upload_places.project(uow, "example")
    assert there is not None
    assert there.quota == size
    for staged in (False, True):
        with pytest.raises(TooLarge, match="Project size too large"):
            uploads.check(
                uow, ada, factories.artifact_of(another), factories.claims_of(another),
                staged=staged,
            )  # fmt: skip
    project_oversight.set_quota(uow, OPERATOR, project, size + another.stat().st_size)
    draft = factories.stage(uow, ada, another)
    project_oversight.set_quota(uow, OPERATOR, project, 0)
    with pytest.raises(CannotPublish, match="Project size too large"):
        publishing.publish(uow, ada, draft)
    project_oversight.set_quota(uow, OPERATOR, project, None)
    publishing.publish(uow, ada, draft)
    for quota in (-1, 2**63):
        with pytest.raises(InvalidRequest):
            project_oversight.set_quota(uow, OPERATOR, project, quota)


def test_a_transferred_project_has_one_owner(uow: UnitOfWork, tmp_path: Path) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    project = factories.release(uow, ada, make_wheel(tmp_path))
    for name in ("nobody", "é"):
        with pytest.raises(NotFound):
            project_oversight.transfer(uow, OPERATOR, project, name)
    for _ in range(2):
        project_oversight.transfer(uow, OPERATOR, project, "Eve", "Gone.")
        found = {each.username: each.name for each in roles.people(project)}
        assert found == {"ada": RoleName.MAINTAINER, "eve": RoleName.OWNER}
        with pytest.raises(InvalidRequest, match="only owner"):
            project_oversight.transfer(uow, OPERATOR, project, "eve")
        project_oversight.transfer(uow, OPERATOR, project, "ada", "Back.")
        found = {each.username: each.name for each in roles.people(project)}
        assert found == {"ada": RoleName.OWNER, "eve": RoleName.MAINTAINER}
    team = teams.create(uow, OPERATOR, "core", eve)
    teams.give_role(uow, OPERATOR, team, project, RoleName.OWNER)
    project_oversight.transfer(uow, OPERATOR, project, "ada", "Back.")
    assert teams.role_in(team, project) is RoleName.MAINTAINER
    assert roles.role_of(project, eve.id) is RoleName.MAINTAINER
    line = last_line(uow)
    assert (line.act, line.about, line.project) == ("project-transfer", "ada", "example")
    eve.disabled = uow.now
    with pytest.raises(AccountDisabled):
        project_oversight.transfer(uow, OPERATOR, project, "eve")


def test_a_transferred_project_has_one_owner_whatever_teams_do_then(
    uow: UnitOfWork, tmp_path: Path
) -> None:
    ada, eve, bob, fay = (factories.make_user(uow, name) for name in ("ada", "eve", "bob", "fay"))
    project = factories.release(uow, ada, make_wheel(tmp_path))
    wool = factories.make_team(uow, bob, "wool", ada, eve)
    teams.give_role(uow, OPERATOR, wool, project, RoleName.OWNER)
    project_oversight.transfer(uow, OPERATOR, project, "eve", "Gone.")
    teams.add_member(uow, OPERATOR, wool, fay.username)

    def found() -> dict[str, RoleName]:
        return {each.username: each.name for each in roles.people(project)}

    others = dict.fromkeys(("ada", "bob", "fay"), RoleName.MAINTAINER)
    assert found() == others | {"eve": RoleName.OWNER}
    assert teams.role_in(wool, project) is RoleName.MAINTAINER
    # Who works on it by a team alone before is its owner by themselves.
    teams.remove_member(uow, OPERATOR, wool, "eve")
    teams.take_role(uow, OPERATOR, wool, project)
    assert found() == {"ada": RoleName.MAINTAINER, "eve": RoleName.OWNER}


def test_projects_are_found_by_name_and_state(uow: UnitOfWork, tmp_path: Path) -> None:
    ada = factories.make_user(uow, "ada")
    made = {
        name: factories.release(uow, ada, make_wheel(tmp_path, name))
        for name in ("alpha", "beta", "gamma-ray")
    }
    factories.stage(uow, ada, make_wheel(tmp_path, "reserved"))
    projects.archive(uow, OPERATOR, made["beta"])
    projects.quarantine(uow, OPERATOR, made["gamma-ray"], "malware")
    project_oversight.set_quota(uow, OPERATOR, made["alpha"], 2**30)

    def names(words: str = "", state: ProjectState | None = None) -> list[str]:
        wanted = WantedProjects(words, state)
        found = project_oversight.listed(uow, wanted, start=0, count=10)
        assert project_oversight.count_of(uow, wanted) == len(found)
        return [each.project.name for each in found]

    assert names() == ["alpha", "beta", "gamma-ray", "reserved"]
    assert names("GAMMA_ray") == names("mma") == ["gamma-ray"]
    assert names("%") == names("\0") == []
    assert {state: names(state=state) for state in ProjectState} == {
        "active": ["alpha"],
        "archived": ["beta"],
        "quarantined": ["gamma-ray"],
        "reserved": ["reserved"],
        "quota": ["alpha"],
    }
    [alpha, *_] = project_oversight.listed(uow, WantedProjects(), start=0, count=10)
    assert alpha.size == projects.size(uow, made["alpha"]) > 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_team_that_gets_a_role_meanwhile_does_not_stay_an_owner(
    services: Services, tmp_path: Path
) -> None:
    with services.writing() as uow:
        ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
        factories.release(uow, ada, make_wheel(tmp_path))
        factories.make_team(uow, ada, "wool", eve)

    def transfer() -> None:
        with services.writing() as uow:
            project = projects.get(uow, "example")
            project_oversight.transfer(uow, OPERATOR, project, "eve", "Gone.")

    with ThreadPoolExecutor(1) as executor:
        with services.writing() as uow:
            team, project = teams.get(uow, "wool"), projects.get(uow, "example")
            teams.give_role(uow, OPERATOR, team, project, RoleName.OWNER)
            running = executor.submit(transfer)
            factories.until_somebody_waits(services)
        with pytest.raises(InvalidRequest, match="Another team has just got a role in example"):
            running.result()
    transfer()
    with services.reading() as uow:
        owners = roles.strongest(projects.get(uow, "example"))
        assert [user.username for user, name in owners.items() if name == "owner"] == ["eve"]
