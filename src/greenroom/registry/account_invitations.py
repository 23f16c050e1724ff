"""Invitations to an account, where not anyone may register one."""

from greenroom.models import LinkKind
from greenroom.registry import account_links, accounts, administering, audit, passwords
from greenroom.registry.account_links import NewLink
from greenroom.registry.accounts import SignedIn
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import Services, UnitOfWork


def invite(uow: UnitOfWork, actor: Actor, email: str, reason: str = "") -> NewLink:
    """A link with which whoever has this address may make an account; an older one ends.

    Raises:
        NotAllowed: the actor is no administrator, or passwords open nothing in this index.
        InvalidRequest: it is no address, or the reason does not do.
    """
    administering.check_administrator(uow, actor)
    passwords.check_taken(uow.settings)
    reason = administering.check_reason(actor, reason)
    email = email.strip()
    problems = accounts.email_problems(email)
    if problems:
        raise InvalidRequest(problems[0], problems)
    link = account_links.make(uow, LinkKind.INVITATION, by=actor, email=email)
    detail = "; ".join(filter(None, [reason, f"for {email}"]))
    audit.write(uow, Kind.USER_INVITE, actor, detail=detail)
    return link


def accept(services: Services, key: str, username: str, password: str) -> SignedIn:
    """The account of whoever has the link, with the address that was invited, which is verified.

    Raises:
        NotFound: the link cannot be used any more.
        InvalidRequest: name or password do not do, or the name is taken. The link stays.
        TooMany: too many passwords are worked on just now.
        NotAllowed: passwords open nothing in this index.
    """
    passwords.check_taken(services.settings)
    with services.reading() as uow:
        email = account_links.look_at(uow, LinkKind.INVITATION, key).email
        accounts.check_account(username, email, password)
        accounts.check_not_taken(uow, username)
    account = accounts.prepared(username, email, password, index_url=services.settings.url)
    with services.writing() as uow:
        link = account_links.use(uow, LinkKind.INVITATION, key)
        how = f"invited by {link.made_by}"
        return accounts.signed_in(accounts.create_user(uow, account, verified=True, how=how))
