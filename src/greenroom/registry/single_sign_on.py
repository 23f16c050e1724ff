"""Accounts of people who sign in with an identity provider, or with a proxy that vouches for them.

Whose account it is is told by issuer and ``sub`` alone: names and e-mail addresses change there,
and are given to others. An account that is there already is linked by who is signed in to it.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from msgspec import Struct
from sqlalchemy import Select, and_, delete, func, select

from greenroom.models import LinkedIdentity, Team, TeamMember, UsedIDToken, User
from greenroom.openid.authorization import Client
from greenroom.openid.issuers import Issuer
from greenroom.openid.tokens import IDToken
from greenroom.registry import account_states, accounts, audit, second_factors, teams
from greenroom.registry.accounts import SignedIn
from greenroom.registry.audit import Kind
from greenroom.registry.errors import AccountDisabled, InvalidRequest, NotAllowed, NotFound
from greenroom.registry.names import is_username
from greenroom.registry.permissions import Act, Actor, HasMembers, HasRights, Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings

CONFIRMED_WITHIN = timedelta(minutes=5)
"""Who confirms who they are must have shown it to the provider so lately."""

_PROXY = "trusted proxy"
"""What stands for the issuer of names that a trusted proxy gives; no issuer is called so."""
_REMEMBERED = timedelta(days=7)
_MOST_GROUPS = 1000
_BY = "by single sign-on"


class IdentityProvider(Actor, Struct, frozen=True):
    """The identity provider, which says who is in a team, and nothing else."""

    @property
    def name(self) -> str:
        """``single sign-on``, which no user is called."""
        return "single sign-on"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        """Nothing: it works on no project."""
        return frozenset()

    @property
    def gives_at_once(self) -> bool:
        """Always: whoever rules the groups there has decided."""
        return True

    def runs(self, team: HasMembers) -> bool:
        """Any: only those that the settings name are asked for."""
        return True


class Profile(Struct, frozen=True):
    """Who somebody is, as an issuer has signed it.

    Attributes:
        issuer: the issuer, as it calls itself.
        subject: its name for the person, which nobody else gets.
        username: the name that an account of this index would have; empty where it tells none.
        email: likewise.
        email_verified: whether the issuer has seen to it that this is the person's address.
        groups: what the person belongs to there.
    """

    issuer: str
    subject: str
    username: str
    email: str
    email_verified: bool
    groups: frozenset[str]


def issuer(settings: Settings) -> Issuer | None:
    """The identity provider of this index, None where it has none."""
    if settings.oidc_issuer is None:
        return None
    return Issuer(settings.oidc_issuer, frozenset(settings.oidc_hosts))


def client(settings: Settings, return_to: str) -> Client:
    """What this index is to it; ``return_to`` is where people come back to."""
    return Client(
        settings.oidc_client_id or "", settings.oidc_client_secret, settings.oidc_scopes, return_to
    )


def profile_of(settings: Settings, token: IDToken) -> Profile:
    """What an ID token says of a person."""
    name = token.text(settings.oidc_username_claim) or ""
    if not is_username(name):
        name = name.partition("@")[0]  # some providers know people by an address
    groups = token.claims.get(settings.oidc_groups_claim)
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return Profile(
        issuer=token.issuer,
        subject=token.subject,
        username=name,
        email=token.text("email") or "",
        email_verified=token.claims.get("email_verified") is True,
        groups=frozenset(one for one in listed[:_MOST_GROUPS] if isinstance(one, str)),
    )


def use_up(uow: UnitOfWork, profile: Profile, nonce: str) -> None:
    """Take a sign-in once: whoever repeats it, with all that the browser had, begins nothing.

    Raises:
        NotAllowed: it was taken before.
    """
    said = f"sign-in\0{profile.issuer}\0{nonce}"
    digest = hashlib.sha256(said.encode()).hexdigest()
    uow.lock(f"id-token:{digest}")
    if uow.db.get(UsedIDToken, digest) is not None:
        raise NotAllowed("This sign-in was used before: begin it again.")
    uow.db.add(UsedIDToken(digest=digest, expires=uow.now + _REMEMBERED))
    uow.db.flush()


def sign_in(uow: UnitOfWork, profile: Profile) -> SignedIn:
    """The account of this person, which is made at the first time where the settings say so.

    Raises:
        NotAllowed: the person belongs to no group that may, or has no account and gets none; or
            the account is disabled.
        InvalidRequest: the name is taken or does not do for an account, or there is no address.
    """
    _check_groups(uow.settings, profile)
    uow.lock("users")
    found = _identity(uow, profile)
    if found is None:
        user = _created(uow, profile)
        _link(uow, user, profile)
        _follow_into_teams(uow, user, profile.groups)
    else:
        user = uow.db.get_one(User, found.user_id)
        _check_enabled(user)
        # First: who holds a team's lock may wait for the row of the account.
        _follow_into_teams(uow, user, profile.groups)
        found.last_used = uow.now
        if profile.email_verified and user.email == profile.email:
            user.email_verified = True
    _follow_groups(uow, user, profile.groups)
    uow.db.flush()
    return _signed_in(uow, user, _BY)


def sign_in_by_proxy(uow: UnitOfWork, name: str) -> SignedIn:
    """The account of the name that a trusted proxy vouches for, made at the first time.

    Raises:
        NotAllowed: there is none, and none is made; or it is disabled.
        InvalidRequest: the name does not do for an account.
    """
    username, email = names_by_proxy(uow.settings, name)
    uow.lock("users")
    user = accounts.find_user(uow.db, username)
    if user is None:
        _check_creates(uow.settings)
        user = accounts.create_user(uow, accounts.without_password(username, email))
    if "@" in name:
        _bind(uow, user, name)
    _check_enabled(user)
    return _signed_in(uow, user, "by a trusted proxy")


def _bind(uow: UnitOfWork, user: User, address: str) -> None:
    """Let the account be that of a whole address, of which the user name is but a part.

    Raises:
        InvalidRequest: it is that of another address.
    """
    found = uow.db.scalar(_bound(address))
    bound = select(LinkedIdentity.id).where(
        LinkedIdentity.issuer == _PROXY, LinkedIdentity.user_id == user.id
    )
    is_free = uow.db.scalar(bound.limit(1)) is None
    # Whoever has registered with an address that is not theirs has a password that opens it, too.
    is_theirs = user.email_verified or not user.has_password
    if found is None and is_free and is_theirs and user.email.lower() == address.lower():
        _link(uow, user, Profile(_PROXY, address.lower(), "", "", False, frozenset()))
    elif found is None or found.user_id != user.id:
        raise InvalidRequest(
            f"The user name {user.username!r} is that of another address than {address}: ask the "
            "operator of this index."
        )
    else:
        found.last_used = uow.now


def _bound(address: str) -> Select[LinkedIdentity]:
    return select(LinkedIdentity).where(
        LinkedIdentity.issuer == _PROXY, LinkedIdentity.subject == address.lower()
    )


def _signed_in(uow: UnitOfWork, user: User, how: str) -> SignedIn:
    if not second_factors.count_of(uow, user.id):  # else it takes another step
        audit.write(uow, Kind.SIGN_IN, Person(user), about=user, detail=how)
    return accounts.signed_in(user)


def may_be(uow: UnitOfWork, person: Person, vouched: str | None) -> bool:
    """Whether this can be whom a trusted proxy vouches for, by this name; None is anybody."""
    if vouched is None:
        return True
    username, _ = names_by_proxy(uow.settings, vouched)
    if username.lower() != person.user.normalized_username:
        return False
    if "@" not in vouched:
        return True
    found = uow.db.scalar(_bound(vouched))
    return found is not None and found.user_id == person.user.id


def signed_in_elsewhere(uow: UnitOfWork, user: User) -> datetime | None:
    """When the provider or the proxy has last signed the person in, within a session's lifetime.

    Raises:
        NotAllowed: there is no other way in, and it is longer ago: whoever is disabled there has
            no other way in, either.
    """
    if uow.settings.takes_passwords:
        return None
    lifetime = uow.settings.session_lifetime
    last = uow.db.scalar(
        select(func.max(LinkedIdentity.last_used)).where(LinkedIdentity.user_id == user.id)
    )
    if last is None or uow.now - last >= lifetime:
        where = uow.settings.oidc_label or "the proxy"
        raise NotAllowed(
            f"A passkey alone opens your account for some time after you have signed in with "
            f"{where}: sign in there again."
        )
    return last


def names_by_proxy(settings: Settings, name: str) -> tuple[str, str]:
    """The user name and the e-mail address that a name of a trusted proxy stands for."""
    if "@" in name:
        return name.partition("@")[0], name
    host = (settings.url or "").partition("://")[2].partition("/")[0].partition(":")[0]
    return name, f"{name}@{host or 'localhost'}"


def link(uow: UnitOfWork, person: Person, profile: Profile) -> None:
    """Let this identity open the person's account. To do it again changes nothing.

    Raises:
        NotAllowed: the person belongs to no group that may.
        InvalidRequest: it opens another account.
    """
    _check_groups(uow.settings, profile)
    uow.lock("users")
    found = _identity(uow, profile)
    if found is None:
        _link(uow, person.user, profile)
        audit.write(uow, Kind.IDENTITY_LINK, person, about=person.user, detail=profile.issuer)
    elif found.user_id != person.user.id:
        raise InvalidRequest("You are known there as somebody who has another account here.")


def unlink(uow: UnitOfWork, person: Person) -> int:
    """Let no identity open the person's account any more; say how many did.

    Raises:
        NotAllowed: nothing else would open it.
    """
    if not (person.user.has_password and uow.settings.takes_passwords):
        raise NotAllowed("You have no password: nothing would open your account any more.")
    gone = uow.db.execute(
        delete(LinkedIdentity)
        .where(LinkedIdentity.user_id == person.user.id, LinkedIdentity.issuer != _PROXY)
        .returning(LinkedIdentity.id)
    ).all()
    if gone:
        audit.write(uow, Kind.IDENTITY_UNLINK, person, about=person.user)
    return len(gone)


def is_linked(uow: UnitOfWork, user: User) -> bool:
    """Whether an identity opens this account, of the issuer that there is now."""
    if uow.settings.oidc_issuer is None:
        return False
    wanted = select(LinkedIdentity.id).where(
        LinkedIdentity.user_id == user.id, LinkedIdentity.issuer == uow.settings.oidc_issuer
    )
    return uow.db.scalar(wanted.limit(1)) is not None


def check_is(uow: UnitOfWork, person: Person, profile: Profile) -> None:
    """Raise NotAllowed unless the person who has signed in there is this one.

    Raises:
        NotAllowed: it is somebody else.
    """
    found = _identity(uow, profile)
    if found is None or found.user_id != person.user.id:
        raise NotAllowed(f"Somebody else than {person.name} has signed in there.")


def _identity(uow: UnitOfWork, profile: Profile) -> LinkedIdentity | None:
    return uow.db.scalar(
        select(LinkedIdentity).where(
            LinkedIdentity.issuer == profile.issuer, LinkedIdentity.subject == profile.subject
        )
    )


def _link(uow: UnitOfWork, user: User, profile: Profile) -> None:
    uow.db.add(
        LinkedIdentity(
            user_id=user.id,
            issuer=profile.issuer,
            subject=profile.subject,
            created=uow.now,
            last_used=uow.now,
        )
    )
    uow.db.flush()


def _check_enabled(user: User) -> None:
    if not user.is_enabled:
        raise AccountDisabled(user.username)


def _check_groups(settings: Settings, profile: Profile) -> None:
    allowed = {*settings.oidc_groups, *settings.oidc_admin_groups}
    if settings.oidc_groups and not allowed & profile.groups:
        raise NotAllowed("You belong to no group that may sign in to this index: ask its operator.")


def _check_creates(settings: Settings) -> None:
    if settings.oidc_accounts != "create":
        raise NotAllowed("You have no account in this index: ask its operator for one.")


def _created(uow: UnitOfWork, profile: Profile) -> User:
    _check_creates(uow.settings)
    if accounts.find_user(uow.db, profile.username) is not None:
        raise InvalidRequest(
            f"The user name {profile.username!r} is taken by an account that you are not linked "
            "to: if it is yours, sign in with its password and link it on your account page; if "
            "not, ask the operator of this index."
        )
    account = accounts.without_password(profile.username, profile.email)
    return accounts.create_user(uow, account, verified=profile.email_verified)


def _follow_groups(uow: UnitOfWork, user: User, groups: Collection[str]) -> None:
    """Let the account have what its person's groups give: whether it is an administrator's.

    The last administrator stays one.
    """
    wanted = uow.settings.oidc_admin_groups
    is_administrator = any(group in groups for group in wanted)
    if not wanted or user.is_administrator == is_administrator:
        return
    if account_states.is_last_administrator(uow, user):
        return
    user.is_administrator = is_administrator
    act = Kind.ADMINISTRATOR_GIVE if is_administrator else Kind.ADMINISTRATOR_TAKE
    audit.write(uow, act, Person(user), about=user, detail=_BY)


def _follow_into_teams(uow: UnitOfWork, user: User, groups: Collection[str]) -> None:
    """Let the person be in the teams of their groups, and in no other team that has groups.

    What cannot be is left as it is and logged: nobody is kept from signing in by it.
    """
    wanted = {
        name: not of_team.isdisjoint(groups)
        for name, of_team in uow.settings.oidc_groups_of_teams.items()
    }
    if not wanted:
        return
    log = structlog.get_logger("greenroom.single_sign_on")
    mine = and_(TeamMember.team_id == Team.id, TeamMember.user_id == user.id)
    query = select(Team.normalized_name, Team.id, TeamMember.user_id).join_from(
        Team, TeamMember, mine, isouter=True
    )
    rows = uow.db.execute(query.where(Team.normalized_name.in_(wanted))).all()
    for name in sorted(wanted.keys() - {name for name, _, _ in rows}):
        log.warning("no team of this name for a group", team=name)
    changing = {
        name: number for name, number, member in rows if (member is not None) != wanted[name]
    }
    teams.lock_all(uow, changing.values())
    for name in sorted(changing):
        try:
            _put(uow, user, name, inside=wanted[name])
        except (InvalidRequest, NotFound) as error:
            log.warning("a group was not followed", team=name, user=user.username, why=str(error))


def _put(uow: UnitOfWork, user: User, name: str, *, inside: bool) -> None:
    team = teams.get(uow, name)
    if (teams.place_of(team, user.id) is not None) == inside:
        return  # somebody else has done it meanwhile
    change = teams.add_member if inside else teams.remove_member
    change(uow, IdentityProvider(), team, user.username)
