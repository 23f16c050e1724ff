"""The states of a publishing session, row by row of the table of transitions."""

from conformance.laboratory import Laboratory
from conformance.register import MUST, STATED, Need, case
from conformance.scenes import (
    arrival,
    cancellation,
    creation,
    deferral,
    deletion_of_completed,
    deletion_of_pending,
    known,
    premature,
    publication,
    refusal,
)
from conformance.verdicts import expect, member, of_kind

_SECTION = "Publishing Session States"
_PUBLISHES = (Need.PUBLISHING,)
_REVIEWED = (Need.PUBLISHING, Need.REVIEW)


@case(_SECTION, STATED, "(none) Session created open", "A newly created session starts in this")
def created_is_open(lab: Laboratory) -> None:
    """The status of a new session, in its creation and when it is looked at."""
    scene = lab.scene(creation)

    for answer in (scene.session.created, scene.status):
        expect(answer.text("status") == "open", f"status is {answer.text('status')!r} in {answer}")


@case(
    _SECTION,
    STATED,
    "open A file is uploaded, replaced, or deleted open",
    "The session is accepting changes. Files can be uploaded, replaced, and deleted",
)
def changed_stays_open(lab: Laboratory) -> None:
    """The status after files were announced, completed, deleted and announced anew."""
    for answer in (
        lab.scene(arrival).session_pending,
        lab.scene(arrival).session_completed,
        lab.scene(deletion_of_pending).session_status,
        lab.scene(deletion_of_completed).session_status,
    ):
        expect(answer.text("status") == "open", f"status is {answer.text('status')!r}")


@case(
    _SECTION,
    STATED,
    "open Publish request completed immediately (201 Created) published",
    "open Publish request accepted for deferred processing (202 Accepted) processing",
    "processing Deferred processing succeeds published",
    needs=_PUBLISHES,
)
def published_is_published(lab: Laboratory) -> None:
    """The status after publication; one that is deferred is waited for."""
    scene = lab.scene(publication)

    expect(scene.status.text("status") == "published", f"{scene.status.content[:200]!r}")


@case(
    _SECTION,
    STATED,
    "open or error Publish requested while any file is not completed rejected with 409 Conflict",
    "open or error Publish request fails synchronously unchanged",
    needs=_PUBLISHES,
)
def rejected_publication_changes_nothing(lab: Laboratory) -> None:
    """The status after publication was rejected for a pending file, and for one in error."""
    scene = lab.scene(premature)

    for answer in (scene.status_pending, scene.status_error):
        status = answer.text("status")
        expect(status == "open", f"the session was open, and is {status!r}")


@case(
    _SECTION,
    STATED,
    "open or error Session canceled (DELETE) canceled",
    "The server then marks the session as canceled",
)
def canceled_is_canceled(lab: Laboratory) -> None:
    """The status after cancellation, unless the session is forgotten already."""
    status = lab.scene(cancellation).status

    if status.status != 404:
        expect(status.text("status") == "canceled", f"status is {status.text('status')!r}")


@case(
    _SECTION,
    STATED,
    "published (terminal)",
    "No further changes are possible",
    needs=_PUBLISHES,
)
def published_takes_no_changes(lab: Laboratory) -> None:
    """A published session is canceled, and a file announced: refused, and still published."""
    scene = lab.scene(publication)

    expect(scene.deletion.refused, f"{scene.deletion}, of a published session")
    expect(scene.upload.refused, f"{scene.upload}, into a published session")
    status = scene.status_after.text("status")
    expect(status in ("published", ""), f"the session was published, and is {status!r}")


@case(
    _SECTION,
    MUST,
    "processing Cancellation requested rejected with 409 Conflict",
    "the server MUST reject the cancellation with a 409 Conflict, since publication may already be",
    needs=_PUBLISHES,
)
def processing_is_not_canceled(lab: Laboratory) -> None:
    """A session whose publication is being decided is canceled."""
    scene = lab.scene(deferral)

    expect(scene.status.text("status") == "processing", f"{scene.status.content[:200]!r}")
    expect(scene.deletion.status == 409, f"{scene.deletion}, while publication is being decided")


