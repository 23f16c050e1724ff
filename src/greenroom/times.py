"""Moments as text: one form for programs, with and without fractions of a second (RFC 3339)."""

from datetime import datetime


def seconds(moment: datetime) -> str:
    """A moment in UTC, in whole seconds: ``2026-06-01T12:00:00Z``."""
    return f"{moment.isoformat('T', 'seconds')[:19]}Z"


def milliseconds(moment: datetime) -> str:
    """A moment in UTC, with three digits behind the point: ``2026-06-01T12:00:00.250Z``."""
    return f"{moment.isoformat('T', 'milliseconds')[:23]}Z"


def microseconds(moment: datetime) -> str:
    """A moment in UTC, with six digits behind the point: ``2026-06-01T12:00:00.250000Z``."""
    return f"{moment.isoformat('T', 'microseconds')[:26]}Z"


FORM_FIELDS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
"""How browsers send a moment that was typed into a form (HTML, ``datetime-local``)."""


def compact(moment: datetime) -> str:
    """A moment in UTC for names of files: ``20260601T120000Z``."""
    return "".join(character for character in seconds(moment) if character not in "-:")
