"""What is written down once a request is answered, since a request that reads cannot write."""

from collections.abc import Callable
from typing import Protocol, cast

from pyramid.request import Request as PyramidRequest

from greenroom.outages import outages_passed_over
from greenroom.registry.unit_of_work import Services, UnitOfWork


class _WithServices(Protocol):
    """A request of the index, which imports this module."""

    @property
    def services(self) -> Services: ...


def after_answer(request: PyramidRequest, write: Callable[[UnitOfWork], None]) -> None:
    """Call ``write`` in a short unit of work of its own, after that of the request has ended.

    It is for what may be left undone: nobody waits for it, and where somebody else writes just now,
    or the database takes no changes, it is left to the next request.
    """
    act_after_answer(request, lambda services: services.write_if_possible(write))


def act_after_answer(request: PyramidRequest, act: Callable[[Services], None]) -> None:
    """Call ``act`` after the unit of work of the request has ended; an outage is left at that."""

    def at_the_end(request: PyramidRequest) -> None:
        with outages_passed_over():
            act(cast("_WithServices", request).services)

    request.add_finished_callback(at_the_end)
