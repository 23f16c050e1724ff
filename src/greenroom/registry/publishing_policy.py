"""Where a person publishes: what has to be shown for it, and what is not enough.

With ``Project.auto_publish_releases`` off nothing is published that a person has not looked at: no
API token publishes there, whatever it may do elsewhere, and no file is uploaded to be public at
once. A signed-in person does, with a second factor that was shown within
:data:`~greenroom.registry.permissions.FACTOR_FRESH_FOR` to this index: what a provider of single
sign-on has asked for before nobody here can tell. Whoever has the command line has the machine.

A name that nothing was published under has no people yet who could have said how it is to be. There
the index decides (``GREENROOM_AUTO_PUBLISH``); from its first publication on the project does.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from greenroom.registry import audit, journal
from greenroom.registry.errors import DraftsOnly, FactorNotFresh, PersonPublishes
from greenroom.registry.permissions import (
    FACTOR_FRESH_FOR,
    Act,
    Actor,
    HasRights,
    require_confirmed,
)
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings

_MINUTES = FACTOR_FRESH_FOR // timedelta(minutes=1)
_BY_A_PERSON = "sign in and publish the draft on its page"


class Publishes(Protocol):
    """A project, by whether uploads may publish in it: a row, or a value that was made of one."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def normalized_name(self) -> str:
        """Normalized."""

    @property
    def auto_publish_releases(self) -> bool:
        """Whether they may."""


class HasPublishers(Publishes, HasRights, Protocol):
    """The same with who works on it."""


def person_publishes(uow: UnitOfWork, project: Publishes) -> bool:
    """Whether a person publishes there."""
    return project.normalized_name in where_person_publishes(uow, [project])


def where_person_publishes(uow: UnitOfWork, projects: Iterable[Publishes]) -> set[str]:
    """The normalized names of those of these projects where a person publishes."""
    protected = [project for project in projects if not project.auto_publish_releases]
    if not uow.settings.publishes_directly or not protected:
        return {project.normalized_name for project in protected}
    return journal.released_of(uow.db, protected)


def starts_with(settings: Settings, *, staged: bool) -> bool:
    """Whether a new project publishes what is uploaded: not if it begins with a draft."""
    return settings.publishes_directly and not staged


def check_direct(uow: UnitOfWork, project: Publishes | None) -> None:
    """Refuse to publish past the drafts of a project whose people want it so.

    Args:
        uow: to look into.
        project: None where there is none of this name yet.

    Raises:
        DraftsOnly: they do, or the index does for projects that are new.
    """
    if project is None and not uow.settings.publishes_directly:
        raise DraftsOnly("In this index new projects begin with a draft.", _BY_A_PERSON)
    if project is not None and not project.auto_publish_releases:
        fact = f"The project {project.name!r} publishes through drafts only."
        if person_publishes(uow, project):
            raise DraftsOnly(fact, _BY_A_PERSON)
        raise DraftsOnly(fact)


def check_publisher(uow: UnitOfWork, actor: Actor, project: HasPublishers) -> None:
    """Raise a refusal where a person publishes, and the actor is none who may do so now.

    Raises:
        PersonPublishes: the actor is no person.
        FactorNotFresh: no second factor was shown of late.
    """
    if person_publishes(uow, project):
        check_person(actor, project, "publish")
        check_factor(actor, uow.now, project, "publish")


def has_shown_enough(actor: Actor, now: datetime) -> bool:
    """Whether it is a person who has shown a second factor of late, which is enough everywhere.

    To be kept of whoever asks for what is carried out later, when the project may want more.
    """
    return actor.is_in_person and bool(actor.fresh_factor(now))


def not_shown(
    uow: UnitOfWork, projects: Iterable[Publishes], *, was_enough: bool
) -> Iterator[PersonPublishes]:
    """Where by now more is wanted than was shown when a publication was asked for.

    Args:
        uow: to look into.
        projects: in which something is to be published.
        was_enough: whether a second factor was shown then.

    Returns:
        A refusal for each of the projects in which a person publishes since, who shows one.
    """
    found = {project.normalized_name: project for project in projects}
    in_person = where_person_publishes(uow, found.values()) if not was_enough else set()
    for name, project in found.items():
        if name in in_person:
            yield PersonPublishes(
                f"Since it was asked for, people publish in project {project.name!r}, and show a "
                "second factor for it: sign in and publish the draft on its page."
            )


def check_change(actor: Actor, now: datetime, *, loosens: bool) -> None:
    """Raise NotConfirmed where a project is to be protected less, and who asks is not certain.

    Raises:
        NotConfirmed: who acts has not shown of late who they are.
    """
    if loosens:
        require_confirmed(actor, now)


def record_change(
    uow: UnitOfWork, actor: Actor, project: audit.Audited, detail: str, *, loosens: bool
) -> None:
    """Write down that the settings of a project were changed; owners are told where it loosens."""
    kind = audit.Kind.PROJECT_UNPROTECT if loosens else audit.Kind.PROJECT_SETTINGS
    audit.write(uow, kind, actor, project=project, detail=detail)


def check_person(actor: Actor, project: HasRights, act: str) -> None:
    """Raise PersonPublishes unless a person does it.

    Raises:
        PersonPublishes: it is a token, or a workflow.
    """
    if not actor.is_in_person:
        raise PersonPublishes(
            f"{actor.subject(Act.PUBLISH, project)} may not {act} in project {project.name!r}, "
            f"where a person does that: {_BY_A_PERSON}."
        )


def check_factor(actor: Actor, now: datetime, project: HasRights, act: str) -> None:
    """Raise FactorNotFresh unless a second factor was shown of late.

    Raises:
        FactorNotFresh: none was, or the person has none.
    """
    if actor.fresh_factor(now):
        return
    if not actor.has_second_factor:
        raise FactorNotFresh(
            f"To {act} in project {project.name!r} takes a second factor: add one to your account, "
            f"and then {act} again.",
            has_factor=False,
        )
    raise FactorNotFresh(
        f"To {act} in project {project.name!r} takes a second factor that was shown within "
        f"{_MINUTES} minutes: show it, and then {act} again.",
        has_factor=True,
    )
