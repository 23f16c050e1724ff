"""Asking for more time for a session."""

from conformance.laboratory import Laboratory, Session
from conformance.register import MUST, STATED, case
from conformance.verdicts import NotApplicable, expect, member

_SECTION = "Publishing Session Extension"
_FOREVER = 1000 * 365 * 24 * 3600


@case(
    _SECTION,
    STATED,
    "Upon successful extension, the server will respond with the same publishing session creation "
    "response body",
    "If the server does not support session extensions, this key MUST be omitted",
)
def extension_answers_the_session(lab: Laboratory) -> None:
    """A session is extended by an hour: the answer is its body, which is not due earlier."""
    session = _extendable(lab)

    answer = session.extend(3600)

    expect(answer.ok, f"{answer}")
    created, body = session.created.body, answer.body
    for key in ("links", "mechanisms", "session-token", "status", "files"):
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
def too_long_an_extension_is_a_success(lab: Laboratory) -> None:
    """A session is extended by a thousand years: a success, and expires-at is what it is."""
    session = _extendable(lab)

    answer = session.extend(_FOREVER)

    expect(answer.ok, f"{answer}, for {_FOREVER} seconds")
    said, status = answer.text("expires-at"), session.status().text("expires-at")
    expect(said == status, f"expires-at is {said!r} in the answer, {status!r} in the status")


def _extendable(lab: Laboratory) -> Session:
    session = lab.open()
    if not session.has_link("extend"):
        raise NotApplicable("the index has no extensions of sessions")
    return session
