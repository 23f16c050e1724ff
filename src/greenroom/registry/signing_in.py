"""Signing in, and changing the password.

To hash a password takes long on purpose. What does it takes the services, and holds no transaction
meanwhile.
"""

from greenroom.models import LinkKind, User
from greenroom.registry import (
    account_links,
    accounts,
    attempts,
    audit,
    current_password,
    failed_attempts,
    password_strength,
    password_turns,
    passwords,
    second_factors,
    sessions,
)
from greenroom.registry.accounts import SignedIn
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.audit import Kind
from greenroom.registry.errors import AccountDisabled, InvalidRequest
from greenroom.registry.known_devices import Device
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services

_WRONG_CURRENT = "The current password is wrong."


def sign_in(
    services: Services,
    username: str,
    password: str,
    address: str,
    device: Device | None = None,
) -> SignedIn | None:
    """Whose account name and password open, or None, which is counted.

    It takes the same steps whether or not the account exists. An attempt counts as a failure until
    it is none, so that many at once count like many in a row.

    Args:
        services: what it works on.
        username: the name of the account, in any letter case.
        password: what is said to be its password.
        address: from where.
        device: which browser shows that it is known to this account.

    Raises:
        NotAllowed: passwords open nothing in this index.
        AccountDisabled: both are right, and the account is.
        TooMany: too many failures (:mod:`greenroom.registry.attempt_limits`); or too many sign in
            just now, which counts for nobody.
    """
    passwords.check_taken(services.settings)
    with password_turns.turn(known=device is not None):
        return _sign_in(services, username, password, address, device)


def _sign_in(
    services: Services, username: str, password: str, address: str, device: Device | None
) -> SignedIn | None:
    with services.writing() as uow:
        user = accounts.find_user(uow.db, username)
        attempt = attempts.begin(uow, Purpose.SIGN_IN, username, address, _name_of(device, user))
        found = (user.id, user.password_hash) if user is not None else None
    user_id, password_hash = found or (None, passwords.dummy_hash())
    is_right = passwords.verify(password_hash, password) and user_id is not None
    if is_right:
        is_outdated = passwords.hasher().check_needs_rehash(password_hash)
        renewed = passwords.hashed(password) if is_outdated else password_hash
        with services.writing() as uow:
            user = uow.db.get(User, user_id)
            is_right = user is not None and user.password_hash == password_hash
            if user is not None and is_right and user.is_enabled:
                user.password_hash = renewed
                attempts.forget(uow, attempt)
                if not second_factors.count_of(uow, user.id):  # else it takes another step
                    audit.write(uow, Kind.SIGN_IN, Person(user), about=user)
                return accounts.signed_in(user)
    _record_failure(services, Purpose.SIGN_IN, username, address)
    if is_right:  # who knows the password may know why
        raise AccountDisabled(username)
    return None  # it is wrong, or was changed just now


def _name_of(device: Device | None, user: User | None) -> str:
    """What the device is counted by, empty where it is not known, or is not any more."""
    if device is None or user is None or not device.is_of(accounts.session_stamp(user)):
        return ""
    return device.name


def _record_failure(services: Services, purpose: Purpose, account: str, address: str) -> None:
    with services.writing() as uow:
        failed_attempts.record(uow, purpose, account, address)


def change_password(
    services: Services, user_id: int, current: str, new: str, *, session: int | None = None
) -> str | None:
    """Another password. Every session of the account ends with the old one.

    The ``session`` that asked for it goes on: then this gives its new secret.

    Raises:
        NotAllowed: passwords open nothing in this index.
        InvalidRequest: the current one is wrong, or the new one does not do.
        TooMany: the current one was wrong too often; or too many passwords are worked on just now.
    """
    passwords.check_taken(services.settings)
    with password_turns.turn(known=True):
        return _change_password(services, user_id, current, new, session)


def _change_password(
    services: Services, user_id: int, current: str, new: str, session: int | None
) -> str | None:
    address = services.origin.address or "unknown"
    password_hash = current_password.matching(services, user_id, current, address)
    if password_hash is None:
        raise InvalidRequest(_WRONG_CURRENT)
    with services.reading() as uow:
        user = uow.db.get_one(User, user_id)
        own = password_strength.own_words(user.username, user.email, uow.settings.url)
    problems = passwords.problems(new) or password_strength.problems(new, own)
    if problems:
        raise InvalidRequest(problems[0], problems)
    new_hash = passwords.hashed(new)
    with services.writing() as uow:
        user = uow.db.get_one(User, user_id)
        if user.password_hash != password_hash:  # it was changed just now
            raise InvalidRequest(_WRONG_CURRENT)
        # Links, sessions, and the row of the account last, as whoever disables one does.
        account_links.end(uow, user, LinkKind.PASSWORD_RESET)
        sessions.drop_all(uow, user_id, but=session)
        user.password_hash = new_hash
        uow.db.flush()
        audit.write(uow, Kind.PASSWORD_CHANGE, Person(user), about=user)
        return sessions.renew(uow, session) if session is not None else None
