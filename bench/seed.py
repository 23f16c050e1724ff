"""Fill an empty index with many projects: as rows, by COPY on PostgreSQL.

    python -m bench.seed --database-url URL [--projects N] [--files N] [--drafts N] [--expired N]

The data are the same each time. Most projects have one release with one file; some have a thousand
files. There is an account, ``bench``, that owns every project. The files' bytes are nowhere: what
is measured is the database. Drafts are of new versions of the first projects, live ones and others
that have fallen due, which housekeeping has before it.
"""

import argparse
import csv
import hashlib
import io
import json
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert

from bench.search import made_up
from greenroom.core_metadata import CoreMetadata
from greenroom.database import Database
from greenroom.models import Base
from greenroom.registry import search_words
from greenroom.registry.names import confusable_form

PROJECTS = 600_000
FILES = 1_000_000
FILES_OF_A_LARGE_PROJECT = 1000
FILES_OF_A_RELEASE = 5
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
FAR = datetime(2126, 1, 1, tzinfo=UTC)
DESCRIPTION = "<p>A paragraph of a description that nobody searches.</p>" * 4
BATCH = 50_000

Row = dict[str, object]


def main() -> None:
    """Fill what the command line names."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--database-url", metavar="URL", required=True)
    arguments.add_argument("--projects", type=int, default=PROJECTS, metavar="N")
    arguments.add_argument("--files", type=int, default=FILES, metavar="N")
    arguments.add_argument("--drafts", type=int, default=0, metavar="N")
    arguments.add_argument("--expired", type=int, default=0, metavar="N")
    options = arguments.parse_args()
    began = time.perf_counter()
    database = Database(options.database_url)
    database.upgrade()
    seed(
        database,
        projects=options.projects,
        files=options.files,
        drafts=options.drafts,
        expired=options.expired,
    )
    database.close()
    print(f"{options.projects} projects in {time.perf_counter() - began:.0f} s")


def seed(
    database: Database, *, projects: int, files: int = 0, drafts: int = 0, expired: int = 0
) -> None:
    """Fill an empty database; of files there are at least as many as projects.

    Drafts are of the first projects, one each, so that there are no more than projects.
    """
    rows = _Rows(database)
    large = max(files - projects, 0) // (FILES_OF_A_LARGE_PROJECT - 1)
    step = projects // large if large else projects + 1
    rows.add("users", _user())
    for number, (name, summary, keywords) in enumerate(made_up(projects), 1):
        count = FILES_OF_A_LARGE_PROJECT if number % step == 0 else 1
        rows.add_project(number, name, summary, keywords, count)
        if number <= drafts + expired:
            rows.add_draft(number, name, FAR if number <= drafts else CREATED)
    rows.write()
    with database.engine.connect() as connection:
        # As the server does by itself, later.
        if not database.is_sqlite:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE")


class _Rows:
    """The rows that are to be written, table by table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[Row]] = {}
        self._count = 0
        self._ids: dict[str, int] = {}
        self._serial = 0

    def add(self, table: str, row: Row) -> int:
        """Add a row, with a number where it has none; gives the number."""
        number = self._ids[table] = self._ids.get(table, 0) + 1
        if "id" in Base.metadata.tables[table].columns:
            row.setdefault("id", number)
        self._waiting.setdefault(table, []).append(row)
        self._count += 1
        return number

    def add_project(
        self, number: int, name: str, summary: str, keywords: list[str], files: int
    ) -> None:
        """A public project with so many files."""
        if self._count > BATCH:
            self.write()
        published = CREATED + timedelta(seconds=10 * number)
        project = _project(name, published)
        self.add("projects", project)
        self.add("roles", {"project_id": number, "user_id": 1, "name": "owner"})
        self._journal(name, None, "create", published)
        metadata = CoreMetadata(name=name, summary=summary, keywords=tuple(keywords))
        latest = 0
        for at in range(0, files, FILES_OF_A_RELEASE):
            version = f"{at // FILES_OF_A_RELEASE + 1}.0"
            release = _release(number, version, summary, metadata, published)
            latest = self.add("releases", release)
            for wheel in range(min(FILES_OF_A_RELEASE, files - at)):
                file = _file(latest, name, version, wheel, published)
                self.add("files", file)
                kept = {"filename": file["filename"], "sha256": file["sha256"]}
                self.add("published_names", kept)
            self._journal(name, version, "new release", published)
        project["last_serial"] = self._serial
        document: Row = {"project_id": number, "release_id": latest}
        self.add("search_documents", document | search_words.document(name, summary, keywords))

    def add_draft(self, number: int, name: str, expires: datetime) -> None:
        """A draft of a project's next version, with a file."""
        release = _release(number, "1001.0", "Waits.", CoreMetadata(name=name), None)
        release_id = self.add("releases", release)
        draft: Row = {
            "slug": f"{number:022}",
            "key": f"{number:022}",
            "state": "open",
            "project_id": number,
            "release_id": release_id,
            "project_name": name,
            "version": "1001.0",
            "canonical_version": "1001",
            "opened": CREATED,
            "changed": CREATED,
            "expires": expires,
            "review_notices": [],
        }
        draft_id = self.add("drafts", draft)
        file = _file(release_id, name, "1001.0", 0, CREATED)
        self.add("files", file | {"draft_id": draft_id, "published": None})

    def write(self) -> None:
        """Write what waits, and let what is added later get higher numbers."""
        with self._database.engine.begin() as connection:
            for table in Base.metadata.sorted_tables:
                rows = self._waiting.pop(table.name, [])
                if not rows:
                    continue
                if self._database.is_sqlite:
                    connection.execute(insert(table), rows)
                else:
                    _copy(connection, table.name, rows)
        self._count = 0

    def _journal(self, name: str, version: str | None, action: str, at: datetime) -> None:
        self._serial += 1
        entry: Row = {"id": self._serial, "project_name": name, "normalized_name": name}
        entry |= {"version": version, "action": action, "at": at, "by": "bench"}
        self.add("journal", entry)


