"""Registering a name by a session without files."""

from conformance.laboratory import Laboratory
from conformance.register import MUST, STATED, Need, case
from conformance.scenes import publication
from conformance.verdicts import expect

_SECTION = "Can I use the upload 2.0 API to reserve a project name?"


@case(
    _SECTION,
    STATED,
    "create a new publishing session, then publish the session without uploading any files",
    needs=(Need.PUBLISHING,),
)
def empty_session_is_published(lab: Laboratory) -> None:
    """A session of a new project is published without any file."""
    session = lab.open(lab.new_name("registered"), "0.0.0a0")

    answer = session.publish()

    expect(answer.status in (201, 202), f"{answer}, of a session without files")
    status = session.settled()
    expect(status.text("status") == "published", f"{status.content[:200]!r}")


@case(
    "Create a Publishing Session",
    MUST,
    "until the stage is published, at which point the reservation becomes a permanent registration",
    needs=(Need.PUBLISHING, Need.SECOND),
)
def registered_name_is_taken(lab: Laboratory) -> None:
    """The name of a project that was just published is asked for by another account."""
    name = lab.scene(publication).session.name

    answer = lab.request_session(lab.second, name, lab.new_version())

    expect(answer.status == 403, f"{answer}, by another account, for a name that is registered")
