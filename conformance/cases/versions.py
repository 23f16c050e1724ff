"""Versioning and content types."""

import json

from conformance.client import CONTENT_TYPE, Answer
from conformance.laboratory import Laboratory
from conformance.register import MUST, STATED, case
from conformance.verdicts import expect, member


@case(
    "Versioning",
    MUST,
    "Index operators and implementers MUST NOT advertise or implement new API versions",
    looks_back=True,
)
def api_version_is_2_0(lab: Laboratory) -> None:
    """Every successful answer with a body has "2.0" as its meta.api-version."""
    for answer in _successes(lab):
        meta = member(answer.body, "meta", dict)
        version = meta.get("api-version")
        expect(version == "2.0", f"meta.api-version is {version!r} in {answer}")


@case(
    "Content Types",
    STATED,
    "all HTTP requests and responses in this document are assumed to include the HTTP header",
    looks_back=True,
)
def content_type_of_answers(lab: Laboratory) -> None:
    """Every successful answer with a body has the media type of the API."""
    for answer in _successes(lab):
        expect(
            answer.media_type == CONTENT_TYPE,
            f"the Content-Type is {answer.headers.get('Content-Type')!r} in {answer}",
        )


@case(
    "Content Types",
    MUST,
    "The major API version specified in the .meta.api-version JSON key of client requests "
    "MUST match the Content-Type header",
    "the value of which must be the string",
)
def other_major_version_is_refused(lab: Laboratory) -> None:
    """A session is asked for with the api-version "3.0" under the media type of version 2."""
    answer = lab.request_session(
        lab.owner, lab.project, lab.new_version(), meta={"api-version": "3.0"}
    )

    expect(answer.refused, f"{answer}, with api-version 3.0 in a message of version 2")


@case(
    "Content Types",
    MUST,
    "Servers MUST NOT advertise support for API versions beyond those defined in approved PEPs",
)
def no_other_version_is_answered(lab: Laboratory) -> None:
    """A session is asked for with an Accept header that wants version 3 above all."""
    wanted = "application/vnd.pypi.upload.v3+json"
    session = lab.open()

    answer = lab.owner.api(
        "GET", session.link("session"), headers={"Accept": f"{wanted}, {CONTENT_TYPE};q=0.5"}
    )

    expect(answer.media_type != wanted, f"{answer} is in version 3, which no PEP defines")


@case(
    "Create a Publishing Session",
    STATED,
    "The request includes the following top-level keys: meta (required)",
)
def body_that_is_no_message_is_refused(lab: Laboratory) -> None:
    """Sessions are asked for with no JSON, with a list, and without meta."""
    message = {"name": lab.project, "version": lab.new_version()}
    for body in (b"{", b"[]", b"null", json.dumps(message).encode()):
        answer = lab.owner.send("POST", lab.choices.root, body, {"Content-Type": CONTENT_TYPE})
        lab.note(answer, lab.owner)

        expect(answer.refused, f"{answer}, for the body {body.decode()}")


def _successes(lab: Laboratory) -> list[Answer]:
    return [answer for answer in lab.answers if answer.ok and answer.content]
