"""Projects of the indexes behind this one, in the words of pages: no more than they say themselves.

Nothing of it is rendered, and no file is looked into. When it was asked for is not told: that may
have been because somebody has staged a draft.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from packaging.version import Version

from greenroom.distributions.historical import version_in
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry.upstream_pages import KeptPage


class UpstreamRelease(Struct, frozen=True):
    """The files of one version.

    Attributes:
        version: as it is written in this index; empty where the names of files tell none.
        uploaded: when the first of them was, where that is said.
        is_yanked: whether all of them are.
    """

    version: str
    files: tuple[PageFile, ...]
    uploaded: datetime | None
    is_yanked: bool


class UpstreamProject(Struct, frozen=True):
    """A project of an upstream.

    Attributes:
        name: the normalized name.
        upstream: what the settings call the index that has it.
        releases: the highest first, those without a version last.
        status: of PEP 792, empty where it is ``active`` or not said; so is the reason.
    """

    name: str
    upstream: str
    releases: tuple[UpstreamRelease, ...]
    file_count: int
    status: str
    status_reason: str

    @property
    def latest(self) -> str:
        """The highest version that is neither yanked nor a pre-release, or else the highest."""
        versions = [release for release in self.releases if release.version]
        offered = [release for release in versions if not release.is_yanked] or versions
        final = [each for each in offered if not Version(each.version).is_prerelease]
        return next((release.version for release in final or offered), "")


def of_page(kept: KeptPage, page: ProjectPage) -> UpstreamProject:
    """A project as its page says it."""
    return UpstreamProject(
        name=page.name,
        upstream=kept.upstream,
        releases=tuple(releases(page)),
        file_count=len(page.files),
        status="" if page.status == "active" else page.status,
        status_reason=page.status_reason,
    )


def releases(page: ProjectPage) -> list[UpstreamRelease]:
    """The files of a page by version, the highest first."""
    found: dict[Version | None, list[PageFile]] = {}
    for file in page.files:
        found.setdefault(version_in(file.filename, page.name), []).append(file)
    unknown = found.pop(None, [])
    made = [
        _release(str(version), found[version])
        for version in sorted(filter(None, found), reverse=True)
    ]
    return [*made, *([_release("", unknown)] if unknown else [])]


def _release(version: str, files: Iterable[PageFile]) -> UpstreamRelease:
    several = tuple(files)
    uploaded = [file.uploaded for file in several if file.uploaded is not None]
    return UpstreamRelease(
        version=version,
        files=several,
        uploaded=min(uploaded) if uploaded else None,
        is_yanked=all(file.yanked is not None for file in several),
    )
