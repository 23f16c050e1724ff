"""What is said of an error, on standard error, with exit status 1."""

import sys
from typing import NoReturn

import click
import sqlalchemy.exc

from greenroom.database import UnusableDatabase
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.outages import Outage, Part, outage_of
from greenroom.registry.errors import Refusal
from greenroom.settings_sources import BadSettings
from greenroom.storage import StorageUnavailable


def sentence_of(error: Exception) -> str | None:
    """The sentence that tells the operator of it; None for what nobody expects."""
    match error:
        case Refusal() | BadSettings() | StorageUnavailable() | UnusableDatabase() | ValueError():
            return str(error)
        case UpstreamUnavailable():
            # Who asks by the web is told no reason: it may have addresses.
            said = str(error)
            return said if error.reason in said else f"{said} {error.reason}"
        case PermissionError():
            return f"No permission for {error.filename}."
        case sqlalchemy.exc.SQLAlchemyError() | OSError():
            outage = outage_of(error)
            return _said_of(outage) if outage is not None else None
    return None


def _said_of(outage: Outage) -> str:
    """What is out of order, for the operator."""
    if outage.part is Part.DATABASE:
        return f"The database cannot be used: {outage.reason}."
    return outage.reason


def fail(sentence: str) -> NoReturn:
    """End with this sentence and exit status 1."""
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(1)


def tell(error: Exception) -> NoReturn:
    """End with the sentence that tells the operator of an error, and exit status 1.

    Raises:
        Exception: the error itself, which nobody expects.
    """
    sentence = sentence_of(error)
    if sentence is None:
        raise error
    fail(sentence)
