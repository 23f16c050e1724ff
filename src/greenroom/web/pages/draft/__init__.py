"""The page of a draft, for those who hold its address."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.draft.resources import Drafts


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "draft", Drafts)
    config.scan(__name__)
