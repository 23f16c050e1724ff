"""What it costs to publish a release set: 50 drafts with 10 files each.

    python -m bench.release_sets [--drafts N] [--files N] [--repeat N]

Stages rows of files, of which there are no bytes, because publication reads none: into a set that
is published in one transaction, and into as many drafts that are published one after the other.
Prints processor time and statements of each, by SQLite, and of the page that asks before. All
drafts are of new projects.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from packaging.version import Version
from sqlalchemy import event

from greenroom.models import Draft, ReleaseSet
from greenroom.registry import accounts, drafts, publishing, release_sets
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.services import open_services
from greenroom.settings import Settings
from tests import factories


@dataclass
class Cost:
    """Of one act."""

    processor: float = 0.0
    statements: int = 0


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--drafts", type=int, default=50, metavar="N")
    arguments.add_argument("--files", type=int, default=10, metavar="N")
    arguments.add_argument("--repeat", type=int, default=5, metavar="N")
    options = arguments.parse_args()
    costs: dict[str, list[Cost]] = {"stage": [], "look": [], "set": [], "one by one": []}
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        services = _index(Path(folder))
        for turn in range(-1, options.repeat):
            for name, cost in _turn(services, turn, options.drafts, options.files).items():
                if turn >= 0:  # in the first one statements are compiled
                    costs[name].append(cost)
    print(f"{options.drafts} drafts with {options.files} files each, medians of {options.repeat}")
    for name, found in costs.items():
        seconds, statements = median(c.processor for c in found), found[0].statements
        print(f"{name:>12}: {seconds:6.3f} s of processor time, {statements} statements")


def _index(folder: Path) -> Services:
    settings = Settings(data=folder, secret_key="not a secret, only here", new_projects_per_hour=0,
                        new_projects_per_day=0)  # fmt: skip
    services = open_services(settings)
    services.database.upgrade()
    with services.writing() as uow:
        factories.make_user(uow)
    return services


def _turn(services: Services, turn: int, count: int, files: int) -> dict[str, Cost]:
    costs = {}
    with _measured(services) as costs["stage"]:
        set_id = _staged(services, f"together-{turn + 1}", count, files, gathered=True)
        _staged(services, f"alone-{turn + 1}", count, files, gathered=False)
    with _measured(services) as costs["look"], services.reading() as uow:
        publishing.set_obstacles(uow, _ada(uow), uow.db.get_one(ReleaseSet, set_id))
    with _measured(services) as costs["set"], services.writing() as uow:
        publishing.publish_set(uow, _ada(uow), uow.db.get_one(ReleaseSet, set_id))
    with services.reading() as uow:
        rest = [draft.id for draft in drafts.all_live(uow)]
    with _measured(services) as costs["one by one"]:
        for draft_id in rest:
            with services.writing() as uow:
                publishing.publish(uow, _ada(uow), uow.db.get_one(Draft, draft_id))
    return costs


def _staged(services: Services, name: str, count: int, files: int, *, gathered: bool) -> int:
    with services.writing() as uow:
        ada, release_set = _ada(uow), None
        for number in range(count):
            draft = drafts.open_new(uow, ada, f"{name}-project-{number}", Version("1.0"))
            factories.add_staged_rows(uow, draft, files)
            if gathered:
                release_set = release_sets.add(uow, ada, draft, Reference(name))
        return release_set.id if release_set is not None else 0


def _ada(uow: UnitOfWork) -> Person:
    return Person(accounts.get_user(uow.db, "ada"))


@contextmanager
def _measured(services: Services) -> Iterator[Cost]:
    cost = Cost()
    listen = _counting(cost)
    event.listen(services.database.engine, "before_cursor_execute", listen)
    begun = time.process_time()
    yield cost
    cost.processor = time.process_time() - begun
    event.remove(services.database.engine, "before_cursor_execute", listen)


def _counting(cost: Cost) -> Callable[..., None]:
    def listen(*_: object) -> None:
        cost.statements += 1

    return listen


if __name__ == "__main__":
    main()
