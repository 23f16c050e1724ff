"""Mail about what happens: one message for each event, to whom it concerns, by a real server."""

import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.mailing import messages
from greenroom.models import (
    AuditEntry,
    Job,
    Notification,
    ReleaseSet,
    RoleName,
    SignInPlace,
    UnwantedMail,
)
from greenroom.registry import (
    account_states,
    accounts,
    approvals,
    audit,
    draft_contents,
    drafts,
    housekeeping,
    invitations,
    jobs,
    mail,
    notices,
    project_tokens,
    projects,
    publishing,
    release_sets,
    reported_secrets,
    roles,
    schedules,
    set_schedules,
    signing_in,
    storage_identity,
    tokens,
)
from greenroom.registry.approvals import Rules
from greenroom.registry.audit import Kind
from greenroom.registry.mail import Letter
from greenroom.registry.notices import Category
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.factories import PASSWORD
from tests.jobs import do_due, states
from tests.mail_server import MailServer, mail_server
from tests.serving import command, plain_environment


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, server: MailServer) -> Settings:
    sending = {"mail_url": server.url, "mail_from": "Greenroom <greenroom@index.example>"}
    return replace(settings, **sending)


def person(uow: UnitOfWork, name: str) -> Person:
    return Person(accounts.get_user(uow.db, name))


def arrange(services: Services, folder: Path) -> None:
    """Ada and Eve own a project, Bob maintains it, and Ned has no verified address.

    Nobody is told of that.
    """
    with silent(services).writing() as uow:
        for name in ("ada", "eve", "bob", "ned"):
            factories.make_user(uow, name, verified=name != "ned")
        project = factories.release(
            uow, person(uow, "ada"), make_wheel(folder / "first", version="0.1")
        )
        roles.give(uow, OPERATOR, project, "eve", RoleName.OWNER)
        roles.give(uow, OPERATOR, project, "ned", RoleName.MAINTAINER)
        roles.give(uow, OPERATOR, project, "bob", RoleName.MAINTAINER)


def silent(services: Services) -> Services:
    """The same index, which sends no mail."""
    return replace(services, settings=replace(services.settings, mail_url=None))


def sent(
    services: Services, server: MailServer, clock: FakeClock, after: timedelta = timedelta(0)
) -> list[tuple[str, str]]:
    """Do what is due in a while: to whom messages went since the last time, and their subjects."""
    clock.now += after
    while do_due(services):
        pass
    found = [(to.partition("@")[0], subject) for to, subject in server.subjects()]
    server.taken.clear()
    return sorted(found)


