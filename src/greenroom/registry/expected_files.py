"""Which files every release of a project has to have, so that none is published without them.

A draft is held against them as a whole. What is uploaded to be public at once comes file by file,
so that nobody can say what is still to come: it is taken only where the release is public and has
with it all that is expected, which is what a draft with that one file would be judged by.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from greenroom.distributions import expectations
from greenroom.distributions.expectations import Expectation, InvalidExpectation
from greenroom.distributions.matrix import wheels
from greenroom.models import Project
from greenroom.registry import audit, catalogue, projects
from greenroom.registry.audit import Kind
from greenroom.registry.errors import DraftsOnly, InvalidRequest, Refusal
from greenroom.registry.file_rules import IsPublished
from greenroom.registry.permissions import Act, Actor, require
from greenroom.registry.unit_of_work import UnitOfWork


class Named(Protocol):
    """A file: a row, or a value that was made of one."""

    @property
    def filename(self) -> str:
        """Its name."""

    @property
    def is_sdist(self) -> bool:
        """Whether it is a source distribution."""


class Expects(Protocol):
    """A project, by what it expects: a row, or a value that was made of one."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def expected_files(self) -> str:
        """Lines, see :mod:`greenroom.distributions.expectations`; empty where it expects none."""


class _Announced(Struct, frozen=True):
    """A file that is to come."""

    filename: str
    is_sdist: bool


def of_project(project: Expects) -> tuple[Expectation, ...]:
    """What the project expects; nothing where it has not said so."""
    if not project.expected_files:
        return ()
    try:
        return expectations.parse(project.expected_files)
    except InvalidExpectation:  # it was written by a version that understood it
        return ()


def missing(expected: Iterable[Expectation], files: Iterable[Named]) -> tuple[str, ...]:
    """What of it a release has not that has these files, in words."""
    there = list(files)
    own = wheels(file.filename for file in there if not file.is_sdist)
    has_sdist = any(file.is_sdist for file in there)
    return expectations.missing(expected, own, has_sdist=has_sdist)


def obstacles(expected: Iterable[Expectation], files: Sequence[Named]) -> Iterator[Refusal]:
    """A reason not to publish for each file that is expected and would not be there.

    Args:
        expected: what the project expects.
        files: what the release would have.
    """
    for what in missing(expected, files):
        yield InvalidRequest(
            f"The project expects {what} in every release: upload it, or let an owner change what "
            "is expected."
        )


def check_direct(
    uow: UnitOfWork,
    project: Expects,
    release: IsPublished | None,
    filename: str,
    *,
    is_sdist: bool,
) -> None:
    """Refuse to publish a file past the drafts, unless its release lacks nothing with it.

    Args:
        uow: to look into.
        project: which may expect files.
        release: of the file; None where there is none yet.
        filename: the file's name.
        is_sdist: whether it is a source distribution.

    Raises:
        DraftsOnly: the project expects files, and the release is not public, or lacks some of them.
    """
    expected = of_project(project)
    if not expected:
        return
    if release is not None and release.published is not None:
        public = catalogue.files(uow.db, release)
        if not missing(expected, [_Announced(filename, is_sdist), *public]):
            return
    raise DraftsOnly(
        f"The project {project.name!r} expects certain files in every release, and only a draft "
        "can be held against that."
    )


def change(uow: UnitOfWork, actor: Actor, project: Project, text: str) -> None:
    """Say which files every release has to have from now on; empty text says nothing.

    Args:
        uow: in which it is done.
        actor: who does it.
        project: of which.
        text: lines, see :mod:`greenroom.distributions.expectations`.

    Raises:
        NotAllowed: the actor may not manage the project.
        InvalidRequest: a line is not understood; the sentence says which, and what to write.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    try:
        expected = expectations.parse(text)
    except InvalidExpectation as error:
        raise InvalidRequest(str(error)) from None
    # As it was written, comments and all, but for the ends of lines.
    kept = "\n".join(line.rstrip() for line in text.strip().splitlines()) if expected else ""
    if not kept.replace("\n", " ").isprintable():
        raise InvalidRequest("What is expected has characters that cannot be printed.")
    if kept == project.expected_files:
        return
    project.expected_files = kept
    uow.db.flush()
    detail = "; ".join(each.line for each in expected) or "nothing"
    audit.write(uow, Kind.PROJECT_EXPECT, actor, project=project, detail=detail)
