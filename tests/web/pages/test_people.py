"""Inviting people and teams, accepting and declining, and handing a project over, by the pages."""

from pathlib import Path

import pytest
import webtest

from greenroom.models import RoleName
from greenroom.registry import accounts, invitations, projects, teams
from greenroom.registry.permissions import OPERATOR, Person
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Response, Site
from tests.web.reading import text
from tests.web.test_queries import statements

PROJECT = "/manage/project/example/"
PEOPLE = f"{PROJECT}people"
INVITATIONS = "/account/invitations/"
TEAMS = "/account/teams/"


@pytest.fixture
def published(site: Site, tmp_path: Path) -> Site:
    """Ada owns example; grace and eve are there."""
    site.user()
    site.release(make_wheel(tmp_path))
    site.user("grace")
    site.user("eve")
    return site


def fill(page: Response, form_id: str, **fields: str) -> Response:
    """What a form of the page gives with these fields, after a redirect if there is one."""
    form = page.forms[form_id]
    for field, value in fields.items():
        form[field] = value
    answer = form.submit(status="*")
    return answer.follow() if answer.status_int == 303 else answer


def press(page: Response, start: str) -> Response:
    """What the form gives whose name begins so, of which there is one."""
    [name] = [str(name) for name in page.forms if str(name).startswith(start)]
    answer = page.forms[name].submit()
    return answer.follow() if answer.status_int == 303 else answer


def decline(browser: webtest.TestApp) -> Response:
    form = next(form for name, form in browser.get(INVITATIONS).forms.items() if "acc" in str(name))
    form.action = f"{INVITATIONS}decline"
    return form.submit().follow()


def test_who_is_invited_is_shown_nowhere_until_they_accept(published: Site) -> None:
    ada, grace = published.sign_in(), published.sign_in("grace")
    page = fill(ada.get(PEOPLE), "invite", username="Grace", role="owner")
    assert "grace is invited to be an owner." in text(page)
    assert "grace owner, invited by ada" in text(page)
    for path in ("/project/example/", "/pypi/example/json"):
        assert "grace" not in published.app.get(path).text, path
    assert "has no public projects" in text(published.app.get("/user/grace/"))
    grace.get(PROJECT, status=404)

    home = grace.get("/")
    assert home.html.select_one("header a[href='/account/invitations/']")
    page = home.click("1 invitation")
    assert "ada invites you to be an owner of the project example" in text(page)
    page = press(page, "accept-")

    assert "You have accepted: owner of example." in text(page)
    assert "1 invitation" not in grace.get("/").text
    assert "example" in text(published.app.get("/user/grace/"))
    roles = published.app.get("/pypi/example/json").json["ownership"]["roles"]
    assert roles == [{"role": "Owner", "user": "ada"}, {"role": "Owner", "user": "grace"}]
    assert "Nobody is invited." in text(ada.get(PEOPLE))


def test_what_is_declined_is_not_offered_again(published: Site) -> None:
    ada, grace = published.sign_in(), published.sign_in("grace")
    fill(ada.get(PEOPLE), "invite", username="grace", role="maintainer")

    page = decline(grace)

    assert "You have declined: maintainer of example." in text(page)
    assert "You are invited to nothing." in text(page)
    assert "declined, can be invited again from" in text(ada.get(PEOPLE))
    page = fill(ada.get(PEOPLE), "invite", username="grace", role="maintainer")
    assert (page.status_int, "'grace' has declined" in text(page)) == (400, True)


def test_an_invitation_is_withdrawn_and_is_then_nothing(published: Site) -> None:
    ada, grace = published.sign_in(), published.sign_in("grace")
    fill(ada.get(PEOPLE), "invite", username="grace", role="maintainer")
    seen = grace.get(INVITATIONS)

    assert "The invitation is withdrawn." in text(press(ada.get(PEOPLE), "withdraw-"))

    [name] = [name for name in seen.forms if "accept" in str(name)]
    answer = seen.forms[name].submit(status=404)
    assert "it was withdrawn, or has fallen due" in text(answer)
    grace.get(PROJECT, status=404)


