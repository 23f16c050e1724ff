"""Trusted publishing: which workflows elsewhere may publish, and what they get for an ID token.

A project trusts workflows, whose runs then need no secret of this index. A user may let one
register a name: it reserves nothing until the first upload comes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import delete, select

from greenroom.models import (
    MintedToken,
    PendingPublisher,
    Project,
    ProjectPublisher,
    TrustedWorkflow,
    UsedIDToken,
    User,
)
from greenroom.openid import tokens as id_tokens
from greenroom.openid.errors import InvalidToken
from greenroom.openid.tokens import IDToken
from greenroom.registry import audit, claimed_names, minted_tokens, projects
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    InvalidIDToken,
    InvalidRequest,
    NotFound,
    TooMany,
    UnknownPublisher,
)
from greenroom.registry.minted_tokens import Minted
from greenroom.registry.names import check_not_prohibited, check_project_name
from greenroom.registry.permissions import (
    Act,
    Actor,
    TrustedPublisher,
    require,
    require_registering,
    require_right,
)
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.workflows import OWNER_NUMBER, Service, service_of
from greenroom.settings import Settings
from greenroom.trusted_issuers import TrustedIssuer

Workflow = TypeVar("Workflow", ProjectPublisher, PendingPublisher)

MOST_OF_PROJECT = 50
MOST_OF_USER = 20
TOKENS_PER_HOUR = 120
"""Of the workflows of one repository."""

OFF = "Trusted publishing is off in this index: its operator names the issuers that are trusted."
# Of an identifier that was used, longer than any ID token is valid after its last moment.
_USED_KEPT_FOR = timedelta(hours=1)


class Publisher(Struct, frozen=True):
    """What pages say of a workflow that is trusted.

    Attributes:
        id: what forms name it by.
        service: what people call the service.
        issuer: the address of the issuer.
        described: the workflow in some words, which tell it from the others of its project.
        may_publish: whether it may do more than stage.
        owner_number: which owner alone it may be of, None where the first use will tell.
        last_used: when it got a token for the last time; None where it never did.
        is_possible: whether the operator trusts the issuer.
    """

    id: int
    service: str
    issuer: str
    described: str
    may_publish: bool
    owner_number: str | None
    created: datetime
    last_used: datetime | None
    is_possible: bool


class Pending(Struct, frozen=True):
    """What pages say of a workflow that may register a name.

    ``is_taken`` is whether a public project has it meanwhile.
    """

    project_name: str
    publisher: Publisher
    is_taken: bool


def services_of(settings: Settings) -> list[Service]:
    """The services whose workflows can be trusted, in the operator's order."""
    return [service_of(issuer) for issuer in settings.trusted_issuers]


