"""Memory is given back now and then, and not by who has nothing to do."""

import sys

from greenroom.server import memory
from greenroom.server.memory import Spare
from tests import processes


def test_memory_is_given_back_after_requests_and_not_too_often() -> None:
    given: list[bool] = []
    spare = Spare(lambda: given.append(True))
    spare.give_back(0, 100.0)
    assert given == []
    spare.give_back(1, 101.0)
    spare.give_back(7, 101.0 + memory.EVERY / 2)
    assert len(given) == 1
    spare.give_back(7, 101.0 + memory.EVERY)
    spare.give_back(7, 200.0)
    assert len(given) == 2
    Spare().give_back(1, 100.0)  # whatever the C library is


def test_a_start_leaves_no_garbage_to_look_through_and_reads_no_rich() -> None:
    program = (
        "import gc, sys\n"
        "from greenroom.__main__ import main\n"
        "sys.argv = ['greenroom', 'config']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('rich' in sys.modules, gc.isenabled(), gc.get_freeze_count() > 10_000)\n"
        "import rich.console\n"
    )
    done = processes.run([sys.executable, "-c", program], check=True)
    assert done.stdout.splitlines()[-1] == "False True True"
