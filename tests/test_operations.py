"""The files with which the index is run: what can be said of them without running them."""

import re
import tomllib
from pathlib import Path
from typing import TypedDict, cast

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

SETTINGS = {
    "GREENROOM_DATA",
    "GREENROOM_DATABASE_URL",
    "GREENROOM_STORAGE_URL",
    "GREENROOM_S3_ENDPOINT",
    "GREENROOM_S3_PUBLIC_ENDPOINT",
    "GREENROOM_URL",
    "GREENROOM_SECRET_KEY",
    "GREENROOM_REGISTRATION",
    "GREENROOM_POLICY",
    "GREENROOM_MAX_FILE_SIZE",
    "GREENROOM_MAX_PROJECT_SIZE",
    "GREENROOM_NEW_PROJECTS_PER_HOUR",
    "GREENROOM_UPLOADS_PER_HOUR",
    "GREENROOM_TRUSTED_PROXIES",
    "GREENROOM_DRAFT_LIFETIME",
    "GREENROOM_DRAFT_LIFETIME_MAX",
    "GREENROOM_RELEASE_OPEN_DAYS",
    "GREENROOM_PURGE_URL",
    "GREENROOM_PURGE_TOKEN",
    "GREENROOM_LOG_FORMAT",
}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")


class Dependency(TypedDict):
    condition: str


class Service(TypedDict, total=False):
    image: str
    build: str
    command: list[str]
    entrypoint: list[str]
    environment: dict[str, str]
    depends_on: dict[str, Dependency]
    healthcheck: dict[str, object]
    volumes: list[str]


class Compose(TypedDict):
    services: dict[str, Service]
    volumes: dict[str, None]


@pytest.fixture(scope="module")
def compose() -> Compose:
    return cast("Compose", yaml.safe_load(read("docker-compose.yml")))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def instructions(name: str) -> list[str]:
    """The instructions of a Dockerfile, each on one line."""
    joined = read(name).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


# --- the services -------------------------------------------------------------------------------


def test_every_setting_of_the_services_exists(compose: Compose) -> None:
    given = {
        name
        for service in compose["services"].values()
        for name in service.get("environment", {})
        if name.startswith("GREENROOM_")
    }
    assert given
    assert given <= SETTINGS


def test_the_schema_is_upgraded_before_the_index_starts(compose: Compose) -> None:
    services = compose["services"]
    assert services["schema"]["command"] == ["greenroom", "db", "upgrade"]
    assert services["schema"]["depends_on"]["database"]["condition"] == "service_healthy"
    first = services["index"]["depends_on"]["schema"]["condition"]
    assert first == "service_completed_successfully"


def test_the_bucket_is_made_before_the_index_starts(compose: Compose) -> None:
    services = compose["services"]
    bucket = services["index"]["environment"]["GREENROOM_STORAGE_URL"].split("/")[2]
    assert f"/store/{bucket}" in services["bucket"]["entrypoint"]
    assert services["index"]["depends_on"]["bucket"]["condition"] == (
        "service_completed_successfully"
    )


def test_what_is_waited_for_can_say_that_it_is_well(compose: Compose) -> None:
    for name, service in compose["services"].items():
        for other, dependency in service.get("depends_on", {}).items():
            if dependency["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][other], (name, other)


def test_no_secret_has_a_default(compose: Compose) -> None:
    text = read("docker-compose.yml")
    for name, rest in re.findall(r"\$\{(\w+)([^}]*)\}", text):
        assert not SECRET.search(name) or rest.startswith(":?"), name
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET.search(name) or value.startswith("${"), name


def test_every_image_is_pinned(compose: Compose) -> None:
    for service in compose["services"].values():
        assert "build" in service or ":" in service["image"]


def test_every_volume_is_declared(compose: Compose) -> None:
    used = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(compose["volumes"])


# --- the image ----------------------------------------------------------------------------------


def test_the_image_runs_as_somebody_without_rights() -> None:
    users = [line.split()[1] for line in instructions("Dockerfile") if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("root", "0")


def test_the_image_says_whether_it_is_well() -> None:
    checks = [line for line in instructions("Dockerfile") if line.startswith("HEALTHCHECK ")]
    assert len(checks) == 1
    assert "/_ready" in checks[0]


def test_the_image_keeps_its_data_in_a_volume() -> None:
    lines = instructions("Dockerfile")
    assert "VOLUME /data" in lines
    assert any(line.startswith("ENV ") and "GREENROOM_DATA=/data" in line for line in lines)


def test_the_image_serves() -> None:
    assert instructions("Dockerfile")[-1] == (
        'CMD ["greenroom", "serve", "--host", "0.0.0.0", "--port", "6543"]'
    )


# --- the locks ----------------------------------------------------------------------------------


def requirements(lock: Path) -> dict[str, str]:
    """Each requirement of a lock with what follows it."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return {line.split("==")[0]: line for line in lines}


def test_there_is_a_lock_for_each_use() -> None:
    measured = {lock.stem for lock in LOCKS if lock.stem.startswith("bench-")}
    groups = tomllib.loads(read("pyproject.toml"))["dependency-groups"]
    assert measured == {group for group in groups if group.startswith("bench-")} != set()
    assert {lock.stem for lock in LOCKS} - measured == {"serve", "image", "test", "clients"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_and_hashes_everything(lock: Path) -> None:
    found = requirements(lock)
    assert found
    assert lock.stem.startswith("bench-") or "pyramid" in found
    for name, line in found.items():
        assert re.match(r"[a-z0-9-]+==[^\s;]+ ", line), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), name


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)


def test_the_locks_agree() -> None:
    test = requirements(ROOT / "requirements/test.txt")
    for lock in LOCKS:
        if lock.stem == "clients" or lock.stem.startswith("bench-"):  # environments of their own
            continue
        for name, line in requirements(lock).items():
            assert test[name].split()[0] == line.split()[0], (lock.name, name)


# --- the checks ---------------------------------------------------------------------------------


def test_the_checks_can_be_run() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert "GREENROOM_TESTS_NO_SKIP=1" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["serve", "test", "lint", "format", "bench", "lock"])
def test_the_makefile_has_each_target(target: str) -> None:
    assert re.search(rf"^{target}:", read("Makefile"), re.MULTILINE)
