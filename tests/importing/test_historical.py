"""What the ecosystem took in its time comes in where that is asked for, and only there."""

import gzip
import hashlib
import os
import random
from pathlib import Path
from urllib.parse import urljoin

import pytest
from packaging.version import Version

from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.historical import inspect_historical
from greenroom.registry import accounts, uploads
from greenroom.registry.artifacts import Claims
from greenroom.registry.errors import InvalidFile, SecondSdist
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.importing.conftest import Destination
from tests.importing.historical_files import REFUSED, Odd, all_of_them
from tests.web.conftest import Site


def write(folder: Path, odd: list[Odd]) -> Path:
    folder.mkdir()
    for number, file in enumerate(odd):
        path = folder / file.filename
        path.write_bytes(file.content)
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
    return folder


def test_old_files_come_in_are_marked_and_are_served(
    index: Destination, tmp_path: Path, clock: FakeClock
) -> None:
    odd = all_of_them()
    assert len(odd) > 100
    folder = write(tmp_path / "old", odd)

    strict = index.take(folder)
    assert (strict.imported, index.files()) == (0, {})
    assert {refused.where for refused in strict.refused} == {file.filename for file in odd}

    dry = index.take(folder, historical=True, dry_run=True)
    assert (dry.imported, dry.refused, index.files()) == (len(odd), [], {})

    report = index.take(folder, historical=True)
    assert (report.refused, report.imported, report.historical) == ([], len(odd), len(odd))
    files = index.files()
    app = Site(index.services, clock).app
    for number, file in enumerate(odd):
        row = files[file.filename]
        assert row.historical, file
        assert row.release.project.normalized_name == file.project, file
        assert Version(row.release.version) == Version(file.version), file
        assert row.published is not None
        assert row.published.timestamp() == 1_000_000_000 + number
        page = app.get(
            f"/simple/{file.project}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
        ).json
        (listed,) = (entry for entry in page["files"] if entry["filename"] == file.filename)
        url = urljoin(f"/simple/{file.project}/", listed["url"])
        assert app.get(url).body == file.content
        is_wheel = file.filename.endswith(".whl")
        assert bool(listed["core-metadata"]) == is_wheel, file
        described = app.get(f"{url}.metadata", status=200 if is_wheel else 404)
        if is_wheel:
            digest = hashlib.sha256(described.body).hexdigest()
            assert listed["core-metadata"] == {"sha256": digest}
        if number % 9 == 0:
            app.get(f"/project/{file.project}/")
            app.get(f"/pypi/{file.project}/json")

    again = index.take(folder, historical=True)
    assert (again.imported, again.present, again.refused) == (0, len(odd), [])


def test_what_is_dangerous_or_means_nothing_stays_out(index: Destination, tmp_path: Path) -> None:
    folder = write(tmp_path / "bad", [Odd(name, content, "") for name, content in REFUSED.items()])

    report = index.take(folder, historical=True)

    assert (report.imported, index.files()) == (0, {})
    assert {refused.where for refused in report.refused} == set(REFUSED)
    assert all(refused.reasons for refused in report.refused)
    assert list(index.services.storage.digests()) == []
    assert list(index.services.storage.incoming.iterdir()) == []


def test_what_an_upload_would_bring_is_not_marked(index: Destination, tmp_path: Path) -> None:
    make_wheel(tmp_path / "new", "example")
    licensed = (
        ("License-Expression", "MIT"),
        ("Classifier", "License :: OSI Approved :: MIT License"),
    )
    make_sdist(tmp_path / "new", "example", metadata_version="2.4", metadata_extra=licensed)

    report = index.take(tmp_path / "new", historical=True)

    assert (report.imported, report.historical) == (2, 0)
    assert [file.historical for file in index.files().values()] == [False, False]


def test_uploads_stay_as_strict_as_they_were(index: Destination, tmp_path: Path) -> None:
    """Also into a project whose old files are there."""
    odd = {file.filename: file for file in all_of_them()}
    old, another = odd["in_many-1.0.zip"], odd["in_many-1.0.tar.bz2"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / old.filename).write_bytes(old.content)
    assert index.take(tmp_path / "old", historical=True).imported == 1
    path = tmp_path / another.filename
    path.write_bytes(another.content)
    sound = make_sdist(tmp_path, "in-many", "1.0")

    for artifact, version, refusal in (
        (factories.artifact_of(path), "2.0", InvalidFile),
        (factories.artifact_of(sound), "1.0", SecondSdist),
    ):
        claims = Claims("in-many", Version(version), "sdist", {})
        with pytest.raises(refusal):
            uploads.upload_file(index.services, ada, artifact, claims, staged=False)
    assert set(index.files()) == {old.filename}


def ada(uow: UnitOfWork) -> Person:
    return Person(accounts.get_user(uow.db, "ada"))


def test_what_is_damaged_is_read_or_refused(tmp_path: Path, renderings_are_kept: None) -> None:
    """Bytes changed, cut out and doubled, also below the compression: nothing else is raised."""
    chance = random.Random(20)
    odd = [file for file in all_of_them() if len(file.content) < 20_000]
    path = tmp_path / "damaged"
    outcomes: set[str] = set()
    for _ in range(200):
        file = chance.choice(odd)
        below = file.filename.endswith((".tar.gz", ".tgz")) and file.project != "more-behind"
        content = bytearray(gzip.decompress(file.content) if below else file.content)
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(min(len(content), 1500))
            content[at : at + chance.choice([0, 1, 1, 1, 30])] = chance.randbytes(1)
        path.write_bytes(gzip.compress(content, 1) if below else content)
        try:
            outcomes.add(inspect_historical(path, file.filename).packagetype)
        except InvalidDistribution:
            outcomes.add("refused")
    assert {"refused", "sdist"} <= outcomes
