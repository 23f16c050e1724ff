"""``/_/secrets/reported``"""

from __future__ import annotations

from greenroom.web.http.traversal import Node


class Secrets(Node):
    """``/_/secrets/``"""

    def __getitem__(self, name: str) -> Node:
        return {"reported": Reported}[name](self.request, name, self)


class Reported(Node):
    """``/_/secrets/reported``"""

    is_leaf = True
