from collections.abc import Callable
from typing import Generic, Self, TypeVar, overload

T = TypeVar("T")

class reify(Generic[T]):
    def __init__(self, wrapped: Callable[..., T]) -> None: ...
    @overload
    def __get__(self, inst: None, objtype: type | None = ...) -> Self: ...
    @overload
    def __get__(self, inst: object, objtype: type | None = ...) -> T: ...
