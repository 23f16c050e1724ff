"""Which checks a project requires, and what checks are called.

A draft of the project is published when each of them has passed (:mod:`registry.draft_checks`).
"""

import unicodedata
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select

from greenroom.models import Project, RequiredCheck
from greenroom.registry import projects, publishing_policy
from greenroom.registry.catalogue import HasId
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Act, Actor, require
from greenroom.registry.unit_of_work import UnitOfWork

INSTALLED = "index:installed"
"""The check that the index makes itself: an installer took a file from the draft's address."""
LONGEST_NAME = 100
MOST_REQUIRED = 40
"""So that all of them fit into one field of a form, whatever they are called."""

_RESERVED = "index:"


def check_name(text: str) -> str:
    """The name of a check that may be posted.

    Raises:
        InvalidRequest: it is none, or the index keeps it for itself.
    """
    name = _plain_name(text)
    if name.casefold().startswith(_RESERVED):
        raise InvalidRequest(
            f"Names of checks that begin with {_RESERVED!r} are for those that the index makes "
            "itself: choose another one."
        )
    return name


def of_project(uow: UnitOfWork, project: Project) -> tuple[str, ...]:
    """The names of the checks that the project requires, sorted."""
    return of_projects(uow, [project])[project.id]


def of_projects(uow: UnitOfWork, projects_: Iterable[HasId]) -> dict[int, tuple[str, ...]]:
    """The same for each of these projects, by its number, with one query."""
    found: dict[int, list[str]] = {project.id: [] for project in projects_}
    rows = uow.db.execute(
        select(RequiredCheck.project_id, RequiredCheck.name).where(
            RequiredCheck.project_id.in_(found)
        )
    )
    for number, name in rows:
        found[number].append(name)
    return {number: tuple(sorted(names)) for number, names in found.items()}


def change(uow: UnitOfWork, actor: Actor, project: Project, names: Sequence[str]) -> None:
    """Let the project require exactly these checks, in any order.

    What is published without a draft has no checks: where some are required, the setting that
    uploads are published directly is off, and stays off until none is.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotConfirmed: fewer are to be required, and the actor has not shown who they are.
        InvalidRequest: a name does not do, or there are too many.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    wanted = {_required_name(name) for name in names}
    if len(wanted) > MOST_REQUIRED:
        raise InvalidRequest(f"A project requires at most {MOST_REQUIRED} checks.")
    former = set(of_project(uow, project))
    turns_off = bool(wanted) and project.auto_publish_releases
    if wanted == former and not turns_off:
        return
    loosens = not former <= wanted
    publishing_policy.check_change(actor, uow.now, loosens=loosens)
    gone = RequiredCheck.name.in_(former - wanted)
    uow.db.execute(delete(RequiredCheck).where(RequiredCheck.project_id == project.id, gone))
    uow.db.add_all(
        RequiredCheck(project_id=project.id, name=name) for name in sorted(wanted - former)
    )
    said = f"required checks: {', '.join(sorted(wanted)) or 'none'}"
    if turns_off:
        project.auto_publish_releases = False
        said = f"auto_publish_releases off, {said}"
    uow.db.flush()
    publishing_policy.record_change(uow, actor, project, said, loosens=loosens)


def _required_name(text: str) -> str:
    name = _plain_name(text)
    return name if name == INSTALLED else check_name(name)


def _plain_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text.strip())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            f"The name of a check is one line of 1 to {LONGEST_NAME} characters that can be seen."
        )
    return name
