"""What a draft's release says of itself, for the draft's page and for its manage page."""

from sqlalchemy.orm import Session

from greenroom.core_metadata import CoreMetadata
from greenroom.models import Draft
from greenroom.registry import (
    catalogue,
    drafts,
    releases,
)
from greenroom.web.pages.release_details import ReleaseDetails, release_details


def draft_details(db: Session, draft: Draft) -> ReleaseDetails:
    """What the staged files say. The release itself says it too, unless it is public already."""
    release = draft.release
    if release is not None and release.published is None:
        detailed = catalogue.load_details(db, release)
        return release_details(detailed.core_metadata, detailed.description_html)
    file = drafts.describing_file(db, draft)
    metadata = file.core_metadata if file is not None else CoreMetadata()
    return release_details(metadata, releases.rendered_description(metadata))