def test_an_owner_becomes_a_maintainer_and_a_maintainer_leaves(published: Site) -> None:
    published.role("example", "grace", RoleName.OWNER)
    ada, grace = published.sign_in(), published.sign_in("grace")

    page = press(ada.get(PEOPLE), "lower-grace")
    assert "grace is a maintainer of example." in text(page)
    page = grace.get(PEOPLE)
    assert not set(page.forms) & {"invite", "invite-team"}
    page = fill(page.click("Leave"), "confirm", typed="grace")

    assert "You have left example." in text(page)
    grace.get(PROJECT, status=404)
    page = fill(ada.get(PEOPLE).click("Leave"), "confirm", typed="ada")
    assert (page.status_int, "the last owner" in text(page)) == (400, True)


def test_a_team_is_made_joined_and_works_on_a_project(published: Site) -> None:
    ada, grace = published.sign_in(), published.sign_in("grace")
    page = fill(ada.get(TEAMS), "new-team", name="Wool")
    assert "The team Wool is yours." in text(page)
    grace.get(f"{TEAMS}Wool/", status=404)
    page = fill(page, "invite", username="grace", role="member")
    assert "grace is invited to the team." in text(page)
    page = fill(ada.get(PEOPLE), "invite-team", team="wool", role="maintainer")
    assert "The team wool is a maintainer of example." in text(page)

    page = grace.get(INVITATIONS)
    assert "ada invites you to be a member of the team Wool" in text(page)
    assert "It works on example." in text(page)
    page = press(page, "accept-")

    assert "Owner" in text(page)
    grace.get(PROJECT)
    assert "grace Maintainer team Wool" in text(ada.get(PEOPLE))
    assert "has no public projects" in text(published.app.get("/user/grace/"))
    assert "Your profile shows" in text(press(page, "show"))
    assert "example" in text(published.app.get("/user/grace/"))
    page = fill(ada.get(f"{TEAMS}wool/remove?user=grace"), "confirm", typed="grace")
    assert "grace is in the team no more." in text(page)
    grace.get(PROJECT, status=404)
    page = fill(ada.get(f"{TEAMS}wool/leave-project?project=example"), "confirm", typed="example")
    assert "The team has left example." in text(page)
    page = fill(page.click("Delete…"), "confirm", typed="wool")
    assert "The team Wool is deleted." in text(page)


def test_a_team_of_others_accepts_for_itself(published: Site) -> None:
    with published.services.writing() as uow:
        grace = accounts.get_user(uow.db, "grace")
        eve = accounts.get_user(uow.db, "eve")
        made = teams.create(uow, OPERATOR, "wool", grace)
        teams.add_member(uow, OPERATOR, made, "eve")
        assert eve.id in [member.user_id for member in made.members]
    ada = published.sign_in()
    page = fill(ada.get(PEOPLE), "invite-team", team="wool", role="owner")
    assert "The team wool is invited to be an owner." in text(page)
    assert "You are invited to nothing." in text(published.sign_in("eve").get(INVITATIONS))

    page = press(published.sign_in("grace").get(INVITATIONS), "accept-")

    assert "You have accepted: the team wool as owner of example." in text(page)
    assert "eve Owner team wool" in text(ada.get(PEOPLE))
    page = fill(ada.get(f"{PROJECT}remove-team?team=wool"), "confirm", typed="wool")
    assert "The team wool has no role in example any more." in text(page)
    published.sign_in("eve").get(PROJECT, status=404)


