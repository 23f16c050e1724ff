"""The current password of somebody who is signed in: asked for before some acts, and counted."""

from greenroom.models import User
from greenroom.registry import attempts, failed_attempts, passwords
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.unit_of_work import Services


def matching(services: Services, user_id: int, password: str, address: str) -> str | None:
    """The hash that the password has, where this is the password; None where it is not.

    What is wrong is counted, so that who has stolen a session guesses no password in it. By the
    hash a later unit of work can tell whether the password is still the same. It takes long: call
    it in a turn (:func:`greenroom.registry.password_turns.turn`) and in no unit of work.

    Raises:
        TooMany: too many were wrong (:mod:`greenroom.registry.attempt_limits`).
    """
    with services.writing() as uow:
        user = uow.db.get_one(User, user_id)
        account, password_hash = user.normalized_username, user.password_hash
        attempt = attempts.begin(uow, Purpose.CURRENT_PASSWORD, account, address)
    is_right = passwords.verify(password_hash, password)
    with services.writing() as uow:
        if is_right:
            attempts.forget(uow, attempt)
            return password_hash
        failed_attempts.record(uow, Purpose.CURRENT_PASSWORD, account, address)
        return None
