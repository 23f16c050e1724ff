"""Search: by what words a project is found, and in what order.

Each kind of database has an engine of its own for this: FTS5 in SQLite, ``tsvector`` in PostgreSQL.
This module and the migrations are the only ones that know of them.
"""

import json
import re
from collections.abc import Sequence
from enum import IntEnum
from string import ascii_lowercase, digits
from typing import NamedTuple, Protocol
from typing import cast as cast_type

from msgspec import Struct
from sqlalchemy import (
    JSON,
    ColumnElement,
    Float,
    Select,
    Table,
    TableValuedAlias,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
)
from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from greenroom.core_metadata import CoreMetadata
from greenroom.database import run
from greenroom.models import Project, Release, SearchDocument, User
from greenroom.models.search import FULL_TEXT
from greenroom.registry import catalogue, drafts, projects, search_words
from greenroom.registry.drafts import DraftSummary
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.names import confusable_form
from greenroom.registry.unit_of_work import UnitOfWork

LONGEST_QUERY = 200
_MOST_WORDS = 10
# To put this many projects in order takes some milliseconds. Where more match, only names count.
_MOST_MATCHES = 5000
_FAR = 1000
_SHORTEST_NEAR, _LONGEST_NEAR = 3, 40
# Two letters wrong in a shorter name make another name.
_SHORTEST_TWICE = 8
_LONGEST_HEAD = 12
_MOST_COMPARED = 2000
_MOST_NEAR = 5
_MOST_DRAFTS = 10
# What confusable forms of names are made of.
_LETTERS = "".join(sorted(set(confusable_form(ascii_lowercase + digits))))
_NEAR = re.compile("[a-z0-9]+", re.ASCII)


class Breadth(IntEnum):
    """Where the words of a query must be for a project to be found.

    ``SOME`` is anywhere again, where no name has them: then not all that have them are found.
    """

    ANYWHERE = 0
    IN_NAME = 1
    WHOLE_IN_NAME = 2
    SOME = 3


class Found(Struct, frozen=True):
    """Some of the projects that were found: the standing release of each, and how many there are.

    ``breadth`` is narrow where too many projects have the words somewhere.
    """

    releases: Sequence[Release]
    total: int
    breadth: Breadth = Breadth.ANYWHERE


