"""What clients send, checked: the request bodies of PEP 694.

The OpenAPI description is generated from these models (``openapi.py``).
"""

from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pyramid.httpexceptions import HTTPNotAcceptable, HTTPUnsupportedMediaType

from greenroom.registry.draft_contents import CONTENT_DIGEST
from greenroom.registry.errors import InvalidRequest
from greenroom.web.http.content_coding import COMPRESSED, is_compressed
from greenroom.web.http.media_types import media_type
from greenroom.web.http.problem_details import CONTENT_TYPE, PROBLEM_TYPE
from greenroom.web.http.request import Request

LARGEST_BODY = 64 * 1024
# How many digits the header Upload-Offset has at most.
LONGEST_OFFSET = 16
_LARGEST_NUMBER = 2**53 - 1
_LONGEST = 10 * 365 * 24 * 3600


def _whole(value: object) -> object:
    """JSON has one kind of numbers: ``3600.0`` is as whole as ``3600``."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Message(BaseModel):
    """What all have in common: keys in kebab case; others than these are ignored."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=lambda name: name.replace("_", "-"),
    )


class Meta(Message):
    """About the message itself. Keys of other indexes, which begin with ``_``, are ignored."""

    api_version: Literal["2.0"]


class Empty(Message):
    """A message that only says which version of the API it is of."""

    meta: Meta


class CreateSession(Empty):
    """Open a publishing session."""

    name: Annotated[
        str, Field(min_length=1, max_length=200, description="Of the project, in any spelling.")
    ]
    version: Annotated[
        str, Field(min_length=1, max_length=100, description="In any spelling (PEP 440).")
    ]
    set_: Annotated[
        str,
        Field(
            alias="set",
            max_length=120,
            description="The release set that it is to be in, as `joinSet` takes it. Not of PEP "
            "694.",
        ),
    ] = ""


class JoinSet(Empty):
    """Put a session into a release set."""

    set_: Annotated[
        str,
        Field(
            alias="set",
            min_length=1,
            max_length=120,
            description="The set's name: one of your account's, which is made where it is new; or "
            "`OWNER/NAME` for somebody else's.",
        ),
    ]


class Publish(Empty):
    """Publish a session, or only what has this digest."""

    content_digest: Annotated[
        str,
        Field(
            pattern=CONTENT_DIGEST,
            description="The session's `content-digest` as it was reviewed: what has another one "
            "by now is not published.",
        ),
    ] = ""


class Extend(Empty):
    """Ask for more time, in seconds."""

    extend_for: Annotated[int, Field(ge=0, le=_LARGEST_NUMBER), BeforeValidator(_whole)]

    @property
    def length(self) -> timedelta:
        """So much more time, or as much as anybody could mean."""
        return timedelta(seconds=min(self.extend_for, _LONGEST))


class CreateFileUpload(Empty):
    """Announce a file."""

    filename: Annotated[
        str,
        Field(min_length=1, max_length=255, description="Of a wheel or a source distribution."),
    ]
    size: Annotated[
        int, Field(ge=1, le=_LARGEST_NUMBER, description="In bytes."), BeforeValidator(_whole)
    ]
    hashes: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=200)]],
        Field(
            min_length=1,
            max_length=20,
            description="Digests in hexadecimal, by the names of their functions in Python's "
            "hashlib; one at least of a secure function, such as sha256.",
        ),
    ]
    mechanism: Annotated[
        str, Field(min_length=1, max_length=100, description="One of the session's `mechanisms`.")
    ]


M = TypeVar("M", bound=Empty)


def parse(request: Request, model: type[M]) -> M:
    """The request's body as such a message.

    Raises:
        HTTPUnsupportedMediaType: it is sent as another type, or compressed.
        InvalidRequest: it is no such message; the details name each key that is wrong.
    """
    if is_compressed(request):
        raise HTTPUnsupportedMediaType(COMPRESSED)
    if media_type(request.headers.get("Content-Type")) != CONTENT_TYPE:
        raise HTTPUnsupportedMediaType(f"Send a body with the Content-Type {CONTENT_TYPE}.")
    # One that says that it is too large is not waited for.
    is_large = (request.content_length or 0) > LARGEST_BODY
    body = b"" if is_large else request.body_file.read(LARGEST_BODY + 1)
    if is_large or len(body) > LARGEST_BODY:
        raise InvalidRequest(f"The body is larger than {LARGEST_BODY} bytes.")
    request.body = body  # to be read once more, if the request has to be handled once more
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = [_sentence(item["loc"], item["msg"]) for item in error.errors()[:20]]
        raise InvalidRequest(
            "The body is not what it should be. " + problems[0], problems
        ) from None


def check_acceptable(request: Request) -> None:
    """Raise HTTPNotAcceptable unless the client takes what this API answers.

    Raises:
        HTTPNotAcceptable: it wants another type or version.
    """
    if not request.accept.parsed:
        return
    if not request.accept.acceptable_offers([CONTENT_TYPE, PROBLEM_TYPE, "application/json"]):
        raise HTTPNotAcceptable(f"This API answers with {CONTENT_TYPE} only.")


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part)[:60] for part in location)
    return f"{where}: {message}." if where else f"{message}."
