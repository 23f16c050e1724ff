"""The suite against this index: in process, as a server that reviews, and as a user runs it."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.register import CASES, Need
from conformance.runner import Outcome, Report, run
from greenroom.settings import Settings
from tests.conformance.conftest import examined
from tests.serving import serving

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# The case that deferred publication takes, and those that it takes a refusal for.
_DEFERRED = {
    "processing_is_not_canceled",
    "processing_is_not_created_again",
    "processing_reserves_filenames",
    "processing_shows_nothing",
}
_REFUSED = {case.name for case in CASES if Need.REVIEW in case.needs}


def problems(report: Report) -> list[str]:
    """What did not hold, or could not be looked at."""
    bad = (Outcome.FAILED, Outcome.WARNED, Outcome.BLOCKED)
    return [
        f"{result.case.name}: {result.reason}" for result in report.results if result.outcome in bad
    ]


def test_the_index_conforms(settings: Settings) -> None:
    with examined(settings) as subject:
        report = run(subject.choices)
        left = subject.project_names()

    assert left == {release.split()[0] for release in report.published}
    assert problems(report) == []
    assert report.names(Outcome.SKIPPED) == _DEFERRED | _REFUSED
    assert report.holds(strict=True)


def test_the_index_conforms_when_it_reviews_publications(settings: Settings) -> None:
    with examined(settings, reviewed=True) as subject:
        report = run(subject.choices)

    assert problems(report) == []
    assert report.names(Outcome.SKIPPED) == set()
    assert report.left == ()


def test_nothing_is_published_where_that_is_not_wanted(settings: Settings) -> None:
    with examined(settings) as subject:
        report = run(replace(subject.choices, publishing=False))

        page = subject.get("/simple/", "application/vnd.pypi.simple.v1+json")

    assert problems(report) == []
    assert report.names(Outcome.SKIPPED) >= {
        case.name for case in CASES if Need.PUBLISHING in case.needs
    }
    assert (report.published, report.left) == ((), ())
    assert page.json()["projects"] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_running_server_conforms(database_url: str, tmp_path: Path) -> None:
    """On both databases it does without a server, above."""
    with serving(tmp_path, database_url) as server:
        ada, grace = server.user("ada"), server.user("grace")
        greenroom = f"{sys.executable} -m greenroom"

        result = server.run(
            sys.executable, "-m", "conformance",
            "--root", f"{server.url}/upload/2.0/",
            "--index", f"{server.url}/simple/",
            "--grant-command", f"{greenroom} role add {{project}} grace maintainer",
            "--revoke-command", f"{greenroom} role remove {{project}} grace",
            "--scheme", "bearer",
            "--json",
            environment=dict(server.environment) | {
                "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]),
                "CONFORMANCE_TOKEN": server.token(ada),
                "CONFORMANCE_SECOND_TOKEN": server.token(grace),
                "CONFORMANCE_STAGE_ONLY_TOKEN": server.token(ada, "stage"),
            },
            check=False,
        )  # fmt: skip

    report = json.loads(result.stdout)
    bad = [c for c in report["cases"] if c["outcome"] not in ("passed", "skipped")]
    assert bad == []
    assert report["counts"]["passed"] > 100
    assert report["left"] == []
    assert result.returncode == 0
