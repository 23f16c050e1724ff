"""Yanking: releases and single files, and taking it back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.models import Project, RoleName
from greenroom.registry import catalogue, projects, yanking
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.jobs import purged

Act = Callable[[UnitOfWork, Actor, Project, str], object]

SDIST = "example-1.0.tar.gz"
WHEEL = "example-1.0-py3-none-any.whl"
ACTS: list[tuple[Act, str]] = [
    (yanking.yank_release, "1.0"),
    (yanking.unyank_release, "1.0"),
    (yanking.yank_file, WHEEL),
    (yanking.unyank_file, WHEEL),
]


@pytest.fixture
def project(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    """An example with a source distribution and a wheel of 1.0, and a wheel of 2.0."""
    files = [make_sdist(tmp_path), make_wheel(tmp_path), make_wheel(tmp_path, version="2.0")]
    return factories.release(uow, ada, *files)


def yanked(uow: UnitOfWork, project: Project) -> dict[str, str]:
    """The yanked files that installers see, and why."""
    listing = catalogue.listing(uow.db, project)
    return {file.filename: file.yanked_reason for file in listing.files if file.yanked}


def new_entries(uow: UnitOfWork, before: int) -> list[tuple[str | None, str]]:
    return [(version, act) for serial, version, act in factories.journal_of(uow)[before:]]


def test_a_yanked_release_takes_its_files_along(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    before = len(factories.journal_of(uow))

    yanking.yank_release(uow, ada, project, "1", "  breaks on Tuesdays ")

    assert yanked(uow, project) == {SDIST: "breaks on Tuesdays", WHEEL: "breaks on Tuesdays"}
    assert new_entries(uow, before) == [("1.0", "yank release")]
    assert purged(uow) == {"project/example", "all-projects"}


def test_a_yanked_file_leaves_the_others_alone(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    before = len(factories.journal_of(uow))

    yanking.yank_file(uow, ada, project, WHEEL, "built on the wrong machine")

    assert yanked(uow, project) == {WHEEL: "built on the wrong machine"}
    assert new_entries(uow, before) == [("1.0", f"yank file {WHEEL}")]


def test_a_file_keeps_its_own_reason_while_its_release_is_yanked(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    yanking.yank_file(uow, ada, project, WHEEL, "its own")
    yanking.yank_release(uow, ada, project, "1.0", "all of it")

    assert yanked(uow, project) == {SDIST: "all of it", WHEEL: "its own"}


def test_what_was_yanked_is_taken_back(uow: UnitOfWork, ada: Person, project: Project) -> None:
    yanking.yank_file(uow, ada, project, WHEEL, "its own")
    yanking.yank_release(uow, ada, project, "1.0", "all of it")
    before = len(factories.journal_of(uow))

    yanking.unyank_release(uow, ada, project, "1.0")
    assert yanked(uow, project) == {WHEEL: "its own"}
    yanking.unyank_file(uow, ada, project, WHEEL)
    assert yanked(uow, project) == {}

    assert new_entries(uow, before) == [
        ("1.0", "unyank release"),
        ("1.0", f"unyank file {WHEEL}"),
    ]


@pytest.mark.parametrize(("act", "name"), ACTS)
def test_to_do_it_again_changes_nothing(
    uow: UnitOfWork, ada: Person, project: Project, act: Act, name: str
) -> None:
    act(uow, ada, project, name)
    before = factories.everything(uow)

    act(uow, ada, project, name)

    assert factories.everything(uow) == before


def test_another_reason_replaces_the_first(uow: UnitOfWork, ada: Person, project: Project) -> None:
    yanking.yank_release(uow, ada, project, "1.0", "first")
    before = len(factories.journal_of(uow))

    yanking.yank_release(uow, ada, project, "1.0", "second")

    assert set(yanked(uow, project).values()) == {"second"}
    assert new_entries(uow, before) == [("1.0", "yank release")]


def test_the_latest_release_is_one_that_stands(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    yanking.yank_release(uow, ada, project, "2.0")

    latest = catalogue.latest(catalogue.releases(uow.db, project))

    assert latest is not None
    assert latest.version == "1.0"


@pytest.mark.parametrize("reason", ["a\nb", "\0", "x" * 501, "\x1b[31m"])
@pytest.mark.parametrize(
    ("yank", "name"), [(yanking.yank_release, "1.0"), (yanking.yank_file, WHEEL)]
)
def test_a_reason_is_one_readable_line(
    uow: UnitOfWork,
    ada: Person,
    project: Project,
    yank: Callable[[UnitOfWork, Actor, Project, str, str], object],
    name: str,
    reason: str,
) -> None:
    before = factories.everything(uow)

    with pytest.raises(InvalidRequest, match="A reason is one line of at most 500 characters"):
        yank(uow, ada, project, name, reason)

    assert factories.everything(uow) == before


@pytest.mark.parametrize(("act", "name"), ACTS)
@pytest.mark.parametrize("who", ["maintainer", "stranger"])
def test_only_owners_yank(
    uow: UnitOfWork, ada: Person, project: Project, act: Act, name: str, who: str
) -> None:
    person = factories.make_user(uow, who)
    if who == "maintainer":
        factories.add_role(uow, project, person, RoleName.MAINTAINER)
    before = factories.everything(uow)

    with pytest.raises(NotAllowed, match="may not manage"):
        act(uow, Person(person), project, name)

    assert factories.everything(uow) == before


@pytest.mark.parametrize(("act", "name"), ACTS)
def test_the_operator_and_administrators_may_too(
    uow: UnitOfWork, project: Project, act: Act, name: str
) -> None:
    act(uow, OPERATOR, project, name)
    act(
        uow,
        Person(factories.make_user(uow, "root", administrator=True), why="Asked."),
        project,
        name,
    )


@pytest.mark.parametrize("act", [yanking.yank_release, yanking.unyank_release])
@pytest.mark.parametrize("version", ["3.0", "no version", "4.0", "\0"])
def test_a_release_that_is_not_public_is_not_there(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, act: Act, version: str
) -> None:
    factories.stage(uow, ada, make_wheel(tmp_path, version="4.0"))

    with pytest.raises(NotFound, match="has no published release"):
        act(uow, ada, project, version)


@pytest.mark.parametrize("act", [yanking.yank_file, yanking.unyank_file])
@pytest.mark.parametrize(
    "filename", ["nothing.whl", "example-4.0.tar.gz", "another-1.0.tar.gz", "\0", "\udcff"]
)
def test_a_file_of_another_project_or_of_a_draft_is_not_there(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, act: Act, filename: str
) -> None:
    factories.stage(uow, ada, make_sdist(tmp_path, version="4.0"))
    factories.release(uow, ada, make_sdist(tmp_path, "another"))

    with pytest.raises(NotFound, match="has no published file"):
        act(uow, ada, project, filename)


@pytest.mark.parametrize(("act", "name"), [(yanking.yank_release, "1.0")])
def test_a_reserved_name_has_nothing_to_yank(
    uow: UnitOfWork, ada: Person, tmp_path: Path, act: Act, name: str
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "reserved"))
    assert draft.project is not None

    with pytest.raises(InvalidRequest, match="Nothing of 'reserved' is public"):
        act(uow, ada, draft.project, name)


def test_a_project_that_is_yanked_whole_still_takes_files(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    yanking.yank_release(uow, ada, project, "2.0")

    factories.release(uow, ada, make_sdist(tmp_path, version="2.0"))

    assert yanked(uow, project) == {
        "example-2.0-py3-none-any.whl": "",
        "example-2.0.tar.gz": "",
    }
    assert projects.find(uow, "example") is project
