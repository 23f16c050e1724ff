"""Which release a draft is compared with."""

from collections.abc import Iterable, Sequence

from packaging.version import Version

from greenroom.models import Draft, Release
from greenroom.registry import catalogue
from greenroom.registry.errors import NotFound
from greenroom.registry.names import canonical_version, parse_version


def choices(public: Iterable[Release], draft: Draft) -> list[Release]:
    """Those public releases of its project that a draft can be compared with, in their order.

    That into which it brings more files is none of them.
    """
    return [release for release in public if release.id != draft.release_id]


def chosen(releases: Sequence[Release], draft: Draft, against: str | None) -> Release | None:
    """The release that a draft is compared with, out of :func:`choices`.

    Args:
        releases: to choose from.
        draft: which is compared.
        against: the version that somebody has chosen, in any spelling; None for the one that the
            draft follows: the highest below it, of a final version the highest final one, if there
            is such, else the one that stands for the project.

    Raises:
        NotFound: there is no such release.
    """
    if against is None:
        return _followed(releases, Version(draft.version))
    version = parse_version(against)
    wanted = canonical_version(version) if version is not None else None
    for release in releases:
        if release.canonical_version == wanted:
            return release
    raise NotFound(
        f"There is no other public release {against[:100]!r} of {draft.project_name} to compare "
        "the draft with."
    )


def _followed(releases: Sequence[Release], version: Version) -> Release | None:
    below = [release for release in releases if Version(release.version) < version]
    final = [release for release in below if not Version(release.version).is_prerelease]
    following = (final if not version.is_prerelease else []) or below
    standing = [release for release in following if not release.yanked]
    return next(iter(standing or following), None) or catalogue.latest(releases)
