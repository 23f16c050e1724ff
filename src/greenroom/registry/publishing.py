"""Publishing a draft: at once, or after a review where the operator wants one.

Whatever changes a draft holds the lock of its project (see :mod:`greenroom.registry.drafts`).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from greenroom.models import (
    Draft,
    DraftState,
    File,
    Project,
    Release,
    ReviewState,
    UploadState,
)
from greenroom.models.base import JSONObject
from greenroom.registry import (
    draft_contents,
    draft_log,
    drafts,
    file_rules,
    jobs,
    publication,
    upload_states,
)
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    Ended,
    InvalidRequest,
    NotAllowed,
    Refusal,
    UploadConflict,
)
from greenroom.registry.permissions import REVIEW, Act, Actor, asked_for_review, require
from greenroom.registry.unit_of_work import AT_ONCE, UnitOfWork


def publish(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    *,
    content_digest: str | None = None,
    registers_name: bool = False,
) -> Draft:
    """Make every file of the draft public, in this transaction, at this moment.

    To publish a published draft again changes nothing and answers as the first time did. No bytes
    are copied and none are read: the cost does not depend on the size of the files. Where the
    operator has publications reviewed, this only asks for the review.

    Args:
        uow: what to work in.
        actor: who publishes.
        draft: what is published.
        content_digest: what the draft must have; None where the actor has not said.
        registers_name: whether a draft without files registers the name of a new project.

    Raises:
        NotAllowed: the actor may not publish now.
        Ended: the draft was discarded or has expired.
        InvalidRequest: the digest is none.
        DraftChanged: the draft has another digest, or had it when it was published.
        CannotPublish: with every reason; the draft stays as it was.
    """
    drafts.lock_and_reload(uow, draft)
    project, release = draft.project, draft.release
    if project is None or drafts.state(uow, draft) is DraftState.EXPIRED:
        raise Ended(drafts.ended_sentence(uow, draft))
    require(actor, Act.PUBLISH, project)
    if draft.state == DraftState.PUBLISHED:
        if content_digest is not None:
            draft_contents.check_published(uow.db, draft, content_digest)
        return draft
    staged = drafts.files(uow.db, draft)
    if content_digest is not None:
        draft_contents.check_unchanged(uow.db, draft, content_digest, staged)
    if draft.review == ReviewState.PROCESSING and uow.settings.review_command is not None:
        return draft
    if release is None:
        raise Ended(drafts.ended_sentence(uow, draft))
    may_be_empty = registers_name and project.registered is None
    _check_obstacles(uow, draft, project, release, staged, may_be_empty=may_be_empty)
    if uow.settings.review_command is not None:
        _ask_for_review(uow, actor, draft, staged)
    else:
        draft.review, draft.review_notices = None, []
        _make_public(uow, actor, draft, project, release, staged)
    return draft


def finish_review(uow: UnitOfWork, draft: Draft, *, passed: bool, notices: Sequence[str]) -> None:
    """Publish a draft that passed its review, or give it back with the reasons.

    Whatever stands in the way by now is a reason too, and whoever asked must still be allowed to.
    A draft that is not (any more) in review stays as it is.
    """
    drafts.lock_and_reload(uow, draft)
    project, release = draft.project, draft.release
    if not is_in_review(uow, draft) or project is None or release is None:
        return
    reasons = list(notices) or ["The review did not accept it."]
    if passed:
        asked_by = asked_for_review(draft)
        staged = drafts.files(uow.db, draft)
        try:
            require(asked_by, Act.PUBLISH, project)
            if draft.content_digest is not None:  # none where it was asked for before there were
                draft_contents.check_unchanged(uow.db, draft, draft.content_digest, staged)
            may_be_empty = project.registered is None  # otherwise it was not accepted without files
            _check_obstacles(uow, draft, project, release, staged, may_be_empty=may_be_empty)
        except (NotAllowed, CannotPublish, DraftChanged) as refusal:
            reasons = list(refusal.details)
        else:
            draft.review, draft.review_notices = None, list(notices)
            _make_public(uow, asked_by, draft, project, release, staged)
            return
    draft.review, draft.review_notices = ReviewState.ERROR, reasons
    draft.review_due = None
    draft_log.write(uow, draft, REVIEW, "refused", detail=" ".join(reasons))
    uow.db.flush()


def in_review(uow: UnitOfWork) -> list[Draft]:
    """The drafts whose publication is being decided, the oldest request first."""
    return list(
        uow.db.scalars(
            select(Draft)
            .where(Draft.state == DraftState.OPEN, Draft.review == ReviewState.PROCESSING)
            .order_by(Draft.review_due, Draft.id)
        )
    )


def take_review(uow: UnitOfWork, draft: Draft) -> bool:
    """Whether the caller is to review the draft: nobody else is at it, or they are gone."""
    drafts.lock_and_reload(uow, draft)
    if not is_in_review(uow, draft):
        return False
    longest = 2 * uow.settings.review_timeout
    if draft.review_due is not None and uow.now < draft.review_due <= uow.now + longest + AT_ONCE:
        return False
    # Besides its own time it has to collect the files, and to say what came of it.
    draft.review_due = uow.now + longest
    draft.expires = max(draft.expires, draft.review_due)
    uow.db.flush()
    return True


def review_payload(draft: Draft) -> JSONObject:
    """What the job that reviews a draft knows of it."""
    return {"draft": draft.id, "release": f"{draft.project_name} {draft.version}"}


def is_in_review(uow: UnitOfWork, draft: Draft) -> bool:
    """Whether the draft's publication is being decided."""
    return draft.review == ReviewState.PROCESSING and drafts.is_live(uow, draft)


