"""Second factors: what is taken of them, once, from whom, and who must have one."""

from datetime import timedelta

import pyotp
import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import AuditEntry, FactorKind, SecondFactor, User
from greenroom.registry import (
    accounts,
    authenticator_apps,
    passkeys,
    projects,
    reauthentication,
    recovery_codes,
    sealing,
    second_factor_resets,
    second_factors,
    second_steps,
    sessions,
    signing_in,
    tokens,
)
from greenroom.registry.errors import (
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    SecondFactorNeeded,
    TooMany,
)
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Act, Actor, Person, permitted
from greenroom.registry.second_steps import Shown
from greenroom.registry.sessions import Browser
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.conftest import FakeClock
from tests.factories import HOME, PASSWORD, one_unit
from tests.registry.authenticators import SITE, Authenticator, tampered

CHALLENGE = b"what is to be signed, 32 bytes!!"
HANDLE = passkeys.user_handle


def acts(uow: UnitOfWork) -> list[tuple[str, str]]:
    found = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(line.act, line.detail) for line in found if line.act != "user-create"]


def with_app(uow: UnitOfWork, person: Person, name: str = "Phone") -> tuple[pyotp.TOTP, list[str]]:
    """An app of a person, and the recovery codes that came of it."""
    secret = authenticator_apps.new_secret()
    app = pyotp.TOTP(secret)
    return app, second_factors.add_app(uow, person, name, secret, app.at(uow.now))


def with_passkey(uow: UnitOfWork, person: Person, name: str = "Key") -> Authenticator:
    authenticator = Authenticator(credential_id=name.encode() * 8)
    second_factors.add_passkey(uow, person, name, authenticator.make(CHALLENGE))
    return authenticator


def finish(
    uow: UnitOfWork, user: User, shown: Shown | str, stamp: str | None = None
) -> Person | None:
    """The person of the session that comes of a second step."""
    pending = accounts.signed_in(user)
    pending = replace(pending, stamp=stamp) if stamp is not None else pending
    shown = Shown(shown) if isinstance(shown, str) else shown
    secret = second_steps.finish_sign_in(one_unit(uow), pending, shown, HOME, Browser())
    return sessions.find(uow, secret) if secret is not None else None


def later(uow: UnitOfWork, **length: int) -> UnitOfWork:
    return replace(uow, now=uow.now + timedelta(**length))


def test_a_password_alone_begins_no_session_of_who_has_a_second_factor(
    uow: UnitOfWork, ada: Person
) -> None:
    app, codes = with_app(uow, ada)
    pending = signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME)
    assert pending is not None
    with pytest.raises(SecondFactorNeeded):
        sessions.begin(uow, pending, Browser())
    assert [act for act, _ in acts(uow)] == ["second-factor-add"]  # nobody has signed in yet

    person = finish(later(uow, minutes=1), ada.user, app.at(later(uow, minutes=1).now))

    assert person is not None
    assert person.session is not None
    assert person.session.second_factor == later(uow, minutes=1).now
    assert person.credential.endswith("with a second factor")
    assert acts(uow)[1:] == [("sign-in", "second step: authenticator app “Phone”")]
    assert len(set(codes)) == recovery_codes.COUNT == 10


def test_each_code_is_taken_once_and_only_near_its_time(uow: UnitOfWork, ada: Person) -> None:
    app, _ = with_app(uow, ada)  # its code is used up by that
    now = app.at(uow.now)
    assert finish(uow, ada.user, now) is None
    soon = later(uow, seconds=30)
    after = later(uow, seconds=60)
    code, ahead = app.at(soon.now), app.at(after.now)
    assert finish(soon, ada.user, f"{code[:3]} {code[3:]}") is not None
    assert finish(soon, ada.user, code) is None
    assert finish(soon, ada.user, ahead) is not None  # of a clock that is ahead
    assert finish(after, ada.user, ahead) is None
    assert finish(after, ada.user, code) is None
    late = later(uow, minutes=5)
    assert finish(late, ada.user, app.at(late.now - timedelta(seconds=60))) is None
    assert finish(late, ada.user, app.at(late.now - timedelta(seconds=30))) is not None
    wrong = ("", "12345", "1234567", "abcdef", "٠١٢٣٤٥", "\0", "0" * 100_000)
    for number, text in enumerate(wrong, 1):
        assert finish(later(late, minutes=6 * number), ada.user, text) is None


