"""``greenroom upstream warm|evict|verify``, with a real upstream behind the index."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.registry import upstream_files
from greenroom.storage.local import blob_path
from tests import upstream_cache
from tests.artifacts import make_sdist, make_wheel
from tests.serving import command
from tests.upstream_server import Status, UpstreamServer, upstream_running
from tests.whole_index import Environment, index_in, inhabit, opened


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    folder = tmp_path / "there"
    names = [("thing", "1.0"), ("thing", "2.0"), ("another", "1.0"), ("example", "7.0")]
    files = [make_wheel(folder, name, version) for name, version in names]
    with upstream_running([*files, make_sdist(folder, "thing", "2.0")]) as upstream:
        yield upstream


@pytest.fixture
def index(tmp_path: Path, upstream: UpstreamServer) -> Environment:
    """An index that has a project itself, example, and this upstream behind it."""
    environment = index_in(tmp_path / "index", **upstream_cache.environment(upstream))
    inhabit(environment, tmp_path / "dist")
    return environment


def kept(index: Environment) -> list[str]:
    with opened(index) as services:
        return sorted(kept.filename for kept in upstream_files.all_of(services))


def written(folder: Path, name: str, *lines: str) -> str:
    path = folder / name
    path.write_text("\n".join(lines))
    return str(path)


def digest(upstream: UpstreamServer, filename: str) -> str:
    return upstream._file(filename).sha256


WHEEL = "thing-2.0-py3-none-any.whl"


def test_a_lock_file_is_all_here_afterwards(
    index: Environment, upstream: UpstreamServer, tmp_path: Path
) -> None:
    lock = written(
        tmp_path,
        "requirements.txt",
        "# made by hand",
        "thing==2.0 \\",
        f"    --hash=sha256:{digest(upstream, WHEEL)}",
        "another>=0.5 ; python_version > '3'",
        "example",
    )

    first = command(index, "upstream", "warm", "-r", lock)
    upstream.go_away()
    again = command(index, "upstream", "warm", "-r", lock)
    upstream.come_back()

    assert first.returncode == 0, first.stdout
    assert "This index answers itself for: example." in first.stdout
    assert "Files fetched: 4. Here already: 0. Not let in: 0. Problems: 0." in first.stdout
    assert "Files fetched: 0. Here already: 4." in again.stdout
    another = "another-1.0-py3-none-any.whl"
    names = [another, f"{another}.metadata", WHEEL, f"{WHEEL}.metadata"]
    assert kept(index) == names


@pytest.mark.parametrize("name", ["pylock.toml", "uv.lock", "poetry.lock"])
def test_locks_in_toml_are_read(
    index: Environment, upstream: UpstreamServer, tmp_path: Path, name: str
) -> None:
    found = digest(upstream, WHEEL)
    tables = {
        "pylock.toml": ["[[packages]]", f'wheels = [{{ hashes = {{ sha256 = "{found}" }} }}]'],
        "uv.lock": ["[[package]]", f'wheels = [{{ hash = "sha256:{found}", size = 1 }}]'],
        "poetry.lock": ["[[package]]", f'files = [{{ file = "x", hash = "sha256:{found}" }}]'],
    }
    begin, files = tables[name]
    lock = written(
        tmp_path, name, begin, 'name = "Thing"', 'version = "2.0"', files, "", begin, 'name = "own"'
    )

    result = command(index, "upstream", "warm", "-r", lock)

    assert result.returncode == 0, result.stdout
    assert kept(index) == [WHEEL, f"{WHEEL}.metadata"]


def test_what_cannot_be_had_is_said_and_the_rest_is_fetched(
    index: Environment, upstream: UpstreamServer, tmp_path: Path
) -> None:
    lock = written(tmp_path, "r.txt", "thing==2.0", "nothing==1.0", "another==9")
    upstream.fail(upstream.file("thing-2.0.tar.gz"), Status(404))

    result = command(index, "upstream", "warm", "-r", lock)

    assert result.returncode == 1
    assert "nothing: no upstream has it." in result.stdout
    assert "another==9: up has no such file." in result.stdout
    assert "answers with status 404" in result.stdout
    assert "Files fetched: 2." in result.stdout


def test_what_is_not_let_in_is_not_fetched(
    index: Environment, upstream: UpstreamServer, tmp_path: Path
) -> None:
    lock = written(tmp_path, "r.txt", "thing==2.0")
    strict = index | {"GREENROOM_UPSTREAM_WHEELS_ONLY": "true"}

    result = command(strict, "upstream", "warm", "-r", lock)

    assert result.returncode == 0
    assert "thing-2.0.tar.gz is not a wheel" in result.stdout
    assert kept(index) == [WHEEL, f"{WHEEL}.metadata"]


def test_lock_files_that_are_none_are_refused(index: Environment, tmp_path: Path) -> None:
    for name, text, said in (
        ("r.txt", "-r r.txt", "includes itself"),
        ("s.txt", "thing @ https://index.example/x.whl", "names an address"),
        ("t.txt", "!!", "is no requirement"),
        ("pylock.toml", "[", "is no TOML"),
        ("uv.lock", "version = 1", "has no packages"),
    ):
        result = command(index, "upstream", "warm", "-r", written(tmp_path, name, text))
        assert result.returncode == 1
        assert said in result.stderr
    missing = command(index, "upstream", "warm", "-r", str(tmp_path / "nowhere"))
    assert "cannot be read: No such file or directory." in missing.stderr
    redirecting = index | {"GREENROOM_UPSTREAM_MODE": "redirect"}
    result = command(redirecting, "upstream", "warm", "-r", str(tmp_path / "t.txt"))
    assert "set GREENROOM_UPSTREAM_MODE to cache" in result.stderr


def test_evicting_takes_what_is_asked_for_and_nothing_of_ours(
    index: Environment, tmp_path: Path
) -> None:
    lock = written(tmp_path, "r.txt", "thing==1.0", "another==1.0")
    assert command(index, "upstream", "warm", "-r", lock).returncode == 0

    which = command(index, "upstream", "evict")
    assert which.returncode == 2
    denied = command(index, "upstream", "evict", "--all", stdin="yes\n")
    assert (denied.returncode, len(kept(index))) == (1, 4)
    assert "Files let go: 2" in command(index, "upstream", "evict", "--project", "Another").stdout
    assert command(index, "upstream", "evict", "--to", "1GiB").stdout == (
        "Files let go: 0 (0 bytes).\n"
    )
    assert "Files let go: 2" in command(index, "upstream", "evict", "--to", "1").stdout
    assert command(index, "upstream", "warm", "-r", lock).returncode == 0
    assert "Files let go: 4" in command(index, "upstream", "evict", "--all", stdin="evict\n").stdout
    assert kept(index) == []
    found = json.loads(command(index, "storage", "verify", "--json").stdout)
    assert (found["missing"], found["wrong"]) == ([], [])


def test_verifying_mends_what_is_wrong_or_missing(
    index: Environment, upstream: UpstreamServer, tmp_path: Path
) -> None:
    lock = written(tmp_path, "r.txt", "thing==2.0")
    assert command(index, "upstream", "warm", "-r", lock).returncode == 0
    with opened(index) as services:
        blobs = {each.filename: each.sha256 for each in upstream_files.all_of(services)}
        path = blob_path(services.settings.files, blobs[WHEEL])
        path.unlink()
        path.write_bytes(b"something else")
        services.storage.delete(blobs["thing-2.0.tar.gz"])

    mended = command(index, "upstream", "verify")
    again = command(index, "upstream", "verify")

    assert mended.returncode == 0, mended.stdout
    assert "Files checked: 3. Wrong or missing: 2. Fetched again: 2. Let go: 0." in mended.stdout
    assert "Files checked: 3. Wrong or missing: 0." in again.stdout
    with opened(index) as services:
        services.storage.delete(blobs[WHEEL])
    upstream.go_away()
    lost = command(index, "upstream", "verify")
    upstream.come_back()
    assert lost.returncode == 1
    assert "Wrong or missing: 1. Fetched again: 0. Let go: 1." in lost.stdout
