"""Hundreds of connections that try passwords at once, and somebody who asks as everybody does."""

import asyncio
import os
import threading
from collections import Counter
from pathlib import Path

from bench.asking import Account
from bench.floods import FLOODS, SETTINGS, NotHere, Running, from_everywhere, from_one_address
from bench.processes import peak_memory, process_tree
from bench.running_index import PASSWORD, USER
from bench.slow_clients import Others, prepared
from greenroom.registry import password_turns
from tests.serving import serving

CONNECTIONS = int(os.environ.get("GREENROOM_TESTS_FLOOD_CONNECTIONS", "80"))
OTHERS_WITHIN = 30.0
# What the application has, its passwords, its event loop, its log, its worker, and the server's.
MOST_THREADS = 16 + password_turns.AT_ONCE + 16
# What the processes share counts in each of them.
MEMORY = 768 * 2**20


def test_nobody_who_floods_the_account_pages_keeps_others_from_being_answered(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, settings=SETTINGS) as server:
        server.greenroom(
            *("user", "create", USER, "--email", "bench@index.example", "--password-stdin"),
            stdin=PASSWORD,
        )
        token = server.greenroom("token", "create", "--user", USER).strip()
        account = Account("/legacy/", "__token__", token)
        others = Others(prepared(server.url, account, tmp_path, 1), tmp_path, OTHERS_WITHIN)
        floods = flooding(server.url)
        thread = threading.Thread(target=lambda: asyncio.run(all_at_once(floods)))
        thread.start()
        most_threads = 0
        while thread.is_alive():
            others.ask()
            pids = process_tree(server.process.pid)
            most_threads = max(most_threads, *(threads_of(pid) for pid in pids))
        statuses = sum((flood.statuses for flood in floods), Counter[str]())

        assert sum(statuses.values()) == sum(flood.connections for flood in floods)
        assert {status for status in statuses if status >= "5"} == set()
        # How many come too soon is a matter of how fast they are served.
        assert statuses["429"] > 0
        assert 0 < most_threads <= MOST_THREADS
        assert peak_memory(server.process.pid) < MEMORY
        others.ask()


def flooding(url: str) -> list[Running]:
    found = []
    for flood in FLOODS:
        for address in (from_one_address, from_everywhere):
            try:
                found.append(Running(url, flood, address, CONNECTIONS // len(FLOODS) // 2))
            except NotHere:
                continue
    return found


async def all_at_once(floods: list[Running]) -> None:
    await asyncio.gather(*(flood.ask_once() for flood in floods))


def threads_of(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return 0
