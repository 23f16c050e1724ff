"""The workflows of docs/ci.md can be copied: they parse, and twine understands what they say."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from twine_stage.commands import session_parser, stage_parser

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = (CHECKOUT / "docs" / "ci.md").read_text()
README = (CHECKOUT / "client" / "README.md").read_text()
GITHUB, GITLAB, *PERSON_PUBLISHES = (
    yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
)
PARSERS = {"stage": stage_parser, "session": session_parser}


def texts(value: Any) -> Iterator[str]:
    """Every piece of text in a document."""
    if isinstance(value, str):
        yield from value.splitlines()
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def commands(lines: Iterator[str]) -> list[str]:
    """What is said to twine, without what the shell does with it."""
    said = (line.strip() for line in lines)
    return [re.split(r" (?:>|\|\|) ?", line)[0] for line in said if line.startswith("twine ")]


def consoles(page: str) -> Iterator[str]:
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if line[:2] == "$ ")


ALL = [
    *commands(texts(GITHUB)),
    *commands(texts(GITLAB)),
    *commands(texts(PERSON_PUBLISHES)),
    *commands(consoles(PAGE)),
    *commands(consoles(README)),
]


@pytest.mark.parametrize("line", ALL)
def test_twine_understands_every_line(line: str) -> None:
    _, command, *arguments = shlex.split(line, comments=True)

    PARSERS[command]().parse_args(arguments)


def test_there_is_a_line_for_each_job() -> None:
    for document in (GITHUB, GITLAB):
        said = "\n".join(commands(texts(document)))
        assert said.count("twine stage") == 1
        assert said.count("twine session publish") == 1
        assert said.count("twine session cancel") == 1


def test_each_job_has_one_token_and_tests_have_none() -> None:
    tokens = {"stage": "STAGE", "test": None, "publish": "PUBLISH", "discard": "DISCARD"}
    for jobs in (GITHUB["jobs"], GITLAB):
        for job, token in tokens.items():
            used = re.findall(r"(\w+)_TOKEN", " ".join(texts(jobs[job])))
            assert used == ([token] if token else [])


def test_what_one_job_hands_on_is_what_the_next_takes() -> None:
    said = " ".join(texts(GITHUB))
    handed_on = {"session_url", "stage_url"}

    assert set(GITHUB["jobs"]["stage"]["outputs"]) == handed_on
    assert set(re.findall(r"steps\.stage\.outputs\.(\w+)", said)) == handed_on
    assert set(re.findall(r"needs\.stage\.outputs\.(\w+)", said)) == handed_on
    assert set(re.findall(r"\$([a-z]\w+)", " ".join(texts(GITLAB)))) == handed_on


def test_a_job_needs_those_before_it() -> None:
    jobs = GITHUB["jobs"]

    assert jobs["test"]["needs"] == "stage"
    assert jobs["publish"]["needs"] == jobs["discard"]["needs"] == ["stage", "test"]
    assert GITLAB["stages"] == ["stage", "test", "publish"]
    assert GITLAB["discard"]["when"] == "on_failure"


def test_where_a_person_publishes_no_job_has_a_secret_and_none_publishes() -> None:
    for document in PERSON_PUBLISHES:
        said = " ".join(texts(document))
        assert "secrets." not in said
        assert "_TOKEN" not in said
        for command in ("twine stage", "twine session review --markdown", "twine session wait"):
            assert said.count(command) == 1
        assert "twine session publish" not in said
        test = (document.get("jobs") or document)["test"]
        assert "token" not in " ".join(texts(test))
        # The others get theirs, each its own.
        assert said.count("release/token.sh") >= 3
    github, gitlab = PERSON_PUBLISHES
    trusted = {name for name, job in github["jobs"].items() if "permissions" in job}
    assert trusted == {"stage", "report", "wait"}
    with_tokens = {name for name, job in gitlab.items() if "id_tokens" in job}
    assert with_tokens == {"stage", "report:passed", "report:failed", "wait"}
