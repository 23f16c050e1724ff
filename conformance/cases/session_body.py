"""The body of a publishing session: its keys, links and files."""

import math
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from conformance.client import Answer
from conformance.laboratory import HTTP_POST_BYTES, Laboratory
from conformance.register import MUST, SHOULD, STATED, case
from conformance.scenes import (
    arrival,
    cancellation,
    creation,
    deletion_of_completed,
    deletion_of_pending,
    entry,
    failure,
    file_url,
)
from conformance.verdicts import NotApplicable, expect, member, of_kind

_BODY = "Publishing Session: Response Body"
_LINKS = "Publishing Session Links"
_FILES = "Publishing Session Files"
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_STATES = ("open", "processing", "published", "error", "canceled")
# What an attacker would have to try, in bits, at the least.
_ENOUGH = 64


@case(_BODY, STATED, "The successful response includes the following content")
def body_has_its_keys(lab: Laboratory) -> None:
    """The body of a new session has meta, links, mechanisms, expires-at, status and files."""
    body = lab.scene(creation).session.created.body
    kinds: dict[str, type[object]] = {
        "meta": dict,
        "links": dict,
        "mechanisms": list,
        "expires-at": str,
        "status": str,
        "files": dict,
    }
    for key, kind in kinds.items():
        member(body, key, kind)
    expect(body["files"] == {}, f"files is {body['files']!r} in a new session")


@case(_BODY, STATED, "An optional key that points to an array of human-readable informational")
def notices_are_sentences(lab: Laboratory) -> None:
    """The notices of a new session, if there are any, are a list of strings."""
    for notice in of_kind(
        lab.scene(creation).session.created.body.get("notices", []), list, "'notices'"
    ):
        of_kind(notice, str, "a notice")


@case(
    _BODY,
    STATED,
    "A list of file-upload mechanisms supported by the server, sorted in server-preferred order. "
    "At least one value is required",
)
def mechanisms_are_listed(lab: Laboratory) -> None:
    """The mechanisms of a new session are a list of strings, and not empty."""
    mechanisms = member(lab.scene(creation).session.created.body, "mechanisms", list)

    expect(mechanisms, "there are none")
    for mechanism in mechanisms:
        of_kind(mechanism, str, "a mechanism")


@case(
    "Publishing Session Token",
    MUST,
    "This token MUST be cryptographically unguessable",
    "Both the session token and URL MUST be cryptographically unguessable",
    "This URL MUST be cryptographically unguessable and MUST use the above session-token",
    "The stage URL MUST be calculable from the session token",
)
def token_and_stage_cannot_be_guessed(lab: Laboratory) -> None:
    """Those of three sessions differ, are long enough for 64 bits, and the URL has the token.

    That is necessary and not sufficient: how a token was made cannot be seen. Where the URL does
    not have the token as it is, it has to differ as much itself.
    """
    sessions = [lab.scene(creation).session, lab.open(), lab.open()]
    tokens = [session.created.text("session-token") for session in sessions]
    stages = [str(session.created.mapping("links").get("stage", "")) for session in sessions]
    if not any(tokens) and not any(stages):
        raise NotApplicable("the index has no previews")

    _expect_unguessable(tokens, "session-token")
    if all(stages) and not all(token in stage for token, stage in zip(tokens, stages, strict=True)):
        _expect_unguessable(stages, "links.stage")


@case(
    "Publishing Session Token",
    MUST,
    "Indexes which don't support staged previews MUST NOT include these in their responses",
    "If the index does not support stage previewing, this key MUST be omitted",
    "If the index does not support previewing staged releases, this key MUST be omitted",
)
def token_and_stage_come_together(lab: Laboratory) -> None:
    """A new session has both session-token and links.stage, or neither."""
    created = lab.scene(creation).session.created
    token, stage = created.body.get("session-token"), created.mapping("links").get("stage")

    expect(
        (token is None) == (stage is None), f"session-token is {token!r}, links.stage is {stage!r}"
    )
    if token is not None:
        of_kind(token, str, "'session-token'")
        of_kind(stage, str, "links.stage")


@case(
    "Publishing Session Token",
    SHOULD,
    "Indexes SHOULD support preview stages so that uploaded files can be live tested",
)
def previews_are_offered(lab: Laboratory) -> None:
    """A new session has links.stage."""
    expect("stage" in lab.scene(creation).session.created.mapping("links"), "there is none")


@case(
    _BODY,
    MUST,
    'this string MUST represent a UTC timestamp using the "Zulu" (i.e. Z) marker, and use only '
    "whole seconds",
)
def session_expiry_is_in_whole_seconds(lab: Laboratory) -> None:
    """The expires-at of a new session is a date in whole seconds, with a Z, and to come."""
    _expect_timestamp(lab.scene(creation).session.created)


@case(
    _BODY,
    SHOULD,
    "This timestamp represents when the server will expire this session",
    "The session SHOULD remain active until at least this time",
)
def session_expires_in_the_future(lab: Laboratory) -> None:
    """The expires-at of a new session is later than now."""
    _expect_future(lab.scene(creation).session.created)