def test_each_event_is_one_message_to_each_whom_it_concerns(
    services: Services, server: MailServer, clock: FakeClock, tmp_path: Path
) -> None:
    arrange(services, tmp_path)
    with services.writing() as uow:
        project = projects.get(uow, "example")
        roles.give(uow, OPERATOR, project, "bob", RoleName.OWNER)
        roles.give(uow, person(uow, "bob"), project, "bob", RoleName.MAINTAINER)
    assert sent(services, server, clock) == [("bob", "You have a role in example: owner")]
    wheel, other, sdist = (
        make_wheel(tmp_path),
        make_wheel(tmp_path / "b", salt="another"),
        make_sdist(tmp_path),
    )
    with services.writing() as uow:
        ada = person(uow, "ada")
        factories.stage(uow, ada, wheel, sdist)
        factories.stage(uow, ada, other)  # which replaces
    assert sent(services, server, clock) == []
    staged = "ada changed the draft of example 1.0"
    assert sent(services, server, clock, timedelta(minutes=2)) == [("bob", staged), ("eve", staged)]

    with services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        drafts.remove_file(uow, person(uow, "ada"), draft, sdist.name)  # in the same run
        drafts.remove_file(uow, person(uow, "bob"), draft, wheel.name)  # in one of Bob's
    removed = "bob changed the draft of example 1.0"
    after = timedelta(minutes=2)
    assert sent(services, server, clock, after) == [("ada", removed), ("eve", removed)]
    with services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        factories.comment(uow, person(uow, "bob"), draft)
    commented = "bob commented on the draft of example 1.0"
    assert sent(services, server, clock) == [("ada", commented), ("eve", commented)]
    clock.now += timedelta(hours=1)
    with services.writing() as uow:
        factories.stage(uow, person(uow, "bob"), wheel)
    assert sent(services, server, clock, after) == [("ada", removed), ("eve", removed)]

    with services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        factories.stage(uow, person(uow, "ada"), sdist)
        publishing.publish(uow, person(uow, "eve"), draft)
    published = "example 1.0 is published"
    assert sent(services, server, clock, after) == [("ada", published), ("bob", published)]
    with services.writing() as uow:
        factories.release(uow, person(uow, "bob"), make_wheel(tmp_path, version="2.0"))
        factories.release(uow, person(uow, "bob"), make_sdist(tmp_path, version="2.0"))
    published = "example 2.0 is published"
    assert sent(services, server, clock, after) == [("ada", published), ("eve", published)]

    with services.writing() as uow:
        ada = person(uow, "ada")
        one = factories.stage(uow, ada, make_wheel(tmp_path, version="3.0"))
        two = factories.stage(uow, ada, make_wheel(tmp_path, version="4.0"))
        release_sets.add(uow, ada, one, Reference("both"))
        together = release_sets.add(uow, ada, two, Reference("both"))
        publishing.publish_set(uow, ada, together)
    published = "A release set is published"
    assert sent(services, server, clock, after) == [("bob", published), ("eve", published)]

    with services.writing() as uow:
        project = projects.get(uow, "example")
        roles.take(uow, person(uow, "ada"), project, "bob")
        roles.take(uow, person(uow, "eve"), project, "eve")  # by herself
        user = accounts.get_user(uow.db, "ada")
        tokens.create(uow, user, "ci", permissions=["stage"])
    assert sent(services, server, clock) == [
        ("ada", "A new API token for your account ada"),
        ("bob", "You have no role in example any more"),
    ]
    with services.reading() as uow:
        assert {job.kind for job in jobs.unfinished(uow)} == {"purge"}


def test_approvals_times_and_less_protection_are_told(
    services: Services, server: MailServer, clock: FakeClock, tmp_path: Path
) -> None:
    arrange(services, tmp_path)
    with silent(services).writing() as uow:
        drafts_ = [
            factories.stage(uow, person(uow, "ada"), make_wheel(tmp_path, version=version))
            for version in ("1.0", "2.0")
        ]
        numbers = [draft.id for draft in drafts_]
        project = projects.get(uow, "example")
        approvals.change_rules(uow, person(uow, "ada"), project, Rules(1, by_others=True))
    with services.writing() as uow:
        first = factories.get_draft(uow, numbers[0])
        bob = factories.present(uow, accounts.get_user(uow.db, "bob"))
        digest = draft_contents.digest_of(first, drafts.files(uow.db, first))
        approvals.approve(uow, bob, first, digest)
    said = "bob approved of example 1.0"
    assert sent(services, server, clock) == [("ada", said), ("eve", said)]
    with silent(services).writing() as uow:
        ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
        for number in numbers:
            draft = factories.get_draft(uow, number)
            digest = draft_contents.digest_of(draft, drafts.files(uow.db, draft))
            schedules.schedule(uow, ada, draft, uow.now + timedelta(hours=1), digest)
    missed, published = "example 2.0 was not published", "example 1.0 is published"
    assert sent(services, server, clock, timedelta(hours=1)) == [
        (name, subject) for name in ("ada", "bob", "eve") for subject in (published, missed)
    ]
    with services.writing() as uow:
        ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
        approvals.change_rules(uow, ada, projects.get(uow, "example"), Rules(0))
    less = "example is protected less"
    assert sent(services, server, clock) == [("ada", less), ("eve", less)]


