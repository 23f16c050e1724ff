"""Sessions on the server: how they begin and end, and for how long they go on."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select, update

from greenroom.models import AuditEntry, SignInSession, User
from greenroom.registry import accounts, passwords, reauthentication, sessions, signing_in, tokens
from greenroom.registry.accounts import SignedIn
from greenroom.registry.device_names import device_name
from greenroom.registry.errors import NotAllowed, NotAuthenticated, NotFound
from greenroom.registry.permissions import (
    ANONYMOUS,
    CONFIRMED_FOR,
    HOUSEKEEPING,
    OPERATOR,
    Actor,
    Importer,
    Person,
    ShownSession,
)
from greenroom.registry.sessions import Browser
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from tests import factories
from tests.conftest import FakeClock
from tests.factories import HOME, PASSWORD, one_unit

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def begun(uow: UnitOfWork, user: User, user_agent: str = FIREFOX) -> str:
    return sessions.begin(uow, accounts.signed_in(user), Browser(user_agent))


def shown(uow: UnitOfWork, secret: str) -> ShownSession:
    person = sessions.find(uow, secret)
    assert person is not None
    assert person.session is not None
    return person.session


def acts(uow: UnitOfWork) -> list[tuple[str, str, str, str]]:
    """What the audit log says since the accounts were made."""
    found = (
        select(AuditEntry)
        .where(AuditEntry.act.not_in(["user-create", "token-create"]))
        .order_by(AuditEntry.id)
    )
    return [(line.act, line.by, line.credential, line.detail) for line in uow.db.scalars(found)]


def test_a_session_is_found_by_its_secret_which_nobody_has_kept(uow: UnitOfWork) -> None:
    uow = replace(uow, origin=Origin("2001:db8:0:1:ffff::7"))
    ada = factories.make_user(uow)
    secret = begun(uow, ada, FIREFOX + "\n\u202e" + "x" * 1000)

    person = sessions.find(uow, secret)

    assert person is not None
    assert person.user is ada
    row = uow.db.scalars(select(SignInSession)).one()
    assert secret not in str(vars(row))
    assert row.address == "2001:db8:0:1::/64"
    assert row.user_agent.isprintable()
    assert len(row.user_agent) == 255
    others = (secret[:-1], secret + "a", secret.swapcase(), row.digest, "", "\0", "é" * 43)
    assert [sessions.find(uow, other) for other in others] == [None] * len(others)


def test_nobody_begins_a_session_with_a_password_that_was_changed(uow: UnitOfWork) -> None:
    ada = factories.make_user(uow)
    before = accounts.signed_in(ada)
    signing_in.change_password(one_unit(uow), ada.id, PASSWORD, "another good password")
    for stale in (before, SignedIn(7, "ada", before.stamp)):
        with pytest.raises(NotAuthenticated, match="sign in again"):
            sessions.begin(uow, stale, Browser(FIREFOX))


@pytest.mark.parametrize("used_every", [timedelta(days=1), timedelta(days=13, hours=23)])
def test_a_session_that_is_used_goes_on_for_its_lifetime(
    services: Services, clock: FakeClock, used_every: timedelta
) -> None:
    with services.writing() as uow:
        secret = begun(uow, factories.make_user(uow))
    start = clock.now
    while clock.now < start + timedelta(days=90):
        with services.writing() as uow:
            session = shown(uow, secret)
            assert sessions.is_use_due(uow, session) == (clock.now > start)
            sessions.note_use(uow, session.id)
            sessions.forget_ended(uow)
        clock.advance(used_every)
    with services.writing() as uow:
        assert sessions.find(uow, secret) is None
        assert sessions.forget_ended(uow) == 1


def test_a_session_that_is_not_used_ends(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow)
        secret = begun(uow, ada)
    clock.advance(timedelta(days=14) - timedelta(microseconds=1))
    with services.reading() as uow:
        ada = accounts.get_user(uow.db, "ada")
        assert sessions.find(uow, secret) is not None
        assert sessions.count_of(uow, ada) == 1
    clock.advance(timedelta(microseconds=1))
    with services.reading() as uow:
        ada = accounts.get_user(uow.db, "ada")
        assert sessions.find(uow, secret) is None
        assert sessions.count_of(uow, ada) == 0
        assert sessions.of_user(uow, ada, count=10) == []
    with services.writing() as uow:
        assert sessions.forget_ended(uow) == 1


def test_the_operator_says_how_long_sessions_go_on(services: Services, clock: FakeClock) -> None:
    lifetimes = {"session_idle": timedelta(minutes=5), "session_lifetime": timedelta(minutes=8)}
    services = replace(services, settings=replace(services.settings, **lifetimes))
    with services.writing() as uow:
        secret = begun(uow, factories.make_user(uow))
    for _ in range(2):
        clock.advance(timedelta(minutes=4))
        with services.writing() as uow:
            person = sessions.find(uow, secret)
            if person is not None and person.session is not None:
                sessions.note_use(uow, person.session.id)
    assert person is None


def test_a_use_is_noted_to_the_minute_and_never_brings_a_session_back(uow: UnitOfWork) -> None:
    ada = factories.make_user(uow)
    secret = begun(uow, ada)
    session = shown(uow, secret)
    later = replace(uow, now=uow.now + timedelta(minutes=1), origin=Origin("192.0.2.9"))
    soon = replace(uow, now=later.now - timedelta(seconds=1))
    assert [sessions.is_use_due(each, session) for each in (uow, soon, later)] == [False] * 2 + [
        True
    ]
    sessions.note_use(later, session.id)
    sessions.note_use(soon, session.id)  # of a request that was slower
    uow.db.expire_all()
    [summary] = sessions.of_user(later, ada, count=10)
    assert (summary.last_used, summary.address) == (later.now, "192.0.2.9")
    sessions.sign_out(uow, Person(ada, session))
    sessions.note_use(replace(later, now=later.now + timedelta(minutes=5)), session.id)
    assert sessions.find(later, secret) is None
    with pytest.raises(NotAuthenticated):
        sessions.get(uow, session.id)
    with pytest.raises(NotAuthenticated):
        sessions.renew(uow, session.id)


def test_who_signs_in_anew_in_a_browser_leaves_no_session_behind(uow: UnitOfWork) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    first = begun(uow, ada)
    second = sessions.begin(uow, accounts.signed_in(eve), Browser(FIREFOX, first))
    assert sessions.find(uow, first) is None
    assert sessions.find(uow, second) is not None


def test_a_person_has_a_hundred_sessions_at_most(uow: UnitOfWork) -> None:
    ada = factories.make_user(uow)
    secrets = [begun(uow, ada) for _ in range(sessions._MOST + 3)]
    assert sessions.count_of(uow, ada) == sessions._MOST == 100
    assert [sessions.find(uow, secret) is None for secret in secrets[:4]] == [True] * 3 + [False]
    listed = sessions.of_user(uow, ada, start=90, count=20)
    assert [summary.device for summary in listed] == ["Firefox on Linux"] * 10


def test_a_new_password_ends_every_session_but_the_one_that_asked(uow: UnitOfWork) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    here, elsewhere, hers = begun(uow, ada), begun(uow, ada), begun(uow, eve)
    this = shown(uow, here).id

    renewed = signing_in.change_password(
        one_unit(uow), ada.id, PASSWORD, "another good password", session=this
    )

    assert renewed is not None
    assert shown(uow, renewed).id == this
    assert sessions.find(uow, here) is None  # which somebody may have copied
    assert sessions.find(uow, elsewhere) is None
    assert sessions.find(uow, hers) is not None
    assert [act for act, *_ in acts(uow)] == ["password-change"]
    ada.password_hash = passwords.hashed("set past everything")
    assert sessions.find(uow, renewed) is None


def test_who_confirms_has_a_new_secret_and_fifteen_minutes(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        secret = begun(uow, factories.make_user(uow))
        session = shown(uow, secret)
    clock.advance(CONFIRMED_FOR - timedelta(seconds=1))
    with services.reading() as uow:
        assert shown(uow, secret).is_confirmed(uow.now)
    clock.advance(timedelta(seconds=1))
    with services.reading() as uow:
        assert not shown(uow, secret).is_confirmed(uow.now)

    assert reauthentication.with_password(services, session, "wrong", HOME) is None
    renewed = reauthentication.with_password(services, session, PASSWORD, HOME)

    assert renewed is not None
    with services.writing() as uow:
        assert shown(uow, renewed).is_confirmed(uow.now)
        assert shown(uow, renewed).begun == session.begun
        assert sessions.find(uow, secret) is None
        assert acts(uow) == [
            ("sign-in-failed", "anonymous", "", "the current password was asked for"),
            ("session-confirm", "ada", f"session {session.id}", ""),
        ]
        sessions.drop_all(uow, accounts.get_user(uow.db, "ada").id)
    with pytest.raises(NotAuthenticated):
        reauthentication.with_password(services, session, PASSWORD, HOME)


def test_what_was_confirmed_while_the_clock_was_ahead_is_not(uow: UnitOfWork) -> None:
    ahead = uow.now + timedelta(days=2)
    assert not ShownSession(1, ahead, ahead, ahead).is_confirmed(uow.now)


# Who ends whose sessions: themselves and administrators, and no token of theirs.
ENDING = {
    "ada": True,
    "eve": False,
    "root": True,
    "token of ada": False,
    "token of root": False,
    "import for ada": False,
    "operator": True,
    "anonymous": False,
    "housekeeping": False,
}


def test_who_may_end_sessions(uow: UnitOfWork) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    root = factories.make_user(uow, "root", administrator=True)
    actors: dict[str, Actor] = {
        "ada": Person(ada),
        "eve": Person(eve),
        "root": Person(root),
        "token of ada": tokens.actor_of_token(uow, factories.make_token(uow, ada)),
        "token of root": tokens.actor_of_token(uow, factories.make_token(uow, root)),
        "import for ada": Importer(ada),
        "operator": OPERATOR,
        "anonymous": ANONYMOUS,
        "housekeeping": HOUSEKEEPING,
    }
    outcomes = {}
    for name, actor in actors.items():
        one, other, third = begun(uow, ada), begun(uow, ada), begun(uow, ada)
        before = len(acts(uow))
        try:
            sessions.end(uow, actor, ada, shown(uow, one).id)
            assert sessions.end_all(uow, actor, ada, but=shown(uow, other).id) >= 1
            assert sessions.end_all(uow, actor, ada, but=shown(uow, other).id) == 0
            assert sessions.end_all(uow, actor, ada) == 1
            outcomes[name] = True
        except NotAllowed:
            outcomes[name] = False
            with pytest.raises(NotAllowed):
                sessions.end_all(uow, actor, ada)
        found = [sessions.find(uow, secret) is None for secret in (one, other, third)]
        assert found == [outcomes[name]] * 3
        assert len(acts(uow)) - before == (3 if outcomes[name] else 0)
    assert outcomes == ENDING
    ended = [detail for act, by, _, detail in acts(uow) if (act, by) == ("session-end", "ada")]
    assert ended[0].endswith(": Firefox on Linux")
    assert ended[1:] == ["all others: 1", "all: 1"]


def test_no_session_of_another_account_is_ended_by_its_number(uow: UnitOfWork) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
    hers = begun(uow, eve)
    with pytest.raises(NotFound, match="no such session"):
        sessions.end(uow, Person(ada), ada, shown(uow, hers).id)
    assert sessions.find(uow, hers) is not None


def test_housekeeping_keeps_what_goes_on(uow: UnitOfWork) -> None:
    ada = factories.make_user(uow)
    kept, signed_out = begun(uow, ada), begun(uow, ada)
    sessions.sign_out(uow, Person(ada, shown(uow, signed_out)))
    uow.db.execute(update(SignInSession).values(user_agent=""))
    assert sessions.forget_ended(uow) == 1
    assert uow.db.scalar(select(func.count()).select_from(SignInSession)) == 1
    assert sessions.find(uow, kept) is not None


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
            "Gecko) Version/18.5 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl"),
        ("something (Linux)", "A browser on Linux"),
        ("", "An unknown browser"),
    ],
)
def test_browsers_have_names(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
