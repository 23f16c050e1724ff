"""The list of all projects, kept as bytes, so that one publication renews a small part of it.

A state of the list is what a snapshot of the database has: its newest journal entry says which. It
is kept in segments of about a thousand projects, rendered in each form, and compressed when they
are first asked for so. Whatever changes a project, or which projects there are, writes an entry
about it; so a newer state is made of the last one by rendering only the segments of the projects
that the entries since then name. What another process has published is found in the same way.
"""

import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from sqlalchemy.orm import Session

from greenroom.database import Database
from greenroom.registry import catalogue, journal
from greenroom.registry.catalogue import ListedProject, Reader
from greenroom.registry.journal import JournalLine
from greenroom.web.http.gzip_pieces import Piece
from greenroom.web.index.simple_rendering import LIST_HTML, LIST_JSON, ListForm

_SEGMENT = 1000
# Beyond it, making the list anew takes no longer.
_MOST_ENTRIES = 5000
# Requests that began before a publication still ask for the state of before it.
_STATES_KEPT = 3


class Segment:
    """Some projects that follow each other in the list, in both forms.

    Each form is rendered when it is first asked for, of columns, of which nearly nothing is kept.
    """

    def __init__(self, names: Sequence[str], serials: Sequence[str]) -> None:
        self.first = names[0]
        self._text = " ".join([*names, *serials])

    @cached_property
    def html(self) -> Piece:
        """The lines of these projects in HTML."""
        return Piece(LIST_HTML.lines(*self._columns()))

    @cached_property
    def json(self) -> Piece:
        """The lines of these projects in JSON."""
        return Piece(LIST_JSON.lines(*self._columns()))

    def projects(self) -> list[ListedProject]:
        """What is in it."""
        names, serials = self._columns()
        return list(map(ListedProject, names, map(int, serials)))

    def _columns(self) -> tuple[list[str], list[str]]:
        parts = self._text.split(" ")
        half = len(parts) // 2
        return parts[:half], parts[half:]


class ProjectList:
    """One state of the list."""

    def __init__(self, newest: JournalLine | None, segments: Sequence[Segment]) -> None:
        self.newest = newest
        self.segments = segments

    @property
    def serial(self) -> int:
        """The serial of the newest change."""
        return self.newest.serial if self.newest is not None else 0

    def html(self) -> list[Piece]:
        """The list in HTML."""
        return self._pieces(LIST_HTML, (segment.html for segment in self.segments))

    def json(self) -> list[Piece]:
        """The list in JSON."""
        return self._pieces(LIST_JSON, (segment.json for segment in self.segments))

    def _pieces(self, form: ListForm, segments: Iterable[Piece]) -> list[Piece]:
        before, after = form.ends(self.serial)
        between = Piece(form.between.encode())
        lines = list(chain.from_iterable((between, segment) for segment in segments))[1:]
        return [Piece(before), *lines, Piece(after)]

    def with_further(self, projects: Sequence[ListedProject]) -> "ProjectList":
        """The list with these projects, which it lacks, at its end: nothing is rendered anew."""
        return ProjectList(self.newest, [*self.segments, *_grown(sorted(projects))])

    def renewed(
        self, newest: JournalLine | None, names: Iterable[str], public: Iterable[ListedProject]
    ) -> "ProjectList":
        """The list at a newer entry: ``public`` are those of the named projects that are public."""
        if not self.segments:
            return ProjectList(newest, list(_segments(*_columns(sorted(public)))))
        starts = [segment.first for segment in self.segments]
        # What comes before the first project goes into the first segment, too.
        changed: dict[int, tuple[set[str], list[ListedProject]]] = {}
        for name in names:
            place = max(bisect_right(starts, name) - 1, 0)
            changed.setdefault(place, (set(), []))[0].add(name)
        for project in public:
            changed[max(bisect_right(starts, project.name) - 1, 0)][1].append(project)
        segments: list[Segment] = []
        for place, segment in enumerate(self.segments):
            if place not in changed:
                segments.append(segment)
                continue
            gone, new = changed[place]
            kept = [project for project in segment.projects() if project.name not in gone]
            segments += _grown(sorted([*kept, *new]))
        return ProjectList(newest, segments)


def _segments(names: Sequence[str], serials: Sequence[str]) -> Iterator[Segment]:
    for start in range(0, len(names), _SEGMENT):
        part = slice(start, start + _SEGMENT)
        yield Segment(names[part], serials[part])


def _columns(projects: Sequence[ListedProject]) -> tuple[list[str], list[str]]:
    return (
        [project.name for project in projects],
        [str(project.last_serial) for project in projects],
    )


def _grown(projects: Sequence[ListedProject]) -> Iterator[Segment]:
    """What becomes of a segment; it is divided only when it is twice as long."""
    names, serials = _columns(projects)
    if len(projects) > 2 * _SEGMENT:
        yield from _segments(names, serials)
    elif projects:
        yield Segment(names, serials)


class _Kept:
    """The states of the list of one database that were made last, the newest of them first.

    They are of what whoever asks may read.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: list[ProjectList] = []

    def at(self, db: Session, newest: JournalLine | None) -> ProjectList:
        """The state with this newest entry, which the session sees."""
        with self._lock:
            for state in self._states:
                if state.newest == newest:
                    return state
            made = self._make(db, newest)
            self._states = [made, *self._states][:_STATES_KEPT]
            return made

    def _make(self, db: Session, newest: JournalLine | None) -> ProjectList:
        for state in self._states:
            if newest is None or state.newest is None or state.serial > newest.serial:
                continue
            names = journal.names_since(db, state.newest, _MOST_ENTRIES)
            if names is not None:
                return state.renewed(newest, names, catalogue.projects_named(db, names))
            break
        return ProjectList(newest, list(_segments(*catalogue.project_columns(db))))


kept: weakref.WeakKeyDictionary[Database, dict[Reader, _Kept]] = weakref.WeakKeyDictionary()
_keeping = threading.Lock()


def project_list(database: Database, db: Session) -> ProjectList:
    """The list as a session of this database sees it, which has one snapshot for all it reads."""
    newest, reader = journal.newest(db), catalogue.reader_of(db)
    with _keeping:
        states = kept.setdefault(database, {}).setdefault(reader.as_anybody, _Kept())
    catalogue.limit(db, reader.as_anybody)
    try:
        listed = states.at(db, newest)
    finally:
        catalogue.limit(db, reader)
    further = catalogue.further_projects(db)
    return listed.renewed(newest, (), further) if further else listed
