"""Pages of public projects as every full index has them, kept as bytes by each process.

There is nothing of any draft in them: their links to files are the same below every draft's
address, and they are made of what the public sees alone. Who may have one is found out each time,
for which the draft and the project are looked for; what is spared is to list and to write out all
of a project's files.

Whatever changes a project in public writes an entry of the journal about it, so the project's
newest entry says which state a page shows.
"""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy.orm import Session

from greenroom.database import Database
from greenroom.registry import catalogue, journal
from greenroom.registry.catalogue import PublicProject
from greenroom.settings import Settings

MOST_BYTES = 8 * 1024**2
LARGEST = MOST_BYTES // 4

_Key = tuple[object, ...]


class _Kept:
    """Pages by form, project and its newest entry; bounded in bytes, the least wanted go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0

    def find(self, key: _Key) -> bytes | None:
        with self._lock:
            page = self._pages.get(key)
            if page is not None:
                self._pages.move_to_end(key)
            return page

    def keep(self, key: _Key, page: bytes) -> None:
        if len(page) > LARGEST:
            return
        with self._lock:
            if key in self._pages:
                return
            self._pages[key] = page
            self._bytes += len(page)
            while self._bytes > MOST_BYTES:
                _, oldest = self._pages.popitem(last=False)
                self._bytes -= len(oldest)


kept: weakref.WeakKeyDictionary[Database, _Kept] = weakref.WeakKeyDictionary()
_keeping = threading.Lock()


def page(
    database: Database,
    db: Session,
    settings: Settings,
    project: PublicProject,
    form: str,
    render: Callable[[], bytes],
) -> bytes:
    """A project's page in this form: as it was rendered, while the project is as it was.

    Args:
        database: of which it is.
        db: a session, which has one snapshot for all it reads.
        settings: of the index.
        project: which whoever asks may read.
        form: of which there are a few.
        render: makes it.
    """
    # The journal of all has only what everybody learns of.
    listed = catalogue.is_listed(settings, project.visibility)
    line = journal.line(db, project.last_serial) if listed else None
    if line is None:
        return render()
    return _kept(database, (form, project.id, project.normalized_name, line), render)


def of_upstream(database: Database, key: tuple[str, ...], render: Callable[[], bytes]) -> bytes:
    """A page of a project that an upstream has, in the same way.

    Args:
        database: of the index that shows it.
        key: all that it is made of, or digests of that.
        render: makes it.
    """
    return _kept(database, key, render)


def _kept(database: Database, key: _Key, render: Callable[[], bytes]) -> bytes:
    with _keeping:
        pages = kept.setdefault(database, _Kept())
    found = pages.find(key)
    if found is None:
        found = render()
        pages.keep(key, found)
    return found
