"""What clients send, checked: the request bodies of PEP 694.

The OpenAPI description is generated from these models (``openapi.py``).
"""

from datetime import timedelta
from typing import Annotated, Literal, TypeVar

import msgspec
from pyramid.httpexceptions import HTTPNotAcceptable

from greenroom.registry.draft_contents import CONTENT_DIGEST, LENGTH_OF_CONTENT_DIGEST
from greenroom.web.http import json_messages
from greenroom.web.http.problem_details import CONTENT_TYPE, PROBLEM_TYPE
from greenroom.web.http.request import Request

LARGEST_BODY = 64 * 1024
# How many digits the header Upload-Offset has at most.
LONGEST_OFFSET = 16
_LARGEST_NUMBER = 2**53 - 1
_LONGEST = 10 * 365 * 24 * 3600
_MOST_PROBLEMS = 20


class Message(msgspec.Struct, frozen=True, rename="kebab"):
    """What all have in common: keys in kebab case; others than these are ignored."""


class Meta(Message, frozen=True):
    """About the message itself. Keys of other indexes, which begin with ``_``, are ignored."""

    api_version: Literal["2.0"]


class Empty(Message, frozen=True):
    """A message that only says which version of the API it is of."""

    meta: Meta


class CreateSession(Empty, frozen=True):
    """Open a publishing session."""

    name: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=200, description="Of the project, in any spelling."),
    ]
    version: Annotated[
        str, msgspec.Meta(min_length=1, max_length=100, description="In any spelling (PEP 440).")
    ]
    set_: Annotated[
        str,
        msgspec.Meta(
            max_length=120,
            description="The release set that it is to be in, as `joinSet` takes it. Not of PEP "
            "694.",
        ),
    ] = msgspec.field(name="set", default="")


class JoinSet(Empty, frozen=True):
    """Put a session into a release set."""

    set_: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=120,
            description="The set's name: one of your account's, which is made where it is new; or "
            "`OWNER/NAME` for somebody else's.",
        ),
    ] = msgspec.field(name="set")


class Publish(Empty, frozen=True):
    """Publish a session, or only what has this digest."""

    content_digest: Annotated[
        str,
        msgspec.Meta(
            pattern=CONTENT_DIGEST,
            max_length=LENGTH_OF_CONTENT_DIGEST,  # the pattern takes an end of line after it, too
            description="The session's `content-digest` as it was reviewed: what has another one "
            "by now is not published.",
        ),
    ] = ""


class Extend(Empty, frozen=True):
    """Ask for more time, in seconds."""

    extend_for: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_NUMBER)]

    @property
    def length(self) -> timedelta:
        """So much more time, or as much as anybody could mean."""
        return timedelta(seconds=min(self.extend_for, _LONGEST))


class CreateFileUpload(Empty, frozen=True):
    """Announce a file."""

    filename: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=255, description="Of a wheel or a source distribution."
        ),
    ]
    size: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST_NUMBER, description="In bytes.")]
    hashes: Annotated[
        dict[
            Annotated[str, msgspec.Meta(max_length=40)],
            Annotated[str, msgspec.Meta(max_length=200)],
        ],
        msgspec.Meta(
            min_length=1,
            max_length=20,
            description="Digests in hexadecimal, by the names of their functions in Python's "
            "hashlib; one at least of a secure function, such as sha256.",
        ),
    ]
    mechanism: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=100, description="One of the session's `mechanisms`."
        ),
    ]


M = TypeVar("M", bound=Empty)


def parse(request: Request, model: type[M]) -> M:
    """The request's body as such a message.

    Raises:
        HTTPUnsupportedMediaType: it is sent as another type, or compressed.
        InvalidRequest: it is no such message; the details name each key that is wrong.
    """
    body = json_messages.body_of(request, CONTENT_TYPE, LARGEST_BODY, "a body")
    return json_messages.read(body, model, "The body is not what it should be.", _MOST_PROBLEMS)


def check_acceptable(request: Request) -> None:
    """Raise HTTPNotAcceptable unless the client takes what this API answers.

    Raises:
        HTTPNotAcceptable: it wants another type or version.
    """
    if not request.accept.parsed:
        return
    if not request.accept.acceptable_offers([CONTENT_TYPE, PROBLEM_TYPE, "application/json"]):
        raise HTTPNotAcceptable(f"This API answers with {CONTENT_TYPE} only.")
