"""What a large index costs: the list, search, publications and housekeeping.

    python -m bench.growth --database-url URL [--drafts N] [--expire N]

The database is one that ``python -m bench.seed`` has filled, with live drafts and with drafts that
have fallen due; some of both are gone afterwards. Prints processor time of this process and of the
database's, for one of each. PostgreSQL on this machine only, for it reads /proc.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from greenroom.models import Draft
from greenroom.registry import catalogue, drafts, publishing, releases, search
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import Settings
from greenroom.web.index.project_list import ProjectList, project_list

_TICKS = os.sysconf("SC_CLK_TCK")
QUERIES = ("data", "data tool", "python", "flask", "rest api", "json web", "http client", "s")


def main() -> None:
    """Measure what the command line names."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--database-url", metavar="URL", required=True)
    arguments.add_argument("--drafts", type=int, default=100, metavar="N")
    arguments.add_argument("--expire", type=int, default=1000, metavar="N")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        services = open_services(
            Settings(data=Path(folder) / "data", database_url=options.database_url)
        )
        print(f"{'':34}{'this process':>14}{'database':>12}   (ms of processor time)")
        with services.database.reading() as db:
            db.execute(text("SET max_parallel_workers_per_gather = 0"))
            measure_reads(services, db)
        measure_publications(services, options.drafts)
        measure_housekeeping(services, options.expire)
        services.database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"Most memory of this process: {peak:.0f} MiB")


def backends() -> dict[str, float]:
    """Processor seconds of each of the database's processes that live now."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
        except OSError:
            continue
        if name == "postgres":
            found[path.parent.name] = sum(map(int, rest.split()[11:13])) / _TICKS
    return found


def measured(what: str, act: Callable[[], object], times: int = 1) -> None:
    """Print what it costs to do something once, in the middle of so many times."""
    if not times:
        print(f"{what:34}  there is none")
        return
    before, began = backends(), time.process_time()
    for _ in range(times):
        act()
    ours = time.process_time() - began
    theirs = sum(spent - before.get(process, 0) for process, spent in backends().items())
    print(f"{what:34}{1000 * ours / times:14.1f}{1000 * theirs / times:12.1f}", flush=True)


def measure_reads(services: Services, db: Session) -> None:
    """The list of all projects, cold, and searches."""
    made: list[ProjectList] = []

    def cold() -> None:
        made.append(project_list(services.database, db))
        for piece in made[0].json():
            len(piece.raw)

    measured("the list, cold, in JSON", cold)
    measured("the same in HTML", lambda: [len(piece.raw) for piece in made[0].html()])
    measured("how many projects there are", lambda: catalogue.count_projects(db), 3)
    for query in QUERIES:
        measured(f"search for {query!r}", partial(search.find, db, query, 0, 20), 3)


def measure_publications(services: Services, count: int) -> None:
    """Publications of drafts that are there, each in a transaction of its own."""
    with services.reading() as uow:
        live = drafts.all_live(uow)[:count]
    numbers = iter([draft.id for draft in live])

    def publish() -> None:
        number = next(numbers)

        def once() -> None:
            with services.writing() as uow:
                publishing.publish(uow, OPERATOR, uow.db.get_one(Draft, number))

        releases.with_renderings(once)

    measured("publish a draft", publish, len(live))


def measure_housekeeping(services: Services, count: int) -> None:
    """Drafts that have fallen due, ended as housekeeping does it."""
    with services.reading() as uow:
        due = drafts.due(uow, most=count)
    numbers = iter(due)

    def expire() -> None:
        with services.writing() as uow:
            drafts.expire(uow, uow.db.get_one(Draft, next(numbers)))

    measured("end a draft that has fallen due", expire, len(due))


if __name__ == "__main__":
    main()