@case(
    _BODY,
    SHOULD,
    "Servers MAY choose to extend this expiration time, but should never move it earlier",
    looks_back=True,
)
def expiry_is_never_moved_earlier(lab: Laboratory) -> None:
    """No session and no file upload session of the run had an earlier expires-at after a later."""
    latest: dict[str, str] = {}
    for answer in lab.answers:
        links = answer.mapping("links") if answer.ok else {}
        which = links.get("file-upload-session") or links.get("session")
        expires = answer.text("expires-at")
        if not isinstance(which, str) or not _TIMESTAMP.fullmatch(expires):
            continue
        before = latest.get(which, expires)
        expect(expires >= before, f"expires-at was {before}, and is {expires} in {answer}")
        latest[which] = expires


@case(
    _BODY,
    STATED,
    "A string that contains one of open, processing, published, error, or canceled",
    looks_back=True,
)
def session_status_is_a_known_word(lab: Laboratory) -> None:
    """The status in every session body of the run is one of the five."""
    for answer in lab.answers:
        if answer.ok and "mechanisms" in (answer.body if answer.content else {}):
            status = answer.text("status")
            expect(status in _STATES, f"status is {status!r} in {answer}")


@case(
    _LINKS,
    STATED,
    "For the links key in the success JSON, the following sub-keys are valid: session",
)
def links_are_there(lab: Laboratory) -> None:
    """A new session has the links session, publish and upload, and all its links are URLs."""
    links = lab.scene(creation).session.created.mapping("links")

    for name in ("session", "publish", "upload"):
        expect(name in links, f"links.{name} is missing")
    for name, url in links.items():
        parts = urlsplit(of_kind(url, str, f"links.{name}"))
        expect(parts.scheme in ("http", "https") and parts.netloc, f"links.{name} is {url!r}")


@case(
    _FILES,
    STATED,
    "A string with valid values pending, processing, completed, and error, mirroring the state",
    "The status of the publishing session will also include the filename in the files mapping",
    "The same value is reflected for the file in the files mapping",
)
def files_mirror_their_uploads(lab: Laboratory) -> None:
    """A file is listed as pending, completed or error when its own upload says so."""
    scene, failed = lab.scene(arrival), lab.scene(failure)
    for session, upload, filename in (
        (scene.session_pending, scene.pending, scene.upload.file.filename),
        (scene.session_completed, scene.completed, scene.upload.file.filename),
        (failed.session_status, failed.status, failed.upload.file.filename),
    ):
        found = session.mapping("files").get(filename)
        expect(isinstance(found, dict), f"{filename} is not in files: {session}")
        listed = found.get("status") if isinstance(found, dict) else None
        expect(
            listed == upload.text("status"),
            f"{filename} is listed as {listed!r}, and is {upload.text('status')!r}",
        )


@case(
    _FILES,
    STATED,
    "canceled never appears here. Canceling or deleting a file removes its entry from the files",
    "except for canceled: a canceled or deleted file is removed from that mapping altogether",
)
def deleted_files_are_not_listed(lab: Laboratory) -> None:
    """Files that were deleted while pending, completed and error are in no files mapping."""
    pending, completed = lab.scene(deletion_of_pending), lab.scene(deletion_of_completed)
    failed = lab.scene(failure)
    for filename, status in (
        (pending.upload.file.filename, pending.session_status),
        (completed.upload.file.filename, completed.session_status),
        (failed.upload.file.filename, failed.session_deleted),
    ):
        files = status.mapping("files")
        expect(filename not in files, f"a deleted file is listed: {files.get(filename)!r}")


@case(
    _FILES,
    STATED,
    "The absolute URL that the client should use to reference this specific file",
)
def file_links_are_absolute(lab: Laboratory) -> None:
    """The link of a completed file is an absolute URL."""
    link = _link(lab)
    parts = urlsplit(link)

    expect(parts.scheme in ("http", "https") and parts.netloc, f"link is {link!r}")


@case(
    _FILES,
    MUST,
    "this URL MUST be cryptographically unguessable, and MUST use the same publishing session",
)
def file_links_cannot_be_guessed(lab: Laboratory) -> None:
    """The link of a completed file has the session's token in it, where there are previews."""
    session = lab.scene(arrival).session
    token = session.created.text("session-token")
    if not token:
        raise NotApplicable("the index has no previews")

    expect(token in _link(lab), f"the session token is not in {_link(lab)!r}")


@case(
    _FILES, STATED, "An optional key with similar format and semantics as the notices session key"
)
def notices_of_files_are_sentences(lab: Laboratory) -> None:
    """The notices of a failed file, if there are any, are a list of strings."""
    failed = lab.scene(failure)
    found = entry(failed.session_status, failed.upload.file.filename)
    for notice in of_kind(found.get("notices", []), list, "'notices'"):
        of_kind(notice, str, "a notice")


