"""Signatures in URLs, by AWS Signature Version 4.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qsl, quote, urlsplit

_NONE: Mapping[str, str] = MappingProxyType({})


def signed_again(
    url: str,
    method: Literal["GET", "PUT"],
    *,
    parameters: Mapping[str, str] = _NONE,
    headers: Mapping[str, str] = _NONE,
) -> str:
    """Add to a presigned URL parameters and headers that are under its signature.

    The driver cannot do that, so the URL is signed once more, with AWS_SECRET_ACCESS_KEY.

    Args:
        url: a URL that was signed for the same method.
        method: what the URL is good for.
        parameters: what is added to its query.
        headers: what whoever uses it has to send just so, by lower-case names.

    Returns:
        The new URL, or ``url`` as it is when it was signed with other credentials than those of
        AWS_ACCESS_KEY_ID: their secret is not at hand.
    """
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    if query["X-Amz-Credential"] != f"{os.environ.get('AWS_ACCESS_KEY_ID')}/{scope}":
        return url
    query |= parameters
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    return signed(url.partition("?")[0], query, scope, secret, method, headers)


def signed(
    address: str,
    query: dict[str, str],
    scope: str,
    secret: str,
    method: Literal["GET", "PUT"] = "GET",
    headers: Mapping[str, str] = _NONE,
) -> str:
    """Return the URL of an S3 object with a signature over all that it says.

    Args:
        address: the object's URL without a query.
        query: its parameters, ``X-Amz-Date`` among them. A signature among them is replaced.
        scope: what the credentials are good for: ``date/region/s3/aws4_request``.
        secret: the secret key.
        method: what the URL is good for.
        headers: what has to be sent with it, by lower-case names; ``host`` comes by itself.
    """
    parts = urlsplit(address)
    sent = {**headers, "host": parts.netloc}
    names = ";".join(sorted(sent))
    query = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
    query["X-Amz-SignedHeaders"] = names
    parameters = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items())
    )
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(sent.items()))
    request = f"{method}\n{parts.path}\n{parameters}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    request_digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    signature = _mac(key, f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{request_digest}")
    return f"{address}?{parameters}&X-Amz-Signature={signature.hex()}"


def _mac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
