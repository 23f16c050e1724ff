"""``greenroom downloads``: counting what a cache in front has sent."""

from pathlib import Path

import click

from greenroom.cli.opening import with_services
from greenroom.registry import download_logs
from greenroom.registry.download_logs import LogFormat
from greenroom.registry.unit_of_work import Services
from greenroom.settings_sources import BadSettings

_LOG = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("downloads")
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
        click.echo(f"{path}: new lines: {came.lines}, downloads: {came.counted}.")