class Standing(Protocol):
    """A public release, by what its project is found by where it stands for it."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def version(self) -> str:
        """As the files spell it."""

    @property
    def yanked(self) -> bool:
        """Whether it is yanked."""

    @property
    def summary(self) -> str:
        """The one line of its core metadata."""

    @property
    def core_metadata(self) -> CoreMetadata:
        """What it says of itself."""


def update(uow: UnitOfWork, project: catalogue.HasName, changed: Standing | None = None) -> None:
    """Let the project be found by what is public of it now; by nothing, where nothing is.

    To be called under the project's lock by whatever changes which release stands for it, or what
    that one says. ``changed`` is a public release, where nothing else has changed but that it came,
    or what it says: then the cost does not depend on how many releases there are.
    """
    db = uow.db
    db.flush()
    if changed is not None and _update_for(db, project, changed):
        return
    run(db, _FORGET, {"project": project.id})
    standing = catalogue.latest(catalogue.releases(db, project))
    if standing is not None:
        run(db, _LEARN, {"project_id": project.id, **_document(project, standing)})


def _document(project: catalogue.HasName, standing: Standing) -> dict[str, object]:
    """What search knows of a project for which this release stands."""
    words = search_words.document(
        project.name,
        standing.summary,
        standing.core_metadata.keywords,
        standing.core_metadata.classifiers,
    )
    return {"release_id": standing.id, **words}


class _Candidate(NamedTuple):
    id: int
    version: str
    yanked: bool


def _update_for(db: Session, project: catalogue.HasName, changed: Standing) -> bool:
    """Do what follows for search from a release that came or changed, if that can be seen so."""
    found = run(db, _DOCUMENT, {"project": project.id}).one_or_none()
    if found is None:
        return False
    candidates = [_Candidate(changed.id, changed.version, changed.yanked)]
    if found.release_id != changed.id:
        candidates.append(_Candidate(found.release_id, found.version, found.yanked))
    latest = catalogue.latest(catalogue.highest_first(candidates))
    if latest is not candidates[0]:
        return bool(found.name == search_words.document(project.name, "", ())["name"])
    wanted = _document(project, changed)
    if any(found._mapping[name] != value for name, value in wanted.items()):
        run(db, _CHANGE, {"project": project.id, **wanted})
    return True


_DOCUMENT = (
    select(Release.version, Release.yanked, *SearchDocument.__table__.c)
    .join(SearchDocument, SearchDocument.release_id == Release.id)
    .where(SearchDocument.project_id == bindparam("project"))
)
# Past the session, which holds no documents.
_DOCUMENTS = cast_type("Table", SearchDocument.__table__)
_FORGET = delete(_DOCUMENTS).where(_DOCUMENTS.c.project_id == bindparam("project"))
_LEARN = insert(_DOCUMENTS)
_CHANGE = (
    sql_update(_DOCUMENTS)
    .where(_DOCUMENTS.c.project_id == bindparam("project"))
    .values(
        {name: bindparam(name) for name in ("release_id", "name", "joined", "keywords", "summary")}
    )
)


def find(db: Session, query: str, start: int, count: int) -> Found:
    """The public projects that have all words of the query, from the hit with the number ``start``.

    Each word stands for all that begin with it, and words side by side also for the one word that
    they make. First comes the project of this name, in whatever spelling, then names that begin so,
    the shorter first, then what fits best: a word counts most in a name, less in keywords, least in
    a summary.

    A query with ``::`` in it is a classifier, as a whole.

    Raises:
        InvalidRequest: the query is too long, or has too many words.
    """
    words = _words(query)
    if not words:
        return Found([], 0)
    engine = _engine(db)
    breadth = _breadth(db, engine, words)
    # All that match have to be put in order, whichever of them are asked for; these are not many.
    standing = _standing(
        db,
        engine.documents(words, breadth).order_by(
            _distance(words), _rank(db, engine, words), SearchDocument.name
        ),
    )
    if breadth is not Breadth.ANYWHERE and not standing:
        breadth = Breadth.SOME
        # Put in order afterwards: to find them by their numbers again is to look at all.
        some = (
            engine.documents(words, Breadth.ANYWHERE)
            .with_only_columns(SearchDocument.release_id, SearchDocument.name)
            .where(catalogue.is_recommended_document(db))
            .limit(_MOST_MATCHES)
            .subquery()
        )
        standing = db.scalars(select(some.c.release_id).order_by(some.c.name)).all()
    releases = catalogue.releases_by_id(db, standing[start : start + count])
    return Found(releases, len(standing), breadth)


def is_query(text: str) -> bool:
    """Whether one can search for this text: for links."""
    try:
        return bool(_words(text))
    except InvalidRequest:
        return False


def everything(db: Session, start: int, count: int) -> Found:
    """Some of all projects that may be found, by name."""
    ids = db.scalars(
        select(SearchDocument.release_id)
        .join(Project, Project.id == SearchDocument.project_id)
        .where(catalogue.is_recommended_document(db))
        .order_by(Project.normalized_name)
        .offset(start)
        .limit(count)
    ).all()
    return Found(catalogue.releases_by_id(db, ids), catalogue.count_projects(db))


def near(db: Session, query: str) -> list[str]:
    """The names of projects that the query may have meant: it has one letter wrong, or two swapped.

    Letters that look alike are the same, and so are names with and without separators. Every name
    that is so near is asked for in one query by its index, so that the size of the index does not
    matter; that is at most some thousand names.

    Where there is none, and the query is long, names with two such mistakes are suggested, of which
    one at most is in the first two thirds: those that begin nearly so are found by the same index,
    and of these so many are compared that it takes some milliseconds.
    """
    meant = confusable_form("".join(search_words.words(query)))
    if not _SHORTEST_NEAR <= len(meant) <= _LONGEST_NEAR or _NEAR.fullmatch(meant) is None:
        return []
    found = _recommended(db, _one_change(meant))
    if found or len(meant) < _SHORTEST_TWICE:
        return found
    heads = _one_change(meant[: min(len(meant) * 2 // 3, _LONGEST_HEAD)])
    begin = _engine(db).names_that_begin(heads)
    if not catalogue.reader_of(db).is_unlimited:
        begin = begin.where(catalogue.is_recommended(db))
    begun = db.scalars(begin.limit(_MOST_COMPARED))
    close = {name for name in begun if _is_within_two(name, meant)}
    return _recommended(db, sorted(close)) if close else []


def _recommended(db: Session, confusable_names: Sequence[str]) -> list[str]:
    """Some of the projects of these names that may be found, by name."""
    # They are few. Asked for in order, PostgreSQL would look through all names for the first.
    found = db.execute(
        select(Project.normalized_name, Project.name).where(
            Project.confusable_name.in_(confusable_names), catalogue.is_recommended(db)
        )
    )
    return [name for _, name in sorted((normalized, name) for normalized, name in found)][
        :_MOST_NEAR
    ]


def own_drafts(uow: UnitOfWork, user: User, query: str) -> list[DraftSummary]:
    """The live drafts of this person's projects that have all words of the query in their name.

    Nobody else is told of them. What cannot be searched for finds none.
    """
    words = search_words.words(query)
    if not words:
        return []
    found = [
        project
        for project in projects.of_user(uow, user)
        if _has_words(search_words.words(project.name), words)
    ]
    live = drafts.live_of_projects(uow, found)
    return [drafts.summary(uow, draft) for draft in live[:_MOST_DRAFTS]]


def _has_words(name: Sequence[str], words: Sequence[str]) -> bool:
    """Whether each word begins one of the name's, or all together begin the name run together."""
    return "".join(name).startswith("".join(words)) or all(
        any(part.startswith(word) for part in name) for word in words
    )


