"""What stands in the way of publishing drafts: all of it, asked for several drafts at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct

from greenroom.models import Draft, File, Project, Release, UploadState
from greenroom.registry import (
    approvals,
    catalogue,
    draft_checks,
    expected_files,
    file_rules,
    projects,
    upload_states,
)
from greenroom.registry.errors import InvalidRequest, Refusal, UploadConflict
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upload_states import UploadStatus


class Candidate(Struct, frozen=True):
    """A draft that is to be published, with all that is looked at for that.

    Attributes:
        digest: of its content.
        may_be_empty: whether it may register the name of its project without files.
        by: who publishes it, where that is not whoever publishes the others.
        publisher: who publishes it as it is, and so approves of it.
    """

    draft: Draft
    project: Project
    release: Release
    staged: list[File]
    digest: str
    may_be_empty: bool = False
    by: Actor | None = None
    publisher: Actor | None = None

    @property
    def what(self) -> str:
        """Project and version."""
        return f"{self.draft.project_name} {self.draft.version}"


def of_all(uow: UnitOfWork, candidates: Sequence[Candidate]) -> list[list[Refusal]]:
    """The reasons why each of these drafts cannot be published now, in their order.

    The number of queries depends neither on how many drafts there are, nor on how many files, as
    long as those are some thousand.
    """
    found = _Found.look_up(uow, candidates) if candidates else None
    return [list(found.refusals(uow, each)) for each in candidates] if found is not None else []


class _Found(Struct, frozen=True):
    """What was looked up for all of them, by the number of the draft where nothing else is said.

    Attributes:
        not_registrable: by the normalized name of the project.
        sizes: of projects, by their numbers.
        second_sdists: by the number of the release.
        already_published: by file name.
        expected: what is missing that the project expects.
    """

    unfinished: Mapping[int, Sequence[UploadStatus]]
    not_registrable: Mapping[str, Refusal]
    sizes: Mapping[int, int]
    second_sdists: Mapping[int, Refusal]
    already_published: Mapping[str, Refusal]
    approvals: Mapping[int, Refusal]
    checks: Mapping[int, Sequence[Refusal]]
    expected: Mapping[int, Sequence[Refusal]]

    @classmethod
    def look_up(cls, uow: UnitOfWork, candidates: Sequence[Candidate]) -> "_Found":
        drafts = [each.draft for each in candidates]
        projects_ = [each.project for each in candidates]
        digests = {file.filename: file.sha256 for each in candidates for file in each.staged}
        asked = [
            approvals.Asked(each.draft, each.project, each.staged, each.publisher)
            for each in candidates
            if each.staged
        ]
        staged = {each.draft.id: each.staged for each in candidates}
        return cls(
            unfinished=upload_states.unfinished_of(uow, drafts),
            not_registrable=projects.not_registrable(uow, projects_),
            sizes=projects.sizes(uow, projects_),
            second_sdists=file_rules.second_sdists(uow, [each.release for each in candidates]),
            already_published=file_rules.already_published(uow, digests),
            approvals=approvals.obstacles(uow, asked),
            checks=draft_checks.obstacles_of(uow, drafts, staged),
            expected=_expected(uow, candidates),
        )

    def refusals(self, uow: UnitOfWork, candidate: Candidate) -> Iterator[Refusal]:
        """The reasons of one draft, in the order in which they are told."""
        draft, project, release = candidate.draft, candidate.project, candidate.release
        unfinished = self.unfinished[draft.id]
        yield from map(_unfinished, unfinished)
        if not candidate.staged and not unfinished and not candidate.may_be_empty:
            yield InvalidRequest("It has no files: upload one first.")
        yield from _found(self.not_registrable.get(project.normalized_name))
        yield from refused(
            partial(file_rules.check_project_open, project),
            partial(file_rules.check_release_open, uow, release),
            partial(file_rules.check_project_size, uow, project, 0, self.sizes[project.id]),
        )
        yield from _found(self.second_sdists.get(release.id))
        for file in candidate.staged:
            yield from _found(self.already_published.get(file.filename))
        yield from _found(self.approvals.get(draft.id))
        yield from self.checks.get(draft.id, ())
        yield from self.expected.get(draft.id, ())


def _expected(uow: UnitOfWork, candidates: Iterable[Candidate]) -> dict[int, list[Refusal]]:
    """What of the files that projects expect would not be there, by the number of the draft."""
    wanted = {
        each.draft.id: (each, expected)
        for each in candidates
        if each.staged and (expected := expected_files.of_project(each.project))
    }
    releases = [each.release for each, _ in wanted.values() if each.release.published is not None]
    public = catalogue.files_of(uow.db, releases) if releases else {}
    return {
        number: list(
            expected_files.obstacles(expected, [*each.staged, *public.get(each.release.id, [])])
        )
        for number, (each, expected) in wanted.items()
    }


def _unfinished(upload: UploadStatus) -> Refusal:
    if upload.state is UploadState.ERROR:
        return UploadConflict(f"The upload of {upload.filename!r} is in error: delete it.")
    return UploadConflict(
        f"The upload of {upload.filename!r} is {upload.state}, not completed: wait for it, or "
        "delete it."
    )


def _found(refusal: Refusal | None) -> Iterator[Refusal]:
    if refusal is not None:
        yield refusal


def refused(*checks: Callable[[], None]) -> Iterator[Refusal]:
    """The refusals that these checks raise, in their order."""
    for check in checks:
        try:
            check()
        except Refusal as refusal:
            yield refusal
