from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from wsgiref.types import WSGIApplication

from webob.request import BaseRequest
from webob.response import Response

class AppError(Exception): ...

class Field:
    value: str
    options: list[tuple[str, bool, str]]
    checked: bool
    def force_value(self, value: str) -> None: ...

class Form:
    action: str
    method: str
    fields: dict[str, list[Field]]
    id: str
    text: str
    def __getitem__(self, name: str) -> Field: ...
    def __setitem__(self, name: str, value: str | bool | Sequence[str]) -> None: ...
    def get(self, name: str, index: int | None = ..., default: object = ...) -> Field: ...
    def set(self, name: str, value: str | bool, index: int | None = ...) -> None: ...
    def submit(
        self, name: str | None = ..., value: str | None = ..., **options: Any
    ) -> TestResponse: ...
    def submit_fields(self) -> list[tuple[str, str]]: ...

class Forms(Mapping[int | str, Form]):
    def __getitem__(self, key: int | str) -> Form: ...
    def __iter__(self) -> Iterator[int | str]: ...
    def __len__(self) -> int: ...

class TestRequest(BaseRequest): ...

class TestResponse(Response):
    form: Form
    forms: Forms
    html: Any
    testbody: str
    # Any JSON value: tests say what they expect of it.
    json: Any
    # A body, once received, always has text and these.
    text: str
    location: str
    def follow(self, **options: Any) -> TestResponse: ...
    def maybe_follow(self, **options: Any) -> TestResponse: ...
    def click(
        self,
        description: str | None = ...,
        linkid: str | None = ...,
        href: str | None = ...,
        index: int | None = ...,
    ) -> TestResponse: ...
    def mustcontain(self, *strings: str, no: Sequence[str] = ...) -> None: ...
    def __contains__(self, text: str) -> bool: ...

Headers = Mapping[str, str]
Status = int | str | None
Parameters = Mapping[str, Any] | Sequence[tuple[str, Any]] | str | bytes

class TestApp:
    cookies: dict[str, str]
    def __init__(
        self, app: WSGIApplication, extra_environ: Mapping[str, Any] | None = ...
    ) -> None: ...
    def get(
        self,
        url: str,
        params: Parameters | None = ...,
        headers: Headers | None = ...,
        extra_environ: Mapping[str, Any] | None = ...,
        status: object = ...,
        expect_errors: bool = ...,
    ) -> TestResponse: ...
    def head(
        self,
        url: str,
        params: Parameters | None = ...,
        headers: Headers | None = ...,
        extra_environ: Mapping[str, Any] | None = ...,
        status: object = ...,
        expect_errors: bool = ...,
    ) -> TestResponse: ...
    def post(
        self,
        url: str,
        params: Parameters = ...,
        headers: Headers | None = ...,
        extra_environ: Mapping[str, Any] | None = ...,
        status: object = ...,
        upload_files: Sequence[tuple[str, str, bytes]] | None = ...,
        expect_errors: bool = ...,
        content_type: str | None = ...,
    ) -> TestResponse: ...
    def post_json(
        self,
        url: str,
        params: object = ...,
        headers: Headers | None = ...,
        status: object = ...,
    ) -> TestResponse: ...
    def put(self, url: str, params: Parameters = ..., **options: Any) -> TestResponse: ...
    def patch(self, url: str, params: Parameters = ..., **options: Any) -> TestResponse: ...
    def delete(self, url: str, params: Parameters = ..., **options: Any) -> TestResponse: ...
    def options(self, url: str, **options: Any) -> TestResponse: ...
    def request(self, url_or_req: str | BaseRequest, **options: Any) -> TestResponse: ...
    def do_request(
        self, req: BaseRequest, status: object = ..., **options: Any
    ) -> TestResponse: ...
    def encode_multipart(
        self, params: Iterable[tuple[str, Any]], files: Iterable[tuple[str, str, bytes]]
    ) -> tuple[str, bytes]: ...
    def set_cookie(self, name: str, value: str) -> None: ...
    def reset(self) -> None: ...
