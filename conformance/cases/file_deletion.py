"""Canceling uploads and deleting files."""

from conformance.laboratory import Laboratory
from conformance.register import MUST, case
from conformance.scenes import deletion_of_completed, deletion_of_pending, failure
from conformance.verdicts import expect

_SECTION = "Cancellation and Deletion"
_WHEN = (
    "A DELETE is permitted while the session is pending (canceling an in-progress upload), "
    "completed (deleting an uploaded file), or error"
)


@case(_SECTION, MUST, "A successful deletion request MUST respond with a 204 No Content", _WHEN)
def deletion_answers_204(lab: Laboratory) -> None:
    """Files are deleted while pending, completed and error."""
    for state, answer in (
        ("pending", lab.scene(deletion_of_pending).deletion),
        ("completed", lab.scene(deletion_of_completed).deletion),
        ("error", lab.scene(failure).deletion),
    ):
        expect(answer.status == 204, f"{answer}, of a file that is {state}")
