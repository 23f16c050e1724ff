"""How a command gets what it works on: the services of the settings, looked at before."""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec

import sqlalchemy.exc
import structlog

from greenroom import logs
from greenroom.cli.failures import fail, tell
from greenroom.outages import outage_of
from greenroom.registry import schema, storage_identity
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Origin, Services
from greenroom.server.supervisor import end_with, end_with_parent
from greenroom.services import open_services
from greenroom.settings import check_data_folder, load_settings, unknown_variables
from greenroom.settings_sources import BadSettings
from greenroom.storage import StorageUnavailable

log = structlog.get_logger("greenroom")


P = ParamSpec("P")


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
    if services.settings.storage_url is None:
        _check_storage_to_work(services, is_new)  # a folder needs no other process
    else:
        _apart(services, lambda: _check_storage_to_work(services, is_new))


def prepare_database(services: Services) -> None:
    """Bring the embedded database up to date, and see that another one is.

    Raises:
        BadSettings: it is not.
    """
    if services.settings.embedded:
        schema.upgrade(services, OPERATOR)
    elif not services.database.is_current():
        raise BadSettings(
            "The database has an old schema, or none: run 'greenroom db upgrade' first."
        )


def _prepare_database_apart(services: Services) -> None:
    """The same, without a trace in this process: to migrate takes 20 MiB that nobody needs again.

    Raises:
        BadSettings: it is not up to date, and nobody may migrate it.
        SystemExit: it cannot be brought up to date, which has been said.
    """
    if not services.settings.embedded:
        prepare_database(services)
    elif not services.database.is_current():
        _apart(services, lambda: prepare_database(services))


def _apart(services: Services, act: Callable[[], None]) -> None:
    """Have something done in a process of its own, which ends with this one if it is not done.

    Raises:
        SystemExit: it cannot be done, which has been said.
    """
    services.database.close()  # connections do not survive a fork
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        end_with(lambda: _do_or_tell(act, parent))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        fail(f"The process that looks at the index has ended: signal {-code}.")
    if code > 0:
        raise SystemExit(code)


def _do_or_tell(act: Callable[[], None], parent: int) -> None:
    end_with_parent(parent)
    try:
        act()
    except Exception as error:
        tell(error)


def _with_services(
    command: Callable[Concatenate[Services, P], None],
    *,
    may_begin: bool,
    check: StorageCheck | None = _check_storage,
    may_wait: bool = False,
) -> Callable[P, None]:
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with _prepared(may_begin=may_begin, check=check, may_wait=may_wait) as services:
            command(services, *args, **kwargs)

    return run


@contextmanager
def opened_to_fork() -> Iterator[Services]:
    """The services of a server, before the fork of which no storage may have been talked to here.

    A database that does not answer may do so later.
    """
    with _prepared(
        may_begin=True,
        check=_check_storage_apart,
        may_wait=True,
        prepare=_prepare_database_apart,
    ) as services:
        yield services


@contextmanager
def _prepared(
    *,
    may_begin: bool,
    check: StorageCheck | None,
    may_wait: bool,
    prepare: Callable[[Services], None] = prepare_database,
) -> Iterator[Services]:
    with opened(may_begin=may_begin, check=check) as services:
        with waiting(services) if may_wait else nullcontext():
            prepare(services)
            if check is not None:
                check(services, False)
        yield services


@contextmanager
def waiting(services: Services, *, warns: bool = True) -> Iterator[None]:
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
def opened(*, may_begin: bool, check: StorageCheck | None = _check_storage) -> Iterator[Services]:
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
