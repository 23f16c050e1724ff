"""Archives looked into where they lie: bounded, by range, whatever they say of themselves."""

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator

import pytest

from greenroom.distributions import member_reading
from greenroom.distributions.contents import Kind
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.member_reading import LONGEST_PATH, list_members, read_member
from greenroom.distributions.member_tree import folder, found, top
from greenroom.distributions.ranged_file import RangedFile
from tests import raw_tar
from tests.raw_zip import Zip, central, deflated, stored

WHEEL, SDIST = "example-1.0-py3-none-any.whl", "example-1.0.tar.gz"
MIB = 1024 * 1024


class Ranges:
    """Bytes that are asked for by ranges, in small pieces, with a note of how many were given."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.opened = 0
        self.given = 0

    def open(self, offset: int, length: int) -> "_Range":
        assert length >= 0
        self.opened += 1
        return _Range(self, offset, length)

    def file(self) -> RangedFile:
        return RangedFile(len(self.content), self.open)


class _Range:
    def __init__(self, ranges: Ranges, offset: int, length: int) -> None:
        self._ranges, self._offset, self._length = ranges, offset, length

    def __iter__(self) -> Iterator[bytes]:
        for at in range(self._offset, self._offset + self._length, 10_000):
            piece = self._ranges.content[at : min(at + 10_000, self._offset + self._length)]
            self._ranges.given += len(piece)
            yield piece

    def close(self) -> None:
        pass


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def test_a_file_is_read_by_ranges_as_if_it_was_here() -> None:
    content = bytes(number * number % 251 for number in range(400_000))
    whole, ranges = io.BytesIO(content), Ranges(content)
    file = ranges.file()
    places = [(399_990, 22), (0, 4), (4, 70_000), (70_004, 1), (10, 5), (330_000, 70_000), (5, 0)]
    for at, count in [*places, (399_000, 5_000), (500_000, 3)]:
        assert file.seek(at) == file.tell() == at
        whole.seek(at)
        assert file.read(count) == whole.read(count), (at, count)
        assert file.tell() <= len(content) or at > len(content)
    assert file.seek(-10, 2) == 399_990
    assert file.seek(4, 1) == 399_994
    assert file.read() == content[-6:]
    with pytest.raises(OSError, match="before"):
        file.seek(-1)


@pytest.mark.parametrize("make", [zipped, tarred], ids=["wheel", "sdist"])
def test_members_are_listed_and_read(make: Callable[[dict[str, bytes]], bytes]) -> None:
    members = {"example-1.0/a.py": b"x = 1\n", "example-1.0/src/b/c.bin": b"\0\1" * 2000}
    filename = WHEEL if make is zipped else SDIST
    ranges = Ranges(make(members))
    listed = list_members(ranges.file(), filename)
    assert [(entry.path, entry.size) for entry in listed.entries] == [
        (path, len(content)) for path, content in members.items()
    ]
    assert listed.stopped == ""
    text = read_member(ranges.file(), filename, "example-1.0/a.py")
    assert (text.text, text.kind, text.is_whole, text.encoding) == (
        *("x = 1\n", Kind.TEXT, True),
        "UTF-8",
    )
    other = read_member(ranges.file(), filename, "example-1.0/src/b/c.bin")
    assert (other.text, other.kind, other.head) == (None, Kind.BINARY, b"\0\1" * 2000)
    assert other.sha256 is not None
    assert not other.is_same_as(text)
    for path in ("example-1.0/", "example-1.0/src", "none", ""):
        with pytest.raises(KeyError):
            read_member(ranges.file(), filename, path)


def test_of_a_long_wheel_little_is_read() -> None:
    big = bytes(range(256)) * 40_000  # 10 MB
    ranges = Ranges(zipped({"big.bin": big, "small.py": b"pass\n", "big2.bin": big}, 0))
    file = ranges.file()
    assert len(list_members(file, WHEEL).entries) == 3
    assert read_member(file, WHEEL, "small.py").text == "pass\n"
    assert ranges.given < 300_000
    assert ranges.opened < 10
    whole = read_member(file, WHEEL, "big2.bin")
    assert (whole.is_whole, len(whole.head)) == (False, MIB)
    assert whole.sha256 is not None
    assert ranges.opened < 20  # which grow


def test_a_long_sdist_is_left_behind_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    filler = bytes((number * 7919) % 256 for number in range(300_000))
    ranges = Ranges(tarred({"e/a": b"first\n", **{f"e/{n}": filler for n in range(20)}}))
    monkeypatch.setattr(member_reading, "MOST_UNPACKED", 2 * MIB)
    assert read_member(ranges.file(), SDIST, "e/a").text == "first\n"
    with pytest.raises(InvalidDistribution, match="so far behind"):
        read_member(ranges.file(), SDIST, "e/19")
    listed = list_members(ranges.file(), SDIST)
    assert "rest of it is not read" in listed.stopped
    assert 5 < len(listed.entries) < 20


def test_what_is_compressed_too_well_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MOST_UNPACKED", "MOST_SLOWLY_UNPACKED", "MOST_HASHED"):
        monkeypatch.setattr(member_reading, limit, 2 * MIB)
    tar = tarred({"e/zeros": bytes(8 * MIB), "e/last": b"x"}, "w")
    for name, bomb in (
        (SDIST, gzip.compress(tar, 1)),
        ("e-1.0.tar.bz2", bz2.compress(tar)),
    ):
        assert len(bomb) < MIB
        assert "not read here" in list_members(Ranges(bomb).file(), name).stopped
    bomb = zipped({"zeros": bytes(8 * MIB)})
    content = read_member(Ranges(bomb).file(), WHEEL, "zeros")
    assert (len(content.head), content.is_whole, content.sha256) == (MIB, False, None)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (central(deflated("a.txt"), flags=1), "encrypted"),
        (central(deflated("a.txt"), method=12), "compressed in a way"),
        (central(deflated("a.txt"), size=3), "damaged"),
        (central(deflated("a.txt", bytes(5000)), size=2**31), "damaged"),
        (central(deflated("a.txt"), crc=1), "damaged"),
        (central(deflated("a.txt"), name=b"b.txt"), "damaged"),
    ],
    ids=["encrypted", "method", "short", "long", "crc", "name"],
)
def test_a_lying_or_secret_member_is_told(member: object, said: str) -> None:
    ranges = Ranges(Zip([member]).to_bytes())  # type: ignore[list-item]
    path = list_members(ranges.file(), WHEEL).entries[0].path
    with pytest.raises(InvalidDistribution, match=said):
        read_member(ranges.file(), WHEEL, path)


def test_links_are_shown_and_not_followed() -> None:
    blocks = [
        raw_tar.member("e/a", b"secret"),
        raw_tar.symlink("e/s", "../../etc/passwd"),
        raw_tar.hardlink("e/h", "e/a"),
    ]
    ranges = Ranges(raw_tar.zipped(*blocks))
    links = {entry.path: entry.leads_to for entry in list_members(ranges.file(), SDIST).entries}
    assert links == {"e/a": None, "e/s": "../../etc/passwd", "e/h": "e/a"}
    for path in ("e/s", "e/h"):
        with pytest.raises(InvalidDistribution, match="not followed"):
            read_member(ranges.file(), SDIST, path)


def test_whatever_an_archive_is_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tarred({"e/a": bytes(range(256)) * 400, "e/b": b"2"})
    ranges = Ranges(sound[: len(sound) - 30])
    assert list_members(ranges.file(), SDIST).entries
    for content, filename in (
        *((b"", WHEEL), (b"PK", WHEEL), (b"", SDIST), (b"\x1f\x8b no", SDIST)),
        *((sound, WHEEL), (zipped({"a": b"a"}), SDIST), (b"MZ" + bytes(9000), "e-1.0.exe")),
        *((sound, "e-1.0.rpm"), (gzip.compress(b"\xff" * 2000), SDIST)),
    ):
        with pytest.raises(InvalidDistribution):
            list_members(Ranges(content).file(), filename)
    entries = {f"{number:05}": b"" for number in range(300)}
    monkeypatch.setattr(member_reading, "MOST_MEMBERS", 100)
    for content, filename in ((zipped(entries), WHEEL), (tarred(entries), SDIST)):
        listed = list_members(Ranges(content).file(), filename)
        assert len(listed.entries) == 100
        assert "first 100 members" in listed.stopped
    huge = Zip([stored("n" * 60_000 + str(number), b"") for number in range(150)]).to_bytes()
    with pytest.raises(InvalidDistribution, match="so much of itself"):
        list_members(Ranges(huge).file(), WHEEL)
    assert list_members(Ranges(b"#!/bin/sh\n" + zipped({"a": b"a"})).file(), "e-1-py3.egg").entries


def test_odd_names_can_be_shown() -> None:
    blocks = [raw_tar.member(b"e/\xff\xfe.txt", b"odd"), raw_tar.member("e/ü", b"fine")]
    ranges = Ranges(raw_tar.zipped(*blocks))
    deep = raw_tar.pax(("path", "a/" * 5_000 + "b")) + raw_tar.member("x")
    listed = list_members(Ranges(raw_tar.zipped(deep)).file(), SDIST)
    assert [len(entry.path) for entry in listed.entries] == [LONGEST_PATH + 1]
    assert folder(listed.entries, "").folders[0].count == 1
    assert "too long" in listed.entries[0].obstacle
    paths = [entry.path for entry in list_members(ranges.file(), SDIST).entries]
    assert paths == ["e/\ufffd\ufffd.txt", "e/ü"]
    assert [read_member(ranges.file(), SDIST, path).text for path in paths] == ["odd", "fine"]


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        (b"\xef\xbb\xbfa", "UTF-8", "a"),
        ("grün".encode("latin-1") * 50, "Latin-1", "grün" * 50),
        ("ä\n".encode("utf-16"), "UTF-16", "ä\n"),
        (b"\xff\xfe\x00\xd8x", "UTF-16", None),
        (bytes(range(1, 256)), "", None),
        (b"a\0b", "", None),
        (b"", "UTF-8", ""),
        (b"a" * (MIB - 1) + "ü".encode() + b"b", "UTF-8", "a" * (MIB - 1)),
    ],
    ids=["mark", "latin", "utf-16", "half", "bytes", "nul", "empty", "cut"],
)
def test_text_is_told_from_what_is_none(content: bytes, encoding: str, text: str | None) -> None:
    read = read_member(Ranges(zipped({"a": content})).file(), WHEEL, "a")
    assert read.encoding == encoding
    if text is not None or not encoding:
        assert read.text == text


def test_folders_are_shown_one_at_a_time() -> None:
    paths = ["e-1.0/a.py", "e-1.0/src/e/b.py", "e-1.0/src/e/c/d.py", "e-1.0/src/e/c/e.py"]
    archive = Ranges(tarred(dict.fromkeys(paths, b"12345")))
    entries = list_members(archive.file(), SDIST).entries
    assert top(entries) == "e-1.0/"
    shown = folder(entries, "e-1.0/")
    assert [entry.path for entry in shown.files] == ["e-1.0/a.py"]
    assert [(each.name, each.path, each.count, each.size) for each in shown.folders] == [
        ("src/e/", "e-1.0/src/e/", 3, 15)
    ]
    assert shown.above == (("e-1.0", "e-1.0/"),)
    assert (folder(entries, "").count, top([])) == (4, "")
    assert folder([], "").files == ()
    for path in ("e-1.0/sr/", "x/", "/"):
        with pytest.raises(KeyError):
            folder(entries, path)
    assert [entry.path for entry in found(entries, "C .PY src")] == paths[1:]
