"""Planted problems are found by their codes; what is clean has no finding above a note."""

import tarfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.agreement import Sources
from greenroom.distributions.compared import Compared, beside_sources
from greenroom.distributions.contents import Member
from greenroom.distributions.facts import Facts, analyse, pack, unpack
from greenroom.distributions.matrix import matrix, wheels
from greenroom.distributions.metadata import parse_metadata
from greenroom.distributions.review import Code, Finding, Severity
from greenroom.registry import review_findings
from greenroom.registry.draft_review import ReviewFinding
from tests.distributions.clean import CLEAN
from tests.distributions.planted import PLANTED, Built, Planted, linux


@dataclass(frozen=True, slots=True)
class Looked:
    """A file that was looked into."""

    id: int
    filename: str
    is_sdist: bool
    core_metadata: CoreMetadata
    facts: Facts
    members: tuple[Member, ...]


def metadata_of(path: Path) -> CoreMetadata:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith("-info/METADATA"))
            return parse_metadata(archive.read(name), private=True)
    with tarfile.open(path) as tarball:
        name = next(each for each in tarball.getnames() if each.endswith("/PKG-INFO"))
        member = tarball.extractfile(name)
        assert member is not None
        return parse_metadata(member.read(), private=True)


def look(path: Path, metadata: CoreMetadata, number: int) -> Looked:
    facts, members = analyse(path, path.name)
    # As they come back from the database.
    stored, kept = Facts.from_json(facts.to_json()), unpack(pack(members))
    assert (stored, kept) == (facts, members)
    return Looked(number, path.name, path.suffix != ".whl", metadata, stored, kept)


def release(built: Built, folder: Path, version: str, start: int) -> list[Looked]:
    paths = built.make(folder, version)
    return [look(path, metadata_of(path), start + n) for n, path in enumerate(paths)]


def reviewed(now: Sequence[Looked], before: Sequence[Looked]) -> tuple[ReviewFinding, ...]:
    facts = {file.id: file.facts for file in [*now, *before]}
    beside = beside_sdist(now)
    table = matrix(wheels(file.filename for file in before), wheels(file.filename for file in now))
    found = [
        *review_findings.of_all(now, now, before, facts, table),
        *review_findings.of_sources(beside),
    ]
    left_out = review_findings.left_out(now, facts, beside)
    return review_findings.told(found, left_out, lambda code, path: None)


def beside_sdist(now: Sequence[Looked]) -> dict[str, Compared]:
    """The wheels beside the source distribution, as they come back from the database."""
    sdist = next((file for file in now if file.is_sdist), None)
    if sdist is None or sdist.facts.problem:
        return {}
    sources = Sources(sdist.members, sdist.facts.unix_sources)
    wheels_ = [file for file in now if not file.is_sdist and not file.facts.problem]
    said = {
        file.filename: beside_sources(sources, file.members, file.facts.unix_sources)
        for file in wheels_
    }
    return {name: Compared.from_json(compared.to_json()) for name, compared in said.items()}


def above_note(findings: Sequence[ReviewFinding]) -> set[str]:
    return {each.code for each in findings if each.severity > Severity.NOTE}


def test_there_are_enough_of_them_of_every_kind() -> None:
    assert len(PLANTED) >= 60
    assert len({planted.name for planted in PLANTED}) == len(PLANTED)
    # What was planted for these is in tests/distributions/test_review.py; the last is of no file.
    assert set(Code) - Counter(planted.code for planted in PLANTED).keys() == {
        Code.PROGRAM,
        Code.NO_NATIVE,
        Code.EXISTS_UPSTREAM,
    }


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name.replace(" ", "-"))
def test_a_planted_problem_is_found_by_its_code(planted: Planted, tmp_path: Path) -> None:
    before = release(planted.before, tmp_path, "1.0", 1) if planted.before is not None else []
    paths = planted.now.make(tmp_path, "2.0")
    said = [metadata_of(path) for path in paths]
    if planted.damage is not None:
        planted.damage(paths[0])
    now = [
        look(path, metadata, 100 + n)
        for n, (path, metadata) in enumerate(zip(paths, said, strict=True))
    ]

    findings = reviewed(now, before)
    (severity,) = {Finding(planted.code).severity}
    assert planted.code in {each.code for each in findings}
    expected = {planted.code} if severity > Severity.NOTE else set()
    assert above_note(findings) == expected | planted.besides
    for each in findings:
        assert each.advice
        assert len(each.detail) < 400


def test_what_is_clean_has_no_finding_above_a_note(tmp_path: Path) -> None:
    assert len(CLEAN) >= 100
    found = {}
    for number, clean in enumerate(CLEAN):
        path = clean.make(tmp_path / str(number))
        file = look(path, metadata_of(path), number)
        if above_note(told := reviewed([file], [])):
            found[number, path.name] = told
    assert found == {}


def test_clean_releases_have_none_beside_the_one_before(tmp_path: Path) -> None:
    sources = {"example/a.py": b"A = 1\n", "example/sub/__init__.py": b""}
    made = {"example/_version.py": b"__version__ = '1'\n"}
    commands = {"{dist_info}/entry_points.txt": b"[console_scripts]\nexample = example:main\n"}
    tags = (*linux("cp311", "cp312"), "cp312-cp312-macosx_11_0_arm64", "cp312-cp312-win_amd64")
    releases = (
        Built(wheel=sources | commands),
        Built(wheel=sources | made, without=tuple(made)),
        Built(
            wheel={path: c.replace(b"\n", b"\r\n") for path, c in sources.items()},
            without=tuple(sources),
            sdist=sources,
        ),
        Built(tags, sources),
        Built(("cp39-abi3-manylinux_2_17_x86_64",), sources, {"tests/test_a.py": b"\n"}),
        Built(wheel=sources, sdist={"src/x.c": b"\n", "example/tests/test_a.py": b"\n"}),
        Built(wheel={"example/fast.so.py": b"\n"}, sdist={"example/fast.pyx": b"\n"}),
    )
    for number, built in enumerate(releases):
        before = release(built, tmp_path / f"{number}a", "1.0", 1)
        now = release(built, tmp_path / f"{number}b", "2.0", 100)
        assert above_note(reviewed(now, before)) == set(), number
        assert above_note(reviewed(now, [])) == set(), number
