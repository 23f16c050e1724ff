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
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Concatenate, NoReturn, ParamSpec

import click
import sqlalchemy.exc
import structlog

from greenroom import __version__, logs, times
from greenroom.database import UnusableDatabase
from greenroom.models import Draft, ReviewState, RoleName
from greenroom.registry import (
    accounts,
    audit,
    audit_reading,
    download_logs,
    draft_contents,
    drafts,
    housekeeping,
    jobs,
    projects,
    publishing,
    releases,
    schema,
    storage_identity,
    trash,
    verification,
)
from greenroom.registry.audit_reading import AuditLine, Wanted
from greenroom.registry.download_counting import DownloadCounter
from greenroom.registry.download_logs import LogFormat
from greenroom.registry.errors import NotFound, Refusal
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, OPERATOR, TOKEN_PERMISSIONS
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from greenroom.services import open_services
from greenroom.settings import (
    BadSettings,
    Settings,
    address_warning,
    check_data_folder,
    exposure_warnings,
    load_settings,
    parse_duration,
    secret_key,
    unknown_variables,
)
from greenroom.storage import StorageUnavailable, open_copy

# Imported by the commands that use them: the web server and the worker, and what prints tables.
# They take as long as everything else together, and scripts start this often.

_WIDE = 400

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
    except sqlalchemy.exc.OperationalError as error:
        _fail(f"The database does not answer: {str(error.orig).strip().splitlines()[0]}")
    except PermissionError as error:
        _fail(f"No permission for {error.filename}.")


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
    """The same for a command that forks, before which no storage may have been talked to here."""
    return _with_services(command, may_begin=True, check=_check_storage_apart)


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


def _check_storage_apart(services: Services, is_new: bool) -> None:
    """The same, without a trace in this process."""
    settings = services.settings
    if settings.storage_url is None:
        _check_storage(services, is_new)
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
        _check_storage(services, is_new)
    except storage_identity.ForeignStorage as refusal:
        answer.send(str(refusal))
    else:
        answer.send(None)
    finally:
        services.database.close()


def _with_services(
    command: Callable[Concatenate[Services, P], None],
    *,
    may_begin: bool,
    check: StorageCheck | None = _check_storage,
) -> Callable[P, None]:
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with _open(may_begin=may_begin, check=check) as services:
            _prepare_database(services)
            if check is not None:
                check(services, False)
            command(services, *args, **kwargs)

    return run


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

    Settings are environment variables that start with GREENROOM_; see docs/operating.md.
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
    from greenroom import background
    from greenroom.registry.public_changes import PublicChanges
    from greenroom.server.serve import Served
    from greenroom.server.serve import serve as serve_wsgi
    from greenroom.web.application import THREAD_LOCALS, make_app
    from greenroom.web.http import authentication
    from greenroom.web.http.urls import Urls, published_file_at

    settings = services.settings
    warning = address_warning(settings)
    if warning is not None:
        log.warning(warning)
    for warning in exposure_warnings(settings):
        log.warning(warning)
    secret_key(settings)  # made before the workers start, so that they agree on it
    with services.reading() as uow:
        is_new = accounts.is_empty(uow.db)
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
        return Served(
            make_app(settings, services=open_),
            THREAD_LOCALS,
            lambda: PublicChanges(open_.database),
            settings.trusted_proxies,
            counter.note if settings.downloads == "on" else None,
        )

    with _alone(settings):
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
    with (folder / "serve.lock").open("ab") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            log.warning(f"another 'greenroom serve' runs on {folder}, too")
        yield


@greenroom.command()
@with_new_services
def work(services: Services) -> None:
    """Do what follows from commits, until SIGTERM or SIGINT; ``serve`` does so by itself."""
    from greenroom import background

    settings = services.settings
    services.database.close()
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
    help="Replace what is missing or wrong from a copy: a folder, or s3://bucket/prefix.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@with_services
def storage_verify(services: Services, quick: bool, repair_from: str | None, as_json: bool) -> None:
    """Say whether the files are what the database says; exit status 1 when one is not.

    What has another content is put aside, so that nobody gets it; uploading it again mends it.
    """
    source = None
    if repair_from is not None:
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


@contextmanager
def _progress(services: Services, *, quick: bool) -> Iterator[verification.Progress]:
    """A bar on standard error, where that is a terminal: blobs of all, or bytes of all."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    blobs, size = verification.count(services)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Verifying", total=blobs if quick else size)
        yield lambda done, read: bar.advance(task, done if quick else read)


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
