"""What goes wrong around an index, by accident: no published byte is lost by it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenroom.registry import accounts, housekeeping, storage_identity
from greenroom.registry.trash import TooMuchAtOnce
from greenroom.registry.unit_of_work import Services
from greenroom.storage import Shelf
from tests import factories
from tests.artifacts import make_wheel
from tests.s3_server import S3Server, s3_server
from tests.serving import command, plain_environment, serving
from tests.whole_index import index_in, opened

VERSIONS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def environment(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The settings of an index with an embedded database, and files in a folder or a bucket."""
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(tmp_path / "data")}
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("server")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        environment |= {
            **server.environment,
            "GREENROOM_STORAGE_URL": f"{server.url}/{tmp_path.name}",
            "GREENROOM_S3_ENDPOINT": server.endpoint,
        }
    return environment


def stock(environment: dict[str, str], folder: Path, *versions: str) -> None:
    """Publish these versions, with a file and its metadata each."""
    with opened(environment) as services:
        publish(services, folder, *versions)
        storage_identity.check(services)


def publish(services: Services, folder: Path, *versions: str) -> None:
    with services.writing() as uow:
        if accounts.is_empty(uow.db):
            factories.make_user(uow, "ada")
        ada = accounts.get_user(uow.db, "ada")
        for version in versions:
            factories.release(uow, ada, make_wheel(folder, version=version))


def blobs(environment: dict[str, str], shelf: Shelf = Shelf.KEPT) -> set[str]:
    with opened(environment) as services:
        return set(services.storage.digests(shelf=shelf))


@dataclass(frozen=True)
class Original:
    """What all of the indexes here begin with: a database, and the files that it knows."""

    database: Path
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    environment = index_in(tmp_path_factory.mktemp("original"))
    versions = [f"{number}.0" for number in range(VERSIONS)]
    files = {}
    with opened(environment) as services:
        publish(services, tmp_path_factory.mktemp("dist"), *versions)
        for digest in services.storage.digests():
            with services.storage.open(digest) as blob:
                files[digest] = b"".join(blob)
    return Original(database(environment), files)


@pytest.fixture
def stocked(environment: dict[str, str], original: Original) -> dict[str, str]:
    """A copy of the original, whose storage knows whose it is."""
    database(environment).parent.mkdir(0o700)
    shutil.copy(original.database, database(environment))
    with opened(environment) as services:
        services.storage.put_all(original.files)
        storage_identity.check(services)
    assert len(blobs(environment)) == 2 * VERSIONS
    return environment


def database(environment: dict[str, str]) -> Path:
    return Path(environment["GREENROOM_DATA"]) / "greenroom.sqlite"