def _ask_for_review(uow: UnitOfWork, actor: Actor, draft: Draft, staged: list[File]) -> None:
    draft.review, draft.review_notices = ReviewState.PROCESSING, []
    draft.content_digest = draft_contents.digest_of(draft, staged)
    actor.ask_for_review(draft)
    draft.review_due = None
    # It must not fall due while it waits for somebody to begin.
    draft.expires = max(draft.expires, uow.now + timedelta(days=1))
    jobs.enqueue(uow, jobs.Kind.REVIEW, review_payload(draft))
    drafts.log(uow, draft, actor, "asked for publication", detail=draft.content_digest)
    uow.db.flush()


def _make_public(
    uow: UnitOfWork, by: Actor, draft: Draft, project: Project, release: Release, staged: list[File]
) -> None:
    draft.content_digest = draft_contents.digest_of(draft, staged)
    publication.make_public(
        uow, by.name, project, release if staged else None, staged, draft.content_digest
    )
    draft.state = DraftState.PUBLISHED
    draft.ended = uow.now
    if not staged and release.published is None:
        draft.release = None
        uow.db.flush()
        uow.db.delete(release)
    draft_log.write(uow, draft, by, DraftState.PUBLISHED.value, detail=draft.content_digest)
    uow.db.flush()


def obstacles(uow: UnitOfWork, draft: Draft) -> tuple[str, ...]:
    """Every reason why the draft cannot be published now, as :func:`publish` would give them.

    There is none where nothing can be published at all: the draft has ended.
    """
    project, release = draft.project, draft.release
    if project is None or release is None or not drafts.is_live(uow, draft):
        return ()
    staged = drafts.files(uow.db, draft)
    found = _obstacles(uow, draft, project, release, staged, may_be_empty=False)
    return tuple(str(refusal) for refusal in found)


def _check_obstacles(
    uow: UnitOfWork,
    draft: Draft,
    project: Project,
    release: Release,
    staged: list[File],
    *,
    may_be_empty: bool,
) -> None:
    """Raise CannotPublish with every reason why the draft cannot be published now, if any."""
    found = list(_obstacles(uow, draft, project, release, staged, may_be_empty=may_be_empty))
    if found:
        reasons = [str(refusal) for refusal in found]
        raise CannotPublish(
            f"The draft of {draft.project_name} {draft.version} cannot be published: "
            + " ".join(reasons),
            reasons,
        )


def _obstacles(
    uow: UnitOfWork,
    draft: Draft,
    project: Project,
    release: Release,
    staged: list[File],
    *,
    may_be_empty: bool,
) -> Iterator[Refusal]:
    """The reasons, in a number of queries that does not depend on how many files there are."""
    unfinished = upload_states.unfinished(uow, draft)
    for upload in unfinished:
        if upload.state is UploadState.ERROR:
            yield UploadConflict(f"The upload of {upload.filename!r} is in error: delete it.")
        else:
            yield UploadConflict(
                f"The upload of {upload.filename!r} is {upload.state}, not completed: wait for it, "
                "or delete it."
            )
    if not staged and not unfinished and not may_be_empty:
        yield InvalidRequest("It has no files: upload one first.")
    checks = [
        partial(file_rules.check_project_open, project),
        partial(file_rules.check_release_open, uow, release),
        partial(file_rules.check_project_size, uow, project, 0),
        partial(file_rules.check_single_sdist, uow, release, None),
    ]
    for check in checks:
        try:
            check()
        except Refusal as refusal:
            yield refusal
    digests = {file.filename: file.sha256 for file in staged}
    yield from file_rules.already_published(uow.db, digests)
