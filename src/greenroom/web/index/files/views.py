"""``/packages/…``: published files and their metadata. They never change."""

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry.catalogue import OfferedFile
from greenroom.web.http import blob_responses
from greenroom.web.http.request import Request
from greenroom.web.index.files.resources import PublishedFile, PublishedMetadata

# For whoever has it: it never changes. Shared caches let go of it after three days, since it can be
# taken away, and not every cache is told of that.
_CACHE_CONTROL = "public, max-age=365000000, s-maxage=259200, immutable"


@view_config(context=PublishedFile, request_method="GET")
def content(context: PublishedFile, request: Request) -> Response:
    """The file itself."""
    file = context.file
    # Of imported source distributions some are no .tar.gz.
    is_gzip = file.filename.endswith((".tar.gz", ".tgz"))
    kind = blob_responses.SDIST if is_gzip else blob_responses.WHEEL
    return _immutable(
        blob_responses.send(
            request, file.sha256, content_type=kind, filename=file.filename, size=file.size
        ),
        file,
    )


@view_config(context=PublishedMetadata, request_method="GET")
def metadata(context: PublishedMetadata, request: Request) -> Response:
    """The wheel's METADATA (PEP 658)."""
    return _immutable(
        blob_responses.send(
            request,
            context.file.metadata_sha256,
            content_type=blob_responses.METADATA,
            filename=f"{context.file.filename}.metadata",
        ),
        context.file,
    )


def _immutable(response: Response, file: OfferedFile) -> Response:
    if response.status_int < 400:
        response.headers["Cache-Control"] = _CACHE_CONTROL
        # They do not change, but they can be taken away.
        response.headers["Surrogate-Key"] = f"files/{file.project}"
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response
