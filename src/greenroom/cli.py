"""The command line. It parses, asks the registry, and prints.

Exit status 0, 1 for a refusal, 2 for wrong usage; errors are one sentence on standard error.
"""

import fcntl
import json
import multiprocessing
import os
import pwd
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec

import click
import sqlalchemy.exc
import structlog

from greenroom import __version__, logs, times
from greenroom.database import Database, UnusableDatabase
from greenroom.models import Draft, ReviewState, RoleName
from greenroom.outages import Outage, Part, outage_of
from greenroom.registry import (
    accounts,
    audit,
    audit_reading,
    backup_snapshots,
    backups,
    database_copy,
    download_logs,
    draft_contents,
    drafts,
    housekeeping,
    jobs,
    known_blobs,
    projects,
    publishing,
    releases,
    restoring,
    schema,
    storage_identity,
    trash,
    verification,
)
from greenroom.registry.audit_reading import AuditLine, Wanted
from greenroom.registry.backup_snapshots import Snapshot
from greenroom.registry.download_counting import DownloadCounter
from greenroom.registry.download_logs import LogFormat
from greenroom.registry.errors import NotFound, Refusal
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, OPERATOR, TOKEN_PERMISSIONS
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from greenroom.registry.web_copies import WebCopy
from greenroom.services import open_services
from greenroom.settings import (
    Settings,
    address_warning,
    check_data_folder,
    check_database_url,
    exposure_warnings,
    load_settings,
    parse_duration,
    secret_key,
    shown_settings,
    unknown_variables,
)
from greenroom.settings_sources import BadSettings
from greenroom.storage import BlobSource, StorageUnavailable, open_backup, open_copy

if TYPE_CHECKING:
    import rich.progress

# Imported by the commands that use them: the web server and the worker, and what prints tables.
# They take as long as everything else together, and scripts start this often.

_WIDE = 400
_LOCKS = ("serve.lock", "work.lock")
"""Files of the data folder that are locked while ``serve`` and ``work`` run."""

log = structlog.get_logger("greenroom")

P = ParamSpec("P")
_LOG = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is not {error}.", param, ctx)


def main() -> None:
    """Run the command line; what the index refuses is a sentence and exit status 1."""
    try:
        greenroom(standalone_mode=True)
    except (Refusal, BadSettings, StorageUnavailable, UnusableDatabase, ValueError) as error:
        _fail(str(error))
    except PermissionError as error:
        _fail(f"No permission for {error.filename}.")
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        outage = outage_of(error)
        if outage is None:
            raise
        _fail(_said_of(outage))


def _said_of(outage: Outage) -> str:
    """What is out of order, for the operator."""
    if outage.part is Part.DATABASE:
        return f"The database cannot be used: {outage.reason}."
    return outage.reason


def _fail(sentence: str) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(1)


def with_services(
    command: Callable[Concatenate[Services, P], None],
) -> Callable[P, None]:
    """Give a command the services of the settings, with a database that is up to date.

    The embedded database is migrated on the way, but has to be there, and the storage has to be
    the one that belongs to it.
    """
    return _with_services(command, may_begin=False)


def with_services_to_read(
    command: Callable[Concatenate[Services, P], None],
) -> Callable[P, None]:
    """The same for a command that changes nothing: whose storage it is does not matter."""
    return _with_services(command, may_begin=False, check=None)


def with_new_services(
    command: Callable[Concatenate[Services, P], None],
) -> Callable[P, None]:
    """The same for a command that one may begin with: it makes the embedded database."""
    return _with_services(command, may_begin=True)


def with_new_services_to_fork(
    command: Callable[Concatenate[Services, P], None],
) -> Callable[P, None]:
    """The same for a command that forks, before which no storage may have been talked to here.

    A database that does not answer may do so later.
    """
    return _with_services(command, may_begin=True, check=_check_storage_apart, may_wait=True)


def with_new_services_to_work(
    command: Callable[Concatenate[Services, P], None],
) -> Callable[P, None]:
    """The same for a command that runs for long, and waits for what does not answer."""
    return _with_services(command, may_begin=True, check=_check_storage_to_work, may_wait=True)


StorageCheck = Callable[[Services, bool], None]


def _check_storage(services: Services, is_new: bool) -> None:
    """See that the storage belongs to the database, or is empty where there is no database yet.

    Raises:
        storage_identity.ForeignStorage: it does not.
    """
    try:
        if is_new:
            storage_identity.check_new(services.storage)
        else:
            storage_identity.check(services)
    except StorageUnavailable as error:
        # Whatever deletes something from it asks again.
        log.warning("nobody knows whether the storage is the right one", reason=str(error))


def _check_storage_to_work(services: Services, is_new: bool) -> None:
    """The same, and whether it can be written to; a warning where that may pass by itself.

    Raises:
        storage_identity.ForeignStorage: it belongs to another database.
        StorageUnavailable: nothing can be written to it, and that will not pass.
    """
    _check_storage(services, is_new)
    if is_new:
        return
    try:
        services.storage.check_writable()
    except StorageUnavailable as error:
        outage = outage_of(error)
        if outage is None or not outage.heals:
            raise
        log.warning("the storage takes no files: uploads are refused", reason=str(error))


