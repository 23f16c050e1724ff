"""Reviews: what a command of the operator's may do, and what keeps a draft safe meanwhile.

The commands are real processes.
"""

import hashlib
import json
import os
import shlex
import signal
import stat
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import Draft, RoleName
from greenroom.registry import (
    accounts,
    draft_contents,
    drafts,
    projects,
    publishing,
    removal,
    roles,
    upload_sessions,
)
from greenroom.registry.draft_contents import content_digest
from greenroom.registry.errors import (
    BeingReviewed,
    CannotPublish,
    DraftChanged,
    DraftsOnly,
    FileReserved,
    Refusal,
)
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.reviews import review_all
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.storage.local import blob_path
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

WHEEL = "example-1.0-py3-none-any.whl"
TIMEOUT = timedelta(seconds=4)


class Reviewed:
    """An index whose publications a script decides on; `script` is Python, or any command."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self.settings = services.settings
        with services.writing() as uow:
            factories.make_user(uow, "ada")

    def script(self, text: str, *, timeout: timedelta = timedelta(minutes=1)) -> None:
        path = self.folder / "review.py"
        path.write_text(text)
        self.command(f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}", timeout)

    def command(self, command: str | None, timeout: timedelta = timedelta(minutes=1)) -> None:
        settings = replace(self.settings, review_command=command, review_timeout=timeout)
        old = self.services
        self.services = Services(old.database, old.storage, settings, old.clock)

    def stage(self, *paths: Path) -> int:
        with self.services.writing() as uow:
            return factories.stage(uow, accounts.get_user(uow.db, "ada"), *paths).id

    def publish(self, draft_id: int, by: str = "ada") -> None:
        with self.services.writing() as uow:
            actor = Person(accounts.get_user(uow.db, by))
            draft = factories.get_draft(uow, draft_id)
            publishing.publish(uow, actor, draft, registers_name=True)

    def ask(self, *paths: Path) -> int:
        """Stage files and ask for their publication; gives the draft's id."""
        draft_id = self.stage(*paths)
        self.publish(draft_id)
        return draft_id

    def do(self, draft_id: int, act: Callable[[UnitOfWork, Actor, Draft], object]) -> None:
        with self.services.writing() as uow:
            actor = Person(accounts.get_user(uow.db, "ada"))
            act(uow, actor, factories.get_draft(uow, draft_id))

    def stands(self, draft_id: int) -> tuple[str, str | None, list[str]]:
        """State, review and notices of a draft."""
        with self.services.reading() as uow:
            draft = factories.get_draft(uow, draft_id)
            return draft.state, draft.review, list(draft.review_notices)

    @property
    def public(self) -> list[str]:
        with self.services.reading() as uow:
            return factories.public_filenames(uow, "example")


@pytest.fixture
def reviewed(services: Services, tmp_path: Path) -> Reviewed:
    return Reviewed(services, tmp_path)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


def upload_beside(uow: UnitOfWork, actor: Actor, draft: Draft, path: Path, staged: bool) -> None:
    factories.upload(uow, actor, path, staged=staged)


# What was approved


def test_what_was_asked_for_is_published_and_nothing_else(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)
    with reviewed.services.writing() as uow:  # no act can do so while it is decided on
        staged = drafts.files(uow.db, factories.get_draft(uow, draft_id))
        staged[0].filename = "example-1.0-py2-none-any.whl"

    review_all(reviewed.services)

    state, review, notices = reviewed.stands(draft_id)
    assert (state, review, reviewed.public) == ("open", "error", [])
    assert "has changed since" in notices[0]
    assert ["was added" in notices[1], "was removed" in notices[2]] == [True, True]


def test_who_asks_again_means_the_content_that_is_decided_on(
    reviewed: Reviewed, wheel: Path
) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)
    with reviewed.services.writing() as uow:
        draft = factories.get_draft(uow, draft_id)
        approved = draft.content_digest
        assert approved == draft_contents.digest_of(draft, drafts.files(uow.db, draft))
        ada = Person(accounts.get_user(uow.db, "ada"))
        publishing.publish(uow, ada, draft, content_digest=approved)
        empty = content_digest("example", "1.0", {})

        with pytest.raises(DraftChanged, match="was added"):
            publishing.publish(uow, ada, draft, content_digest=empty)

    review_all(reviewed.services)

    assert reviewed.public == [WHEEL]
    with reviewed.services.reading() as uow:
        assert factories.get_draft(uow, draft_id).content_digest == approved


