"""``/account/`` and what is below it."""

from __future__ import annotations

from greenroom.models import Team
from greenroom.web.http.traversal import Node, ReadBy


class Account(Node):
    """``/account/``"""

    read_by = ReadBy.ANYBODY

    open_before_enrolment = frozenset(
        {
            *("", "audit", "confirm", "login", "logout", "passkey", "password"),
            *("second-factors", "second-step", "sessions"),
            *("single-sign-on", "single-sign-on-return"),  # who confirms there
        }
    )

    def __getitem__(self, name: str) -> Node:
        return _OF_ACCOUNT[name](self.request, name, self)


class Tokens(Node):
    """``/account/tokens/``"""


class Sessions(Node):
    """``/account/sessions/``"""


class Invitations(Node):
    """``/account/invitations/``"""


class Teams(Node):
    """``/account/teams/``"""

    def __getitem__(self, name: str) -> TeamPage:
        return TeamPage(self.request, name, self)


class TeamPage(Node):
    """``/account/teams/<name>/``: whether there is such a team its views say, to its members.

    ``team`` is the one that they have found.
    """

    team: Team | None = None


class PendingPublishers(Node):
    """``/account/publishers/``: the workflows that may register names."""


class SecondFactors(Node):
    """``/account/second-factors/``"""


class Notifications(Node):
    """``/account/notifications/``"""


_OF_ACCOUNT: dict[str, type[Node]] = {
    "invitations": Invitations,
    "notifications": Notifications,
    "publishers": PendingPublishers,
    "second-factors": SecondFactors,
    "sessions": Sessions,
    "teams": Teams,
    "tokens": Tokens,
}
