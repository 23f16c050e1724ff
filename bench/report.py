"""Writes what was measured last into a page, with what of the goals is reached.

    python -m bench.report docs/performance.md [--from FOLDER]

The page has places, each between `<!-- NAME: begin -->` and `<!-- NAME: end -->`. A place is filled
from NAME.json in the folder, which a measurement wrote with `--json`; where there is none, what
stands there stays.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.servers import ENVIRONMENTS
from bench.tables import MIB, Results, Table, in_markdown, results_from, table

PEERS = ("pypiserver", "devpi-server", "simple-repository-server")
TABLES = ("slow-clients", "bare-servers", "upstream")
SIDE_BY_SIDE = ("side-by-side", "behind-caches")


def main() -> None:
    """Fill the page that the command line names."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("page", type=Path)
    arguments.add_argument("--from", dest="folder", type=Path, default=ENVIRONMENTS)
    options = arguments.parse_args()
    text = options.page.read_text(encoding="utf-8")
    for name, content in contents(options.folder):
        text = filled(text, name, content)
        print(f"Filled {name}.")
    options.page.write_text(text, encoding="utf-8")


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """What goes into which place."""
    for name in SIDE_BY_SIDE:
        if (path := folder / f"{name}.json").exists():
            results = results_from(json.loads(path.read_text(encoding="utf-8")))
            yield name, table(results)
            if name == "side-by-side":
                yield "goals", goals(results)
    for name in TABLES:
        if (path := folder / f"{name}.json").exists():
            yield name, str(Table(**json.loads(path.read_text(encoding="utf-8"))))


def filled(page: str, name: str, content: str) -> str:
    """The page with another content in a place.

    Raises:
        SystemExit: the page has no such place.
    """
    place = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    if place.search(page) is None:
        raise SystemExit(f"The page has no place for {name}.")
    return place.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", page)


# The goals

Medians = Mapping[str, float]


class Measured:
    """The medians of a run, by server and line."""

    def __init__(self, results: Results) -> None:
        self._columns = {column.name: column for column in results.columns}
        self.titles = {line.key: line.title for line in results.lines}

    def of(self, server: str, key: str, name: str) -> float | None:
        """One figure, None where it was not measured."""
        column = self._columns.get(server)
        medians = column.medians(key) if column is not None else None
        return medians.get(name) if medians is not None else None

    def best_cost(self, key: str) -> float | None:
        """What the best peer needs."""
        costs = [self.of(peer, key, "cost") for peer in PEERS]
        return min((cost for cost in costs if cost is not None), default=None)


def goals(results: Results) -> str:
    """Every line of the goals with its figure."""
    rows = [
        [what, goal, figure, {True: "yes", False: "**no**", None: "not measured"}[reached]]
        for what, goal, figure, reached in _goals(Measured(results))
    ]
    return in_markdown(["", "goal", "figure", "reached"], rows)


_Goal = tuple[str, str, str, bool | None]


def _goals(measured: Measured) -> Iterator[_Goal]:
    costs = {
        "small-page": 0.10, "list": 0.10, "not-modified": 0.10, "large-page": 0.15,
        "small-wheel": 0.30, "upload": 10,
    }  # fmt: skip
    for key, most in costs.items():
        yield _at_most(measured, key, "cost", most, "s of CPU per 1,000")
        if key in ("small-page", "list"):
            best = measured.best_cost(key)
            yield _relation(measured, key, "cost", best, 1 / 15, "of the best peer's CPU")
    nginx = {name: measured.of("nginx", *name) for name in _WITH_NGINX}
    yield _relation(measured, *_WITH_NGINX[0], nginx[_WITH_NGINX[0]], 1.3, "times nginx's bytes")
    yield _relation(
        measured, *_WITH_NGINX[1], nginx[_WITH_NGINX[1]], 0.6, "times nginx's speed", least=True
    )
    yield _relation(measured, *_WITH_NGINX[2], nginx[_WITH_NGINX[2]], 1.3, "times nginx's seconds")
    devpi = measured.of("devpi-server", "upload", "rate")
    yield _relation(measured, "upload", "rate", devpi, 1.2, "times devpi's rate", least=True)
    yield _at_most(measured, "twine", "seconds", 1.2, "s")
    yield _at_most(measured, "uv-publish", "seconds", 0.6, "s")
    yield _at_most(measured, "large-upload", "speed", 200e6, "MB/s", scale=1e6, least=True)
    yield _at_most(measured, "large-upload", "rise", 64 * MIB, "MiB more memory", scale=MIB)
    for key in measured.titles:
        if key.startswith("publish-"):
            yield _at_most(measured, key, "seconds", 0.05, "ms", scale=0.001)
    yield _at_most(measured, "memory", "idle", 110 * MIB, "MiB idle", scale=MIB)
    yield _at_most(measured, "memory", "after", 180 * MIB, "MiB after everything", scale=MIB)
    yield _at_most(measured, "start", "seconds", 0.9, "s")


_WITH_NGINX = (("large-page", "bytes"), ("large-download", "speed"), ("uv-install", "seconds"))


def _at_most(
    measured: Measured,
    key: str,
    name: str,
    limit: float,
    unit: str,
    *,
    scale: float = 1,
    least: bool = False,
) -> _Goal:
    """A goal for a figure: at most so much, or at least."""
    figure = measured.of("greenroom", key, name)
    sign = "≥" if least else "≤"
    goal = f"{sign} {limit / scale:.3g} {unit}"
    if figure is None:
        return measured.titles.get(key, key), goal, "", None
    reached = figure >= limit if least else figure <= limit
    return measured.titles[key], goal, f"{figure / scale:.3g}", reached


def _relation(
    measured: Measured,
    key: str,
    name: str,
    other: float | None,
    limit: float,
    unit: str,
    *,
    least: bool = False,
) -> _Goal:
    """A goal for how a figure relates to that of another server."""
    figure = measured.of("greenroom", key, name)
    goal = f"{'≥' if least else '≤'} {limit:.2g} {unit}"
    if figure is None or not other:
        return measured.titles.get(key, key), goal, "", None
    reached = figure >= limit * other if least else figure <= limit * other
    return measured.titles[key], goal, f"{figure / other:.2g}", reached


if __name__ == "__main__":
    main()
