"""What happens seldom and is worth counting: numbers of this process, for whoever reports them."""

import threading
from collections import Counter
from enum import StrEnum


class Counted(StrEnum):
    """What is counted."""

    UPLOADS = "uploads"
    STORAGE_ERRORS = "storage errors"
    SIGN_IN_FAILURES = "sign-in failures"
    UPSTREAM_FILES = "upstream files"
    UPSTREAM_PAGES = "upstream pages"
    UPSTREAM_REFUSALS = "upstream refusals"


_lock = threading.Lock()
_counts: Counter[tuple[Counted, str]] = Counter()


def count(what: Counted, which: str) -> None:
    """One more of this; ``which`` is one of a few words."""
    with _lock:
        _counts[what, which] += 1


def take() -> dict[tuple[Counted, str], int]:
    """What was counted since the last time."""
    with _lock:
        taken = dict(_counts)
        _counts.clear()
    return taken
