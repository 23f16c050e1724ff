"""What scripts of other origins may ask and read (CORS)."""

from pyramid.response import Response

from greenroom.web.http.caching import SERIAL_HEADER


def preflight() -> Response:
    """What a browser asks before a script of another origin may ask conditionally."""
    response = Response(status=204)
    response.allow = ["GET", "HEAD", "OPTIONS"]
    return open_to_all_origins(response)


def open_to_all_origins(response: Response) -> Response:
    """The answer, for scripts of other origins to read."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Headers"] = (
        "Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since"
    )
    response.headers["Access-Control-Allow-Methods"] = "GET"
    response.headers["Access-Control-Expose-Headers"] = SERIAL_HEADER
    return response
