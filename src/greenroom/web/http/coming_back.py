"""Where people are sent to sign in, and come back to."""

from urllib.parse import quote

from pyramid.httpexceptions import HTTPSeeOther

from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import LONGEST_VALUE

# Left as it is in a query; what no address may have raw is quoted.
_IN_QUERY = "".join(map(chr, range(0x21, 0x7F)))


def is_local(path: str) -> bool:
    """Whether a browser that is sent to this path stays on this site.

    Browsers drop control characters and take a backslash for a slash, so that neither may be in it.
    """
    return (
        path.startswith("/")
        and not path.startswith("//")
        and path.isascii()
        and path.isprintable()
        and "\\" not in path
    )


def to_sign_in(request: Request) -> HTTPSeeOther:
    """An answer that sends the browser to the page where one signs in, and back."""
    back = address_of(request) if request.method in SAFE_METHODS else None
    path = request.paths.sign_in(back)
    return HTTPSeeOther(location=path, headers={"Cache-Control": "private, no-store"})


def address_of(request: Request) -> str | None:
    """What was asked for, as a path, if one can be sent back to it."""
    path = quote(
        request.environ.get("SCRIPT_NAME", "") + request.environ.get("PATH_INFO", ""),
        encoding="latin-1",
    )
    query = quote(request.query_string, safe=_IN_QUERY, encoding="latin-1")
    address = f"{path}?{query}" if query else path
    return address if is_local(address) and len(address) <= LONGEST_VALUE else None
