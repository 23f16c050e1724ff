"""What the suite tells, and that its cases and its list of what it leaves out are whole."""

import json
from dataclasses import replace

import pytest
import requests

from conformance.__main__ import main
from conformance.laboratory import Choices
from conformance.register import CASES, MUST, SHOULD
from conformance.report import as_json, as_text
from conformance.runner import Outcome, Report, Result, run
from conformance.text import unquoted
from conformance.unchecked import UNCHECKED

BY_NAME = {case.name: case for case in CASES}
WANTED = next(case for case in CASES if case.level is SHOULD)
NEEDED = next(case for case in CASES if case.level is MUST)

TEXT = """
Upload 2.0 API Specification
============================

A Section
---------

The server **MUST** do something that nobody has thought of.  It may rest.

Recommendations for Client Implementers
=======================================
"""


def without_proxies() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def report_of(*results: Result) -> Report:
    return Report("http://index.example/", results, ("example 1.0",), ())


def test_every_case_says_what_it_checks_and_how() -> None:
    assert len(BY_NAME) == len(CASES)
    assert [case.name for case in CASES if not (case.quotes and case.how and case.section)] == []
    assert [entry.quotes for entry in UNCHECKED if not (entry.quotes and entry.reason)] == []


def test_a_must_that_does_not_hold_is_failure() -> None:
    report = report_of(
        Result(WANTED, Outcome.PASSED), Result(NEEDED, Outcome.FAILED, "It did not.")
    )

    assert not report.holds()
    assert NEEDED.section in as_text(report)
    assert f"“{NEEDED.quotes[0]}”" in as_text(report)
    assert "But: It did not." in as_text(report)


def test_a_should_that_does_not_hold_is_failure_when_strict() -> None:
    report = report_of(
        Result(NEEDED, Outcome.PASSED), Result(WANTED, Outcome.WARNED, "It did not.")
    )

    assert report.holds()
    assert not report.holds(strict=True)


@pytest.mark.parametrize("outcome", [Outcome.BLOCKED, Outcome.SKIPPED])
def test_to_have_looked_at_nothing_is_no_success(outcome: Outcome) -> None:
    assert not report_of(Result(NEEDED, outcome)).holds()


def test_programs_get_everything() -> None:
    report = report_of(
        Result(NEEDED, Outcome.PASSED), Result(WANTED, Outcome.WARNED, "It did not.")
    )

    told = json.loads(as_json(report))

    assert told["conforms"]
    assert told["counts"]["warned"] == 1
    assert [case["section"] for case in told["cases"]] == [NEEDED.section, WANTED.section]
    assert len(told["unchecked"]) == len(UNCHECKED)
    assert told["published"] == ["example 1.0"]


def test_what_is_not_checked_is_told_with_the_reason() -> None:
    text = as_text(report_of(Result(NEEDED, Outcome.PASSED)), unchecked=True)

    assert all(f"“{quote}”" in text for entry in UNCHECKED for quote in entry.quotes)


def test_a_server_that_does_not_answer_blocks_every_case() -> None:
    choices = Choices(root="http://127.0.0.1:1/", authorization="Basic Og==", publishing=False)
    chosen = [case for case in CASES if not case.needs and not case.looks_back]

    report = run(replace(choices, transport=without_proxies), chosen)

    assert report.names(Outcome.BLOCKED) == {case.name for case in chosen}
    assert not report.holds()


def test_without_a_root_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--token", "x"])

    assert exit_.value.code == 2
    assert "--root" in capsys.readouterr().err


def test_a_sentence_that_nobody_quotes_is_found() -> None:
    missing = unquoted(TEXT)

    assert "Not quoted: The server MUST do something that nobody has thought of." in missing
    assert [line for line in missing if "It may rest" in line] == []
    assert "No such section: Errors" in missing
