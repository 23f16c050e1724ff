"""Hundreds of slow, idle and insistent connections, and somebody who asks as everybody does."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.asking import Account
from bench.attack import HAVE_TO_END, MANY_ADDRESSES, ONE_ADDRESS, Attack, Connection, Kind
from bench.slow_clients import Others, prepared
from tests.preloaded import HURRY
from tests.serving import serving

CONNECTIONS = int(os.environ.get("GREENROOM_TESTS_SLOW_CONNECTIONS", "500"))
# Wide margins: the others are answered in milliseconds where nothing else runs on the machine.
OTHERS_WITHIN = 20.0
ENDED_WITHIN = 90.0
# Shorter than in service, as somebody waits for the tests.
TIMING = {"head": 2.0, "window": 2.0, "stall": 4.0}
# A slow reader sees its end only behind what the kernel still has for it: so long it goes on.
READERS_END_WITHIN = 9.0
# Signing in costs processor time that the other tests want.
ATTEMPTS = 1
VISIBLY = HAVE_TO_END - {Kind.FILE, Kind.PAGE}


@pytest.mark.parametrize("sources", [ONE_ADDRESS, MANY_ADDRESSES], ids=["one", "many"])
def test_others_are_served_and_slow_connections_end(tmp_path: Path, sources: Sequence[str]) -> None:
    with serving(tmp_path, settings={HURRY: json.dumps(TIMING)}) as server:
        account = Account("/legacy/", "__token__", server.token(server.user("ada")))
        target = prepared(server.url, account, tmp_path, ATTEMPTS)
        others = Others(target, tmp_path, OTHERS_WITHIN)
        attack = Attack(target, list(Kind), CONNECTIONS, sources)
        with attack.running():
            asked = ask_until_ended(others, attack)
        assert asked >= 3
        assert [each for each in bound_to_end(attack) if not each.ended] == []
        # Nothing of it is left.
        others.ask()


def ask_until_ended(others: Others, attack: Attack) -> int:
    """Ask every second for as long as the connections have to end; says how often."""
    began, asked = time.monotonic(), 0
    while (passed := time.monotonic() - began) < READERS_END_WITHIN or (
        passed < ENDED_WITHIN and any(not each.ended for each in bound_to_end(attack, VISIBLY))
    ):
        others.ask()
        asked += 1
        time.sleep(1)
    return asked


def bound_to_end(attack: Attack, kinds: frozenset[Kind] = HAVE_TO_END) -> list[Connection]:
    return [connection for connection in attack.connections if connection.kind in kinds]
