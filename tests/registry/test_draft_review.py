"""The review of a draft: facts that a job has found once, and what is told of them."""

from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from greenroom.distributions import facts as looking
from greenroom.distributions.agreement import Sources
from greenroom.distributions.compared import COMPARISON
from greenroom.distributions.matrix import CellState
from greenroom.distributions.review import Code, Severity
from greenroom.models import (
    Draft,
    DraftEvent,
    File,
    FileComparison,
    FileFacts,
    Job,
    Release,
    RoleName,
)
from greenroom.registry import (
    accounts,
    audit,
    draft_changes,
    draft_review,
    drafts,
    expected_files,
    file_facts,
    housekeeping,
    jobs,
    member_comparisons,
    publishing,
    silenced_findings,
)
from greenroom.registry.draft_review import DraftReview
from greenroom.registry.errors import DraftsOnly, Ended, InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.distributions.test_natives import ELF_X86_64
from tests.factories import one_unit
from tests.jobs import do_due
from tests.registry.test_audit import kinds, newest

LINUX = "manylinux_2_17_x86_64"


def analyse(uow: UnitOfWork, *draft_ids: int) -> int:
    return file_facts.analyse(one_unit(uow), draft_ids)


def linux_wheel(folder: Path, version: str, python: str, **more: bytes) -> Path:
    module = f"example/fast.cpython-{python[2:]}-x86_64-linux-gnu.so"
    files = {module: ELF_X86_64} | more
    return make_wheel(
        folder, "example", version, tag=f"{python}-{python}-{LINUX}", extra_files=files
    )


def codes(review: DraftReview) -> dict[str, str]:
    return {finding.code: finding.detail or finding.path for finding in review.findings}


