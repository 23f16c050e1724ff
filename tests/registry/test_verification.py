"""Whether the files are what the database says: every damage is found, and nothing else."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from greenroom.core_metadata import CoreMetadata
from greenroom.models import File
from greenroom.registry import accounts, job_handlers, storage_identity, trash, upload_sessions
from greenroom.registry.known_blobs import count
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from greenroom.registry.verification import Findings, verify
from greenroom.storage import Shelf
from greenroom.storage.local import FolderCopy, blob_path
from tests import factories
from tests.artifacts import make_wheel
from tests.storage.keeping import keep

FILES = 2000
DAMAGES = 100


def path_of(services: Services, digest: str) -> Path:
    return blob_path(Path(services.storage.address), digest)


def replace(path: Path, content: bytes) -> None:
    """Have other bytes there; the blob may be a link to what the test still needs."""
    path.unlink()
    path.write_bytes(content)


def flip(path: Path, at: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[at.randrange(len(content))] ^= 1 << at.randrange(8)
    replace(path, bytes(content))


def truncate(path: Path, at: random.Random) -> None:
    content = path.read_bytes()
    replace(path, content[: at.randrange(len(content))])


def lose(path: Path, at: random.Random) -> None:
    path.unlink()


HARM: dict[str, Callable[[Path, random.Random], None]] = {
    "flip": flip,
    "truncate": truncate,
    "lose": lose,
}


def stock(services: Services, folder: Path) -> list[str]:
    """An index of so many files; gives their digests. What is inside them does not matter here."""
    with services.writing() as uow:
        ada = factories.make_user(uow)
        factories.release(uow, ada, make_wheel(folder))
        [file] = uow.db.query(File).all()
        common = {
            "release_id": file.release_id,
            "packagetype": "bdist_wheel",
            "python_tag": "py3",
            "metadata_sha256": file.metadata_sha256,
            "core_metadata": CoreMetadata(),
            "created": uow.now,
            "published": uow.now,
            "md5": "",
            "blake2_256": "",
        }
        contents = [f"file {number} ".encode() * (1 + number % 50) for number in range(FILES - 1)]
        digests = [keep(services.storage, content) for content in contents]
        rows = [
            {**common, "filename": f"f{digest}.whl", "size": len(content), "sha256": digest}
            for content, digest in zip(contents, digests, strict=True)
        ]
        uow.db.execute(insert(File), rows)
        return [*digests, file.sha256, file.metadata_sha256]


def found(findings: Findings) -> dict[str, set[str]]:
    return {
        "missing": {d.digest for d in findings.damages if d.is_missing},
        "wrong": {d.digest for d in findings.damages if not d.is_missing},
        "unknown": set(findings.unknown),
    }


def test_each_of_many_damages_is_found_and_mended_and_nothing_else(
    services: Services, tmp_path: Path
) -> None:
    digests = stock(services, tmp_path / "dist")
    backup = tmp_path / "backup"
    contents = {digest: path_of(services, digest).read_bytes() for digest in digests}
    for digest, content in contents.items():
        path = blob_path(backup, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    chance = random.Random(20261128)
    harmed: dict[str, set[str]] = {"flip": set(), "truncate": set(), "lose": set()}
    surplus = {keep(services.storage, f"surplus {n}".encode()) for n in range(DAMAGES // 4)}
    for digest in chance.sample(digests, DAMAGES - len(surplus)):
        kind = chance.choice(list(HARM))
        HARM[kind](path_of(services, digest), chance)
        harmed[kind].add(digest)
    expected = {
        "missing": harmed["lose"],
        "wrong": harmed["flip"] | harmed["truncate"],
        "unknown": surplus,
    }

    quick = verify(services, quick=True)
    whole = verify(services)

    assert found(quick) == {**expected, "wrong": harmed["truncate"]}
    assert found(whole) == expected
    assert whole.checked == len(digests) == count(services.database.reading)[0]
    assert set(services.storage.digests(shelf=Shelf.DAMAGED)) == expected["wrong"]
    repaired = verify(services, source=FolderCopy(backup))
    assert repaired.unrepaired == []
    assert len(repaired.damages) == DAMAGES - len(surplus)
    assert found(verify(services)) == {"missing": set(), "wrong": set(), "unknown": surplus}
    assert {digest: path_of(services, digest).read_bytes() for digest in digests} == contents


@pytest.fixture
def wheel(services: Services, tmp_path: Path) -> Path:
    wheel = make_wheel(tmp_path)
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), wheel)
    storage_identity.check(services)
    return wheel


def digests(services: Services) -> set[str]:
    with services.reading() as uow:
        [file] = uow.db.query(File).all()
        return {file.sha256, file.metadata_sha256}


def upload_again(services: Services, wheel: Path) -> None:
    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)


@pytest.mark.parametrize("harm", ["truncate", "lose"])
def test_uploading_a_published_file_again_mends_it(
    services: Services, wheel: Path, harm: str
) -> None:
    for digest in digests(services):
        HARM[harm](path_of(services, digest), random.Random(1))
        upload_again(services, wheel)
        assert verify(services).damages == []


def test_uploading_a_file_again_mends_what_was_put_aside(services: Services, wheel: Path) -> None:
    for digest in digests(services):
        flip(path_of(services, digest), random.Random(1))
    assert len(verify(services).damages) == 2

    upload_again(services, wheel)

    assert verify(services).damages == []


def test_a_metadata_file_that_was_cut_short_is_found_quickly(
    services: Services, wheel: Path
) -> None:
    with services.reading() as uow:
        [file] = uow.db.query(File).all()
    truncate(path_of(services, file.metadata_sha256), random.Random(1))

    [damage] = verify(services, quick=True).damages

    assert (damage.digest, damage.filename) == (file.metadata_sha256, f"{wheel.name}.metadata")


def test_a_copy_that_is_damaged_too_mends_nothing(
    services: Services, wheel: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    for digest in digests(services):
        copy = blob_path(backup, digest)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(b"neither")
        path_of(services, digest).unlink()

    findings = verify(services, source=FolderCopy(backup))

    assert len(findings.unrepaired) == 2
    assert list(services.storage.digests()) == []
    assert list(services.storage.incoming.iterdir()) == []


def test_parts_that_have_arrived_are_files_too(services: Services, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with services.writing() as uow:
        ada = factories.make_user(uow)
        draft = factories.open_new(uow, ada)
        upload = factories.announce(uow, ada, draft, wheel)
        part = factories.received(wheel)
        services.storage.put(part.path, part.sha256)
        upload_sessions.add_part(uow, Person(ada), draft, upload, 0, part)
    flip(path_of(services, part.sha256), random.Random(1))

    [damage] = verify(services).damages

    assert (damage.digest, damage.filename) == (part.sha256, wheel.name)
    assert trash.unused(services).digests == ()


def test_the_monthly_job_puts_aside_what_is_damaged(services: Services, wheel: Path) -> None:
    damaged = sorted(digests(services))[0]
    flip(path_of(services, damaged), random.Random(1))

    job_handlers.verify(services, {})

    assert list(services.storage.digests(shelf=Shelf.DAMAGED)) == [damaged]
    assert timedelta(days=20) <= job_handlers.VERIFY_EVERY
