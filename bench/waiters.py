"""What it costs that hundreds wait for a release set, and what others notice of them.

    python -m bench.waiters [--waiters 500] [--drafts N] [--seconds 20]

Stages drafts into a set of a running index, and has everybody ask for `…/status?wait=60` over a
connection of their own. Prints the processor time of the server's processes and their memory, and
the medians of a page, a download and an upload by somebody else, while nobody waits and while all
do; then what it takes to tell them all of one more file. Loopback only.
"""

import argparse
import json
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from bench.asking import Account, connect, get, upload
from bench.processes import busy_seconds, proportional_memory
from bench.running_index import RunningIndex, running_index
from bench.slow_clients import ACTS, Others, medians, prepared
from bench.tables import Table, now_and_here
from bench.wheels import MIB, make_wheel, platform_tags

SET = "bench"
_QUIET = 0.1  # seconds of processor time within one
_JSON = "application/vnd.pypi.upload.v2+json"


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--waiters", type=int, default=500, metavar="N")
    arguments.add_argument("--drafts", type=int, default=10, metavar="N")
    arguments.add_argument("--seconds", type=float, default=15.0, metavar="S")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder, running_index() as index:
        account = Account("/legacy/", "__token__", index.token)
        others = Others(prepared(index.url, account, Path(folder)), Path(folder))
        there = _staged(index, account, Path(folder), options.drafts)
        others.ask()
        rows = [["nobody", *_measured(index, others, options.seconds)]]
        with _waiting(index, account, there, options.waiters) as waiters:
            _until_quiet(index)
            rows.append([str(options.waiters), *_measured(index, others, options.seconds)])
            told = _tell(index, account, Path(folder), waiters)
    heading = [
        "waiting",
        "CPU s, idle",
        "CPU s, with others",
        "MiB",
        *(f"{act}, ms" for act in ACTS),
    ]
    said = f"{now_and_here()}; a set of {options.drafts} drafts, {options.seconds:.0f} s each."
    print(f"{Table(said, heading, rows)}\n\n{told}")


def _staged(index: RunningIndex, account: Account, folder: Path, count: int) -> str:
    """Stage drafts into a set; gives the path at which it says how it stands."""
    connection = connect(index.url)
    into = Account(f"/legacy/?staged=true&set={SET}", account.username, account.password)
    for number in range(count):
        upload(connection, into, make_wheel(folder, f"bench-wait-{number}", "1.0"))
    connection.close()
    headers = {"Authorization": account.authorization, "Accept": _JSON}
    answer = get(index.url, f"/upload/2.0/set/?name={quote(SET)}", headers)
    if answer.status != 200:
        raise SystemExit(f"The set was answered with {answer.status}.")
    there: str = json.loads(answer.body)["links"]["set"]
    return urlsplit(there).path


def _measured(index: RunningIndex, others: Others, seconds: float) -> list[str]:
    """Processor time in which nobody asks, and in which others do; memory; their medians."""
    began = busy_seconds(index.pid)
    time.sleep(seconds / 3)
    idle = busy_seconds(index.pid)
    times = medians(others, seconds)
    busy, memory = busy_seconds(index.pid), proportional_memory(index.pid) / MIB
    shown = [f"{times[act] * 1000:.0f}" for act in ACTS]
    return [f"{(idle - began) * 3:.2f}", f"{busy - idle:.2f}", f"{memory:.0f}", *shown]


@contextmanager
def _waiting(
    index: RunningIndex, account: Account, path: str, count: int
) -> Iterator[Sequence[socket.socket]]:
    """Connections on each of which somebody waits for as long as may be asked."""
    parts = urlsplit(index.url)
    asked = (
        f"GET {path}?wait=60 HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: {_JSON}\r\n"
        f"Authorization: {account.authorization}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            address = (parts.hostname or "", parts.port or 80)
            found.append(stack.enter_context(socket.create_connection(address, 90)))
            found[-1].sendall(asked)
        yield found


def _until_quiet(index: RunningIndex) -> None:
    """Wait until all have been found to have to wait, and the server has nothing to do."""
    seen = -1.0
    while (busy := busy_seconds(index.pid)) - seen > _QUIET:
        seen = busy
        time.sleep(1)


def _tell(
    index: RunningIndex, account: Account, folder: Path, waiters: Sequence[socket.socket]
) -> str:
    """Stage one more file, and read what everybody is answered."""
    wheel = make_wheel(folder, "bench-wait-0", "1.0", tag=next(iter(platform_tags(1))))
    into = Account("/legacy/?staged=true", account.username, account.password)
    connection = connect(index.url)
    before, began = busy_seconds(index.pid), time.perf_counter()
    upload(connection, into, wheel)
    connection.close()
    heads = [waiter.recv(12) for waiter in waiters]
    fine = sum(head.startswith(b"HTTP/1.1 200") for head in heads)
    took, busy = time.perf_counter() - began, busy_seconds(index.pid) - before
    return f"one more file: {fine} of {len(waiters)} told in {took:.1f} s, {busy:.2f} CPU s"


if __name__ == "__main__":
    main()
