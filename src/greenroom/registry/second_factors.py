"""Second factors of people: adding, listing, naming and removing them, and who must have one."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, exists, func, select

from greenroom.models import FactorKind, Role, RoleName, SecondFactor, User
from greenroom.registry import audit, authenticator_apps, passkeys, recovery_codes, sealing
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings

LONGEST_NAME = 100
MOST = 20
_SEALED_FOR = "second factor"
_WRONG_CODE = (
    "That is not the code that the app shows now: enter the newest one. If it is refused again, "
    "look whether the clock of the device is right."
)


class FactorSummary(Struct, frozen=True):
    """What pages say of a second factor."""

    id: int
    kind: FactorKind
    name: str
    created: datetime
    last_used: datetime | None


def has_any() -> ColumnElement[bool]:
    """Whether a user has a second factor, as a part of a query of users."""
    return exists().where(SecondFactor.user_id == User.id)


def owns_any() -> ColumnElement[bool]:
    """Whether a user owns a project, as a part of a query of users."""
    return exists().where(Role.user_id == User.id, Role.name == RoleName.OWNER)


def is_wanted(settings: Settings, user: User, *, owns: bool) -> bool:
    """Whether this index wants a second factor of somebody, who owns a project or does not."""
    wanted = settings.require_second_factor
    if wanted == "everybody":
        return True
    if wanted == "owners" and owns:
        return True
    return wanted != "none" and user.is_administrator


def of_user(uow: UnitOfWork, user: User) -> list[FactorSummary]:
    """What a person has, the oldest first."""
    return [_summary(factor) for factor in _factors(uow, user)]


def count_of(uow: UnitOfWork, user_id: int) -> int:
    """How many a person has."""
    of_user_ = SecondFactor.user_id == user_id
    return uow.db.scalar(select(func.count()).select_from(SecondFactor).where(of_user_)) or 0


def credentials_of(uow: UnitOfWork, user_id: int) -> list[str]:
    """The passkeys of a person, as WebAuthn keeps them."""
    found = uow.db.scalars(
        select(SecondFactor.credential)
        .where(SecondFactor.user_id == user_id, SecondFactor.credential.is_not(None))
        .order_by(SecondFactor.id)
    )
    return [credential for credential in found if credential is not None]


def add_app(uow: UnitOfWork, person: Person, name: str, secret: str, code: str) -> list[str]:
    """An authenticator app that has shown that it knows the secret.

    Gives recovery codes where it is the person's first second factor, which nobody can show again.

    Raises:
        InvalidRequest: the code is not the app's, the name does not do, or there are too many.
    """
    factor = _new(uow, person, FactorKind.APP, name)
    step = authenticator_apps.step_of(secret, code.replace(" ", ""), uow.now, None)
    if step is None:
        raise InvalidRequest(_WRONG_CODE)
    factor.sealed_secret = sealing.seal(uow.settings, _purpose(person.user.id), secret)
    factor.last_step = step
    return _add(uow, person, factor)


def add_passkey(uow: UnitOfWork, person: Person, name: str, answer: passkeys.Answer) -> list[str]:
    """A passkey that a browser has made.

    Gives recovery codes where it is the person's first second factor, which nobody can show again.

    Raises:
        InvalidRequest: the answer is not one to this challenge, the passkey is known, the name does
            not do, or there are too many.
    """
    factor = _new(uow, person, FactorKind.PASSKEY, name)
    new = passkeys.made(answer)
    uow.lock(f"passkey:{new.credential_digest}")
    if find_passkey(uow, new.credential_digest) is not None:
        raise InvalidRequest("This passkey is known already: use another one.")
    factor.credential, factor.credential_digest = new.credential, new.credential_digest
    factor.sign_count = new.sign_count
    return _add(uow, person, factor)


def find_passkey(uow: UnitOfWork, credential_digest: str) -> SecondFactor | None:
    """The passkey whose id has this digest, whosever it is."""
    return uow.db.scalar(
        select(SecondFactor).where(SecondFactor.credential_digest == credential_digest)
    )


def secret_of(uow: UnitOfWork, factor: SecondFactor) -> str | None:
    """The secret of an app; None where the key of the index is another one than it was."""
    if factor.sealed_secret is None:
        return None
    return sealing.unseal(uow.settings, _purpose(factor.user_id), factor.sealed_secret)


def rename(uow: UnitOfWork, person: Person, factor_id: int, name: str) -> FactorSummary:
    """Give a second factor another name.

    Raises:
        NotFound: the person has no such one.
        InvalidRequest: the name does not do.
    """
    factor = _get(uow, person.user, factor_id)
    before, factor.name = factor.name, _checked(name)
    if factor.name != before:
        uow.db.flush()
        detail = f"{_described(factor)}, which was “{before}”"
        audit.write(uow, Kind.SECOND_FACTOR_RENAME, person, about=person.user, detail=detail)
    return _summary(factor)


def get(uow: UnitOfWork, user: User, factor_id: int) -> FactorSummary:
    """One of a person's.

    Raises:
        NotFound: the person has no such one.
    """
    return _summary(_get(uow, user, factor_id))


def remove(uow: UnitOfWork, person: Person, factor_id: int) -> FactorSummary:
    """Take a second factor away; the recovery codes go with the last one.

    Raises:
        NotFound: the person has no such one.
        InvalidRequest: it is the last one, and this index wants one of the person.
    """
    lock(uow, person.user.id)
    factor = _get(uow, person.user, factor_id)
    is_last = count_of(uow, person.user.id) == 1
    owns = bool(uow.db.scalar(select(owns_any()).where(User.id == person.user.id)))
    if is_last and is_wanted(uow.settings, person.user, owns=owns):
        raise InvalidRequest(
            "This index wants a second factor of you: add another one before you remove this one."
        )
    removed, detail = _summary(factor), _described(factor)
    uow.db.delete(factor)
    uow.db.flush()
    if is_last:
        recovery_codes.forget(uow, person.user.id)
    audit.write(uow, Kind.SECOND_FACTOR_REMOVE, person, about=person.user, detail=detail)
    return removed


def lock(uow: UnitOfWork, user_id: int) -> None:
    """Be the only one that checks or changes the second factors of a person."""
    uow.lock(f"second factors:{user_id}")


def factors_of(uow: UnitOfWork, user: User) -> list[SecondFactor]:
    """The rows, for whoever checks what somebody shows, under :func:`lock`."""
    return _factors(uow, user)


class Proof(Struct, frozen=True):
    """What somebody has shown besides a password.

    Attributes:
        kind: what it is, in words that tell nothing else.
        detail: the same for the audit log, which names it.
    """

    kind: str
    detail: str


def proof(factor: SecondFactor) -> Proof:
    """That this second factor was shown."""
    return Proof(_what(factor), _described(factor))


def _factors(uow: UnitOfWork, user: User) -> list[SecondFactor]:
    return list(
        uow.db.scalars(
            select(SecondFactor)
            .where(SecondFactor.user_id == user.id)
            .order_by(SecondFactor.id)
            .execution_options(populate_existing=True)
        )
    )


def _new(uow: UnitOfWork, person: Person, kind: FactorKind, name: str) -> SecondFactor:
    lock(uow, person.user.id)
    checked = _checked(name)
    if count_of(uow, person.user.id) >= MOST:
        raise InvalidRequest(f"You have {MOST} second factors, as many as may be: remove one.")
    return SecondFactor(
        user_id=person.user.id, kind=kind.value, name=checked, created=uow.now, last_used=None
    )


def _add(uow: UnitOfWork, person: Person, factor: SecondFactor) -> list[str]:
    is_first = count_of(uow, person.user.id) == 0
    uow.db.add(factor)
    uow.db.flush()
    audit.write(uow, Kind.SECOND_FACTOR_ADD, person, about=person.user, detail=_described(factor))
    return recovery_codes.make(uow, person.user.id) if is_first else []


def _get(uow: UnitOfWork, user: User, factor_id: int) -> SecondFactor:
    factor = uow.db.get(SecondFactor, factor_id)
    if factor is None or factor.user_id != user.id:
        raise NotFound("There is no such second factor.")
    return factor


def _checked(name: str) -> str:
    checked = name.strip()
    if not checked or len(checked) > LONGEST_NAME or not checked.isprintable():
        raise InvalidRequest(f"A second factor needs a name of 1 to {LONGEST_NAME} characters.")
    return checked


def _summary(factor: SecondFactor) -> FactorSummary:
    return FactorSummary(
        factor.id, FactorKind(factor.kind), factor.name, factor.created, factor.last_used
    )


def _what(factor: SecondFactor) -> str:
    return "authenticator app" if factor.kind == FactorKind.APP else "passkey"


def _described(factor: SecondFactor) -> str:
    return f"{_what(factor)} “{factor.name}”"


def _purpose(user_id: int) -> str:
    return f"{_SEALED_FOR} of user {user_id}"
