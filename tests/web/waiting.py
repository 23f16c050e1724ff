"""Asking as the server does that can let a request wait."""

from collections.abc import Mapping

import webob
from webob.request import BaseRequest

from greenroom import request_notes
from greenroom.request_notes import Wait, Waited
from tests.web.conftest import Site


def ask(
    site: Site, path: str, headers: Mapping[str, str], waited: Waited | None = None
) -> webob.Response | Wait:
    """The answer, or for what the application wants the request to wait."""
    request = BaseRequest.blank(path, headers=dict(headers))
    request.environ[request_notes.WAITED] = waited or Waited()
    response: webob.Response = request.send(site.wsgi)
    _ = response.body
    return request_notes.wait(request.environ) or response


def waits(site: Site, path: str, headers: Mapping[str, str], waited: Waited | None = None) -> Wait:
    """What the request is to wait for, which it is."""
    found = ask(site, path, headers, waited)
    assert isinstance(found, Wait)
    return found


def answered(
    site: Site, path: str, headers: Mapping[str, str], waited: Waited | None = None
) -> webob.Response:
    """The answer, which there is."""
    found = ask(site, path, headers, waited)
    assert not isinstance(found, Wait)
    return found


def after(wait: Wait, seconds: float = 0.0) -> Waited:
    """What the application is told when it is asked again, so many seconds later."""
    return Waited(wait.topic, wait.since, wait.left - seconds)
