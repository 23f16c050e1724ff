"""The life of an account after it was made: disabled, enabled, an administrator's, deleted.

Whatever changes who is an administrator, or whether anybody still is, holds the lock ``users``, and
looks at the account of whoever asks once more under it. There is always one administrator whose
account is enabled, whoever asks: also the operator makes another one first.

The locks of projects come before rows of tokens and links, and the account's own row last, as
whoever uploads takes them (see :func:`greenroom.registry.audit.write`).
"""

from typing import cast

from sqlalchemy import Table, delete, exists, select, update
from sqlalchemy.orm import aliased

from greenroom.models import Base, Project, Role, RoleName, Token, User
from greenroom.registry import (
    account_links,
    accounts,
    audit,
    draft_addresses,
    projects,
    second_factors,
    sessions,
    teams,
)
from greenroom.registry.accounts import UserSummary
from greenroom.registry.administering import check_administrator, check_reason
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotAllowed
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork

_MOST_NAMED = 20
_NOT_YOURSELF = "Another administrator has to do this to your account."


def disable(uow: UnitOfWork, actor: Actor, username: str, reason: str = "") -> UserSummary:
    """Let nothing be done with the account: its sessions and tokens end at once, for good.

    What it is doing just now is refused when it comes to its end. Open drafts of its projects get
    other addresses. Its roles stay, and it can be enabled again.

    Args:
        uow: in which it is done.
        actor: who does it.
        username: whose account.
        reason: why, for those who administer the index; an administrator has to give one.

    Raises:
        NotAllowed: the actor is no administrator, or it is their own account.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do, it is disabled, or nobody else is an administrator.
    """
    reason = _begin(uow, actor, reason)
    user = _other_account(uow, actor, username)
    if user.disabled is not None:
        raise InvalidRequest(f"The account {user.username!r} is disabled, as before.")
    _check_not_last_administrator(uow, user)
    why = f"because the account of {user.username} is disabled"
    changed = sum(
        draft_addresses.change_all(uow, project, actor, why) for project in _working(uow, user)
    )
    done = [reason, *_end_credentials(uow, user)]
    if changed:
        done.append(f"draft addresses changed: {changed}")
    user.disabled, user.disabled_reason, user.disabled_by = uow.now, reason, actor.name
    uow.db.flush()
    audit.write(uow, Kind.USER_DISABLE, actor, about=user, detail=_joined(done))
    return accounts.summary(user)


def enable(uow: UnitOfWork, actor: Actor, username: str, reason: str = "") -> UserSummary:
    """Let the account be used again. Its tokens and sessions stay ended: its owner makes others.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do, or it is not disabled.
    """
    reason = _begin(uow, actor, reason)
    user = _account(uow, username)
    if user.disabled is None:
        raise InvalidRequest(f"The account {user.username!r} is not disabled.")
    _end_credentials(uow, user)  # what was being made while the account was disabled
    user.disabled, user.disabled_reason, user.disabled_by = None, "", ""
    uow.db.flush()
    audit.write(uow, Kind.USER_ENABLE, actor, about=user, detail=reason)
    return accounts.summary(user)


def make_administrator(
    uow: UnitOfWork, actor: Actor, username: str, reason: str = ""
) -> UserSummary:
    """Give a person the powers of an administrator.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do, the account is disabled, or it has them.
    """
    reason = _begin(uow, actor, reason)
    user = _account(uow, username)
    if user.disabled is not None:
        raise InvalidRequest(f"The account {user.username!r} is disabled: enable it first.")
    if user.is_administrator:
        raise InvalidRequest(f"{user.username!r} is an administrator, as before.")
    user.is_administrator = True
    uow.db.flush()
    audit.write(uow, Kind.ADMINISTRATOR_GIVE, actor, about=user, detail=reason)
    return accounts.summary(user)


def take_administrator(
    uow: UnitOfWork, actor: Actor, username: str, reason: str = ""
) -> UserSummary:
    """Take the powers of an administrator from a person, who may be the one who asks.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do, the person has none, or nobody else has.
    """
    reason = _begin(uow, actor, reason)
    user = _account(uow, username)
    if not user.is_administrator:
        raise InvalidRequest(f"{user.username!r} is no administrator.")
    _check_not_last_administrator(uow, user)
    user.is_administrator = False
    uow.db.flush()
    audit.write(uow, Kind.ADMINISTRATOR_TAKE, actor, about=user, detail=reason)
    return accounts.summary(user)


def verify(uow: UnitOfWork, actor: Actor, username: str, reason: str = "") -> UserSummary:
    """Vouch for a person, who may then register the names of projects.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do, or it is verified.
    """
    reason = _begin(uow, actor, reason)
    user = _account(uow, username)
    if user.email_verified:
        raise InvalidRequest(f"The account {user.username!r} is verified, as before.")
    return accounts.summary(accounts.verify_user(uow, actor, user.id, reason))


def delete_account(uow: UnitOfWork, actor: Actor, username: str, reason: str = "") -> None:
    """Delete somebody's account for good, as :func:`delete_own` does.

    Raises:
        NotAllowed: the actor is no administrator, or it is their own account.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do, a project has no other owner, or nobody else is an
            administrator.
    """
    reason = _begin(uow, actor, reason)
    _delete(uow, actor, _other_account(uow, actor, username), reason)


