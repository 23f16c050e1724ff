"""Approvals: people say of what is in a draft that it may be published, before it is.

An approval is of one content, by its digest. It stands while the draft has that content, the
person has not taken it back, and may still publish in the project; of other files it says nothing.
How many a project wants, and of whom, is asked whenever a draft is to be published.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from greenroom.counts import counted
from greenroom.models import Approval, Draft, DraftState, File, Project, Schedule, Team, User
from greenroom.models.base import JSONObject
from greenroom.registry import (
    catalogue,
    draft_contents,
    draft_log,
    drafts,
    projects,
    publishing_policy,
    teams,
)
from greenroom.registry.errors import (
    ApprovalsMissing,
    InvalidRequest,
    NotAllowed,
)
from greenroom.registry.permissions import Act, Actor, Person, may, require
from greenroom.registry.unit_of_work import UnitOfWork

MOST_NEEDED = 20
_MOST_SHOWN = 50
_WITH_TIME = "it was given by setting a time, which was taken back or is over"


class Standing(StrEnum):
    """What an approval is worth now."""

    STANDS = "stands"
    OTHER_FILES = "other files"  # the draft has changed since
    WITHDRAWN = "withdrawn"
    NOT_COUNTED = "not counted"  # by somebody whose approval the project does not take (any more)


class ApprovalLine(Struct, frozen=True):
    """An approval, for those who may see the draft.

    Attributes:
        by: the user name.
        factor: the kind of second factor that was shown.
        standing: what it is worth now.
        why: why it is not counted; empty where it is, or where the standing says it all.
        is_with_time: whether it was given by setting a time, and ends with that.
    """

    by: str
    at: datetime
    factor: str
    content_digest: str
    standing: Standing
    why: str = ""
    is_with_time: bool = False


class DraftApprovals(Struct, frozen=True):
    """The approvals of a draft, and what is wanted of them.

    Attributes:
        needed: how many.
        by_others: whether those of people who staged files of it do not count.
        team: whose members approve; None where whoever may publish does, or the team has gone.
        by_team: whether only members of a team approve.
        lines: the newest approvals, the oldest of them first.
        counted: how many stand.
        is_mine_standing: whether the one who looks has approved of what is there.
        is_mine_by_hand: whether they have done so other than by setting a time.
        why_not: why the one who looks cannot approve; empty where they can.
    """

    needed: int
    by_others: bool
    team: str | None
    by_team: bool
    lines: tuple[ApprovalLine, ...]
    counted: int
    is_mine_standing: bool
    is_mine_by_hand: bool
    why_not: str

    @property
    def missing(self) -> int:
        """How many more it takes."""
        return max(0, self.needed - self.counted)


class PublishedApproval(Struct, frozen=True):
    """An approval that stood when a draft was published."""

    by: str
    at: datetime
    factor: str
    standing: JSONObject


class ApprovedPublication(Struct, frozen=True):
    """What was published of a release at one moment, after people had approved of it."""

    content_digest: str
    published: datetime
    approvals: tuple[PublishedApproval, ...]


class Rules(Struct, frozen=True):
    """How many approvals a project wants, and of whom.

    Attributes:
        needed: how many, 0 for none.
        by_others: whether those who staged files do not count.
        team: whose members approve, by its name; empty for everybody who may publish.
    """

    needed: int
    by_others: bool = False
    team: str = ""


# Giving and taking back


def approve(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    content_digest: str,
    standing: JSONObject | None = None,
) -> None:
    """Approve of what is in the draft. To do so again changes nothing.

    Who has approved by setting a time does so by hand as well: that does not end with the time.

    ``standing`` is what :func:`approval_standing.standing` gave of it.

    Raises:
        NotAllowed: the actor may not publish it, or the project does not take their approval.
        PersonPublishes: it is a token.
        FactorNotFresh: no second factor was shown of late.
        Ended, BeingReviewed: the draft takes no approvals any more, or not now.
        InvalidRequest: the digest is none, or the draft has no files.
        DraftChanged: the draft has another digest.
    """
    drafts.begin(uow, actor, Act.PUBLISH, draft)
    project, staged = _project(draft), drafts.files(uow.db, draft)
    publishing_policy.check_person(actor, project, "approve")
    publishing_policy.check_factor(actor, uow.now, project, "approve")
    draft_contents.check_unchanged(uow.db, draft, content_digest, staged)
    if not staged:
        raise InvalidRequest("The draft has no files: there is nothing to approve of.")
    user = _account(uow, actor)
    judge = _judge(uow, project, staged)
    why = judge.why_not(user)
    if user is None or why:
        raise NotAllowed(f"{actor.subject(Act.PUBLISH, project)} cannot approve: {why}.")
    given = _of_draft(uow.db, draft)
    if user.id not in _by_hand(_all_standing(given, judge, content_digest)):
        _add(uow, actor, draft, user, content_digest, _known(staged, standing))
        draft_log.write(uow, draft, actor, "approved", detail=content_digest)
        uow.db.flush()


def withdraw(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    """Take back what the actor has approved of.

    Raises:
        NotAllowed: the actor may not publish the draft.
        PersonPublishes: it is a token.
        Ended, BeingReviewed: it is too late, or not now.
        InvalidRequest: there is nothing to take back.
    """
    drafts.begin(uow, actor, Act.PUBLISH, draft)
    publishing_policy.check_person(actor, _project(draft), "withdraw an approval")
    mine = [
        each
        for each in _of_draft(uow.db, draft)
        if each.withdrawn is None and each.user_id is not None and each.user_id == actor.user_id
    ]
    if not mine:
        raise InvalidRequest("You have no approval of this draft to withdraw.")
    for each in mine:
        each.withdrawn, each.schedule_id = uow.now, None
    draft_log.write(uow, draft, actor, "withdrew the approval", detail=mine[-1].content_digest)
    uow.db.flush()


# When a draft is to be published


class Asked(Struct, frozen=True):
    """A draft that is to be published, with its files.

    Attributes:
        publisher: who publishes it just now and has said what: theirs counts among the approvals.
    """

    draft: Draft
    project: Project
    staged: Sequence[File]
    publisher: Actor | None


def obstacles(uow: UnitOfWork, asked: Iterable[Asked]) -> dict[int, ApprovalsMissing]:
    """That approvals are missing, of those of these drafts of which there are, by their numbers.

    The number of queries does not depend on how many drafts there are.
    """
    wanting = [each for each in asked if each.project.approvals_needed]
    if not wanting:
        return {}
    teams_ = _teams(uow.db, [each.project for each in wanting])
    given = _of_drafts(uow.db, [each.draft for each in wanting])
    found = {}
    for each in wanting:
        draft, project, staged = each.draft, each.project, each.staged
        judge = _Judge(project, staged, teams_)
        digest = draft_contents.digest_of(draft, staged)
        people = {approval.user_id for approval in _standing(given[draft.id], judge, digest)}
        if each.publisher is not None:
            user = _approver(uow, each.publisher, judge)
            people |= {user.id} if user is not None else set()
        if len(people) < project.approvals_needed:
            found[draft.id] = ApprovalsMissing(judge.sentence(len(people)))
    return found


def approve_by_publishing(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    project: Project,
    staged: Sequence[File],
    standing: JSONObject | None,
    schedule: Schedule | None = None,
) -> None:
    """Write down that who publishes approves, where the project wants approvals and takes theirs.

    The line of the publication in the audit log is that of the approval, too. Where it is for a
    ``schedule``, the approval ends with that, unless they have given another one by hand.
    """
    if not project.approvals_needed:
        return
    judge = _judge(uow, project, staged)
    user = _approver(uow, actor, judge)
    digest, given = draft_contents.digest_of(draft, staged), _of_draft(uow.db, draft)
    if user is None or user.id in _by_hand(_all_standing(given, judge, digest)):
        return
    _add(uow, actor, draft, user, digest, _known(staged, standing), schedule)


def end_with(uow: UnitOfWork, schedule: Schedule, by: Actor) -> None:
    """End the approvals that were given by setting this time, for live drafts, and record that.

    ``by`` is whose doing it is that the time ends.
    """
    given = select(Approval).where(
        Approval.schedule_id == schedule.id, Approval.withdrawn.is_(None), ~Approval.counted
    )
    for each in uow.db.scalars(given.order_by(Approval.id)).all():
        if not drafts.is_live(uow, each.draft):
            continue
        each.withdrawn = uow.now
        detail = f"of {each.by}, given with the time that was set, {each.content_digest}"
        draft_log.write(uow, each.draft, by, "ended the approval", detail=detail)
    uow.db.flush()


def keep(uow: UnitOfWork, draft: Draft, project: Project, staged: Sequence[File]) -> None:
    """Mark the approvals that stand as those under which the draft is published, this moment."""
    given = _of_draft(uow.db, draft)
    if not given:
        return
    judge = _judge(uow, project, staged)
    for each in _standing(given, judge, draft_contents.digest_of(draft, staged)):
        each.counted = True
    uow.db.flush()


# Looking


def of_draft(uow: UnitOfWork, actor: Actor, draft: Draft, staged: Sequence[File]) -> DraftApprovals:
    """The approvals of a live draft with these files, as the actor may see and give them."""
    return of_drafts(uow, actor, [(draft, staged)])[draft.id]


def of_drafts(
    uow: UnitOfWork, actor: Actor, drafts_: Sequence[tuple[Draft, Sequence[File]]]
) -> dict[int, DraftApprovals]:
    """The same for each of these drafts, by its number, with as many queries as for one."""
    teams_ = _teams(uow.db, [_project(draft) for draft, _ in drafts_])
    given = _of_drafts(uow.db, [draft for draft, _ in drafts_])
    return {
        draft.id: _told(uow, actor, _Judge(_project(draft), staged, teams_), draft, given[draft.id])
        for draft, staged in drafts_
    }


def _told(
    uow: UnitOfWork, actor: Actor, judge: "_Judge", draft: Draft, given: Sequence[Approval]
) -> DraftApprovals:
    project, digest = _project(draft), draft_contents.digest_of(draft, judge.staged)
    standing = _standing(given, judge, digest)
    return DraftApprovals(
        needed=project.approvals_needed,
        by_others=project.approvals_by_others,
        team=judge.team.name if judge.team is not None else None,
        by_team=project.approvals_by_team,
        lines=tuple(_line(each, judge, digest) for each in given[-_MOST_SHOWN:]),
        counted=len({each.user_id for each in standing}),
        is_mine_standing=any(actor.user_id == each.user_id for each in standing),
        is_mine_by_hand=actor.user_id in _by_hand(standing),
        why_not=_why_not(uow, actor, project, judge, judge.staged),
    )


def published(db: Session, release: catalogue.HasId) -> list[ApprovedPublication]:
    """What was published of a public release after people had approved of it, the oldest first."""
    rows = db.scalars(
        select(Approval)
        .join(Approval.draft)
        .where(
            Draft.release_id == release.id,
            Draft.state == DraftState.PUBLISHED,
            Approval.counted,
        )
        .options(joinedload(Approval.draft).lazyload("*"))
        .order_by(Draft.ended, Draft.id, Approval.id)
    )
    found: dict[int, list[Approval]] = {}
    for row in rows:
        found.setdefault(row.draft_id, []).append(row)
    return [_publication(each) for each in found.values()]


def approvers(db: Session, release: catalogue.HasId) -> tuple[str, ...]:
    """Who had approved of what is published of a public release, each once."""
    given = (each for publication in published(db, release) for each in publication.approvals)
    return tuple(dict.fromkeys(approval.by for approval in given))


def _publication(given: Sequence[Approval]) -> ApprovedPublication:
    draft = given[0].draft
    return ApprovedPublication(
        given[0].content_digest,
        draft.ended or given[0].at,
        tuple(PublishedApproval(each.by, each.at, each.factor, each.standing) for each in given),
    )


# What a project wants


def rules(uow: UnitOfWork, project: Project) -> Rules:
    """What the project wants now."""
    team = uow.db.get(Team, project.approving_team_id) if project.approving_team_id else None
    return Rules(
        project.approvals_needed, project.approvals_by_others, team.name if team is not None else ""
    )


def change_rules(uow: UnitOfWork, actor: Actor, project: Project, wanted: Rules) -> None:
    """Say how many approvals the project wants, and of whom.

    What is published without a draft nobody approves of: where some are wanted, the setting that
    uploads are published directly is off, and stays off until none is.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotConfirmed: it would want less than it does, and the actor has not shown who they are.
        InvalidRequest: it is too many, or the team has no part in the project.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    if not 0 <= wanted.needed <= MOST_NEEDED:
        raise InvalidRequest(f"A project wants between 0 and {MOST_NEEDED} approvals.")
    team = _chosen_team(uow, project, wanted.team) if wanted.team else None
    before = (
        project.approvals_needed,
        project.approvals_by_others,
        project.approvals_by_team,
        project.approving_team_id,
    )
    after = (wanted.needed, wanted.by_others, team is not None, team.id if team else None)
    turns_off = wanted.needed > 0 and project.auto_publish_releases
    if before == after and not turns_off:
        return
    has_other_team = before[2] and after[3] != before[3]
    loosens = after[0] < before[0] or (before[1] and not after[1]) or has_other_team
    publishing_policy.check_change(actor, uow.now, loosens=loosens)
    project.approvals_needed, project.approvals_by_others = after[:2]
    project.approvals_by_team, project.approving_team_id = after[2:]
    if turns_off:
        project.auto_publish_releases = False
    uow.db.flush()
    detail = "auto_publish_releases off, " if turns_off else ""
    detail += f"approvals {wanted.needed}"
    detail += ", not by whoever staged" if wanted.by_others else ""
    detail += f", by the team {team.name}" if team is not None else ""
    publishing_policy.record_change(uow, actor, project, detail, loosens=loosens)


