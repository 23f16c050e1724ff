"""Zip archives: what is read from sound ones, and which are refused."""

import io
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from greenroom.distributions import zips
from greenroom.distributions.archives import CHUNK
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.zips import ends_like_a_zip, open_zip
from tests.raw_zip import (
    Member,
    Zip,
    both,
    central,
    deflated,
    stored,
    streamed,
)


def contents(path: Path, archive: Zip | bytes) -> dict[str, bytes]:
    """Write the archive and read all of it."""
    path = path / "archive.zip"
    path.write_bytes(archive.to_bytes() if isinstance(archive, Zip) else archive)
    with open_zip(path) as opened:
        return {name: opened.read(name, 10**9) for name in opened.members}


def refusal(path: Path, archive: Zip | bytes) -> str:
    with pytest.raises(InvalidDistribution) as refused:
        contents(path, archive)
    return str(refused.value)


# --- sound archives


def test_members_are_read_in_the_order_of_the_directory(tmp_path: Path) -> None:
    members = [stored("b.txt", b"b"), deflated("a.txt", b"a" * 1000), stored("d/", b"")]
    archive = Zip(members, order=lambda found: found[::-1])
    found = contents(tmp_path, archive)
    assert list(found) == ["d/", "a.txt", "b.txt"]
    assert found["a.txt"] == b"a" * 1000


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("zip64", [False, True])
def test_what_the_standard_library_writes_is_read(tmp_path: Path, method: int, zip64: bool) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.mkdir("folder")
        for name in ("folder/a", "ä", "empty"):
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(b"" if name == "empty" else name.encode() * 1000)
    assert contents(tmp_path, target.getvalue()) == {
        "folder/": b"",
        "folder/a": b"folder/a" * 1000,
        "ä": "ä".encode() * 1000,
        "empty": b"",
    }


def test_an_archive_without_members_is_read(tmp_path: Path) -> None:
    assert contents(tmp_path, Zip([])) == {}


SIZES = (zlib.crc32(b"hello"), 5, 5)


@pytest.mark.parametrize(
    "descriptor",
    [
        struct.pack("<3L", *SIZES),
        b"PK\7\10" + struct.pack("<3L", *SIZES),
        struct.pack("<L2Q", *SIZES),
        b"PK\7\10" + struct.pack("<L2Q", *SIZES),
    ],
)
def test_every_form_of_data_descriptor_is_refused(tmp_path: Path, descriptor: bytes) -> None:
    archive = Zip([streamed(stored(), descriptor), stored("b")])
    assert "data descriptor" in refusal(tmp_path, archive)


def test_what_the_standard_library_writes_to_a_pipe_is_refused(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        def seek(self, *position: int) -> int:
            raise OSError

    target = Pipe()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", "hello")
    assert "data descriptor" in refusal(tmp_path, target.getvalue())


def zip64_extra(*values: int) -> bytes:
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 2**32 - 1, "extra": zip64_extra(5)},
        {"size": 2**32 - 1, "compressed_size": 2**32 - 1, "extra": zip64_extra(5, 5)},
        {"extra": zip64_extra(5, 5)},
    ],
)
def test_sizes_may_stand_in_a_zip64_field(tmp_path: Path, changes: dict[str, object]) -> None:
    assert contents(tmp_path, Zip([both(stored(), **changes)])) == {"a.txt": b"hello"}


def test_a_zip64_end_record_is_read(tmp_path: Path) -> None:
    assert contents(tmp_path, Zip([stored()], zip64=True)) == {"a.txt": b"hello"}