def delete_own(uow: UnitOfWork, actor: Actor) -> None:
    """Delete the actor's own account for good: whatever opens it or is told of it, and its roles.

    Its name stays where something was done under it (the journal, the audit log, files, drafts),
    and nobody gets it again.

    Raises:
        NotAllowed: the actor has no account.
        InvalidRequest: a project has no other owner, or nobody else is an administrator.
    """
    uow.lock("users")
    user = uow.db.get(User, actor.user_id, populate_existing=True) if actor.user_id else None
    if user is None or user.deleted is not None:
        raise NotAllowed("Only people with an account delete theirs.")
    _delete(uow, actor, user, "")


def sole_projects(uow: UnitOfWork, user: User) -> list[str]:
    """The projects of which the user is the only owner, by name."""
    another = aliased(Role)
    has_another = exists().where(
        another.project_id == Role.project_id,
        another.name == RoleName.OWNER,
        another.user_id != user.id,
    )
    return list(
        uow.db.scalars(
            select(Project.name, Project.normalized_name)
            .join(Role, Role.project_id == Project.id)
            .where(
                Role.user_id == user.id,
                Role.name == RoleName.OWNER,
                ~has_another,
                projects.is_taken(uow),
            )
            .distinct()
            .order_by(Project.normalized_name)
        )
    )


def _begin(uow: UnitOfWork, actor: Actor, reason: str) -> str:
    """Hold the lock, and see that the actor may go on; give the reason as it is recorded."""
    uow.lock("users")
    check_administrator(uow, actor)
    return check_reason(actor, reason)


def _account(uow: UnitOfWork, username: str) -> User:
    user = accounts.get_user(uow.db, username)
    uow.db.refresh(user)
    return user


def _other_account(uow: UnitOfWork, actor: Actor, username: str) -> User:
    user = _account(uow, username)
    if user.id == actor.user_id:
        raise NotAllowed(_NOT_YOURSELF)
    return user


def _check_not_last_administrator(uow: UnitOfWork, user: User) -> None:
    if is_last_administrator(uow, user):
        raise InvalidRequest(
            f"{user.username!r} is the last administrator of this index: make somebody else one "
            "first."
        )


def is_last_administrator(uow: UnitOfWork, user: User) -> bool:
    """Whether this is an administrator, and there is no other who is enabled."""
    if not user.is_administrator or not user.is_enabled:
        return False
    others = select(User.id).where(
        User.id != user.id,
        User.is_administrator,
        User.disabled.is_(None),
        User.deleted.is_(None),
    )
    return uow.db.scalar(others.limit(1)) is None


def _working(uow: UnitOfWork, user: User) -> list[Project]:
    """The projects that the user works on; the lock of each is held."""
    mine = select(Role.project_id).where(Role.user_id == user.id)
    names = uow.db.scalars(select(Project.name).where(Project.id.in_(mine)))
    projects.lock_all(uow, names.all())
    return projects.reload_all(uow, set(uow.db.scalars(mine)))


def _end_credentials(uow: UnitOfWork, user: User) -> list[str]:
    """End the user's tokens, sessions and links; give what is recorded of it."""
    revoked = uow.db.execute(
        update(Token)
        .where(Token.user_id == user.id, Token.revoked.is_(None))
        .values(revoked=uow.now)
        .returning(Token.id)
    ).all()
    account_links.end(uow, user)
    done = {"tokens revoked": len(revoked), "sessions ended": sessions.drop_all(uow, user.id)}
    return [f"{what}: {count}" for what, count in done.items() if count]


def _delete(uow: UnitOfWork, actor: Actor, user: User, reason: str) -> None:
    _check_not_last_administrator(uow, user)
    sole = sole_projects(uow, user)
    if sole:
        names = ", ".join(repr(name) for name in sole[:_MOST_NAMED])
        more = f" and {len(sole) - _MOST_NAMED} more" if len(sole) > _MOST_NAMED else ""
        raise InvalidRequest(
            f"{user.username!r} is the last owner of {names}{more}: make somebody else an owner "
            "of each first, or delete it."
        )
    working = teams.leave_everything(uow, actor, user)
    second_factors.lock(uow, user.id)  # before that of sessions, as who shows one does
    done = [reason, *_end_credentials(uow, user)]
    if working:
        done.append(f"roles taken: {', '.join(project.name for project in working)}")
    _forget_what_is_theirs(uow, user)
    # Before the account is gone, which may be the one that acts.
    audit.write(uow, Kind.USER_DELETE, actor, about=user, detail=_joined(done))
    user.email, user.email_verified, user.password_hash = "", False, ""
    user.new_email = user.former_email = None
    user.is_administrator, user.deleted = False, uow.now
    user.disabled, user.disabled_reason, user.disabled_by = None, "", ""
    uow.db.flush()


def _forget_what_is_theirs(uow: UnitOfWork, user: User) -> None:
    """Delete all that would go with the row of the account, which stays for its name alone."""
    for column in _OF_A_PERSON:
        uow.db.execute(
            delete(column.table).where(column == user.id),
            execution_options={"synchronize_session": False},
        )


_OF_A_PERSON = [
    key.parent
    for table in Base.metadata.sorted_tables
    for key in table.foreign_keys
    if key.ondelete == "CASCADE" and key.references(cast("Table", User.__table__))
]
"""The columns that name an account, in whose rows nothing is of use to anybody else."""


def _joined(parts: list[str]) -> str:
    return "; ".join(filter(None, parts))