def _chosen_team(uow: UnitOfWork, project: Project, name: str) -> Team:
    team = teams.find(uow, name.strip())
    parts = {role.team_id for role in project.roles if role.team_id is not None}
    if team is None or team.id not in parts:
        raise InvalidRequest(
            f"No team {name!r} has a role in {project.name!r}: give it one first, so that its "
            "members can look at what they approve of."
        )
    return team


# Judging


class _Judge:
    """Whose approval of these files the project takes.

    Attributes:
        staged: the files.
        team: whose members approve; None where anybody may, or the team is gone.
    """

    def __init__(
        self, project: Project, staged: Sequence[File], teams_: Mapping[int, Team]
    ) -> None:
        self._project, self.staged = project, staged
        self._stagers = {file.uploaded_by_id for file in staged}
        number = project.approving_team_id if project.approvals_by_team else None
        self.team = teams_.get(number) if number is not None else None

    def why_not(self, user: User | None) -> str:
        """Why the project does not take this person's approval, empty where it does."""
        project = self._project
        if user is None or not user.is_enabled:
            return "there is no such account, or it is disabled"
        if not may(Person(user), Act.PUBLISH, project):
            return f"{user.username} may not publish in the project"
        if project.approvals_by_others and user.id in self._stagers:
            return f"{user.username} has staged some of the files"
        if not project.approvals_by_team:
            return ""
        if self.team is None:
            return "the team that approves was deleted, and an owner has to choose another one"
        if user.id not in {member.user_id for member in self.team.members}:
            return f"{user.username} is not in the team {self.team.name}"
        return ""

    def sentence(self, has: int) -> str:
        """What is missing, where there are only so many."""
        project = self._project
        takes = counted(project.approvals_needed, "approval")
        whose = ""
        if project.approvals_by_team:
            team = f"the team {self.team.name}" if self.team is not None else "a team that is gone"
            whose += f" by members of {team}"
        if project.approvals_by_others:
            whose += ", by people who have not staged its files"
        return (
            f"It takes {takes}{whose}, and has {has or 'none'} of what "
            "is in it now: let people approve of it on its page."
        )