def test_times_of_a_release_set_are_told_to_its_people(
    services: Services, server: MailServer, clock: FakeClock, tmp_path: Path
) -> None:
    arrange(services, tmp_path)
    with silent(services).writing() as uow:
        draft = factories.stage(uow, person(uow, "ada"), make_wheel(tmp_path, version="1.0"))
        made = release_sets.add(uow, person(uow, "ada"), draft, Reference("both"))
        number, content = made.id, release_sets.details(uow, OPERATOR, made).content_digest

    def schedule(services: Services) -> None:
        with services.writing() as uow:
            ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
            found, at = uow.db.get_one(ReleaseSet, number), uow.now + timedelta(hours=1)
            set_schedules.schedule(uow, ada, found, at, content)

    schedule(services)
    said = "A release set is to be published by itself"
    assert sent(services, server, clock) == [("bob", said), ("eve", said)]
    with services.writing() as uow:
        found = uow.db.get_one(ReleaseSet, number)
        set_schedules.cancel(uow, person(uow, "bob"), found)
    said = "A release set is not published by itself"
    assert sent(services, server, clock) == [("ada", said), ("eve", said)]
    schedule(silent(services))
    with silent(services).writing() as uow:
        projects.get(uow, "example").archived = True
    missed = "A release set was not published"
    assert sent(services, server, clock, timedelta(hours=1)) == [
        *(("ada", missed), ("bob", missed), ("eve", missed)),
    ]
    with silent(services).writing() as uow:
        projects.get(uow, "example").archived = False
    schedule(silent(services))
    published = "A release set is published"
    assert sent(services, server, clock, timedelta(hours=1)) == [
        *(("ada", published), ("bob", published), ("eve", published)),
    ]


def test_a_sign_in_from_a_new_place_and_a_changed_password_are_told(
    services: Services, server: MailServer, clock: FakeClock
) -> None:
    """Not the first place of all, and none twice; also what was there before mail was sent."""
    with silent(services).writing() as uow:
        factories.make_user(uow, "ada")
        factories.make_user(uow, "eve")

    def sign_in(name: str, address: str, by: Services = services) -> None:
        clock.now += timedelta(minutes=1)
        services = by.coming_from(Origin(address))
        assert signing_in.sign_in(services, name, PASSWORD, address) is not None

    sign_in("ada", "192.0.2.1", silent(services))
    assert states(services) == []  # nothing is queued
    sign_in("ada", "192.0.2.1")
    sign_in("eve", "192.0.2.1")
    assert sent(services, server, clock) == []
    for address in ("192.0.2.9", "192.0.2.9", "192.0.2.1", "2001:db8::1", "2001:db8::2"):
        sign_in("ada", address)
    told = ("ada", "New sign-in to your account ada")
    assert sent(services, server, clock) == [told, told]
    # From a known place, but in another browser; and from another one as well: one message each.
    for address, knows in (("192.0.2.1", False), ("192.0.2.77", False), ("192.0.2.77", True)):
        clock.now += timedelta(minutes=1)
        browser = services.coming_from(Origin(address, knows=lambda name, is_so=knows: is_so))  # type: ignore[misc]
        assert signing_in.sign_in(browser, "ada", PASSWORD, address) is not None
    assert sent(services, server, clock) == [told, told]
    with services.reading() as uow:
        user_id = accounts.get_user(uow.db, "ada").id
    signing_in.change_password(services, user_id, PASSWORD, "another long password")
    [changed] = sent_whole(services, server, clock)
    assert changed["Subject"] == "[index.example] The password of your account ada was changed"
    assert "another long password" not in str(changed)


def sent_whole(services: Services, server: MailServer, clock: FakeClock) -> list[EmailMessage]:
    while do_due(services):
        pass
    found = [message for _, message in server.taken]
    server.taken.clear()
    return found


