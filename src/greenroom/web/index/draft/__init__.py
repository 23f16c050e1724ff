"""What installers read of a draft, or of a release set, below its secret address."""

from pyramid.config import Configurator

from greenroom.web.http.draft_nodes import add_draft_branch, add_set_branch
from greenroom.web.index.draft.resources import (
    DraftFiles,
    DraftSimpleIndex,
    FullIndexes,
    SetFiles,
    SetFullIndexes,
    SetSimpleIndex,
)


def includeme(config: Configurator) -> None:
    """Hand drafts and sets what is below their page, and register the views."""
    add_draft_branch(config, "simple", DraftSimpleIndex)
    add_draft_branch(config, "files", DraftFiles)
    add_set_branch(config, "simple", SetSimpleIndex)
    add_set_branch(config, "files", SetFiles)
    add_set_branch(config, "full", SetFullIndexes)
    add_draft_branch(config, "full", FullIndexes)
    config.scan(__name__)