def test_content_comes_in_pieces_of_bounded_size(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(Zip([deflated(content=b"x" * 10_000_000)]).to_bytes())
    with open_zip(tmp_path / "a.zip") as archive:
        assert max(map(len, archive.stream("a.txt"))) <= CHUNK


# --- structure


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (Zip([stored()], prefix=b"#!"), "data before"),
        (Zip([stored()], prefix=b"#!", shift=-2), "data before"),
        (Zip([], prefix=b"#!"), "data before"),
        (Zip([replace(stored(), before=b"hidden")]), "data before"),
        (Zip([stored(), replace(stored("b"), before=b"hidden")]), "data after"),
        (Zip([stored()], before_directory=b"hidden"), "data after"),
        (Zip([stored()], before_end=b"hidden"), "data before"),
        (Zip([stored()], suffix=b"hidden"), "data after"),
        (Zip([stored()], suffix=b"\0" * 22), "data after"),
        (Zip([stored()], comment=b"hidden"), "comment"),
        (Zip([stored()], comment=b"x" * 65535), "comment"),
        (Zip([stored()], comment_size=7), "truncated"),
        (Zip([stored()], entries=2), "as many members"),
        (Zip([stored(), stored("b")], entries=1), "as many members"),
        (Zip([stored()], entries=0), "as many members"),
        (Zip([stored()], entries=65_535), "as many members"),
        (Zip([stored()], disk=1), "parts"),
        (Zip([replace(stored(), comment=b"hidden")]), "comment"),
        (Zip([streamed(stored(), b"")]), "data descriptor"),
        (Zip([streamed(stored(), b"PK\7\10" + b"\0" * 12)]), "data descriptor"),
        (Zip([both(stored(), flags=1 << 3)]), "data descriptor"),
        (Zip([replace(stored(), descriptor=struct.pack("<3L", *SIZES))]), "data after"),
        (Zip([both(stored(), compressed_size=500, size=500)]), "overlaps"),
        (Zip([both(stored(), extra=b"\1\0\4")]), "extra fields"),
        (Zip([both(stored(), extra=b"\7\0\xff\0abc")]), "extra fields"),
        (Zip([both(stored(), extra=zip64_extra(5) * 2)]), "extra fields"),
        (Zip([both(stored(), extra=zip64_extra(6, 6))]), "disagree"),
        (Zip([both(stored(), extra=struct.pack("<2H3B", 1, 3, 0, 0, 0))]), "disagree"),
        (Zip([both(stored(), size=2**32 - 1)]), "disagree"),
        (Zip([both(stored(), extra=struct.pack("<2H4B", 0x7075, 4, 1, 2, 3, 4))]), "second name"),
        (
            Zip([replace(s := stored(), local=replace(s.local, extra=b"\x75\x70\1\0\1"))]),
            "second name",
        ),
    ],
)
def test_data_that_readers_could_disagree_on_is_refused(
    tmp_path: Path, archive: Zip, reason: str
) -> None:
    assert reason in refusal(tmp_path, archive)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": b"b.txt"},
        {"name": b"a.txtx"},
        {"size": 4, "compressed_size": 4},
        {"crc": 1},
        {"method": 8},
        {"flags": 1 << 11},
        {"flags": 1 << 3},
    ],
)
def test_the_directory_and_the_headers_must_agree(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    assert refusal(tmp_path, Zip([central(stored(), **changes)]))


def test_members_must_not_share_data(tmp_path: Path) -> None:
    content = Zip([stored(), stored("b.txt")]).to_bytes()
    at = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", at + 1)
    changed = bytearray(content)
    changed[second + 42 : second + 46] = content[at + 42 : at + 46]
    assert refusal(tmp_path, bytes(changed))


def test_a_file_that_is_a_zip_and_a_tar_is_refused(tmp_path: Path) -> None:
    content = bytearray(Zip([both(stored("x", b"\0" * 600), crc=0)]).to_bytes())
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert "tar archive at the same time" in refusal(tmp_path, bytes(content))


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all", b"\0" * 1000, b"PK\5\6"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not a zip archive" in refusal(tmp_path, content) or b"PK\5\6" in content


def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content = Zip([stored(), deflated("b")]).to_bytes()
    for end in range(len(content)):
        assert refusal(tmp_path, content[:end])


@pytest.mark.parametrize("signature", [b"PK\3\4", b"PK\1\2", b"PK\6\6", b"PK\6\7", b"PK\5\6"])
def test_every_record_begins_with_its_signature(tmp_path: Path, signature: bytes) -> None:
    content = Zip([stored()], zip64=True).to_bytes()
    assert content.count(signature) == 1
    assert refusal(tmp_path, content.replace(signature, b"PK\x11\x11"))


def test_a_second_name_in_the_directory_alone_is_refused(tmp_path: Path) -> None:
    member = central(stored(), extra=struct.pack("<2H4B", 0x7075, 4, 1, 2, 3, 4))
    assert "second name" in refusal(tmp_path, Zip([member]))


def test_the_place_of_a_member_may_stand_in_a_zip64_field(tmp_path: Path) -> None:
    content = bytearray(Zip([central(stored(), extra=zip64_extra(0))]).to_bytes())
    at = content.index(b"PK\1\2") + 42
    content[at : at + 4] = b"\xff" * 4
    assert contents(tmp_path, bytes(content)) == {"a.txt": b"hello"}


@pytest.mark.parametrize("at", [b"PK\6\6", b"PK\6\7"])
def test_zip64_records_must_agree(tmp_path: Path, at: bytes) -> None:
    content = Zip([stored()], zip64=True).to_bytes()
    begin = content.index(at) + 4
    for position in range(begin, begin + 16):
        changed = bytearray(content)
        changed[position] ^= 0x41
        if at == b"PK\6\6" and position - begin in range(8, 12):
            continue  # the versions of the writer, which mean nothing to a reader
        assert refusal(tmp_path, bytes(changed))


# --- members


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (both(stored(), flags=1), "encrypted"),
        (both(stored(), flags=1 << 6), "encrypted"),
        (both(stored(), flags=1 << 13), "encrypted"),
        (both(stored(), flags=1 << 5), "feature"),
        (both(stored(), method=12), "stored nor deflated"),
        (both(stored(), method=14), "stored nor deflated"),
        (both(stored(), method=93), "stored nor deflated"),
        (both(stored(), size=4), "two different sizes"),
        (replace(stored(), mode=0o120777), "symbolic link"),
        (replace(stored(), mode=0o040755), "folder"),
        (replace(stored(), mode=0o020644), "neither a file nor a folder"),
        (replace(stored(), mode=0o010644), "neither a file nor a folder"),
        (replace(stored(), mode=0o140644), "neither a file nor a folder"),
        (stored("a/", b"content"), "has content"),
        (stored("../a"), "outside"),
        (stored("/a"), "absolute"),
        (stored("C:/a"), "absolute"),
        (stored("a\\b"), "backslash"),
        (stored(b"a\0b"), "control"),
        (stored(b"a\nb"), "control"),
        (stored(b"\xff"), "UTF-8"),
        (stored(b""), "says nothing"),
        (both(stored("ä"), flags=0), "not marked as UTF-8"),
    ],
)
def test_odd_members_are_refused(tmp_path: Path, member: Member, reason: str) -> None:
    assert reason in refusal(tmp_path, Zip([stored("fine"), member]))


