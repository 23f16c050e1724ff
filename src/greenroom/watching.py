"""How a server is watched, as the settings say: its log of requests, and its metrics."""

from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec import Struct

from greenroom import logs
from greenroom.metrics_folder import make_folder, use_folder
from greenroom.registry.unit_of_work import Services
from greenroom.server.access_log import AccessLog
from greenroom.server.front import Watched
from greenroom.settings import Settings
from greenroom.web.http.urls import part_of


class Watching(Struct, frozen=True):
    """What the parts of a server need for it.

    Attributes:
        watched: for the server.
        tell_metrics: for the application; None where there are no metrics.
        on_exit: to be called with the number of a process that has ended.
    """

    watched: Watched
    tell_metrics: Callable[[], bytes] | None = None
    on_exit: Callable[[int], None] | None = None


def prepared(settings: Settings) -> tuple[Path, int] | None:
    """The folder of the metrics, and what says that it is in use; None where there are none."""
    if settings.metrics_token is None and not settings.metrics_networks:
        return None  # nobody may see any
    try:
        return make_folder(settings.data)
    except OSError as error:
        _say_that_there_are_none(error)
        return None


def watch(settings: Settings, services: Services, folder: Path | None) -> Watching:
    """Watch a server, before its processes are forked.

    Args:
        settings: what is to be logged.
        services: what the application works on.
        folder: where the metrics are.
    """
    access_log = None
    if settings.access_log != "off":
        access_log = AccessLog(
            logs.write_line,
            as_json=settings.log_format == "json",
            errors_only=settings.access_log == "errors",
        )
    if folder is None:
        return Watching(Watched(access_log))
    use_folder(folder)
    from greenroom.metrics import Metrics, process_has_ended

    try:
        metrics = Metrics(folder, services)
    except OSError as error:
        _say_that_there_are_none(error)
        return Watching(Watched(access_log))
    return Watching(Watched(access_log, metrics, part_of), metrics.exposition, process_has_ended)


def _say_that_there_are_none(error: OSError) -> None:
    structlog.get_logger("greenroom").error("there are no metrics", reason=str(error))