def _one_change(word: str) -> list[str]:
    """The word, and what becomes of it by one letter more, less or other, or by two that swap."""
    splits = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    changed = {word}
    changed.update(head + tail[1:] for head, tail in splits if tail)
    changed.update(head + tail[1] + tail[0] + tail[2:] for head, tail in splits if len(tail) > 1)
    for letter in _LETTERS:
        changed.update(head + letter + tail for head, tail in splits)
        changed.update(head + letter + tail[1:] for head, tail in splits if tail)
    return sorted(changed)


def _is_within_two(name: str, other: str) -> bool:
    """Whether two changes at most make one of the other: as in ``_one_change``, not overlapping."""
    if abs(len(name) - len(other)) > 2:
        return False
    far = 3
    before: dict[int, int] = {}
    above = {number: number for number in range(3)}
    for row, letter in enumerate(name, 1):
        here: dict[int, int] = {0: row} if row < far else {}
        # What is further from the diagonal takes more than two.
        for at in range(max(1, row - 2), min(len(other), row + 2) + 1):
            theirs = other[at - 1]
            ways = [
                above.get(at, far) + 1,
                here.get(at - 1, far) + 1,
                above.get(at - 1, far) + (letter != theirs),
            ]
            if row > 1 < at and letter == other[at - 2] and name[row - 2] == theirs:
                ways.append(before.get(at - 2, far) + 1)
            here[at] = min(ways)
        if min(here.values(), default=far) >= far:
            return False
        before, above = above, here
    return above.get(len(other), far) < far


def _standing(db: Session, documents: Select[int]) -> Sequence[int]:
    """The standing releases of the projects that these documents are of, as far as they show."""
    return db.scalars(
        documents.with_only_columns(SearchDocument.release_id).where(
            catalogue.is_recommended_document(db)
        )
    ).all()


def _words(query: str) -> list[str]:
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest(f"Search for {LONGEST_QUERY} characters at most.")
    words = search_words.words(query)
    if "::" in query and words:
        return [search_words.classifier(query)]
    if len(words) > _MOST_WORDS:
        raise InvalidRequest(f"Search for {_MOST_WORDS} words at most.")
    return words


def _joined(words: Sequence[str]) -> str:
    return "".join(words)[: search_words.LONGEST_WORD]


def _expression(words: Sequence[str], term: str, both: str, either: str) -> str:
    """In an engine's language: all of these words, or the one that they make."""
    ways = [words, [_joined(words)]] if len(words) > 1 else [words]
    return either.join(f"({both.join(map(term.format, way))})" for way in ways)


def _distance(words: Sequence[str]) -> ColumnElement[int]:
    """How far a name that begins with the query is from it; all others are far."""
    name, joined = func.replace(SearchDocument.name, " ", ""), _joined(words)
    # The very name is the shortest that begins so.
    begins = func.substr(name, 1, len(joined)) == joined
    return case((begins, func.length(name)), else_=_FAR)


class _Engine(Protocol):
    """What a database searches with."""

    def matches(self, words: Sequence[str], breadth: Breadth) -> Select[int]:
        """A number for each document that matches."""

    def documents(self, words: Sequence[str], breadth: Breadth) -> Select[int]:
        """The documents that match, to be asked for more."""

    def rank(self, words: Sequence[str]) -> ColumnElement[float]:
        """How badly a document fits that matches."""

    def names_that_begin(self, heads: Sequence[str]) -> Select[str]:
        """The confusable forms of names that begin with one of these, by their index."""


