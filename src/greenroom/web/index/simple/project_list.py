"""The list of all projects, kept as bytes, so that one publication renews a small part of it.

A state of the list is what a snapshot of the database has: its newest journal entry says which. It
is kept in segments of about a thousand projects, rendered in each form, and compressed when they
are first asked for so. Whatever changes a project, or which projects there are, writes an entry
about it; so a newer state is made of the last one by rendering only the segments of the projects
that the entries since then name. What another process has published is found in the same way.
"""

import json
import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from sqlalchemy.orm import Session

from greenroom.database import Database
from greenroom.registry import catalogue, journal
from greenroom.registry.catalogue import ListedProject
from greenroom.registry.journal import JournalLine
from greenroom.web.http.gzip_pieces import Piece
from greenroom.web.index.simple_rendering import LIST_HTML, LIST_JSON, ListForm

_SEGMENT = 1000
# Beyond it, making the list anew takes no longer.
_MOST_ENTRIES = 5000
# Requests that began before a publication still ask for the state of before it.
_STATES_KEPT = 3


class Segment:
    """Some projects that follow each other in the list, in both forms."""

    __slots__ = ("first", "html", "json")

    def __init__(self, projects: Sequence[ListedProject]) -> None:
        self.first = projects[0].name
        self.html = Piece(LIST_HTML.between.join(map(LIST_HTML.line, projects)))
        self.json = Piece(LIST_JSON.between.join(map(LIST_JSON.line, projects)))

    def projects(self) -> list[ListedProject]:
        """What is in it; it is kept nowhere else."""
        lines = json.loads(b"[%s]" % self.json.raw)
        return [ListedProject(line["name"], line["_last-serial"]) for line in lines]


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
        between = Piece(form.between)
        lines = list(chain.from_iterable((between, segment) for segment in segments))[1:]
        return [Piece(before), *lines, Piece(after)]

    def renewed(
        self, newest: JournalLine, names: Iterable[str], public: Iterable[ListedProject]
    ) -> "ProjectList":
        """The list at a newer entry: ``public`` are those of the named projects that are public."""
        if not self.segments:
            return ProjectList(newest, list(_segments(sorted(public))))
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


def _segments(projects: Iterable[ListedProject]) -> Iterator[Segment]:
    remaining = iter(projects)
    while some := list(islice(remaining, _SEGMENT)):
        yield Segment(some)


def _grown(projects: Sequence[ListedProject]) -> Iterator[Segment]:
    """What becomes of a segment; it is divided only when it is twice as long."""
    if len(projects) > 2 * _SEGMENT:
        yield from _segments(projects)
    elif projects:
        yield Segment(projects)


class _Kept:
    """The states of the list of one database that were made last, the newest of them first."""

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
        return ProjectList(newest, list(_segments(catalogue.each_project(db))))


kept: weakref.WeakKeyDictionary[Database, _Kept] = weakref.WeakKeyDictionary()
_keeping = threading.Lock()


def project_list(database: Database, db: Session) -> ProjectList:
    """The list as a session of this database sees it, which has one snapshot for all it reads."""
    newest = journal.newest(db)
    with _keeping:
        states = kept.setdefault(database, _Kept())
    return states.at(db, newest)
