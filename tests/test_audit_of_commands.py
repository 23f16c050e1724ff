"""Every command of the operator that changes something leaves one line in the audit log."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import click

from greenroom.cli import greenroom
from greenroom.registry import accounts, audit_reading, jobs
from greenroom.registry.audit_reading import AuditLine, Wanted
from greenroom.registry.permissions import OPERATOR
from greenroom.storage import Shelf
from greenroom.web.http.urls import published_file_path
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.factories import PASSWORD
from tests.serving import command
from tests.test_migrations import downgrade
from tests.whole_index import Environment, index_in, opened


@dataclass
class Index:
    """An index that commands are run on, and what they are run with."""

    folder: Path
    environment: Environment = field(init=False)
    wheel: Path = field(init=False)

    def __post_init__(self) -> None:
        self.environment = index_in(self.folder / "index")
        self.wheel = make_wheel(self.folder / "packages")

    @property
    def new_database(self) -> str:
        return f"sqlite:///{self.folder}/new.sqlite"

    @property
    def elsewhere(self) -> Environment:
        """Another index, into which a backup is restored."""
        return index_in(self.folder / "elsewhere")

    @property
    def copy(self) -> Environment:
        """The same index with the database into which its own is copied."""
        return self.environment | {"GREENROOM_DATABASE_URL": self.new_database}

    @property
    def digest(self) -> str:
        return factories.artifact_of(self.wheel).sha256

    def lines(self, environment: Environment) -> list[AuditLine]:
        """All lines of its log, in the order in which they were written."""
        with opened(environment) as services, services.reading() as uow:
            page = audit_reading.everything(uow, OPERATOR, Wanted(), None, 1000)
        return sorted(page.lines, key=lambda line: line.id)

    # What has to be there for a command to change something; gives its arguments.

    def old_schema(self) -> list[str]:
        with opened(self.environment) as services:
            downgrade(services.database, "-1")
        return []

    def draft(self, version: str) -> str:
        """The slug of a new draft."""
        with opened(self.environment) as services, services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            return factories.stage(uow, ada, make_sdist(self.folder, version=version)).slug

    def job(self) -> str:
        """The number of a job that is to be done much later."""
        with opened(self.environment) as services, services.writing() as uow:
            later = uow.now + timedelta(days=3650)
            return str(jobs.enqueue(uow, jobs.Kind.PURGE, {"keys": []}, later).id)

    def unknown_blob(self) -> str:
        with opened(self.environment) as services:
            services.storage.put_all({"0" * 64: make_wheel(self.folder, "unknown")})
        return "--force"

    def access_log(self) -> str:
        path = self.folder / "access.log"
        target = published_file_path(self.digest, self.wheel.name)
        path.write_text(f'::1 - - [01/Jun/2026:00:30:00 +0000] "GET /{target} HTTP/1.1" 200 9\n')
        return str(path)

    def damaged_blob(self) -> str:
        """Where a copy of it is."""
        with opened(self.environment) as services:
            services.storage.move(self.digest, Shelf.KEPT, Shelf.DAMAGED)
        return str(self.folder / "backup" / "files")

    def blob_in_trash(self) -> str:
        with opened(self.environment) as services:
            services.storage.move(self.digest, Shelf.KEPT, Shelf.TRASH)
        return "--all"

    def foreign_storage(self) -> list[str]:
        with opened(self.environment) as services:
            services.storage.mark("another database")
        return []


@dataclass(frozen=True)
class Row:
    """A command with arguments that change something.

    Attributes:
        command: the command.
        arguments: made of the index; what has to be there first is brought into being.
        act: the kind of line.
        about: whom and what the line names: account, project, version, file.
        detail: what its detail has to match as a whole.
        stdin: what is typed.
        place: where the line is.
        again: whether the same again would change nothing.
    """

    command: str
    arguments: Callable[[Index], list[str]]
    act: str
    about: tuple[str | None, str | None, str | None, str | None] = (None, None, None, None)
    detail: str = ""
    stdin: str = ""
    place: Callable[[Index], Environment] = lambda index: index.environment
    again: bool = False


def user(name: str) -> list[str]:
    return [name, "--email", f"{name}@index.example", "--password-stdin"]


ROWS = [
    Row(
        *("db upgrade", lambda i: i.old_schema(), "database-upgrade"),
        detail=r"from \d+ to \d+",
        again=True,
    ),
    *(
        Row("user create", lambda i, n=name: user(n), "user-create",  # type: ignore[misc]
            (name, None, None, None), ".*", PASSWORD)
        for name in ("ada", "bob")
    ),
    Row(
        *("import", lambda i: [str(i.wheel.parent), "--owner", "ada"], "file-import"),
        ("ada", "example", "1.0", "example-1.0-py3-none-any.whl"),
        r"sha256 \w{64}; made the project; from /\S+/packages: example-1.0-py3-none-any.whl",
        again=True,
    ),
    Row(
        *("token create", lambda i: ["--user", "ada", "--project", "example"], "token-create"),
        ("ada", "example", None, None),
        r"gr_\w{8} \(made on the command line\): .*",
    ),
    Row(
        *("role add", lambda i: ["example", "bob", "maintainer"], "role-give"),
        ("bob", "example", None, None),
        "maintainer",
    ),
    Row(
        *("role remove", lambda i: ["example", "bob"], "role-take"),
        ("bob", "example", None, None),
        "maintainer",
    ),
    Row(
        *("draft publish", lambda i: [i.draft("1.1")], "draft-publish"),
        (None, "example", "1.1", None),
        r"sha256:\w{64}",
    ),
    Row(
        *("draft discard", lambda i: [i.draft("1.2")], "draft-discard"),
        (None, "example", "1.2", None),
        ".*",
    ),
    Row("jobs retry", lambda i: [i.job()], "job-retry", detail=r"job \d+: purge"),
    Row(
        *("housekeeping", lambda i: [i.unknown_blob()], "housekeeping"),
        detail=r"forced, moved to the trash: 3",  # two are the discarded draft's
    ),
    Row(
        *("downloads import", lambda i: [i.access_log()], "downloads-import"),
        detail="access.log: 1 lines, 1 downloads",
        again=True,
    ),
    Row(
        *("backup", lambda i: [f"{i.folder}/backup"], "backup"),
        detail=r"snapshot 000001-\w+-\w+ in /\S+/backup; files: 4, copied: 4, lost: 0",
    ),
    Row(
        *("backup", lambda i: [f"{i.folder}/backup", "--keep", "1"], "backup"),
        detail=r"snapshot 000002.*; files: 4, copied: 0, lost: 0; snapshots removed: 000001-\S+",
    ),
    Row(
        *("restore", lambda i: [f"{i.folder}/backup"], "backup-restore"),
        detail=r"snapshot 000002-\w+-\w+ from /\S+/backup; schema of the snapshot: \d+; "
        r"files: 4, copied: 4, lost: 0",
        place=lambda i: i.elsewhere,
    ),
    Row(
        *("db copy", lambda i: [i.new_database], "database-copy"),
        detail=r"from sqlite:///\S+ to sqlite:///\S+/new\.sqlite",
        place=lambda i: i.copy,
    ),
    Row(
        *("storage verify", lambda i: ["--repair-from", i.damaged_blob()], "storage-repair"),
        detail="put aside: 0, mended: 1",
    ),
    Row("storage restore", lambda i: [i.blob_in_trash()], "storage-restore", detail="blobs: 3"),
    Row(
        *("storage adopt", lambda i: i.foreign_storage(), "storage-adopt"),
        detail=r"/\S+/index/data/files",
        stdin="adopt\n",
        again=True,
    ),
]  # fmt: skip

READING = {
    *("config", "db check", "draft list", "jobs list", "audit"),
    *("storage verify --quick", "housekeeping --dry-run"),
    *("backup {folder}/backup --list", "restore {folder}/backup --list"),
    "import {folder} --owner ada --dry-run",
}
"""What changes nothing, with the options with which it does so."""

RUNNING = {"serve", "work"}
"""What runs until it is stopped: what is done meanwhile has lines of its own."""


def commands(group: click.Group, path: str = "") -> Iterator[str]:
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from commands(found, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def test_every_command_is_in_one_of_the_tables() -> None:
    def is_one(path: str, texts: set[str]) -> bool:
        return any(f"{text} ".startswith(f"{path} ") for text in texts)

    changing = {row.command for row in ROWS}
    for path in commands(greenroom):
        assert is_one(path, changing) or is_one(path, READING) or path in RUNNING, path


def test_every_command_that_changes_something_leaves_one_line(tmp_path: Path) -> None:
    index = Index(tmp_path)
    for row in ROWS:
        arguments = row.arguments(index)
        is_here = row.place(index) == index.environment and row.command != "db upgrade"
        before = len(index.lines(index.environment)) if is_here else 0

        result = command(index.environment if row.command != "restore" else index.elsewhere,
                         *row.command.split(), *arguments, stdin=row.stdin)  # fmt: skip

        assert result.returncode == 0, (row.command, result.stderr)
        lines = index.lines(row.place(index))
        if not is_here:  # what came from elsewhere
            before = next(n for n, line in enumerate(lines) if line.act == row.act)
        assert [line.act for line in lines[before:]] == [row.act], row.command
        line = lines[before]
        assert line.by == "operator"
        assert line.credential.startswith("command line as ")
        assert (line.about, line.project, line.version, line.filename) == row.about, row.command
        assert re.fullmatch(row.detail, line.detail), (row.command, line.detail)
        assert PASSWORD not in str(line)
        if row.again:
            command(index.environment, *row.command.split(), *arguments, stdin=row.stdin)
            assert len(index.lines(index.environment)) == len(lines), row.command

    before = len(index.lines(index.environment))
    for text in sorted(READING):
        result = command(index.environment, *text.format(folder=tmp_path).split())
        assert result.returncode == 0, (text, result.stderr)
    assert len(index.lines(index.environment)) == before
