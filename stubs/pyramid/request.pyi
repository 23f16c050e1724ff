from collections.abc import Callable
from typing import Any

from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.session import Session
from transaction import TransactionManager
from webob.request import BaseRequest

class Request(BaseRequest):
    registry: Registry
    session: Session
    tm: TransactionManager
    context: object
    view_name: str
    response: Response
    override_renderer: str
    subpath: tuple[str, ...]
    matched_route: object | None
    exception: Exception | None
    def add_response_callback(self, callback: Callable[[Any, Response], None]) -> None: ...
    def add_finished_callback(self, callback: Callable[[Request], None]) -> None: ...
    def resource_path(self, resource: object, *elements: str) -> str: ...
    def resource_url(self, resource: object, *elements: str, app_url: str | None = ...) -> str: ...
