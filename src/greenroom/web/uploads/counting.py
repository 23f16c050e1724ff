"""Uploads are counted, with what became of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from greenroom.counters import Counted, count
from greenroom.registry.errors import Refusal


@contextmanager
def counted_upload() -> Iterator[None]:
    """Count the upload of one file, which is taken in here unless an exception says otherwise."""
    try:
        yield
    except Refusal:
        count(Counted.UPLOADS, "refused")
        raise
    except BaseException:
        count(Counted.UPLOADS, "failed")
        raise
    count(Counted.UPLOADS, "accepted")
