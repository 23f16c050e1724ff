"""``POST /pypi``."""

from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPRequestEntityTooLarge,
    HTTPUnsupportedMediaType,
)
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue
from greenroom.web.http.content_coding import COMPRESSED, is_compressed
from greenroom.web.http.media_types import media_type
from greenroom.web.http.request import Request
from greenroom.web.index.pypi import Pypi
from greenroom.web.index.xmlrpc.methods import perform
from greenroom.web.index.xmlrpc.protocol import Fault, fault_document, parse_call, result_document

_LARGEST_CALL = 64 * 1024


@view_config(context=Pypi, request_method="POST", require_csrf=False)
def call(context: Pypi, request: Request) -> Response:
    """The result of the call, or a fault, which XML-RPC sends with status 200 as well."""
    try:
        wanted = parse_call(_body(request))
        # A call only reads, although it comes with POST.
        with request.services.reading() as uow:
            if uow.settings.read != "public":
                catalogue.limit(uow.db, request.reader)
            document = result_document(perform(uow.db, wanted))
    except Fault as fault:
        document = fault_document(fault)
    response = Response(document, content_type="text/xml", charset="utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def _body(request: Request) -> bytes:
    """The request's body.

    Raises:
        HTTPUnsupportedMediaType: it is no XML, or compressed. An upload that was sent here must not
            be taken for one that succeeded.
        HTTPRequestEntityTooLarge: it is longer than any call.
        HTTPBadRequest: it ends too early.
    """
    if is_compressed(request):
        raise HTTPUnsupportedMediaType(COMPRESSED)
    if media_type(request.headers.get("Content-Type")) not in ("text/xml", "application/xml"):
        raise HTTPUnsupportedMediaType(
            "This address takes XML-RPC calls, sent as text/xml. Files are uploaded to "
            f"{request.urls.legacy_upload(staged=False)}."
        )
    try:
        # One that says that it is too large is not waited for.
        is_large = (request.content_length or 0) > _LARGEST_CALL
        body = b"" if is_large else request.body_file.read(_LARGEST_CALL + 1)
    except OSError:
        raise HTTPBadRequest("The request ended before its body did.") from None
    if is_large or len(body) > _LARGEST_CALL:
        raise HTTPRequestEntityTooLarge(f"A call has at most {_LARGEST_CALL} bytes.")
    return body
