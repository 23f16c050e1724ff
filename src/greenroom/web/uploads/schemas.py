"""What Upload 2.0 answers: the bodies of PEP 694, as models.

Every answer is built of one of these, and the OpenAPI description is generated from them
(``pep694/openapi.py``): what the index says of itself is what it does. A text that has a pattern
has a longest length too, since the end of a pattern also matches before a last end of line.
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from greenroom.models import PRESIGNED
from greenroom.registry.draft_contents import CONTENT_DIGEST, LENGTH_OF_CONTENT_DIGEST
from greenroom.registry.upload_sessions import HTTP_POST_BYTES, RESUMABLE
from greenroom.web.http.problem_details import Answer, AnswerMeta, Url

Timestamp = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        max_length=20,
        description="A moment in whole seconds, in UTC (RFC 3339).",
        extra_json_schema={"format": "date-time"},
    ),
]


class SessionLinks(Answer, frozen=True):
    """What can be done with a publishing session; one that has ended has no link but to itself."""

    session: Annotated[Url, Meta(description="GET: its status. DELETE: cancel it.")]
    upload: Annotated[Url, Meta(description="POST: announce a file.")] = ""
    publish: Annotated[Url, Meta(description="POST: make everything in it public.")] = ""
    extend: Annotated[Url, Meta(description="POST: ask for more time.")] = ""
    stage: Annotated[Url, Meta(description="The simple index of what is staged.")] = ""
    join_set: Annotated[
        Url,
        Meta(
            description="POST: put it into a release set. DELETE: take it out of its one. Not of "
            "PEP 694."
        ),
    ] = ""
    set: Annotated[Url, Meta(description="The release set that it is in. Not of PEP 694.")] = ""


class SessionFile(Answer, frozen=True):
    """A file of a session: staged, on its way, or failed."""

    status: Literal["pending", "processing", "completed", "error"]
    link: Annotated[Url, Meta(description="GET: the file, once it is completed. DELETE: remove.")]
    notices: Annotated[list[str], Meta(description="Sentences for people.")] = field(
        default_factory=list
    )


class Scheduled(Answer, frozen=True):
    """That something is to be published by itself, at a time that somebody has set."""

    at: Timestamp
    by: Annotated[str, Meta(description="Who has set it.")]
    void: Annotated[
        bool, Meta(description="Whether the content has changed since, so that it is refused.")
    ]
    doubts: Annotated[
        list[str],
        Meta(description="For what else it would be refused, if it were time now, in sentences."),
    ]


class SessionBody(Answer, frozen=True, kw_only=True):
    """A publishing session."""

    meta: AnswerMeta
    links: SessionLinks
    mechanisms: Annotated[
        list[str],
        Meta(min_length=1, description="Ways to send a file, the one to be preferred first."),
    ]
    session_token: Annotated[
        str,
        Meta(
            pattern="^[0-9A-Za-z]{22}$",
            max_length=22,
            description="The secret of the stage: whoever has it may read what is staged.",
        ),
    ]
    expires_at: Timestamp
    content_digest: Annotated[
        str,
        Meta(
            pattern=CONTENT_DIGEST,
            max_length=LENGTH_OF_CONTENT_DIGEST,
            description="Of all files: what it is now, or was when the session was published. "
            "Missing after a session was canceled.",
        ),
    ] = ""
    status: Literal["open", "processing", "published", "error", "canceled"]
    outcome: Annotated[
        Literal["", "published", "discarded", "expired"],
        Meta(description="How the session ended; missing while it has not."),
    ] = ""
    schedule: Annotated[
        Scheduled | None,
        Meta(description="When it is to be published by itself; missing where that is not set."),
    ] = None
    files: Annotated[dict[str, SessionFile], Meta(description="By file name.")]
    notices: Annotated[list[str], Meta(description="Sentences for people.")]


class SetLinks(Answer, frozen=True):
    """What can be done with a release set; one that has ended has no link but to itself."""

    set: Annotated[Url, Meta(description="GET: its status. DELETE: end it; its sessions stay.")]
    publish: Annotated[Url, Meta(description="POST: make all of it public, or nothing.")] = ""
    go: Annotated[Url, Meta(description="POST: let those sessions go that you may publish.")] = ""
    review: Annotated[Url, Meta(description="GET: the review of all that is in it.")] = ""
    stage: Annotated[
        Url,
        Meta(
            description="The simple index of all that is staged in it; missing where a session is "
            "of a project that the credentials do not cover."
        ),
    ] = ""


class SetSession(Answer, frozen=True):
    """A publishing session of a release set."""

    session: Annotated[Url, Meta(description="Its address.")]
    name: str
    version: str
    content_digest: Annotated[
        str, Meta(pattern=CONTENT_DIGEST, max_length=LENGTH_OF_CONTENT_DIGEST)
    ]
    obstacles: Annotated[
        list[str], Meta(description="Why it cannot be published with the set, in sentences.")
    ]
    go_by: Annotated[
        str, Meta(description="Who lets it go with the set, with what it has now.")
    ] = ""


class SetBody(Answer, frozen=True, kw_only=True):
    """A release set, as far as the credentials cover its projects."""

    meta: AnswerMeta
    links: SetLinks
    name: Annotated[str, Meta(description="`OWNER/NAME`.")]
    status: Literal["open", "processing", "published", "canceled"]
    outcome: Annotated[
        Literal["", "published", "discarded", "expired"],
        Meta(description="How the set ended; missing while it has not."),
    ] = ""
    only_together: Annotated[
        bool, Meta(description="Whether its sessions cannot be published alone.")
    ]
    content_digest: Annotated[
        str,
        Meta(
            pattern=CONTENT_DIGEST,
            max_length=LENGTH_OF_CONTENT_DIGEST,
            description="Of all its sessions.",
        ),
    ]
    schedule: Annotated[
        Scheduled | None,
        Meta(description="When it is to be published by itself; missing where that is not set."),
    ] = None
    sessions: list[SetSession]
    hidden: Annotated[int, Meta(ge=0, description="How many sessions are not shown.")]
    notices: Annotated[list[str], Meta(description="Sentences for people.")]


class FileUploadLinks(Answer, frozen=True):
    """What can be done with a file upload session."""

    file_upload_session: Annotated[Url, Meta(description="GET: its status. DELETE: cancel it.")]
    complete: Annotated[Url, Meta(description="POST: all bytes are there.")]
    extend: Annotated[Url, Meta(description="POST: ask for more time.")]


class BytesMechanism(Answer, frozen=True, tag_field="identifier", tag=HTTP_POST_BYTES):
    """The bytes of a file are sent to the index, all of them at once."""

    file_url: Annotated[Url, Meta(description="Where the bytes go.")] = field(name="file_url")


class ResumableMechanism(Answer, frozen=True, tag_field="identifier", tag=RESUMABLE):
    """The bytes of a file are sent to the index, in pieces."""

    file_url: Annotated[Url, Meta(description="Where the bytes go.")] = field(name="file_url")


class PresignedPart(Answer, frozen=True):
    """Bytes of a file: ``size`` of them from ``start`` on."""

    number: Annotated[int, Meta(ge=1)]
    start: Annotated[int, Meta(ge=0)]
    size: Annotated[int, Meta(ge=1)]
    url: Annotated[Url, Meta(description="PUT: exactly these bytes.")]


class PresignedMechanism(Answer, frozen=True, tag_field="identifier", tag=PRESIGNED):
    """The bytes of a file are sent to the storage, in parts."""

    part_size: Annotated[int, Meta(ge=1, description="Of all parts but the last.")]
    expires_at: Annotated[Timestamp, Meta(description="Until when the URLs of parts are good.")]
    parts: Annotated[list[PresignedPart], Meta(description="None when nothing may be sent.")]
    arrived: Annotated[list[int], Meta(description="The numbers of parts that are there.")] = field(
        default_factory=list
    )


class FileUploadBody(Answer, frozen=True):
    """A file upload session."""

    meta: AnswerMeta
    links: FileUploadLinks
    status: Literal["pending", "processing", "completed", "error", "canceled"]
    expires_at: Timestamp
    mechanism: BytesMechanism | ResumableMechanism | PresignedMechanism
    notices: Annotated[list[str], Meta(description="Why it is in error.")] = field(
        default_factory=list
    )
