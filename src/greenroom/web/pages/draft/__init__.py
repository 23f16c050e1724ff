"""The page of a draft, for those who hold its address."""

from pyramid.config import Configurator

from greenroom.web.http.draft_nodes import add_draft_branch
from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.draft.resources import DraftContents, Drafts


def includeme(config: Configurator) -> None:
    """Hand Root the branch, have pages below a draft, and register the views."""
    add_branch(config, "draft", Drafts)
    add_draft_branch(config, "contents", DraftContents)
    config.scan(__name__)
