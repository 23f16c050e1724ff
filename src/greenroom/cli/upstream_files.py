"""``greenroom upstream warm|evict|verify``: files of upstreams that are kept here."""

import sys
from contextlib import closing
from pathlib import Path

import click

from greenroom.cli import lock_files
from greenroom.cli.failures import fail
from greenroom.cli.opening import with_services
from greenroom.cli.printing import progress_bar
from greenroom.registry import audit, upstream_files, upstream_warming
from greenroom.registry.names import lookup_name
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.sizes import readable_size
from greenroom.registry.unit_of_work import Services
from greenroom.settings import parse_size


@click.command("warm")
@click.option(
    "-r",
    "--requirement",
    "paths",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A requirements file, pylock.toml, uv.lock or poetry.lock; may be given several times.",
)
@with_services
def upstream_warm(services: Services, paths: tuple[Path, ...]) -> None:
    """Fetch the files that lock files name, so that a build works without the upstream.

    Where a file names digests, the files that have them are fetched, else those of the newest
    version that is asked for. Exit status 1 when something could not be had.
    """
    _check_mode(services)
    wanted = [locked for path in paths for locked in lock_files.read(path)]
    with progress_bar() as bar, closing(services.asking):
        bar.begin("Asking for pages", 0)
        plan = upstream_warming.plan(services, wanted)
        bar.begin("Fetching files", sum(file.size or 0 for file in plan.files))
        warmed = upstream_warming.warm(services, plan.files, bar.advance)
    for sentence in (*plan.refused, *plan.problems, *warmed.failures):
        click.echo(sentence)
    if plan.own:
        click.echo(f"This index answers itself for: {', '.join(plan.own)}.")
    problems = len(plan.problems) + len(warmed.failures)
    click.echo(
        f"Files fetched: {warmed.fetched}. Here already: {warmed.kept}. "
        f"Not let in: {len(plan.refused)}. Problems: {problems}."
    )
    if problems:
        sys.exit(1)


@click.command("evict")
@click.option("--project", metavar="NAME", help="The files of this project.")
@click.option("--to", "to", metavar="SIZE", help="Those that are used least, until 5GiB stay.")
@click.option("--all", "everything", is_flag=True, help="All; asks for confirmation.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_services
def upstream_evict(
    services: Services, project: str | None, to: str | None, *, everything: bool, yes: bool
) -> None:
    """Let files of upstreams go that are kept here; they are fetched again when they are wanted.

    What is published or staged here stays, also where it has the same bytes.
    """
    if sum((project is not None, to is not None, everything)) != 1:
        raise click.UsageError("Say which: --project NAME, --to SIZE, or --all.")
    if everything:
        if not yes and not _confirms():
            fail("Nothing was changed: only 'evict' confirms it.")
        gone, which = upstream_files.let_go_of_all(services), "all"
    elif project is not None:
        name = _normalized(project)
        gone, which = upstream_files.let_go_of_all(services, name), f"of {name}"
    else:
        most = _size(to or "")
        gone, which = upstream_files.make_room(services, most=most), f"down to {most} bytes"
    if gone.files:
        with services.writing() as uow:
            detail = f"{which}; files: {gone.files}, bytes: {gone.size}"
            audit.write(uow, audit.Kind.UPSTREAM_EVICT, OPERATOR, detail=detail)
    click.echo(f"Files let go: {gone.files} ({readable_size(gone.size)}).")


@click.command("verify")
@with_services
def upstream_verify(services: Services) -> None:
    """Read all files of upstreams that are kept here; exit status 1 when one cannot be mended.

    What is not as it was is let go, and fetched again where its upstream still has it.
    """
    with services.reading() as uow:
        size = upstream_files.usage(uow.db).size
    with progress_bar() as bar, closing(services.asking):
        bar.begin("Verifying", size)
        found = upstream_warming.verify(services, bar.advance)
    if found.wrong:
        with services.writing() as uow:
            detail = f"of upstreams; wrong: {len(found.wrong)}, fetched again: {found.repaired}"
            audit.write(uow, audit.Kind.STORAGE_REPAIR, OPERATOR, detail=detail)
    for name in found.wrong:
        click.echo(f"{name}: Its content is missing, or another one.")
    lost = len(found.wrong) - found.repaired
    click.echo(
        f"Files checked: {found.checked}. Wrong or missing: {len(found.wrong)}. "
        f"Fetched again: {found.repaired}. Let go: {lost}."
    )
    if lost:
        sys.exit(1)


def _check_mode(services: Services) -> None:
    if not services.settings.upstreams:
        fail("There is no upstream: GREENROOM_UPSTREAMS is not set.")
    if services.settings.upstream_mode != "cache":
        fail("Files of upstreams are not kept here: set GREENROOM_UPSTREAM_MODE to cache.")


def _normalized(name: str) -> str:
    found = lookup_name(name)
    if not found:
        raise click.UsageError(f"{name!r} is no name of a project.")
    return found


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no size, such as 5GiB.") from None


def _confirms() -> bool:
    answer: str = click.prompt("Type 'evict' to let all files of upstreams go", err=True)
    return answer.strip() == "evict"
