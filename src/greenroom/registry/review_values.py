"""What the review of a draft tells, as frozen values."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from greenroom.counts import counted
from greenroom.distributions.comparison import FieldChange, MemberChange
from greenroom.distributions.contents import Member
from greenroom.distributions.matrix import Matrix
from greenroom.distributions.review import Severity
from greenroom.registry.silenced_findings import Silence


class Progress(Struct, frozen=True):
    """How many files are known, out of those that are to be: those of the release before, too.

    A file is known when it was looked into, and compared with what it is compared with.
    """

    analysed: int
    of: int

    @property
    def is_complete(self) -> bool:
        """Whether everything is known that will be."""
        return self.analysed == self.of

    def __str__(self) -> str:
        return f"{self.analysed} of {counted(self.of, 'file')} analysed"


class ReviewFinding(Struct, frozen=True):
    """Something that a reviewer should know, of one file or of several, or of the draft as a whole.

    Attributes:
        code: what it is, always the same (``docs/review.md`` has all of them).
        severity: how much it matters.
        filenames: the files in which it was found; none where it is about the draft.
        path: the member; empty where it is about whole files.
        detail: what was seen, in a few words.
        advice: what to do about it.
        more: how many more of this code there are in these files that are not told.
        silence: by which the project does not want to be told of it; such do not count.
    """

    code: str
    severity: Severity
    filenames: tuple[str, ...]
    path: str
    detail: str
    advice: str
    more: int = 0
    silence: Silence | None = None


class Verdict(Struct, frozen=True):
    """The line at the top.

    Attributes:
        published: the version that stands for the project in public; None where none is public.
        becomes: the version of the draft.
        is_first: whether nothing of the project is public.
        adds_to_release: whether the version is public already, and gets more files.
        file_count: how many files would become public.
        size: of all of them, in bytes.
        is_complete: whether all files were analysed, no upload is under way, and nothing is
            missing that the release before had or that the project expects.
        counts: findings that are not silenced by severity, the gravest first; none is left out.
        silenced: how many findings are silenced.
        obstacles: every reason for which it would not be published now. Empty: nothing is in the
            way of those who may publish.
    """

    published: str | None
    becomes: str
    is_first: bool
    adds_to_release: bool
    file_count: int
    size: int
    is_complete: bool
    counts: tuple[tuple[Severity, int], ...]
    silenced: int
    obstacles: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it but the obstacles, in words."""
        files = counted(self.file_count, "file")
        today = f"{self.published} is public" if self.published is not None else "Nothing is public"
        would = f"{self.becomes} would become public with {files}"
        if self.adds_to_release:
            would = f"{files} would be added to {self.becomes}, which is public"
        return (
            f"{today}; {would}.",
            "It is complete." if self.is_complete else "It is not complete.",
            findings_in_words(self.counts, self.silenced),
            obstacles_in_words(len(self.obstacles)),
        )


def findings_in_words(counts: Iterable[tuple[Severity, int]], silenced: int) -> str:
    """How many findings there are of each severity, in a sentence."""
    counted = [f"{count} {_WORDS[severity][count != 1]}" for severity, count in counts]
    besides = f", and {silenced} silenced" if silenced else ""
    return f"Findings: {', '.join(counted)}{besides}."


def obstacles_in_words(count: int) -> str:
    """For how many reasons it would not be published, in a sentence."""
    if not count:
        return "Nothing stands in the way of publishing."
    return f"Publish would be refused for {counted(count, 'reason')}."


_WORDS = {
    Severity.PROBLEM: ("problem", "problems"),
    Severity.WARNING: ("warning", "warnings"),
    Severity.LOOK: ("to look at", "to look at"),
    Severity.NOTE: ("note", "notes"),
}