def _judge(uow: UnitOfWork, project: Project, staged: Sequence[File]) -> _Judge:
    return _Judge(project, staged, _teams(uow.db, [project]))


def _teams(db: Session, projects_: Iterable[Project]) -> dict[int, Team]:
    """The teams that approve in these projects, with their members, by their numbers."""
    numbers = {each.approving_team_id for each in projects_ if each.approvals_by_team} - {None}
    if not numbers:
        return {}
    found = select(Team).where(Team.id.in_(numbers)).options(selectinload(Team.members))
    return {team.id: team for team in db.scalars(found)}


def _approver(uow: UnitOfWork, actor: Actor, judge: _Judge) -> User | None:
    """Whose approval it is that the actor publishes, None where that is no approval."""
    if not actor.is_in_person or not actor.fresh_factor(uow.now):
        return None
    user = _account(uow, actor)
    return user if user is not None and not judge.why_not(user) else None


def _why_not(
    uow: UnitOfWork, actor: Actor, project: Project, judge: _Judge, staged: Sequence[File]
) -> str:
    if not actor.is_in_person or not may(actor, Act.PUBLISH, project):
        return "only people who may publish it approve of it"
    return judge.why_not(_account(uow, actor)) if staged else "it has no files"


def _standing(given: Iterable[Approval], judge: _Judge, content_digest: str) -> list[Approval]:
    """The approvals that count, one of each person: the one that was given by hand, if any."""
    found: dict[int, Approval] = {}
    for each in _all_standing(given, judge, content_digest):
        if each.user_id is not None and (each.schedule_id is None or each.user_id not in found):
            found[each.user_id] = each
    return list(found.values())


