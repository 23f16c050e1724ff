"""What the server and the application tell each other of a request, in its WSGI environment."""

from collections.abc import Mapping

REQUEST_ID = "greenroom.request_id"
"""By which name the request stands in the log: the server gives it."""

WHO = "greenroom.who"
"""Whose request it is, once the application knows: an account's name, or a token's beginning."""


def request_id(environ: Mapping[str, object]) -> str | None:
    """By which name the request stands in the log; None where no server of ours has read it."""
    found = environ.get(REQUEST_ID)
    return found if isinstance(found, str) else None
