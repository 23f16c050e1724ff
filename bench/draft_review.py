"""What it costs to look at a large draft before it is published: 60 wheels of 20 MiB each.

    python -m bench.draft_review [--wheels N] [--size MIB] [--modules N] [--repeat N]

Publishes a release of wheels of noise with some modules in each, and stages another one of the same
size, in this process. Prints the processor time of both, of the job that looks into the files of
both, of the first view of the review and of the next ones, as a page and as JSON, and of its
publication. All by SQLite.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import webtest

from bench.wheels import MIB, make_wheel, platform_tags
from greenroom import background
from greenroom.models import Draft
from greenroom.registry import accounts, jobs, publishing
from greenroom.registry.permissions import TOKEN_PERMISSIONS, Person
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import Settings
from greenroom.web.application import make_app
from tests import factories
from tests.conftest import FakeClock
from tests.web.conftest import Site, authorization

PROJECT = "bench-review"
NEXT_VIEWS = 5


class _Site(Site):
    """The index without what tests look at in every page."""

    def __init__(self, services: Services) -> None:
        self._app = make_app(services.settings, services=services)
        super().__init__(services, FakeClock())

    def browser(self) -> webtest.TestApp:
        """A new browser of it, which checks nothing of what is served."""
        host = {"HTTP_HOST": "index.example"}
        return webtest.TestApp(self._app, extra_environ=host, lint=False)


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--wheels", type=int, default=60, metavar="N")
    arguments.add_argument("--size", type=int, default=20, metavar="MIB")
    arguments.add_argument("--modules", type=int, default=200, metavar="N")
    arguments.add_argument("--repeat", type=int, default=1, metavar="N")
    options = arguments.parse_args()
    print(f"{options.wheels} wheels of {options.size} MiB, with {options.modules} modules each")
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
            _measure(Path(folder), options.wheels, options.size * MIB, options.modules)


def _measure(folder: Path, count: int, size: int, modules: int) -> None:
    services = _index(folder / "data")
    site = _Site(services)
    # What the first one of each imports and compiles is not counted.
    _bring(services, _wheels(folder, "0.1", 2, MIB, modules), staged=False)
    _bring(services, _wheels(folder, "0.2", 2, MIB, modules), staged=True)
    _work(services)
    _views(site, "0.2", 1)
    former, new = (_wheels(folder, version, count, size, modules) for version in ("1.0", "2.0"))

    _report("publish directly", _cost(lambda: _bring(services, former, staged=False)))
    _report("stage", _cost(lambda: _bring(services, new, staged=True)))
    _report("look into all files", _cost(lambda: _work(services)))
    for name, found in _views(site, "2.0", NEXT_VIEWS).items():
        _report(f"{name}, first view", found[0])
        _report(f"{name}, next views", median(found[1:]))
    _report("publish the draft", _cost(lambda: _publish(services, "2.0")))
    services.database.close()


def _report(what: str, seconds: float) -> None:
    print(f"{what:>22}: {seconds:7.3f} s of processor time", flush=True)


def _cost(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def _index(folder: Path) -> Services:
    services = open_services(Settings(data=folder, secret_key="not a secret, only here"))
    services.database.upgrade()
    with services.writing() as uow:
        factories.make_user(uow)
    return services


def _wheels(folder: Path, version: str, count: int, size: int, modules: int) -> list[Path]:
    return [
        make_wheel(folder / version, PROJECT, version, tag=tag, noise=size, modules=modules).path
        for tag in platform_tags(count)
    ]


def _bring(services: Services, paths: Sequence[Path], *, staged: bool) -> None:
    """Upload these files, one by one."""
    for path in paths:
        with services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            factories.upload(uow, ada, path, staged=staged)


def _work(services: Services) -> None:
    while taken := jobs.take(services, [jobs.Kind.ANALYSE]):
        background.do(services, taken)


def _views(site: Site, version: str, more: int) -> dict[str, list[float]]:
    """Look at the review of a draft, so often once more; gives what each costs."""
    person = site.sign_in()
    headers = authorization(site.token(permissions=TOKEN_PERMISSIONS))
    page = f"/manage/project/{PROJECT}/draft/{version}/review"
    views: dict[str, Callable[[], object]] = {
        "the page": lambda: person.get(page, status=200),
        "JSON": lambda: site.app.get(
            f"/api/drafts/{PROJECT}/{version}/review", headers=headers, status=200
        ),
    }
    return {name: [_cost(view) for _ in range(more + 1)] for name, view in views.items()}


def _publish(services: Services, version: str) -> None:
    with services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        found = uow.db.query(Draft).filter_by(version=version).one()
        publishing.publish(uow, ada, found)


if __name__ == "__main__":
    main()
