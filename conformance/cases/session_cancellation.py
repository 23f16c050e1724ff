"""Canceling a publishing session."""

from conformance.laboratory import Laboratory
from conformance.register import MUST, SHOULD, STATED, case
from conformance.scenes import cancellation
from conformance.verdicts import NotArranged, expect

_SECTION = "Publishing Session Cancellation"


@case(
    _SECTION,
    MUST,
    "a session MUST NOT be refused cancellation because one or more of its file upload sessions",
    "Cancellation is otherwise permitted regardless of the states of the session's files",
    "To cancel a publishing session, a client issues a DELETE request",
)
def session_with_files_is_canceled(lab: Laboratory) -> None:
    """A session with a completed file, one in error and one pending is canceled."""
    answer = lab.scene(cancellation).deletion

    expect(answer.ok, f"{answer}")


@case(
    _SECTION,
    SHOULD,
    "SHOULD purge any data that was uploaded as part of that session",
    "SHOULD become unavailable and MAY return 404 Not Found",
)
def canceled_session_gives_nothing(lab: Laboratory) -> None:
    """The action and data-bearing URLs of a canceled session, and of its files, are asked."""
    scene = lab.scene(cancellation)
    if not scene.deletion.ok:
        raise NotArranged("the session was not canceled")

    for what, answer in scene.remains.items():
        expect(not answer.ok, f"{what} of a canceled session: {answer}")


@case(
    _SECTION,
    STATED,
    "All of the session's file upload sessions are considered canceled",
)
def files_are_canceled_with_their_session(lab: Laboratory) -> None:
    """The status of each file upload session is canceled, unless it is unavailable."""
    for state, answer in lab.scene(cancellation).file_statuses.items():
        if answer.ok:
            status = answer.text("status")
            expect(status == "canceled", f"a file that was {state} is {status!r} in the end")
