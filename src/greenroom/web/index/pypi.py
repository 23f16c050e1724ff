"""``/pypi``, where two parts answer: XML-RPC at it, the JSON API below it."""

from collections.abc import Callable

from greenroom.web.http.refusals import JSON
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, ReadBy


class Pypi(Node):
    """``/pypi``: XML-RPC, whose clients follow no redirects; ``below`` finds what is below it."""

    is_leaf = True
    open_to_all_origins = True
    refusals = JSON
    read_by = ReadBy.PROGRAMS

    def __init__(
        self,
        request: Request,
        name: str,
        parent: Node,
        *,
        below: Callable[[Request, str, Node], Node],
    ) -> None:
        super().__init__(request, name, parent)
        self._below = below

    def __getitem__(self, name: str) -> Node:
        return self._below(self.request, name, self)
