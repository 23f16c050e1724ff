"""Gzipped tar archives: what is read from sound ones, and which are refused."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.distributions import archives, tarballs
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.tarballs import Tarball, read_tarball
from tests.raw_tar import END, hardlink, header, member, padded, pax, symlink, zipped


def read(path: Path, content: bytes, limit: int = 1000) -> Tarball:
    """Write the gzipped bytes and read them, keeping every member."""
    path = path / "archive.tar.gz"
    path.write_bytes(content)
    return read_tarball(path, lambda _: True, limit)


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(InvalidDistribution) as refused:
        read(path, content)
    return str(refused.value)


# --- sound archives


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_the_standard_library_writes_is_read(tmp_path: Path, form: int) -> None:
    target = io.BytesIO()
    names = ["a/short", "a/" + "l" * 90 + "/" + "n" * 90, "a/ä"]
    if form != tarfile.USTAR_FORMAT:
        names.append("a/" + "x" * 300)
    with tarfile.open(fileobj=target, mode="w:gz", format=form) as archive:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1000
            info.mtime = 1234567890.5
            archive.addfile(info, io.BytesIO(b"x" * 1000))
    found = read(tmp_path, target.getvalue(), 10_000)
    assert list(found.members) == ["a/", *names]
    assert found.members["a/"].is_folder
    assert found.contents[names[-1]] == b"x" * 1000


def test_only_wanted_content_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(zipped(member("a/1", b"one"), member("a/2", b"two")))
    found = read_tarball(path, lambda name: name == "a/2", 3)
    assert found.contents == {"a/2": b"two"}
    assert found.members["a/1"].size == 3


def test_wanted_content_has_a_limit(tmp_path: Path) -> None:
    content = zipped(member("a/1", b"x" * 600), member("a/2", b"x" * 600))
    with pytest.raises(InvalidDistribution, match="longer than 1000 bytes"):
        read(tmp_path, content, 1000)


@pytest.mark.parametrize(
    "blocks",
    [
        (header("b", prefix=b"a"),),
        (member(kind=b"\0"),),
        (pax(("path", "a/b"), ("mtime", "1.5")), member("ignored")),
        (pax(("size", "5")), member()),
        (pax(("comment", "0123"), kind=b"g"), member("a/b")),
        (member("././@LongLink", b"a/b\0", b"L"), member("ignored")),
        (header("a/b", b"\x80" + b"\0" * 10 + b"\5"), padded(b"hello")),
        (header("a/b", b"          5 "), padded(b"hello")),
        (header("a/b", magic=b"ustar  \0"),),
        (header("a/b", magic=b"\0" * 8),),
    ],
)
def test_every_way_to_write_a_member_is_read(tmp_path: Path, blocks: tuple[bytes, ...]) -> None:
    (name,) = read(tmp_path, zipped(*blocks)).members
    assert name in ("a/b", "a/b.txt")


@pytest.mark.parametrize("zeros", [512, 1024, 10_240, 1_000_000])
def test_an_archive_ends_with_zeros(tmp_path: Path, zeros: int) -> None:
    assert read(tmp_path, zipped(member(), end=b"\0" * zeros)).members


# --- gzip


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        (b"hidden", "after the end of its gzip"),
        (b"\0", "after the end of its gzip"),
        (gzip.compress(b"hidden", mtime=0), "after the end of its gzip"),
        (gzip.compress(b"", mtime=0), "after the end of its gzip"),
        (zipped(member("a/evil")), "after the end of its gzip"),
        (b"x" * 1_000_000, "after the end of its gzip"),
        (b"PK\5\6" + b"\0" * 18, "zip archive"),
    ],
)
def test_nothing_may_follow_the_gzip_stream(tmp_path: Path, suffix: bytes, reason: str) -> None:
    assert reason in refusal(tmp_path, zipped(member()) + suffix)


def test_nothing_may_follow_the_gzip_stream_wherever_it_is_read_in_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zipped(member())
    monkeypatch.setattr(archives, "CHUNK", len(content))
    assert "after the end of its gzip" in refusal(tmp_path, content + b"hidden")


def test_a_file_that_is_a_zip_and_a_tarball_is_refused(tmp_path: Path) -> None:
    # The end record of a zip, whose comment is the end of the gzip stream, which is not compressed.
    content = member() + END + b"PK\5\6" + b"\0" * 16 + b"\x08\0"
    block = struct.pack("<BHH", 1, len(content), 0xFFFF ^ len(content)) + content
    trailer = struct.pack("<2L", zlib.crc32(content), len(content))
    polyglot = gzip.compress(b"")[:10] + block + trailer
    assert gzip.decompress(polyglot) == content
    assert zipfile.is_zipfile(io.BytesIO(polyglot))
    assert "zip archive" in refusal(tmp_path, polyglot)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b", b"no gzip", b"\0" * 100, member() + END, b"BZh91AY&SY", b"PK\3\4"],
)
def test_what_is_no_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content)


def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content = zipped(member())
    for end in range(len(content)):
        assert refusal(tmp_path, content[:end])


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(member(content=bytes(range(256)) * 4)))
    content[-8] ^= 1
    assert "damaged" in refusal(tmp_path, bytes(content))


# --- tar


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(member(), end=b""), "end mark is missing"),
        (zipped(member(), end=b"\0" * 100), "end mark is missing"),
        (zipped(header(size=5), end=b"hel"), "within a member"),
        (zipped(header(size=5), end=b"hello"), "within a member"),
        (zipped(header(size=10**9), end=b""), "longer than"),
        (zipped(header(size=2**33 - 1), end=b""), "longer than"),
        (zipped(header(size=b"\x80" + b"\xff" * 11), end=b""), "longer than"),
        (zipped(member(), END, member("a/evil")), "data after its end"),
        (zipped(member(), b"\0" * 512, member("a/evil")), "data after its end"),
        (zipped(member(), END + b"hidden"), "data after its end"),
        (zipped(b"x" * 512), "no tar archive"),
        (zipped(b"PK\3\4" * 500), "no tar archive"),
        (zipped(header(size=b"99999999999\0")), "valid size"),
        (zipped(header(size=b"\xff" * 12)), "valid size"),
        (zipped(pax(("path", "a/b"))), "missing member"),
        (zipped(pax(("path", "a/b")), pax(("path", "a/c")), member()), "two extension headers"),
        (zipped(member("L", b"a", b"L"), member("L", b"b", b"L"), member()), "two extension"),
        (zipped(member("L", b"a", b"L"), pax(("path", "b")), member()), "name twice"),
        (zipped(pax(("size", "6")), member()), "one size in its header"),
        (zipped(pax(("size", "-1")), member()), "one size in its header"),
        (zipped(pax(("size", "05")), member()), "one size in its header"),
        (zipped(pax(("size", "5"), kind=b"g"), member()), "global pax"),
        (zipped(pax(("path", "evil"), kind=b"g"), member()), "global pax"),
        (zipped(pax(("path", "a"), ("path", "b")), member()), "two values"),
        (zipped(pax(("GNU.sparse.name", "evil")), member()), "pax extension"),
        (zipped(pax(("hdrcharset", "BINARY")), member()), "pax extension"),
        (zipped(member("pax", b"99 path=a\n", b"x"), member()), "damaged pax"),
        (zipped(member("pax", b"path=a\n", b"x"), member()), "damaged pax"),
        (zipped(member("pax", b"0 path=a\n", b"x"), member()), "damaged pax"),
        (zipped(member("pax", b"9999999999 path=a\n", b"x"), member()), "damaged pax"),
        (zipped(member("pax", b"7 path\n", b"x"), member()), "damaged pax"),
        (zipped(member("pax", b"10 path=\xff\n", b"x"), member()), "not UTF-8"),
        (zipped(member("pax", b"x" * 70_000, b"x"), member()), "extension header of more"),
    ],
)
def test_data_that_readers_could_disagree_on_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    assert reason in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (header(kind=b"3"), "device"),
        (header(kind=b"4"), "device"),
        (header(kind=b"6"), "named pipe"),
        (header(kind=b"7"), "neither a file nor a folder"),
        (header(kind=b"S"), "neither a file nor a folder"),
        (header(kind=b"V"), "neither a file nor a folder"),
        (member(kind=b"1"), "is a link, but has content"),
        (member(kind=b"2"), "is a link, but has content"),
        (symlink("a/", "b"), "is a link, but its name ends in /"),
        (member(kind=b"5"), "has content"),
        (member("a/"), "ends in /"),
        (member("../a"), "outside"),
        (member("a/../../b"), "outside"),
        (member("/a"), "absolute"),
        (header("a", prefix=b"/etc"), "absolute"),
        (pax(("path", "../a")) + member(), "outside"),
        (member("L", b"/etc/a\0", b"L") + member(), "absolute"),
        (member("./a"), "plainly"),
        (member("C:\\a"), "backslash"),
        (member("a\nb"), "control"),
        (pax(("path", "a\0b")) + member(), "control"),
        (member("L", b"a\0b\0", b"L") + member(), "control"),
        (member(b"\xff"), "UTF-8"),
        (member(""), "says nothing"),
    ],
)
def test_odd_members_are_refused(tmp_path: Path, block: bytes, reason: str) -> None:
    assert reason in refusal(tmp_path, zipped(member("fine/a"), block))


@pytest.mark.parametrize(
    "blocks",
    [
        (member("a/b"), member("a/b")),
        (header("a", kind=b"5"), header("a/", kind=b"5")),
        (header("a", kind=b"5"), member("a")),
        (member("a"), member("a/b")),
        (member("a/b"), pax(("path", "a/b")) + member("c")),
    ],
)
def test_members_of_one_name_are_refused(tmp_path: Path, blocks: tuple[bytes, ...]) -> None:
    assert refusal(tmp_path, zipped(*blocks))


def test_a_link_with_a_long_target_is_told_as_a_link(tmp_path: Path) -> None:
    target = member("././@LongLink", b"../" * 70 + b"x\0", b"K")
    assert "symbolic link" in refusal(tmp_path, zipped(target, header(kind=b"2")))


# --- links


@pytest.mark.parametrize(
    ("name", "target", "leads_to"),
    [
        ("a/link", "b", "a/b"),
        ("a/link", "./b/", "a/b"),
        ("a/c/link", "../b", "a/b"),
        ("a/c/d/link", "../../b", "a/b"),
        ("a/c/link", "..", "a"),
        ("a/link", ".", "a"),
        ("a/link", "not/there", "a/not/there"),
        ("a/link", "..b", "a/..b"),
        ("a/c/link", "..//b", "a/b"),
        ("a/link", "ä", "a/ä"),
    ],
)
def test_a_symbolic_link_may_lead_to_what_is_in_the_top_folder(
    tmp_path: Path, name: str, target: str, leads_to: str
) -> None:
    found = read(tmp_path, zipped(member("a/b"), symlink(name, target)))
    assert found.members[name].leads_to == leads_to
    assert name not in found.contents
    assert (name in found.files()) == (leads_to == "a/b")


@pytest.mark.parametrize(
    ("name", "target", "reason"),
    [
        ("a/link", "..", "leads outside"),
        ("a/link", "../b", "leads outside"),
        ("a/link", "../a/b", "leads outside"),
        ("a/link", "./../../etc/passwd", "leads outside"),
        ("a/c/link", "../../not-there", "leads outside"),
        ("a/link", "b/../../../etc/passwd", "leads outside"),
        ("a/link", "c/../b", "down and up again"),
        ("a/link", "/etc/passwd", "absolute path"),
        ("a/link", "/a/b", "absolute path"),
        ("a/link", "C:/b", "absolute path"),
        ("a/link", "c:b", "absolute path"),
        ("a/link", "", "no path"),
        ("a/link", "..\\b", "no path"),
        ("a/link", "b\nc", "no path"),
    ],
)
def test_a_symbolic_link_may_not_lead_elsewhere(
    tmp_path: Path, name: str, target: str, reason: str
) -> None:
    assert reason in refusal(tmp_path, zipped(member("a/b"), symlink(name, target)))


def test_the_target_of_a_link_may_be_long(tmp_path: Path) -> None:
    long = "x" * 200
    for extension in (member("././@LongLink", f"{long}\0".encode(), b"K"), pax(("linkpath", long))):
        found = read(tmp_path, zipped(extension, symlink("a/link", "ignored")))
        assert found.members["a/link"].leads_to == f"a/{long}"


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ((pax(("linkpath", "/etc/passwd")), symlink("a/link", "b")), "absolute"),
        ((pax(("linkpath", "../../x")), symlink("a/link", "b")), "leads outside"),
        ((pax(("linkpath", "b\0c")), symlink("a/link", "b")), "no path"),
        ((pax(("linkpath", "x" * 2000)), symlink("a/link", "b")), "too long"),
        ((pax(("linkpath", "x/" * 100)), symlink("a/link", "b")), "too deep"),
        ((member("K", b"/x\0", b"K"), symlink("a/link", "b")), "absolute"),
        (
            (member("K", b"b\0", b"K"), pax(("linkpath", "b")), symlink("a/link", "b")),
            "target twice",
        ),
        ((pax(("linkpath", "b"), kind=b"g"), symlink("a/link", "b")), "global pax"),
        ((header("a/link", kind=b"2", target=b"\xff"),), "not UTF-8"),
        ((symlink("a/link", "c"), member("a/link/evil")), "both a file and a folder"),
        ((symlink("a/link", "b"), member("a/link")), "more than one member"),
        ((symlink("a/link", "b"), header("a/link", kind=b"5")), "more than one member"),
    ],
)
def test_links_on_which_readers_could_disagree_are_refused(
    tmp_path: Path, blocks: tuple[bytes, ...], reason: str
) -> None:
    assert reason in refusal(tmp_path, zipped(member("a/b"), *blocks))


def test_a_hard_link_leads_to_a_file_before_it(tmp_path: Path) -> None:
    blocks = (member("a/b"), hardlink("a/c", "a/b"), hardlink("a/d", "a/c"))
    found = read(tmp_path, zipped(*blocks))
    assert found.files() == {"a/b", "a/c", "a/d"}
    assert found.members["a/c"].size == 0


@pytest.mark.parametrize(
    "target",
    ["", "b", "a/none", "a/later", "a", "a/", "a/folder/", "a/link", "/a/b", "../b", "a/../a/b"],
)
def test_a_hard_link_may_not_lead_elsewhere(tmp_path: Path, target: str) -> None:
    before = (member("a/b"), header("a/folder", kind=b"5"), symlink("a/link", "b"))
    content = zipped(*before, hardlink("a/hard", target), member("a/later"))
    assert "which is no file before it" in refusal(tmp_path, content)


def test_links_are_followed_from_one_to_the_next(tmp_path: Path) -> None:
    chain = [symlink(f"a/{number}", str(number + 1)) for number in range(30)]
    circle = [symlink("a/x", "y"), symlink("a/y", "x"), symlink("a/self", "self")]
    found = read(tmp_path, zipped(*chain, member("a/30"), *circle))
    assert found.files() == {f"a/{number}" for number in range(31)}


def test_too_many_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarballs, "MAX_LINKS", 2)
    links = [symlink(f"a/{number}", "b") for number in range(3)]
    assert "more than 2 links" in refusal(tmp_path, zipped(*links))


def test_what_is_taken_is_what_the_data_filter_extracts(tmp_path: Path) -> None:
    content = zipped(
        member("a/b"),
        symlink("a/link", "b"),
        symlink("a/c/up", "../b"),
        symlink("a/c/top", ".."),
        symlink("a/none", "not-there"),
        hardlink("a/hard", "a/b"),
    )
    assert read(tmp_path, content).members
    with tarfile.open(tmp_path / "archive.tar.gz") as archive:
        archive.extractall(tmp_path / "out", filter="data")
    out = tmp_path / "out"
    assert (out / "a/link").read_bytes() == (out / "a/c/up").read_bytes() == b"hello"
    assert (out / "a/hard").read_bytes() == b"hello"


def test_nothing_is_made_of_what_follows_a_link_that_claims_content(tmp_path: Path) -> None:
    link = member("link", member("/evil")[:512], b"2")
    reason = refusal(tmp_path, zipped(link, member("../a")))
    assert reason.count("The member") == 1


def test_the_name_of_a_folder_ends_in_a_slash(tmp_path: Path) -> None:
    found = read(tmp_path, zipped(header("a", kind=b"5"), header("b/", kind=b"5")))
    assert list(found.members) == ["a/", "b/"]


def test_other_pax_records_may_be_of_any_bytes(tmp_path: Path) -> None:
    record = b"27 SCHILY.xattr.user.a=\xff\n"
    record = str(len(record)).encode() + record[2:]
    assert read(tmp_path, zipped(member("pax", record, b"x"), member())).members


def test_all_odd_members_are_told(tmp_path: Path) -> None:
    reasons = refusal(tmp_path, zipped(member("../a"), header("b", kind=b"2"), member("/c")))
    assert reasons.count("The member") == 3


# --- limits


def bomb(mebibytes: int, prefix: bytes) -> bytes:
    """Zeros, compressed as well as gzip can, after a prefix."""
    compressor = zlib.compressobj(wbits=31)
    zeros = b"\0" * (1024 * 1024)
    parts = [compressor.compress(prefix)]
    parts += [compressor.compress(zeros) for _ in range(mebibytes)]
    return b"".join([*parts, compressor.flush()])


@pytest.mark.parametrize(
    "prefix", [header(size=200 * 1024 * 1024), b"", header() + pax(("comment", "x")) + header()]
)
def test_a_bomb_is_stopped_wherever_it_hides(tmp_path: Path, prefix: bytes) -> None:
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(bomb(200, prefix))
    with pytest.raises(InvalidDistribution, match="unpacks to more than"):
        read_tarball(path, lambda _: False, 0)


def test_64_mib_may_be_compressed_as_well_as_they_like(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(bomb(63, header(size=1024 * 1024)))
    assert read_tarball(path, lambda _: False, 0).members


@pytest.mark.parametrize("block", [header, lambda: pax(("comment", "x"), kind=b"g")])
def test_too_many_members_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: Callable[[], bytes]
) -> None:
    monkeypatch.setattr(tarballs, "MAX_MEMBERS", 3)
    assert "more than" in refusal(tmp_path, zipped(*[block()] * 4))


def test_too_many_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarballs, "MAX_DIRECTORY", 10)
    assert "names of the members" in refusal(tmp_path, zipped(member("a/1234"), member("a/56789")))
