"""``/account/`` and what is below it."""

from __future__ import annotations

from greenroom.web.http.traversal import Node


class Account(Node):
    """``/account/``"""

    def __getitem__(self, name: str) -> Tokens:
        if name != "tokens":
            raise KeyError(name)
        return Tokens(self.request, name, self)


class Tokens(Node):
    """``/account/tokens/``"""
