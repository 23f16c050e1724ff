"""``greenroom serve``, which runs until it is told to stop."""

from typing import TYPE_CHECKING

import click

from greenroom.server.serve import Order, start
from greenroom.server.supervisor import Supervisor

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
@click.pass_obj
def serve(order: Order | None, host: str, port: int, workers: int) -> None:
    """Run the index until SIGTERM or SIGINT, which let what is in flight finish."""

    def load(order: Order) -> None:
        start(order, lambda order: _load(order, workers), host=host, port=port, workers=workers)

    if order is not None:  # somebody else supervises: see greenroom.__main__
        load(order)
    else:
        Supervisor(load).run()


def _load(order: Order, workers: int) -> "Served":
    # Imported here: to say what options there are needs none of it.
    from greenroom.cli import served

    return served.load(order, workers)
