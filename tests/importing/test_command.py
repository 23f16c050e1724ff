"""``greenroom import`` on the command line: what it takes, prints, writes and exits with."""

import errno
import itertools
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from greenroom.registry import imports
from greenroom.registry.imports import Prepared, Terms
from greenroom.registry.unit_of_work import Services
from tests.artifacts import make_wheel
from tests.factories import PASSWORD
from tests.serving import command, plain_environment

SECONDS = " files a second, for "


@pytest.fixture
def environment(migrated_sqlite: Path, tmp_path: Path) -> dict[str, str]:
    """An index with the user ada."""
    (tmp_path / "data").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "data" / "greenroom.sqlite")
    made = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path / "data")}
    user = ("user", "create", "ada", "--email", "ada@index.example", "--password-stdin")
    assert command(made, *user, stdin=PASSWORD).returncode == 0
    return made


def import_(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(environment, "import", *arguments)


def test_a_report_says_what_was_refused_and_why(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder, report = tmp_path / "packages", tmp_path / "report.json"
    size = make_wheel(folder, "example").stat().st_size
    make_wheel(folder, "large", payload=bytes(100_000))
    (folder / "broken-1.0.zip").write_bytes(b"PK")
    limited = environment | {"GREENROOM_MAX_FILE_SIZE": "50KiB"}
    arguments = (str(folder), "--owner", "ada", "--report", str(report))

    dry = import_(limited, *arguments, "--dry-run")
    refused = import_(limited, *arguments)
    written = json.loads(report.read_text())
    unlimited = import_(limited, *arguments, "--ignore-limits")

    assert dry.stdout.splitlines()[-1].startswith("Nothing was done. To import: 1 file")
    assert (dry.returncode, refused.returncode, unlimited.returncode) == (1, 1, 1)
    broken, large, last = refused.stdout.splitlines()
    assert broken.startswith("broken-1.0.zip: The file name 'broken-1.0.zip' ends neither in")
    assert large.endswith("File too large. This index takes files of at most 50 KiB.")
    assert last.partition(SECONDS)[0].startswith(
        f"Imported: 1 file ({size} bytes), historical: 0. There before: 0. Refused: 2. "
        "No distributions: 0."
    )
    assert written.pop("seconds") >= 0
    reasons = {entry["file"]: entry for entry in written.pop("refused")}
    assert written == {
        "dry-run": False,
        "files": 3,
        "imported": 1,
        "bytes": size,
        "historical": 0,
        "present": 0,
        "passed-over": 0,
        "aborted": None,
    }
    assert reasons["large-1.0-py3-none-any.whl"]["code"] == "too-large"
    assert reasons["broken-1.0.zip"]["code"] == "invalid-distribution"
    assert "Imported: 1 file" in unlimited.stdout
    assert all(result.stderr == "" for result in (dry, refused, unlimited))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/srv"), "No space left on device"),
        (KeyboardInterrupt(), "It was interrupted."),
    ],
    ids=["disk", "interrupt"],
)
def test_a_report_is_written_when_the_import_is_broken_off(
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    sentence: str,
) -> None:
    """What came before is in it, and why it ended; the next one has nothing of that."""
    folder, report = tmp_path / "packages", tmp_path / "report.json"
    for number in range(9):
        make_wheel(folder, "example", f"1.{number}")
    arguments = (str(folder), "--owner", "ada", "--connections", "1", "--report", str(report))
    accept, calls = imports.accept, itertools.count()

    def failing(
        services: Services, terms: Terms, files: Sequence[Prepared]
    ) -> list[imports.Outcome]:
        if next(calls) == 1:
            raise error
        return accept(services, terms, files)

    monkeypatch.setattr(imports, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(imports, "accept", failing)
    result = import_(environment, *arguments)
    broken_off = json.loads(report.read_text())
    assert import_(environment, *arguments).returncode == 0
    whole = json.loads(report.read_text())
    shutil.rmtree(folder)
    gone = import_(environment, *arguments)

    assert (result.returncode, result.stdout, "Traceback" in result.stderr) == (1, "", False)
    assert sentence in broken_off["aborted"]
    assert (broken_off["imported"], broken_off["present"]) == (3, 0)
    assert (whole["imported"], whole["present"], whole["aborted"]) == (6, 3, None)
    assert gone.returncode == 2
    assert "neither a folder nor" in json.loads(report.read_text())["aborted"]


def test_a_requirements_file_says_what_is_wanted(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "packages"
    for name, version in (
        ("example", "1.0"),
        ("example", "2.0"),
        ("other", "1.0"),
        ("more", "1.0"),
    ):
        make_wheel(folder, name, version)
    (tmp_path / "more.txt").write_text("more\n")
    (tmp_path / "requirements.txt").write_text(
        "--index-url https://index.example/simple/\n# a comment\n-r more.txt\n"
        "example==2.0 ; python_version > '3' \\\n    --hash=sha256:00\n"
    )
    asked = (str(folder), "--owner", "ada", "--requirements", str(tmp_path / "requirements.txt"))

    result = import_(environment, *asked)

    assert (result.returncode, result.stdout.partition(" (")[0]) == (0, "Imported: 2 files")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("{folder}",), 1, "--owner NAME"),
        (("{folder}", "--owner", "nobody"), 1, "No user is called 'nobody'"),
        (("{folder}", "--owner", "ada", "--index", "a/b"), 2, "--index is for"),
        (("{folder}", "--map-user", "bob"), 2, "'bob' is not of the form OLD=NEW"),
        (("{folder}", "exa mple", "--owner", "ada"), 1, "is no project name"),
        (("{folder}/nowhere", "--owner", "ada"), 2, "neither a folder nor"),
        (("ftp://index.example/", "a", "--owner", "ada"), 2, "http:// or https://"),
        (("{folder}", "--owner", "ada", "--report", "{folder}/no/file"), 1, "cannot be written"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_makes_no_sense_is_said(
    environment: dict[str, str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    status: int,
    sentence: str,
) -> None:
    folder = tmp_path / "packages"
    make_wheel(folder)

    result = import_(environment, *(text.format(folder=folder) for text in arguments))

    assert (result.returncode, sentence in result.stderr) == (status, True), result.stderr
    assert "Traceback" not in result.stderr
