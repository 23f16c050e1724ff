"""The indexes behind this one: which of them may be asked for which name.

A name that this index has is answered by this index alone, and a name that the operator claims is
never asked for elsewhere: the files of two indexes are on no page together.
"""

from enum import StrEnum, auto

from greenroom.registry.unit_of_work import UnitOfWork


class Answering(StrEnum):
    """Who answers for a name."""

    HERE = auto()  # published here: this index alone
    RESERVED = auto()  # a draft has it, and the upstream had it not: nobody else is asked
    CLAIMED = auto()  # of the operator: nobody else is asked
    UPSTREAM = auto()  # the upstreams, in their order
    NOBODY = auto()  # there is no upstream


def answering(uow: UnitOfWork, name: str) -> Answering:
    """Who answers for a name.

    Args:
        uow: what to look into.
        name: in any spelling.
    """
    raise NotImplementedError