# What the command says


def test_what_it_accepts_becomes_public_when_it_has(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("")
    draft = reviewed.ask(wheel)
    assert reviewed.stands(draft) == ("open", "processing", [])
    assert reviewed.public == []

    told: list[str] = []
    assert review_all(reviewed.services, told.append) == 1

    assert reviewed.stands(draft) == ("published", None, [])
    assert reviewed.public == [WHEEL]
    assert told == ["The review of example 1.0 passed."]
    assert review_all(reviewed.services) == 0


def test_its_notices_are_kept(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("print('scanned'); print(); print('  nothing found  ')")
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    assert reviewed.stands(draft) == ("published", None, ["scanned", "nothing found"])


def test_what_it_refuses_is_given_back_with_the_reasons(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("import sys; print('a virus'); print('no licence'); sys.exit(1)")
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    assert reviewed.stands(draft) == ("open", "error", ["a virus", "no licence"])
    assert reviewed.public == []
    with reviewed.services.reading() as uow:
        event = drafts.events(uow.db, factories.get_draft(uow, draft))[0]
        assert (event.by, event.act, event.detail) == ("review", "refused", "a virus no licence")


FAILURES = {
    "import sys; sys.exit(3)": "The review ended with status 3.",
    "raise ValueError": "The review ended with status 1.",
    "import os; os.kill(os.getpid(), 9)": "The review was ended by signal 9.",
    "import os; os.abort()": "The review was ended by signal 6.",
}


@pytest.mark.parametrize("script", FAILURES)
def test_it_refuses_in_whatever_way_it_ends(reviewed: Reviewed, wheel: Path, script: str) -> None:
    reviewed.script(script)
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    assert reviewed.stands(draft) == ("open", "error", [FAILURES[script]])


def test_who_was_killed_had_said_why(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("import os; print('going', flush=True); os.kill(os.getpid(), 15)")
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    notices = ["going", f"The review was ended by signal {signal.SIGTERM.value}."]
    assert reviewed.stands(draft) == ("open", "error", notices)


def test_it_has_its_time_and_is_killed_then_with_its_children(
    reviewed: Reviewed, wheel: Path
) -> None:
    pids = reviewed.folder / "pids"
    reviewed.script(
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(600)",
        timeout=TIMEOUT,
    )
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    notices = ["The review did not end within 4 seconds."]
    assert reviewed.stands(draft) == ("open", "error", notices)
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_children_that_outlive_it_are_killed_and_nobody_waits_for_them(
    reviewed: Reviewed, wheel: Path
) -> None:
    pid = reviewed.folder / "pid"
    reviewed.script(
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
    )
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    assert reviewed.stands(draft)[0] == "published"
    assert gone(int(pid.read_text()))


def gone(pid: int) -> bool:
    """Whether the process ends, or has ended and only nobody has taken note."""
    for _ in range(200):
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("command", ["/nowhere/scanner", "{folder}", "{folder}/no-program"])
def test_one_that_cannot_be_started_refuses(reviewed: Reviewed, wheel: Path, command: str) -> None:
    (reviewed.folder / "no-program").write_text("")
    reviewed.command(command.format(folder=reviewed.folder))
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    state, review, [notice] = reviewed.stands(draft)
    assert (state, review) == ("open", "error")
    assert notice.startswith("The review could not be started: ")


def test_of_what_it_prints_some_readable_lines_are_kept(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script(
        "import sys\n"
        "out = sys.stdout.buffer\n"
        "out.write(b'\\xff\\x00\\x1b[31mred\\x07\\n')\n"
        "out.write(b'long ' * 1000 + b'\\n')\n"
        "[out.write(b'line\\n' * 100_000) for _ in range(20)]\n"
        "sys.stderr.write('x' * 10_000_000)\n"
        "sys.exit(1)"
    )
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    _, review, notices = reviewed.stands(draft)
    assert review == "error"
    assert len(notices) == 20
    assert max(map(len, notices)) <= 500
    assert all(notice.isprintable() for notice in notices)
    assert notices[0].endswith("[31mred")


def test_it_need_not_read_what_it_is_told(reviewed: Reviewed, tmp_path: Path) -> None:
    reviewed.script("import sys; sys.stdin.close()")
    paths = [make_wheel(tmp_path, tag=f"py3-none-macosx_{n}_0_arm64") for n in range(10, 30)]
    draft = reviewed.ask(*paths)

    review_all(reviewed.services)

    assert reviewed.stands(draft)[0] == "published"


def test_a_file_that_is_lost_is_refused_and_not_tried_for_ever(
    reviewed: Reviewed, wheel: Path
) -> None:
    reviewed.script("")
    draft = reviewed.ask(wheel)
    with reviewed.services.reading() as uow:
        [file] = drafts.files(uow.db, factories.get_draft(uow, draft))
        reviewed.services.storage.delete(file.sha256)

    review_all(reviewed.services)

    notices = [f"The index has lost {WHEEL}: upload it anew."]
    assert reviewed.stands(draft) == ("open", "error", notices)


# What the command gets


def test_it_sees_the_files_and_is_told_what_they_are(
    reviewed: Reviewed, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GREENROOM_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "SCANNER"):
        monkeypatch.setenv(name, "set")
    report = tmp_path / "report.json"
    reviewed.script(
        "import hashlib, json, os, pathlib, sys\n"
        "seen = {'told': json.load(sys.stdin), 'environment': sorted(os.environ),\n"
        "        'folder': os.getcwd(),\n"
        "        'files': {p.name: hashlib.sha256(p.read_bytes()).hexdigest()\n"
        "                  for p in pathlib.Path().iterdir()}}\n"
        f"pathlib.Path({str(report)!r}).write_text(json.dumps(seen))\n"
    )
    sdist = make_sdist(tmp_path)
    reviewed.ask(wheel, sdist)

    review_all(reviewed.services)

    seen = json.loads(report.read_text())
    artifacts = [factories.artifact_of(path) for path in (sdist, wheel)]
    assert seen["told"] == {
        "project": "example",
        "version": "1.0",
        "content-digest": content_digest(
            "example", "1.0", {artifact.filename: artifact.sha256 for artifact in artifacts}
        ),
        "requested-by": "ada",
        "files": [
            {
                "filename": artifact.filename,
                "size": artifact.size,
                "sha256": artifact.sha256,
                "staged-by": "ada",
                "workflow": None,
            }
            for artifact in artifacts
        ],
    }
    assert seen["files"] == {artifact.filename: artifact.sha256 for artifact in artifacts}
    assert "SCANNER" in seen["environment"]
    assert not [n for n in seen["environment"] if n.startswith(("GREENROOM_", "AWS_"))]
    assert not Path(seen["folder"]).exists()
    assert list(reviewed.services.storage.incoming.iterdir()) == []


def test_what_it_does_to_its_files_is_not_done_to_those_of_the_index(
    reviewed: Reviewed, wheel: Path
) -> None:
    reviewed.script(
        "import pathlib\n"
        "for path in pathlib.Path().iterdir():\n"
        "    assert path.stat().st_mode & 0o222 == 0 and not path.is_symlink()\n"
        "    path.chmod(0o600)\n"
        "    path.write_bytes(b'other bytes')\n"
    )
    content = wheel.read_bytes()
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    assert reviewed.stands(draft)[0] == "published"
    with reviewed.services.storage.open(hashlib.sha256(content).hexdigest()) as blob:
        assert b"".join(blob) == content


def test_what_is_damaged_meanwhile_is_not_published(reviewed: Reviewed, wheel: Path) -> None:
    storage = reviewed.services.storage
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    blob = blob_path(Path(storage.address), digest)
    reviewed.script(
        f"path = __import__('pathlib').Path({str(blob)!r})\n"
        "content = bytearray(path.read_bytes())\n"
        "content[100] ^= 1\n"
        "path.unlink()\n"
        "path.write_bytes(content)\n"
    )
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    notices = [f"The index has lost {WHEEL}: upload it anew."]
    assert reviewed.stands(draft) == ("open", "error", notices)
    assert digest not in storage
    reviewed.stage(wheel)
    reviewed.script("")
    reviewed.publish(draft)
    review_all(reviewed.services)
    assert reviewed.stands(draft)[0] == "published"


def test_nothing_of_the_shell_is_in_the_command(reviewed: Reviewed, wheel: Path) -> None:
    trap = reviewed.folder / "trap"
    reviewed.command(f"/bin/echo 'one word; two' $(touch {trap})")
    draft = reviewed.ask(wheel)

    review_all(reviewed.services)

    assert reviewed.stands(draft) == (
        "published",
        None,
        [f"one word; two $(touch {trap})"],
    )
    assert not trap.exists()


def test_an_operator_asks_as_operator(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.command("/bin/cat")
    draft_id = reviewed.stage(wheel)
    with reviewed.services.writing() as uow:
        publishing.publish(uow, OPERATOR, factories.get_draft(uow, draft_id))

    review_all(reviewed.services)

    state, _, [told] = reviewed.stands(draft_id)
    assert state == "published"
    assert json.loads(told)["requested-by"] == "operator"
    with reviewed.services.reading() as uow:
        draft = factories.get_draft(uow, draft_id)
        assert drafts.events(uow.db, draft)[0].by == "operator"


def test_a_name_that_is_only_registered_is_decided_on_too(reviewed: Reviewed) -> None:
    reviewed.command("/bin/cat")
    with reviewed.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        draft_id = factories.open_new(uow, ada).id
    reviewed.publish(draft_id)
    with reviewed.services.reading() as uow:
        assert projects.get(uow, "example").registered is None

    review_all(reviewed.services)

    state, _, [told] = reviewed.stands(draft_id)
    assert (state, json.loads(told)["files"]) == ("published", [])
    with reviewed.services.reading() as uow:
        assert projects.get(uow, "example").registered is not None


# Meanwhile


def test_nothing_can_be_changed_while_it_runs(
    reviewed: Reviewed, wheel: Path, tmp_path: Path
) -> None:
    reviewed.script("")
    sdist = make_sdist(tmp_path)
    draft_id = reviewed.ask(wheel)
    before = reviewed.stands(draft_id)
    acts: list[Callable[[UnitOfWork, Actor, Draft], object]] = [
        lambda i, a, d: factories.stage(i, a, sdist),
        lambda i, a, d: factories.announce(i, a, d, sdist),
        lambda i, a, d: drafts.remove_file(i, a, d, WHEEL),
        lambda i, a, d: upload_sessions.remove(i, a, d, WHEEL),
        drafts.discard,
        drafts.extend,
        lambda i, a, d: drafts.extend_for(i, a, d, timedelta(days=1)),
        drafts.rotate,
    ]

    for act in acts:
        with pytest.raises(BeingReviewed):
            reviewed.do(draft_id, act)
        assert reviewed.stands(draft_id) == before

    reviewed.do(draft_id, lambda i, a, d: publishing.publish(i, a, d))
    assert reviewed.stands(draft_id) == before


@pytest.mark.parametrize("staged", [True, False])
def test_the_names_of_its_files_are_taken_while_it_runs(
    reviewed: Reviewed, wheel: Path, tmp_path: Path, staged: bool
) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)
    other = make_wheel(tmp_path / "other", salt="other")

    for path in (wheel, other):
        again = partial(upload_beside, path=path, staged=staged)
        with pytest.raises(FileReserved, match="File already exists"):
            reviewed.do(draft_id, again)

    reviewed.script("import sys; sys.exit(1)")
    review_all(reviewed.services)
    reviewed.do(draft_id, lambda i, a, d: factories.upload(i, a, other, staged=True))


def test_after_a_refusal_the_draft_is_open_as_before(
    reviewed: Reviewed, wheel: Path, tmp_path: Path
) -> None:
    reviewed.script("import sys; print('no'); sys.exit(1)")
    draft_id = reviewed.ask(wheel)
    review_all(reviewed.services)

    reviewed.do(draft_id, lambda i, a, d: factories.stage(i, a, make_sdist(tmp_path)))
    reviewed.do(draft_id, lambda i, a, d: drafts.remove_file(i, a, d, WHEEL))
    assert reviewed.stands(draft_id) == ("open", "error", ["no"])

    reviewed.script("print('yes')")
    reviewed.publish(draft_id)
    assert reviewed.stands(draft_id) == ("open", "processing", [])
    review_all(reviewed.services)
    assert reviewed.stands(draft_id) == ("published", None, ["yes"])
    assert reviewed.public == ["example-1.0.tar.gz"]


def test_what_stands_in_the_way_at_once_is_not_reviewed(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("")
    draft_id = reviewed.stage(wheel)
    reviewed.do(draft_id, lambda i, a, d: drafts.remove_file(i, a, d, WHEEL))

    with pytest.raises(CannotPublish):
        reviewed.do(draft_id, lambda i, a, d: publishing.publish(i, a, d))

    assert reviewed.stands(draft_id) == ("open", None, [])


def test_a_refused_draft_is_discarded(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.command("/bin/false")
    draft_id = reviewed.ask(wheel)
    review_all(reviewed.services)

    reviewed.do(draft_id, drafts.discard)

    assert reviewed.stands(draft_id)[:2] == ("discarded", None)


def test_who_lost_the_role_meanwhile_does_not_publish(
    reviewed: Reviewed, wheel: Path, tmp_path: Path
) -> None:
    reviewed.script("")
    draft_id = reviewed.stage(wheel)
    with reviewed.services.writing() as uow:
        bob = Person(factories.make_user(uow, "bob"))
        factories.add_role(uow, projects.get(uow, "example"), bob.user, RoleName.MAINTAINER)
    reviewed.publish(draft_id, by="bob")
    with reviewed.services.writing() as uow:
        roles.take(uow, OPERATOR, projects.get(uow, "example"), "bob")

    review_all(reviewed.services)

    state, review, notices = reviewed.stands(draft_id)
    assert (state, review) == ("open", "error")
    assert notices == ["The user 'bob' may not publish in project 'example'."]
    assert reviewed.public == []


CLOSINGS: dict[str, Callable[[UnitOfWork], object]] = {
    "is archived": lambda i: projects.archive(i, OPERATOR, projects.get(i, "example"), "Done."),
    "is in quarantine": lambda i: projects.quarantine(i, OPERATOR, projects.get(i, "example")),
}


@pytest.mark.parametrize("about", CLOSINGS)
def test_a_project_that_was_closed_meanwhile_publishes_nothing(
    reviewed: Reviewed, tmp_path: Path, about: str
) -> None:
    with reviewed.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        factories.release(uow, ada, make_wheel(tmp_path, version="0.9"))
    reviewed.script("")
    draft_id = reviewed.ask(make_wheel(tmp_path))
    with reviewed.services.writing() as uow:
        CLOSINGS[about](uow)

    review_all(reviewed.services)

    state, review, [notice] = reviewed.stands(draft_id)
    assert (state, review) == ("open", "error")
    assert about in notice


def test_a_project_is_not_deleted_while_one_of_its_drafts_is_decided_on(
    reviewed: Reviewed, tmp_path: Path
) -> None:
    with reviewed.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        factories.release(uow, ada, make_wheel(tmp_path, version="0.9"))
    reviewed.script("")
    draft_id = reviewed.ask(make_wheel(tmp_path))

    with pytest.raises(Refusal):
        reviewed.do(
            draft_id, lambda i, a, d: removal.remove_project(i, a, projects.get(i, "example"))
        )


def test_direct_uploads_are_refused_where_reviews_are_on(
    reviewed: Reviewed, tmp_path: Path
) -> None:
    reviewed.script("")
    path = make_wheel(tmp_path)
    with reviewed.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        with pytest.raises(DraftsOnly, match="reviews"):
            factories.release(uow, ada, path)


# Reviewers that are gone


def take(services: Services, draft_id: int) -> bool:
    with services.writing() as uow:
        return publishing.take_review(uow, factories.get_draft(uow, draft_id))


def test_a_review_has_one_reviewer(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)

    taken = factories.at_once(*[lambda: take(reviewed.services, draft_id)] * 4)

    assert sorted(taken) == [False, False, False, True]


def test_a_review_whose_reviewer_was_killed_is_taken_up_again_after_its_time(
    reviewed: Reviewed, wheel: Path, clock: FakeClock
) -> None:
    reviewed.script("", timeout=TIMEOUT)
    draft_id = reviewed.ask(wheel)
    assert take(reviewed.services, draft_id)  # and nothing more is heard of that reviewer

    clock.advance(2 * TIMEOUT - timedelta(microseconds=1))
    assert review_all(reviewed.services) == 0
    assert reviewed.stands(draft_id)[1] == "processing"
    clock.advance(timedelta(microseconds=1))
    assert review_all(reviewed.services) == 1
    assert reviewed.stands(draft_id)[0] == "published"


def test_whoever_comes_last_changes_nothing_any_more(reviewed: Reviewed, wheel: Path) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)
    review_all(reviewed.services)

    with reviewed.services.writing() as uow:
        draft = factories.get_draft(uow, draft_id)
        publishing.finish_review(uow, draft, passed=False, notices=["too late"])

    assert reviewed.stands(draft_id) == ("published", None, [])


def test_a_draft_does_not_fall_due_while_it_waits_for_a_day(
    reviewed: Reviewed, wheel: Path, clock: FakeClock
) -> None:
    reviewed.script("")
    draft_id = reviewed.stage(wheel)
    clock.advance(reviewed.settings.draft_lifetime - timedelta(seconds=1))
    reviewed.publish(draft_id)
    clock.advance(timedelta(days=1) - timedelta(seconds=1))

    assert review_all(reviewed.services) == 1
    assert reviewed.stands(draft_id)[0] == "published"


def test_one_that_nobody_decided_on_expires_for_good(
    reviewed: Reviewed, wheel: Path, clock: FakeClock
) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)
    clock.advance(reviewed.settings.draft_lifetime)

    assert review_all(reviewed.services) == 0
    with reviewed.services.writing() as uow:
        draft = factories.get_draft(uow, draft_id)
        publishing.finish_review(uow, draft, passed=True, notices=[])
        assert drafts.state(uow, draft) == "expired"
    assert reviewed.public == []


def test_when_there_are_no_reviews_any_more_it_is_published_by_asking_again(
    reviewed: Reviewed, wheel: Path
) -> None:
    reviewed.script("")
    draft_id = reviewed.ask(wheel)
    reviewed.command(None)

    assert review_all(reviewed.services) == 0
    reviewed.publish(draft_id)

    assert reviewed.stands(draft_id) == ("published", None, [])
    assert reviewed.public == [WHEEL]


@pytest.fixture
def guides_example(reviewed: Reviewed, tmp_path: Path) -> None:
    """The command that the guide shows reviews releases."""
    guide = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    script = tmp_path / "review-release"
    script.write_text(guide.partition("```sh\n")[2].partition("```")[0])
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    reviewed.command(f"{shlex.quote(str(script))} --strict")


@pytest.mark.usefixtures("guides_example")
def test_the_guides_example_does_what_it_says(reviewed: Reviewed, tmp_path: Path) -> None:
    clean = reviewed.ask(make_wheel(tmp_path))
    files = {"evil.pth": b"import os\n"}
    dirty = reviewed.ask(make_wheel(tmp_path, version="2.0", extra_files=files))

    assert review_all(reviewed.services) == 2

    assert reviewed.stands(clean) == ("published", None, ["Reviewed: example"])
    assert reviewed.stands(dirty)[:2] == ("open", "error")
    assert ".pth file" in reviewed.stands(dirty)[2][1]


@pytest.mark.usefixtures("guides_example")
def test_the_guides_example_accepts_nothing_that_it_cannot_look_into(
    reviewed: Reviewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    python = tools / "python3"
    python.write_text('#!/bin/sh\ntest "$1" = -c\n')
    python.chmod(0o700)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    unread = reviewed.ask(make_wheel(tmp_path))

    assert review_all(reviewed.services) == 1

    assert reviewed.stands(unread)[:2] == ("open", "error")
