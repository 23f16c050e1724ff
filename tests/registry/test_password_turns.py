"""How many passwords are worked on at once, and what becomes of who comes then."""

import os
import threading
from contextlib import ExitStack

import pytest

from greenroom.registry import password_turns
from greenroom.registry.errors import TooMany


def test_who_finds_too_many_waiting_is_told_to_come_again() -> None:
    done = threading.Event()
    waiting = [
        threading.Thread(target=_take_a_turn, args=(done,))
        for _ in range(password_turns.MOST_WAITING)
    ]
    with ExitStack() as stack:
        for _ in range(password_turns.AT_ONCE):
            stack.enter_context(password_turns.turn())
        for thread in waiting:
            thread.start()
        stack.callback(done.set)
        while password_turns._places._value:
            pass
        with pytest.raises(TooMany, match="in a few seconds") as caught, password_turns.turn():
            pass
        assert caught.value.retry_after.total_seconds() == 5
    for thread in waiting:
        thread.join()
    with password_turns.turn():
        pass


def _take_a_turn(done: threading.Event) -> None:
    with password_turns.turn():
        done.wait()


def test_what_is_computed_in_the_background_gives_way() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = niceness()
    assert password_turns.in_background(niceness) == max(here, 10)
    assert niceness() == here
