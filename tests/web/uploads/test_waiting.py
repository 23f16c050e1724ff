"""``?wait=``: how a session stands, once that changes."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from greenroom.models import Token
from greenroom.registry import accounts, drafts, publishing, release_sets
from greenroom.registry.draft_changes import DraftMarks
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import fetch
from tests.web.waiting import after, answered, waits


@dataclass
class Staged:
    """A draft of ``example`` 1.0, and the two addresses that tell of it."""

    site: Site
    headers: dict[str, str]
    addresses: dict[str, str]

    def end(self, how: str) -> None:
        with self.site.services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            draft = drafts.by_key(uow.db, self.addresses["session"].split("/")[-2])
            assert draft is not None
            if how == "published":
                publishing.publish(uow, ada, draft)
            else:
                drafts.discard(uow, ada, draft)


@pytest.fixture
def staged(site: Site, tmp_path: Path) -> Staged:
    site.user()
    token = site.token()
    session = site.upload(make_wheel(tmp_path), token, staged=True).json["links"]["session"]
    addresses = {
        "session": session.removeprefix("http://index.example"),
        "lookup": "/api/drafts/example/1.0",
    }
    return Staged(site, authorization(token), addresses)


both = pytest.mark.parametrize("which", ["session", "lookup"])


@both
def test_a_request_waits_until_something_has_changed(
    staged: Staged, which: str, tmp_path: Path
) -> None:
    site, path, headers = staged.site, staged.addresses[which] + "?wait=7", staged.headers

    begun = waits(site, path, headers)
    assert (begun.left, begun.pause) == (7, 7)
    later = waits(site, path, headers, after(begun, 4))
    assert (later.left, later.topic, later.mark, later.since) == (
        3, begun.topic, begun.mark, begun.since
    )  # fmt: skip
    site.upload(make_sdist(tmp_path), site.token(), staged=True)
    changed = answered(site, path, headers, after(later))

    assert changed.status_int == 200
    assert len(changed.json["files"]) == 2
    assert changed.headers["Cache-Control"] == "private, no-store"
    assert waits(site, path, headers).mark != begun.mark


@both
def test_it_is_answered_when_its_time_is_up(staged: Staged, which: str) -> None:
    site, path, headers = staged.site, staged.addresses[which] + "?wait=60", staged.headers
    now = answered(site, staged.addresses[which], headers)

    same = answered(site, path, headers, after(waits(site, path, headers), 60))
    knowing = {**headers, "If-None-Match": now.headers["ETag"]}
    unchanged = answered(site, path, knowing, after(waits(site, path, knowing), 60))
    unknown = answered(site, path, {**headers, "If-None-Match": '"other"'})

    assert same.body == now.body == unknown.body
    assert same.headers["ETag"] == now.headers["ETag"]
    assert (unchanged.status_int, unchanged.body) == (304, b"")
    assert unchanged.headers["Cache-Control"] == "private, no-store"


@both
def test_where_nothing_can_wait_it_is_answered_at_once(staged: Staged, which: str) -> None:
    path = staged.addresses[which]

    assert fetch(staged.site, f"{path}?wait=60", headers=staged.headers).status_int == 200
    assert answered(staged.site, f"{path}?wait=0", staged.headers).status_int == 200


NONSENSE = ["", "61", "-1", "1.5", "1e1", " 5", "+5", "9" * 5000, "%D9%A3", "1&wait=2", "%00"]


@both
def test_a_wait_that_means_nothing_is_refused(staged: Staged, which: str) -> None:
    for wait in NONSENSE:
        path = f"{staged.addresses[which]}?wait={wait}"

        refused = answered(staged.site, path, staged.headers)

        assert refused.status_int == 400, wait
        assert any(word in refused.text for word in ("wait", "NUL", "characters")), wait
        assert answered(staged.site, path, {}).status_int == (401 if which == "session" else 404)


@both
@pytest.mark.parametrize("end", ["published", "discarded"])
def test_who_has_waited_hears_how_it_ended(staged: Staged, which: str, end: str) -> None:
    site, path = staged.site, staged.addresses[which]
    begun = waits(site, f"{path}?wait=60", staged.headers)

    staged.end(end)
    site.user("eve")
    ended = answered(site, f"{path}?wait=60", staged.headers, after(begun))
    others = answered(site, f"{path}?wait=60", authorization(site.token("eve")), after(begun))

    assert ended.json["outcome"] == end
    assert ended.json["status"] == ("published" if end == "published" else "canceled")
    assert others.status_int in (403, 404)
    # Nothing more will change.
    again = answered(site, f"{path}?wait=60", staged.headers)
    assert again.status_int == (200 if which == "session" else 404)


@both
def test_it_wakes_when_the_draft_expires(staged: Staged, which: str) -> None:
    site, path = staged.site, staged.addresses[which] + "?wait=60"
    site.clock.advance(timedelta(days=14) - timedelta(seconds=20))

    begun = waits(site, path, staged.headers)
    assert (begun.left, begun.pause) == (60, 20)
    site.clock.advance(timedelta(seconds=20))

    assert answered(site, path, staged.headers, after(begun, 20)).json["outcome"] == "expired"


@both
def test_a_token_that_is_revoked_meanwhile_is_told_nothing(staged: Staged, which: str) -> None:
    site, path = staged.site, staged.addresses[which] + "?wait=60"
    begun = waits(site, path, staged.headers)

    with site.services.writing() as uow:
        uow.db.execute(delete(Token))

    assert answered(site, path, staged.headers, after(begun)).status_int == 401


@pytest.mark.parametrize("end", ["published", "discarded"])
def test_who_waits_for_a_set_hears_of_its_drafts_and_its_end(
    staged: Staged, end: str, tmp_path: Path
) -> None:
    site, headers = staged.site, staged.headers
    site.stage(make_wheel(tmp_path, "second"))
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        for name in ("example", "second"):
            draft = factories.find_draft(uow, name, "1.0")
            assert draft is not None
            key = release_sets.add(uow, ada, draft, Reference("both")).key
    path = f"/upload/2.0/set/{key}/"
    now = answered(site, path, headers)
    knowing = {**headers, "If-None-Match": now.headers["ETag"]}
    assert answered(site, path, knowing).status_int == 304
    begun = waits(site, f"{path}?wait=60", headers)
    marks = DraftMarks(site.services.database)
    assert marks.look([begun.topic], anew=True) == {begun.topic: begun.mark}
    site.upload(make_wheel(tmp_path, "second", tag="py2-none-any"), site.token(), staged=True)
    changed = marks.look([begun.topic, "draft:1"], anew=True)
    assert changed is not None
    assert changed[begun.topic] != begun.mark
    assert "draft:1" in changed
    later = answered(site, f"{path}?wait=60", headers, after(begun))
    assert later.json["content-digest"] != now.json["content-digest"]
    begun = waits(site, f"{path}?wait=60", headers)
    limited = authorization(site.token(project="second"))
    also = waits(site, f"{path}?wait=60", limited)
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        release_set = release_sets.by_key(uow.db, key)
        assert release_set is not None
        if end == "published":
            publishing.publish_set(uow, ada, release_set)
        else:
            release_sets.discard(uow, ada, release_set)
    for who, waited in ((headers, begun), (limited, also)):
        ended = answered(site, f"{path}?wait=60", who, after(waited))
        assert ended.json["outcome"] == end
        assert ended.json["status"] == ("published" if end == "published" else "canceled")
    assert answered(site, f"{path}?wait=60", headers).status_int == 200
    assert answered(site, f"{path}?wait=61", headers).status_int == 400
