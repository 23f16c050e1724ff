"""What a snapshot says of itself, as earlier versions have written it."""

from pathlib import Path

import pytest

from greenroom.registry import backup_snapshots
from greenroom.registry.backup_snapshots import BackupRefused, Snapshot, StoredFile
from greenroom.storage import BackupPlace
from greenroom.storage.open import open_backup

NAME = "000001-20260601T120000Z-0a1b"
SNAPSHOT = Snapshot(
    name=NAME,
    version="1.0",
    database="sqlite",
    schema_revision="0042",
    identity='Ünï/"x"',
    files={
        "database.sqlite": StoredFile(size=4096, sha256="a" * 64),
        "blobs.txt": StoredFile(size=0, sha256="b" * 64),
    },
    blobs=2,
    size=12,
    lost=["c" * 64, "d" * 64],
)
# Written by the version before JSON was read by another library.
WRITTEN = """\
{
  "format": 1,
  "name": "000001-20260601T120000Z-0a1b",
  "version": "1.0",
  "database": "sqlite",
  "schema_revision": "0042",
  "identity": "Ünï/\\"x\\"",
  "files": {
    "database.sqlite": {
      "size": 4096,
      "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    },
    "blobs.txt": {
      "size": 0,
      "sha256": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    }
  },
  "blobs": 2,
  "size": 12,
  "lost": [
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
  ]
}"""
ABOUT = '{"format":1,"identity":"here"}'


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    (tmp_path / "scratch").mkdir()
    return open_backup(str(tmp_path / "backup"), tmp_path / "scratch")


def keep(tmp_path: Path, name: str, text: str | bytes) -> None:
    file = tmp_path / "backup" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def kept(tmp_path: Path, name: str) -> str:
    return (tmp_path / "backup" / name).read_text(encoding="utf-8")


def test_what_was_written_before_is_read(place: BackupPlace, tmp_path: Path) -> None:
    keep(tmp_path, f"snapshots/{NAME}/snapshot.json", WRITTEN)

    assert backup_snapshots.pick(place, None) == SNAPSHOT


def test_it_is_written_as_before(place: BackupPlace, tmp_path: Path) -> None:
    backup_snapshots.finish(place, SNAPSHOT, tmp_path / "scratch" / "a")

    assert kept(tmp_path, f"snapshots/{NAME}/snapshot.json") == WRITTEN


def test_keys_that_are_not_known_are_ignored(place: BackupPlace, tmp_path: Path) -> None:
    more = WRITTEN.replace('"size"', '"later": [1.5, null], "size"').replace('"format": 1,', "")
    keep(tmp_path, f"snapshots/{NAME}/snapshot.json", more)

    assert backup_snapshots.pick(place, NAME) == SNAPSHOT


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"later": ' + b"[" * 100_000,
        WRITTEN[:-1],
        WRITTEN.replace('"identity"', '"index"'),
        WRITTEN.replace("4096", '"many"'),
        WRITTEN.replace('"format": 1', '"format": 2'),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(
    place: BackupPlace, tmp_path: Path, text: str | bytes
) -> None:
    keep(tmp_path, f"snapshots/{NAME}/snapshot.json", text)

    with pytest.raises(BackupRefused, match=f"The snapshot {NAME} .*newer version of Greenroom"):
        backup_snapshots.all_of(place)


def test_a_place_says_which_index_it_is_for_as_before(place: BackupPlace, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch" / "a"
    backup_snapshots.claim(place, "here", scratch)

    assert kept(tmp_path, "backup.json") == ABOUT
    keep(tmp_path, "backup.json", ABOUT.replace("{", '{"later": {}, '))
    backup_snapshots.claim(place, "here", scratch)
    with pytest.raises(BackupRefused, match="another index"):
        backup_snapshots.claim(place, "elsewhere", scratch)


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"{}", b"[" * 100_000, ABOUT.replace("1", "2"), ABOUT.replace("1", '"1')]
)
def test_a_place_of_another_version_is_refused(
    place: BackupPlace, tmp_path: Path, text: str | bytes
) -> None:
    keep(tmp_path, "backup.json", text)

    with pytest.raises(BackupRefused, match="another version"):
        backup_snapshots.claim(place, "here", tmp_path / "scratch" / "a")