def _check_storage_apart(services: Services, is_new: bool) -> None:
    """The same, without a trace in this process."""
    settings = services.settings
    if settings.storage_url is None:
        _check_storage_to_work(services, is_new)
        return
    services.database.close()
    processes = multiprocessing.get_context("spawn")
    answer, theirs = processes.Pipe(duplex=False)
    child = processes.Process(target=_tell_storage_problem, args=(settings, is_new, theirs))
    child.start()
    theirs.close()
    try:
        problem = answer.recv()
    except EOFError:  # it has said why
        _fail("The storage could not be looked at.")
    child.join()
    if problem is not None:
        raise storage_identity.ForeignStorage(problem)


def _tell_storage_problem(settings: Settings, is_new: bool, answer: Connection) -> None:
    """Send what is wrong with the storage, or None; in a process of its own."""
    logs.configure(settings)
    services = open_services(settings)
    try:
        _check_storage_to_work(services, is_new)
    except (storage_identity.ForeignStorage, StorageUnavailable) as problem:
        answer.send(str(problem))
    else:
        answer.send(None)
    finally:
        services.database.close()


def _with_services(
    command: Callable[Concatenate[Services, P], None],
    *,
    may_begin: bool,
    check: StorageCheck | None = _check_storage,
    may_wait: bool = False,
) -> Callable[P, None]:
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with _open(may_begin=may_begin, check=check) as services:
            with _waiting(services) if may_wait else nullcontext():
                _prepare_database(services)
                if check is not None:
                    check(services, False)
            command(services, *args, **kwargs)

    return run


@contextmanager
def _waiting(services: Services, *, warns: bool = True) -> Iterator[None]:
    """Warn, and go on, where a database elsewhere does not answer, which may be over soon.

    What is not looked at then is told by ``/_ready``, and looked at before anything is deleted.
    """
    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        outage = outage_of(error)
        if services.settings.embedded or outage is None or not outage.heals:
            raise
        if warns:
            log.warning(
                "the database does not answer: requests are told so until it does",
                reason=outage.reason,
            )


@contextmanager
def _open(*, may_begin: bool, check: StorageCheck | None = _check_storage) -> Iterator[Services]:
    """The services of the settings, whatever the state of the database.

    Args:
        may_begin: whether an embedded database is made where there is none.
        check: looks at the storage before one is made: a database that was lost is not replaced.
    """
    settings = load_settings()
    logs.configure(settings)
    for sentence in unknown_variables():
        log.warning(sentence)
    check_data_folder(settings)
    if settings.embedded and not may_begin and not settings.embedded_database.exists():
        raise BadSettings(
            f"There is no index in {settings.data.absolute()}: start one with 'greenroom serve', "
            "or set GREENROOM_DATA to the folder that has it."
        )
    is_new = settings.embedded and not settings.embedded_database.exists()
    services = open_services(settings).coming_from(Origin(means=_command_line()))
    try:
        if is_new and check is not None:
            check(services, True)
        yield services
    finally:
        services.database.close()


def _command_line() -> str:
    """What the operator acts with, for the audit log: the account of the machine is part of it."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return f"command line as {name}"


def _prepare_database(services: Services) -> None:
    if services.settings.embedded:
        schema.upgrade(services, OPERATOR)
    elif not services.database.is_current():
        raise BadSettings(
            "The database has an old schema, or none: run 'greenroom db upgrade' first."
        )


@click.group()
@click.version_option(__version__, prog_name="greenroom", message="%(prog)s %(version)s")
def greenroom() -> None:
    """A Python package index whose releases can wait unseen until they are published.

    Settings are environment variables that start with GREENROOM_, or names in the TOML file
    GREENROOM_CONFIG; see docs/operating.md, and 'greenroom config' for those that hold.
    """


@greenroom.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=6543,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0: any free one.",
)
@click.option(
    "--workers",
    default=2,
    show_default=True,
    type=click.IntRange(1, 256),
    help="How many processes answer requests.",
)
@with_new_services_to_fork
def serve(services: Services, host: str, port: int, workers: int) -> None:
    """Run the index until SIGTERM or SIGINT, which let what is in flight finish."""
    from greenroom import background, watching
    from greenroom.registry.public_changes import PublicChanges
    from greenroom.server.serve import Served
    from greenroom.server.serve import serve as serve_wsgi
    from greenroom.web.application import THREAD_LOCALS, make_app
    from greenroom.web.http import authentication
    from greenroom.web.http.urls import Urls, published_file_at

    settings = services.settings
    warnings = [address_warning(settings), *exposure_warnings(settings)]
    secret_key(settings)  # made before the workers start, so that they agree on it
    is_new = False
    with _waiting(services, warns=False):
        warnings.append(services.database.connection_warning(workers))
        with services.reading() as uow:
            is_new = accounts.is_empty(uow.db)
    for warning in filter(None, warnings):
        log.warning(warning)
    services.database.close()  # connections do not survive the fork of the workers

    def announce(url: str) -> None:
        base = settings.url or url
        here = f", listening on {url}" if settings.url is not None else ""
        click.echo(f"Greenroom {__version__} is at {Urls(base).home()}{here}")
        click.echo(f"Data: {settings.data.absolute()}")
        if is_new:
            key = authentication.first_administrator_key(secret_key(settings))
            click.echo(
                "There is no user yet. Create the first administrator at\n"
                f"  {Urls(base).first_administrator(key)}"
            )
        sys.stdout.flush()

    counter = DownloadCounter(published_file_at)

    def make_served() -> Served:
        open_ = open_services(settings)
        watch = watching.watch(settings, open_, metrics)
        return Served(
            make_app(settings, services=open_, tell_metrics=watch.tell_metrics),
            locals=THREAD_LOCALS,
            make_source=lambda: PublicChanges(open_.database),
            proxies=settings.trusted_proxies,
            stale_seconds=settings.stale_answers,
            watched=watch.watched,
            on_exit=watch.on_exit,
            count=counter.note if settings.downloads == "on" else None,
        )

    with _alone(settings), watching.prepared(settings) as metrics:
        serve_wsgi(
            make_served,
            host=host,
            port=port,
            workers=workers,
            on_ready=announce,
            background=lambda stop: _count_beside(background.work, settings, counter, stop),
        )


def _count_beside(
    work: Callable[[Settings, threading.Event], None],
    settings: Settings,
    counter: DownloadCounter,
    stop: threading.Event,
) -> None:
    """Do this work until the event is set, and write down meanwhile what this process sends."""
    services = open_services(settings)
    writer = threading.Thread(
        target=counter.write_regularly, args=(services, stop), name="downloads", daemon=True
    )
    writer.start()
    work(settings, stop)
    writer.join()
    services.database.close()


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Say so when another ``serve`` runs on the same embedded data.

    They get on with each other, but it is seldom meant.
    """
    if not settings.embedded:
        yield
        return
    folder = settings.data.absolute()
    with (folder / _LOCKS[0]).open("ab") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            log.warning(f"another 'greenroom serve' runs on {folder}, too")
        yield


