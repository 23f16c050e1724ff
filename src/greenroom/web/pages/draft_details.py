"""What a draft's release says of itself, for the draft's page and for its manage page."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from greenroom.models import Draft
from greenroom.registry import (
    catalogue,
    draft_contents,
    drafts,
    releases,
)
from greenroom.registry.releases import FileSummary
from greenroom.web.pages.release_details import ReleaseDetails, release_details


def digest_of_listed(draft: Draft, files: Sequence[FileSummary]) -> str:
    """The digest of the draft with exactly the files that a page lists."""
    by_name = {file.filename: file.sha256 for file in files}
    return draft_contents.content_digest(draft.project_name, draft.version, by_name)


def draft_details(db: Session, draft: Draft) -> ReleaseDetails:
    """What the release will say, and says already where it is not public yet."""
    release = draft.release
    if release is not None and release.published is None:
        detailed = catalogue.load_details(db, release)
        return release_details(detailed.core_metadata, detailed.description_html)
    metadata = drafts.metadata(db, draft)
    return release_details(metadata, releases.rendered_description(metadata))
