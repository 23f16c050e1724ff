"""What a process tells the C library of how to deal with its memory, and what it gives back."""

import sys

from greenroom.spare_memory import EVERY, QUIET, Spare
from tests import processes

# Each further arena reserves 64 MiB of addresses, of which some are in use.
_COUNT_ARENAS = """
import threading

{prepare}
at_once = threading.Barrier(4)

def use_memory():
    kept = [bytearray(10_000) for _ in range(100)]
    at_once.wait(30)
    return kept

threads = [threading.Thread(target=use_memory) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
arenas = 0
end_before = None
size = 0
with open("/proc/self/maps", encoding="ascii") as lines:
    for line in lines:
        begin, end = (int(address, 16) for address in line.split()[0].split("-"))
        if len(line.split()) > 5:  # of a file
            continue
        size = size + end - begin if begin == end_before else end - begin
        end_before = end
        if begin % 2**26 == 0 or size % 2**26 == 0:
            arenas += size == 2**26
print(arenas)
"""


def _arenas(prepare: str) -> int:
    program = _COUNT_ARENAS.format(prepare=prepare)
    done = processes.run([sys.executable, "-c", program])
    assert (done.returncode, done.stderr) == (0, "")
    return int(done.stdout)


def test_threads_share_one_arena() -> None:
    told = "from greenroom import spare_memory\nspare_memory.use_one_arena()"
    assert _arenas("") > 0
    assert _arenas(told) == 0


def test_memory_is_given_back_after_requests_and_not_too_often() -> None:
    given: list[str] = []
    spare = Spare(lambda: given.append("forgotten"), lambda: given.append("given back"))
    spare.give_back(0, 100.0)
    assert given == []
    for asked in range(1, 91):  # ten a second
        spare.give_back(asked, 101.0 + asked / 10)
    assert given == ["given back"]
    spare.give_back(90, 110.0 + QUIET / 2)
    assert given == ["given back"]
    spare.give_back(90, 110.0 + QUIET)
    assert given == ["given back", "forgotten", "given back"]
    spare.give_back(90, 110.0 + EVERY)
    spare.give_back(90, 200.0)
    assert len(given) == 3
    spare.give_back(91, 201.0)
    spare.give_back(91, 201.0 + QUIET)
    assert given[3:] == ["given back", "forgotten", "given back"]


def test_it_is_given_back_whatever_the_c_library_is_and_whatever_is_kept() -> None:
    spare = Spare()
    spare.give_back(1, 100.0)
    spare.give_back(1, 200.0)


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