@case(
    "Multiple Session Creation Requests",
    MUST,
    "while an existing session for that pair is in a non-terminal state -- that is, open, "
    "processing, or error",
    needs=_PUBLISHES,
)
def processing_is_not_created_again(lab: Laboratory) -> None:
    """A session whose publication is being decided is asked for again."""
    again = lab.scene(deferral).again

    expect(again.status == 409, f"{again}, while publication is being decided")
    expect("Location" in again.headers, "there is no Location header in the 409")


@case(
    "Atomic Publication and Conflicts",
    MUST,
    "any other attempt to upload a file with one of those filenames to the same release -- whether "
    "through this API or the legacy API -- MUST be rejected with a 409 Conflict",
    "the server MUST atomically reserve the filenames of all files in the session",
    needs=_PUBLISHES,
)
def processing_reserves_filenames(lab: Laboratory) -> None:
    """While publication is being decided, a file of a name that it has is announced."""
    answer = lab.scene(deferral).same_filename

    expect(answer.status == 409, f"{answer}, while publication is being decided")


@case(
    "Atomic Publication and Conflicts",
    MUST,
    "the reserved files remain staged and MUST NOT become publicly visible until the publish",
    needs=(Need.PUBLISHING, Need.INDEX),
)
def processing_shows_nothing(lab: Laboratory) -> None:
    """While publication is being decided, the public simple index does not know the project."""
    page = known(lab.scene(deferral).hidden)

    expect(not page.ok, f"{page}, while publication is being decided")


@case(
    _SECTION,
    STATED,
    "processing Deferred processing fails error",
    "deferred processing resolves to either published on success or error on failure",
    needs=_REVIEWED,
)
def refused_is_in_error(lab: Laboratory) -> None:
    """The publication of a version that the index refuses is waited for."""
    outcome = lab.scene(refusal).outcome

    expect(outcome.text("status") == "error", f"status is {outcome.text('status')!r}")


@case(
    _SECTION,
    MUST,
    "The human-readable reason MUST be reported in the session's notices",
    needs=_REVIEWED,
)
def refusal_is_explained(lab: Laboratory) -> None:
    """The session whose publication was refused has notices."""
    notices = member(lab.scene(refusal).outcome.body, "notices", list)

    expect(notices, "notices is empty")
    for notice in notices:
        of_kind(notice, str, "a notice")


@case(
    _SECTION,
    STATED,
    "error A file is uploaded, replaced, or deleted error",
    "The session is fully editable again",
    needs=_REVIEWED,
)
def changed_stays_in_error(lab: Laboratory) -> None:
    """A file is added to a session in error and deleted; its status stays."""
    scene = lab.scene(refusal)

    for answer in (scene.with_file, scene.without_file):
        expect(answer.text("status") == "error", f"status is {answer.text('status')!r}")


@case(
    "Multiple Session Creation Requests",
    MUST,
    "while an existing session for that pair is in a non-terminal state -- that is, open, "
    "processing, or error",
    needs=_REVIEWED,
)
def session_in_error_is_not_created_again(lab: Laboratory) -> None:
    """A session in error is asked for again."""
    again = lab.scene(refusal).again

    expect(again.status == 409, f"{again}, while a session in error is there")
    expect("Location" in again.headers, "there is no Location header in the 409")


@case(
    _SECTION,
    STATED,
    "error Publish retried processing or published",
    needs=_REVIEWED,
)
def publication_is_retried(lab: Laboratory) -> None:
    """A session in error is published again, and decided on again."""
    scene = lab.scene(refusal)

    expect(scene.retry.status in (201, 202), f"{scene.retry}")
    status = scene.retried.text("status")
    expect(status in ("error", "published"), f"the session became {status!r}")


@case(
    _SECTION,
    STATED,
    "open or error Session canceled (DELETE) canceled",
    "Cancellation is only permitted while the session is open or in the error state",
    needs=_REVIEWED,
)
def session_in_error_is_canceled(lab: Laboratory) -> None:
    """A session in error is canceled."""
    scene = lab.scene(refusal)

    expect(scene.deletion.ok, f"{scene.deletion}, of a session in error")
    if scene.canceled.status != 404:
        expect(scene.canceled.text("status") == "canceled", f"{scene.canceled.content[:200]!r}")
