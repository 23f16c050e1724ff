"""Asking for more time for a file."""

from conformance.client import META, Answer
from conformance.laboratory import Laboratory, Upload
from conformance.register import MUST, STATED, case
from conformance.verdicts import NotApplicable, expect, member

_SECTION = "File Upload Session Extension"
_FOREVER = 1000 * 365 * 24 * 3600


@case(
    _SECTION,
    STATED,
    "the server will respond with the same file upload session creation response body",
    "If the server does not support file upload session extensions, this key MUST be omitted",
)
def extension_answers_the_upload(lab: Laboratory) -> None:
    """An upload is extended by an hour: the answer is its body, which is not due earlier."""
    upload = _extendable(lab)

    answer = _extend(upload, 3600)

    expect(answer.ok, f"{answer}")
    created, body = upload.created.body, answer.body
    for key in ("links", "mechanism", "status"):
        expect(body.get(key) == created.get(key), f"{key!r} is {body.get(key)!r}")
    expect(
        member(body, "expires-at", str) >= member(created, "expires-at", str),
        f"expires-at was {created['expires-at']}, and is {body['expires-at']}",
    )


@case(
    _SECTION,
    MUST,
    "If the server refuses to extend the session for the requested number of seconds, it MUST "
    "still return a success response",
)
def too_long_an_extension_of_a_file_is_a_success(lab: Laboratory) -> None:
    """An upload is extended by a thousand years: a success, and expires-at is what it is."""
    upload = _extendable(lab)

    answer = _extend(upload, _FOREVER)

    expect(answer.ok, f"{answer}, for {_FOREVER} seconds")
    said, status = answer.text("expires-at"), upload.status().text("expires-at")
    expect(said == status, f"expires-at is {said!r} in the answer, {status!r} in the status")


def _extendable(lab: Laboratory) -> Upload:
    session = lab.open()
    upload = session.upload(session.wheel())
    if "extend" not in upload.created.mapping("links"):
        raise NotApplicable("the index has no extensions of file uploads")
    return upload


def _extend(upload: Upload, seconds: int) -> Answer:
    message = {"meta": META, "extend-for": seconds}
    return upload.laboratory.owner.api("POST", upload.link("extend"), message)