@greenroom.command()
@with_new_services_to_work
def work(services: Services) -> None:
    """Do what follows from commits, until SIGTERM or SIGINT; ``serve`` does so by itself."""
    from greenroom import background

    settings = services.settings
    services.database.close()
    with (settings.data.absolute() / _LOCKS[1]).open("ab") as marker:
        fcntl.flock(marker, fcntl.LOCK_SH)
        _until_told_to_stop(lambda stop: background.work(settings, stop))


class _ToldToStop(BaseException):
    """A signal has come."""


def _until_told_to_stop(function: Callable[[threading.Event], None]) -> None:
    """Run the function until a signal comes, then set its event and wait until it returns."""

    def tell(number: int, frame: FrameType | None) -> NoReturn:
        for another in (signal.SIGTERM, signal.SIGINT):
            signal.signal(another, lambda number, frame: None)
        raise _ToldToStop

    stop = threading.Event()
    thread = threading.Thread(target=function, args=(stop,), daemon=True)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, tell)
        thread.start()
        thread.join()
    except _ToldToStop:
        stop.set()
        if thread.is_alive():
            thread.join()
    else:
        _fail("The worker has ended.")


@greenroom.command("config")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
def config(as_json: bool) -> None:
    """Print every setting, the value that holds, and where it comes from; no secrets.

    Exit status 1 when one does not parse, with its name and what it accepts.
    """
    shown = shown_settings()
    for sentence in unknown_variables():
        click.echo(f"Warning: {sentence}", err=True)
    if as_json:
        click.echo(json.dumps([vars(setting) for setting in shown], indent=2))
        return
    names = max(len(setting.name) for setting in shown)
    sources = max(len(setting.source) for setting in shown)
    for setting in shown:
        click.echo(f"{setting.name:{names}}  {setting.source:{sources}}  {setting.value}")


@greenroom.group()
def db() -> None:
    """The database's schema."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema to the newest revision."""
    with _open(may_begin=True) as services:
        schema.upgrade(services, OPERATOR)
    click.echo("The database is up to date.")


@db.command("check")
def db_check() -> None:
    """Say whether the schema is at the newest revision; exit status 1 when it is behind."""
    with _open(may_begin=False) as services:
        if not services.database.is_current():
            raise BadSettings("The database is behind: run 'greenroom db upgrade'.")
    click.echo("The database is up to date.")


@db.command("copy")
@click.argument("url", metavar="URL|-")
@with_services
def db_copy(services: Services, url: str) -> None:
    """Copy the database into the empty one at URL, such as postgresql+psycopg2://host/database.

    With '-' the URL is read from standard input, where no other account sees a password in it. The
    index has to be stopped meanwhile. Afterwards, set GREENROOM_DATABASE_URL to the URL.
    """
    if url == "-":
        url = sys.stdin.readline().strip()
    check_database_url("URL", url)
    with _stopped(services), closing(Database(url)) as target, _bar() as progress:
        copied = database_copy.copy(services, target, progress)
    _print_table(("Table", "Rows"), [(each.table, each.rows) for each in copied])
    click.echo(
        "All rows are in both databases. Set GREENROOM_DATABASE_URL to the new one, and start no "
        "index on the old one any more: the storage belongs to whichever has this identity."
    )


