"""Who may do what, judged at every request."""

from conformance.client import Answer, basic
from conformance.laboratory import Laboratory
from conformance.register import MUST, STATED, Need, case
from conformance.scenes import anonymous_requests, unauthorized_requests
from conformance.verdicts import NotApplicable, expect

_SECTION = "Authentication and Authorization"
_BYTES = "POST file_url"


@case(
    _SECTION,
    MUST,
    "All endpoints in this specification MUST use standard HTTP authentication mechanisms",
    "401 Unauthorized indicates missing or invalid authentication",
)
def nobody_gets_401(lab: Laboratory) -> None:
    """Every endpoint, the root included, is asked without an Authorization header."""
    for what, answer in _anonymous(lab).items():
        if what != _BYTES:
            expect(answer.status == 401, f"{what} without credentials: {answer}")


@case(
    _SECTION,
    STATED,
    "Servers use the WWW-Authenticate response header when authentication is required",
)
def challenge_comes_with_401(lab: Laboratory) -> None:
    """The answers with status 401 to requests without credentials have the header."""
    refused = [answer for answer in _anonymous(lab).values() if answer.status == 401]

    for answer in refused:
        expect(answer.headers.get("WWW-Authenticate"), f"no WWW-Authenticate in {answer}")
    if not refused:
        raise NotApplicable("no answer has the status 401")


@case(_SECTION, STATED, "401 Unauthorized indicates missing or invalid authentication")
def invalid_credentials_get_401(lab: Laboratory) -> None:
    """A session is asked for with credentials that nobody has."""
    stranger = lab.with_authorization(basic("this-is-no-token"))

    answer = lab.request_session(stranger, lab.project, lab.new_version())

    expect(answer.status == 401, f"{answer}, with credentials that nobody has")


@case(
    _SECTION,
    MUST,
    "a server MUST verify, contemporaneously on each request, that the authenticated principal is "
    "currently authorized to upload to the project named by the session, and MUST respond with "
    "403 Forbidden if it is not",
    "A request from a principal that is not, or is no longer, so authorized MUST receive a "
    "403 Forbidden",
    "All session endpoints defined in this specification",
    needs=(Need.SECOND,),
)
def stranger_gets_403(lab: Laboratory) -> None:
    """Every endpoint of a session and of a file upload session is asked as another account."""
    for what, answer in lab.scene(unauthorized_requests).answers.items():
        if what != _BYTES:
            expect(answer.status == 403, f"{what} by another account: {answer}")


@case(
    _SECTION,
    MUST,
    "Servers MUST perform this authorization check on at least every request that creates, "
    "modifies, completes, extends, cancels, or publishes",
    "every request against the session MUST be performed by an authenticated principal that is "
    "authorized to upload to the project",
    needs=(Need.SECOND,),
)
def stranger_changes_nothing(lab: Laboratory) -> None:
    """After another account has tried everything, the session's status is what it was."""
    seen = lab.scene(unauthorized_requests)

    expect(
        seen.session_after.mapping("files") == seen.session_before.mapping("files")
        and seen.session_after.text("status") == seen.session_before.text("status"),
        f"another account changed the session: {seen.session_after.content[:300]!r}",
    )


@case(
    "Session authorization",
    MUST,
    "Indexes MUST re-validate authorization on each session request -- including artifact uploads",
    needs=(Need.SECOND,),
)
def stranger_sends_no_bytes(lab: Laboratory) -> None:
    """Another account, which knows the file_url, posts bytes to it."""
    answer = lab.scene(unauthorized_requests).answers[_BYTES]

    expect(answer.status == 403, f"bytes by another account: {answer}")


@case(
    _SECTION,
    STATED,
    "A principal that is granted upload permission after a session is opened may immediately "
    "participate in that session",
    "A publishing session is not bound to the specific credentials that created it",
    needs=(Need.SECOND, Need.ROLES),
)
def granted_account_joins(lab: Laboratory) -> None:
    """Another account is refused, gets the right to upload, sees the session and adds a file."""
    session = lab.open(lab.new_name("granted"))
    before = session.status(lab.second)
    lab.grant(session.name)

    status, upload = session.status(lab.second), session.announce(session.wheel(), lab.second)

    lab.revoke(session.name)
    expect(not before.ok, f"{before}, before the right was given")
    expect(status.ok, f"{status}, after the right was given")
    expect(upload.ok, f"{upload}, after the right was given")


@case(
    _SECTION,
    MUST,
    "A principal whose upload permission is revoked while a session is open MUST be denied with a "
    "403 Forbidden on any subsequent request, even if that principal created the session",
    'This denial is evaluated per request and is not "sticky"',
    needs=(Need.SECOND, Need.ROLES),
)
def revoked_account_is_denied(lab: Laboratory) -> None:
    """Another account opens a session, loses its right, gets 403, and has it restored."""
    name, version = lab.new_name("revoked"), lab.new_version()
    lab.open(name)
    lab.grant(name)
    own = lab.request_session(lab.second, name, version).arranged()
    url = lab.link(own, "session")
    lab.revoke(name)

    denied = [lab.second.api("GET", url), lab.second.api("DELETE", url)]
    lab.grant(name)
    restored = lab.second.api("GET", url)

    for answer in denied:
        expect(answer.status == 403, f"{answer}, after the right was taken")
    expect(restored.ok, f"{restored}, after the right was given back")
    expect(restored.text("status") == "open", "the session was ended by who had lost the right")


@case(
    _SECTION,
    STATED,
    "403 Forbidden indicates insufficient permissions",
    needs=(Need.STAGE_ONLY, Need.PUBLISHING),
)
def stage_only_credentials_do_not_publish(lab: Laboratory) -> None:
    """Credentials that may stage and not publish ask for publication; the session stays open."""
    session = lab.open()
    session.upload(session.wheel()).completed()

    answer, status = session.publish(lab.stage_only), session.status()

    expect(answer.status == 403, f"{answer}, by credentials that may not publish")
    expect(status.text("status") == "open", f"the session became {status.text('status')!r}")


def _anonymous(lab: Laboratory) -> dict[str, Answer]:
    answers = dict(lab.scene(anonymous_requests).answers)
    answers["POST root"] = lab.request_session(lab.nobody, lab.project, lab.new_version())
    return answers
