"""The review of a draft: all that somebody should know who decides whether it becomes public.

It is one value, made of rows, of facts that were found once for each file when it was staged
(:mod:`greenroom.registry.file_facts`), and of comparisons of files that were made then
(:mod:`greenroom.registry.member_comparisons`). No archive is read for it, and no list of members.

The operator's review command (:mod:`greenroom.registry.reviews`) is something else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import lazyload

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.compared import Compared
from greenroom.distributions.comparison import (
    FieldChange,
    MemberChange,
    member_changes,
    metadata_changes,
)
from greenroom.distributions.contents import Member
from greenroom.distributions.facts import Facts
from greenroom.distributions.matrix import Matrix, matrix, wheels
from greenroom.distributions.review import Severity
from greenroom.models import Draft, DraftEvent, File
from greenroom.registry import (
    catalogue,
    compared_releases,
    draft_contents,
    draft_sides,
    drafts,
    expected_files,
    file_facts,
    member_comparisons,
    publishing,
    releases,
    review_findings,
    silenced_findings,
    upload_states,
    upstreams,
)
from greenroom.registry.draft_sides import Sides
from greenroom.registry.errors import Ended, NotFound
from greenroom.registry.file_facts import Contents
from greenroom.registry.member_comparisons import Key
from greenroom.registry.review_values import (
    ArchiveChanges,
    Changes,
    Completeness,
    Description,
    DraftBrief,
    DraftReview,
    EarlierDraft,
    MemberPair,
    Progress,
    ReviewFinding,
    Side,
    StagedFile,
    Verdict,
)
from greenroom.registry.silenced_findings import Silence
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upload_states import UploadStatus

__all__ = [
    "ArchiveChanges",
    "Changes",
    "Completeness",
    "Description",
    "DraftBrief",
    "DraftReview",
    "EarlierDraft",
    "MemberPair",
    "Progress",
    "ReviewFinding",
    "Side",
    "Silence",
    "StagedFile",
    "Verdict",
    "brief",
    "briefs",
    "member_pair",
    "review",
    "want_missing",
]


def review(uow: UnitOfWork, draft: Draft, against: str | None = None) -> DraftReview:
    """The review of a live draft. Whether somebody may see it is for the caller to ask.

    The number of queries depends on nothing.

    Args:
        uow: what to look into.
        draft: which.
        against: the version, in any spelling, of a public release to compare with. By default the
            highest release below the draft's version; of a final version the highest final one.

    Raises:
        NotFound: there is no such release.
        Ended: the draft is not open any more.
    """
    (there,) = _there(uow, [draft], against)
    findings = there.findings()
    completeness = there.completeness()
    return DraftReview(
        project_name=draft.project_name,
        version=draft.version,
        content_digest=draft_contents.digest_of(draft, there.staged),
        progress=there.progress,
        verdict=there.verdict(findings, completeness, publishing.obstacles(uow, draft)),
        changes=there.changes(uow),
        completeness=completeness,
        findings=findings,
        files=_provenance(uow, draft, there.staged),
    )


def brief(uow: UnitOfWork, draft: Draft, obstacles: tuple[str, ...]) -> DraftBrief:
    """The review of a live draft in short, compared as :func:`review` does by default.

    Args:
        uow: what to look into.
        draft: which.
        obstacles: for what it would not be published, where it is published with others.

    Raises:
        Ended: the draft is not open any more.
    """
    (found,) = briefs(uow, [draft], {draft.id: obstacles})
    return found


def briefs(
    uow: UnitOfWork, drafts_: Sequence[Draft], obstacles: Mapping[int, tuple[str, ...]]
) -> tuple[DraftBrief, ...]:
    """The same of each of these drafts, in a number of queries that does not depend on how many.

    Args:
        uow: what to look into.
        drafts_: which.
        obstacles: of each, by its number.

    Raises:
        Ended: one of the drafts is not open any more.
    """
    return tuple(
        _brief(there, obstacles[there.draft.id]) for there in _there(uow, drafts_, against=None)
    )


def _brief(there: "_There", obstacles: tuple[str, ...]) -> DraftBrief:
    draft, findings, completeness = there.draft, there.findings(), there.completeness()
    return DraftBrief(
        number=draft.id,
        project_name=draft.project_name,
        version=draft.version,
        content_digest=draft_contents.digest_of(draft, there.staged),
        progress=there.progress,
        verdict=there.verdict(findings, completeness, obstacles),
        missing=(*completeness.missing, *(words for words, _ in completeness.matrix.gaps)),
        findings=findings,
    )


def want_missing(uow: UnitOfWork, draft: Draft, against: str | None = None) -> None:
    """Have what a review with these arguments has found not to be known found out by a job.

    Where a job for it waits already, nothing is done; nor where the draft has ended meanwhile, or
    there is no such release.

    Args:
        uow: which writes.
        draft: as for :func:`review`; so is ``against``.
        against: the version of the release to compare with.
    """
    if draft.project is None or not drafts.is_live(uow, draft):
        return
    if against is None:
        file_facts.want_missing(uow, [draft.id])
        return
    choices = compared_releases.choices(catalogue.releases(uow.db, draft.project), draft)
    try:
        release = compared_releases.chosen(choices, draft, against)
    except NotFound:
        return
    file_facts.want_missing(uow, [draft.id], release)


def member_pair(
    uow: UnitOfWork, draft: Draft, filename: str, path: str, against: str | None = None
) -> MemberPair:
    """A member of a staged file and what it was: what a difference is made of.

    Args:
        uow: what to look into.
        draft: as for :func:`review`; so is ``against``.
        filename: of the staged file.
        path: of the member, as the archive has it; of one that is gone, as its predecessor has it.
        against: the version of the release to compare with.

    Raises:
        NotFound: there is no such file, member or release, or it was not looked into yet.
        Ended: the draft is not open any more.
    """
    (there,) = _there(uow, [draft], against)
    file = next((each for each in there.staged if each.filename == filename), None)
    if file is None:
        raise NotFound(f"The draft has no file {filename[:255]!r}.")
    former = there.former_of(file)
    contents = Contents(uow.db, [file] if former is None else [file, former])
    after = {member.path: member for member in contents.of(file)}
    before = {member.path: member for member in _members(contents, former)}
    if path in after:
        changes = member_changes(before.values(), after.values(), is_sdist=file.is_sdist)
        change = _change_of(changes, after[path])
        was = change.before if change is not None else _same(before.values(), after[path])
        return MemberPair(_side(former, was), _side(file, after[path]))
    if path in before:
        return MemberPair(_side(former, before[path]), None)
    raise NotFound(f"Neither the file nor what it followed is known to have {path[:255]!r}.")


def _change_of(changes: Iterable[MemberChange], member: Member) -> MemberChange | None:
    return next((change for change in changes if change.after == member), None)


def _same(members: Iterable[Member], wanted: Member) -> Member | None:
    return next((each for each in members if each.sha256 == wanted.sha256), None)


def _side(file: File | None, member: Member | None) -> Side | None:
    if file is None or member is None:
        return None
    return Side(file.filename, file.sha256, member)


def _members(contents: Contents, file: File | None) -> tuple[Member, ...]:
    return contents.of(file) if file is not None else ()


def _there(uow: UnitOfWork, drafts_: Sequence[Draft], against: str | None) -> list["_There"]:
    """All that is looked up for the reviews of these drafts, at once.

    Raises:
        NotFound: there is no such release.
        Ended: one of the drafts is not open any more.
    """
    for draft in drafts_:
        if draft.project is None or draft.release is None or not drafts.is_live(uow, draft):
            raise Ended(drafts.ended_sentence(uow, draft))
    db = uow.db
    sides = draft_sides.of_drafts(
        *(db, drafts_),
        lambda choices, draft: compared_releases.chosen(choices, draft, against),
        described=True,
    )
    facts, compared = file_facts.of_sides(db, sides), member_comparisons.of_sides(db, sides)
    silences = silenced_findings.of_projects(db, [each.project for each in sides])
    unfinished = upload_states.unfinished_of(uow, drafts_)
    warnings = upstreams.warnings(uow, [each.project for each in sides])
    return [
        _There(
            *(each, facts, compared),
            silences=silences[each.project.id],
            unfinished=unfinished[each.draft.id],
            warning=warning,
        )
        for each, warning in zip(sides, warnings, strict=True)
    ]


class _There:
    """What is looked up for the review of one draft.

    Attributes:
        staged: the files of the draft, the source distribution first.
        now: those of the release once it is published.
        before: those of the release that it is compared with.
        facts: what is known of each, by its number.
        compared: what came of comparing some of them, by the numbers of both.
        progress: how many of them are known, and compared with what they are to be.
    """

    def __init__(
        self,
        sides: Sides,
        facts: Mapping[int, Facts],
        compared: Mapping[Key, Compared],
        *,
        silences: Sequence[Silence],
        unfinished: Sequence[UploadStatus],
        warning: str,
    ) -> None:
        self._sides, self._silences, self._unfinished = sides, silences, unfinished
        self._warning = warning
        self.draft, self.project, self.release = sides.draft, sides.project, sides.release
        self.staged, self.now, self.before = sides.staged, sides.now, sides.before
        self.facts, self.compared = facts, compared
        self.matrix = _matrix(self.before, self.now)
        read = {number for number, found in facts.items() if not found.problem}
        wanted = member_comparisons.wanted(sides, read)
        waiting = {pair.file for pair in wanted if pair.key not in compared}
        names = {file.id: file.filename for file in self.now}
        self._beside_sources = {
            names[pair.file]: compared[pair.key]
            for pair in wanted
            if pair.by_sources and pair.key in compared
        }
        known = sides.known
        done = sum(file.id in facts and file.id not in waiting for file in known)
        self.progress = Progress(done, len(known))

    def former_of(self, file: File) -> File | None:
        """The file of the release before that a file follows."""
        return self._sides.former.get(file.id)

    def findings(self) -> tuple[ReviewFinding, ...]:
        """All of them, as they are told."""
        found = [
            *review_findings.of_all(self.staged, self.now, self.before, self.facts, self.matrix),
            *review_findings.of_sources(self._beside_sources),
            *review_findings.of_name(self._warning),
        ]
        left_out = review_findings.left_out(self.staged, self.facts, self._beside_sources)
        return review_findings.told(found, left_out, silenced_findings.silenced_by(self._silences))

    def completeness(self) -> Completeness:
        """Whether everything is there."""
        expected = expected_files.of_project(self.project)
        return Completeness(
            matrix=self.matrix,
            has_sdist=any(file.is_sdist for file in self.now),
            had_sdist=any(file.is_sdist for file in self.before),
            expected=tuple(each.line for each in expected),
            missing=expected_files.missing(expected, self.now),
        )

    def verdict(
        self,
        findings: Sequence[ReviewFinding],
        completeness: Completeness,
        obstacles: tuple[str, ...],
    ) -> Verdict:
        """The line at the top."""
        standing = catalogue.latest(self._sides.public)
        return Verdict(
            published=standing.version if standing is not None else None,
            becomes=self.draft.version,
            is_first=standing is None,
            adds_to_release=self.release.published is not None,
            file_count=len(self.staged),
            size=sum(file.size for file in self.staged),
            is_complete=self._is_complete(completeness),
            counts=_counts(findings),
            silenced=sum(each.silence is not None for each in findings),
            obstacles=obstacles,
        )

    def _is_complete(self, completeness: Completeness) -> bool:
        """By what the project expects; where it has not said so, by what was there before."""
        if completeness.expected:
            is_all_there = not completeness.missing
        else:
            lost_sdist = completeness.had_sdist and not completeness.has_sdist
            is_all_there = not self.matrix.gaps and not lost_sdist
        is_known = self.progress.is_complete and not self._unfinished
        return bool(self.staged) and is_all_there and is_known

    def changes(self, uow: UnitOfWork) -> Changes:
        """What is not as it was."""
        metadata, description = self._said(uow)
        former_metadata, former = CoreMetadata(), None
        followed = self._sides.followed
        if followed is not None:
            detailed = catalogue.load_details(uow.db, followed)
            former_metadata = detailed.core_metadata
            former = Description(detailed.description_html, former_metadata.description)
        fields = [*metadata_changes(former_metadata, metadata), *self._entry_points()]
        is_changed = former_metadata.description.split() != metadata.description.split()
        return Changes(
            against=followed.version if followed is not None else None,
            choices=tuple(release.version for release in self._sides.choices),
            fields=tuple(fields),
            description=description if self.staged else None,
            former_description=former,
            is_description_changed=is_changed,
            size=sum(file.size for file in self.now),
            former_size=sum(file.size for file in self.before),
            archives=tuple(self._archives(uow)),
        )

    def _said(self, uow: UnitOfWork) -> tuple[CoreMetadata, Description]:
        """What the release will say of itself."""
        if self.release.published is None:
            detailed = catalogue.load_details(uow.db, self.release)
            metadata = detailed.core_metadata
            return metadata, Description(detailed.description_html, metadata.description)
        metadata = releases.said_by(self.now)
        return metadata, Description(releases.rendered_description(metadata), metadata.description)

    def _entry_points(self) -> list[FieldChange]:
        before = _entry_points(self.before, self.facts)
        now = _entry_points(self.now, self.facts)
        if not self.progress.is_complete or before == now:
            return []
        removed = tuple(each for each in before if each not in now)
        added = tuple(each for each in now if each not in before)
        return [FieldChange("entry_points", removed, added)]

    def _archives(self, uow: UnitOfWork) -> list[ArchiveChanges]:
        changes = member_comparisons.changes_of_sides(uow.db, [self._sides])
        followed = {file.id for file in self._sides.former.values()}
        gone = [file for file in self.before if file.id not in followed]
        return [
            *(self._archive(file, changes) for file in self.staged),
            *(ArchiveChanges(None, file.filename, 0, file.size, is_analysed=True) for file in gone),
        ]

    def _archive(
        self, file: File, changes: Callable[[Key], tuple[MemberChange, ...]]
    ) -> ArchiveChanges:
        former = self.former_of(file)
        both = [file, *([former] if former is not None else [])]
        known = [self.facts[each.id] for each in both if each.id in self.facts]
        problem = next((facts.problem for facts in known if facts.problem), "")
        key = (file.id, former.id if former is not None else None)
        compared = self.compared.get(key) if not problem else None
        members = changes(key) if compared is not None else ()
        count = compared.count if compared is not None else 0
        return ArchiveChanges(
            filename=file.filename,
            former=former.filename if former is not None else None,
            size=file.size,
            former_size=former.size if former is not None else 0,
            is_analysed=len(known) == len(both) and bool(problem or compared is not None),
            problem=problem,
            members=members,
            more=count - len(members),
            added=compared.added if compared is not None else 0,
            removed=compared.removed if compared is not None else 0,
            changed=compared.changed if compared is not None else 0,
        )


def _matrix(before: Iterable[File], now: Iterable[File]) -> Matrix:
    return matrix(
        wheels(file.filename for file in before if not file.is_sdist),
        wheels(file.filename for file in now if not file.is_sdist),
    )


def _entry_points(files: Iterable[File], facts: Mapping[int, Facts]) -> list[str]:
    known = (facts[file.id] for file in files if file.id in facts)
    return sorted({entry for each in known for entry in each.entry_points})


def _counts(findings: Iterable[ReviewFinding]) -> tuple[tuple[Severity, int], ...]:
    counts = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for each in findings:
        if each.silence is None:
            counts[each.severity] += 1 + each.more
    return tuple(counts.items())


# --- where files come from ------------------------------------------------------------------------


class _Staging(Struct, frozen=True):
    """The act that staged a file as it is."""

    by: str
    means: str | None
    credential: str | None
    replaced: str | None


def _provenance(uow: UnitOfWork, draft: Draft, staged: Sequence[File]) -> tuple[StagedFile, ...]:
    acts = _stagings(uow, draft)
    earlier = _earlier(uow, draft, staged)
    return tuple(
        StagedFile(
            filename=file.filename,
            size=file.size,
            sha256=file.sha256,
            at=file.created,
            by=act.by if act is not None else None,
            means=act.means if act is not None else None,
            credential=act.credential if act is not None else None,
            replaced=act.replaced if act is not None else None,
            earlier=tuple(earlier.get((file.filename, file.sha256), ())),
        )
        for file in staged
        for act in [acts.get(file.filename)]
    )


def _stagings(uow: UnitOfWork, draft: Draft) -> dict[str, _Staging]:
    rows = uow.db.scalars(
        select(DraftEvent)
        .where(DraftEvent.draft_id == draft.id, DraftEvent.act.in_(_STAGING))
        .order_by(DraftEvent.id)
    )
    return {
        row.filename: _Staging(
            row.by, row.means, row.credential, draft_contents.former_digest(row.detail)
        )
        for row in rows
        if row.filename is not None
    }


_STAGING = (drafts.Staged.ADDED, drafts.Staged.REPLACED)


def _earlier(
    uow: UnitOfWork, draft: Draft, staged: Sequence[File]
) -> dict[tuple[str, str], list[EarlierDraft]]:
    """Other drafts that had the same bytes under the same name, the newest first."""
    rows = uow.db.execute(
        select(DraftEvent.filename, DraftEvent.sha256, Draft)
        .join(DraftEvent.draft)
        .where(
            DraftEvent.sha256.in_([file.sha256 for file in staged]),
            DraftEvent.act.in_(_STAGING),
            Draft.id != draft.id,
        )
        .options(lazyload(Draft.project), lazyload(Draft.release))
        .order_by(Draft.id.desc())
    )
    found: dict[tuple[str, str], dict[int, EarlierDraft]] = {}
    for filename, sha256, other in rows:
        if filename is not None and sha256 is not None:
            state = drafts.state(uow, other).value
            known = found.setdefault((filename, sha256), {})
            known[other.id] = EarlierDraft(other.version, other.opened, state)
    return {key: list(several.values()) for key, several in found.items()}
