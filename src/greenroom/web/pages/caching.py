"""Who may keep a page, and for how long."""

from greenroom.web.http import authentication
from greenroom.web.http.request import Request

PUBLIC = "public, max-age=60"
PRIVATE = "private, no-cache"
UNKEPT = "private, no-store"


def cache_publicly(request: Request, *keys: str) -> None:
    """Let shared caches keep the page under these surrogate keys, if nobody is signed in.

    A page is made for whoever asks as soon as the request brings a session; then only the browser
    keeps it, and asks again.
    """
    headers = request.response.headers
    headers["Vary"] = "Cookie"
    if authentication.has_session(request):
        headers["Cache-Control"] = PRIVATE
        return
    headers["Cache-Control"] = PUBLIC
    headers["Surrogate-Key"] = " ".join(keys)


def never_cache(request: Request) -> None:
    """Let nobody keep the page: it holds something that is one person's."""
    request.response.headers["Cache-Control"] = UNKEPT
    request.response.headers["Vary"] = "Cookie"


def keep_key_secret(request: Request) -> None:
    """Let nobody keep the page, and no other site learn its address, which has a secret in it."""
    never_cache(request)
    request.response.headers["Referrer-Policy"] = "same-origin"
