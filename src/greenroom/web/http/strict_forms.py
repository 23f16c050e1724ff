"""What browsers send: query strings and forms, read strictly.

A form of ours is small, encoded in UTF-8, and says each thing once, except where a view names a
field as ``repeatable``. Whatever else arrives is answered with 400 before a view, or the check of
the CSRF token, looks at it.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Protocol, TypedDict
from urllib.parse import parse_qsl

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response

from greenroom.web.http.content_coding import COMPRESSED, is_compressed
from greenroom.web.http.media_types import media_type, parameter
from greenroom.web.http.request import LARGEST_FORM, SAFE_METHODS, Request
from greenroom.web.http.traversal import Node

LONGEST_VALUE = 4096
REASON = "why"
"""The field in which an administrator says why, of forms that have it."""
_MOST_FIELDS = 200
_FORM_TYPE = "application/x-www-form-urlencoded"

View = Callable[[Node, Request], Response]


class ViewOptions(TypedDict, total=False):
    """What a view says of itself, as far as it matters here."""

    require_csrf: bool
    repeatable: Collection[str]


class ViewInfo(Protocol):
    """What Pyramid tells a view deriver of the view."""

    options: ViewOptions


def includeme(config: Configurator) -> None:
    """Read every form strictly whose CSRF token is checked."""
    strict_form.options = ("repeatable",)  # type: ignore[attr-defined]
    config.add_view_deriver(strict_form, under="secured_view", over="csrf_view")


def strict_form(view: View, info: ViewInfo) -> View:
    """Refuse a form that cannot be ours. Views without a CSRF check take what programs send."""
    if info.options.get("require_csrf") is False:
        return view
    repeatable = info.options.get("repeatable") or ()

    def answer(context: Node, request: Request) -> Response:
        if request.method not in SAFE_METHODS:
            _check_form(request, repeatable)
            request.given_reason = str(request.POST.get(REASON, ""))
        return view(context, request)

    return answer


def query_value(request: Request, name: str) -> str | None:
    """The value of a query parameter, None where it is not sent.

    Raises:
        HTTPBadRequest: the query string cannot be read, or has the parameter twice.
    """
    fields = _parse(request.query_string, "address")
    values = [value for key, value in fields if key == name]
    if len(values) > 1:
        raise HTTPBadRequest(f"The address has the parameter {name!r} more than once.")
    return values[0] if values else None


def _check_form(request: Request, repeatable: Collection[str]) -> None:
    length = request.content_length
    if length == 0:
        return
    if is_compressed(request):
        raise HTTPBadRequest(COMPRESSED)
    sent = request.headers.get("Content-Type", "")
    charset = (parameter(sent, "charset") or "") if "charset" in sent.lower() else "UTF-8"
    if media_type(sent) != _FORM_TYPE or charset.upper() != "UTF-8":
        raise HTTPBadRequest(f"A form is sent as {_FORM_TYPE}, in UTF-8.")
    request.environ["CONTENT_TYPE"] = _FORM_TYPE  # WebOb knows it in this one spelling
    if length is None or length > LARGEST_FORM:
        raise HTTPBadRequest(f"The form is larger than {LARGEST_FORM} bytes.")
    try:
        text = request.body.decode("ascii")
    except UnicodeDecodeError:
        raise HTTPBadRequest("The form is not encoded as forms are.") from None
    counts = Counter(name for name, _ in _parse(text, "form"))
    for name, count in counts.items():
        if count > 1 and name not in repeatable:
            raise HTTPBadRequest(f"The form has the field {name[:60]!r} more than once.")


def _parse(text: str, what: str) -> list[tuple[str, str]]:
    try:
        fields = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise HTTPBadRequest(
            f"The {what} is not encoded in UTF-8, or has too many fields."
        ) from None
    for name, value in fields:
        if "\0" in name + value:
            raise HTTPBadRequest(f"The {what} has NUL characters in it.")
        if len(value) > LONGEST_VALUE:
            raise HTTPBadRequest(f"The {what} has a value of more than {LONGEST_VALUE} characters.")
    return fields
