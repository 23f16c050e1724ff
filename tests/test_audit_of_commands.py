"""Every command of the operator that changes something leaves one line in the audit log."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from greenroom.cli import greenroom
from greenroom.models import SecondFactor
from greenroom.registry import (
    accounts,
    audit_reading,
    jobs,
    release_sets,
    sessions,
    set_members,
    token_texts,
)
from greenroom.registry.audit_reading import AuditLine, Wanted
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.release_sets import Reference
from greenroom.storage import Shelf
from greenroom.web.http.urls import published_file_path
from tests import factories, upstream_cache
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
        self.environment = index_in(
            self.folder / "index",
            GREENROOM_URL="https://index.example",
            GREENROOM_TRUSTED_ISSUERS="github",
        )
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

    def second_factor(self) -> list[str]:
        """Somebody has one."""
        with opened(self.environment) as services, services.writing() as uow:
            bob = accounts.get_user(uow.db, "bob")
            row = SecondFactor(user_id=bob.id, kind="app", name="Phone", created=uow.now)
            uow.db.add(row)
        return ["bob", "--reason", "lost the phone"]

    def draft(self, version: str) -> str:
        """The slug of a new draft."""
        with opened(self.environment) as services, services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            return factories.stage(uow, ada, make_sdist(self.folder, version=version)).slug

    def tomorrow(self) -> str:
        """A moment."""
        return (datetime.now(UTC) + timedelta(days=1)).isoformat()

    def set(self, name: str, version: str) -> str:
        """A new release set with a new draft."""
        with opened(self.environment) as services, services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            draft = factories.stage(uow, ada, make_sdist(self.folder, version=version))
            return set_members.title(release_sets.add(uow, ada, draft, Reference(name)))

    def empty_set(self, name: str) -> str:
        """A new release set without drafts."""
        with opened(self.environment) as services, services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            return set_members.title(release_sets.create(uow, ada, name))

    def token(self) -> str:
        """The beginning of a new token of Bob's."""
        with opened(self.environment) as services, services.writing() as uow:
            bob = accounts.get_user(uow.db, "bob")
            return token_texts.prefix_of(factories.make_token(uow, bob, label="ci"))

    def session(self) -> str:
        """The number of a new session of Bob's."""
        with opened(self.environment) as services, services.writing() as uow:
            bob = accounts.get_user(uow.db, "bob")
            sessions.begin(uow, accounts.signed_in(bob), sessions.Browser("a browser"))
            [found] = sessions.of_user(uow, bob, count=2)
            return str(found.id)

    def webhook(self) -> str:
        """The number of a new webhook of the project."""
        with opened(self.environment) as services, services.writing() as uow:
            factories.add_webhooks(uow, "example")
            return "1"

    def job(self) -> str:
        """The number of a job that is to be done much later."""
        with opened(self.environment) as services, services.writing() as uow:
            later = uow.now + timedelta(days=3650)
            return str(jobs.enqueue(uow, jobs.Kind.PURGE, {"keys": []}, later).id)

    def upstream_file(self) -> list[str]:
        """A file of an upstream is kept."""
        with opened(self.environment) as services:
            upstream_cache.keep(services, b"content")
        return ["--project", "Thing"]

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
        first: the kinds of the lines before it, of what else was done to projects.
    """

    command: str
    arguments: Callable[[Index], list[str]]
    act: str
    about: tuple[str | None, str | None, str | None, str | None] = (None, None, None, None)
    detail: str = ""
    stdin: str = ""
    place: Callable[[Index], Environment] = lambda index: index.environment
    again: bool = False
    first: tuple[str, ...] = ()


def user(name: str) -> list[str]:
    return [name, "--email", f"{name}@index.example", "--password-stdin"]


WORKFLOW = ("owner=ada", "repository=example", "workflow=release.yml")

ROWS = [
    Row(
        *("db upgrade", lambda i: i.old_schema(), "database-upgrade"),
        detail=r"from \d+ to \d+",
        again=True,
    ),
    Row(
        *("user first-administrator-link", lambda i: [], "user-invite"),
        detail="the first administrator",
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
        *("user reset-second-factor", lambda i: i.second_factor(), "second-factor-reset"),
        ("bob", None, None, None),
        "lost the phone",
    ),
    Row(
        *("role add", lambda i: ["example", "bob", "maintainer"], "role-give"),
        ("bob", "example", None, None),
        "maintainer",
    ),
    Row(
        *("project visibility", lambda i: ["example", "internal"], "project-visibility"),
        (None, "example", None, None),
        "internal, was public",
        again=True,
    ),
    Row(
        *("role remove", lambda i: ["example", "bob"], "role-take"),
        ("bob", "example", None, None),
        "maintainer",
    ),
    *(
        Row(command, lambda i, a=arguments: a, act, (arguments[0], None, None, None),  # type: ignore[misc]
            "Because.", stdin)
        for command, arguments, act, stdin in [
            ("user admin", ["ada", "--reason", "Because."], "administrator-give", ""),
            ("user admin", ["bob", "--reason", "Because."], "administrator-give", ""),
            ("user admin --remove", ["bob", "--reason", "Because."], "administrator-take", ""),
            ("user disable", ["bob", "--reason", "Because."], "user-disable", ""),
            ("user enable", ["bob", "--reason", "Because."], "user-enable", ""),
            ("user reset-link", ["bob", "--reason", "Because."], "password-link", ""),
        ]
    ),
    Row(
        *("user set-password", lambda i: ["bob", "--password-stdin"], "password-change"),
        ("bob", None, None, None),
        stdin=PASSWORD,
    ),
    Row(
        *("user invite", lambda i: ["eve@index.example"], "user-invite"),
        detail="for eve@index.example",
    ),
    Row(
        *("token revoke", lambda i: [i.token(), "--reason", "Leaked."], "token-revoke"),
        ("bob", None, None, None),
        r"gr_\w{8} \(ci\): Leaked\.",
    ),
    Row(
        *("session end", lambda i: [i.session(), "--reason", "Lost."], "session-end"),
        ("bob", None, None, None),
        r"session \d+: .*; Lost\.",
    ),
    Row(
        *("session end", lambda i: [i.session() and "--user", "bob"], "session-end"),
        ("bob", None, None, None),
        "all: 1",
        again=True,
    ),
    Row(
        *("team create", lambda i: ["wool", "--owner", "ada"], "team-create"),
        ("ada", None, None, None),
        "team wool",
    ),
    Row(
        *("team add", lambda i: ["wool", "bob", "--owner"], "team-add"),
        ("bob", None, None, None),
        "team wool: owner",
    ),
    Row(
        *("team add", lambda i: ["wool", "bob"], "team-change"),
        ("bob", None, None, None),
        "team wool: member",
    ),
    Row(
        *("team role add", lambda i: ["wool", "example", "maintainer"], "team-role-give"),
        (None, "example", None, None),
        "team wool: maintainer",
    ),
    Row(
        *("team role remove", lambda i: ["wool", "example"], "team-role-take"),
        (None, "example", None, None),
        "team wool: maintainer",
    ),
    Row(
        *("team remove", lambda i: ["wool", "bob"], "team-remove"),
        ("bob", None, None, None),
        "team wool",
    ),
    Row(
        *("team delete", lambda i: ["wool"], "team-delete"),
        detail="team wool; members: 1, projects: 0",
        stdin="wool\n",
    ),
    Row(
        *("team create", lambda i: ["yarn", "--owner", "ada"], "team-create"),
        ("ada", None, None, None),
        "team yarn",
    ),
    Row(
        *("user delete", lambda i: ["bob", "--yes", "--reason", "Gone."], "user-delete"),
        ("bob", None, None, None),
        r"Gone\.",
    ),
    Row(
        *("publisher add", lambda i: ["example", "github", *WORKFLOW], "publisher-add"),
        (None, "example", None, None),
        r"GitHub: ada/example, release\.yml \(stage\)",
        again=True,
    ),
    Row(
        *("publisher remove", lambda i: ["example", "1"], "publisher-remove"),
        (None, "example", None, None),
        r"GitHub: ada/example, release\.yml \(stage\)",
    ),
    Row(
        *("prohibited add", lambda i: ["Acme-*", "--reason", "Ours."], "name-prohibit"),
        detail=r"acme-\*: Ours\.",
    ),
    Row(
        *("prohibited remove", lambda i: ["acme-*"], "name-allow"),
        detail=r"acme-\*",
        again=True,
    ),
    Row(
        *("upstream rule allow", lambda i: ["acme==1", "--early", "--reason", "Ours."]),
        "upstream-allow",
        detail=r"acme==1 early: Ours\.",
    ),
    Row(
        *("upstream rule deny", lambda i: ["acme", "--until", "2999-01-01"], "upstream-deny"),
        detail="acme until 2999-01-01",
    ),
    Row(
        *("upstream rule remove", lambda i: ["1", "--reason", "Over."], "upstream-rule-remove"),
        detail=r"allow acme==1 early: Over\.",
        again=True,
    ),
    Row(
        *("upstream evict", lambda i: i.upstream_file(), "upstream-evict"),
        detail="of thing; files: 1, bytes: 7",
    ),
    Row(
        *("draft publish", lambda i: [i.draft("1.1")], "draft-publish"),
        (None, "example", "1.1", None),
        r"sha256:\w{64}",
    ),
    Row(
        *("draft schedule", lambda i: [i.draft("1.2"), i.tomorrow()], "draft-schedule"),
        (None, "example", "1.2", None),
        r"at [\d-]+ [\d:]+ UTC, sha256:\w{64}",
    ),
    Row(
        *("draft schedule", lambda i: [i.draft("1.2"), "--cancel"], "draft-unschedule"),
        (None, "example", "1.2", None),
        r"at [\d-]+ [\d:]+ UTC",
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
        detail="access.log: 1 line, 1 download",
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
    Row(
        *("webhook switch", lambda i: [i.webhook(), "off"], "webhook-change"),
        (None, "example", None, None),
        r"CI: ci\.example, json, .*; switched off",
        again=True,
    ),
    Row("storage restore", lambda i: [i.blob_in_trash()], "storage-restore", detail="blobs: 3"),
    Row(
        *("set publish", lambda i: [i.set("published", "1.3")], "set-publish"),
        detail=r"ada/published, 1 draft, sha256:\w{64}",
        first=("draft-publish",),
    ),
    Row(
        *("set schedule", lambda i: [i.set("later", "1.5"), i.tomorrow()], "set-schedule"),
        detail=r"ada/later, at [\d-]+ [\d:]+ UTC, sha256:\w{64}",
    ),
    Row(
        *("set schedule", lambda i: ["ada/later", "--cancel"], "set-unschedule"),
        detail=r"ada/later, at [\d-]+ [\d:]+ UTC",
    ),
    Row(
        *("set discard", lambda i: [i.set("gone", "1.4"), "--with-drafts"], "set-discard"),
        detail="ada/gone, with 1 draft",
        stdin="ada/gone\n",
    ),
    Row(
        *("storage adopt", lambda i: i.foreign_storage(), "storage-adopt"),
        detail=r"/\S+/index/data/files",
        stdin="adopt\n",
        again=True,
    ),
]  # fmt: skip

READING = {
    *("user list", "user show ada", "token list", "session list"),
    *("team list", "team list --json", "team show yarn", "team show yarn --json"),
    *("config", "db check", "draft list", "jobs list", "audit", "publisher list example"),
    *("config", "db check", "draft list", "jobs list", "audit", "set list", "set list --json"),
    "set show {set}",
    *("user list", "user show ada", "token list", "session list", "prohibited list"),
    *("upstream status", "upstream status --json", "upstream rule list", "upstream verify"),
    *("webhook list", "webhook list example", "webhook list example --json"),
    *("storage verify --quick", "housekeeping --dry-run"),
    *("backup {folder}/backup --list", "restore {folder}/backup --list"),
    "import {folder}/packages --owner ada --dry-run",
}
"""What changes nothing, with the options with which it does so."""

RUNNING = {"serve", "work"}
"""What runs until it is stopped: what is done meanwhile has lines of its own."""
FETCHING = {"upstream adopt", "upstream warm"}
"""What only has the index fetch what anybody may ask it for."""
SENDING = {"mail test"}
"""What changes nothing and needs somebody to send to: tests/test_mail.py has it."""


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
        assert (
            is_one(path, changing) or is_one(path, READING) or path in RUNNING | SENDING | FETCHING
        ), path


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
        assert [line.act for line in lines[before:]] == [*row.first, row.act], row.command
        line = lines[before + len(row.first)]
        assert line.by == "operator"
        assert line.credential.startswith("command line as ")
        assert (line.about, line.project, line.version, line.filename) == row.about, row.command
        assert re.fullmatch(row.detail, line.detail), (row.command, line.detail)
        assert PASSWORD not in str(line)
        if row.again:
            command(index.environment, *row.command.split(), *arguments, stdin=row.stdin)
            assert len(index.lines(index.environment)) == len(lines), row.command

    shown = index.empty_set("shown")
    before = len(index.lines(index.environment))
    for text in sorted(READING):
        result = command(index.environment, *text.format(folder=tmp_path, set=shown).split())
        assert result.returncode == 0, (text, result.stderr)
    assert len(index.lines(index.environment)) == before
