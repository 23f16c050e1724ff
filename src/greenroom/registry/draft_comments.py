"""Comments on a draft: what people who work on it say to each other, in Markdown.

They are for those who see the draft on its manage page. Nobody else is shown them, also when the
draft has become public, and they stay beside its log.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import func, select

from greenroom.core_metadata import CoreMetadata
from greenroom.models import Draft, DraftComment
from greenroom.registry import audit, drafts, projects, rate_limits, releases
from greenroom.registry.audit import Kind
from greenroom.registry.errors import Ended, InvalidRequest, NotAllowed, NotFound, TooMany
from greenroom.registry.permissions import Act, Actor, may, require
from greenroom.registry.shown_text import has_unshown, plain_lines
from greenroom.registry.unit_of_work import UnitOfWork

LONGEST = 4000
"""Characters of a comment."""
MOST = 1000
"""So many comments are on a draft."""
_MOST_PER_HOUR = 60


class Comment(Struct, frozen=True):
    """A comment.

    Attributes:
        by: what the author was called.
        edited: when it was last changed.
        deleted: when it was deleted; nothing is left then of what it said.
        text: in Markdown.
        html: as it is shown; empty where it could not be rendered.
        is_own: whether whoever asks wrote it, and may change it now.
        may_delete: whether whoever asks may delete it.
    """

    id: int
    by: str
    at: datetime
    edited: datetime | None
    deleted: datetime | None
    deleted_by: str
    text: str
    html: str
    is_own: bool
    may_delete: bool


def add(uow: UnitOfWork, actor: Actor, draft: Draft, text: str) -> int:
    """Comment on a draft, and give the number of the comment.

    Raises:
        NotAllowed: the actor may not comment on it.
        Ended: it is not open any more.
        InvalidRequest: the text does not do, or there are too many comments.
        TooMany: whoever acts has commented too often of late.
        NotRendered: see :func:`releases.with_renderings`.
    """
    said = _text(text)
    html = _html(said)
    _begin(uow, actor, draft)
    of_draft = DraftComment.draft_id == draft.id
    counted = select(func.count()).select_from(DraftComment).where(of_draft)
    if (uow.db.scalar(counted) or 0) >= MOST:
        raise InvalidRequest(f"The draft has {MOST} comments, as many as it may.")
    wait = rate_limits.waiting_time(
        uow,
        DraftComment.at,
        of_draft,
        DraftComment.by == actor.name,
        limit=_MOST_PER_HOUR,
        within=timedelta(hours=1),
    )
    if wait is not None:
        raise TooMany("You have commented too often of late: wait a while.", wait)
    comment = DraftComment(
        draft_id=draft.id, by=actor.name, by_id=actor.user_id, at=uow.now, text=said, html=html
    )
    uow.db.add(comment)
    uow.db.flush()
    _record(uow, Kind.COMMENT_ADD, actor, draft, comment)
    return comment.id


def edit(uow: UnitOfWork, actor: Actor, draft: Draft, number: int, text: str) -> None:
    """Let a comment say something else.

    Raises:
        NotAllowed: the actor may not comment, or somebody else wrote the comment.
        Ended: the draft is not open any more.
        NotFound: it has no such comment, or not any more.
        InvalidRequest: the text does not do.
        NotRendered: see :func:`releases.with_renderings`.
    """
    said = _text(text)
    html = _html(said)
    _begin(uow, actor, draft)
    comment = _find(uow, draft, number)
    if not _is_author(actor, comment):
        raise NotAllowed(f"Only {comment.by!r}, who wrote the comment, may change it.")
    if comment.text == said:
        return
    comment.text, comment.html, comment.edited = said, html, uow.now
    uow.db.flush()
    _record(uow, Kind.COMMENT_EDIT, actor, draft, comment)


def remove(uow: UnitOfWork, actor: Actor, draft: Draft, number: int) -> None:
    """Delete a comment: that it was there stays. One that is deleted may be deleted again.

    Its author may, and who manages the project, also when the draft has been published.

    Raises:
        NotAllowed: the actor may not.
        NotFound: there is no such comment.
    """
    projects.lock(uow, draft.project_name)
    uow.db.refresh(draft)
    project = draft.project
    if project is None:
        raise NotFound("There is no such comment.")
    projects.reload(uow, project)
    require(actor, Act.COMMENT, project)
    comment = _find(uow, draft, number, deleted=True)
    if comment.deleted is not None:
        return
    if not _is_author(actor, comment) and not may(actor, Act.MANAGE, project):
        raise NotAllowed(
            f"Only {comment.by!r}, who wrote the comment, and owners of the project may delete it."
        )
    if not _is_author(actor, comment):
        require(actor, Act.MANAGE, project)
    comment.text = comment.html = ""
    comment.deleted, comment.deleted_by = uow.now, actor.name
    uow.db.flush()
    _record(uow, Kind.COMMENT_DELETE, actor, draft, comment)


def of_draft(
    uow: UnitOfWork, actor: Actor, draft: Draft, *, start: int, count: int
) -> tuple[list[Comment], int]:
    """So many comments from there on, the newest first, and how many there are in all.

    The caller has made sure that the actor sees the draft.
    """
    project = draft.project
    may_comment = project is not None and may(actor, Act.COMMENT, project)
    manages = project is not None and may(actor, Act.MANAGE, project)
    is_live = drafts.is_live(uow, draft)
    on_draft = DraftComment.draft_id == draft.id
    total = uow.db.scalar(select(func.count()).select_from(DraftComment).where(on_draft)) or 0
    rows = uow.db.scalars(
        select(DraftComment)
        .where(on_draft)
        .order_by(DraftComment.id.desc())
        .offset(start)
        .limit(count)
    )
    found = []
    for row in rows:
        is_author = may_comment and _is_author(actor, row)
        found.append(
            _comment(
                row,
                is_own=is_author and is_live and row.deleted is None,
                may_delete=(is_author or (may_comment and manages)) and row.deleted is None,
            )
        )
    return found, total


def find(uow: UnitOfWork, actor: Actor, draft: Draft, number: int) -> Comment:
    """A comment of the draft that is not deleted.

    Raises:
        NotFound: there is none.
    """
    row = _find(uow, draft, number)
    is_author = _is_author(actor, row)
    return _comment(row, is_own=is_author, may_delete=is_author)


def _comment(row: DraftComment, *, is_own: bool, may_delete: bool) -> Comment:
    return Comment(
        id=row.id,
        by=row.by,
        at=row.at,
        edited=row.edited,
        deleted=row.deleted,
        deleted_by=row.deleted_by or "",
        text=row.text,
        html=row.html,
        is_own=is_own,
        may_delete=may_delete,
    )


def _begin(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    drafts.lock_and_reload(uow, draft)
    if draft.project is None or not drafts.is_live(uow, draft):
        raise Ended(drafts.ended_sentence(uow, draft))
    require(actor, Act.COMMENT, draft.project)


def _find(uow: UnitOfWork, draft: Draft, number: int, *, deleted: bool = False) -> DraftComment:
    row = uow.db.scalar(
        select(DraftComment).where(DraftComment.draft_id == draft.id, DraftComment.id == number)
    )
    if row is None or (row.deleted is not None and not deleted):
        raise NotFound("There is no such comment.")
    return row


def _is_author(actor: Actor, comment: DraftComment) -> bool:
    return actor.user_id is not None and actor.user_id == comment.by_id


def _text(text: str) -> str:
    said = plain_lines(text)
    if not said:
        raise InvalidRequest("The comment says nothing: write one.")
    if len(said) > LONGEST:
        raise InvalidRequest(f"A comment has at most {LONGEST} characters.")
    if has_unshown(said):
        raise InvalidRequest(
            "The comment has characters in it that nobody can see: leave them out."
        )
    return said


def _html(text: str) -> str:
    return releases.known_rendering(
        CoreMetadata(description=text, description_content_type="text/markdown")
    )


def _record(uow: UnitOfWork, act: Kind, actor: Actor, draft: Draft, comment: DraftComment) -> None:
    audit.write(
        uow,
        act,
        actor,
        project=draft.project,
        version=draft.version,
        # What is said is for those who see the draft, and can be deleted; this line cannot.
        detail=f"comment {comment.id} of {comment.by}",
    )
