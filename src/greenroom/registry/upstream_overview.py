"""How the indexes behind this one are doing, in numbers, for those who look after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from greenroom.models import UpstreamPage
from greenroom.registry.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Overview:
    """An upstream in numbers.

    Attributes:
        name: in the settings.
        url: of its simple index, without credentials.
        pages: of projects that it has, and that are kept here.
        absent: names that it had no project of when it was asked.
        last_answer: when it last said something of a project; None where it never did.
        oldest_page: when the page that was asked for longest ago was last said to be so.
    """

    name: str
    url: str
    pages: int
    absent: int
    last_answer: datetime | None
    oldest_page: datetime | None


def of_all(uow: UnitOfWork) -> tuple[Overview, ...]:
    """The upstreams of the settings, in their order."""
    pages = _pages(uow)
    return tuple(
        Overview(upstream.name, upstream.shown, *pages.get(upstream.name, (0, 0, None, None)))
        for upstream in uow.settings.upstreams
    )


def _pages(uow: UnitOfWork) -> Mapping[str, tuple[int, int, datetime | None, datetime | None]]:
    there = func.count().filter(UpstreamPage.is_there)
    counted = select(
        UpstreamPage.upstream,
        there,
        func.count() - there,
        func.max(UpstreamPage.checked),
        func.min(UpstreamPage.checked).filter(UpstreamPage.is_there),
    ).group_by(UpstreamPage.upstream)
    return {
        name: (pages, absent, last, oldest)
        for name, pages, absent, last, oldest in uow.db.execute(counted)
    }