@greenroom.group()
def user() -> None:
    """Accounts."""


@user.command("create")
@click.argument("name")
@click.option("--email", required=True, metavar="E", help="The person's e-mail address.")
@click.option("--admin", is_flag=True, help="Make the person an administrator.")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; on a terminal it is asked for.",
)
@with_new_services
def user_create(
    services: Services, name: str, email: str, admin: bool, password_stdin: bool
) -> None:
    """Create the user NAME; the address counts as verified."""
    password = _password(from_stdin=password_stdin)
    account = accounts.prepared(name, email, password)
    with services.writing() as uow:
        accounts.create_user(uow, account, administrator=admin, verified=True, by=OPERATOR)
    click.echo(f"Created the user {name}.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("Missing option '--password-stdin': there is no terminal to ask on.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


@greenroom.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@click.option("--user", "username", required=True, metavar="NAME", help="Whose token it is.")
@click.option(
    "--name",
    "label",
    default="made on the command line",
    show_default=True,
    metavar="LABEL",
    help="What the token is for, as its owner sees it.",
)
@click.option("--project", metavar="P", help="Limit the token to this project.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice([act.value for act in TOKEN_PERMISSIONS]),
    help="What the token may do; may be repeated. By default: stage, publish and discard.",
)
@click.option("--expires-in", type=_Duration(), metavar="30d", help="How long the token is valid.")
@with_services
def token_create(
    services: Services,
    username: str,
    label: str,
    project: str | None,
    permissions: tuple[str, ...],
    expires_in: timedelta | None,
) -> None:
    """Create an API token and print it, alone; nobody can show it again."""
    with services.writing() as uow:
        _, text = accounts.create_token(
            uow,
            accounts.get_user(uow.db, username),
            label,
            project=projects.get(uow, project) if project is not None else None,
            permissions=permissions or DEFAULT_TOKEN_PERMISSIONS,
            expires_in=expires_in,
            by=OPERATOR,
        )
    click.echo(text)


@greenroom.group()
def role() -> None:
    """Who works on a project."""


@role.command("add")
@click.argument("project")
@click.argument("user")
@click.argument(
    "name", metavar="[owner|maintainer]", type=click.Choice([r.value for r in RoleName])
)
@with_services
def role_add(services: Services, project: str, user: str, name: str) -> None:
    """Make USER an owner or a maintainer of PROJECT, both by name."""
    with services.writing() as uow:
        found = projects.get(uow, project)
        projects.add_role(uow, OPERATOR, found, user, RoleName(name))
    click.echo(f"{user} is {name} of {project}.")


@role.command("remove")
@click.argument("project")
@click.argument("user")
@with_services
def role_remove(services: Services, project: str, user: str) -> None:
    """Take USER's role in PROJECT away, both by name; never the last owner's."""
    with services.writing() as uow:
        projects.remove_role(uow, OPERATOR, projects.get(uow, project), user)
    click.echo(f"{user} has no role in {project} any more.")


@greenroom.group()
def draft() -> None:
    """The operator's view of drafts."""


@draft.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def draft_list(services: Services, as_json: bool) -> None:
    """List every live draft, with its whole slug."""
    with services.reading() as uow:
        live = drafts.all_live(uow)
        if as_json:
            click.echo(json.dumps([_draft_as_json(draft) for draft in live], indent=2))
        else:
            _print_drafts(live)


def _draft_as_json(draft: Draft) -> dict[str, object]:
    return {
        "slug": draft.slug,
        "project": draft.project_name,
        "version": draft.version,
        "files": sorted(file.filename for file in draft.files),
        "content-digest": draft_contents.digest_of(draft, draft.files),
        "opened": times.seconds(draft.opened),
        "expires": times.seconds(draft.expires),
    }


def _print_drafts(live: list[Draft]) -> None:
    if not live:
        click.echo("There are no drafts.")
        return
    _print_table(
        ("Slug", "Project", "Version", "Files", "Expires (UTC)"),
        [
            (
                draft.slug,
                draft.project_name,
                draft.version,
                len(draft.files),
                f"{draft.expires:%Y-%m-%d %H:%M}",
            )
            for draft in live
        ],
    )


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Print a table with at least one row, numbers to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title, example in zip(titles, rows[0], strict=True):
        table.add_column(
            title, no_wrap=True, justify="right" if isinstance(example, int) else "left"
        )
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    # Wide enough for everything also on a narrow terminal, which wraps: a slug is never cut short.
    Console(width=_WIDE).print(table)


@draft.command("publish")
@click.argument("slug")
@click.option(
    "--digest",
    metavar="D",
    help="Publish only content that has this digest, which 'draft list --json' shows.",
)
@with_services
def draft_publish(services: Services, slug: str, digest: str | None) -> None:
    """Publish the draft with this SLUG."""

    def publish() -> str:
        with services.writing() as uow:
            draft = publishing.publish(uow, OPERATOR, _draft(uow, slug), content_digest=digest)
            what = f"{draft.project_name} {draft.version}"
            if draft.review == ReviewState.PROCESSING:
                return f"The publication of {what} is being reviewed."
            return f"Published {what}."

    click.echo(releases.with_renderings(publish))


@draft.command("discard")
@click.argument("slug")
@with_services
def draft_discard(services: Services, slug: str) -> None:
    """Discard the draft with this SLUG, with its files."""
    with services.writing() as uow:
        draft = _draft(uow, slug)
        drafts.discard(uow, OPERATOR, draft)
        sentence = f"Discarded the draft of {draft.project_name} {draft.version}."
    click.echo(sentence)


def _draft(uow: UnitOfWork, slug: str) -> Draft:
    draft = drafts.by_slug(uow.db, slug)
    if draft is None:
        raise NotFound("There is no draft with this slug: see 'greenroom draft list'.")
    return draft


@greenroom.group("jobs")
def jobs_group() -> None:
    """What follows from commits and is not done yet."""


@jobs_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def jobs_list(services: Services, as_json: bool) -> None:
    """List every job that is not done, the oldest first."""
    with services.reading() as uow:
        unfinished = jobs.unfinished(uow)
    if as_json:
        click.echo(json.dumps([_job_as_json(job) for job in unfinished], indent=2))
    else:
        _print_jobs(unfinished)


def _job_as_json(job: jobs.Listed) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "about": job.about,
        "state": job.state,
        "created": times.seconds(job.created),
        "attempts": job.attempts,
        "next-attempt": times.seconds(job.due) if job.state == "waiting" else None,
        "error": job.error or None,
    }


