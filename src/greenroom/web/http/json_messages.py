"""Messages in JSON that clients send, read so that all that is wrong with one is said at once."""

import json
import re
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

import msgspec
from pyramid.httpexceptions import HTTPUnsupportedMediaType

from greenroom.registry.errors import InvalidRequest
from greenroom.web.http.content_coding import COMPRESSED, is_compressed
from greenroom.web.http.media_types import media_type
from greenroom.web.http.request import Request

M = TypeVar("M", bound=msgspec.Struct)

_LONGEST_KEY = 60
# What the library puts behind a sentence: where in the value it is, from ``$`` on.
_PLACE = re.compile(r" - at (?:`key` in )?`\$(.*)`$")


def body_of(request: Request, content_type: str, largest: int, what: str) -> bytes:
    """The body of a request that brings a message. It is there once more for who asks again.

    Args:
        request: the request.
        content_type: as what it has to be sent.
        largest: bytes that it may have. One that says that it has more is not waited for.
        what: what is to be sent, in the sentence that refuses another type.

    Raises:
        HTTPUnsupportedMediaType: it is sent as another type, or compressed.
        InvalidRequest: it is larger.
    """
    if is_compressed(request):
        raise HTTPUnsupportedMediaType(COMPRESSED)
    if media_type(request.headers.get("Content-Type")) != content_type:
        raise HTTPUnsupportedMediaType(f"Send {what} with the Content-Type {content_type}.")
    is_large = (request.content_length or 0) > largest
    body = b"" if is_large else request.body_file.read(largest + 1)
    if is_large or len(body) > largest:
        raise InvalidRequest(f"The body is larger than {largest} bytes.")
    request.body = body  # to be read once more, if the request has to be handled once more
    return body


def read(body: bytes, model: type[M], advice: str, most: int) -> M:
    """The message in a body.

    A whole number may be written with a fraction of zero, since JSON has one kind of numbers:
    ``3600.0`` is as whole as ``3600``. Where a key comes twice, the last one counts.

    Args:
        body: what was sent.
        model: what it has to be. Keys that this does not have are ignored, or are wrong where it
            forbids them.
        advice: the sentence that goes before the first thing that is wrong.
        most: how many things that are wrong are told of.

    Raises:
        InvalidRequest: it is no such message. Its details name each key that is wrong, a sentence
            each, and quote no value.
    """
    wrong: list[str] = []
    message = None
    try:
        message = _value(msgspec.json.decode(body), model, "", wrong)
    except RecursionError:
        wrong = ["The JSON is nested too deeply."]
    except msgspec.DecodeError as error:
        wrong = [_sentence("", f"The JSON cannot be read: {_PLACE.sub('', str(error))}")]
    if wrong:
        raise InvalidRequest(f"{advice} {wrong[0]}", wrong[:most])
    return cast("M", message)


def _value(found: object, kind: Any, at: str, wrong: list[str]) -> object:
    """What was found, as this kind; None where it is none, and ``wrong`` says why then."""
    bare = _bare(kind)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and isinstance(found, dict):
        return _struct(found, bare, at, wrong)
    if bare is int and isinstance(found, float) and found.is_integer():
        found = int(found)
    try:
        converted: object = msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        wrong.extend(_sentences(found, kind, at, str(error)))
        return None
    return converted


def _struct(
    found: dict[str, object], model: type[msgspec.Struct], at: str, wrong: list[str]
) -> object:
    before = len(wrong)
    fields = _fields(model)
    values: dict[str, object] = {}
    for key, field in fields.items():
        if key in found:
            values[field.name] = _value(found[key], field.type, _below(at, key), wrong)
        elif field.required:
            wrong.append(_sentence(_below(at, key), "This key is missing"))
    if model.__struct_config__.forbid_unknown_fields:
        unknown = [_below(at, _shown(key)) for key in found if key not in fields]
        wrong.extend(_sentence(where, "This key is not known") for where in unknown)
    return model(**values) if len(wrong) == before else None


@cache
def _fields(model: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(model)}


def _sentences(found: object, kind: Any, at: str, said: str) -> list[str]:
    """What is wrong with a value of which the library said this, with each of its keys."""
    bare = _bare(kind)
    if get_origin(bare) is Literal:
        return [_sentence(at, f"Expected {' or '.join(map(json.dumps, get_args(bare)))}")]
    wrong: list[str] = []
    place = _PLACE.search(said)
    if place is not None and get_origin(bare) is dict and isinstance(found, dict):
        of_key, of_value = get_args(bare)
        for key, value in found.items():
            where = _below(at, _shown(key))
            _value(key, of_key, f"{where} (the key)", wrong)
            _value(value, of_value, where, wrong)
    if said.startswith("Invalid "):  # and then it quotes the value
        return wrong or [_sentence(at, "This value is not known")]
    return wrong or [_sentence(at + (place[1] if place else ""), _PLACE.sub("", said))]


def _sentence(at: str, said: str) -> str:
    return f"{at}: {said}." if at else f"{said}."


def _below(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _bare(kind: Any) -> Any:
    """A type without what is said of it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _shown(key: str) -> str:
    """A key of the client's, as text of one line that is not long."""
    return ascii(key)[1:-1][:_LONGEST_KEY]
