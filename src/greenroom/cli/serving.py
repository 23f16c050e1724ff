"""``greenroom serve``, which runs until it is told to stop.

What is imported here stays in memory besides the workers, for as long as they run: whatever needs
the settings, or more, is done where workers are loaded (``served.py``).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from greenroom.server.serve import Kept, Order
from greenroom.server.serve import serve as run
from greenroom.unread import import_structlog

if TYPE_CHECKING:
    from greenroom.server.worker import Served


@click.command()
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
def serve(host: str, port: int, workers: int) -> None:
    """Run the index until SIGTERM or SIGINT, which let what is in flight finish."""
    run(
        lambda order: _load(order, workers),
        host=host,
        port=port,
        workers=workers,
        at_end=_clean_up,
    )


def _load(order: Order, workers: int) -> "Served":
    import_structlog()
    from greenroom.cli import served

    return served.load(order, workers)


def _clean_up(kept: Kept) -> None:
    if "metrics" in kept.facts:
        from greenroom.metrics_folder import remove_folder

        remove_folder(Path(kept.facts["metrics"]))
