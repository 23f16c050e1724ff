from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from pyramid.registry import Registry

class Router:
    registry: Registry
    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]: ...