def _all_standing(given: Iterable[Approval], judge: _Judge, content_digest: str) -> list[Approval]:
    """The approvals that count, with those of one person by hand and by setting times."""
    return [
        each
        for each in given
        if each.user_id is not None and _worth(each, judge, content_digest)[0] is Standing.STANDS
    ]


def _by_hand(standing: Sequence[Approval]) -> set[int | None]:
    """Whose approvals do not end with a time."""
    return {each.user_id for each in standing if each.schedule_id is None}


def _worth(approval: Approval, judge: _Judge, content_digest: str) -> tuple[Standing, str]:
    if approval.withdrawn is not None:
        return Standing.WITHDRAWN, _WITH_TIME if approval.schedule_id is not None else ""
    if approval.content_digest != content_digest:
        return Standing.OTHER_FILES, ""
    why = judge.why_not(approval.user)
    return (Standing.NOT_COUNTED, why) if why else (Standing.STANDS, "")


def _line(approval: Approval, judge: _Judge, content_digest: str) -> ApprovalLine:
    standing, why = _worth(approval, judge, content_digest)
    return ApprovalLine(
        approval.by,
        approval.at,
        approval.factor,
        approval.content_digest,
        standing,
        why,
        is_with_time=approval.schedule_id is not None,
    )


def _add(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    user: User,
    content_digest: str,
    standing: JSONObject,
    schedule: Schedule | None = None,
) -> None:
    """Write the approval down, in the place of one of the same content that was withdrawn."""
    mine = (Approval.user_id == user.id) & (Approval.content_digest == content_digest)
    is_over = Approval.schedule_id.is_not(None) & Approval.withdrawn.is_not(None)
    alike = Approval.schedule_id.is_(None) if schedule is None else is_over
    former = select(Approval).where(Approval.draft_id == draft.id, mine, alike)
    given = uow.db.scalar(former.limit(1)) or Approval(draft_id=draft.id, user=user)
    given.schedule_id = schedule.id if schedule is not None else None
    given.by, given.at, given.withdrawn = user.username, uow.now, None
    given.factor, given.content_digest = actor.fresh_factor(uow.now), content_digest
    given.standing = standing
    uow.db.add(given)
    uow.db.flush()


def _known(staged: Sequence[File], standing: JSONObject | None) -> JSONObject:
    return {"files": len(staged), "checks": [], "findings": [], **(standing or {})}


def _of_draft(db: Session, draft: Draft) -> list[Approval]:
    return _of_drafts(db, [draft])[draft.id]


def _of_drafts(db: Session, drafts_: Iterable[Draft]) -> dict[int, list[Approval]]:
    found: dict[int, list[Approval]] = {draft.id: [] for draft in drafts_}
    rows = (
        select(Approval)
        .where(Approval.draft_id.in_(found))
        .order_by(Approval.id)
        .options(joinedload(Approval.user))
        .execution_options(populate_existing=True)
    )
    for row in db.scalars(rows):
        found[row.draft_id].append(row)
    return found


def _account(uow: UnitOfWork, actor: Actor) -> User | None:
    return uow.db.get(User, actor.user_id) if actor.user_id is not None else None


def _project(draft: Draft) -> Project:
    if draft.project is None:
        raise InvalidRequest("The draft has ended.")
    return draft.project
