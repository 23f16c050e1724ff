"""The files of drafts beside those of the releases that they follow: what a review compares."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, undefer

from greenroom.distributions.matrix import predecessors
from greenroom.models import Draft, File, Project, Release
from greenroom.registry import catalogue, compared_releases

Choose = Callable[[Sequence[Release], Draft], Release | None]
"""Chooses the release that a draft is compared with, out of the public ones of its project."""

_PACKAGE_TYPES = frozenset({"sdist", "bdist_wheel"})


class Sides(Struct, frozen=True):
    """A draft beside a release, as rows: for the registry alone.

    Attributes:
        public: the public releases of its project, the highest first.
        choices: those of them that it can be compared with.
        followed: the one that it is compared with; None where there is none.
        staged: the files of the draft, the source distribution first.
        now: those of the release once it is published.
        before: those of the release that it is compared with.
        former: of files of ``now``, by their numbers, the file of ``before`` that each follows.
    """

    draft: Draft
    project: Project
    release: Release
    public: Sequence[Release]
    choices: Sequence[Release]
    followed: Release | None
    staged: Sequence[File]
    now: Sequence[File]
    before: Sequence[File]
    former: Mapping[int, File]

    @property
    def known(self) -> list[File]:
        """Those of all files that can be looked into."""
        return [file for file in (*self.now, *self.before) if is_known(file)]


def is_known(file: File) -> bool:
    """Whether a file is of a kind that can be looked into: what was imported may be of others."""
    return file.filename.endswith((".whl", ".tar.gz")) and file.packagetype in _PACKAGE_TYPES


def can_be_known() -> ColumnElement[bool]:
    """The same in a query."""
    return and_(
        File.packagetype.in_(_PACKAGE_TYPES),
        or_(File.filename.endswith(".whl"), File.filename.endswith(".tar.gz")),
    )


def following(releases: Sequence[Release], draft: Draft) -> Release | None:
    """The release that a draft is compared with where nobody has chosen one: see :data:`Choose`."""
    return compared_releases.chosen(releases, draft, None)


def of_drafts(
    db: Session, drafts: Iterable[Draft], choose: Choose, *, described: bool = False
) -> list[Sides]:
    """The sides of these drafts, in a number of queries that does not depend on how many they are.

    Args:
        db: where they are.
        drafts: which; those that have ended are left out.
        choose: with which release each is compared.
        described: whether the files come with what they say of themselves.

    Raises:
        NotFound: where ``choose`` does.
    """
    open_ones = [
        (draft, draft.project, draft.release)
        for draft in drafts
        if draft.project is not None and draft.release is not None
    ]
    public = catalogue.releases_of(db, [project for _, project, _ in open_ones])
    chosen: dict[int, tuple[list[Release], Release | None]] = {}
    for draft, project, _ in open_ones:
        choices = compared_releases.choices(public[project.id], draft)
        chosen[draft.id] = choices, choose(choices, draft)
    released = [release for _, _, release in open_ones if release.published is not None]
    released += [followed for _, followed in chosen.values() if followed is not None]
    files = catalogue.files_of(db, released, described=described)
    staged = _staged(db, [draft for draft, _, _ in open_ones], described=described)
    found = []
    for draft, project, release in open_ones:
        choices, followed = chosen[draft.id]
        own = files.get(release.id, []) if release.published is not None else []
        now = _in_order([*staged.get(draft.id, []), *own])
        before = files[followed.id] if followed is not None else []
        found.append(
            Sides(
                draft=draft,
                project=project,
                release=release,
                public=public[project.id],
                choices=choices,
                followed=followed,
                staged=_in_order(staged.get(draft.id, [])),
                now=now,
                before=before,
                former=_former(before, now),
            )
        )
    return found


def are_of(sides: Collection[Sides]) -> ColumnElement[bool]:
    """Which files are of these sides: for queries, however many files there are."""
    drafts = [each.draft.id for each in sides]
    releases = [each.release.id for each in sides]
    releases += [each.followed.id for each in sides if each.followed is not None]
    is_public = and_(File.draft_id.is_(None), File.release_id.in_(releases))
    return or_(File.draft_id.in_(drafts), is_public)


def _staged(db: Session, drafts: Sequence[Draft], *, described: bool) -> dict[int, list[File]]:
    query = select(File).where(File.draft_id.in_([draft.id for draft in drafts]))
    if described:
        query = query.options(undefer(File.core_metadata))
    found: dict[int, list[File]] = {}
    for file in db.scalars(query):
        if file.draft_id is not None:
            found.setdefault(file.draft_id, []).append(file)
    return found


def _in_order(files: Iterable[File]) -> list[File]:
    return sorted(files, key=lambda file: (not file.is_sdist, file.filename))


def _former(before: Sequence[File], now: Sequence[File]) -> dict[int, File]:
    known = {file.filename: file for file in before if is_known(file)}
    follows = predecessors(known, [file.filename for file in now])
    names = ((file.id, follows.get(file.filename)) for file in now)
    return {number: known[name] for number, name in names if name is not None}
