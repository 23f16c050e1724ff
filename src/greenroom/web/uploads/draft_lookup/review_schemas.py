"""The review of a draft in JSON, as models, of which ``/api/openapi.json`` is generated."""

from typing import Annotated, Literal

from msgspec import Meta

from greenroom.web.http.problem_details import Answer, Url
from greenroom.web.uploads.schemas import Timestamp

REVIEW_VERSION = "1.0"

Bytes = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
SeverityName = Literal["problem", "warning", "look", "note"]


class ReviewMeta(Answer, frozen=True):
    """About the message itself."""

    api_version: Literal["1.0"]


class ReviewLinks(Answer, frozen=True):
    """Where to go on."""

    page: Annotated[Url, Meta(description="The page of the draft, for who is signed in.")]


class ReviewProgress(Answer, frozen=True):
    """How many files were looked into, those of the release before too. Ask again until all are."""

    analysed: Count
    of: Count


class ReviewVerdict(Answer, frozen=True):
    """The line at the top."""

    sentences: Annotated[list[str], Meta(description="All that follows, for people.")]
    published: Annotated[
        str | None, Meta(description="The version that stands for the project in public.")
    ]
    becomes: str
    is_first: Annotated[bool, Meta(description="Whether nothing of the project is public.")]
    adds_to_release: Annotated[bool, Meta(description="Whether the version is public already.")]
    file_count: Count
    size: Bytes
    is_complete: bool
    findings: Annotated[
        dict[SeverityName, Count], Meta(description="How many there are that are not silenced.")
    ]
    silenced: Count
    obstacles: Annotated[
        list[str], Meta(description="For what it would not be published now, to the last one.")
    ]


class FieldChangeBody(Answer, frozen=True):
    """A field of the core metadata, or ``entry_points``."""

    field: str
    removed: list[str]
    added: list[str]


class MemberBody(Answer, frozen=True):
    """A member of an archive."""

    path: str
    size: Bytes
    sha256: str
    kind: Literal["text", "binary", "native", "link"]


class MemberChangeBody(Answer, frozen=True):
    """A member that is not as it was."""

    place: Annotated[str, Meta(description="Its path, without what only names the archive.")]
    change: Literal["added", "removed", "changed", "moved"]
    before: MemberBody | None
    after: MemberBody | None
    moved_from: str | None


class ArchiveBody(Answer, frozen=True):
    """An archive beside the one that it follows."""

    filename: Annotated[str | None, Meta(description="Missing where nothing follows the former.")]
    former: str | None
    size: Bytes
    former_size: Bytes
    is_analysed: bool
    problem: str
    added: Count
    removed: Count
    changed: Count
    members: list[MemberChangeBody]
    more: Annotated[Count, Meta(description="How many changes are not in `members`.")]


class ChangesBody(Answer, frozen=True):
    """What is not as it was."""

    against: Annotated[str | None, Meta(description="The version that it is compared with.")]
    choices: Annotated[list[str], Meta(description="The versions that can be chosen for that.")]
    fields: list[FieldChangeBody]
    is_description_changed: bool
    size: Bytes
    former_size: Bytes
    archives: list[ArchiveBody]


class CellBody(Answer, frozen=True):
    """One Python on one platform."""

    state: Literal["here", "new", "covered", "gap", "none"]
    filenames: list[str]
    covered_by: str | None
    former: list[str]


class RowBody(Answer, frozen=True):
    """A platform with an ABI."""

    platform: str
    abi: str
    cells: Annotated[list[CellBody], Meta(description="One for each of `pythons`.")]


class CompletenessBody(Answer, frozen=True):
    """Whether everything is there."""

    pythons: list[str]
    rows: list[RowBody]
    gaps: Annotated[list[str], Meta(description="What the release before had wheels for.")]
    has_sdist: bool
    had_sdist: bool
    expected: Annotated[list[str], Meta(description="The lines of what the project expects.")]
    missing: Annotated[list[str], Meta(description="What of it is not there.")]


