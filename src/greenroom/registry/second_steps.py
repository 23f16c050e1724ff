"""Showing a second factor: the second step of signing in, a passkey alone, and confirming.

Each try counts as a failure until it is none, so that many at once count like many in a row.
"""

import hashlib
import re
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import delete

from greenroom.models import FactorKind, SecondFactor, UsedChallenge, User
from greenroom.registry import (
    accounts,
    attempts,
    audit,
    authenticator_apps,
    failed_attempts,
    passkeys,
    recovery_codes,
    second_factors,
    sessions,
    single_sign_on,
)
from greenroom.registry.accounts import SignedIn
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.audit import Kind
from greenroom.registry.known_devices import Device
from greenroom.registry.permissions import Person, ShownSession
from greenroom.registry.second_factors import Proof
from greenroom.registry.sessions import Browser
from greenroom.registry.unit_of_work import Services, UnitOfWork

_CHALLENGES_KEPT = timedelta(days=1)
"""Longer than anybody takes an answer to one."""
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


class Shown(Struct, frozen=True):
    """What somebody shows: a code, of an app or for recovery, or the answer of a passkey."""

    code: str = ""
    passkey: passkeys.Answer | None = None


def finish_sign_in(
    services: Services,
    pending: SignedIn,
    shown: Shown,
    address: str,
    browser: Browser,
    device: Device | None = None,
) -> str | None:
    """The secret of a session of somebody who has shown the password before; None where it fails.

    Args:
        services: what it works on.
        pending: who has shown the password.
        shown: what is shown now.
        address: from where.
        browser: in what.
        device: which browser shows that it is known to this account.

    Raises:
        NotAuthenticated: the password was changed meanwhile, or the account is gone.
        TooMany: too many failures (:mod:`greenroom.registry.attempt_limits`).
    """
    known = device.name if device is not None and device.is_of(pending.stamp) else ""
    with services.writing() as uow:
        user = uow.db.get(User, pending.id)
        account = user.normalized_username if user is not None else ""
        attempt = attempts.begin(uow, Purpose.SECOND_FACTOR, account, address, known)
    with services.writing() as uow:
        user = uow.db.get(User, pending.id)
        proof = _proof(uow, user, shown, alone=False) if user is not None else None
        if user is None or proof is None:
            failed_attempts.record(uow, Purpose.SECOND_FACTOR, account, address)
            return None
        attempts.forget(uow, attempt)
        return _signed_in(uow, user, pending, browser, proof, step="second step: ")


def sign_in_with_passkey(
    services: Services, answer: passkeys.Answer, address: str, browser: Browser
) -> tuple[SignedIn, str] | None:
    """Whose passkey has answered, and the secret of a session; None where none has.

    It stands for the password and the second factor: its device has asked who holds it. Where
    passwords open nothing, the session ends when that of the last sign-in elsewhere would.

    Raises:
        NotAllowed: passwords open nothing, and the person was not signed in elsewhere of late.
        NotAuthenticated: the account is gone.
        TooMany: too many failures (:mod:`greenroom.registry.attempt_limits`).
    """
    digest = passkeys.shown_digest(answer)
    with services.writing() as uow:
        factor = second_factors.find_passkey(uow, digest)
        user = uow.db.get(User, factor.user_id) if factor is not None else None
        account = user.normalized_username if user is not None else ""
        attempt = attempts.begin(uow, Purpose.SECOND_FACTOR, account, address)
    with services.writing() as uow:
        factor = second_factors.find_passkey(uow, digest)
        user = uow.db.get(User, factor.user_id) if factor is not None else None
        shown = Shown(passkey=answer)
        proof = _proof(uow, user, shown, alone=True) if user is not None else None
        if user is None or proof is None:
            failed_attempts.record(uow, Purpose.SECOND_FACTOR, account, address)
            return None
        attempts.forget(uow, attempt)
        since = single_sign_on.signed_in_elsewhere(uow, user)
        signed_in = accounts.signed_in(user)
        return signed_in, _signed_in(uow, user, signed_in, browser, proof, since=since)


