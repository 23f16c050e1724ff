"""Pages for people who are signed in: everybody else is asked to sign in first.

It comes before anything is looked for, so that the answer is the same for what is there and what is
not.
"""

from pyramid.config import Configurator
from pyramid.events import BeforeTraversal

from greenroom.web.http.traversal import branch_of
from greenroom.web.pages.redirects import user_or_sign_in


def includeme(config: Configurator) -> None:
    """Ask whoever is not signed in to do so, below addresses that are for nobody else."""
    config.add_subscriber(_require_sign_in, BeforeTraversal)


def _require_sign_in(event: BeforeTraversal) -> None:
    if branch_of(event.request).is_for_signed_in:
        user_or_sign_in(event.request)