def lose(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal, which says what to do."""
    assert (result.returncode, result.stdout) == (1, "")
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert "Traceback" not in result.stderr
    assert "'greenroom storage adopt'" in line
    return line


STARTS: dict[str, tuple[str, ...]] = {
    "serve": ("serve", "--port", "0"),
    "work": ("work",),
    "user create": ("user", "create", "bob", "--email", "bob@index.example", "--password-stdin"),
    "db upgrade": ("db", "upgrade"),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_database_that_was_lost_is_not_replaced(
    stocked: dict[str, str], start: tuple[str, ...]
) -> None:
    before = blobs(stocked)
    aside = shutil.copy(database(stocked), database(stocked).with_suffix(".aside"))
    lose(database(stocked))

    result = command(stocked, *start, stdin=factories.PASSWORD)

    assert "there is no database that knows them" in refused(result)
    assert not database(stocked).exists()
    shutil.move(aside, database(stocked))
    assert blobs(stocked) == before
    assert command(stocked, "storage", "verify").returncode == 0


@pytest.mark.parametrize("name", ["housekeeping", "storage verify"])
def test_the_other_commands_say_that_it_is_lost(stocked: dict[str, str], name: str) -> None:
    lose(database(stocked))
    result = command(stocked, *name.split())
    assert result.returncode == 1
    assert result.stderr.startswith("Error: There is no index in ")
    assert not database(stocked).exists()


ACTS = {**STARTS, "housekeeping": ("housekeeping", "--force"), "restore": ("storage", "restore")}
del ACTS["db upgrade"]


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_slip_in_the_database_s_url_deletes_nothing(
    stocked: dict[str, str], tmp_path: Path, act: tuple[str, ...]
) -> None:
    before = blobs(stocked)
    slipped = stocked | {"GREENROOM_DATABASE_URL": f"sqlite:///{tmp_path}/grenroom.sqlite"}
    assert command(slipped, "db", "upgrade").returncode == 0

    result = command(slipped, *act, stdin=factories.PASSWORD)

    assert "belongs to another database" in refused(result)
    assert blobs(stocked) == before
    assert command(stocked, "housekeeping").stdout.startswith("Drafts expired: 0. Blobs freed: 0.")


def test_another_index_on_its_bucket_stops(stocked: dict[str, str], tmp_path: Path) -> None:
    """A test deployment that was given production's storage, with files of its own elsewhere."""
    before = blobs(stocked)
    other = {k: v for k, v in stocked.items() if not k.startswith(("GREENROOM_S", "AWS"))}
    other["GREENROOM_DATA"] = str(tmp_path / "test-data")
    stock(other, tmp_path / "test-dist", "99.0")
    if "GREENROOM_STORAGE_URL" in stocked:
        other |= stocked | {"GREENROOM_DATA": other["GREENROOM_DATA"]}
    else:
        shutil.rmtree(tmp_path / "test-data" / "files")
        (tmp_path / "test-data" / "files").symlink_to(tmp_path / "data" / "files")

    for act in (ACTS["work"], ACTS["housekeeping"]):
        assert "belongs to another database" in refused(command(other, *act))

    assert blobs(stocked) == before
    assert command(stocked, "storage", "verify").returncode == 0


def test_yesterday_s_database_loses_nothing_of_today(
    stocked: dict[str, str], tmp_path: Path
) -> None:
    today = database(stocked).with_suffix(".today")
    yesterday = shutil.copy(database(stocked), database(stocked).with_suffix(".yesterday"))
    stock(stocked, tmp_path / "dist", "100.0")
    before = blobs(stocked)
    shutil.move(database(stocked), today)
    lose(database(stocked))
    shutil.copy(yesterday, database(stocked))

    result = command(stocked, "housekeeping")

    assert result.stdout.endswith("Blobs freed: 2. Stale uploads removed: 0.\n")
    assert len(blobs(stocked, Shelf.TRASH)) == 2
    lose(database(stocked))
    shutil.copy(today, database(stocked))
    assert command(stocked, "storage", "restore").stdout == (
        "Blobs brought back from the trash: 2.\n"
    )
    assert blobs(stocked) == before
    assert command(stocked, "storage", "verify").returncode == 0


def test_last_month_s_database_moves_nothing_by_itself(
    stocked: dict[str, str], tmp_path: Path
) -> None:
    last_month = shutil.copy(database(stocked), database(stocked).with_suffix(".month"))
    stock(stocked, tmp_path / "dist", *(f"2{number}.0" for number in range(VERSIONS)))
    before = blobs(stocked)
    lose(database(stocked))
    shutil.copy(last_month, database(stocked))

    look = command(stocked, "housekeeping", "--dry-run")
    result = command(stocked, "housekeeping")

    for refusal in (look, result):
        assert refusal.returncode == 1
        assert f"Nobody refers to {2 * VERSIONS} of the {4 * VERSIONS} blobs" in refusal.stderr
    with opened(stocked) as services, pytest.raises(TooMuchAtOnce):
        housekeeping.keep_house(services)
    assert blobs(stocked) == before
    forced = command(stocked, "housekeeping", "--force")
    assert f"Blobs freed: {2 * VERSIONS}." in forced.stdout
    assert blobs(stocked, Shelf.KEPT) | blobs(stocked, Shelf.TRASH) == before


def test_a_storage_is_adopted_by_typing_so(stocked: dict[str, str]) -> None:
    lose(database(stocked))

    declined = command(stocked, "storage", "adopt", stdin="yes\n")
    accepted = command(stocked, "storage", "adopt", stdin="adopt\n")
    again = command(stocked, "storage", "adopt", stdin="adopt\n")

    assert declined.returncode == 1
    assert "is marked as another database's" in declined.stdout
    assert "Of 0 files that the database knows, 0 are there." in declined.stdout
    assert accepted.returncode == 0
    assert accepted.stdout.endswith("belongs to this database now.\n")
    assert again.stdout.endswith("belongs to this database already.\n")
    assert "Nobody refers to 24 of the 24 blobs" in command(stocked, "housekeeping").stderr


def test_a_server_without_its_database_does_not_start(
    stocked: dict[str, str], tmp_path: Path
) -> None:
    """The whole program, which forks."""
    before = blobs(stocked)
    lose(database(stocked))
    settings = {name: value for name, value in stocked.items() if name.startswith(("GREEN", "AWS"))}

    missing = "there is no database that knows them"
    with pytest.raises(AssertionError, match=missing), serving(tmp_path, settings=settings):
        pass

    assert not database(stocked).exists()
    assert blobs(stocked) == before


def test_a_server_on_its_storage_serves(stocked: dict[str, str], tmp_path: Path) -> None:
    settings = {name: value for name, value in stocked.items() if name.startswith(("GREEN", "AWS"))}
    with serving(tmp_path, settings=settings) as server:
        page = server.get("/simple/example/").body.decode()
        address = re.findall(r'href="[^"]*(/packages/[^"#]*)', page)[0]
        assert server.get(address).status == 200
