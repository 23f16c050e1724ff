"""Comments on a draft: by whom, how they are shown, and what is left of them."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import Draft, DraftComment, RoleName
from greenroom.registry import draft_comments, drafts, publishing
from greenroom.registry.draft_comments import LONGEST
from greenroom.registry.errors import Ended, InvalidRequest, NotAllowed, NotFound, TooMany
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_wheel

pytestmark = pytest.mark.usefixtures("renderings_are_kept")


@pytest.fixture
def draft(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Draft:
    return factories.stage(uow, ada, make_wheel(tmp_path))


def test_a_comment_is_written_changed_and_deleted(
    uow: UnitOfWork, ada: Person, eve: Person, draft: Draft
) -> None:
    assert draft.project is not None
    factories.add_role(uow, draft.project, eve.user, RoleName.MAINTAINER)
    number = factories.comment(uow, eve, draft, "I **tried** it: <script>alert(1)</script>")
    (shown,), total = draft_comments.of_draft(uow, eve, draft, start=0, count=20)
    assert (total, shown.id, shown.by, shown.edited) == (1, number, "eve", None)
    assert "<strong>tried</strong>" in shown.html
    assert "<script" not in shown.html
    assert (shown.is_own, shown.may_delete) == (True, True)
    (to_owner,), _ = draft_comments.of_draft(uow, ada, draft, start=0, count=20)
    assert (to_owner.is_own, to_owner.may_delete) == (False, True)

    with pytest.raises(NotAllowed, match="who wrote the comment"):
        factories.edit_comment(uow, ada, draft, number, "It is bad.")
    later = replace(uow, now=uow.now + timedelta(minutes=5))
    factories.edit_comment(later, eve, draft, number, "It works.")
    (changed,), _ = draft_comments.of_draft(uow, eve, draft, start=0, count=20)
    assert (changed.text, changed.edited) == ("It works.", later.now)

    by_ada = factories.comment(uow, ada, draft)
    with pytest.raises(NotAllowed, match="owners of the project"):
        draft_comments.remove(uow, eve, draft, by_ada)
    publishing.publish(uow, ada, draft)
    for do in (
        lambda: factories.comment(uow, ada, draft),
        lambda: factories.edit_comment(uow, eve, draft, number, "Too late."),
    ):
        with pytest.raises(Ended):
            do()
    draft_comments.remove(later, ada, draft, number)
    _, gone = draft_comments.of_draft(uow, eve, draft, start=0, count=20)[0]
    assert (gone.deleted, gone.deleted_by, gone.by) == (later.now, "ada", "eve")
    row = uow.db.get_one(DraftComment, number)
    assert (row.text, row.html) == ("", "")
    with pytest.raises(NotFound):
        draft_comments.find(uow, eve, draft, number)


def test_comments_are_bounded(
    uow: UnitOfWork,
    ada: Person,
    draft: Draft,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for text in ("", " \n", "x" * (LONGEST + 1), "a\0b", "\ud800", "\u202egnihton"):
        with pytest.raises(InvalidRequest):
            factories.comment(uow, ada, draft, text)
    for number in (0, 4711):
        with pytest.raises(NotFound):
            draft_comments.remove(uow, ada, draft, number)
    for _ in range(60):
        factories.comment(uow, ada, draft)
    with pytest.raises(TooMany):
        factories.comment(uow, ada, draft)
    monkeypatch.setattr(draft_comments, "MOST", 60)
    with pytest.raises(InvalidRequest, match="60 comments"):
        factories.comment(replace(uow, now=uow.now + timedelta(hours=2)), ada, draft)
    other = factories.stage(uow, ada, make_wheel(tmp_path, version="2.0"))
    with pytest.raises(NotFound):  # it is of another draft
        draft_comments.remove(
            uow, ada, other, draft_comments.of_draft(uow, ada, draft, start=0, count=1)[0][0].id
        )
    assert draft_comments.of_draft(uow, ada, draft, start=50, count=20)[1] == 60
    assert len(draft_comments.of_draft(uow, ada, draft, start=50, count=20)[0]) == 10
    drafts.discard(uow, ada, draft)
    with pytest.raises(NotFound):
        draft_comments.remove(uow, ada, draft, 1)
