"""How the index serves others while hundreds of connections are slow, idle or insistent.

    python -m bench.slow_clients [--connections 500] [--seconds 20] [--only WORDS]

For every kind of connection, and for all of them at once, from one address and from many: the
median times of a page, a download and an upload by somebody else, next to those on a quiet index,
and how the connections have ended. Loopback only: the addresses are of 127.0.0.0/8.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median

from bench.asking import Account, address_of, connect, get, upload
from bench.attack import MANY_ADDRESSES, ONE_ADDRESS, Attack, Kind, Target
from bench.running_index import running_index
from bench.tables import Table, now_and_here, write
from bench.wheels import MIB, make_wheel, platform_tags

LARGE = "bench-slow-large"
PAGE = "bench-slow-page"
UPLOADS = "bench-slow-upload"
DEADLINE = 20  # seconds until somebody who asks gives up
PAGES = 60  # how many files its page has

ALL = "all of them at once"


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--connections", type=int, default=500, metavar="N")
    arguments.add_argument("--seconds", type=float, default=20.0, metavar="S")
    arguments.add_argument("--only", metavar="WORDS", help="kinds that have these words in them")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where the table goes")
    options = arguments.parse_args()
    kinds: dict[str, Sequence[Kind]] = {ALL: list(Kind), **{kind: [kind] for kind in Kind}}
    chosen = {name: kind for name, kind in kinds.items() if (options.only or "") in name}
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder, running_index() as uow:
        account = Account("/legacy/", "__token__", uow.token)
        target = prepared(uow.url, account, Path(folder))
        others = Others(target, Path(folder))
        others.ask()
        quiet = medians(others, options.seconds)
        rows = [["nobody", "", *times(quiet, quiet), ""]]
        for name, attackers in chosen.items():
            for where, sources in (("one", ONE_ADDRESS), ("many", MANY_ADDRESSES)):
                attack = Attack(target, attackers, options.connections, sources)
                with attack.running():
                    meanwhile = medians(others, options.seconds)
                rows.append([name, where, *times(meanwhile, quiet), fates(attack)])
                print(" · ".join(rows[-1]), flush=True)
                time.sleep(2)
    heading = [f"{options.connections} connections", "addresses", *ACTS, "how they ended"]
    said = f"{now_and_here()}; medians of others in ms, and how many times the quiet ones."
    result = Table(said, heading, rows)
    print(f"\n{result}")
    write(options.json, result)


def prepared(url: str, account: Account, folder: Path, attempts: int = 1000) -> Target:
    """Upload what is read slowly; each of those who sign in does so often at most."""
    large = make_wheel(folder, LARGE, "1.0", noise=8 * MIB)
    connection = connect(url)
    upload(connection, account, large)
    for tag in platform_tags(PAGES):
        upload(connection, account, make_wheel(folder, PAGE, "1.0", tag=tag))
    connection.close()
    page = f"/simple/{LARGE}/"
    file = address_of(url, page, large.path.name)
    return Target(url, account, file, f"/simple/{PAGE}/", attempts)


ACTS = ("page", "download", "upload")


class Others:
    """Somebody who asks as everybody does, each time over a new connection."""

    def __init__(self, target: Target, folder: Path, deadline: float = DEADLINE) -> None:
        self._target = target
        self._deadline = deadline
        self._folder = folder
        self._numbers = count()

    def ask(self) -> dict[str, float]:
        """Read a page, download and upload; gives the seconds that each took.

        Raises:
            SystemExit: one of them was answered with something else.
            OSError: one of them was not answered.
        """
        acts = {"page": self._page, "download": self._download, "upload": self._upload}
        return {name: _timed(act) for name, act in acts.items()}

    def _page(self) -> None:
        self._get(self._target.page)

    def _download(self) -> None:
        self._get(self._target.file)

    def _get(self, path: str) -> None:
        answer = get(self._target.url, path, timeout=self._deadline)
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}.")

    def _upload(self) -> None:
        wheel = make_wheel(self._folder, UPLOADS, f"1.{next(self._numbers)}")
        connection = connect(self._target.url, self._deadline)
        try:
            upload(connection, self._target.account, wheel)
        finally:
            connection.close()


def medians(others: Others, seconds: float) -> Mapping[str, float]:
    """The median times over so many seconds; what fails counts as the longest."""
    taken: dict[str, list[float]] = {name: [] for name in ACTS}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            for name, value in others.ask().items():
                taken[name].append(value)
        except (SystemExit, OSError):
            for values in taken.values():
                values.append(float("inf"))
        time.sleep(0.2)
    return {name: median(values) for name, values in taken.items()}


def fates(attack: Attack) -> str:
    """How the connections have ended, in words."""
    counted = [
        f"{kind}: {', '.join(f'{number} {fate}' for fate, number in fates.most_common())}"
        for kind, fates in attack.fates().items()
    ]
    return "; ".join(counted)


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def times(these: Mapping[str, float], quiet: Mapping[str, float]) -> list[str]:
    """In milliseconds, and how many times the quiet ones."""
    return [f"{these[name] * 1000:,.0f} ({these[name] / quiet[name]:.1f})" for name in ACTS]


if __name__ == "__main__":
    main()
