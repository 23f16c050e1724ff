"""What caches in front of the index are told: the surrogate keys of public data that changed."""

from greenroom.registry import catalogue, jobs
from greenroom.registry.unit_of_work import UnitOfWork

ALL_PROJECTS = "all-projects"
"""The surrogate key of what shows many projects: a list of them, a feed."""


def keys_of(normalized_name: str) -> tuple[str, ...]:
    """The surrogate keys of all that shows a project, its files included."""
    return (f"project/{normalized_name}", f"files/{normalized_name}", ALL_PROJECTS)


def purge_project(uow: UnitOfWork, project: catalogue.HasName) -> None:
    """Have purged what shows a project, and what shows all: a list of them, a feed."""
    _purge(uow, f"project/{project.normalized_name}", ALL_PROJECTS)


def purge_files(uow: UnitOfWork, project: catalogue.HasName) -> None:
    """Have a project's files purged, which are not what they were."""
    _purge(uow, f"files/{project.normalized_name}")


def _purge(uow: UnitOfWork, *keys: str) -> None:
    """One job for all keys of a unit of work, where there is a cache."""
    if uow.settings.purge_url is not None:
        jobs.collect(uow, jobs.Kind.PURGE, "keys", keys)
