"""Bodies that arrive compressed: none is taken, and whoever sends one is told so."""

from greenroom.web.http.request import Request

COMPRESSED = "The request body is compressed: send it as it is, without a Content-Encoding."
"""The sentence for a body that is compressed, whether or not its headers say so."""

GZIP = b"\x1f\x8b"
"""What begins every gzip file, and no form."""


def is_compressed(request: Request) -> bool:
    """Whether the headers say that the body is not sent as it is (RFC 9110, section 8.4)."""
    codings = request.headers.get("Content-Encoding", "").lower().split(",")
    return any(coding.strip() not in ("", "identity") for coding in codings)
