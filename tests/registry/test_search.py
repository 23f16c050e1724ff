"""Search: what is found by which words, and in what order."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import Project, SearchDocument
from greenroom.registry import (
    projects,
    publishing,
    removal,
    search,
    yanking,
)
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Person
from greenroom.registry.search import Breadth
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.fuzzing import fuzzed


class Shelf:
    """Publishes projects that differ in their words."""

    def __init__(self, uow: UnitOfWork, ada: Person, folder: Path) -> None:
        self.uow, self.ada, self.folder = uow, ada, folder

    def __call__(
        self, name: str, summary: str = "", keywords: str = "", version: str = "1.0"
    ) -> Project:
        return factories.release(self.uow, self.ada, self.wheel(name, summary, keywords, version))

    def wheel(self, name: str, summary: str = "", keywords: str = "", version: str = "1.0") -> Path:
        extra = [("Keywords", keywords)] if keywords else []
        return make_wheel(self.folder, name, version, summary=summary or None, metadata_extra=extra)


@pytest.fixture
def shelf(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Shelf:
    limitless = replace(uow, settings=replace(uow.settings, new_projects_per_hour=0))
    return Shelf(limitless, ada, tmp_path)


def names(uow: UnitOfWork, query: str) -> list[str]:
    """The names of what is found, in order."""
    found = search.find(uow.db, query, 0, 50)
    assert found.total == len(found.releases)
    return [release.project.name for release in found.releases]


# What is found


@pytest.mark.parametrize(
    "query",
    [
        "django-rest-framework",
        "django",
        "rest",
        "framework",
        "rest framework",
        "rest-framework",
        "restframework",
        "djangorestframework",
        "djangorest framework",
        "Django_REST",
        "frame rest",
        "djan",
        "  REST  ",
        "web",
        "apis",
        "framework web",
        "toolkit",
        "building",
    ],
)
def test_a_project_is_found_by_words_of_its_name_summary_and_keywords(
    uow: UnitOfWork, shelf: Shelf, query: str
) -> None:
    shelf("Django.rest_framework", "Web APIs, easy.", "toolkit,building")

    assert names(uow, query) == ["Django.rest_framework"]


@pytest.mark.parametrize("query", ["jango", "rest nothing", "est", "frameworks", "easyy"])
def test_every_word_has_to_begin_one(uow: UnitOfWork, shelf: Shelf, query: str) -> None:
    shelf("Django.rest_framework", "Web APIs, easy.")

    assert names(uow, query) == []


def test_words_side_by_side_also_find_the_word_they_make(uow: UnitOfWork, shelf: Shelf) -> None:
    shelf("djangorestframework")

    assert names(uow, "django rest") == ["djangorestframework"]


@pytest.mark.parametrize(
    ("summary", "query"),
    [
        ("Schöne Größen", "grössen"),
        ("Schöne Größen", "GRÖSSEN"),
        ("Schöne Größen", "scho\u0308ne"),
        ("\uff46\uff55\uff4c\uff4c width", "full"),
        ("ﬁles", "files"),
        ("Быстрая сортировка", "сорт"),
        ("हिन्दी पाठ", "हिन्दी"),
        ("快速排序", "快速"),
        ("snake_case and kebab-case", "kebab case snake"),
        ("for Python 3.11", "3.11"),
        ("I ❤️ C++", "c++"),
    ],
)
def test_a_word_is_the_same_in_every_spelling(
    uow: UnitOfWork, shelf: Shelf, summary: str, query: str
) -> None:
    shelf("example", summary)
    shelf("other", "Nothing of it.")

    assert names(uow, query) == ["example"]


@pytest.mark.parametrize("query", ["", " ", "\t", "---", "\0", "❤️", "\u0301", "+*:()\"'"])
def test_no_words_find_nothing(uow: UnitOfWork, shelf: Shelf, query: str) -> None:
    shelf("example")

    assert names(uow, query) == []


def test_too_long_a_query_is_refused(uow: UnitOfWork) -> None:
    with pytest.raises(InvalidRequest, match="200 characters"):
        search.find(uow.db, "a" * 201, 0, 10)
    with pytest.raises(InvalidRequest, match="10 words"):
        search.find(uow.db, "a b c d e f g h i j k", 0, 10)


HOSTILE = [
    '"',
    "'",
    '"a" OR "b"',
    "a* OR b*",
    "NEAR(a b)",
    "name:example",
    "{name} : example",
    "^example",
    "a & | ! <-> b:*A",
    "example':*",
    "example\\",
    "NOT",
    "AND OR NOT",
    "a\0b",
    "%_",
    "-example",
    "\ud800",
    "\ufdfa" * 2,
    "\U0001d7d8" * 200,
    "é" * 200,
    "a" * 200,
    "\u0300" * 200,
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_query_is_nothing_but_words(uow: UnitOfWork, shelf: Shelf, query: str) -> None:
    shelf("example")

    found = search.find(uow.db, query, 0, 10)

    assert [release.project.name for release in found.releases] in ([], ["example"])


@fuzzed(150)
@given(query=st.text(max_size=200))
def test_no_text_breaks_search(uow: UnitOfWork, query: str) -> None:
    try:
        found = search.find(uow.db, query, 0, 10)
    except InvalidRequest:
        return
    assert found.total == 0


def test_no_metadata_breaks_search(uow: UnitOfWork, shelf: Shelf) -> None:
    shelf("a" * 100 + "-b" * 50, "x'\\:1A " * 60, "\U0001d7d8" * 5000 + ", ''\\ :* |" * 500)

    assert len(names(uow, "x")) == 1
    assert len(names(uow, "b-b-b-b")) == 1


# In what order


@pytest.mark.parametrize("query", ["Rest_Framework", "rest framework", "restframework"])
def test_the_very_name_comes_first(uow: UnitOfWork, shelf: Shelf, query: str) -> None:
    shelf("restframework-extras", "A rest framework: rest framework.", "rest,framework")
    shelf("a-rest-framework", "A rest framework.")
    shelf("rest-framework-auth")
    shelf("rest-framework")
    shelf("thing", "A rest framework, or restframework.")

    assert names(uow, query) == [
        "rest-framework",
        "rest-framework-auth",
        "restframework-extras",
        "a-rest-framework",
        "thing",
    ]


def test_a_word_counts_most_in_a_name_and_least_in_a_summary(uow: UnitOfWork, shelf: Shelf) -> None:
    shelf("one", "Clients for sheep.")
    shelf("two", "For sheep.", "clients")
    shelf("sheep-clients", "For sheep.")

    assert names(uow, "clients") == ["sheep-clients", "two", "one"]


def test_the_word_itself_comes_before_words_that_begin_with_it(
    uow: UnitOfWork, shelf: Shelf
) -> None:
    shelf("aaa", "Restaurants near you.")
    shelf("bbb", "Needing a rest today.")

    assert names(uow, "rest") == ["bbb", "aaa"]


def test_what_is_equally_good_comes_by_name(uow: UnitOfWork, shelf: Shelf) -> None:
    for name in ("ccc", "aaa", "bbb"):
        shelf(name, "Counts sheep.")

    assert names(uow, "sheep") == ["aaa", "bbb", "ccc"]


def test_hits_come_a_page_at_a_time(uow: UnitOfWork, shelf: Shelf) -> None:
    for number in range(5):
        shelf(f"thing-{number}")

    pages = [search.find(uow.db, "thing", start, 2) for start in (0, 2, 4, 6)]

    assert [page.total for page in pages] == [5, 5, 5, 5]
    assert [[r.project.name for r in page.releases] for page in pages] == [
        ["thing-0", "thing-1"],
        ["thing-2", "thing-3"],
        ["thing-4"],
        [],
    ]


def test_where_too_many_match_only_names_count(
    uow: UnitOfWork, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_MATCHES", 2)
    shelf("fast")
    shelf("fastest")
    shelf("slow", "Not fast.")

    anywhere = search.find(uow.db, "slow", 0, 10)
    in_names = search.find(uow.db, "fast", 0, 10)
    shelf("fasting")
    whole = search.find(uow.db, "fast", 0, 10)

    assert anywhere.breadth is Breadth.ANYWHERE
    assert in_names.breadth is Breadth.IN_NAME
    assert [release.project.name for release in in_names.releases] == ["fast", "fastest"]
    assert whole.breadth is Breadth.WHOLE_IN_NAME
    assert [release.project.name for release in whole.releases] == ["fast"]
    assert whole.total == 1


def test_where_too_many_match_and_none_in_its_name_some_are_found(
    uow: UnitOfWork, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_MATCHES", 2)
    for name in ("aaa", "bbb", "ccc"):
        shelf(name, "Counts sheep.")

    found = search.find(uow.db, "sheep", 0, 10)
    of_two_words = search.find(uow.db, "counts sheep", 1, 10)

    assert found.breadth is Breadth.SOME
    assert found.total == 2
    assert len(of_two_words.releases) == 1


# What is public, and nothing else


def test_a_draft_is_not_found(uow: UnitOfWork, ada: Person, shelf: Shelf) -> None:
    shelf("example", "Old words.")
    factories.stage(uow, ada, shelf.wheel("hidden", "Secret words."))
    factories.stage(uow, ada, shelf.wheel("example", "New words.", version="2.0"))

    assert names(uow, "hidden") == []
    assert names(uow, "secret") == []
    assert names(uow, "new") == []
    assert names(uow, "words") == ["example"]


def test_what_is_published_is_found_from_then_on(
    uow: UnitOfWork, ada: Person, shelf: Shelf
) -> None:
    shelf("example", "Old words.")
    draft = factories.stage(uow, ada, shelf.wheel("example", "New words.", version="2.0"))
    reserving = factories.stage(uow, ada, shelf.wheel("hidden", "Secret words."))

    publishing.publish(uow, ada, draft)
    publishing.publish(uow, ada, reserving)

    assert names(uow, "old") == []
    assert names(uow, "new") == ["example"]
    assert names(uow, "secret") == ["hidden"]
    (found,) = search.find(uow.db, "example", 0, 10).releases
    assert (found.version, found.summary) == ("2.0", "New words.")


def test_a_lower_version_changes_nothing(uow: UnitOfWork, shelf: Shelf) -> None:
    shelf("example", "New words.", version="2.0")
    shelf("example", "Old words.", version="1.0")
    shelf("example", "Coming words.", version="3.0rc1")

    assert names(uow, "old") == []
    assert names(uow, "coming") == []
    assert names(uow, "new") == ["example"]


def test_a_yanked_release_gives_way_to_the_next(uow: UnitOfWork, ada: Person, shelf: Shelf) -> None:
    shelf("example", "Good words.", version="1.0")
    project = shelf("example", "Bad words.", version="2.0")

    yanking.yank_release(uow, ada, project, "2.0")
    yanked = names(uow, "bad"), names(uow, "good")
    yanking.unyank_release(uow, ada, project, "2.0")

    assert yanked == ([], ["example"])
    assert (names(uow, "bad"), names(uow, "good")) == (["example"], [])


def test_a_deleted_release_gives_way_to_the_next(
    uow: UnitOfWork, ada: Person, shelf: Shelf
) -> None:
    shelf("example", "Good words.", version="1.0")
    project = shelf("example", "Bad words.", version="2.0")

    removal.remove_release(uow, ada, project, "2.0")
    deleted = names(uow, "bad"), names(uow, "good")
    removal.remove_release(uow, ada, project, "1.0")

    assert deleted == ([], ["example"])
    assert names(uow, "example") == []
    assert uow.db.scalars(select(SearchDocument)).all() == []


def test_a_deleted_project_is_forgotten(uow: UnitOfWork, ada: Person, shelf: Shelf) -> None:
    removal.remove_project(uow, ada, shelf("example", "Counts sheep."))
    shelf("other", "Counts cows.")

    assert names(uow, "sheep") == []
    assert names(uow, "cows") == ["other"]


def test_a_project_in_quarantine_is_not_found(uow: UnitOfWork, shelf: Shelf) -> None:
    project = shelf("example")
    administrator = Person(factories.make_user(uow, "root", administrator=True), why="Asked.")

    projects.quarantine(uow, administrator, project)
    quarantined = names(uow, "example")
    projects.lift_quarantine(uow, administrator, project)

    assert quarantined == []
    assert names(uow, "example") == ["example"]


def test_what_is_not_public_is_not_found_even_by_a_document_that_was_left(
    uow: UnitOfWork, ada: Person, shelf: Shelf
) -> None:
    draft = factories.stage(uow, ada, shelf.wheel("hidden"))
    uow.db.add(
        SearchDocument(
            project_id=draft.project_id,
            release_id=draft.release_id,
            name="hidden",
            joined="",
            keywords="",
            summary="",
        )
    )
    uow.db.flush()

    assert names(uow, "hidden") == []


def test_the_words_that_are_searched_are_those_of_the_documents(
    uow: UnitOfWork, shelf: Shelf
) -> None:
    """FTS5 keeps an index beside the documents, which triggers keep up with them."""
    for version in ("1.0", "2.0", "3.0"):
        shelf("example", f"Summary of {version}.", version=version)
    later = replace(uow, now=uow.now + timedelta(days=1))
    search.update(later, shelf("other", "Anything."))

    if uow.db.get_bind().dialect.name == "sqlite":
        uow.db.connection().exec_driver_sql(
            "INSERT INTO search_words (search_words, rank) VALUES ('integrity-check', 1)"
        )
    assert names(uow, "2 0") == []
    assert names(uow, "summary 3 0") == ["example"]
