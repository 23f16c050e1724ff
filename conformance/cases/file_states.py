"""The states of a file upload session, row by row of the table of transitions."""

from conformance.laboratory import Laboratory
from conformance.register import MUST, SHOULD, STATED, case
from conformance.scenes import arrival, deletion_of_completed, deletion_of_pending, failure
from conformance.verdicts import expect

_SECTION = "File Upload Session States"


@case(
    _SECTION,
    STATED,
    "(none) File upload session created (202 Accepted) pending",
    "pending Upload mechanism executes (bytes transferred) pending",
)
def upload_is_pending_until_completed(lab: Laboratory) -> None:
    """The status of a file upload session when it is created, looked at, and has its bytes."""
    scene = lab.scene(arrival)
    for answer in (scene.upload.created, scene.pending, scene.after_bytes):
        status = answer.text("status")
        expect(status == "pending", f"status is {status!r} in {answer}")


@case(
    _SECTION,
    STATED,
    "pending Completion request completed immediately (201 Created) completed",
    "pending Completion request accepted for deferred processing (202 Accepted) processing",
    "processing Deferred processing succeeds completed",
)
def good_file_is_completed(lab: Laboratory) -> None:
    """The status of a good file after its completion, which is waited for."""
    status = lab.scene(arrival).completed.text("status")

    expect(status == "completed", f"status is {status!r}")


@case(
    _SECTION,
    STATED,
    "pending Completion request fails synchronously error",
    "processing Deferred processing fails error",
    "If a completion attempt fails",
    "Both a synchronous and a deferred completion failure therefore move the session to error",
)
def bad_file_is_in_error(lab: Laboratory) -> None:
    """The status of a file with a wrong digest after its completion, which is waited for."""
    status = lab.scene(failure).status.text("status")

    expect(status == "error", f"status is {status!r}")


@case(
    _SECTION,
    STATED,
    "Unlike a publishing session in the error state, a file upload session cannot be repaired in "
    "place",
    "from error, deletion is the only forward action",
)
def bad_file_is_not_repaired(lab: Laboratory) -> None:
    """A file in error is completed once more: refused, and still in error."""
    scene = lab.scene(failure)

    expect(not scene.completion_again.ok, f"{scene.completion_again}, of a file in error")
    status = scene.status_again.text("status")
    expect(status == "error", f"the file was in error, and is {status!r}")


@case(
    _SECTION,
    STATED,
    "pending Cancellation requested (DELETE) canceled",
    "completed File deleted (DELETE) canceled",
    "error File deleted (DELETE) canceled",
    "Both completed and error still permit a DELETE",
)
def deleted_file_is_canceled(lab: Laboratory) -> None:
    """The status of files that were deleted while pending, completed and error."""
    for before, answer in (
        ("pending", lab.scene(deletion_of_pending).status),
        ("completed", lab.scene(deletion_of_completed).status),
        ("error", lab.scene(failure).status_deleted),
    ):
        if answer.status != 404:
            status = answer.text("status")
            expect(status == "canceled", f"a file that was {before} and deleted is {status!r}")


@case(
    "File Upload Session Status",
    SHOULD,
    "the server SHOULD keep each of its file upload session status URLs valid",
    "The file's own file upload session status URL continues to report canceled",
)
def deleted_file_keeps_its_status(lab: Laboratory) -> None:
    """The status URLs of files that were deleted answer 200, also when they are replaced."""
    for scene in (lab.scene(deletion_of_pending), lab.scene(deletion_of_completed)):
        for answer in (scene.status, scene.old_status):
            expect(answer.status == 200, f"{answer}, of a deleted file")


@case(
    _SECTION,
    STATED,
    "canceled (terminal)",
    "Only canceled is terminal",
)
def canceled_file_is_over(lab: Laboratory) -> None:
    """A canceled upload is sent bytes and completed: refused, and canceled even when replaced."""
    for scene in (lab.scene(deletion_of_pending), lab.scene(deletion_of_completed)):
        expect(not scene.bytes_again.ok, f"{scene.bytes_again}, of a canceled upload")
        expect(not scene.completion_again.ok, f"{scene.completion_again}, of a canceled upload")
        status = scene.old_status.text("status")
        expect(status in ("canceled", ""), f"the upload was canceled, and is {status!r}")


@case(
    "File Upload Session Status",
    STATED,
    "The server responds to this request with the same payload as the file upload session creation",
    "The client can query status of the file upload session by issuing a GET request",
    "Servers MUST allow clients to poll the file upload session status URL",
)
def upload_status_is_the_creation_again(lab: Laboratory) -> None:
    """A look at a new file upload session gives 200, and what its creation gave."""
    scene = lab.scene(arrival)
    created, status = scene.upload.created.body, scene.pending.body

    expect(scene.pending.status == 200, f"{scene.pending}")
    for key in ("links", "mechanism", "status"):
        expect(
            created.get(key) == status.get(key),
            f"{key!r} was {created.get(key)!r}, and is {status.get(key)!r}",
        )


@case(
    "Complete a File Upload Session",
    SHOULD,
    "Clients SHOULD respect the Retry-After header value of the file upload session status",
)
def upload_status_has_a_retry_after(lab: Laboratory) -> None:
    """The status of a pending upload has the header, which clients are told to respect."""
    expect("Retry-After" in lab.scene(arrival).pending.headers, "there is no Retry-After header")


@case(
    "Replacing a Partially or Fully Uploaded File",
    MUST,
    "To replace a session file, the file upload MUST have been previously completed, canceled, or",
    "After this, the new file upload can be initiated by beginning the entire file upload",
)
def deleted_file_is_uploaded_anew(lab: Laboratory) -> None:
    """A file that was deleted, pending or completed, is announced anew: another upload."""
    for scene in (lab.scene(deletion_of_pending), lab.scene(deletion_of_completed)):
        expect(scene.anew.ok, f"{scene.anew}, after the file was deleted")
        old = scene.upload.created.mapping("links").get("file-upload-session")
        new = scene.anew.mapping("links").get("file-upload-session")
        expect(old != new, "the new upload has the status URL of the old one")
