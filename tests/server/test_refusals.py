"""Who is refused over and over is answered later, and costs others nothing meanwhile."""

import select
from contextlib import ExitStack

import pytest

from greenroom.server import refusals
from greenroom.server.refusals import Refusals
from tests.server.process import answer_on, serving

ONE, ANOTHER = "192.0.2.1", "2001:db8::"


def test_an_address_has_a_few_at_once_even_while_others_wait() -> None:
    waits = Refusals()
    flood = [waits.wait(ONE, 100.0) for _ in range(1000)]
    at_once = refusals.OWN + refusals.AT_ONCE
    assert flood[:at_once] == [0.0] * at_once
    assert flood[at_once : at_once + 2] == [
        pytest.approx(refusals.EVERY),
        pytest.approx(2 * refusals.EVERY),
    ]
    assert sorted(flood) == flood
    assert flood[-1] == refusals.LONGEST
    assert [waits.wait(ANOTHER, 100.0) for _ in range(refusals.OWN)] == [0.0] * refusals.OWN
    assert waits.wait(ANOTHER, 100.0) == refusals.LONGEST


def test_what_an_address_has_comes_back_and_the_flood_is_forgotten() -> None:
    waits = Refusals()
    for _ in range(1000):
        waits.wait(ONE, 100.0)
    later = 100.0 + refusals.OWN_EVERY
    assert waits.wait(ONE, later) == 0.0
    at_once = [waits.wait(ONE, later) for _ in range(refusals.AT_ONCE)]
    assert at_once == [0.0] * len(at_once)
    assert waits.wait(ONE, later) > 0


def test_only_so_many_addresses_are_remembered() -> None:
    waits = Refusals()
    for number in range(refusals.MOST_ADDRESSES + 10):
        assert waits.wait(str(number), 100.0) == 0.0
    assert len(waits._own) == refusals.MOST_ADDRESSES


def test_refusals_wait_in_the_server_and_none_is_lost_when_it_stops() -> None:
    connections = 110  # all of which may wait for a thread
    with serving() as server, ExitStack() as stack:
        asking = [stack.enter_context(server.connect()) for _ in range(connections)]
        for each in asking:
            each.sendall(b"GET /forbidden HTTP/1.1\r\nHost: a\r\n\r\n")
        while server.get("/refused") != str(connections):  # whatever else is asked is answered
            pass
        answered, _, _ = select.select(asking, [], [], 0)
        assert refusals.OWN + refusals.AT_ONCE <= len(answered) < connections
        asking.pop().close()  # who has gone is not waited for
        server.process.terminate()
        assert {answer_on(each).status for each in asking} == {403}
        assert server.wait()[0] == 0
