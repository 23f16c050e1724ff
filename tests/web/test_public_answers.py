"""What shared caches may keep: whatever changes such an answer has its keys purged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select

from greenroom.models import Job, Project, RoleName
from greenroom.registry import accounts, drafts, jobs, projects, publishing, removal, roles, yanking
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.standing import fetch

ADDRESSES = (
    "/",
    "/simple/",
    "/simple/example/",
    "/simple/other/",
    "{file}",
    "{file}.metadata",
    "/pypi/example/json",
    "/pypi/example/1.0/json",
    "/pypi/other/json",
    "/rss/updates.xml",
    "/rss/packages.xml",
    "/rss/project/example/releases.xml",
    "/sitemap.xml",
    "/sitemap.xml?page=1",
    "/project/Example/",
    "/project/Example/1.0/",
    "/project/Example/1.0/contents/example-1.0-py3-none-any.whl/",
    "/project/Example/1.0/contents/example-1.0-py3-none-any.whl/?member=example/__init__.py",
    "/project/other/",
    "/search/?q=example",
    "/search/",
    "/user/ada/",
    "/user/bob/",
)


@dataclass(frozen=True)
class Change:
    """What happens to ``example``."""

    uow: UnitOfWork
    project: Project
    folder: Path

    @property
    def ada(self) -> Person:
        return Person(accounts.get_user(self.uow.db, "ada"))

    def yank_release(self) -> None:
        yanking.yank_release(self.uow, self.ada, self.project, "1.0", "broken")

    def unyank_release(self) -> None:
        yanking.unyank_release(self.uow, self.ada, self.project, "1.0")

    def yank_file(self) -> None:
        yanking.yank_file(self.uow, self.ada, self.project, "example-1.0.tar.gz", "broken")

    def add_role(self) -> None:
        roles.give(self.uow, OPERATOR, self.project, "bob", RoleName.MAINTAINER)

    def change_role(self) -> None:
        roles.give(self.uow, OPERATOR, self.project, "bob", RoleName.OWNER)

    def remove_role(self) -> None:
        roles.take(self.uow, self.ada, self.project, "bob")

    def archive(self) -> None:
        projects.archive(self.uow, self.ada, self.project, "finished")

    def change_reason(self) -> None:
        projects.archive(self.uow, self.ada, self.project, "finished for good")

    def unarchive(self) -> None:
        projects.unarchive(self.uow, self.ada, self.project)

    def quarantine(self) -> None:
        projects.quarantine(self.uow, OPERATOR, self.project, "looked at")

    def lift_quarantine(self) -> None:
        projects.lift_quarantine(self.uow, OPERATOR, self.project)

    def stage(self) -> None:
        path = make_wheel(self.folder, "EXAMPLE", "2.0", summary="Another.")
        factories.stage(self.uow, self.ada, path)

    def publish(self) -> None:
        (draft,) = drafts.live_of_projects(self.uow, [self.project])
        publishing.publish(self.uow, self.ada, draft)

    def add_file(self) -> None:
        path = make_wheel(self.folder, "Example", "1.0", tag="py2-none-any", summary="More.")
        factories.release(self.uow, self.ada, path)

    def remove_sdist(self) -> None:
        removal.remove_file(self.uow, self.ada, self.project, "example-1.0.tar.gz")

    def remove_release(self) -> None:
        removal.remove_release(self.uow, self.ada, self.project, "2.0")

    def remove_project(self) -> None:
        removal.remove_project(self.uow, self.ada, self.project)


CHANGES: tuple[Callable[[Change], None], ...] = (
    Change.yank_release,
    Change.unyank_release,
    Change.yank_file,
    Change.add_role,
    Change.change_role,
    Change.remove_role,
    Change.archive,
    Change.change_reason,
    Change.unarchive,
    Change.quarantine,
    Change.lift_quarantine,
    Change.stage,
    Change.publish,
    Change.add_file,
    Change.remove_sdist,
    Change.remove_release,
    Change.remove_project,
)


def purged(site: Site) -> set[str]:
    """The keys that were to be purged since this was last asked."""
    with site.services.writing() as uow:
        payloads = uow.db.scalars(select(Job.payload).where(Job.kind == jobs.Kind.PURGE)).all()
        uow.db.execute(delete(Job))
    return {key for payload in payloads for key in jobs.texts(payload, "keys")}


def test_what_changes_a_public_answer_has_its_keys_purged(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.user("bob")
    wheel = make_wheel(tmp_path, "Example", "1.0", summary="One.")
    site.release(wheel, make_sdist(tmp_path, "Example", "1.0", summary="One."))
    site.release(make_wheel(tmp_path, "other"))
    digest = factories.artifact_of(wheel).sha256
    file = f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{wheel.name}"
    addresses = [address.format(file=file) for address in ADDRESSES]

    def answers() -> dict[str, tuple[int, bytes, str, str]]:
        found = {}
        for address in addresses:
            response = fetch(site, address)
            headers = response.headers
            found[address] = (
                response.status_int,
                response.body,
                headers.get("Cache-Control", ""),
                headers.get("Surrogate-Key", ""),
            )
        return found

    purged(site)
    before = answers()
    assert all(status == 200 and "public" in kept for status, _, kept, _ in before.values())
    assert all(keys for *_, keys in before.values())
    for change in CHANGES:
        with site.services.writing() as uow:
            change(Change(uow, projects.get(uow, "example"), tmp_path))
        keys, after = purged(site), answers()
        moved = {address for address in addresses if before[address][:2] != after[address][:2]}
        kept = {
            address
            for address in moved
            if "public" in before[address][2] and not keys & set(before[address][3].split())
        }
        assert not kept, (change.__name__, kept)
        assert bool(moved) is (change is not Change.stage), change.__name__
        before = after
