"""What people write on the command line, as values."""

from datetime import UTC, datetime

import click


def moment(text: str) -> datetime:
    """A moment, in UTC where nothing else is said.

    Raises:
        click.UsageError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(f"{text!r} is no time such as 2026-01-31T09:30Z.") from None


def moment_or_none(text: str | None, *, is_canceled: bool) -> datetime | None:
    """When something is to happen by itself, or None where that is taken back.

    Raises:
        click.UsageError: neither is said, or both, or it is no moment.
    """
    if (text is None) != is_canceled:
        raise click.UsageError("Give a TIME, or --cancel.")
    return moment(text) if text is not None else None
