"""An index after some months: projects with long descriptions, releases, drafts, people."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from greenroom.models import Draft, DraftInstallation, ReleaseSet, RoleName
from greenroom.registry import (
    approvals,
    draft_checks,
    draft_comments,
    draft_contents,
    drafts,
    invitations,
    publishing,
    release_sets,
    required_checks,
    schedules,
    set_schedules,
    yanking,
)
from greenroom.registry.draft_checks import Posted
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.serving import Server

_DESCRIPTIONS = Path(__file__).with_name("descriptions")
_PLATFORMS = ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64")
_PYTHONS = ("cp312", "cp313", "cp314")
_COMMENT = """\
The wheel for **Windows** lacks `tides.dat`:

- `import tidewatch` works
- `tidewatch.now()` does not, see [the log](https://ci.example/4712)

```python
>>> tidewatch.now()
FileNotFoundError: tides.dat
```
"""
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
    """Where to look: the addresses of drafts and of release sets, open and ended."""

    open: str
    discarded: str
    set: str
    set_key: str
    ended_set: str


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
        wool = factories.make_team(uow, user, "wool", grace, works_on=tidewatch)
        kim = Person(factories.make_user(uow, "kim"))
        invitations.invite_to_team(uow, ada, wool, "kim", owner=False)
        invitations.invite(uow, ada, tidewatch, "kim", RoleName.OWNER)
        yarn = factories.make_team(uow, kim.user, "yarn")
        invitations.invite_to_team(uow, kim, yarn, "ada", owner=False)
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
        buoy = factories.stage(uow, ada, make_wheel(folder, "buoy", "0.1"))
        staged = factories.stage(uow, ada, *_files(folder, "2.0"))
        digest = draft_contents.digest_of(staged, drafts.files(uow.db, staged))
        approvals.approve(uow, factories.present(uow, grace), staged, digest)
        schedules.schedule(uow, ada, staged, uow.now + timedelta(days=2), digest)
        factories.announce(
            uow, ada, staged, make_wheel(folder, "tidewatch", "2.0", tag="cp310-cp310-win32")
        )
        required_checks.change(uow, ada, tidewatch, ["tests", "tried by hand"])
        for posted in (
            Posted("tests", "passed", "https://ci.example/4711", "1,204 tests in 3 minutes"),
            Posted("tests", "failed", "https://ci.example/4712", "2 of 1,204 tests"),
            Posted("lint", "pending"),
            Posted("docs", "passed", "", "Built without warnings.\nNo link is broken."),
        ):
            draft_checks.post(uow, ada, staged, posted)
        factories.comment(uow, ada, staged, _COMMENT)
        gone = factories.comment(uow, Person(grace), staged, "Never mind.")
        draft_comments.remove(uow, Person(grace), staged, gone)
        for client, ago in (("pip 26.0 on Linux x86_64, cp313", 4), ("uv 0.9.1", 200)):
            first = drafts.files(uow.db, staged)[0]
            uow.db.add(
                DraftInstallation(
                    draft_id=staged.id, filename=first.filename, sha256=first.sha256,
                    client=client, last=uow.now - timedelta(minutes=ago), count=ago // 4,
                )
            )  # fmt: skip
        made = _gather(uow, ada, kim, make_wheel(folder, "kelp", "0.1"), buoy, staged)
        of_set = release_sets.details(uow, ada, made).content_digest
        at, shown = uow.now + timedelta(days=3), factories.present(uow, user)
        set_schedules.schedule(uow, shown, made, at, of_set)
        ended = release_sets.create(uow, ada, "ended")
        release_sets.discard(uow, ada, ended)
        return Inhabited(staged.slug, discarded.slug, made.slug, made.key, ended.slug)


def _gather(uow: UnitOfWork, ada: Person, kim: Person, path: Path, *staged: Draft) -> ReleaseSet:
    """A release set of Ada's, with a draft of Kim's."""
    for draft in staged:
        made = release_sets.add(uow, ada, draft, Reference("2026.11"))
    release_sets.invite(uow, ada, made, "kelp")
    kelp = factories.stage(uow, kim, path)
    return release_sets.add(uow, kim, kelp, Reference("2026.11", "ada"))


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
