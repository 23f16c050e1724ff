"""What is said of the members of an archive."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from greenroom.distributions.contents import Kind, read_member, survey, text_of
from greenroom.distributions.errors import InvalidDistribution
from tests.artifacts import make_sdist, make_wheel
from tests.distributions.test_natives import ELF_X86_64

FILES = {
    "example/notes.txt": "Größe\n".encode(),
    "example/icon.png": b"\x89PNG\r\n\x1a\n\xff",
    "example/zeros.txt": b"a\0b",
    "example/cut.txt": "ö".encode()[:1],
    "example/fast.so": ELF_X86_64 + bytes(600_000),
    "example/empty": b"",
}
KINDS = {
    "example/notes.txt": Kind.TEXT,
    "example/icon.png": Kind.BINARY,
    "example/zeros.txt": Kind.BINARY,
    "example/cut.txt": Kind.BINARY,
    "example/fast.so": Kind.NATIVE,
    "example/empty": Kind.TEXT,
}


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_every_member_is_described(tmp_path: Path, make: type[Path]) -> None:
    archive: Path = make(tmp_path, extra_files=FILES)
    seen: dict[str, bytes] = {}

    def watch(name: str) -> object:
        def take(piece: bytes) -> None:
            seen[name] = seen.get(name, b"") + piece

        return None if name.endswith("icon.png") else take

    prefix = "" if archive.suffix == ".whl" else "example-1.0/"
    described = {
        member.path.removeprefix(prefix): member
        for member in survey(archive, archive.name, watch)  # type: ignore[arg-type]
    }
    for path, content in FILES.items():
        member = described[path]
        assert (member.size, member.sha256, member.kind) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
            KINDS[path],
        )
        assert seen.get(prefix + path, b"") == (b"" if path.endswith(".png") else content)
        assert read_member(archive, archive.name, prefix + path, 1_000_000) == content
    assert not any(path.endswith("/") for path in described)
    assert text_of(FILES["example/notes.txt"], "notes.txt") == "Größe\n"


def test_a_link_is_described_by_where_it_leads(tmp_path: Path) -> None:
    path = tmp_path / "example-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        content = b"Metadata-Version: 2.2\n"
        plain = tarfile.TarInfo("example-1.0/PKG-INFO")
        plain.size = len(content)
        archive.addfile(plain, io.BytesIO(content))
        link = tarfile.TarInfo("example-1.0/docs/info")
        link.type, link.linkname = tarfile.SYMTYPE, "../PKG-INFO"
        archive.addfile(link)
    info, linked = survey(path, path.name)
    assert (info.kind, linked.kind, linked.leads_to) == (
        Kind.TEXT,
        Kind.LINK,
        "example-1.0/PKG-INFO",
    )


def test_what_is_too_long_or_not_there_is_not_read(tmp_path: Path) -> None:
    for archive in (
        make_wheel(tmp_path, extra_files={"example/long.txt": bytes(1000)}),
        make_sdist(tmp_path, extra_files={"example/long.txt": bytes(1000)}),
    ):
        long = next(m.path for m in survey(archive, archive.name) if m.path.endswith("long.txt"))
        with pytest.raises(InvalidDistribution, match="longer than 999 bytes"):
            read_member(archive, archive.name, long, 999)
        with pytest.raises(KeyError):
            read_member(archive, archive.name, "example/other.txt", 999)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    for archive in (make_wheel(tmp_path), make_sdist(tmp_path)):
        archive.write_bytes(archive.read_bytes()[:-50])
        with pytest.raises(InvalidDistribution):
            survey(archive, archive.name)


@pytest.mark.parametrize("content", [b"\xff", b"a\0b"])
def test_what_is_no_text_is_not_shown_as_one(content: bytes) -> None:
    with pytest.raises(InvalidDistribution, match="no text"):
        text_of(content, "x.txt")
