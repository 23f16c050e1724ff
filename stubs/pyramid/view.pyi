from collections.abc import Callable
from typing import TypeVar

View = TypeVar("View", bound=Callable[..., object])

class view_config:
    def __init__(
        self,
        *,
        context: type = ...,
        name: str = ...,
        renderer: str = ...,
        request_method: str | tuple[str, ...] = ...,
        require_csrf: bool = ...,
        **options: object,
    ) -> None: ...
    def __call__(self, wrapped: View) -> View: ...