@case(
    _FILES,
    STATED,
    "This URL is used to retrieve, replace, or delete the referenced file",
)
def file_link_deletes(lab: Laboratory) -> None:
    """A completed file is deleted by its link, and is in no files mapping any more."""
    session = lab.open()
    upload = session.upload(session.wheel())
    upload.completed()
    link = file_url(lab, session.status(), upload.file.filename)

    answer, status = lab.owner.api("DELETE", link), session.status()

    expect(answer.ok, f"{answer}")
    expect(upload.file.filename not in status.mapping("files"), "the file is still listed")


@case(
    "Publishing Session Status",
    STATED,
    "The server will respond to this GET request with the same publishing session creation "
    "response",
    "At any time, a client can query the status of a session",
)
def status_is_the_creation_again(lab: Laboratory) -> None:
    """A look at a new session gives 200, and what its creation gave."""
    scene = lab.scene(creation)
    created, status = scene.session.created.body, scene.status.body

    expect(scene.status.status == 200, f"{scene.status}")
    for key in ("links", "mechanisms", "session-token", "status", "files"):
        expect(
            created.get(key) == status.get(key),
            f"{key!r} was {created.get(key)!r}, and is {status.get(key)!r}",
        )


@case(
    "Session Status Retention",
    SHOULD,
    "the server SHOULD continue to serve its status URL, reporting the terminal status",
    "it continues to report the canceled status",
)
def canceled_status_is_kept(lab: Laboratory) -> None:
    """A session that was just canceled is looked at."""
    status = lab.scene(cancellation).status

    expect(status.status == 200, f"{status}")
    expect(status.text("status") == "canceled", f"status is {status.text('status')!r}")


@case(
    "Required File Upload Mechanisms",
    MUST,
    "Upload API version 2.0 compliant servers MUST support the http-post-bytes mechanism",
    "Servers MUST implement required file upload mechanisms",
)
def required_mechanism_is_listed(lab: Laboratory) -> None:
    """The mechanisms of a new session have http-post-bytes among them."""
    mechanisms = member(lab.scene(creation).session.created.body, "mechanisms", list)

    expect(HTTP_POST_BYTES in mechanisms, f"mechanisms is {mechanisms!r}")


@case(
    "Server Specific File Upload Mechanisms",
    MUST,
    "Server specific implementations MUST use vnd as their prefix",
)
def vendor_mechanisms_have_the_prefix(lab: Laboratory) -> None:
    """Every mechanism but http-post-bytes begins with vnd-."""
    for mechanism in _vendor_mechanisms(lab):
        expect(mechanism.startswith("vnd-"), f"a mechanism is {mechanism!r}")


@case(
    "Server Specific File Upload Mechanisms",
    SHOULD,
    "be unique from other well known indexes, and contain only alphanumeric characters [a-z0-9]",
    "and contain only alphanumeric characters [a-z0-9] and -",
)
def vendor_mechanisms_are_well_named(lab: Laboratory) -> None:
    """They have an operator and an implementation, in small letters, digits and, at last, -."""
    for mechanism in _vendor_mechanisms(lab):
        rest = mechanism.partition("-")[2]
        expect(re.fullmatch("[a-z0-9]+-[a-z0-9-]+", rest), f"a mechanism is {mechanism!r}")


def _vendor_mechanisms(lab: Laboratory) -> list[str]:
    listed = lab.scene(creation).session.created.body.get("mechanisms")
    mechanisms = [name for name in listed if isinstance(name, str)] if listed else []
    vendor = [name for name in mechanisms if name != HTTP_POST_BYTES]
    if not vendor:
        raise NotApplicable("there are none but the required one")
    return vendor


def _link(lab: Laboratory) -> str:
    scene = lab.scene(arrival)
    return member(entry(scene.session_completed, scene.upload.file.filename), "link", str)


def _expect_timestamp(answer: Answer) -> None:
    text = member(answer.body, "expires-at", str)
    expect(_TIMESTAMP.fullmatch(text), f"expires-at is {text!r}")


def _expect_future(answer: Answer) -> None:
    text = member(answer.body, "expires-at", str)
    try:
        expires = datetime.fromisoformat(text)
    except ValueError:
        raise NotApplicable(f"expires-at cannot be read: {text!r}") from None
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    expect(expires > datetime.now(UTC), f"expires-at is {text!r}")


def _expect_unguessable(values: list[str], what: str) -> None:
    expect(len(set(values)) == len(values), f"{what} is the same for two sessions")
    differing = min(len(value) for value in values) - _common_length(values)
    alphabet = len(set("".join(values)))
    bits = differing * math.log2(max(alphabet, 2))
    expect(bits >= _ENOUGH, f"{what} differs in {differing} characters only, as in {values[0]!r}")


def _common_length(values: list[str]) -> int:
    """How many characters all have in common at the beginning and at the end."""
    length = 0
    for texts in (values, [value[::-1] for value in values]):
        for characters in zip(*texts, strict=False):
            if len(set(characters)) > 1:
                break
            length += 1
    return length
