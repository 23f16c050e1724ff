"""Uploads that went to an address which takes none are told where to go.

Upload clients print the status line, and follow no redirect: what is refused anyway, or would be
redirected, has the sentence there. Nothing but an upload is sent as ``multipart/form-data``.
"""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response

from greenroom.web.http.media_types import media_type
from greenroom.web.http.refusals import JSON, PROBLEM
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import branch_of, refusals_at
from greenroom.web.http.upload_refusals import one_line, upload_refusal

Handler = Callable[[Request], Response]

_CODES = {404: "not-found", 405: "method-not-allowed", 415: "unsupported-media-type"}
_KEPT = ("Allow", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")


def includeme(config: Configurator) -> None:
    """Look at what was answered, with the index's own address known."""
    config.add_tween(
        "greenroom.web.http.misdirected_uploads.name_the_upload_address",
        under="greenroom.web.http.proxies.believe_proxies",
        over="pyramid_tm.tm_tween_factory",
    )


def name_the_upload_address(handler: Handler, registry: Registry) -> Handler:
    """Tell uploads that are refused where they are, or redirected, where they belong."""

    def tween(request: Request) -> Response:
        response = handler(request)
        if request.method != "POST":
            return response
        if media_type(request.headers.get("Content-Type")) != "multipart/form-data":
            return response
        if response.status_int in _CODES:
            return _told(request, response, response.status_int)
        if 300 <= response.status_int < 400 and not branch_of(request).takes_uploads:
            response.allow = ["GET", "HEAD"]
            return _told(request, response, 405)
        return response

    return tween


def _told(request: Request, response: Response, status: int) -> Response:
    direct = request.urls.legacy_upload(staged=False)
    staged = request.urls.legacy_upload(staged=True)
    sentence = (
        f"This address takes no uploads: the repository URL is {direct}, or {staged} for drafts."
    )
    if refusals_at(request) == PROBLEM:
        # Its clients read the body, which says what they have to send here.
        response.status = f"{status} {one_line(sentence)}"
        return response
    told = upload_refusal(request, status, _CODES[status], sentence, [sentence])
    if refusals_at(request) == JSON and told.content_type == "text/plain":
        told.json_body = {"message": sentence}
        told.content_type = "application/json"
    for name in _KEPT:
        if name in response.headers:
            told.headers[name] = response.headers[name]
    return told
