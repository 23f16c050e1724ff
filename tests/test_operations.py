"""The files with which the index is run: what can be said of them without running them."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import TypedDict, cast

import click
import pytest
import yaml

from greenroom import __version__
from greenroom.cli import greenroom
from greenroom.settings import FIELDS
from greenroom.settings_sources import CONFIG, variable

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

SETTINGS = {variable(field) for field in FIELDS} | {CONFIG}
EXAMPLES = ROOT / "examples" / "operations"
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
    env_file: list[dict[str, object]]
    deploy: dict[str, dict[str, dict[str, dict[str, str]]]]
    ports: list[str]
    restart: str


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
                # What is built here says so by itself.
                asked = compose["services"][other]
                assert "healthcheck" in asked or "build" in asked, (name, other)


def test_no_secret_has_a_default(compose: Compose) -> None:
    text = read("docker-compose.yml")
    for name, rest in re.findall(r"\$\{(\w+)([^}]*)\}", text):
        assert not SECRET.search(name) or rest.startswith(":?"), name
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET.search(name) or value.startswith("${"), name


def test_every_image_has_a_tag(compose: Compose) -> None:
    images = {service["image"] for service in compose["services"].values()}
    assert all(re.search(r":[^/]+$", image) for image in images)
    assert f"greenroom:${{GREENROOM_VERSION:-{__version__}}}" in images


def test_every_setting_can_be_given_in_a_file(compose: Compose) -> None:
    services = compose["services"]
    for name in ("index", "schema", "backup"):
        assert services[name]["env_file"] == [{"path": "greenroom.env", "required": False}]
    # What is fixed here wins over that file: only what this file alone can know.
    fixed = {name for name in services["index"]["environment"] if name.startswith("GREENROOM_")}
    assert fixed == {
        *("GREENROOM_DATABASE_URL", "GREENROOM_STORAGE_URL", "GREENROOM_S3_ENDPOINT"),
        *("GREENROOM_SECRET_KEY", "GREENROOM_URL", "GREENROOM_TRUSTED_PROXIES"),
        "GREENROOM_LOG_FORMAT",
    }


def test_what_runs_for_long_has_limits(compose: Compose) -> None:
    for name, service in compose["services"].items():
        if service["restart"] != "no":
            assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name


def test_only_the_proxy_is_reached_from_outside(compose: Compose) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert services["proxy"]["environment"]["UPSTREAM"] == "index:6543"
    assert "./examples/operations/Caddyfile:/etc/caddy/Caddyfile:ro" in services["proxy"]["volumes"]


def test_every_volume_is_declared(compose: Compose) -> None:
    used = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }
    assert used == set(compose["volumes"])


# --- units of systemd, Kubernetes ---------------------------------------------------------------


def unit(name: str) -> RawConfigParser:
    parsed = RawConfigParser(strict=False, comment_prefixes="#")
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string((EXAMPLES / name).read_text(encoding="utf-8"))
    return parsed


def manifests() -> list[dict[str, object]]:
    return list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8")))


def command_lines() -> Iterator[list[str]]:
    """Every command of the index that a deployment file starts."""
    for service in cast("Compose", yaml.safe_load(read("docker-compose.yml")))["services"].values():
        yield from _commands(service.get("command", []))
    for name in ("greenroom.service", "greenroom-backup.service"):
        for key, value in unit(name)["Service"].items():
            if key.startswith("Exec"):
                yield from _commands(shlex.split(value))
    for manifest in manifests():
        for command in _values(manifest, "command"):
            yield from _commands(cast("list[str]", command))
    for line in instructions("Dockerfile"):
        if line.startswith("CMD "):
            yield from _commands(yaml.safe_load(line.removeprefix("CMD ")))


def _commands(words: list[str]) -> Iterator[list[str]]:
    if words[:2] == ["sh", "-c"]:
        for part in re.split(r"[;&|]+|\bdo\b|\bif\b", words[2]):
            yield from _commands(shlex.split(part))
    elif words and words[0].rpartition("/")[2] == "greenroom":
        yield words[1:]


def _values(node: object, key: str) -> Iterator[object]:
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for value in node.values():
            yield from _values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, key)


def test_every_command_of_the_deployment_files_exists() -> None:
    lines = list(command_lines())
    assert {line[0] for line in lines} == {"serve", "db", "backup"}
    assert len(lines) >= 9
    for line in lines:
        command: click.Command = greenroom
        with click.Context(greenroom, info_name="greenroom") as context:
            while isinstance(command, click.Group):
                name, found, line = command.resolve_command(context, line)
                assert found is not None, name
                command = found
            command.make_context(command.name, list(line), resilient_parsing=False)


def test_every_setting_of_the_deployment_files_exists() -> None:
    text = "".join(
        (EXAMPLES / name).read_text(encoding="utf-8")
        for name in ("greenroom.service", "greenroom-backup.service", "kubernetes.yaml")
    )
    given = set(re.findall(r"GREENROOM_[A-Z0-9_]+", text))
    assert len(given) >= 7
    assert given <= SETTINGS


def test_kubernetes_runs_the_version_that_this_is() -> None:
    images = [image for manifest in manifests() for image in _values(manifest, "image")]
    assert set(images) == {f"greenroom:{__version__}"}


def test_kubernetes_asks_whether_it_is_alive_and_whether_it_is_ready() -> None:
    (deployment,) = [found for found in manifests() if found["kind"] == "Deployment"]
    for probe, path in (("livenessProbe", "/_health"), ("readinessProbe", "/_ready")):
        ((asked),) = [cast("dict[str, dict[str, str]]", p) for p in _values(deployment, probe)]
        assert asked["httpGet"]["path"] == path


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
