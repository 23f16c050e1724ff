"""An index after some months: projects with long descriptions, releases, drafts, people."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from greenroom.models import RoleName
from greenroom.registry import drafts, publishing, yanking
from greenroom.registry.permissions import Person
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.serving import Server

_DESCRIPTIONS = Path(__file__).with_name("descriptions")
_PLATFORMS = ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64")
_PYTHONS = ("cp312", "cp313", "cp314")
_ABOUT = [
    ("Keywords", "tides,harbour,ocean"),
    ("Author-email", "Ada <ada@index.example>"),
    ("License-Expression", "MIT"),
    ("Classifier", "Development Status :: 5 - Production/Stable"),
    ("Classifier", "Programming Language :: Python :: 3"),
    ("Classifier", "Topic :: Scientific/Engineering"),
    ("Project-URL", "Homepage, https://index.example/tidewatch"),
    ("Project-URL", "Source, https://code.example/tidewatch"),
    ("Requires-Dist", "numpy>=2"),
    ("Requires-Dist", 'netcdf4; extra == "netcdf"'),
    ("Provides-Extra", "netcdf"),
]


@dataclass(frozen=True)
class Inhabited:
    """Where to look: the addresses of drafts, open and ended."""

    open: str
    discarded: str


def settle(server: Server, folder: Path) -> Inhabited:
    """Let ``ada``, an administrator, and ``grace`` live on this index.

    ``tidewatch`` has releases, one of them yanked, and a draft of 2.0 with many files, one of which
    is on its way; ``lighthouse`` is described in reStructuredText; ``buoy`` was never published.
    """
    with server.services() as services, services.writing() as uow:
        user = factories.make_user(uow, "ada", administrator=True)
        ada, grace = Person(user), factories.make_user(uow, "grace")
        factories.make_token(uow, user, label="CI")
        tidewatch = factories.release(uow, ada, *_files(folder, "1.0", few=True))
        factories.release(uow, ada, *_files(folder, "1.1"))
        factories.add_role(uow, tidewatch, grace, RoleName.MAINTAINER)
        yanking.yank_release(uow, ada, tidewatch, "1.0", "Wrong constants for Helgoland.")
        lighthouse = make_sdist(
            folder, "lighthouse", "0.9", summary="Characters of lights",
            description=(_DESCRIPTIONS / "readme.rst").read_text(),
            description_content_type="text/x-rst",
        )  # fmt: skip
        factories.release(uow, ada, lighthouse)
        for name in ("plain", "tidewatches", "tidy"):
            factories.release(uow, ada, make_wheel(folder, name, summary=f"Another {name} thing"))
        discarded = factories.stage(uow, ada, make_wheel(folder, "flotsam"))
        drafts.discard(uow, ada, discarded)
        published = factories.stage(uow, ada, make_wheel(folder, "plain", "1.1"))
        publishing.publish(uow, ada, published)
        factories.stage(uow, ada, make_wheel(folder, "buoy", "0.1"))
        staged = factories.stage(uow, ada, *_files(folder, "2.0"))
        factories.announce(
            uow, ada, staged, make_wheel(folder, "tidewatch", "2.0", tag="cp310-cp310-win32")
        )
        return Inhabited(staged.slug, discarded.slug)


def _files(folder: Path, version: str, *, few: bool = False) -> list[Path]:
    """An sdist, and wheels for one platform or for many."""
    make = partial(
        make_wheel, folder, "tidewatch", version, metadata_version="2.4", metadata_extra=_ABOUT,
        summary="High and low water for harbours, offline", requires_python=">=3.11",
        description=(_DESCRIPTIONS / "readme.md").read_text(),
        description_content_type="text/markdown",
    )  # fmt: skip
    tags = [f"{python}-{python}-{platform}" for python in _PYTHONS for platform in _PLATFORMS]
    wheels = [make(tag=tag, salt=tag) for tag in (["py3-none-any"] if few else tags)]
    return [make_sdist(folder, "tidewatch", version, **make.keywords), *wheels]