def _copy(connection: Connection, table: str, rows: list[Row]) -> None:
    """Write rows by COPY, and let the table count on from them."""
    columns = list(rows[0])
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([_written(row.get(column)) for column in columns] for row in rows)
    text.seek(0)
    cursor = connection.connection.cursor()
    quoted = ", ".join(f'"{column}"' for column in columns)
    cursor.copy_expert(f"COPY {table} ({quoted}) FROM STDIN WITH (FORMAT csv, NULL '\\N')", text)
    cursor.execute("SELECT 1 FROM pg_class WHERE relname = %s", (f"{table}_id_seq",))
    if cursor.fetchone():
        cursor.execute("SELECT setval(%s, %s)", (f"{table}_id_seq", rows[-1]["id"]))
    cursor.close()


def _written(value: object) -> object:
    match value:
        case None:
            return "\\N"
        case datetime():
            return value.isoformat()
        case CoreMetadata():
            return json.dumps(value.to_json())
        case list():
            return json.dumps(value)
        case _:
            return value


def _user() -> Row:
    return {
        "username": "bench",
        "normalized_username": "bench",
        "email": "bench@index.example",
        "email_verified": True,
        "password_hash": "!",
        "is_administrator": False,
        "created": CREATED,
    }


def _project(name: str, registered: datetime) -> Row:
    return {
        "name": name,
        "normalized_name": name,
        "confusable_name": confusable_form(name),
        "created": registered,
        "registered": registered,
        "auto_publish_releases": True,
        "archived": False,
        "archived_reason": "",
        "quarantined": False,
        "quarantined_reason": "",
        "created_by_id": 1,
        "last_serial": 0,
    }


def _release(
    project: int, version: str, summary: str, metadata: CoreMetadata, published: datetime | None
) -> Row:
    return {
        "project_id": project,
        "version": version,
        "canonical_version": version.removesuffix(".0"),
        "created": CREATED,
        "published": published,
        "yanked": False,
        "yanked_reason": "",
        "summary": summary,
        "core_metadata": metadata,
        "description_html": DESCRIPTION,
    }


def _file(release: int, name: str, version: str, number: int, published: datetime) -> Row:
    filename = f"{name.replace('-', '_')}-{version}-{number}-py3-none-any.whl"
    digest = hashlib.sha256(filename.encode()).hexdigest()
    return {
        "release_id": release,
        "filename": filename,
        "packagetype": "bdist_wheel",
        "python_tag": "py3",
        "requires_python": ">=3.9",
        "size": 1000,
        "sha256": digest,
        "md5": digest[:32],
        "blake2_256": digest,
        "metadata_sha256": digest[::-1],
        "core_metadata": CoreMetadata(name=name, version=version),
        "created": CREATED,
        "published": published,
        "draft_id": None,
        "yanked": False,
        "yanked_reason": "",
        "comment": "",
        "uploaded_by_id": 1,
    }


if __name__ == "__main__":
    main()
