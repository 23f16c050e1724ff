"""What a process tells the C library of how to deal with its memory."""

import sys

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
