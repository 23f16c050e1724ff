"""The review of a release set: what its drafts would make public together, and what to look at.

Of each draft it tells what :mod:`greenroom.registry.draft_review` does, in short.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from greenroom.counts import counted
from greenroom.distributions.review import Severity
from greenroom.models import Draft, ReleaseSet, SetState
from greenroom.registry import draft_review, file_facts, publishing, release_sets
from greenroom.registry.errors import Ended
from greenroom.registry.permissions import Act, Actor, may
from greenroom.registry.release_sets import SetDetails
from greenroom.registry.review_values import (
    DraftBrief,
    Progress,
    findings_in_words,
    obstacles_in_words,
)
from greenroom.registry.unit_of_work import UnitOfWork

MOST_FINDINGS = 10
"""Findings that are told of one draft; that there are more is told, too."""


Obstacles = tuple[tuple[str, tuple[str, ...]], ...]
"""Reasons, with the draft that they are of: by project and version, or empty."""


class SetVerdict(Struct, frozen=True):
    """The line at the top, over all drafts of the set.

    Attributes:
        draft_count: how many drafts the set has.
        hidden: how many of them are of projects that whoever looks does not work on.
        new: how many of the others are the first of their projects, of which nothing is public.
        file_count: how many files would become public with all drafts.
        size: of all of them, in bytes.
        is_complete: whether each draft is that is not hidden.
        counts: of the findings in those that are not silenced by severity, the gravest first; none
            is left out.
        silenced: how many findings in those are silenced.
        obstacles: every reason for which the set would not be published now, each with the draft
            that it is of, by project and version; that is empty where it is of none, or of one
            that is not to be named.
    """

    draft_count: int
    hidden: int
    new: int
    file_count: int
    size: int
    is_complete: bool
    counts: tuple[tuple[Severity, int], ...]
    silenced: int
    obstacles: Obstacles

    @property
    def reason_count(self) -> int:
        """How many obstacles there are."""
        return sum(len(reasons) for _, reasons in self.obstacles)

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it but the obstacles, in words."""
        drafts_, files = counted(self.draft_count, "draft"), counted(self.file_count, "file")
        today = f"{drafts_} would become public together, with {files}"
        seen = self.draft_count - self.hidden
        if self.new:
            today += f"; of {self.new} of {counted(seen, 'project')} nothing is public today"
        whole = "It is complete." if self.is_complete else "It is not complete."
        sentences = [f"{today}.", whole, findings_in_words(self.counts, self.silenced)]
        if self.hidden:
            without = counted(self.hidden, "draft")
            sentences.append(f"Of {without} of projects that are not yours nothing is told here.")
        return (*sentences, obstacles_in_words(self.reason_count))


class SetReview(Struct, frozen=True):
    """All of it.

    Attributes:
        details: the set, with its content digest: publishing it with that publishes just this.
        progress: of all drafts that are seen.
        drafts: those that are seen, by project and version.
    """

    details: SetDetails
    verdict: SetVerdict
    progress: Progress
    drafts: tuple[DraftBrief, ...]

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The numbers of the drafts in which, or before which, there is more to look into."""
        return tuple(each.number for each in self.drafts if not each.progress.is_complete)


def review(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, *, names_hidden: bool
) -> SetReview:
    """The review of an open set. Whether somebody may see the set is for the caller to ask.

    The number of queries depends on nothing.

    Args:
        uow: what to look into.
        actor: who would publish it, and is told of the drafts of their projects.
        release_set: which.
        names_hidden: whether the reasons of the other drafts are told, too, with their names.

    Raises:
        Ended: the set is not open any more.
    """
    if release_set.state != SetState.OPEN:
        raise Ended(release_sets.ended_sentence(release_set))
    details = release_sets.details(uow, actor, release_set)
    reasons = publishing.set_obstacles(uow, actor, release_set)
    seen = [
        place.draft
        for place in release_sets.places(uow, release_set)
        if may(actor, Act.SEE, place.project)
    ]
    obstacles_of = {draft.id: reasons.get(_what(draft), ()) for draft in seen}
    briefs = draft_review.briefs(uow, seen, obstacles_of)
    told = set(reasons) if names_hidden else {_what(each) for each in briefs}
    obstacles = _obstacles(reasons, told)
    if not details.members:
        obstacles = (("", (publishing.NO_DRAFTS,)),)
    progress = Progress(
        sum(each.progress.analysed for each in briefs), sum(each.progress.of for each in briefs)
    )
    return SetReview(details, _verdict(details, briefs, obstacles), progress, briefs)


def want_missing(uow: UnitOfWork, numbers: Sequence[int]) -> None:
    """Have what is not known of these drafts found out by a job, where none waits for that."""
    file_facts.want_missing(uow, numbers)


def _obstacles(reasons: Mapping[str, tuple[str, ...]], told: Collection[str]) -> Obstacles:
    named = tuple((what, why) for what, why in reasons.items() if why and what in told)
    untold = sum(bool(why) for what, why in reasons.items() if what not in told)
    if not untold:
        return named
    sentence = f"Something stands in the way of {counted(untold, 'draft')} of other projects."
    return (*named, ("", (sentence,)))


def _verdict(
    details: SetDetails,
    briefs: Sequence[DraftBrief],
    obstacles: Obstacles,
) -> SetVerdict:
    verdicts = [each.verdict for each in briefs]
    counts = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for verdict in verdicts:
        for severity, count in verdict.counts:
            counts[severity] += count
    return SetVerdict(
        draft_count=len(details.members),
        hidden=len(details.members) - len(briefs),
        new=sum(verdict.is_first for verdict in verdicts),
        file_count=details.file_count,
        size=details.size,
        is_complete=bool(verdicts) and all(verdict.is_complete for verdict in verdicts),
        counts=tuple(counts.items()),
        silenced=sum(verdict.silenced for verdict in verdicts),
        obstacles=obstacles,
    )


def _what(draft: Draft | DraftBrief) -> str:
    return f"{draft.project_name} {draft.version}"
