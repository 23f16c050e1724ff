"""The account of who is signed in: signing in and out, registering, password, tokens."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.account.resources import Account


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "account", Account)
    config.scan(__name__)
