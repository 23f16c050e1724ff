"""An import that is killed at any moment goes on where it was."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from greenroom.importing.run import Options, run
from greenroom.importing.sources.folder import FolderSource
from greenroom.services import open_services
from greenroom.settings import load_settings
from tests import factories, processes
from tests.artifacts import make_wheel
from tests.serving import plain_environment

FILES = 150


def test_a_killed_import_goes_on_without_duplicates(tmp_path: Path, migrated_sqlite: Path) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "greenroom.sqlite"
    shutil.copy(migrated_sqlite, database)
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path / "data")}
    services = open_services(load_settings(environment))
    with services.writing() as uow:
        factories.make_user(uow)
    services.database.close()
    folder = tmp_path / "packages"
    for number in range(FILES):
        make_wheel(folder, f"project-{number % 10}", f"1.{number}")
    command = [sys.executable, "-m", "greenroom", "import", str(folder), "--owner", "ada"]

    for enough in (5, 60):
        with processes.start(
            command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        ) as process:
            while count(database) < enough:
                assert process.poll() is None, "the import ended"
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        assert enough <= count(database) < FILES

    before = count(database)
    source = FolderSource(folder, {})
    report = run(services, source, Options("ada"), lambda report: None)

    assert (report.present, report.imported, report.refused) == (before, FILES - before, [])
    with closing(sqlite3.connect(database)) as connection:
        names = Counter(row[0] for row in connection.execute("SELECT filename FROM files"))
        added = Counter(
            row[0]
            for row in connection.execute("SELECT action FROM journal WHERE action LIKE 'add py%'")
        )
        serials = [row[0] for row in connection.execute("SELECT id FROM journal ORDER BY id")]
    assert (len(names), set(names.values())) == (FILES, {1})
    assert (len(added), set(added.values())) == (FILES, {1})
    assert serials == list(range(1, len(serials) + 1))
    assert len(set(services.storage.digests())) == 2 * FILES


def count(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM files").fetchone()[0])