@pytest.mark.parametrize("mode", [0, 0o644, 0o100755, 0o100644])
def test_plain_modes_are_accepted(tmp_path: Path, mode: int) -> None:
    assert contents(tmp_path, Zip([replace(stored(), mode=mode)]))


@pytest.mark.parametrize("names", [("a", "a"), ("a/", "a/"), ("a", "a/"), ("a", "a/b")])
def test_members_of_one_name_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    assert refusal(tmp_path, Zip([stored(name, b"") for name in names]))


def test_all_odd_members_are_told(tmp_path: Path) -> None:
    reasons = refusal(tmp_path, Zip([stored("../a"), stored("/b"), both(stored(), flags=1)]))
    assert reasons.count("The member") == 3


def test_damaged_content_is_refused(tmp_path: Path) -> None:
    assert "CRC" in refusal(tmp_path, Zip([both(stored(), crc=1)]))
    assert "CRC" in refusal(tmp_path, Zip([both(deflated(), crc=1)]))


@pytest.mark.parametrize(
    "changes",
    [{"size": 499}, {"size": 501}, {"size": 0}, {"size": 10_000_000}],
)
def test_content_must_have_the_size_that_is_declared(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    assert "size" in refusal(tmp_path, Zip([both(deflated(), **changes)]))


def test_compressed_data_must_end_with_the_member(tmp_path: Path) -> None:
    member = deflated()
    longer = replace(
        both(member, compressed_size=len(member.data) + 6), data=member.data + b"hidden"
    )
    shorter = replace(both(member, compressed_size=len(member.data) - 1), data=member.data[:-1])
    assert "does not end where" in refusal(tmp_path, Zip([longer]))
    assert refusal(tmp_path, Zip([shorter]))


def test_data_that_is_not_deflated_is_refused(tmp_path: Path) -> None:
    assert "decompressed" in refusal(tmp_path, Zip([both(stored(content=b"\xff" * 9), method=8)]))


# --- limits


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    bomb = deflated(content=b"\0" * (65 * 1024 * 1024))
    assert "unpacks to more than" in refusal(tmp_path, Zip([bomb]))


def test_a_bomb_of_many_members_is_refused(tmp_path: Path) -> None:
    part = deflated(content=b"\0" * (1024 * 1024))
    members = [both(part, name=str(number).encode()) for number in range(65)]
    assert "unpacks to more than" in refusal(tmp_path, Zip(members))


def test_a_bomb_that_hides_its_size_is_stopped(tmp_path: Path) -> None:
    bomb = both(deflated(content=b"\0" * (65 * 1024 * 1024)), size=10)
    assert "size" in refusal(tmp_path, Zip([bomb]))


def test_64_mib_may_be_compressed_as_well_as_they_like(tmp_path: Path) -> None:
    part = deflated(content=b"\0" * (64 * 1024 * 1024))
    (tmp_path / "a.zip").write_bytes(Zip([part]).to_bytes())
    with open_zip(tmp_path / "a.zip") as archive:
        assert archive.members["a.txt"].size == 64 * 1024 * 1024


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_MEMBERS", 2)
    assert contents(tmp_path, Zip([stored("a"), stored("b")]))
    assert "members" in refusal(tmp_path, Zip([stored("a"), stored("b"), stored("c")]))


def test_a_directory_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 50)
    assert "directory" in refusal(tmp_path, Zip([stored("a" * 5)]))


def test_a_member_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(Zip([stored()]).to_bytes())
    with open_zip(tmp_path / "a.zip") as archive:
        assert archive.read("a.txt", 5) == b"hello"
        with pytest.raises(InvalidDistribution, match="longer than 4 bytes"):
            archive.read("a.txt", 4)


# --- other files that end like a zip


@pytest.mark.parametrize(
    ("tail", "is_zip"),
    [
        (b"", False),
        (b"PK\5\6" + b"\0" * 18, True),
        (b"x" * 100 + b"PK\5\6" + b"\0" * 16 + b"\3\0abc", True),
        (b"PK\5\6" + b"\0" * 16 + b"\3\0ab", False),
        (b"PK\5\6" + b"\0" * 19, False),
        (b"PK\5\6" + b"\0" * 17, False),
        (b"PK\5\6PK\5\6" + b"\0" * 18, True),
    ],
)
def test_the_end_of_a_zip_is_known(tail: bytes, is_zip: bool) -> None:
    assert ends_like_a_zip(tail) is is_zip
