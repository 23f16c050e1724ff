"""Running the cases, and what came of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import requests

import conformance.cases  # noqa: F401 (registers them)
from conformance.laboratory import Choices, Laboratory
from conformance.register import CASES, Case, Need
from conformance.verdicts import NotApplicable, NotArranged, Violation


class Outcome(StrEnum):
    """What a case came to.

    ``WARNED`` is a SHOULD that does not hold. ``BLOCKED`` is a case that could not be looked at,
    as something before it went wrong: what it is about may hold or not.
    """

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """What a case came to, and why."""

    case: Case
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """The results in the order of the text, and what the run has left on the server.

    ``published`` are releases, which cannot be taken back; ``left`` are the URLs of sessions that
    could not be canceled.
    """

    root: str
    results: tuple[Result, ...]
    published: tuple[str, ...]
    left: tuple[str, ...]

    def holds(self, *, strict: bool = False) -> bool:
        """Whether everything binding that was looked at holds; if ``strict``, every SHOULD too."""
        outcomes = {result.outcome for result in self.results}
        bad = {Outcome.FAILED, Outcome.BLOCKED} | ({Outcome.WARNED} if strict else set())
        return not outcomes & bad and Outcome.PASSED in outcomes

    def names(self, *outcomes: Outcome) -> set[str]:
        """The names of the cases that came to one of these."""
        return {result.case.name for result in self.results if result.outcome in outcomes}


def run(choices: Choices, cases: Iterable[Case] | None = None) -> Report:
    """Run the cases, all by default, against a server."""
    chosen = list(CASES if cases is None else cases)
    lab = Laboratory(choices)
    results: dict[str, Result] = {}
    try:
        for case in sorted(chosen, key=lambda case: case.looks_back):
            results[case.name] = _judge(case, lab)
    finally:
        lab.clean_up()
    in_order = tuple(results[case.name] for case in chosen)
    return Report(choices.root, in_order, tuple(lab.published), tuple(lab.left))


def _judge(case: Case, lab: Laboratory) -> Result:
    missing = [need for need in case.needs if not _is_met(need, lab.choices)]
    if missing:
        return Result(case, Outcome.SKIPPED, f"needs {' and '.join(missing)}")
    try:
        case.check(lab)
    except Violation as violation:
        outcome = Outcome.FAILED if case.level.binding else Outcome.WARNED
        return Result(case, outcome, str(violation))
    except NotArranged as reason:
        return Result(case, Outcome.BLOCKED, str(reason))
    except NotApplicable as reason:
        return Result(case, Outcome.SKIPPED, str(reason))
    except requests.RequestException as error:
        return Result(case, Outcome.BLOCKED, f"no answer: {error}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # What a server sends can be so far from the text that a case stumbles over it.
        return Result(case, Outcome.FAILED, f"not understood: {error!r}")
    return Result(case, Outcome.PASSED)


def _is_met(need: Need, choices: Choices) -> bool:
    return {
        Need.PUBLISHING: choices.publishing,
        Need.SECOND: choices.second is not None,
        Need.STAGE_ONLY: choices.stage_only is not None,
        Need.ROLES: choices.grant is not None and choices.revoke is not None,
        Need.INDEX: choices.index is not None,
        Need.REVIEW: choices.refused_version is not None,
    }[need]
