"""HTTP, as it is spoken with issuers: short, bounded, and with nobody else.

A redirect is followed nowhere, and what is too long or too late is not read to its end.
"""

import json
import urllib.request
from collections.abc import Mapping
from time import monotonic
from urllib.parse import urlencode, urlsplit

import urllib3
import urllib3.exceptions

from greenroom.openid.errors import Declined, NotFetched
from greenroom.openid.issuers import Issuer

SECONDS = 4.0
"""For one answer. Upload clients wait five seconds for their token."""
MOST_BYTES = 512 * 1024
"""Of one answer: the configuration or the keys of an issuer are some kilobytes."""

_PIECE = 64 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


def get_json(issuer: Issuer, url: str) -> Mapping[str, object]:
    """The JSON object at an address of an issuer.

    Raises:
        NotFetched: it may not be asked there, or there is no such object.
    """
    return _ask(issuer, "GET", url, dict(_HEADERS), None)


def post_form(
    issuer: Issuer, url: str, form: Mapping[str, str], headers: Mapping[str, str]
) -> Mapping[str, object]:
    """The JSON object that an address of an issuer answers a form with.

    Raises:
        NotFetched: it may not be asked there, or there is no such object.
    """
    wanted = {**_HEADERS, **headers, "Content-Type": "application/x-www-form-urlencoded"}
    return _ask(issuer, "POST", url, wanted, urlencode(form).encode())


def _ask(
    issuer: Issuer, method: str, url: str, headers: dict[str, str], body: bytes | None
) -> Mapping[str, object]:
    if not issuer.may_be_asked_at(url):
        raise NotFetched(f"{_shown(url)} is at no host that is configured for {issuer.url}")
    until = monotonic() + SECONDS
    try:
        with _pool(url) as pool:
            answer = pool.request(
                method,
                url,
                headers=headers,
                body=body,
                preload_content=False,
                redirect=False,
                retries=False,
            )
            try:
                if answer.status == 400:
                    raise Declined(f"{_shown(url)} declines what it was asked")
                if answer.status != 200:
                    raise NotFetched(f"{_shown(url)} answers with status {answer.status}")
                found = _read(answer, until)
            finally:
                answer.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise NotFetched(f"{_shown(url)} cannot be read: {type(error).__name__}") from None
    return _parsed(found, url)


def _pool(url: str) -> urllib3.PoolManager:
    """Connections for one request, through the proxy that the environment names."""
    parts = urlsplit(url)
    timeout = urllib3.Timeout(total=SECONDS)
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy, num_pools=1, timeout=timeout)
    return urllib3.PoolManager(num_pools=1, timeout=timeout)


def _read(answer: urllib3.BaseHTTPResponse, until: float) -> bytes:
    body = bytearray()
    while len(body) <= MOST_BYTES:
        piece = answer.read1(_PIECE)
        if not piece:
            return bytes(body)
        body += piece
        if monotonic() > until:
            raise NotFetched("the answer does not come to its end in time")
    raise NotFetched("the answer is longer than any of an issuer")


def _parsed(body: bytes, url: str) -> Mapping[str, object]:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotFetched(f"{_shown(url)} answers with something else than a JSON object")
    return found


def _shown(url: str) -> str:
    """An address for a log: what an issuer calls its own may be anything."""
    return ascii(url.partition("?")[0][:200])[1:-1]
