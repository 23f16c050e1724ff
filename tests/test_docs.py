"""The documentation says what the code does."""

import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from bench.report import SIDE_BY_SIDE, TABLES, filled
from greenroom.cli import greenroom
from greenroom.distributions import expectations
from greenroom.distributions.review import SEVERITY, Code
from greenroom.registry.attempt_limits import LIMITS, Limit
from greenroom.registry.audit import Kind
from greenroom.settings import FIELDS, load_settings
from greenroom.settings_sources import CONFIG, variable
from greenroom.web.index.xmlrpc.methods import METHODS

CHECKOUT = Path(__file__).resolve().parent.parent
CLIENTS = (CHECKOUT / "docs" / "clients.md").read_text()
OPERATING = (CHECKOUT / "docs" / "operating.md").read_text()
HTTP = (CHECKOUT / "docs" / "http.md").read_text()
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]

_SETTING = re.compile(r"^\| `(GREENROOM_\w+)` \| (?:`([^`]*)`|([^|]*)) \|", re.MULTILINE)


def test_operating_lists_every_setting_and_no_other() -> None:
    listed = {match[1] for match in _SETTING.finditer(OPERATING)}

    assert listed == {variable(field) for field in FIELDS} | {CONFIG}


def test_the_defaults_that_operating_names_are_the_defaults() -> None:
    named = {match[1]: match[2] for match in _SETTING.finditer(OPERATING) if match[2]}

    assert len(named) >= 10
    assert load_settings(named | {"GREENROOM_LOG_FORMAT": "text"}) == load_settings(
        {"GREENROOM_LOG_FORMAT": "text"}
    )


def locked(name: str) -> set[tuple[str, str]]:
    """The names and versions of a lock file."""
    lines = (CHECKOUT / "requirements" / name).read_text().splitlines()
    found = [re.match(r"([a-z0-9-]+)==([^ ;]+)", line) for line in lines]
    return {(match[1], match[2]) for match in found if match}


def test_the_clients_that_are_named_are_those_that_are_run_in_their_versions() -> None:
    groups = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["dependency-groups"]
    clients = {Requirement(line).name for line in groups["clients"]}
    run = {pin for pin in locked("clients.txt") if pin[0] in clients}
    run |= {pin for pin in locked("test.txt") if pin[0] in ("pip", "pypi-simple", "twine", "uv")}

    named = set(re.findall(r"^\| ([a-z-]+) \| ([0-9.]+) \|", CLIENTS, re.MULTILINE))

    assert named == run


def commands(group: click.Group, path: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}"


@pytest.mark.parametrize("command", list(commands(greenroom)))
def test_operating_names_every_command(command: str) -> None:
    group, _, name = command.rpartition(" ")

    lines = [line for line in OPERATING.splitlines() if line.startswith("| `greenroom ")]
    assert any(f"`greenroom {group}".rstrip() in line and name in line for line in lines)


def test_the_http_reference_lists_every_call_with_what_it_takes() -> None:
    listed = re.findall(r"^\| `(\w+)\(([^)]*)\)` \|", HTTP, re.MULTILINE)

    assert dict(listed) == {name: ", ".join(call.parameters) for name, call in METHODS.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]

    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("place", [*SIDE_BY_SIDE, *TABLES, "goals"])
def test_the_page_of_performance_has_a_place_for_what_is_measured(place: str) -> None:
    page = (CHECKOUT / "docs" / "performance.md").read_text()

    assert "| a | figure |" in filled(page, place, "| a | figure |")


# The architecture

ARCHITECTURE = (CHECKOUT / "docs" / "architecture.md").read_text()
PACKAGE = CHECKOUT / "src" / "greenroom"


def paths_in(text: str) -> set[str]:
    """What stands in backticks and looks like a file or a folder of the repository."""
    return {
        name for name in re.findall(r"`([\w./-]+)`", text) if re.search(r"\.py$|/$|^\w+/\w+/", name)
    }


def test_the_architecture_names_files_that_exist() -> None:
    named = paths_in(ARCHITECTURE) - {"__init__.py", "resources.py", "/admin/", "/help/"}
    places = (PACKAGE, CHECKOUT)

    assert len(named) > 40
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()


def test_the_tree_has_a_line_for_every_module_of_the_registry() -> None:
    tree = ARCHITECTURE.split("## The tree")[1].split("```")[1]
    registry = tree.split("   registry/\n")[1].split("\n   distributions/")[0]
    listed = set(re.findall(r"^     (\w+)\.py  ", registry, re.MULTILINE))

    assert listed == {path.stem for path in (PACKAGE / "registry").glob("*.py")} - {"__init__"}


def test_the_page_of_the_audit_log_has_every_act_in_the_words_of_the_pages() -> None:
    page = (CHECKOUT / "docs" / "audit.md").read_text().partition("## The acts")[2]

    listed = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|$", page, re.MULTILINE)
    assert listed[1:] == [(kind.value, kind.sentence) for kind in Kind]


SECURITY = (CHECKOUT / "docs" / "security.md").read_text()


def test_every_test_that_the_page_of_security_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY)
    assert len(named) > 40
    assert SECURITY.count("tests/") == len(named)
    missing = [
        f"{path}::{test}"
        for path, test in named
        if f"\ndef {test}(" not in (CHECKOUT / path).read_text()
    ]
    assert missing == []
    # Every item of a cheat sheet has its test.
    items = re.findall(r"^\| (?!item|what|---)(.*) \|$", SECURITY, re.MULTILINE)
    assert [line for line in items if line.count("|") == 2 and "::" not in line] == []


def test_the_page_of_security_has_the_limits_that_hold() -> None:
    def words(limit: Limit | None) -> str:
        if limit is None:
            return ""
        within = "an hour" if limit.within == timedelta(hours=1) else "5 minutes"
        return f"{limit.most:,} in {within}"

    rows = [
        [cell.strip() for cell in line.split("|")[2:-1]]
        for line in SECURITY.splitlines()
        if line.startswith("|") and line.count("|") == 7
    ]
    held = [
        [words(each) for each in (it.here, it.address, it.site, it.account, it.device)]
        for it in LIMITS.values()
    ]
    assert rows[2:] == held


REVIEW = (CHECKOUT / "docs" / "review.md").read_text()


def test_the_guide_has_every_finding_with_its_severity() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| .{10,} \|$", REVIEW, re.MULTILINE)

    assert dict(rows) == {code.value: SEVERITY[code].name.lower() for code in Code}


def test_what_the_guide_expects_is_understood() -> None:
    block = re.search(r"```\n(sdist\n.*?)```", REVIEW, re.DOTALL)
    assert block is not None

    assert len(expectations.parse(block[1])) == len(block[1].splitlines())