class SilenceBody(Answer, frozen=True):
    """Why the project does not want to be told of a finding."""

    reason: str
    by: str
    at: Timestamp


class FindingBody(Answer, frozen=True):
    """Something that a reviewer should know."""

    code: str
    severity: SeverityName
    filenames: Annotated[list[str], Meta(description="None where it is about the draft.")]
    path: str
    detail: str
    advice: str
    more: Annotated[Count, Meta(description="How many more there are of this code.")]
    silenced: SilenceBody | None


class EarlierDraftBody(Answer, frozen=True):
    """Another draft that had the same bytes under the same name."""

    version: str
    opened: Timestamp
    state: Literal["open", "published", "discarded", "expired"]


class StagedFileBody(Answer, frozen=True):
    """Where a file comes from."""

    filename: str
    size: Bytes
    sha256: str
    staged_at: Timestamp
    staged_by: str | None
    workflow: Annotated[str | None, Meta(description="Which run of which workflow staged it.")]
    credential: str | None
    replaced: Annotated[str | None, Meta(description="The SHA-256 that it had before.")]
    earlier: list[EarlierDraftBody]


class ReviewBody(Answer, frozen=True):
    """The review of a draft."""

    meta: ReviewMeta
    links: ReviewLinks
    project: str
    version: str
    content_digest: Annotated[str, Meta(description="Publish with it what was reviewed.")]
    progress: ReviewProgress
    verdict: ReviewVerdict
    changes: ChangesBody
    completeness: CompletenessBody
    findings: list[FindingBody]
    files: list[StagedFileBody]


class SetReviewLinks(Answer, frozen=True):
    """Where to go on."""

    page: Annotated[Url, Meta(description="The page of the set, for who is signed in.")]
    set: Annotated[Url, Meta(description="The set in Upload 2.0.")]


class ObstaclesOfDraft(Answer, frozen=True):
    """Why the set would not be published with one of its drafts as it is."""

    project: str | None
    version: str | None
    reasons: list[str]


class SetVerdictBody(Answer, frozen=True):
    """The line at the top."""

    sentences: Annotated[list[str], Meta(description="All that follows, for people.")]
    draft_count: Count
    hidden: Annotated[
        Count, Meta(description="How many of them are of projects that are not told of.")
    ]
    new: Annotated[Count, Meta(description="Of how many projects nothing is public.")]
    file_count: Count
    size: Bytes
    is_complete: bool
    findings: Annotated[
        dict[SeverityName, Count], Meta(description="How many there are that are not silenced.")
    ]
    silenced: Count
    obstacles: Annotated[
        list[ObstaclesOfDraft],
        Meta(description="For what it would not be published now; of no draft: of the set."),
    ]


class DraftBriefLinks(Answer, frozen=True):
    """Where to go on."""

    page: Annotated[Url, Meta(description="The page of the draft, for who is signed in.")]
    review: Annotated[Url, Meta(description="The whole review of the draft.")]


class DraftBriefBody(Answer, frozen=True):
    """The review of a draft in short."""

    links: DraftBriefLinks
    project: str
    version: str
    content_digest: str
    progress: ReviewProgress
    verdict: ReviewVerdict
    missing: Annotated[
        list[str], Meta(description="What was there before or is expected, and is not there.")
    ]
    findings: Annotated[list[FindingBody], Meta(description="The first of them.")]
    more_findings: Annotated[Count, Meta(description="How many the whole review has besides.")]


class SetReviewBody(Answer, frozen=True):
    """The review of a release set."""

    meta: ReviewMeta
    links: SetReviewLinks
    name: Annotated[str, Meta(description="`OWNER/NAME`.")]
    content_digest: Annotated[str, Meta(description="Publish with it what was reviewed.")]
    progress: ReviewProgress
    verdict: SetVerdictBody
    drafts: list[DraftBriefBody]
