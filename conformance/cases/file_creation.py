"""Creating file upload sessions, and what they answer."""

import re
from urllib.parse import urlsplit

from conformance.client import Answer
from conformance.distributions import Distribution, wheel
from conformance.laboratory import HTTP_POST_BYTES, Laboratory, Session
from conformance.register import MUST, SHOULD, STATED, Need, case
from conformance.scenes import arrival
from conformance.verdicts import NotArranged, expect, member, of_kind

_SECTION = "Create a File Upload Session"
_BODY = "File Upload Session: Response Body"
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@case(
    _SECTION,
    STATED,
    "If the server determines that upload should proceed, it will return a 202 Accepted response",
    "To initiate a file upload, a client first sends a POST request to the upload URL",
)
def announcement_answers_202(lab: Laboratory) -> None:
    """A wheel is announced."""
    answer = lab.scene(arrival).upload.created

    expect(answer.status == 202, f"{answer}")


@case(_BODY, MUST, "A Retry-After response header MUST be present")
def announcement_has_a_retry_after(lab: Laboratory) -> None:
    """The header is there, and is a number of seconds or a date."""
    value = lab.scene(arrival).upload.created.headers.get("Retry-After")

    expect(value, "there is no Retry-After header")
    expect(
        value is not None and re.fullmatch(r"\d+|\w{3}, .+ GMT", value), f"Retry-After is {value!r}"
    )


@case(_BODY, STATED, "The successful response includes the following")
def upload_body_has_its_keys(lab: Laboratory) -> None:
    """The body has meta, links, status, expires-at and mechanism."""
    body = lab.scene(arrival).upload.created.body

    kinds: dict[str, type[object]] = {
        "meta": dict,
        "links": dict,
        "status": str,
        "expires-at": str,
        "mechanism": dict,
    }
    for key, kind in kinds.items():
        member(body, key, kind)


@case(
    "File Upload Session Links",
    STATED,
    "For the links key in the response payload, the following sub-keys are valid",
)
def upload_links_are_there(lab: Laboratory) -> None:
    """The links file-upload-session and complete are there, and all are URLs."""
    links = lab.scene(arrival).upload.created.mapping("links")

    for name in ("file-upload-session", "complete"):
        expect(name in links, f"links.{name} is missing")
    for name, url in links.items():
        parts = urlsplit(of_kind(url, str, f"links.{name}"))
        expect(parts.scheme in ("http", "https") and parts.netloc, f"links.{name} is {url!r}")


@case(
    _BODY,
    MUST,
    'This string MUST represent a UTC timestamp using the "Zulu" (i.e. Z) marker, and use only',
)
def upload_expiry_is_in_whole_seconds(lab: Laboratory) -> None:
    """The expires-at of a new file upload session is a date in whole seconds, with a Z."""
    text = member(lab.scene(arrival).upload.created.body, "expires-at", str)

    expect(_TIMESTAMP.fullmatch(text), f"expires-at is {text!r}")


@case(
    _BODY,
    MUST,
    "This mapping MUST contain a key identifier which maps to the identifier string for the chosen",
)
def mechanism_is_identified(lab: Laboratory) -> None:
    """The mechanism of a new file upload session has the identifier that was asked for."""
    mechanism = member(lab.scene(arrival).upload.created.body, "mechanism", dict)

    identifier = mechanism.get("identifier")
    expect(identifier == HTTP_POST_BYTES, f"mechanism.identifier is {identifier!r}")


@case(_SECTION, STATED, "the request JSON has the following additional keys: filename (required)")
def announcement_keys_are_required(lab: Laboratory) -> None:
    """Files are announced without each of filename, size, hashes, mechanism and meta."""
    session = lab.open()
    for key in ("filename", "size", "hashes", "mechanism", "meta"):
        answer = _announce(session, session.wheel(), **{key: None})

        expect(answer.refused, f"{answer}, without the key {key!r}")


@case(
    _SECTION,
    MUST,
    "The filename MUST conform to either the source distribution file name specification or the "
    "binary distribution file name convention",
)
def filename_conforms(lab: Laboratory) -> None:
    """Files are announced under names that no distribution has: refused then, or at completion."""
    session = lab.open()
    for filename in _bad_filenames(session):
        answer = session.announce(Distribution(filename, session.wheel().content))
        if answer.ok:
            answer = lab.arrive(answer, session.wheel().content)

        expect(not answer.ok, f"{answer}, for the file name {filename!r}")


@case(
    _SECTION,
    SHOULD,
    "Indexes SHOULD validate these file names at the time of the request, returning a 400 Bad",
)
def filename_is_checked_at_once(lab: Laboratory) -> None:
    """Files are announced under names that no distribution has."""
    session = lab.open()
    for filename in _bad_filenames(session):
        answer = _announce(session, Distribution(filename, session.wheel().content))

        expect(answer.status == 400, f"{answer}, for the file name {filename!r}")


