"""``http-post-bytes``."""

from conformance.laboratory import Laboratory
from conformance.register import MUST, STATED, case
from conformance.scenes import anonymous_requests, arrival
from conformance.verdicts import expect, member

_SECTION = "Required File Upload Mechanisms"


@case(
    _SECTION,
    STATED,
    "A client executes this mechanism by submitting a POST request to the file_url",
)
def bytes_are_taken(lab: Laboratory) -> None:
    """A file's bytes are posted to the file_url that came, as application/octet-stream."""
    scene = lab.scene(arrival)
    mechanism = member(scene.upload.created.body, "mechanism", dict)

    member(mechanism, "file_url", str)
    expect(scene.sent.ok, f"{scene.sent}")


@case(
    _SECTION,
    MUST,
    "This mechanism MUST use the same authentication scheme as the rest of the Upload 2.0 protocol",
)
def bytes_need_credentials(lab: Laboratory) -> None:
    """A file's bytes are posted without credentials, and then with those of the whole suite."""
    answer = lab.scene(anonymous_requests).answers["POST file_url"]

    expect(answer.status == 401, f"{answer}, without credentials")
    expect(lab.scene(arrival).sent.ok, f"{lab.scene(arrival).sent}, with credentials")
