"""Releases, for drafts and for direct uploads: find, add, and let them say what their files say."""

from functools import lru_cache

from packaging.version import Version
from sqlalchemy import select
from sqlalchemy.orm import Session

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions import description
from greenroom.distributions.inspect import Distribution
from greenroom.models import File, Project, Release
from greenroom.registry.artifacts import Artifact
from greenroom.registry.names import canonical_version
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork


def find(db: Session, project: Project, version: Version) -> Release | None:
    """The release of this version, published or not."""
    return db.scalar(
        select(Release).where(
            Release.project_id == project.id,
            Release.canonical_version == canonical_version(version),
        )
    )


def add(uow: UnitOfWork, project: Project, version: Version) -> Release:
    """A release that is not published."""
    release = Release(
        project=project,
        version=str(version),
        canonical_version=canonical_version(version),
        created=uow.now,
        core_metadata=CoreMetadata(),
    )
    uow.db.add(release)
    uow.db.flush()
    return release


def new_file(
    uow: UnitOfWork, actor: Actor, release: Release, artifact: Artifact, distribution: Distribution
) -> File:
    """A file of a release, neither staged nor published yet."""
    return File(
        release_id=release.id,
        filename=artifact.filename,
        packagetype=distribution.packagetype,
        python_tag=distribution.python_tag,
        requires_python=distribution.requires_python,
        size=artifact.size,
        sha256=artifact.sha256,
        md5=artifact.md5,
        blake2_256=artifact.blake2_256,
        metadata_sha256=distribution.metadata_sha256,
        core_metadata=distribution.metadata,
        created=uow.now,
        uploaded_by_id=actor.user_id,
    )


def describe(release: Release, metadata: CoreMetadata) -> None:
    """Let the release say what this core metadata says; its description is rendered once, here."""
    release.core_metadata = metadata
    release.summary = metadata.summary
    release.requires_python = metadata.requires_python or None
    release.description_html = rendered_description(metadata)


def rendered_description(metadata: CoreMetadata) -> str:
    """The description in this core metadata as HTML, empty when it has none that renders.

    Rendering may take long, and the result is remembered: an upload renders before it takes the
    project's lock, so that under the lock it is only looked up.
    """
    return _rendered(metadata.description, metadata.description_content_type or None)


@lru_cache(maxsize=16)
def _rendered(text: str, content_type: str | None) -> str:
    return description.render(text, content_type) or ""