@case(
    "Why is the version required when creating a publishing session?",
    SHOULD,
    "A file with a mismatched version always fails, regardless of upload timing or order",
)
def file_of_another_version_fails(lab: Laboratory) -> None:
    """A wheel of another version is announced, and, if it can be, sent and completed."""
    session = lab.open()
    other = wheel(session.name, "77.7")

    answer = session.announce(other)
    if answer.ok:
        answer = lab.arrive(answer, other.content)

    expect(not answer.ok, f"{answer}, for a file of another version")


@case(
    _SECTION,
    MUST,
    "At least one secure algorithm from hashlib.algorithms_guaranteed MUST always be included",
)
def secure_digest_is_required(lab: Laboratory) -> None:
    """Files are announced without any digest, and with md5 alone."""
    session = lab.open()
    file = session.wheel()
    for hashes in ({}, file.hashes("md5")):
        answer = _announce(session, file, hashes=hashes)

        expect(answer.refused, f"{answer}, with the hashes {sorted(hashes)}")


@case(
    _SECTION,
    STATED,
    "any hash algorithm available in hashlib can be used as a key for the hashes dictionary",
    "This PEP specifically recommends sha256",
)
def other_digests_are_taken(lab: Laboratory) -> None:
    """A file with its sha256, sha512, blake2b and sha3_256 digests arrives and is completed."""
    session = lab.open()
    file = session.wheel()
    hashes = file.hashes("sha256", "sha512", "blake2b", "sha3_256")

    answer = session.announce(file, hashes=hashes)
    expect(answer.ok, f"{answer}, with the hashes {sorted(hashes)}")
    answer = lab.arrive(answer, file.content)

    expect(answer.ok, f"{answer}, with the hashes {sorted(hashes)}, all of which are right")


@case(_SECTION, MUST, "Multiple hashes may be passed at a time, but all hashes provided MUST be")
def every_digest_is_checked(lab: Laboratory) -> None:
    """Completed are a file with a wrong sha256, and one with a wrong blake2b beside the right."""
    for wrong in ("sha256", "blake2b"):
        session = lab.open()
        file = session.wheel()
        hashes = file.hashes("sha256", "blake2b")
        hashes[wrong] = "".join("1" if digit == "0" else "0" for digit in hashes[wrong])

        answer = session.announce(file, hashes=hashes)
        if answer.ok:
            answer = lab.arrive(answer, file.content)

        expect(not answer.ok, f"{answer}, with a wrong {wrong} digest")


@case(_SECTION, STATED, "The final total size in bytes of the file being uploaded")
def size_is_checked(lab: Laboratory) -> None:
    """Files are sent, and completed, that are a byte longer and a byte shorter than announced."""
    for difference in (1, -1):
        session = lab.open()
        file = session.wheel()

        answer = session.announce(file, size=file.size + difference)
        if answer.ok:
            answer = lab.arrive(answer, file.content)

        expect(not answer.ok, f"{answer}, with {-difference} bytes too many")


@case(
    _SECTION,
    MUST,
    "because the mechanism supplied by the client is not supported it MUST return a 422 "
    "Unprocessable Content",
)
def unknown_mechanism_answers_422(lab: Laboratory) -> None:
    """A file is announced with a mechanism that nobody has."""
    session = lab.open()

    answer = _announce(session, session.wheel(), mechanism="vnd-conformance-telepathy")

    expect(answer.status == 422, f"{answer}, for an unknown mechanism")


@case(
    _SECTION,
    MUST,
    "If the server determines the upload cannot proceed, it MUST return a 409 Conflict",
    "A file whose upload is still in-progress cannot be replaced; if a client attempts to do so, "
    "the server MUST return a 409 Conflict",
    "A file whose upload is still pending cannot be replaced",
)
def file_under_way_is_not_replaced(lab: Laboratory) -> None:
    """A file is announced that is under way in the same session."""
    answer = lab.scene(arrival).second_attempt

    expect(answer.status == 409, f"{answer}, while the file is pending")


@case(
    _SECTION,
    STATED,
    "the upload endpoint from the response's session links mapping is used to begin the upload of "
    "new files into that session",
    needs=(Need.SECOND,),
)
def owner_is_not_hindered_by_strangers(lab: Laboratory) -> None:
    """After another account was refused a file, its owner announces the same."""
    session = lab.open()
    file = session.wheel()
    if session.announce(file, lab.second).ok:
        raise NotArranged("another account was let in")

    answer = session.announce(file)

    expect(answer.ok, f"{answer}, after another account was refused the same")


def _bad_filenames(session: Session) -> tuple[str, ...]:
    return (
        f"{session.name}.exe",
        f"{session.version}.tar.gz",
        f"{session.name}-{session.version}-py3.whl",
        "../../etc/passwd",
    )


def _announce(session: Session, file: Distribution, **changes: object) -> Answer:
    """Announce a file that should be refused; if it is not, it is deleted."""
    answer = session.announce(file, **changes)
    if answer.ok:
        lab = session.laboratory
        lab.owner.api("DELETE", lab.link(answer, "file-upload-session"))
    return answer