def test_a_message_has_the_right_header_and_says_the_same_as_text_and_as_html(
    services: Services, server: MailServer, clock: FakeClock
) -> None:
    with services.coming_from(Origin("2001:db8::1")).writing() as uow:
        user = factories.make_user(uow, "ada")
        _, text = tokens.create(uow, user, "<b>laptop & Büro</b>", permissions=["stage"])
    [message] = sent_whole(services, server, clock)
    header = {name: str(message[name]) for name in message}
    assert header.pop("Date") == clock.now.strftime("%a, %d %b %Y %H:%M:%S +0000")
    assert re.fullmatch(r"<[0-9a-f]{32}@index\.example>", header.pop("Message-ID"))
    assert header == {
        "From": "Greenroom <greenroom@index.example>",
        "To": "ada@index.example",
        "Subject": "[index.example] A new API token for your account ada",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert message.get_content_type() == "multipart/alternative"
    plain, html = (part.get_content() for part in message.iter_parts())
    assert f"{text[:11]} (<b>laptop & Büro</b>): stage" in " ".join(plain.split())
    assert "&lt;b&gt;laptop &amp; Büro&lt;/b&gt;" in html
    for said in (plain, html):
        assert text not in said
        assert "http://index.example/account/tokens/" in said
        assert "2001:db8::1" in said
        assert "1 Jan 2026" in said or f"{clock.now:%b %Y}" in said
    assert max(map(len, plain.splitlines())) <= 76
    assert not re.search(r"<(img|link|script|iframe)|url\(", html)


def test_nobody_is_told_what_they_have_switched_off_but_of_security(
    services: Services, server: MailServer, clock: FakeClock, tmp_path: Path
) -> None:
    arrange(services, tmp_path)
    sent(services, server, clock)
    with services.writing() as uow:
        mail.choose(uow, accounts.get_user(uow.db, "bob"), ["releases", "drafts"])
        mail.choose(uow, accounts.get_user(uow.db, "bob"), ["drafts", "releases"])  # as it is
        assert mail.unwanted(uow, accounts.get_user(uow.db, "bob")) == {
            Category.ROLES,
            Category.COMMENTS,
            Category.EXPIRY,
        }
        lines = select(AuditEntry.detail).where(AuditEntry.act == Kind.MAIL_SETTINGS.value)
        assert uow.db.scalars(lines).all() == ["not told of: comments, expiry, roles"]
        roles.take(uow, person(uow, "ada"), projects.get(uow, "example"), "bob")
        tokens.create(uow, accounts.get_user(uow.db, "bob"), "ci", permissions=["stage"])
    assert sent(services, server, clock) == [("bob", "A new API token for your account bob")]
    with services.writing() as uow:
        bob = accounts.get_user(uow.db, "bob")
        account_states.delete_account(uow, OPERATOR, "bob", "has left")
        for table in (Notification, UnwantedMail, SignInPlace):
            assert uow.db.scalars(select(table).where(table.user_id == bob.id)).all() == []
    assert sent(services, server, clock) == []


def test_a_draft_that_is_about_to_expire_is_told_of_once_for_each_moment(
    services: Services, server: MailServer, clock: FakeClock, tmp_path: Path
) -> None:
    arrange(services, tmp_path)
    storage_identity.adopt(services, OPERATOR)
    with services.writing() as uow:
        factories.stage(uow, person(uow, "ada"), make_wheel(tmp_path))
    sent(services, server, clock, timedelta(minutes=2))

    def keep_house() -> list[tuple[str, str]]:
        housekeeping.keep_house(services)
        housekeeping.keep_house(services)
        return sent(services, server, clock)

    told = [(name, "The draft of example 1.0 expires soon") for name in ("ada", "bob", "eve")]
    assert keep_house() == []
    clock.now += timedelta(days=11, hours=1)
    assert keep_house() == told
    with services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        drafts.extend(uow, person(uow, "ada"), draft)
    assert keep_house() == []
    clock.now += timedelta(days=13)
    assert keep_house() == told


def test_what_others_do_to_credentials_and_roles_is_told(
    services: Services, server: MailServer, clock: FakeClock, tmp_path: Path
) -> None:
    arrange(services, tmp_path)
    with silent(services).writing() as uow:
        eve = accounts.get_user(uow.db, "eve")
        text = factories.make_token(uow, eve)
        other = tokens.create(uow, eve, "for all", permissions=["stage"])[0].id
        invited = factories.make_user(uow, "fay")
        project = projects.get(uow, "example")
        offered = invitations.invite(
            uow, person(uow, "ada"), project, invited.username, RoleName.MAINTAINER
        ).id
    reported_secrets.report(services, [reported_secrets.Found(text, "https://git.example/x")])
    with services.writing() as uow:
        project, ada = projects.get(uow, "example"), person(uow, "ada")
        project_tokens.end(uow, ada, project, other)
        invitations.accept(uow, person(uow, "fay"), offered)
        audit.write(uow, Kind.IDENTITY_LINK, ada, about=ada.user, detail="https://issuer.example")
        audit.write(uow, Kind.SESSION_END, OPERATOR, about=ada.user, detail="all: 2")
        audit.write(uow, Kind.SESSION_END, ada, about=ada.user, detail="all others: 2")
    accepted = "fay accepted a role in example"
    assert sent(services, server, clock) == [
        ("ada", "Sessions of your account ada were ended"),
        ("ada", "Single sign-on opens your account ada"),
        ("ada", accepted),
        ("bob", accepted),
        ("eve", "An API token of yours reaches a project no more"),
        ("eve", "An API token of yours was found and revoked"),
        ("eve", accepted),
    ]


def test_a_flood_of_events_is_some_messages_and_a_number(
    services: Services, server: MailServer, clock: FakeClock
) -> None:
    """Of one kind: it hides no other one."""
    with services.writing() as uow:
        user = factories.make_user(uow, "ada")
        for number in range(25):
            tokens.create(uow, user, f"token {number}", permissions=["stage"])
        audit.write(uow, Kind.PASSWORD_CHANGE, OPERATOR, about=user)
    subjects = [subject for _, subject in sent(services, server, clock)]
    assert subjects.count("A new API token for your account ada") == notices.MOST_PER_HOUR
    assert subjects.count("The password of your account ada was changed") == 1
    assert len(subjects) == notices.MOST_PER_HOUR + 1
    assert sent(services, server, clock, timedelta(minutes=61)) == [
        ("ada", "15 more messages were not sent")
    ]
    assert sent(services, server, clock, timedelta(hours=2)) == []


def test_a_token_in_a_loop_from_new_places_is_told_of_once_a_day(
    services: Services, server: MailServer, clock: FakeClock
) -> None:
    with services.writing() as uow:
        text = factories.make_token(uow, factories.make_user(uow, "ada"))
        for number in range(5):
            actor = tokens.actor_of_token(replace(uow, origin=Origin(f"192.0.2.{number}")), text)
            actor.used(replace(uow, origin=Origin(f"192.0.2.{number}")))
    told = ("ada", "An API token of yours was used from a new place")
    made = ("ada", "A new API token for your account ada")
    assert sent(services, server, clock) == [made, told]


def test_what_the_server_does_not_take_now_is_tried_again_and_what_it_never_takes_is_not(
    services: Services, server: MailServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def tell(name: str) -> None:
        with services.writing() as uow:
            audit.write(uow, Kind.PASSWORD_CHANGE, OPERATOR, about=accounts.get_user(uow.db, name))

    with services.writing() as uow:
        factories.make_user(uow, "ada")
        factories.make_user(uow, "eve")
    server.answers[:] = ["450 4.2.0 Greylisted, come back", "451 Not yet"]
    tell("ada")
    assert sent(services, server, clock) == []
    with services.reading() as uow:
        [waiting] = jobs.unfinished(uow)
    assert (waiting.kind, waiting.about) == ("mail", "password-change for user 1")
    assert "450 4.2.0 Greylisted" in waiting.error
    assert sent(services, server, clock, timedelta(seconds=1)) == []
    changed = "The password of your account {} was changed".format
    assert sent(services, server, clock, timedelta(seconds=2)) == [("ada", changed("ada"))]

    server.answers[:] = ["550 5.1.1 No such user ada@index.example"]
    tell("ada")
    tell("eve")
    assert sent(services, server, clock) == [("eve", changed("eve"))]
    assert sent(services, server, clock, timedelta(hours=1)) == []
    with services.reading() as uow:
        assert jobs.unfinished(uow) == []


def test_a_server_that_is_down_gets_everything_when_it_is_back_and_workers_send_nothing_twice(
    services: Services, clock: FakeClock
) -> None:
    with mail_server() as first:
        down = replace(services, settings=replace(services.settings, mail_url=first.url))
    with down.writing() as uow:
        for number in range(8):
            user = factories.make_user(uow, f"user-{number}")
            audit.write(uow, Kind.PASSWORD_CHANGE, OPERATOR, about=user)
    do_due(down)
    with down.reading() as uow:
        assert all("cannot be reached" in job.error for job in jobs.unfinished(uow))
        assert len(jobs.unfinished(uow)) == 8
    clock.now += timedelta(minutes=1)
    with mail_server(port=first.port) as back:
        factories.at_once(*[lambda: do_due(down)] * 3)
        assert sorted(to for to, _ in back.subjects()) == [
            f"user-{number}@index.example" for number in range(8)
        ]


def test_a_job_that_is_done_again_tells_nobody_again(
    services: Services, server: MailServer, clock: FakeClock
) -> None:
    with services.writing() as uow:
        user = factories.make_user(uow, "ada")
        audit.write(uow, Kind.PASSWORD_CHANGE, OPERATOR, about=user)
    [told] = sent_whole(services, server, clock)
    with services.reading() as uow:
        [event, message] = uow.db.scalars(select(Job).order_by(Job.id)).all()[-2:]
    mail.notify(services, event.payload)
    assert sent(services, server, clock) == []
    with services.writing() as uow:  # whoever had sent it was killed before that was written
        jobs.enqueue(uow, jobs.Kind.MAIL, message.payload)
    [again] = sent_whole(services, server, clock)
    assert again["Message-ID"] == told["Message-ID"]
    clock.now += timedelta(days=8)
    with services.writing() as uow:
        mail.forget_old(uow)
        assert uow.db.scalars(select(Notification)).all() == []


def test_every_row_of_the_table_is_of_an_act_and_can_be_said(settings: Settings) -> None:
    assert notices.NOTICES.keys() - {notices.EXPIRING} <= {kind.value for kind in Kind}
    assert jobs.Kind.NOTIFY == notices.JOB
    names = ("project", "version", "about", "by", "detail", "by_id", "address", "credential")
    facts = {name: f"<{name}>" for name in names} | {"at": "2026-01-01T00:00:00+00:00"}
    for act, notice in notices.NOTICES.items():
        letter = Letter("ada", "ada@index.example", act, facts, "key")
        made = messages.message(settings, letter, FakeClock().now)
        assert "{" not in made["Subject"]
        assert notice.says.format_map(facts).partition(".")[0] in " ".join(
            made.get_body(("plain",)).get_content().split()  # type: ignore[union-attr]
        )


@pytest.mark.parametrize(
    "address",
    [
        "ada@index.example\r\nBcc: eve@index.example",
        "ada@index.example, eve@index.example",
        "a\0@b.example",
    ],
)
def test_no_address_adds_to_the_header(settings: Settings, address: str) -> None:
    """Such addresses are refused where they are given; this is what is behind that."""
    facts = {"at": "2026-01-01T00:00:00+00:00", "about": "x\r\nBcc: eve@index.example"}
    letter = Letter("ada", address, "password-change", facts, "key")
    with pytest.raises(ValueError, match=r"\w"):
        messages.message(settings, letter, FakeClock().now)
    with pytest.raises(ValueError, match=r"\w"):
        messages.message(settings, replace(letter, address="ada@index.example"), FakeClock().now)


def test_the_command_line_tries_it_and_says_what_the_server_answered(
    server: MailServer, tmp_path: Path
) -> None:
    """Also before there is an index."""
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path)}
    sending = environment | {
        "GREENROOM_URL": "https://index.example/index",
        "GREENROOM_MAIL_FROM": "greenroom@index.example",
        "GREENROOM_MAIL_URL": server.url.replace("//", "//name:hunter2@"),
    }
    silent = command(environment, "mail", "test", "ada@mail.example")
    assert (silent.returncode, silent.stderr) == (
        1,
        "Error: This index sends no mail: set GREENROOM_MAIL_URL first.\n",
    )
    asked = sending | {"GREENROOM_MAIL_URL": server.url}
    for address in ("ada", "a@b.example, c@d.example", "ada@bücher.example"):
        refused = command(asked, "mail", "test", address)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "e-mail address" in refused.stderr
    assert server.taken == []
    taken = command(asked, "mail", "test", "ada@mail.example")
    assert (taken.returncode, taken.stdout) == (0, "The mail server took it: 250 Queued as 7\n")
    [(to, message)] = server.taken
    assert to == ["ada@mail.example"]
    assert "https://index.example/index/" in str(message)
    server.answers.append("550 5.1.1 No such user")
    gone = command(asked, "mail", "test", "ada@mail.example")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "550 5.1.1 No such user" in gone.stderr
    locked = command(sending, "mail", "test", "ada@mail.example")
    assert locked.returncode == 1
    assert locked.stderr == (
        "Error: The mail server refused the user name and the password (535).\n"
    )
    shown = command(sending, "config")
    assert "hunter2" not in shown.stdout + shown.stderr + locked.stdout
    assert f"smtp://name:***@127.0.0.1:{server.port}" in shown.stdout
