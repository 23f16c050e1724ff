"""An index with a bit of everything, to be moved as a whole."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from greenroom.models import File, UploadPart
from greenroom.registry import downloads, drafts, storage_identity
from greenroom.registry.downloads import Downloaded
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upload_sessions import RESUMABLE
from greenroom.services import open_services
from greenroom.settings import load_settings
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.serving import plain_environment

Environment = dict[str, str]


def index_in(folder: Path, **settings: str) -> Environment:
    """The settings of an index whose data lies in this folder."""
    plain = plain_environment(folder / "home")
    return plain | {"GREENROOM_DATA": str(folder / "data")} | settings


@contextmanager
def opened(environment: Mapping[str, str]) -> Iterator[Services]:
    services = open_services(load_settings(environment))
    services.database.upgrade()
    try:
        yield services
    finally:
        services.database.close()


def inhabit(environment: Environment, folder: Path) -> None:
    """An index with a bit of everything: published, staged, arriving, ended."""
    with opened(environment) as services:
        storage_identity.check(services)
        with services.writing() as uow:
            ada = factories.make_user(uow, "ada", administrator=True)
            factories.make_user(uow, "bob")
            factories.make_token(uow, ada)
            factories.release(uow, ada, make_wheel(folder), make_sdist(folder))
            factories.release(uow, ada, make_wheel(folder, "other", "2.0"))
            factories.stage(uow, ada, make_wheel(folder, "example", "1.1"))
            discarded = factories.stage(uow, ada, make_wheel(folder, "example", "0.9"))
            drafts.discard(uow, Person(ada), discarded)
            draft = factories.open_new(uow, ada, "other", "3.0")
            arriving = make_wheel(folder, "other", "3.0", payload=b"x" * 1000)
            upload = factories.announce(uow, ada, draft, arriving, mechanism=RESUMABLE)
            factories.send(uow, ada, draft, upload, arriving.read_bytes()[:500])
            sha256 = factories.artifact_of(make_wheel(folder)).sha256
            downloads.add(uow, {Downloaded(sha256, make_wheel(folder).name, uow.now.date()): 7})


def rows_of(environment: Environment) -> dict[str, list[str]]:
    """Every row, but those of what goes on now, and of the audit log those of moving the index."""
    with opened(environment) as services, services.reading() as uow:
        rows = factories.everything(uow)
    rows["audit"] = [row for row in rows["audit"] if not _OF_MOVING.search(row)]
    return {name: found for name, found in rows.items() if name not in ("jobs", "storage")}


_OF_MOVING = re.compile("'(backup|backup-restore|database-copy)'")


def referenced(environment: Environment) -> set[str]:
    with opened(environment) as services, services.reading() as uow:
        files = uow.db.scalars(select(File)).all()
        parts = set(uow.db.scalars(select(UploadPart.sha256)))
        return {digest for file in files for digest in (file.sha256, file.metadata_sha256)} | parts