def _print_jobs(unfinished: list[jobs.Listed]) -> None:
    if not unfinished:
        click.echo("There are no jobs.")
        return
    _print_table(
        ("ID", "Kind", "About", "State", "Attempts", "Next attempt (UTC)", "Error"),
        [
            (
                job.id,
                job.kind,
                job.about,
                job.state,
                job.attempts,
                f"{job.due:%Y-%m-%d %H:%M:%S}" if job.state == "waiting" else "",
                job.error,
            )
            for job in unfinished
        ],
    )


@jobs_group.command("retry")
@click.argument("job_id", metavar="ID", type=int)
@with_services
def jobs_retry(services: Services, job_id: int) -> None:
    """Try the job with this ID again now, also one that was given up."""
    with services.writing() as uow:
        job = jobs.retry(uow, OPERATOR, job_id)
    click.echo(
        f"Job {job.id} is running." if job.state == "running" else f"Job {job.id} is due now."
    )


@greenroom.command("import")
@click.argument("source", metavar="FOLDER|URL")
@click.argument("names", metavar="[PROJECT]...", nargs=-1)
@click.option("--owner", metavar="NAME", help="The user whose the projects are to be.")
@click.option(
    "--map-user",
    "mapped",
    multiple=True,
    metavar="OLD=NEW",
    help="Who a user of devpi is here, nobody after the equals sign; may be repeated.",
)
@click.option(
    "--index",
    "indexes",
    multiple=True,
    metavar="USER/NAME",
    help="Of a devpi server: only this index; may be repeated.",
)
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The projects and versions in a requirements file.",
)
@click.option("--all", "everything", is_flag=True, help="All projects of an index.")
@click.option("--historical", is_flag=True, help="Take what the ecosystem took in its time.")
@click.option("--ignore-limits", is_flag=True, help="Let no limit of sizes hold.")
@click.option(
    "--connections",
    default=4,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many files are read at once.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and do nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Write what became of it there, as JSON.",
)
@with_services
def import_(
    services: Services,
    source: str,
    names: tuple[str, ...],
    owner: str | None,
    mapped: tuple[str, ...],
    indexes: tuple[str, ...],
    requirements: str | None,
    everything: bool,
    historical: bool,
    ignore_limits: bool,
    connections: int,
    dry_run: bool,
    report: str | None,
) -> None:
    """Bring in what is published elsewhere, to be public here at once.

    From a folder of files, a mirror's folder, what devpi-export has written, or the simple pages of
    an index: the projects that are named, as PROJECT or PROJECT==VERSION, or listed. It can be
    interrupted and begun again: what is there is passed over. Exit status 1 when a file was
    refused. See docs/import.md.
    """
    from greenroom import import_command

    import_command.run(
        services,
        import_command.Order(
            source=source,
            names=names,
            owner=owner,
            mapped=mapped,
            indexes=indexes,
            requirements=requirements,
            is_all=everything,
            is_historical=historical,
            ignores_limits=ignore_limits,
            connections=connections,
            is_dry=dry_run,
            report=report,
        ),
    )


