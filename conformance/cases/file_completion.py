"""Completing a file upload session."""

from conformance.laboratory import Laboratory
from conformance.register import SHOULD, STATED, case
from conformance.scenes import arrival, failure
from conformance.verdicts import expect

_SECTION = "Complete a File Upload Session"


@case(
    _SECTION,
    STATED,
    "it may do so and return a 201 Created response and set the status of the file upload session",
    "then it may return a 202 Accepted response and set the status of the file upload session to "
    "processing",
)
def completion_answers_201_or_202(lab: Laboratory) -> None:
    """A file that has arrived is completed."""
    answer = lab.scene(arrival).completion

    expect(answer.status in (201, 202), f"{answer}")


@case(
    _SECTION,
    SHOULD,
    "the server should include a Location header pointing back to the file upload session status",
)
def completion_has_a_location(lab: Laboratory) -> None:
    """The header of the answer to completion is compared with links.file-upload-session."""
    scene = lab.scene(arrival)
    location, url = scene.completion.location, scene.upload.link("file-upload-session")

    expect(location == url, f"Location is {location!r}, the upload is at {url!r}")


@case(
    _SECTION,
    STATED,
    "If a completion attempt fails -- synchronously (in which case the server also returns an "
    "error response)",
)
def failed_completion_is_told(lab: Laboratory) -> None:
    """The completion of a file with a wrong digest is an error, or accepted to be decided later."""
    answer = lab.scene(failure).completion

    expect(answer.refused or answer.status == 202, f"{answer}, of a file with a wrong digest")
