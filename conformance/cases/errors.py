"""How errors are told: problem details, looked at in every refusal of the run."""

from conformance.client import Answer
from conformance.laboratory import Laboratory
from conformance.register import MUST, SHOULD, case
from conformance.verdicts import Violation, expect, member, of_kind

_SECTION = "Errors"
_KINDS = {"type": str, "title": str, "detail": str, "instance": str, "status": int}


@case(
    _SECTION,
    MUST,
    "all error (4xx and 5xx) responses from the server MUST use the RFC 9457",
    'the server MUST use the "Problem Details JSON Object"',
    looks_back=True,
)
def errors_are_problem_details(lab: Laboratory) -> None:
    """Every error of the run is a JSON object; the members of RFC 9457 in it have their types."""
    for answer in _errors(lab):
        body = answer.body
        for key, kind in _KINDS.items():
            if key in body:
                of_kind(body[key], kind, f"{key!r} in {answer}")
        if "status" in body:
            expect(body["status"] == answer.status, f"'status' is {body['status']} in {answer}")


@case(
    _SECTION,
    SHOULD,
    "SHOULD use the application/problem+json media type in its responses",
    looks_back=True,
)
def errors_have_their_media_type(lab: Laboratory) -> None:
    """Every error of the run is application/problem+json."""
    for answer in _errors(lab):
        expect(
            answer.media_type == "application/problem+json",
            f"the Content-Type is {answer.headers.get('Content-Type')!r} in {answer}",
        )


@case(_SECTION, SHOULD, "which SHOULD contain payloads like the following", looks_back=True)
def errors_say_what_is_wrong(lab: Laboratory) -> None:
    """Every error of the run has a type, a status and a title."""
    for answer in _errors(lab):
        for key in ("type", "status", "title"):
            if key not in answer.body:
                raise Violation(f"no {key!r} in {answer}")


@case(_SECTION, SHOULD, "The index SHOULD include these extension members", looks_back=True)
def errors_have_meta_and_errors(lab: Laboratory) -> None:
    """Every error of the run has meta.api-version, and errors, each with source and message."""
    for answer in _errors(lab):
        meta = member(answer.body, "meta", dict)
        expect(meta.get("api-version") == "2.0", f"meta is {meta} in {answer}")
        for error in member(answer.body, "errors", list):
            of_kind(error, dict, f"an error in {answer}")
            member(error, "source", str)
            member(error, "message", str)


def _errors(lab: Laboratory) -> list[Answer]:
    return [answer for answer in lab.answers if answer.status >= 400]