@greenroom.command("housekeeping")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--force", is_flag=True, help="Move to the trash what nobody refers to, however much it is."
)
@with_services
def keep_house(services: Services, dry_run: bool, force: bool) -> None:
    """Expire drafts, and move to the trash what nobody refers to.

    Safe to run at any time, by many at once. What is in the trash is deleted after
    GREENROOM_TRASH_DAYS; 'greenroom storage restore' brings it back before that.
    """
    if dry_run:
        report = housekeeping.look(services, click.echo)
        click.echo(
            f"Nothing was done. Drafts to expire: {report.drafts_expired}. "
            f"Blobs to move to the trash: {report.blobs_freed}. "
            f"Blobs in the trash to be gone for good: {report.blobs_deleted}. "
            f"Stale uploads to remove: {report.stale_files_removed}."
        )
        return
    report = housekeeping.keep_house(services, click.echo, force=force, by=OPERATOR)
    click.echo(
        f"Drafts expired: {report.drafts_expired}. Blobs freed: {report.blobs_freed}. "
        f"Stale uploads removed: {report.stale_files_removed + report.uploads_cleared}."
    )
    if report.blobs_restored or report.blobs_deleted:
        click.echo(
            f"Brought back from the trash: {report.blobs_restored}. "
            f"Deleted from it: {report.blobs_deleted}."
        )


@greenroom.command("backup")
@click.argument("destination", metavar="DEST")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the last N snapshots only.")
@click.option("--verify", is_flag=True, help="Read what is there, and copy again what is damaged.")
@click.option("--list", "only_list", is_flag=True, help="List the snapshots that are there.")
@click.option("--s3-endpoint", metavar="URL", help="The service of the bucket, if another one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value, for scripts.")
@with_services
def backup(
    services: Services,
    destination: str,
    keep: int | None,
    verify: bool,
    only_list: bool,
    s3_endpoint: str | None,
    as_json: bool,
) -> None:
    """Copy the database to DEST, and the files that are not there yet, while the index runs.

    DEST is a folder, or s3://bucket/prefix; what was backed up there before stays.
    Exit status 1 when a file of the index is missing or damaged: the rest is copied then, and no
    older snapshot is removed.
    """
    endpoint = s3_endpoint or services.settings.s3_endpoint
    if only_list:
        place = open_backup(destination, services.settings.files, s3_endpoint=endpoint)
        _print_snapshots(backup_snapshots.all_of(place), as_json=as_json)
        return
    with _bar() as progress:
        made = backups.back_up(
            services, destination, backups.Wish(keep, verify, endpoint), progress
        )
    if as_json:
        click.echo(json.dumps(_backup_as_json(made), indent=2))
    else:
        _print_lost(made.lost)
        click.echo(
            f"Snapshot {made.snapshot.name}: {made.snapshot.blobs} files, of which {made.copied} "
            f"were copied ({made.copied_size} bytes)."
        )
        if made.removed_snapshots:
            click.echo(
                f"Snapshots removed: {', '.join(made.removed_snapshots)}; files that only they "
                f"had: {made.removed_blobs}."
            )
        click.echo(_secrets_sentence(backup_snapshots.SECRET_KEY in made.snapshot.files))
    if made.lost:
        sys.exit(1)


def _secrets_sentence(has_key: bool) -> str:
    key = (
        "The key that signs sessions is in it."
        if has_key
        else "The key that signs sessions is not in it: it is a setting, which is yours to keep."
    )
    return f"{key} Keep it as you keep the index: it has drafts, and the digests of passwords."


def _print_snapshots(found: list[Snapshot], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_snapshot_as_json(snapshot) for snapshot in found], indent=2))
    elif not found:
        click.echo("There are no snapshots.")
    else:
        _print_table(
            ("Snapshot", "Database", "Version", "Files", "Bytes", "Lost"),
            [(s.name, s.database, s.version, s.blobs, s.size, len(s.lost)) for s in found],
        )


def _snapshot_as_json(snapshot: Snapshot) -> dict[str, object]:
    return {
        "name": snapshot.name,
        "database": snapshot.database,
        "version": snapshot.version,
        "files": snapshot.blobs,
        "bytes": snapshot.size,
        "lost": snapshot.lost,
    }


def _backup_as_json(made: backups.Made) -> dict[str, object]:
    return {
        "snapshot": made.snapshot.name,
        "files": made.snapshot.blobs,
        "copied": made.copied,
        "copied-bytes": made.copied_size,
        "lost": _lost_as_json(made.lost),
        "removed-snapshots": made.removed_snapshots,
        "removed-files": made.removed_blobs,
        "secret-key": backup_snapshots.SECRET_KEY in made.snapshot.files,
    }


def _lost_as_json(lost: list[backups.Lost]) -> list[dict[str, object]]:
    return [
        {"sha256": each.digest, "filename": each.filename, "reason": each.reason} for each in lost
    ]


def _print_lost(lost: list[backups.Lost]) -> None:
    for each in lost:
        click.echo(f"{each.filename} ({each.digest}): {each.reason}")


@greenroom.command("restore")
@click.argument("source", metavar="SOURCE")
@click.option("--snapshot", metavar="NAME", help="Which snapshot; the newest by default.")
@click.option("--list", "only_list", is_flag=True, help="List the snapshots that are there.")
@click.option("--s3-endpoint", metavar="URL", help="The service of the bucket, if another one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value, for scripts.")
def restore(
    source: str, snapshot: str | None, only_list: bool, s3_endpoint: str | None, as_json: bool
) -> None:
    """Restore the backup in SOURCE into an empty index, or go on where that was interrupted.

    SOURCE is a folder, or s3://bucket/prefix, that 'greenroom backup' has written to.
    Exit status 1 when a file is missing in the backup: all others are there then.
    """
    with _open(may_begin=True, check=None) as services:
        endpoint = s3_endpoint or services.settings.s3_endpoint
        place = open_backup(source, services.settings.files, s3_endpoint=endpoint)
        if only_list:
            _print_snapshots(backup_snapshots.all_of(place), as_json=as_json)
            return
        with _stopped(services), _bar() as progress:
            restored = restoring.restore(services, place, snapshot, _confirms_restore, progress)
    _print_restored(restored, as_json=as_json)
    if restored.lost:
        sys.exit(1)


