"""What upstreams have said of projects, as it is kept and offered."""

from dataclasses import dataclass
from datetime import datetime

from greenroom.other_indexes.pages import ProjectPage
from greenroom.registry.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class KeptPage:
    """What an upstream last said of a project.

    Attributes:
        upstream: its name in the settings.
        page: what it said; None where it has no such project.
        digest: of what was said: it changes when that does.
        checked: when it was said, or said again.
        is_fresh: whether it need not be asked again now.
        may_be_shown: whether it may be shown though it cannot be asked (``upstream_stale``).
    """

    upstream: str
    page: ProjectPage | None
    digest: str
    checked: datetime
    is_fresh: bool
    may_be_shown: bool


def find(uow: UnitOfWork, upstream: str, name: str) -> KeptPage | None:
    """What is kept of a project; None where the upstream was never asked for it."""
    raise NotImplementedError
