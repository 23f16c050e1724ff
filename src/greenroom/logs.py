"""Logs: lines for people on a terminal, JSON for machines. Secrets are never in them."""

import logging
import sys

import structlog

from greenroom.settings import Settings


def configure(settings: Settings) -> None:
    """Send the program's log lines to standard error, in the form that the settings ask for."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # It writes a traceback of each connection that was lost, of which whoever used it tells, too.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