class _FTS5:
    """SQLite's full-text search. https://sqlite.org/fts5.html"""

    _words = table(FULL_TEXT, column("rowid"))
    # Of name, joined, keywords, summary.
    _weights = (10.0, 5.0, 3.0, 1.0)

    def matches(self, words: Sequence[str], breadth: Breadth) -> Select[int]:
        return select(literal(1)).select_from(self._words).where(self._match(words, breadth))

    def documents(self, words: Sequence[str], breadth: Breadth) -> Select[int]:
        return (
            select(SearchDocument.project_id)
            .select_from(self._words)
            .join(SearchDocument, SearchDocument.project_id == self._words.c.rowid)
            .where(self._match(words, breadth))
        )

    def rank(self, words: Sequence[str]) -> ColumnElement[float]:
        return func.bm25(literal_column(FULL_TEXT), *map(literal, self._weights), type_=Float)

    def names_that_begin(self, heads: Sequence[str]) -> Select[str]:
        return _begun(func.json_each(json.dumps(heads)).table_valued("value"))

    def _match(self, words: Sequence[str], breadth: Breadth) -> ColumnElement[bool]:
        # A word itself counts for more than one that begins with it.
        term = '"{0}"' if breadth is Breadth.WHOLE_IN_NAME else '("{0}"* OR "{0}")'
        expression = _expression(words, term, " AND ", " OR ")
        if breadth is not Breadth.ANYWHERE:
            expression = f"{{name joined}} : ({expression})"
        return literal_column(FULL_TEXT).bool_op("MATCH")(expression)


class _TSVector:
    """PostgreSQL's. https://www.postgresql.org/docs/current/textsearch.html"""

    _words: ColumnElement[object] = literal_column(f"search_documents.{FULL_TEXT}")
    # Of the classes D (which is not used), C: summary, B: keywords, A: name.
    _weights = "{0, 0.1, 0.3, 1}"

    def matches(self, words: Sequence[str], breadth: Breadth) -> Select[int]:
        return self.documents(words, breadth)

    def documents(self, words: Sequence[str], breadth: Breadth) -> Select[int]:
        # The words of names are there once more, with a mark that no word has, because the index
        # knows nothing of weights.
        term = {
            Breadth.ANYWHERE: "'{0}':*",
            Breadth.IN_NAME: "'={0}':*",
            Breadth.WHOLE_IN_NAME: "'={0}'",
        }[breadth]
        expression = _expression(words, term, " & ", " | ")
        matching = self._words.bool_op("@@")(_as_query(expression))
        return select(SearchDocument.project_id).where(matching)

    def rank(self, words: Sequence[str]) -> ColumnElement[float]:
        # A word itself counts for more than one that begins with it.
        return -(self._rank([f"'{word}':*" for word in words]) + self._rank(words))

    def names_that_begin(self, heads: Sequence[str]) -> Select[str]:
        texts = func.json_array_elements_text(cast(list(heads), JSON))
        return _begun(texts.table_valued("value").render_derived())

    def _rank(self, terms: Sequence[str]) -> ColumnElement[float]:
        query = _as_query(" | ".join(terms))
        return func.ts_rank(self._weights, self._words, query, type_=Float)


def _as_query(expression: str) -> ColumnElement[str]:
    # With SQLite there is no need to import what SQLAlchemy has for PostgreSQL.
    from sqlalchemy.dialects.postgresql import TSQUERY

    return cast(expression, TSQUERY)


def _begun(heads: TableValuedAlias) -> Select[str]:
    """The names between each head and the last that begins with it, in whatever collation."""
    head: ColumnElement[str] = heads.c.value
    last = head.concat("z" * _LONGEST_NEAR)
    return (
        select(Project.confusable_name)
        .select_from(heads)
        .join(Project, Project.confusable_name.between(head, last))
    )


def _engine(db: Session) -> _Engine:
    return _FTS5() if db.get_bind().dialect.name == "sqlite" else _TSVector()


def _rank(db: Session, engine: _Engine, words: Sequence[str]) -> ColumnElement[float]:
    """How badly a document fits, which must not depend on documents that may not be read.

    SQLite's rank does, because it counts in how many documents a word is.
    """
    if catalogue.reader_of(db).is_unlimited or not isinstance(engine, _FTS5):
        return engine.rank(words)
    places = (SearchDocument.name, SearchDocument.joined, SearchDocument.keywords)
    ranks = [(and_(*(func.instr(p, w) > 0 for w in words)), float(n)) for n, p in enumerate(places)]
    return case(*ranks, else_=float(len(ranks)))


def _breadth(db: Session, engine: _Engine, words: Sequence[str]) -> Breadth:
    """The widest in which not too many documents match."""
    narrower = []
    for breadth in (Breadth.ANYWHERE, Breadth.IN_NAME):
        matching = engine.matches(words, breadth)
        if not catalogue.reader_of(db).is_unlimited:
            matching = engine.documents(words, breadth).where(catalogue.may_read_document(db))
        some = matching.limit(_MOST_MATCHES + 1).subquery()
        matches = select(func.count()).select_from(some).scalar_subquery()
        narrower.append((matches <= _MOST_MATCHES, int(breadth)))
    chosen = db.scalar(select(case(*narrower, else_=int(Breadth.WHOLE_IN_NAME))))
    return Breadth(chosen if chosen is not None else Breadth.ANYWHERE)
