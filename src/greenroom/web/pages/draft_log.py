"""The log of a draft for people: what one person did with many files in one go is one line."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from greenroom.registry.drafts import DraftEventLine

# What comes later than this after the last one is another run.
_PAUSE = timedelta(minutes=10)
_WITH_FILES = {"added", "replaced", "removed"}


class LogEntry(Struct, frozen=True):
    """What one person did, the newest event first; mostly it is one event.

    Attributes:
        at: when it ended.
        events: of one act, each with a file where there are several.
    """

    by: str
    act: str
    at: datetime
    events: tuple[DraftEventLine, ...]


def log_entries(events: Sequence[DraftEventLine]) -> list[LogEntry]:
    """The events, the newest first, with the files of one run in one entry."""
    runs: list[list[DraftEventLine]] = []
    for event in events:
        if runs and _belongs(event, runs[-1][-1]):
            runs[-1].append(event)
        else:
            runs.append([event])
    return [LogEntry(run[0].by, run[0].act, run[0].at, tuple(run)) for run in runs]


def _belongs(event: DraftEventLine, later: DraftEventLine) -> bool:
    return (
        event.act in _WITH_FILES
        and bool(event.filename)
        and (event.by, event.act, event.means) == (later.by, later.act, later.means)
        and later.at - event.at <= _PAUSE
    )
