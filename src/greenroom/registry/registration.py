"""Registering an account, where anyone may have one."""

from greenroom.registry import accounts, attempts, password_turns, passwords
from greenroom.registry.accounts import SignedIn
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.errors import InvalidRequest, TooMany
from greenroom.registry.unit_of_work import Services


def register(
    services: Services, username: str, email: str, password: str, address: str
) -> SignedIn:
    """A new account of somebody who comes from this address.

    It counts before it is made, so that many at once count like many in a row. Names of accounts
    are public; whether an e-mail address has one is told to nobody.

    Raises:
        NotAllowed: passwords open nothing in this index.
        TooMany: too many accounts were registered from there of late, or asked for; or too many
            passwords are worked on just now.
        InvalidRequest: name, address or password do not do, or the name is taken. It does not count
            as an account then.
    """
    passwords.check_taken(services.settings)
    with services.writing() as uow:
        attempts.begin(uow, Purpose.REGISTRATION_TRY, "", address)
    # What can be told without the database is told before more is written.
    accounts.check_account(username, email, password)
    with password_turns.turn():
        accounts.check_strength(username, email, password, services.settings.url)
    with services.writing() as uow:
        accounts.check_not_taken(uow, username)
        attempt = attempts.begin(uow, Purpose.REGISTRATION, "", address)
    try:
        account = accounts.prepared(username, email, password, index_url=services.settings.url)
        with services.writing() as uow:
            return accounts.signed_in(accounts.create_user(uow, account))
    except (InvalidRequest, TooMany):
        with services.writing() as uow:
            attempts.forget(uow, attempt)
        raise