def service_named(settings: Settings, name: str) -> Service:
    """The service of this name in the settings.

    Raises:
        InvalidRequest: there is none.
    """
    found = next((each for each in settings.trusted_issuers if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in settings.trusted_issuers)
        raise InvalidRequest(f"Choose one of the services: {names}." if names else OFF)
    return service_of(found)


# What a project trusts


def add(
    uow: UnitOfWork,
    actor: Actor,
    project: Project,
    service: Service,
    values: Mapping[str, str],
    *,
    may_publish: bool,
) -> Publisher:
    """Let a workflow stage releases of the project, or publish them as well.

    Args:
        uow: in which it is done.
        actor: who asks.
        project: which trusts it.
        service: where it runs.
        values: what the service's fields say of it.
        may_publish: whether it may do more than stage.

    Raises:
        NotAllowed: the actor may not manage the project.
        InvalidRequest: the values do not do, or it is trusted, or so many are.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    columns = _columns(uow, service, values, may_publish=may_publish)
    present = _of_project(uow, project)
    _check_new(columns, present, f"The project {project.name!r} trusts")
    if len(present) >= MOST_OF_PROJECT:
        raise InvalidRequest(f"A project trusts at most {MOST_OF_PROJECT} workflows.")
    publisher = ProjectPublisher(project_id=project.id, added_by=actor.name, **columns)
    uow.db.add(publisher)
    uow.db.flush()
    found = _publisher(uow, publisher)
    audit.write(uow, Kind.PUBLISHER_ADD, actor, project=project, detail=_detail(found))
    return found


def remove(uow: UnitOfWork, actor: Actor, project: Project, publisher_id: int) -> None:
    """Trust a workflow no more. Tokens that it has are worth nothing from now on.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: the project does not trust it.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    publisher = uow.db.get(ProjectPublisher, publisher_id)
    if publisher is None or publisher.project_id != project.id:
        raise NotFound("The project trusts no such workflow.")
    found = _publisher(uow, publisher)
    uow.db.delete(publisher)
    uow.db.flush()
    audit.write(uow, Kind.PUBLISHER_REMOVE, actor, project=project, detail=_detail(found))


def of_project(uow: UnitOfWork, actor: Actor, project: Project) -> list[Publisher]:
    """The workflows that the project trusts, the oldest first.

    Raises:
        NotAllowed: the actor may not manage the project.
    """
    require_right(actor, Act.MANAGE, project)
    return [_publisher(uow, each) for each in _of_project(uow, project)]


# What a user lets register a name


def add_pending(
    uow: UnitOfWork,
    actor: Actor,
    user: User,
    project_name: str,
    service: Service,
    values: Mapping[str, str],
    *,
    may_publish: bool,
) -> Pending:
    """Let a workflow register the name of a project, which the first upload makes the user's.

    The name is not reserved by that, and nobody is told whether a draft reserves it.

    Raises:
        NotAllowed: the user may not register names, or not this one, which is claimed.
        InvalidMetadata: it is no name of a project.
        NameNotAvailable: nobody gets it.
        InvalidRequest: a project has it; or the values do not do, or it is there, or so many are.
    """
    uow.lock(f"pending-publishers:{user.id}")
    normalized = check_project_name(project_name)
    settings = uow.settings
    check_not_prohibited(
        project_name, normalized, settings.prohibited_names, private=settings.private
    )
    require_registering(actor, project_name, staged=not may_publish)
    claimed_names.check(uow, project_name, user.id, is_administrator=actor.is_administrator)
    there = projects.find(uow, project_name)
    if there is not None and there.registered is not None:
        raise InvalidRequest(
            f"There is a project {project_name!r}: its owners let a workflow publish on its page."
        )
    columns = _columns(uow, service, values, may_publish=may_publish)
    present = _of_user(uow, user)
    same_name = [each for each in present if each.normalized_name == normalized]
    _check_new(columns, same_name, "You let")
    if len(present) >= MOST_OF_USER:
        raise InvalidRequest(f"At most {MOST_OF_USER} workflows may wait to register a name.")
    pending = PendingPublisher(
        user_id=user.id, project_name=project_name, normalized_name=normalized, **columns
    )
    uow.db.add(pending)
    uow.db.flush()
    found = _pending(uow, pending)
    detail = f"{project_name}: {_detail(found.publisher)}"
    audit.write(uow, Kind.PENDING_ADD, actor, about=user, detail=detail)
    return found


def remove_pending(uow: UnitOfWork, actor: Actor, user: User, pending_id: int) -> None:
    """Let a workflow register a name no more.

    Raises:
        NotFound: there is none of this number of the user's.
    """
    uow.lock(f"pending-publishers:{user.id}")
    pending = uow.db.get(PendingPublisher, pending_id)
    if pending is None or pending.user_id != user.id:
        raise NotFound("You have no such pending publisher.")
    found = _pending(uow, pending)
    uow.db.delete(pending)
    uow.db.flush()
    detail = f"{found.project_name}: {_detail(found.publisher)}"
    audit.write(uow, Kind.PENDING_REMOVE, actor, about=user, detail=detail)


def of_user(uow: UnitOfWork, user: User) -> list[Pending]:
    """The workflows that may register names for the user, the oldest first."""
    rows = _of_user(uow, user)
    names = [each.normalized_name for each in rows]
    taken = set(
        uow.db.scalars(
            select(Project.normalized_name).where(
                Project.normalized_name.in_(names), Project.registered.is_not(None)
            )
        )
    )
    return [_pending(uow, each, is_taken=each.normalized_name in taken) for each in rows]


# What workflows get


def exchange(services: Services, text: str) -> Minted:
    """A token of this index for an ID token, which is taken once.

    It is good for all projects that trust the workflow, and for the names that it may register.

    Raises:
        NotFound: the operator trusts no issuer.
        InvalidIDToken: it is none that is trusted, for this index, valid now, and new.
        UnknownPublisher: nobody trusts its workflow.
        TooMany: its repository got so many of late.
        greenroom.openid.errors.IssuerUnavailable: nobody can tell.
    """
    audience = services.settings.audience
    if audience is None:
        raise NotFound(OFF)
    try:
        issuer = _issuer(services.settings, id_tokens.issuer_of(text))
        # The issuer may have to be asked: that is done in no unit of work.
        provider = services.providers.of(issuer.issuer)
        token = id_tokens.check(text, provider, audience, services.clock())
    except InvalidToken as error:
        raise InvalidIDToken(str(error)) from None
    with services.writing() as uow:
        return _minted(uow, service_of(issuer), token)


def burn(uow: UnitOfWork, text: str) -> bool:
    """End a token that a workflow got, before its time, and say whether there was one."""
    return minted_tokens.burn(uow, text)


def forget_old(uow: UnitOfWork) -> None:
    """Delete what is of no more use: tokens that ended, and names that were registered since."""
    uow.db.execute(delete(UsedIDToken).where(UsedIDToken.expires <= uow.now - _USED_KEPT_FOR))
    minted_tokens.forget_old(uow)
    registered = select(Project.normalized_name).where(Project.registered.is_not(None))
    uow.db.execute(delete(PendingPublisher).where(PendingPublisher.normalized_name.in_(registered)))


def _issuer(settings: Settings, url: str) -> TrustedIssuer:
    found = next((each for each in settings.trusted_issuers if each.url == url), None)
    if found is None:
        trusted = ", ".join(each.url for each in settings.trusted_issuers)
        raise InvalidToken(
            f"This ID token is from {audit.plain(url, 200)!r}, which this index does not trust: it "
            f"trusts {trusted}."
        )
    return found


def _minted(uow: UnitOfWork, service: Service, token: IDToken) -> Minted:
    claims = token.claims
    subject = service.subject_of(claims)
    name, run = service.name_of(claims), service.run_of(claims)
    uow.lock(f"id-tokens:{name}")
    _use_up(uow, token)
    publishers = _matching(uow, ProjectPublisher, service, subject, token)
    pending = [
        each
        for each in _matching(uow, PendingPublisher, service, subject, token)
        if each.user.is_enabled and projects.find(uow, each.normalized_name) is None
    ]
    if not publishers and not pending:
        raise UnknownPublisher(
            "This ID token is good, and no project of this index trusts the workflow that it is "
            f"of: {name}, {run}. An owner of the project adds it on the page of the project; "
            "repository, file and environment have to be the same there, and the owner of the "
            "repository still the one who was trusted."
        )
    _check_rate(uow, name)
    workflows: tuple[ProjectPublisher | PendingPublisher, ...] = (*publishers, *pending)
    for each in workflows:
        each.last_used = uow.now
        if each.owner_number is None:
            each.owner_number = service.owner_number_of(claims)
    minted = minted_tokens.mint(uow, name, run, publishers, pending)
    _record(uow, minted, run, publishers, pending)
    return minted


def _use_up(uow: UnitOfWork, token: IDToken) -> None:
    said = f"{token.issuer}\0{token.identifier}"
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    uow.lock(f"id-token:{digest}")
    if uow.db.get(UsedIDToken, digest) is not None:
        raise InvalidIDToken("This ID token was exchanged before: get a new one for each exchange.")
    uow.db.add(UsedIDToken(digest=digest, expires=token.expires))
    uow.db.flush()


def _matching(
    uow: UnitOfWork, kind: type[Workflow], service: Service, subject: str | None, token: IDToken
) -> list[Workflow]:
    """The workflows of this kind that a token is of."""
    if subject is None:
        return []
    found = uow.db.scalars(
        select(kind)
        .where(kind.issuer == token.issuer, kind.subject == subject)
        .order_by(kind.id)
        .with_for_update()
    )
    number = service.owner_number_of(token.claims)
    return [
        each
        for each in found
        if each.service == service.issuer.service
        and each.owner_number in (None, number)
        and service.matches(each.conditions, token.claims)
    ]


def _check_rate(uow: UnitOfWork, name: str) -> None:
    wait = waiting_time(
        uow,
        MintedToken.created,
        MintedToken.name == name,
        limit=TOKENS_PER_HOUR,
        within=timedelta(hours=1),
    )
    if wait is not None:
        raise TooMany(
            f"The trusted publisher {name!r} got {TOKENS_PER_HOUR} tokens within an hour, as many "
            "as this index gives: use one token for all files of a run, and wait.",
            wait,
        )


def _record(
    uow: UnitOfWork,
    minted: Minted,
    run: str,
    publishers: Sequence[ProjectPublisher],
    pending: Sequence[PendingPublisher],
) -> None:
    by = TrustedPublisher(0, minted.name, run, (), ())
    of = {each.project_id: each.project for each in publishers}
    names = [project.name for project in of.values()] + [each.project_name for each in pending]
    audit.write(
        uow,
        Kind.PUBLISHER_MINT,
        by,
        project=next(iter(of.values())) if len(of) == 1 else None,
        detail=f"for {', '.join(names)}, until {minted.expires:%Y-%m-%d %H:%M} UTC; {run}",
    )


# Rows and what is said of them


def _columns(
    uow: UnitOfWork, service: Service, values: Mapping[str, str], *, may_publish: bool
) -> dict[str, object]:
    conditions = service.checked(values)
    number = conditions.pop(OWNER_NUMBER, None)
    return {
        "service": service.issuer.service,
        "issuer": service.issuer.url,
        "subject": service.subject(conditions),
        "conditions": conditions,
        "owner_number": number,
        "may_publish": may_publish,
        "created": uow.now,
    }


def _check_new(columns: Mapping[str, object], present: Sequence[TrustedWorkflow], who: str) -> None:
    for each in present:
        if (each.issuer, each.conditions) == (columns["issuer"], columns["conditions"]):
            raise InvalidRequest(f"{who} this workflow: remove it first to change it.")


def _of_project(uow: UnitOfWork, project: Project) -> Sequence[ProjectPublisher]:
    return uow.db.scalars(
        select(ProjectPublisher)
        .where(ProjectPublisher.project_id == project.id)
        .order_by(ProjectPublisher.id)
    ).all()


def _of_user(uow: UnitOfWork, user: User) -> Sequence[PendingPublisher]:
    return uow.db.scalars(
        select(PendingPublisher)
        .where(PendingPublisher.user_id == user.id)
        .order_by(PendingPublisher.id)
    ).all()


def _publisher(uow: UnitOfWork, row: ProjectPublisher | PendingPublisher) -> Publisher:
    issuer = next((each for each in uow.settings.trusted_issuers if each.url == row.issuer), None)
    is_possible = issuer is not None and issuer.service == row.service
    known = issuer or TrustedIssuer(row.service, "other", row.issuer, tuple(row.conditions))
    service = service_of(known)
    described = ", ".join(f"{name} {value}" for name, value in row.conditions.items())
    return Publisher(
        id=row.id,
        service=service.title,
        issuer=row.issuer,
        described=service.described(row.conditions) if is_possible else described,
        may_publish=row.may_publish,
        owner_number=row.owner_number,
        created=row.created,
        last_used=row.last_used,
        is_possible=is_possible,
    )


def _pending(uow: UnitOfWork, row: PendingPublisher, *, is_taken: bool = False) -> Pending:
    return Pending(row.project_name, _publisher(uow, row), is_taken)


def _detail(publisher: Publisher) -> str:
    what = "stage and publish" if publisher.may_publish else "stage"
    return f"{publisher.service}: {publisher.described} ({what})"
