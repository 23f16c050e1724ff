from collections.abc import Callable, Sequence
from typing import TypedDict

from greenroom.registry.index import Premises

class View(TypedDict):
    callable: Callable[..., object]
    context: object
    name: str
    request_methods: str | Sequence[str] | None

class Introspected(TypedDict):
    introspectable: View

class Introspector:
    def get_category(self, name: str) -> list[Introspected]: ...

class Registry:
    introspector: Introspector
    # What the application puts here (greenroom.web.application, greenroom.web.security).
    premises: Premises
    session_cookie: str
    secret_key: str
