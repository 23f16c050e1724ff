"""What Upload 2.0 answers: the bodies of PEP 694, as models.

Every answer is built of one of these, and the OpenAPI description is generated from them
(``pep694/openapi.py``): what the index says of itself is what it does.
"""

from typing import Annotated, Literal

from pydantic import Field

from greenroom.registry.draft_contents import CONTENT_DIGEST
from greenroom.web.http.problem_details import Answer, AnswerMeta, Url

Timestamp = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        description="A moment in whole seconds, in UTC (RFC 3339).",
        json_schema_extra={"format": "date-time"},
    ),
]


class SessionLinks(Answer):
    """What can be done with a publishing session; one that has ended has no link but to itself."""

    session: Annotated[Url, Field(description="GET: its status. DELETE: cancel it.")]
    upload: Annotated[Url, Field(description="POST: announce a file.")] = ""
    publish: Annotated[Url, Field(description="POST: make everything in it public.")] = ""
    extend: Annotated[Url, Field(description="POST: ask for more time.")] = ""
    stage: Annotated[Url, Field(description="The simple index of what is staged.")] = ""
    join_set: Annotated[
        Url,
        Field(
            description="POST: put it into a release set. DELETE: take it out of its one. Not of "
            "PEP 694."
        ),
    ] = ""
    set: Annotated[Url, Field(description="The release set that it is in. Not of PEP 694.")] = ""


class SessionFile(Answer):
    """A file of a session: staged, on its way, or failed."""

    status: Literal["pending", "processing", "completed", "error"]
    link: Annotated[Url, Field(description="GET: the file, once it is completed. DELETE: remove.")]
    notices: Annotated[list[str], Field(default_factory=list, description="Sentences for people.")]


class Scheduled(Answer):
    """That something is to be published by itself, at a time that somebody has set."""

    at: Timestamp
    by: Annotated[str, Field(description="Who has set it.")]
    void: Annotated[
        bool, Field(description="Whether the content has changed since, so that it is refused.")
    ]
    doubts: Annotated[
        list[str],
        Field(description="For what else it would be refused, if it were time now, in sentences."),
    ]


class SessionBody(Answer):
    """A publishing session."""

    meta: AnswerMeta
    links: SessionLinks
    mechanisms: Annotated[
        list[str],
        Field(min_length=1, description="Ways to send a file, the one to be preferred first."),
    ]
    session_token: Annotated[
        str,
        Field(
            pattern="^[0-9A-Za-z]{22}$",
            description="The secret of the stage: whoever has it may read what is staged.",
        ),
    ]
    expires_at: Timestamp
    content_digest: Annotated[
        str,
        Field(
            pattern=CONTENT_DIGEST,
            description="Of all files: what it is now, or was when the session was published. "
            "Missing after a session was canceled.",
        ),
    ] = ""
    status: Literal["open", "processing", "published", "error", "canceled"]
    outcome: Annotated[
        Literal["", "published", "discarded", "expired"],
        Field(description="How the session ended; missing while it has not."),
    ] = ""
    schedule: Annotated[
        Scheduled | None,
        Field(description="When it is to be published by itself; missing where that is not set."),
    ] = None
    files: Annotated[dict[str, SessionFile], Field(description="By file name.")]
    notices: Annotated[list[str], Field(description="Sentences for people.")]


class SetLinks(Answer):
    """What can be done with a release set; one that has ended has no link but to itself."""

    set: Annotated[Url, Field(description="GET: its status. DELETE: end it; its sessions stay.")]
    publish: Annotated[Url, Field(description="POST: make all of it public, or nothing.")] = ""
    go: Annotated[Url, Field(description="POST: let those sessions go that you may publish.")] = ""
    review: Annotated[Url, Field(description="GET: the review of all that is in it.")] = ""
    stage: Annotated[
        Url,
        Field(
            description="The simple index of all that is staged in it; missing where a session is "
            "of a project that the credentials do not cover."
        ),
    ] = ""


class SetSession(Answer):
    """A publishing session of a release set."""

    session: Annotated[Url, Field(description="Its address.")]
    name: str
    version: str
    content_digest: Annotated[str, Field(pattern=CONTENT_DIGEST)]
    obstacles: Annotated[
        list[str], Field(description="Why it cannot be published with the set, in sentences.")
    ]
    go_by: Annotated[
        str, Field(description="Who lets it go with the set, with what it has now.")
    ] = ""


class SetBody(Answer):
    """A release set, as far as the credentials cover its projects."""

    meta: AnswerMeta
    links: SetLinks
    name: Annotated[str, Field(description="`OWNER/NAME`.")]
    status: Literal["open", "processing", "published", "canceled"]
    outcome: Annotated[
        Literal["", "published", "discarded", "expired"],
        Field(description="How the set ended; missing while it has not."),
    ] = ""
    only_together: Annotated[
        bool, Field(description="Whether its sessions cannot be published alone.")
    ]
    content_digest: Annotated[
        str, Field(pattern=CONTENT_DIGEST, description="Of all its sessions.")
    ]
    schedule: Annotated[
        Scheduled | None,
        Field(description="When it is to be published by itself; missing where that is not set."),
    ] = None
    sessions: list[SetSession]
    hidden: Annotated[int, Field(ge=0, description="How many sessions are not shown.")]
    notices: Annotated[list[str], Field(description="Sentences for people.")]


class FileUploadLinks(Answer):
    """What can be done with a file upload session."""

    file_upload_session: Annotated[Url, Field(description="GET: its status. DELETE: cancel it.")]
    complete: Annotated[Url, Field(description="POST: all bytes are there.")]
    extend: Annotated[Url, Field(description="POST: ask for more time.")]


class BytesMechanism(Answer):
    """The bytes of a file are sent to the index."""

    identifier: Literal["http-post-bytes", "vnd-greenroom-resumable-v1"]
    file_url: Annotated[Url, Field(alias="file_url", description="Where the bytes go.")]


class PresignedPart(Answer):
    """Bytes of a file: ``size`` of them from ``start`` on."""

    number: Annotated[int, Field(ge=1)]
    start: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=1)]
    url: Annotated[Url, Field(description="PUT: exactly these bytes.")]


class PresignedMechanism(Answer):
    """The bytes of a file are sent to the storage, in parts."""

    identifier: Literal["vnd-greenroom-presigned-v1"]
    part_size: Annotated[int, Field(ge=1, description="Of all parts but the last.")]
    expires_at: Annotated[Timestamp, Field(description="Until when the URLs of parts are good.")]
    parts: Annotated[list[PresignedPart], Field(description="None when nothing may be sent.")]
    arrived: Annotated[list[int], Field(description="The numbers of parts that are there.")] = []  # noqa: RUF012


class FileUploadBody(Answer):
    """A file upload session."""

    meta: AnswerMeta
    links: FileUploadLinks
    status: Literal["pending", "processing", "completed", "error", "canceled"]
    expires_at: Timestamp
    mechanism: Annotated[BytesMechanism | PresignedMechanism, Field(discriminator="identifier")]
    notices: Annotated[list[str], Field(description="Why it is in error.")] = []  # noqa: RUF012
