"""Asks a cache to purge surrogate keys: one HTTP request."""

import urllib.request
from collections.abc import Iterable
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError

TIMEOUT_SECONDS = 10


class PurgeFailed(Exception):
    """The cache did not purge. The text is a short reason without secrets."""


def send(url: str, token: str | None, keys: Iterable[str]) -> None:
    """Ask once, and wait for the answer. Redirects are not followed: the token is for this URL.

    Args:
        url: where to ``POST``.
        token: the bearer token; none is sent where there is none.
        keys: the surrogate keys.

    Raises:
        PurgeFailed: the cache cannot be reached, or its answer is not 2xx.
    """
    headers = {"Surrogate-Key": " ".join(sorted(keys))}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=b"", headers=headers, method="POST")  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS):
            return
    except HTTPError as error:
        with error:
            raise PurgeFailed(f"The cache answered with status {error.code}.") from None
    except TimeoutError:
        raise PurgeFailed(f"The cache did not answer within {TIMEOUT_SECONDS} seconds.") from None
    except OSError as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise PurgeFailed(f"The cache cannot be reached: {reason}.") from None
    except HTTPException as error:
        raise PurgeFailed(f"The cache did not answer in HTTP: {type(error).__name__}.") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Follow nothing: the answer is an error then."""
