"""Showing again who one is, within a session, before an act that a stolen session must not do."""

from greenroom.models import User
from greenroom.registry import current_password, password_turns, passwords, sessions, single_sign_on
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.permissions import ShownSession
from greenroom.registry.unit_of_work import Services


def by_proxy(services: Services, session: ShownSession, vouched: str) -> str:
    """The session's new secret, where a trusted proxy vouches for its person by this name.

    Raises:
        NotAuthenticated: the session has ended, or the proxy vouches for somebody else.
    """
    with services.writing() as uow:
        person = sessions.get(uow, session.id)
        if not single_sign_on.may_be(uow, person, vouched):
            raise NotAuthenticated("The proxy has signed in somebody else: sign in again.")
        return sessions.confirm(uow, person, session)


def with_password(
    services: Services, session: ShownSession, password: str, address: str
) -> str | None:
    """The session's new secret where this is its person's password.

    None where it is not, which is counted, or where the person has a second factor,
    which it takes then.

    Raises:
        NotAllowed: passwords open nothing in this index.
        NotAuthenticated: the session has ended.
        TooMany: it was wrong too often; or too many passwords are worked on just now.
    """
    passwords.check_taken(services.settings)
    with password_turns.turn(known=True):
        with services.reading() as uow:
            user_id = sessions.get(uow, session.id).user.id
        password_hash = current_password.matching(services, user_id, password, address)
        if password_hash is None:
            return None
        with services.writing() as uow:
            is_as_it_was = uow.db.get_one(User, user_id).password_hash == password_hash
            person = sessions.get(uow, session.id)
            if not is_as_it_was or person.session is None or person.session.has_factor:
                return None
            return sessions.confirm(uow, person, session)
