"""What installers read of a draft, below its secret address."""

from pyramid.config import Configurator

from greenroom.web.http.draft_nodes import add_draft_branch
from greenroom.web.index.draft.resources import DraftFiles, DraftSimpleIndex


def includeme(config: Configurator) -> None:
    """Hand drafts what is below their page, and register the views."""
    add_draft_branch(config, "simple", DraftSimpleIndex)
    add_draft_branch(config, "files", DraftFiles)
    config.scan(__name__)