@pytest.mark.parametrize(("afterwards", "status"), [("leave", 404), ("maintainer", 200)])
def test_a_project_is_handed_over(published: Site, afterwards: str, status: int) -> None:
    ada, grace = published.sign_in(), published.sign_in("grace")
    question = ada.get(PEOPLE).click("Hand over…")
    fields = {"name": "grace", "receiver": "person", "afterwards": afterwards}
    assert fill(question, "confirm", typed="exam", **fields).status_int == 422
    assert fill(question, "confirm", typed="example", **fields | {"name": "x"}).status_int == 404
    page = fill(question, "confirm", typed="Example", **fields)
    assert "example is offered to grace" in text(page)
    ada.get(PROJECT)

    page = grace.get(INVITATIONS)
    assert "ada hands the project example over to you" in text(page)
    press(page, "accept-")

    ada.get(PROJECT, status=status)
    assert "grace Owner Themselves" in text(grace.get(PEOPLE))


def test_a_project_is_handed_to_the_own_team_at_once(published: Site) -> None:
    ada = published.sign_in()
    fill(ada.get(TEAMS), "new-team", name="wool")
    fields = {"name": "wool", "receiver": "team", "afterwards": "leave", "typed": "example"}

    page = fill(ada.get(f"{PROJECT}hand-over"), "confirm", **fields)

    assert "example is the team's." in text(page)
    assert "ada Owner team wool" in text(page)
    page = fill(ada.get(f"{PROJECT}remove-team?team=wool"), "confirm", typed="wool")
    assert (page.status_int, "the last owner" in text(page)) == (400, True)
    page = fill(ada.get(f"{TEAMS}wool/delete"), "confirm", typed="wool")
    assert (page.status_int, "the last owner" in text(page)) == (400, True)


def test_the_pages_take_as_many_queries_however_many_people_there_are(published: Site) -> None:
    ada = published.sign_in()
    paths = (
        PEOPLE,
        PROJECT,
        INVITATIONS,
        TEAMS,
        f"{TEAMS}wool/",
        "/user/ada/",
        "/project/example/",
    )

    def grow(number: int) -> None:
        with published.services.writing() as uow:
            user = accounts.get_user(uow.db, "ada")
            new = factories.make_user(uow, f"user-{number}")
            guest = factories.make_user(uow, f"guest-{number}")
            example = projects.get(uow, "example")
            name = "wool" if number == 0 else f"wool-{number}"
            team = factories.make_team(uow, user, name, new, works_on=example)
            invitations.invite(uow, Person(user), example, guest.username, RoleName.OWNER)
            invitations.invite_to_team(uow, Person(user), team, guest.username, owner=False)
            theirs = factories.make_team(uow, new, f"yarn-{number}", works_on=example)
            invitations.invite_to_team(uow, Person(new), theirs, "ada", owner=True)
            if number:
                wool = teams.get(uow, "wool")
                teams.add_member(uow, OPERATOR, wool, new.username)
                invitations.invite_to_team(uow, Person(user), wool, guest.username, owner=False)

    def counted() -> list[int]:
        counts = []
        for path in paths:
            with statements(published.services.database) as seen:
                ada.get(path)
            counts.append(len(seen))
        return counts

    grow(0)
    few = counted()
    for number in range(1, 4):
        grow(number)
    assert counted() == few


def test_strangers_learn_nothing_of_a_team_and_change_nothing(published: Site) -> None:
    fill(published.sign_in().get(TEAMS), "new-team", name="wool")
    eve = published.sign_in("eve")
    token = {"csrf_token": eve.get("/account/").forms["logout"]["csrf_token"].value}
    for path in ("", "remove?user=ada", "delete", "leave-project?project=example"):
        there = eve.get(f"{TEAMS}wool/{path}", status=404)
        assert there.body == eve.get(f"{TEAMS}nothing/{path}", status=404).body, path
        assert published.app.get(f"{TEAMS}wool/{path}", status=303)
    for act in ("invite", "withdraw", "change", "show", "remove", "delete", "leave-project"):
        fields = token | {"user": "ada", "username": "eve", "typed": "wool", "role": "owner"}
        eve.post(f"{TEAMS}wool/{act}", fields, status=404)
    with published.services.reading() as uow:
        assert [m.username for m in teams.members(teams.get(uow, "wool"))] == ["ada"]
