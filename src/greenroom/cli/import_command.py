"""``greenroom import``: what was asked for becomes a source, and what came of it is printed."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from greenroom.counts import counted
from greenroom.importing import run as importing
from greenroom.importing.candidates import SourceFailed
from greenroom.importing.report import Refused, Report
from greenroom.importing.requirements import Wanted, requirements_in, wanted_of
from greenroom.importing.sources.open import NotASource, Selection, named, open_source
from greenroom.outages import outage_of
from greenroom.registry.unit_of_work import Services

_NO_LIMIT = 2**62
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Order(Struct, frozen=True):
    """What was asked for, as it stands on the command line."""

    source: str
    names: tuple[str, ...]
    owner: str | None
    mapped: tuple[str, ...]
    indexes: tuple[str, ...]
    requirements: str | None
    is_all: bool
    is_historical: bool
    ignores_limits: bool
    connections: int
    is_dry: bool
    report: str | None


def run(services: Services, order: Order) -> None:
    """Import, and print what became of it; exits with status 1 when a file was refused.

    Raises:
        click.UsageError: what was asked for does not make sense.
        ValueError: the source cannot be read, or somebody is not a user here.
    """
    selection = Selection(
        wanted=_wanted(order),
        is_all=order.is_all,
        indexes=order.indexes,
        owner=order.owner,
        user_names=_user_names(order.mapped),
        connections=order.connections,
    )
    options = importing.Options(
        owner=order.owner,
        historical=order.is_historical,
        dry_run=order.is_dry,
        connections=order.connections,
        source=named(order.source),
    )
    if order.report is not None:
        _check_writable(Path(order.report))
    if order.ignores_limits:
        services = _without_limits(services)
    report = Report(is_dry=order.is_dry)
    with _reporting(order, report):
        try:
            with open_source(order.source, selection) as source:
                importing.check_people(services, source, options)
                with _progress() as progress:
                    importing.run(services, source, options, progress, report)
        except NotASource as error:
            raise click.UsageError(str(error)) from None
        except SourceFailed as error:
            raise ValueError(str(error)) from None
    _print(report)
    if report.refused:
        sys.exit(1)


def _wanted(order: Order) -> dict[str, Wanted]:
    listed = requirements_in(Path(order.requirements)) if order.requirements is not None else []
    wanted = wanted_of([*order.names, *listed])
    if order.requirements is not None and not wanted:
        raise ValueError(f"{order.requirements} names no project.")
    return wanted


def _user_names(mapped: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for text in mapped:
        old, equals, new = text.partition("=")
        if not old or not equals:
            raise click.UsageError(f"{text!r} is not of the form OLD=NEW.")
        names[old] = new
    return names


def _without_limits(services: Services) -> Services:
    unlimited = {
        "max_file_size": _NO_LIMIT,
        "max_project_size": _NO_LIMIT,
        "max_total_size": None,
        "max_user_size": None,
    }
    return replace(services, settings=replace(services.settings, **unlimited))


@contextmanager
def _progress() -> Iterator[Callable[[Report], None]]:
    """On a terminal: files, bytes and how fast; else nothing until the end."""
    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), TextColumn("{task.description}"))
    began = time.monotonic()
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("", total=None)

        def tell(report: Report) -> None:
            seconds = max(time.monotonic() - began, 0.001)
            bar.update(
                task,
                total=report.seen,
                completed=report.done,
                description=(
                    f"{report.done} of {counted(report.seen, 'file')}, "
                    f"{readable(report.received)}, "
                    f"{report.done / seconds:.1f} files/s, "
                    f"{readable(int(report.received / seconds))}/s, "
                    f"refused: {len(report.refused)}"
                ),
            )

        yield tell


@contextmanager
def _reporting(order: Order, report: Report) -> Iterator[None]:
    """Write the report where it is wanted, also when the import is broken off."""
    try:
        yield
    except BaseException as error:
        report.aborted = _why_aborted(error)
        if order.report is not None:
            with suppress(ValueError):  # what broke it off is what has to be said
                _write(Path(order.report), report)
        raise
    if order.report is not None:
        _write(Path(order.report), report)


def _why_aborted(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "It was interrupted."
    if isinstance(error, click.ClickException):
        return error.message
    outage = outage_of(error)
    return outage.reason if outage is not None else str(error)


def _check_writable(path: Path) -> None:
    """Before the work, which may take long."""
    try:
        path.open("a").close()
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from None


def _write(path: Path, report: Report) -> None:
    try:
        path.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from None


def _print(report: Report) -> None:
    for refused in report.refused:
        click.echo(_sentence(refused))
    done = "To import" if report.is_dry else "Imported"
    seconds = max(report.seconds, 0.001)
    begin = "Nothing was done. " if report.is_dry else ""
    click.echo(
        f"{begin}{done}: {counted(report.imported, 'file')} ({readable(report.size)}), "
        f"historical: {report.historical}. There before: {report.present}. "
        f"Refused: {len(report.refused)}. No distributions: {report.passed}. "
        f"{report.done / seconds:.1f} files a second, for {seconds:.1f} seconds."
    )


def _sentence(refused: Refused) -> str:
    """A line about a file, whose name may have anything in it."""
    text = f"{refused.where}: {' '.join(refused.reasons)}"
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def readable(size: int) -> str:
    """A number of bytes for people."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.4g} {_UNITS[unit]}"