def confirm(services: Services, session: ShownSession, shown: Shown, address: str) -> str | None:
    """The session's new secret where its person has shown a second factor; None where it fails.

    Raises:
        NotAuthenticated: the session has ended.
        TooMany: too many failures (:mod:`greenroom.registry.attempt_limits`).
    """
    with services.writing() as uow:
        account = sessions.get(uow, session.id).user.normalized_username
        attempt = attempts.begin(uow, Purpose.SECOND_FACTOR, account, address)
    with services.writing() as uow:
        person = sessions.get(uow, session.id)
        proof = _proof(uow, person.user, shown, alone=False)
        if proof is None:
            failed_attempts.record(uow, Purpose.SECOND_FACTOR, account, address)
            return None
        attempts.forget(uow, attempt)
        return sessions.confirm(uow, person, session, second_factor=proof)


def forget_challenges(uow: UnitOfWork) -> int:
    """Delete challenges that nobody can answer any more; say how many there were."""
    deleted = uow.db.execute(
        delete(UsedChallenge)
        .where(UsedChallenge.forgotten <= uow.now)
        .returning(UsedChallenge.digest)
    )
    return len(deleted.all())


def _signed_in(
    uow: UnitOfWork,
    user: User,
    signed_in: SignedIn,
    browser: Browser,
    proof: Proof,
    *,
    step: str = "",
    since: datetime | None = None,
) -> str:
    secret = sessions.begin(uow, signed_in, browser, second_factor=proof, since=since)
    audit.write(uow, Kind.SIGN_IN, Person(user), about=user, detail=f"{step}{proof.detail}")
    return secret


def _proof(uow: UnitOfWork, user: User, shown: Shown, *, alone: bool) -> Proof | None:
    """What was shown, and used up; None where it is nothing."""
    second_factors.lock(uow, user.id)
    factors = second_factors.factors_of(uow, user)
    if not factors:
        return None
    if shown.passkey is not None:
        return _by_passkey(uow, factors, shown.passkey, alone=alone)
    return _by_app(uow, factors, shown.code) or _by_recovery_code(uow, user, shown.code)


def _by_app(uow: UnitOfWork, factors: list[SecondFactor], text: str) -> Proof | None:
    code = re.sub(r"\s", "", text)
    if _CODE.fullmatch(code) is None:
        return None
    for factor in factors:
        secret = second_factors.secret_of(uow, factor) if factor.kind == FactorKind.APP else None
        if secret is None:
            continue
        step = authenticator_apps.step_of(secret, code, uow.now, factor.last_step)
        if step is not None:
            factor.last_step = step
            return _used(uow, factor)
    return None


def _by_passkey(
    uow: UnitOfWork, factors: list[SecondFactor], answer: passkeys.Answer, *, alone: bool
) -> Proof | None:
    digest = passkeys.shown_digest(answer)
    factor = next((each for each in factors if each.credential_digest == digest), None)
    if factor is None or factor.credential is None:
        return None
    count = passkeys.sign_count_of(answer, factor.credential, factor.user_id, alone=alone)
    if count is None or not passkeys.is_further(count, factor.sign_count or 0):
        return None
    challenge = hashlib.sha256(answer.challenge).hexdigest()
    if uow.db.get(UsedChallenge, challenge) is not None:
        return None
    uow.db.add(UsedChallenge(digest=challenge, forgotten=uow.now + _CHALLENGES_KEPT))
    factor.sign_count = count
    return _used(uow, factor)


def _by_recovery_code(uow: UnitOfWork, user: User, text: str) -> Proof | None:
    if not recovery_codes.use(uow, user.id, text):
        return None
    return Proof("recovery code", f"recovery code, {recovery_codes.left(uow, user.id)} left")


def _used(uow: UnitOfWork, factor: SecondFactor) -> Proof:
    factor.last_used = uow.now
    uow.db.flush()
    return second_factors.proof(factor)
