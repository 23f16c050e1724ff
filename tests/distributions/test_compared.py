"""What two archives have that is not the same, and that it comes back as it was kept."""

import hashlib

import pytest

from greenroom.distributions import compared
from greenroom.distributions.agreement import Sources
from greenroom.distributions.compared import Compared
from greenroom.distributions.contents import Kind, Member
from greenroom.distributions.natives import Format, Native
from greenroom.distributions.review import MOST_OF_A_CODE, Code


def member(path: str, content: str = "", **more: object) -> Member:
    digest = hashlib.sha256(content.encode()).hexdigest()
    kept = Member(path, len(content), digest, Kind.TEXT)
    if more.get("native"):
        native = Native(Format.ELF, frozenset({"x86_64"}))
        return Member(path, len(content), digest, Kind.NATIVE, native)
    if more.get("link"):
        return Member(path, 0, digest, Kind.LINK, leads_to=str(more["link"]))
    return kept


def test_changes_come_back_as_they_were_kept() -> None:
    before = [
        member("a.py", "1"),
        member("gone.so", "x", native=True),
        member("old/name.py", "the same"),
        member("link", "a.py", link="a.py"),
        member("same.py", "="),
    ]
    after = [
        member("a.py", "2"),
        member("new.so", "y", native=True),
        member("new/name.py", "the same"),
        member("link", "b.py", link="b.py"),
        member("same.py", "="),
    ]
    said, changes = compared.beside_predecessor(before, after, is_sdist=False)
    assert (said.added, said.removed, said.changed, said.count) == (1, 1, 3, 5)
    assert compared.unpack(compared.pack(changes)) == changes
    assert Compared.from_json(said.to_json()) == said
    assert compared.unpack(compared.pack(())) == ()
    assert Compared.from_json({}) == Compared()


def test_of_many_changes_the_first_are_kept_and_all_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compared, "MOST_MEMBERS", 3)
    after = [member(f"{number}.py", str(number)) for number in range(10)]
    said, changes = compared.beside_predecessor([], after, is_sdist=False)
    assert (said.added, [change.place for change in changes]) == (10, ["0.py", "1.py", "2.py"])


def test_of_many_findings_some_are_kept_and_the_others_counted() -> None:
    sources = Sources([member("example-1.0/example/a.py", "a")], {})
    many = [member(f"example/m{number}.py", f"m{number}") for number in range(45)]
    said = compared.beside_sources(sources, [member("example/a.py", "a"), *many], {})
    assert [finding.code for finding in said.findings] == [Code.NOT_IN_SDIST] * MOST_OF_A_CODE
    assert said.left_out == {Code.NOT_IN_SDIST: 45 - MOST_OF_A_CODE}
    assert Compared.from_json(said.to_json()) == said