def _print_restored(restored: restoring.Restored, *, as_json: bool) -> None:
    if as_json:
        found = {
            "snapshot": restored.snapshot.name,
            "files": restored.snapshot.blobs,
            "copied": restored.copied,
            "lost": _lost_as_json(restored.lost),
            "secret-key": restored.has_key,
        }
        click.echo(json.dumps(found, indent=2))
        return
    _print_lost(restored.lost)
    key = "" if restored.has_key else " People have to sign in again, unless you kept the key."
    click.echo(
        f"Restored the snapshot {restored.snapshot.name}. Files: {restored.snapshot.blobs}. "
        f"Missing: {len(restored.lost)}.{key}"
    )


def _confirms_restore(sentence: str) -> bool:
    click.echo(sentence, err=True)
    answer: str = click.prompt("Type 'restore' to use it", err=True)
    return answer.strip() == "restore"


@contextmanager
def _stopped(services: Services) -> Iterator[None]:
    """Go on only while no server or worker runs on the database, as far as that can be known."""
    folder = services.settings.data.absolute()
    sentence = "The index is running: stop 'greenroom serve' and 'greenroom work' first."
    with ExitStack() as stack:
        if services.settings.embedded:
            for name in _LOCKS:
                marker = stack.enter_context((folder / name).open("ab"))
                try:
                    fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    _fail(sentence)
        elif database_copy.is_used(services.database):
            _fail(f"Others are connected to the database. {sentence}")
        yield


@greenroom.group("downloads")
def downloads_group() -> None:
    """How often files were downloaded."""


@downloads_group.command("import")
@click.argument("logs", metavar="LOG…", nargs=-1, required=True, type=_LOG)
@click.option(
    "--format",
    "log_format",
    default=LogFormat.AUTO.value,
    show_default=True,
    type=click.Choice([each.value for each in LogFormat]),
    help="How the lines are written: 'common' (combined, too), or JSON; auto looks at each.",
)
@with_services
def downloads_import(services: Services, logs: tuple[Path, ...], log_format: str) -> None:
    """Count the downloads in the access logs LOG… of a cache in front, each line once.

    What was read of a log before is passed over, also when it has grown or was compressed since.
    """
    from greenroom.web.http.urls import published_file_at

    if services.settings.downloads == "off":
        raise BadSettings("GREENROOM_DOWNLOADS is off: nothing is counted.")
    for path in logs:
        came = download_logs.import_log(services, path, LogFormat(log_format), published_file_at)
        click.echo(f"{path}: {came.lines} new lines, {came.counted} downloads.")


@greenroom.command("audit")
@click.option(
    "--since", metavar="7d|DATE", help="Not before: a length of time, or a day or moment."
)
@click.option("--user", metavar="NAME", help="Done by this user, or to the account; or 'operator'.")
@click.option("--project", metavar="P", help="Done to this project.")
@click.option(
    "--act",
    type=click.Choice([kind.value for kind in audit.Kind]),
    metavar="ACT",
    help="Of this kind, such as sign-in-failed.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, for other programs.")
@click.option("--follow", is_flag=True, help="Go on with what happens, until SIGINT.")
@with_services_to_read
def audit_command(
    services: Services,
    since: str | None,
    user: str | None,
    project: str | None,
    act: str | None,
    as_json: bool,
    follow: bool,
) -> None:
    """Print the audit log: who did what to what, the oldest first."""
    wanted = Wanted(
        act=audit.kind_named(act) if act is not None else None,
        person=user,
        project=project,
        since=_moment(services, since) if since is not None else None,
    )
    shown = _audit_as_json if as_json else _audit_as_text
    with suppress(KeyboardInterrupt):
        for line in audit_reading.follow(services, wanted, for_ever=follow):
            click.echo(shown(line))


def _moment(services: Services, text: str) -> datetime:
    """How long ago, or when."""
    with suppress(ValueError):
        return services.clock() - parse_duration(text)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"'--since' takes a length of time such as 7d, or a day such as 2026-06-01, not "
            f"{text!r}."
        ) from None


def _audit_as_json(line: AuditLine) -> str:
    return json.dumps(
        {
            "id": line.id,
            "at": times.microseconds(line.at),
            "act": line.act,
            "by": line.by,
            "by-id": line.by_id,
            "credential": line.credential,
            "address": line.address,
            "request-id": line.request_id,
            "about": line.about,
            "about-id": line.about_id,
            "project": line.project,
            "version": line.version,
            "filename": line.filename,
            "detail": line.detail,
            "count": line.count,
        }
    )


