"""What browsers are asked to do with a passkey, and what they answer.

The question is JSON in the page; ``static/passkeys.js`` reads it there, and sends the answer as a
field of a form.
"""

import json
from urllib.parse import urlsplit

from greenroom.models import User
from greenroom.registry import passkeys, second_factors
from greenroom.web.http import authentication
from greenroom.web.http.request import Request


def to_sign_in(request: Request) -> str:
    """Any passkey of this site, with which somebody signs in."""
    return json.dumps(passkeys.request_options(_site(request), _challenge(request), alone=True))


def to_show_one(request: Request, user_id: int) -> str | None:
    """One of the passkeys of a person; None where there are none."""
    known = second_factors.credentials_of(request.uow, user_id)
    if not known:
        return None
    asked = passkeys.request_options(_site(request), _challenge(request), known, alone=False)
    return json.dumps(asked)


def to_make_one(request: Request, user: User) -> str:
    """Another passkey of a person."""
    known = second_factors.credentials_of(request.uow, user.id)
    return json.dumps(
        passkeys.creation_options(
            _site(request), _challenge(request), user.id, user.username, known
        )
    )


def answer(request: Request, text: str) -> passkeys.Answer:
    """What the browser has answered."""
    challenge = authentication.given_challenge(request, request.services.clock())
    return passkeys.Answer(_site(request), challenge, text)


def _challenge(request: Request) -> bytes:
    return authentication.challenge(request, request.services.clock())


def _site(request: Request) -> passkeys.Site:
    """Where browsers say that they are, by the address of the index."""
    parts = urlsplit(request.host_url)
    return passkeys.Site(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")
