"""What a draft's release says of itself, for the draft's page and for its manage page."""

from sqlalchemy.orm import Session

from greenroom.models import Draft
from greenroom.registry import (
    catalogue,
    drafts,
    releases,
)
from greenroom.web.pages.release_details import ReleaseDetails, release_details


def draft_details(db: Session, draft: Draft) -> ReleaseDetails:
    """What the release will say, and says already where it is not public yet."""
    release = draft.release
    if release is not None and release.published is None:
        detailed = catalogue.load_details(db, release)
        return release_details(detailed.core_metadata, detailed.description_html)
    metadata = drafts.metadata(db, draft)
    return release_details(metadata, releases.rendered_description(metadata))
