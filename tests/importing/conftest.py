"""What tests of imports share: an index by the real clock, and one call that imports into it."""

from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from greenroom.importing import run
from greenroom.importing.report import Report
from greenroom.importing.requirements import wanted_of
from greenroom.importing.run import Options
from greenroom.importing.sources.open import Selection, open_source
from greenroom.models import File, Release
from greenroom.registry.unit_of_work import Services, utc_now
from tests import factories


class Destination(Struct, frozen=True):
    """An index that files are imported into, with the user ada."""

    services: Services

    def take(
        self,
        source: Path | str,
        *names: str,
        owner: str | None = "ada",
        historical: bool = False,
        dry_run: bool = False,
        is_all: bool = False,
        indexes: tuple[str, ...] = (),
        user_names: dict[str, str] | None = None,
    ) -> Report:
        """Import; no pause is waited for."""
        selection = Selection(
            wanted=wanted_of(names),
            is_all=is_all,
            indexes=indexes,
            owner=owner,
            user_names=user_names or {},
        )
        options = Options(owner, historical=historical, dry_run=dry_run, sleep=lambda _: None)
        with open_source(str(source), selection) as opened:
            run.check_people(self.services, opened, options)
            return run.run(self.services, opened, options, lambda report: None)

    def files(self) -> dict[str, File]:
        """All files, by name, with their releases and uploaders."""
        with self.services.reading() as uow:
            found = {file.filename: file for file in uow.db.query(File)}
            for file in found.values():
                assert isinstance(file.release, Release)
                assert file.release.project.normalized_name
                assert file.uploaded_by is None or file.uploaded_by.username
            return found

    def user(self, name: str) -> None:
        with self.services.writing() as uow:
            factories.make_user(uow, name)


@pytest.fixture
def index(services: Services, renderings_are_kept: None) -> Destination:
    index = Destination(replace(services, clock=utc_now))
    index.user("ada")
    return index