def _audit_as_text(line: AuditLine) -> str:
    what = [line.about if line.about != line.by else None, line.project, line.version]
    words = [times.seconds(line.at), line.by, line.act, *what, line.filename]
    if line.address:
        words.append(f"from {line.address}")
    if line.credential:
        words.append(f"with {line.credential}")
    if line.count > 1:
        words.append(f"{line.count} times")
    return " ".join(filter(None, words)) + (f": {line.detail}" if line.detail else "")


@greenroom.group()
def storage() -> None:
    """The files."""


@storage.command("verify")
@click.option("--quick", is_flag=True, help="Compare sizes only, and read nothing.")
@click.option(
    "--repair-from",
    metavar="PATH|URL",
    help="Replace what is missing or wrong from a copy: a folder, s3://bucket/prefix, or the "
    "https:// address of an index or a list of files.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@with_services
def storage_verify(services: Services, quick: bool, repair_from: str | None, as_json: bool) -> None:
    """Say whether the files are what the database says; exit status 1 when one is not.

    What has another content is put aside, so that nobody gets it; uploading it again mends it.
    """
    source: BlobSource | WebCopy | None = None
    if repair_from is not None and repair_from.startswith(("http://", "https://")):
        source = WebCopy(repair_from)
    elif repair_from is not None:
        endpoint = services.settings.s3_endpoint
        source = open_copy(repair_from, services.storage.incoming, s3_endpoint=endpoint)
    with _progress(services, quick=quick) as progress:
        findings = verification.verify(
            services, quick=quick, source=source, progress=progress, by=OPERATOR
        )
    if as_json:
        click.echo(json.dumps(_findings_as_json(findings), indent=2))
    else:
        _print_findings(findings)
    if findings.unrepaired:
        sys.exit(1)


class _Bar:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, bar: "rich.progress.Progress") -> None:
        self._bar = bar
        self._task = bar.add_task("Preparing", total=None)

    def begin(self, what: str, total: int) -> None:
        """See ``Progress.begin``."""
        self._bar.reset(self._task, description=what, total=total)

    def advance(self, done: int) -> None:
        """See ``Progress.advance``."""
        self._bar.advance(self._task, done)


@contextmanager
def _bar() -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        yield _Bar(bar)


@contextmanager
def _progress(services: Services, *, quick: bool) -> Iterator[verification.Progress]:
    """Blobs of all, or bytes of all."""
    blobs, size = known_blobs.count(services.database.reading)
    with _bar() as bar:
        bar.begin("Verifying", blobs if quick else size)
        yield lambda done, read: bar.advance(done if quick else read)


def _findings_as_json(findings: verification.Findings) -> dict[str, object]:
    def damages(*, missing: bool) -> list[dict[str, object]]:
        return [
            {
                "sha256": damage.digest,
                "filename": damage.filename,
                "reason": damage.reason,
                "repaired": damage.is_repaired,
            }
            for damage in findings.damages
            if damage.is_missing == missing
        ]

    return {
        "checked": findings.checked,
        "missing": damages(missing=True),
        "wrong": damages(missing=False),
        "unknown": findings.unknown,
    }


def _print_findings(findings: verification.Findings) -> None:
    for damage in findings.damages:
        repaired = " It was repaired." if damage.is_repaired else ""
        click.echo(f"{damage.filename} ({damage.digest}): {damage.reason}{repaired}")
    for digest in findings.unknown:
        click.echo(f"{digest}: Nobody refers to it.")
    missing = sum(damage.is_missing for damage in findings.damages)
    click.echo(
        f"Blobs checked: {findings.checked}. Missing: {missing}. "
        f"Wrong: {len(findings.damages) - missing}. Unknown: {len(findings.unknown)}. "
        f"Repaired: {len(findings.damages) - len(findings.unrepaired)}."
    )


@storage.command("restore")
@click.option("--all", "everything", is_flag=True, help="Also what nobody refers to.")
@with_services
def storage_restore(services: Services, everything: bool) -> None:
    """Bring back from the trash what the database refers to."""
    restored = trash.restore(services, OPERATOR, everything=everything)
    click.echo(f"Blobs brought back from the trash: {restored}.")


@storage.command("adopt")
def storage_adopt() -> None:
    """Bind the storage to the database, whatever either was bound to; asks for confirmation."""
    with _open(may_begin=True, check=None) as services:
        _prepare_database(services)
        bond = storage_identity.look(services)
        if bond.is_bound:
            click.echo(f"The storage {bond.address} belongs to this database already.")
            return
        held = "is empty" if bond.is_empty else "has files"
        owner = "is marked as another database's" if bond.is_marked else "is not marked"
        click.echo(
            f"The storage {bond.address} {held} and {owner}. Of {bond.looked_for} files that the "
            f"database knows, {bond.found} are there. Housekeeping moves files that it does not "
            "know to the trash."
        )
        answer: str = click.prompt("Type 'adopt' to bind it to this database", err=True)
        if answer.strip() != "adopt":
            _fail("Nothing was changed: only 'adopt' confirms it.")
        storage_identity.adopt(services, OPERATOR)
    click.echo(f"The storage {bond.address} belongs to this database now.")
