"""The audience, and tokens for tokens: PEP 807, and as stock twine and uv ask."""

import hashlib
import json
from urllib.parse import urlsplit

from pyramid.httpexceptions import HTTPNotAcceptable, HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import token_texts, trusted_publishers
from greenroom.registry.errors import InvalidRequest, NotFound, TooLarge
from greenroom.registry.trusted_publishers import OFF
from greenroom.request_notes import WHO
from greenroom.web.http.json import to_json
from greenroom.web.http.request import LARGEST_FORM, Request
from greenroom.web.uploads.trusted_publishing.resources import (
    MEDIA_TYPE,
    Audience,
    BurnToken,
    Discovery,
    MintToken,
)

_JSON = "application/json"


@view_config(context=Discovery, request_method="GET")
def discover(context: Discovery, request: Request) -> Response:
    """Where tokens are exchanged for those who upload to the address that the key stands for.

    There is nothing for other addresses, and none where no issuer is trusted.
    """
    media_type = _negotiated(request)
    urls = (request.urls.legacy_upload(staged=False), request.urls.upload_api())
    paths = [urlsplit(url).path for url in urls]
    # Those who leave the slash at the end out are redirected, and ask for what they were given.
    paths += [path.rstrip("/") for path in paths]
    # The PEP's example of a key, and who tests with it, has the end of a line behind the path.
    paths += [f"{path}\n" for path in paths]
    keys = {hashlib.sha256(path.encode()).hexdigest() for path in paths}
    if request.services.settings.audience is None or context.__name__ not in keys:
        raise HTTPNotFound()
    return _answer(
        {
            "audience-endpoint": request.urls.oidc("audience"),
            "mint-token-endpoint": request.urls.oidc("mint-token"),
        },
        media_type,
    )


@view_config(context=Audience, request_method="GET")
def audience(context: Audience, request: Request) -> Response:
    """Whom the ID token has to be for."""
    media_type = _negotiated(request)
    found = request.services.settings.audience
    if found is None:
        raise NotFound(OFF)
    return _answer({"audience": found}, media_type)


@view_config(context=MintToken, request_method="POST", require_csrf=False)
def mint_token(context: MintToken, request: Request) -> Response:
    """A token of this index for an ID token."""
    media_type = _negotiated(request)
    text = _token_in(request)
    # An issuer may have to be asked.
    request.give_up_unit_of_work()
    minted = trusted_publishers.exchange(request.services, text)
    request.environ[WHO] = minted.name
    expires = int(minted.expires.timestamp())
    return _answer({"success": True, "token": minted.text, "expires": expires}, media_type)


@view_config(context=BurnToken, request_method="POST", require_csrf=False)
def burn_token(context: BurnToken, request: Request) -> Response:
    """End a token that was got here. What is no such token gets the same answer."""
    media_type = _negotiated(request)
    text = _token_in(request)
    request.environ[WHO] = token_texts.prefix_of(text) if text.isprintable() else None
    trusted_publishers.burn(request.uow, text)
    return _answer({"success": True}, media_type, 202)


def _negotiated(request: Request) -> str:
    """The media type of the answer.

    PEP 807: "Receiving servers SHOULD respond with a 406 Not Acceptable status code if any other
    Accept header is present." Plain JSON is no other one: clients that came before the PEP ask so.
    """
    offers = request.accept.acceptable_offers([MEDIA_TYPE, _JSON])
    if not offers:
        raise HTTPNotAcceptable(f"This address answers in {MEDIA_TYPE} only.")
    # Whoever takes anything is an older client.
    return _JSON if request.accept.header_value in (None, "*/*") else str(offers[0][0])


def _token_in(request: Request) -> str:
    """The token in a body ``{"token": …}``, whatever it says of its type: twine and uv differ."""
    if (request.content_length or 0) > LARGEST_FORM:
        raise TooLarge("The body is too large: send a JSON object with nothing but the token.")
    try:
        found: object = json.loads(request.body)
    except (ValueError, RecursionError):
        found = None
    token = found.get("token") if isinstance(found, dict) else None
    if not isinstance(token, str) or not token:
        raise InvalidRequest('Send a JSON object with the token: {"token": "…"}.')
    return token


def _answer(value: object, media_type: str, status: int = 200) -> Response:
    response = Response(to_json(value), status, content_type=media_type)
    response.cache_control = "no-store"
    return response
