"""Memory is given back now and then, and not by who has nothing to do."""

from greenroom.server import memory
from greenroom.server.memory import Spare


def test_memory_is_given_back_after_requests_and_not_too_often() -> None:
    given: list[int] = []
    spare = Spare(given.append)
    spare.give_back(0, 100.0)
    assert given == []
    spare.give_back(1, 101.0)
    spare.give_back(7, 101.0 + memory.EVERY / 2)
    assert given == [0]
    spare.give_back(7, 101.0 + memory.EVERY)
    spare.give_back(7, 200.0)
    assert given == [0, 0]
    Spare().give_back(1, 100.0)  # whatever the C library is
