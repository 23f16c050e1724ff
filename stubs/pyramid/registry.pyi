from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypedDict

from greenroom.registry.unit_of_work import Services
from greenroom.web.http.draft_nodes import DraftBranch, SetBranch
from greenroom.web.http.traversal import Branch

class View(TypedDict):
    callable: Callable[..., object]
    context: object
    name: str
    request_methods: str | Sequence[str] | None

class Related(Protocol):
    category_name: str
    def __getitem__(self, name: str) -> str: ...

class Introspected(TypedDict):
    introspectable: View
    related: list[Related]

class Introspector:
    def get_category(self, name: str) -> list[Introspected]: ...

class Registry:
    introspector: Introspector
    # What the application puts here (greenroom.web.application, greenroom.web.http).
    services: Services
    tell_metrics: Callable[[], bytes] | None
    branches: Mapping[str, Branch]
    below_underscore: Mapping[str, Branch]
    draft_branches: Mapping[str, DraftBranch]
    set_branches: Mapping[str, SetBranch]
    session_cookie: str
    secret_key: str
