"""Codes that stand, each once, for a second factor that was lost."""

import hashlib
import re
import secrets

from sqlalchemy import delete, func, select, update

from greenroom.models import RecoveryCode
from greenroom.registry import audit
from greenroom.registry.audit import Kind
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork

COUNT = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks like something else
_GROUPS, _GROUP = 4, 4
_CODE = re.compile(f"[{_ALPHABET}]{{{_GROUPS * _GROUP}}}")


def replace(uow: UnitOfWork, person: Person) -> list[str]:
    """Other codes in the place of those that there are, as the person asked for. Nobody keeps them.

    Each is random enough (79 bits) that a fast digest keeps it.
    """
    codes = make(uow, person.user.id)
    audit.write(uow, Kind.RECOVERY_CODES, person, about=person.user)
    return codes


def make(uow: UnitOfWork, user_id: int) -> list[str]:
    """The same as a part of another act, whose line in the audit log says so."""
    forget(uow, user_id)
    codes = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP)) for _ in range(COUNT)
    ]
    uow.db.add_all(RecoveryCode(user_id=user_id, digest=_digest(user_id, code)) for code in codes)
    uow.db.flush()
    return ["-".join(re.findall("." * _GROUP, code)) for code in codes]


def forget(uow: UnitOfWork, user_id: int) -> None:
    """Delete all codes of a user."""
    uow.db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def left(uow: UnitOfWork, user_id: int) -> int:
    """How many codes of a user were not used."""
    return (
        uow.db.scalar(
            select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used.is_(None))
        )
        or 0
    )


def use(uow: UnitOfWork, user_id: int, text: str) -> bool:
    """Use up a code, however it is typed; whether there was one that nobody has used."""
    code = re.sub(r"[\s-]", "", text.lower())
    if not code.isascii() or _CODE.fullmatch(code) is None:
        return False
    used = uow.db.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.digest == _digest(user_id, code),
            RecoveryCode.used.is_(None),
        )
        .values(used=uow.now)
        .returning(RecoveryCode.id)
    )
    return used.one_or_none() is not None


def _digest(user_id: int, code: str) -> str:
    return hashlib.sha256(f"{user_id}:{code}".encode()).hexdigest()
