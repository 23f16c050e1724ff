"""``/_/``: what programs of other services call, at addresses that these know."""

from __future__ import annotations

from pyramid.config import Configurator

from greenroom.web.http.refusals import JSON, RefusalFormat
from greenroom.web.http.traversal import Branch, Node, add_branch

_NAME = "_"


class Underscore(Node):
    """``/_/``, whose children several parts bring."""

    def __getitem__(self, name: str) -> Node:
        branch: Branch = self.request.registry.below_underscore[name]
        return branch(self.request, name, self)

    @property
    def refusals(self) -> RefusalFormat:
        """JSON."""
        return JSON


def add_below_underscore(config: Configurator, name: str, branch: Branch) -> None:
    """Let ``/_/`` have a child of this name.

    Args:
        config: the application that is being composed.
        name: the second segment of the addresses.
        branch: makes the node, of the request, its name and its parent.

    Raises:
        ValueError: another part has this name.
    """
    known = config.registry.__dict__.setdefault("below_underscore", {})
    if not known:
        add_branch(config, _NAME, Underscore)
    if name in known:
        raise ValueError(f"two parts want the addresses below /_/{name}")
    known[name] = branch