class ArchiveChanges(Struct, frozen=True):
    """An archive of the draft beside its predecessor.

    Attributes:
        filename: of the draft; None where the release before has a file that nothing follows.
        former: its predecessor in the release that it is compared with; None where it has none.
        size: in bytes; 0 where there is no such file. So is ``former_size``.
        is_analysed: whether both were looked into and compared, so that the rest says something.
        problem: why one of them cannot be read; empty where both can.
        members: those that are not the same, by place, at most ``MOST_MEMBERS`` of
            :mod:`greenroom.distributions.compared`. ``before`` and ``after`` have the paths that
            the members have in their archives.
        more: how many more there are.
        added, removed, changed: how many there are of each, all counted.
    """

    filename: str | None
    former: str | None
    size: int
    former_size: int
    is_analysed: bool
    problem: str = ""
    members: tuple[MemberChange, ...] = ()
    more: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0


class Description(Struct, frozen=True):
    """The description of a release: rendered HTML that is safe to show, and what it is made of."""

    html: str
    text: str


class Changes(Struct, frozen=True):
    """What is not as it was in the release that the draft is compared with.

    Attributes:
        against: the version of that release; None where there is none: all is new then.
        choices: the versions that it can be compared with, the highest first.
        fields: of the core metadata, and ``entry_points``.
        description: what it will be; None where nothing is staged.
        former_description: what it was; None where it is compared with nothing.
        is_description_changed: whether the two say something else.
        size: of all files, in bytes; ``former_size`` of those of the release before.
        archives: the source distribution first, then wheels by name, last what is gone.
    """

    against: str | None
    choices: tuple[str, ...]
    fields: tuple[FieldChange, ...]
    description: Description | None
    former_description: Description | None
    is_description_changed: bool
    size: int
    former_size: int
    archives: tuple[ArchiveChanges, ...]


class Completeness(Struct, frozen=True):
    """Whether everything is there.

    Attributes:
        matrix: Pythons and platforms that there are wheels for, beside the release before.
        has_sdist: whether there is a source distribution; ``had_sdist`` of the release before.
        expected: the lines of what the project expects.
        missing: those of them that are not there, in words; each is a reason not to publish.
    """

    matrix: Matrix
    has_sdist: bool
    had_sdist: bool
    expected: tuple[str, ...]
    missing: tuple[str, ...]


class EarlierDraft(Struct, frozen=True):
    """A draft, live or ended, that had a file of the same name with the same bytes before."""

    version: str
    opened: datetime
    state: str


class StagedFile(Struct, frozen=True):
    """Where a file of the draft comes from.

    Attributes:
        by: who staged it as it is; a user name or what the log calls them. None: not known.
        means: which run of which workflow did it; None where a person did.
        credential: with what they did it, such as ``token ci``; None where it is not known.
        replaced: the digest that the file of this name had before; None where it is the first.
        earlier: drafts of the project in which the same bytes were under this name.
    """

    filename: str
    size: int
    sha256: str
    at: datetime
    by: str | None
    means: str | None
    credential: str | None
    replaced: str | None
    earlier: tuple[EarlierDraft, ...]


class Side(Struct, frozen=True):
    """One member of one archive.

    Attributes:
        sha256: of the archive: under it the storage has its bytes.
    """

    filename: str
    sha256: str
    member: Member


class MemberPair(Struct, frozen=True):
    """A member of a staged archive and what it was: what a difference is made of.

    Attributes:
        before: None where it is new.
        after: None where it is gone.
    """

    before: Side | None
    after: Side | None


class DraftReview(Struct, frozen=True):
    """All of it.

    Attributes:
        content_digest: of what is reviewed: publishing it with this digest publishes just this.
        findings: the gravest first, then by code, those that are silenced last.
        files: in the order of the draft.
    """

    project_name: str
    version: str
    content_digest: str
    progress: Progress
    verdict: Verdict
    changes: Changes
    completeness: Completeness
    findings: tuple[ReviewFinding, ...]
    files: tuple[StagedFile, ...]


class DraftBrief(Struct, frozen=True):
    """The review of a draft in short, beside those of others.

    Attributes:
        number: of the draft.
        content_digest: of what is reviewed.
        missing: what the project expects and what the release before had, and is not there.
        findings: the gravest first, then by code, those that are silenced last.
    """

    number: int
    project_name: str
    version: str
    content_digest: str
    progress: Progress
    verdict: Verdict
    missing: tuple[str, ...]
    findings: tuple[ReviewFinding, ...]