def test_a_first_release_is_told_as_such(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    job = uow.db.scalars(select(Job).where(Job.kind == jobs.Kind.ANALYSE)).one()
    assert job.payload == {"drafts": [str(draft.id)]}

    before = draft_review.review(uow, draft)
    assert (str(before.progress), before.verdict.is_complete) == ("0 of 1 file analysed", False)
    assert not before.changes.archives[0].is_analysed

    assert analyse(uow, draft.id) == 1
    review = draft_review.review(uow, draft)
    assert str(review.progress) == "1 of 1 file analysed"
    verdict = review.verdict
    assert (verdict.published, verdict.becomes, verdict.is_first) == (None, "1.0", True)
    assert (verdict.file_count, verdict.is_complete, verdict.obstacles) == (1, True, ())
    assert codes(review) == {"no-sdist": ""}
    assert dict(verdict.counts) == {each: int(each is Severity.NOTE) for each in Severity}
    assert (review.changes.against, review.changes.choices) == (None, ())
    (archive,) = review.changes.archives
    assert (archive.former, archive.added, archive.removed) == (None, 4, 0)
    (file,) = review.files
    assert (file.by, file.means, file.replaced, file.earlier) == ("ada", None, None, ())
    assert (file.credential or "").startswith("session")
    assert analyse(uow, draft.id) == 0


def test_a_release_beside_the_one_before(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    before = [
        linux_wheel(tmp_path, "1.0", "cp311"),
        linux_wheel(tmp_path, "1.0", "cp312"),
        make_sdist(tmp_path, "example", "1.0", extra_files={"example/a.py": b"A = 1\n"}),
    ]
    factories.release(uow, ada, *before)
    now = linux_wheel(
        tmp_path,
        "2.0",
        "cp312",
        **{
            "example/a.py": b"A = 2\nURL = 'https://collect.evil.example/x'\n",
            "evil.pth": b"import example.a\n",
            "example/more.so": ELF_X86_64,
            "{dist_info}/entry_points.txt": b"[console_scripts]\nexample = example:main\n",
        },
    )
    draft = factories.stage(uow, ada, now)
    assert analyse(uow, draft.id) == 4

    review = draft_review.review(uow, draft)
    assert str(review.progress) == "4 of 4 files analysed"
    assert codes(review) == {
        "pth-file": "evil.pth",
        "missing-sdist": "there was example-1.0.tar.gz",
        "missing-wheel": f"manylinux x86_64 cp311, which had {before[0].name}",
        "new-address": "collect.evil.example in line 2",
        "new-entry-point": "console_scripts: example = example:main",
        "new-native-code": "example/more.so",
    }
    verdict, changes = review.verdict, review.changes
    assert (verdict.published, verdict.is_complete, changes.against) == ("1.0", False, "1.0")
    archive, *gone = changes.archives
    assert archive.former == before[1].name
    places = {change.place: (change.is_added, change.is_removed) for change in archive.members}
    assert places["evil.pth"] == (True, False)
    assert places["example/__init__.py"] == (False, False)
    assert {each.former for each in gone} == {before[0].name, before[2].name}
    assert [(each.field, each.added) for each in changes.fields] == [
        ("entry_points", ("console_scripts: example = example:main",))
    ]
    (row,) = review.completeness.matrix.rows
    assert [cell.state for cell in row.cells] == [CellState.GAP, CellState.HERE]

    pair = draft_review.member_pair(uow, draft, now.name, "example/__init__.py")
    assert pair.after is not None
    assert (pair.before.filename if pair.before is not None else "") == before[1].name
    for path, has_before, has_after in (
        ("evil.pth", False, True),
        ("example-1.0.dist-info/METADATA", True, False),
        ("example/fast.cpython-312-x86_64-linux-gnu.so", True, True),
    ):
        pair = draft_review.member_pair(uow, draft, now.name, path)
        assert ((pair.before is not None), (pair.after is not None)) == (has_before, has_after)
    for filename, path in ((now.name, "no/such"), ("other.whl", "evil.pth")):
        with pytest.raises(NotFound):
            draft_review.member_pair(uow, draft, filename, path)


def test_what_it_is_compared_with_can_be_chosen(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    for version in ("1.0", "1.5rc1", "2.0", "3.0"):
        factories.release(uow, ada, make_wheel(tmp_path, "example", version))
    compared = {}
    for version in ("1.5", "1.6rc1", "0.9", "4.0"):
        draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", version))
        compared[version] = draft_review.review(uow, draft).changes.against
    assert compared == {"1.5": "1.0", "1.6rc1": "1.5rc1", "0.9": "3.0", "4.0": "3.0"}

    chosen = draft_review.review(uow, draft, "v1.0.0").changes
    assert (chosen.against, chosen.choices) == ("1.0", ("3.0", "2.0", "1.5rc1", "1.0"))
    for wrong in ("9", "nonsense", "4.0", "\0", "1" * 5000):
        with pytest.raises(NotFound):
            draft_review.review(uow, draft, wrong)

    # What a review has found not to be looked into is, once somebody asks for it.
    waiting = len(list(uow.db.scalars(select(Job).where(Job.kind == jobs.Kind.ANALYSE))))
    for _ in range(2):
        draft_review.want_missing(uow, draft, "1.0")
    analysing = select(Job).where(Job.kind == jobs.Kind.ANALYSE).order_by(Job.id)
    found = list(uow.db.scalars(analysing))
    assert len(found) == waiting + 1
    releases = [int(text) for text in jobs.texts(found[-1].payload, "releases")]
    assert file_facts.analyse(one_unit(uow), [draft.id], releases) == 3
    assert draft_review.review(uow, draft, "1.0").progress.is_complete


def test_facts_stay_with_the_bytes(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "a")
    draft = factories.stage(uow, ada, wheel)
    analyse(uow, draft.id)
    factories.stage(uow, ada, make_wheel(tmp_path / "b", salt="other"))
    assert analyse(uow, draft.id) == 1
    again = factories.stage(uow, ada, wheel)
    assert (again.id, analyse(uow, draft.id)) == (draft.id, 0)  # it is known of before
    (file,) = draft_review.review(uow, draft).files
    assert file.replaced not in (None, file.sha256)

    drafts.discard(uow, ada, draft)
    anew = factories.stage(uow, ada, wheel)
    assert analyse(uow, anew.id) == 0
    review = draft_review.review(uow, anew)
    assert review.progress.is_complete
    assert [(each.version, each.state) for each in review.files[0].earlier] == [
        ("1.0", "discarded")
    ]
    publishing.publish(uow, ada, anew)
    kept = uow.db.scalars(select(FileFacts).where(FileFacts.file_id.is_not(None))).all()
    assert [facts.filename for facts in kept] == [wheel.name]
    with pytest.raises(Ended):
        draft_review.review(uow, anew)


def test_facts_of_files_that_have_gone_go_later(services: Services, tmp_path: Path) -> None:
    housekeeping.keep_house(services)
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        draft = factories.stage(uow, ada, make_wheel(tmp_path))
        number = draft.id
    assert file_facts.analyse(services, [number]) == 1
    with services.writing() as uow:
        draft = uow.db.get_one(type(draft), number)
        drafts.discard(uow, OPERATOR, draft)

    def count() -> int:
        with services.reading() as uow:
            return uow.db.scalar(select(func.count()).select_from(FileFacts)) or 0

    housekeeping.keep_house(services)
    assert count() == 1
    with services.writing() as uow:
        uow.db.execute(update(FileFacts).values(found=uow.now - file_facts.KEPT))
    housekeeping.keep_house(services)
    assert count() == 0


@pytest.mark.parametrize("damage", [b"", b"not an archive", None])
def test_what_cannot_be_read_is_a_fact(
    uow: UnitOfWork, ada: Person, tmp_path: Path, damage: bytes | None
) -> None:
    wheel = make_wheel(tmp_path)
    draft = factories.stage(uow, ada, wheel)
    (file,) = drafts.files(uow.db, draft)
    (blob,) = (path for path in uow.storage.incoming.parent.rglob(f"*{file.sha256[4:]}*"))
    blob.chmod(0o600)
    if damage is None:
        blob.unlink()
    else:
        blob.write_bytes(damage)

    assert analyse(uow, draft.id) == 1
    review = draft_review.review(uow, draft)
    assert review.progress.is_complete
    assert review.changes.archives[0].problem
    (finding,) = (each for each in review.findings if each.code == "unreadable")
    assert finding.severity is Severity.PROBLEM
    factories.stage(uow, ada, make_wheel(tmp_path / "b", salt="other"))
    assert analyse(uow, draft.id) == 1
    assert "unreadable" not in codes(draft_review.review(uow, draft))


def test_a_finding_is_silenced_and_told_again(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    files = {"evil.pth": b"import os\n", "good.pth": b"import re\n"}
    draft = factories.stage(uow, ada, make_wheel(tmp_path, extra_files=files))
    analyse(uow, draft.id)
    project = draft.project
    assert project is not None

    def said(by: Actor = ada) -> list[tuple[str, str | None]]:
        return [
            (each.path, each.silence.reason if each.silence is not None else None)
            for each in draft_review.review(uow, draft).findings
            if each.code == "pth-file"
        ]

    assert said() == [("evil.pth", None), ("good.pth", None)]
    start = newest(uow)
    silence = silenced_findings.silence(uow, ada, project, "pth-file", "It is ours.", "good*")
    assert said() == [("evil.pth", None), ("good.pth", "It is ours.")]
    review = draft_review.review(uow, draft)
    assert (dict(review.verdict.counts)[Severity.LOOK], review.verdict.silenced) == (1, 1)
    silenced_findings.silence(uow, ada, project, "pth-file", "Really.", "good*")
    assert [each.reason for each in silenced_findings.of_project(uow.db, project)] == ["Really."]
    silenced_findings.unsilence(uow, ada, project, silence.id)
    assert said() == [("evil.pth", None), ("good.pth", None)]
    acts = [audit.Kind.FINDING_SILENCE, audit.Kind.FINDING_SILENCE, audit.Kind.FINDING_UNSILENCE]
    assert kinds(uow, start) == acts

    for arguments in (
        ("nonsense", "x"),
        ("pth-file", " "),
        ("pth-file", "x" * 1000),
        ("pth-file", "x\0"),
        ("pth-file", "x", "p" * 256),
        ("pth-file", "x", "a\nb"),
    ):
        with pytest.raises(InvalidRequest):
            silenced_findings.silence(uow, ada, project, *arguments)
    for number in (silence.id, 0, -1, 2**80):
        with pytest.raises(NotFound):
            silenced_findings.unsilence(uow, ada, project, number)
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)
    with pytest.raises(NotAllowed):
        silenced_findings.silence(uow, eve, project, "pth-file", "x")
    with pytest.raises(NotAllowed):
        silenced_findings.unsilence(uow, eve, project, silence.id)
    assert kinds(uow, start)[len(acts) :] == ["role-give"]


def test_what_is_expected_and_missing_is_a_reason_not_to_publish(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, linux_wheel(tmp_path, "1.0", "cp312"))
    project = draft.project
    assert project is not None
    start = newest(uow)
    with pytest.raises(NotAllowed):
        expected_files.change(uow, eve, project, "sdist")
    for wrong in ("nonsense", "sdist\nmanylinux", "\0", "sdist\n" * 101):
        with pytest.raises(InvalidRequest):
            expected_files.change(uow, ada, project, wrong)
    text = "sdist\r\nmanylinux x86_64 cp311\N{EN DASH}cp312  # both\r\n"
    expected_files.change(uow, ada, project, text)
    expected_files.change(uow, ada, project, text)
    assert kinds(uow, start) == [audit.Kind.PROJECT_EXPECT]

    review = draft_review.review(uow, draft)
    missing = ("a source distribution", "a wheel for manylinux x86_64 cp311")
    assert review.completeness.missing == missing
    assert [
        obstacle for what in missing for obstacle in review.verdict.obstacles if what in obstacle
    ]
    assert review.verdict.obstacles == publishing.obstacles(uow, draft)
    factories.stage(uow, ada, linux_wheel(tmp_path, "1.0", "cp311"))
    factories.stage(uow, ada, make_sdist(tmp_path, "example", "1.0"))
    assert publishing.obstacles(uow, draft) == ()
    expected_files.change(uow, ada, project, "musllinux aarch64")
    assert len(publishing.obstacles(uow, draft)) == 1
    expected_files.change(uow, ada, project, " \n")
    assert project.expected_files == ""
    analyse(uow, draft.id)
    assert draft_review.review(uow, draft).verdict.is_complete
    publishing.publish(uow, ada, draft)


def test_only_what_lacks_nothing_is_uploaded_past_the_drafts(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    project = factories.release(uow, ada, linux_wheel(tmp_path, "1.0", "cp312"))
    expected_files.change(uow, ada, project, "sdist\nmanylinux x86_64 cp312")
    sdist = make_sdist(tmp_path, "example", "1.0")
    for filename in (linux_wheel(tmp_path, "1.0", "cp313"), make_sdist(tmp_path, version="2.0")):
        with pytest.raises(DraftsOnly, match="'example' expects certain files") as refusal:
            factories.upload(uow, ada, filename, staged=False)
        assert "Upload this file as a draft, then publish the draft." in str(refusal.value)
    # What completes a public release is taken, and what is more than it has to have.
    for path in (sdist, linux_wheel(tmp_path, "1.0", "cp313")):
        assert factories.upload(uow, ada, path, staged=False).published
    expected_files.change(uow, ada, project, "windows amd64")
    assert not factories.upload(uow, ada, sdist, staged=False).changed
    with pytest.raises(DraftsOnly):
        factories.upload(uow, ada, linux_wheel(tmp_path, "1.0", "cp311"), staged=False)
    draft = factories.stage(uow, ada, make_sdist(tmp_path, version="2.0"))
    expected_files.change(uow, ada, project, "sdist")
    with pytest.raises(DraftsOnly):
        factories.upload(uow, ada, make_sdist(tmp_path, version="3.0"), staged=False)
    publishing.publish(uow, ada, draft)


def test_more_files_of_a_public_release_are_reviewed_with_it(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    factories.release(uow, ada, make_sdist(tmp_path, "example", "1.0"))
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "1.0", summary="Another."))
    assert analyse(uow, draft.id) == 2
    review = draft_review.review(uow, draft)
    assert (review.verdict.adds_to_release, review.changes.against) == (True, None)
    assert codes(review) == {"sdist-disagrees": "summary lacks 'Another.' and has 'An example.'"}
    assert review.completeness.has_sdist


def test_events_from_before_have_no_digests(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    uow.db.execute(update(DraftEvent).values(sha256=None, credential=None))
    (file,) = draft_review.review(uow, draft).files
    assert (file.by, file.credential, file.earlier) == ("ada", None, ())


def test_the_same_finding_in_many_files_is_told_once(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    secret = b"TOKEN = 'ghp_" + b"a1" * 18 + b"'\n"
    for python in ("cp311", "cp312", "cp313"):
        wheel = linux_wheel(tmp_path, "1.0", python, **{"example/secret.py": secret})
        draft = factories.stage(uow, ada, wheel)
    many = {f"example/f{n}.pyc": b"x" for n in range(45)}
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "1.0", extra_files=many))
    analyse(uow, draft.id)
    findings = draft_review.review(uow, draft).findings
    (credential,) = (each for each in findings if each.code == Code.CREDENTIAL)
    assert len(credential.filenames) == 3
    bytecode = [each for each in findings if each.code == Code.BYTECODE]
    assert (len(bytecode), bytecode[-1].more) == (20, 25)
    assert Version(draft.version) == Version("1.0")


def test_drafts_that_nobody_has_looked_into_are_looked_into_by_and_by(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    with services.writing() as uow:
        factories.stage(uow, factories.make_user(uow, "ada"), make_wheel(tmp_path))
        uow.db.execute(delete(Job))  # as if it was staged before there were any
        assert file_facts.want_of_open(uow) == 0  # of late
    clock.advance(timedelta(hours=2))
    for _ in range(2):
        with services.writing() as uow:
            assert file_facts.want_of_open(uow) == 1
            of_kind = select(func.count()).where(Job.kind == jobs.Kind.ANALYSE)
            assert uow.db.scalar(of_kind) == 1
    do_due(services)
    with services.writing() as uow:
        assert file_facts.want_of_open(uow) == 0
        assert len(uow.db.scalars(select(FileFacts)).all()) == 1


def counted(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(FileComparison)) or 0


def test_files_are_compared_once_by_the_job_and_not_on_a_view(
    uow: UnitOfWork, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.release(uow, ada, linux_wheel(tmp_path, "1.0", "cp312"))
    wheel = linux_wheel(tmp_path, "2.0", "cp312", **{"example/a.py": b"A = 1\n"})
    factories.stage(uow, ada, wheel)
    draft = factories.stage(uow, ada, make_sdist(tmp_path, "example", "2.0"))
    analyse(uow, draft.id)
    before = draft_review.review(uow, draft)
    # The wheel beside its predecessor and the source distribution, which itself has none before it.
    assert counted(uow.db) == 3
    assert before.progress.is_complete
    assert "not-in-sdist" in codes(before)

    monkeypatch.setattr(looking, "unpack", None)
    monkeypatch.setattr(Sources, "compare", None)
    assert analyse(uow, draft.id) == 0
    assert draft_review.review(uow, draft) == before


def test_what_is_not_compared_is_not_known(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    factories.release(uow, ada, make_wheel(tmp_path, "example", "1.0"))
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "2.0"))
    analyse(uow, draft.id)
    whole = draft_review.review(uow, draft)
    mark = draft_changes.mark(uow.db, draft)
    uow.db.execute(update(FileComparison).values(comparison=COMPARISON - 1))
    review = draft_review.review(uow, draft)
    assert str(review.progress) == "1 of 2 files analysed"
    (archive,) = review.changes.archives
    assert (archive.is_analysed, archive.members, archive.more) == (False, (), 0)
    assert not review.verdict.is_complete
    assert draft_review.brief(uow, draft, ()).progress == review.progress
    uow.db.execute(delete(FileComparison))
    assert draft_changes.mark(uow.db, draft) != mark  # who waits sees how far it is
    analyse(uow, draft.id)
    assert draft_review.review(uow, draft) == whole


def test_another_release_before_is_compared_with_by_the_job(
    services: Services, tmp_path: Path
) -> None:
    def released(version: str) -> None:
        with services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", version))
            publishing.publish(uow, ada, draft)

    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        factories.release(uow, ada, make_wheel(tmp_path, "example", "1.0"))
        draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "3.0"))
        number = draft.id
    do_due(services)
    released("2.0")
    for against, is_complete in (("2.0", False), ("1.0", True)):
        with services.reading() as uow:
            review = draft_review.review(uow, uow.db.get_one(Draft, number), against)
        assert (review.changes.against, review.progress.is_complete) == (against, is_complete)
    do_due(services)  # as its publication has asked for
    with services.writing() as uow:
        draft = uow.db.get_one(Draft, number)
        review = draft_review.review(uow, draft)
        assert (review.changes.against, review.progress.is_complete) == ("2.0", True)
        assert review.changes.archives[0].former == "example-2.0-py3-none-any.whl"
        kept = counted(uow.db)
        drafts.discard(uow, OPERATOR, draft)
        uow.db.flush()
        assert counted(uow.db) < kept
        ids = select(FileComparison.file_id)
        assert not uow.db.scalars(
            select(File).where(File.id.in_(ids), File.draft_id == number)
        ).all()


def test_few_comparisons_of_a_file_are_kept_and_none_for_long_once_it_is_public(
    services: Services, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_comparisons, "MOST_KEPT", 2)
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        versions = ["1.0", "1.1", "1.2", "1.3"]
        for version in versions:
            factories.release(uow, ada, make_wheel(tmp_path, "example", version))
        draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "2.0"))
        number = draft.id
        numbers = list(uow.db.scalars(select(Release.id).where(Release.version.in_(versions))))
    file_facts.analyse(services, [number], numbers)
    with services.writing() as uow:
        assert counted(uow.db) == 2
        publishing.publish(uow, OPERATOR, uow.db.get_one(Draft, number))
    housekeeping.keep_house(services)
    with services.reading() as uow:
        assert counted(uow.db) == 2
    clock.advance(member_comparisons.KEPT)
    housekeeping.keep_house(services)
    with services.reading() as uow:
        assert counted(uow.db) == 0


def test_what_was_found_anew_in_a_file_is_compared_anew(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    factories.release(uow, ada, make_wheel(tmp_path, "example", "1.0"))
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "example", "2.0"))
    analyse(uow, draft.id)
    first = uow.db.scalars(select(FileComparison.id)).one()
    uow.db.execute(update(FileFacts).values(analysis=-1))
    assert analyse(uow, draft.id) == 2
    assert uow.db.scalars(select(FileComparison.id)).one() >= first
    assert draft_review.review(uow, draft).progress.is_complete
    pair = member_comparisons.Pair(*uow.db.execute(_BOTH).one())
    assert member_comparisons.make(one_unit(uow), [pair]) == 0  # it is there
    uow.db.execute(delete(FileComparison))
    uow.db.execute(delete(FileFacts).where(FileFacts.file_id == pair.other))
    assert member_comparisons.make(one_unit(uow), [pair]) == 0  # too little is known


_BOTH = select(FileComparison.file_id, FileComparison.other_id)