def test_two_at_once_take_a_code_once(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        app, codes = with_app(uow, ada)
        pending = accounts.signed_in(ada.user)
    clock.advance(timedelta(minutes=1))
    for code in (app.at(clock.now), codes[0]):
        found: list[str | None] = []

        def step(code: str = code, found: list[str | None] = found) -> None:
            shown = Shown(code)
            found.append(second_steps.finish_sign_in(services, pending, shown, HOME, Browser()))

        factories.at_once(step, step, step)
        assert [secret is None for secret in found].count(False) == 1


def test_a_recovery_code_works_once_however_it_is_typed(uow: UnitOfWork, ada: Person) -> None:
    _, codes = with_app(uow, ada)
    eve = Person(factories.make_user(uow, "eve"))
    _, hers = with_app(uow, eve)
    assert finish(uow, ada.user, hers[0]) is None
    assert finish(uow, ada.user, codes[0]) is not None
    assert finish(uow, ada.user, codes[0]) is None
    assert finish(uow, ada.user, f" {codes[1].replace('-', ' ').upper()} ") is not None
    assert acts(uow)[-1] == ("sign-in", "second step: recovery code, 8 left")
    others = recovery_codes.replace(uow, ada)
    assert recovery_codes.left(uow, ada.user.id) == 10
    assert finish(uow, ada.user, codes[2]) is None
    assert finish(uow, ada.user, others[2]) is not None
    assert not any(code.replace("-", "") in str(acts(uow)) for code in codes + others)


def test_five_wrong_codes_are_enough_wherever_they_are_asked_for(
    uow: UnitOfWork, ada: Person
) -> None:
    secret = sessions.begin(uow, accounts.signed_in(ada.user), Browser())
    person = sessions.find(uow, secret)
    assert person is not None
    assert person.session is not None
    _, codes = with_app(uow, ada)
    for _ in range(4):
        assert finish(uow, ada.user, "000000") is None
    assert second_steps.confirm(one_unit(uow), person.session, Shown("000000"), HOME) is None
    with pytest.raises(TooMany):
        finish(uow, ada.user, codes[0])
    with pytest.raises(TooMany):
        second_steps.confirm(one_unit(uow), person.session, Shown(codes[0]), HOME)
    key = Shown(passkey=Authenticator().show(CHALLENGE))
    with pytest.raises(TooMany):
        finish(uow, ada.user, key)
    assert acts(uow)[-1][0] == "sign-in-failed"
    assert finish(later(uow, minutes=6), ada.user, codes[0]) is not None


def test_a_password_that_was_changed_after_the_first_step_ends_the_second(
    uow: UnitOfWork, ada: Person
) -> None:
    _, codes = with_app(uow, ada)
    with pytest.raises(NotAuthenticated):
        finish(uow, ada.user, codes[0], stamp="0" * 32)
    assert recovery_codes.left(uow, ada.user.id) == 10


def test_a_passkey_alone_is_nothing_where_another_service_signs_people_in(
    uow: UnitOfWork, ada: Person
) -> None:
    settings = replace(
        uow.settings,
        passwords="off",
        oidc_issuer="https://login.example",
        oidc_client_id="greenroom",
    )
    off = one_unit(replace(uow, settings=settings))
    answer = with_passkey(uow, ada).show(CHALLENGE)

    with pytest.raises(NotAllowed, match="sign in there again"):
        second_steps.sign_in_with_passkey(off, answer, HOME, Browser())


def test_a_passkey_is_a_second_step_and_signs_in_alone(uow: UnitOfWork, ada: Person) -> None:
    key = with_passkey(uow, ada)
    touched = replace(key, verifies=False)
    assert finish(uow, ada.user, Shown(passkey=touched.show(CHALLENGE))) is not None

    def alone(authenticator: Authenticator, challenge: bytes) -> object:
        handle = HANDLE(ada.user.id)
        answer = authenticator.show(challenge, handle)
        return second_steps.sign_in_with_passkey(one_unit(uow), answer, HOME, Browser())

    assert alone(touched, b"1" * 32) is None  # nobody knows who has touched it
    assert alone(key, CHALLENGE) is None  # which was signed before
    assert alone(key, b"2" * 32) is not None
    assert alone(Authenticator(), b"3" * 32) is None
    assert [act for act in acts(uow) if act[0] == "sign-in"] == [
        ("sign-in", "second step: passkey “Key”"),
        ("sign-in", "passkey “Key”"),
    ]


def test_only_the_very_answer_of_the_passkey_is_taken(uow: UnitOfWork, ada: Person) -> None:
    key = with_passkey(uow, ada)
    eve = Person(factories.make_user(uow, "eve"))
    hers = with_passkey(uow, eve, "Hers")
    elsewhere = replace(key, site=passkeys.Site("index.example", "https://evil.example"))
    other_host = replace(key, site=passkeys.Site("evil.example", SITE.origin))
    right = key.show(CHALLENGE)
    wrong = [
        hers.show(CHALLENGE),
        replace(hers, credential_id=key.credential_id).show(CHALLENGE),
        elsewhere.show(CHALLENGE),
        other_host.show(CHALLENGE),
        replace(right, challenge=b"another, of another browser, 32!"),
        replace(right, challenge=b""),
        key.show(CHALLENGE, HANDLE(eve.user.id)),
        key.make(CHALLENGE),
        tampered(right, signature=""),
        tampered(right, signature="AAAA"),
        tampered(right, authenticatorData="AAAA"),
        tampered(right, clientDataJSON="e30"),
        tampered(right, id=""),
        replace(right, text=""),
        replace(right, text="[" * 2000),
        replace(right, text="{}" + " " * 5000),
        replace(right, text='{"id": 7}'),
        replace(right, text="[]"),
        replace(right, text="é"),
    ]
    for number, answer in enumerate(wrong):
        now = later(uow, minutes=6 * number)
        assert finish(now, ada.user, Shown(passkey=answer)) is None, number
    assert finish(later(uow, days=1), ada.user, Shown(passkey=right)) is not None


def test_a_copied_authenticator_is_noticed_where_it_counts(uow: UnitOfWork, ada: Person) -> None:
    key = with_passkey(uow, ada)
    key.count = 5
    assert finish(uow, ada.user, Shown(passkey=key.show(b"1" * 32))) is not None
    copy = replace(key, count=3)
    assert finish(uow, ada.user, Shown(passkey=copy.show(b"2" * 32))) is None
    assert finish(uow, ada.user, Shown(passkey=key.show(b"3" * 32))) is not None


def test_a_passkey_is_added_once_and_only_as_it_was_asked_for(
    uow: UnitOfWork, ada: Person, eve: Person
) -> None:
    key = with_passkey(uow, ada)
    with pytest.raises(InvalidRequest, match="known already"):
        second_factors.add_passkey(uow, eve, "Mine", key.make(CHALLENGE))
    new = Authenticator(credential_id=b"new" * 8)
    made = new.make(CHALLENGE)
    elsewhere = replace(new, site=passkeys.Site("index.example", "https://evil.example"))
    for wrong in (
        replace(made, challenge=b"another, of another browser, 32!"),
        replace(made, challenge=b""),
        replace(made, text="{}"),
        replace(made, text="nonsense"),
        tampered(made, attestationObject="AAAA"),
        tampered(made, clientDataJSON="AAAA"),
        elsewhere.make(CHALLENGE),
        new.show(CHALLENGE),
    ):
        with pytest.raises(InvalidRequest, match="could not be checked"):
            second_factors.add_passkey(uow, eve, "Mine", wrong)
    assert second_factors.of_user(uow, eve.user) == []
    second_factors.add_passkey(uow, eve, "Mine", made)
    known = second_factors.credentials_of(uow, eve.user.id)
    asked = passkeys.creation_options(SITE, CHALLENGE, eve.user.id, "eve", known)
    excluded = [{"type": "public-key", "id": passkeys.encode(new.credential_id)}]
    assert asked["excludeCredentials"] == excluded


def test_secrets_of_apps_are_not_in_the_database(uow: UnitOfWork, ada: Person) -> None:
    app, codes = with_app(uow, ada)
    row = uow.db.scalars(select(SecondFactor)).one()
    assert row.sealed_secret is not None
    assert app.secret not in str(vars(row))
    purpose = second_factors._purpose
    assert sealing.unseal(uow.settings, purpose(ada.user.id), row.sealed_secret) == app.secret
    assert sealing.unseal(uow.settings, purpose(77), row.sealed_secret) is None
    for broken in ("", "é", "AAAA", row.sealed_secret[:-2], "A" * 60):
        assert sealing.unseal(uow.settings, purpose(ada.user.id), broken) is None
    settings = replace(uow.settings, secret_key="another key of this index")
    elsewhere = replace(later(uow, minutes=1), settings=settings)
    assert finish(elsewhere, ada.user, app.at(elsewhere.now)) is None
    assert finish(elsewhere, ada.user, codes[0]) is not None


def test_second_factors_are_named_and_removed_by_whose_they_are(
    uow: UnitOfWork, ada: Person, eve: Person
) -> None:
    with_app(uow, ada)
    key = with_passkey(uow, ada)
    phone, listed = second_factors.of_user(uow, ada.user)
    assert (phone.kind, listed.kind) == (FactorKind.APP, FactorKind.PASSKEY)
    assert second_factors.rename(uow, ada, phone.id, " Old phone ").name == "Old phone"
    second_factors.rename(uow, ada, phone.id, "Old phone")
    for name in ("", "  ", "x" * 101, "a\nb", "\u202e"):
        with pytest.raises(InvalidRequest, match="a name of 1 to 100"):
            second_factors.rename(uow, ada, phone.id, name)
    with pytest.raises(NotFound):
        second_factors.remove(uow, eve, phone.id)
    with pytest.raises(NotFound):
        second_factors.rename(uow, eve, phone.id, "mine")
    second_factors.remove(uow, ada, listed.id)
    assert finish(uow, ada.user, Shown(passkey=key.show(b"1" * 32))) is None
    assert recovery_codes.left(uow, ada.user.id) == 10
    second_factors.remove(uow, ada, phone.id)
    assert recovery_codes.left(uow, ada.user.id) == 0
    sessions.begin(uow, accounts.signed_in(ada.user), Browser())
    assert [line for line in acts(uow) if "failed" not in line[0]] == [
        ("second-factor-add", "authenticator app “Phone”"),
        ("second-factor-add", "passkey “Key”"),
        ("second-factor-rename", "authenticator app “Old phone”, which was “Phone”"),
        ("second-factor-remove", "passkey “Key”"),
        ("second-factor-remove", "authenticator app “Old phone”"),
    ]


def test_there_are_twenty_at_most(uow: UnitOfWork, ada: Person) -> None:
    for number in range(second_factors.MOST):
        with_passkey(uow, ada, f"Key {number:02}")
    with pytest.raises(InvalidRequest, match="as many as may be"):
        with_passkey(uow, ada, "one more")


def test_who_has_a_second_factor_confirms_with_it_and_not_with_the_password(
    uow: UnitOfWork, ada: Person
) -> None:
    secret = sessions.begin(uow, accounts.signed_in(ada.user), Browser())
    app, codes = with_app(uow, ada)
    much_later = later(uow, hours=1)
    services = one_unit(much_later)
    person = sessions.find(much_later, secret)
    assert person is not None
    session = person.session
    assert session is not None
    assert not person.has_confirmed(much_later.now)
    assert reauthentication.with_password(services, session, PASSWORD, HOME) is None
    with pytest.raises(SecondFactorNeeded):  # whatever else was shown instead
        sessions.confirm(much_later, person, session)
    assert second_steps.confirm(services, session, Shown("000000"), HOME) is None
    code = Shown(app.at(much_later.now))
    renewed = second_steps.confirm(services, session, code, HOME)
    assert renewed is not None
    assert sessions.find(much_later, secret) is None
    uow.db.expire_all()
    again = sessions.find(much_later, renewed)
    assert again is not None
    assert again.has_confirmed(much_later.now)
    assert again.session is not None
    assert again.session.second_factor == much_later.now
    assert second_steps.confirm(services, session, Shown(codes[0]), HOME) is not None
    assert acts(uow)[-1] == ("session-confirm", "recovery code, 9 left")


# Who must have a second factor, by the setting: and what is left to who has none.
WANTED = """
    setting         nobody's  owner  administrator
    none            -         -      -
    administrators  -         -      yes
    owners          -         yes    yes
    everybody       yes       yes    yes
"""


@pytest.mark.parametrize("row", [line.split() for line in WANTED.strip().splitlines()[1:]])
def test_who_must_have_a_second_factor(uow: UnitOfWork, row: list[str]) -> None:
    setting, *expected = row
    settings = replace(uow.settings, require_second_factor=setting)
    uow = replace(uow, settings=settings)
    people = {
        name: Person(factories.make_user(uow, name, administrator=name == "administrator"))
        for name in ("maintainer", "owner", "administrator")
    }
    project = projects.create(uow, people["owner"], "example")
    project.registered = uow.now
    for person, must in zip(people.values(), expected, strict=True):
        secret = sessions.begin(uow, accounts.signed_in(person.user), Browser())
        found = sessions.find(uow, secret)
        assert found is not None
        assert found.session is not None
        assert found.session.must_enrol == (must == "yes"), person.name
        left = {Act.READ, Act.SEE} if must == "yes" else set(Act)
        assert permitted(found, project) == permitted(person, project) & left
        with_app(uow, found)
        found = sessions.find(uow, secret)
        assert found is not None
        assert found.session is not None
        assert not found.session.must_enrol
        assert permitted(found, project) == permitted(person, project)
        [factor] = second_factors.of_user(uow, person.user)
        if must == "yes":
            with pytest.raises(InvalidRequest, match="add another one before"):
                second_factors.remove(uow, found, factor.id)
        else:
            second_factors.remove(uow, found, factor.id)


RESETTING = {"ada": False, "eve": False, "root": True, "token of root": False, "operator": True}
RESETTING |= {"anonymous": False}


def test_an_administrator_takes_lost_second_factors_away(uow: UnitOfWork, ada: Person) -> None:
    root = factories.make_user(uow, "root", administrator=True)
    actors: dict[str, Actor] = {
        "ada": ada,
        "eve": Person(factories.make_user(uow, "eve")),
        "root": Person(root),
        "token of root": tokens.actor_of_token(uow, factories.make_token(uow, root)),
        "operator": OPERATOR,
        "anonymous": ANONYMOUS,
    }
    done = {}
    for name, actor in actors.items():
        if not second_factors.count_of(uow, ada.user.id):
            _, codes = with_app(uow, ada)
        person = finish(uow, ada.user, codes.pop())
        assert person is not None
        try:
            second_factor_resets.reset(uow, actor, "ada", " lost the phone ")
            done[name] = True
        except NotAllowed:
            done[name] = False
        assert second_factors.count_of(uow, ada.user.id) == (0 if done[name] else 1)
        assert sessions.count_of(uow, ada.user) == 0 or not done[name]
        assert recovery_codes.left(uow, ada.user.id) == 0 or not done[name]
    assert done == RESETTING
    assert [detail for act, detail in acts(uow) if act == "second-factor-reset"] == [
        "lost the phone"
    ] * 2
    with_passkey(uow, ada)
    for reason in ("", "  ", "two\nlines", "x" * 501):
        with pytest.raises(InvalidRequest, match="reason"):
            second_factor_resets.reset(uow, Person(root), "ada", reason)
    with pytest.raises(InvalidRequest, match="has no second factor"):
        second_factor_resets.reset(uow, OPERATOR, "root", "lost")


def test_old_challenges_are_forgotten(uow: UnitOfWork, ada: Person) -> None:
    key = with_passkey(uow, ada)
    assert finish(uow, ada.user, Shown(passkey=key.show(CHALLENGE))) is not None
    assert second_steps.forget_challenges(later(uow, hours=23)) == 0
    assert second_steps.forget_challenges(later(uow, hours=24)) == 1
