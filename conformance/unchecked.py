"""The sentences that no case checks, each with the reason."""

from conformance.register import MAY, MUST, SHOULD, STATED, Unchecked

_CLIENT = "This binds clients, not servers."
_GOVERNANCE = "This binds whoever changes the protocol; no server shows it."
_PERMISSION = "A permission: whatever the server does is right."
_LEGACY = "Needs uploads through the legacy API, whose form the text does not define."
_EXPIRY = "Needs to wait until a session expires, or its retention ends: days or weeks."
_DEFERRED_FILE = (
    "Needs an index that defers the completion of a file, and a moment in which it does: a file "
    "that is processing cannot be brought about from outside."
)
_INTERNAL = "What the server does inside is not seen from outside."

UNCHECKED: tuple[Unchecked, ...] = (
    Unchecked(
        "Versioning",
        MUST,
        (
            "Both major and minor version numbers of the Upload API MUST only be changed through "
            "the PEP process",
        ),
        _GOVERNANCE,
    ),
    Unchecked(
        "Content Types",
        MUST,
        ("all non-file-upload requests defined in this PEP MUST include a Content-Type header",),
        f"{_CLIENT} The suite does so; that a server must refuse other requests is not said.",
    ),
    Unchecked(
        "Content Types",
        SHOULD,
        ("clients SHOULD be prepared to handle content negotiation gracefully",),
        _CLIENT,
    ),
    Unchecked(
        "Content Types",
        STATED,
        ("servers are required to host the new API described in this PEP at a different endpoint",),
        "Needs the address of the legacy API; the choice of the root is the operator's.",
    ),
    Unchecked(
        "Authentication and Authorization",
        MAY,
        ("An index MAY apply a stricter policy",),
        _PERMISSION,
    ),
    Unchecked(
        "Authentication and Authorization",
        SHOULD,
        ("transfer a file across more than one request", "servers SHOULD authorize each such"),
        "Only mechanisms of vendors do so, and the text does not define these. http-post-bytes, "
        "which is one request, is checked.",
    ),
    Unchecked(
        "Optional Index-specific Metadata",
        MUST,
        ("The metadata key MUST begin with an underscore",),
        "This binds whoever defines such keys; what a server does with others is left undefined.",
    ),
    Unchecked(
        "Publishing Session States",
        MUST,
        ("a client MUST NOT treat an error session as closed or read-only",),
        _CLIENT,
    ),
    Unchecked(
        "Publishing Session States",
        STATED,
        ("where the failure is attributable to a particular file, in that file's notices",),
        "Which failures an index attributes to a file is its own affair.",
    ),
    Unchecked(
        "Atomic Publication and Conflicts",
        MAY,
        ("a concurrent upload MAY receive a 409 Conflict during a publish that ultimately fails",),
        _PERMISSION,
    ),
    Unchecked(
        "Atomic Publication and Conflicts",
        MUST,
        ("The index MUST enforce this regardless of which upload path",),
        _LEGACY,
    ),
    Unchecked(
        "Atomic Publication and Conflicts",
        MUST,
        (
            "it MUST return an error response -- a 409 Conflict for a filename collision",
            "it MUST move the session to the error state and report the conflicting file(s)",
        ),
        "Two sessions of one release cannot be open at once, so that only the legacy API can bring "
        f"a collision about at this moment. {_LEGACY}",
    ),
    Unchecked(
        "Atomic Publication and Conflicts",
        MUST,
        ("the server MUST release the reservation, making those filenames available again",),
        "A reservation shows only to another upload path; within its session, that a file can be "
        f"deleted and added after a failed publication is checked. {_LEGACY}",
    ),
    Unchecked(
        "Publishing Session Cancellation",
        MAY,
        ("Servers MAY support client-directed session extensions",),
        "A permission; where there are extensions, they are checked.",
    ),
    Unchecked(
        "Publishing Session Cancellation",
        MAY,
        ("it continues to report the canceled status for an index-specific period before it too",),
        _EXPIRY,
    ),
    Unchecked(
        "Publishing Session Cancellation",
        MAY,
        ("The server MAY allow such in-flight processing to run to completion",),
        _INTERNAL,
    ),
    Unchecked(
        "Publishing Session Cancellation",
        STATED,
        ("It is recommended that servers expunge their sessions after no less than a week",),
        _EXPIRY,
    ),
    Unchecked(
        "Session Status Retention",
        MAY,
        ("After that retention period elapses, the server MAY return 404 Not Found",),
        _EXPIRY,
    ),
    Unchecked(
        "Session Status Retention",
        SHOULD,
        ("SHOULD be long enough to let a client that initiated or contributed to the session",),
        _EXPIRY,
    ),
    Unchecked(
        "Session Status Retention",
        MUST,
        (
            "Clients MUST be prepared for a session status URL to return 404 Not Found",
            "clients SHOULD treat it as indicating that the session no longer exists",
        ),
        _CLIENT,
    ),
    Unchecked(
        "Session Status Retention",
        STATED,
        ("once a terminated session has been purged, a request to create a new session",),
        f"{_EXPIRY} Creation after an end that is still remembered is checked.",
    ),
    Unchecked(
        "Publishing Session Extension",
        MAY,
        ("Servers MAY allow clients to extend sessions",),
        "A permission; where there are extensions, they are checked.",
    ),
    Unchecked(
        "Publishing Session Files",
        SHOULD,
        ("The exact format of the URL is left to the index, but SHOULD be documented",),
        "Whether there is documentation is for a person to see.",
    ),
    Unchecked(
        "Publishing Session Files",
        STATED,
        ("This URL is used to retrieve, replace, or delete the referenced file",),
        "To retrieve and to delete is checked; how to replace by that URL is not said anywhere.",
    ),
    Unchecked(
        "Create a File Upload Session",
        MUST,
        (
            "Clients MUST use the provided upload URL and MUST NOT assume there is any pattern",
            "This mechanism SHOULD be chosen from the list of mechanisms advertised",
            "A client MAY send a mechanism that is not advertised",
        ),
        f"{_CLIENT} The suite uses the URLs and mechanisms that it is given.",
    ),
    Unchecked(
        "Create a File Upload Session",
        MAY,
        (
            "Servers MAY use the data provided in this request to do some sanity checking",
            "The server MAY allow parallel uploads of files, but is not required to",
        ),
        _PERMISSION,
    ),
    Unchecked(
        "File Upload Session: Response Body",
        SHOULD,
        (
            "The session SHOULD remain active until at least this time unless the client cancels "
            "or completes it",
        ),
        _EXPIRY,
    ),
    Unchecked(
        "File Upload Session: Response Body",
        MAY,
        ("Servers MAY choose to extend this expiration time, but should never move it earlier",),
        "A permission; that no expires-at of the run moved earlier is checked.",
    ),
    Unchecked(
        "File Upload Session States",
        MUST,
        (
            "the client MUST cancel or delete the file",
            "The session resource and its associated upload mechanisms MUST NOT be assumed "
            "reusable",
            "a client MUST NOT assume that the previous file upload session resource",
            "Clients MUST NOT assume that the previous upload resource URL can be reused",
        ),
        f"{_CLIENT} That a server does not let them be reused is checked.",
    ),
    Unchecked(
        "File Upload Session States",
        MUST,
        (
            "processing Cancellation requested rejected with 409 Conflict (see file-upload",
            "the server MUST reject the DELETE with a 409 Conflict",
        ),
        _DEFERRED_FILE,
    ),
    Unchecked(
        "File Upload Session Status",
        MAY,
        ("its file upload session URLs are retained no longer than the parent's own status URL",),
        _EXPIRY,
    ),
    Unchecked(
        "File Upload Session Extension",
        MAY,
        ("Servers MAY allow clients to extend file upload sessions",),
        "A permission; where there are extensions, they are checked.",
    ),
    Unchecked(
        "Staged Previews",
        MAY,
        ("Indexes MAY provide this functionality through the URL provided in the stage sub-key",),
        "A permission; where there are previews, they are checked.",
    ),
    Unchecked(
        "File Upload Mechanisms",
        MUST,
        (
            "Each major version of the Upload API MUST specify at least one required file upload",
            "New required mechanisms MUST NOT be added",
            "Any server-specific or experimental mechanisms added or removed MUST NOT change",
        ),
        _GOVERNANCE,
    ),
    Unchecked(
        "Required File Upload Mechanisms",
        MAY,
        (
            "Servers MAY support uploading of digital attestations",
            "Attestations MUST be uploaded to the attestations_url before",
        ),
        "An attestation that a server takes needs an identity of a signer, which no suite has.",
    ),
    Unchecked(
        "Server Specific File Upload Mechanisms",
        MAY,
        (
            "A given server MAY implement an arbitrary number of server specific mechanisms",
            "it MAY respond with that implementation's file upload mechanism name",
        ),
        _PERMISSION,
    ),
    Unchecked(
        "Server Specific File Upload Mechanisms",
        SHOULD,
        (
            "The operator identifier SHOULD clearly identify the server operator",
            "The implementation identifier SHOULD concisely describe",
            "they SHOULD create a new mechanism identifier rather than modifying the existing one",
        ),
        "What a name says is for a person to judge; its characters are checked.",
    ),
)
