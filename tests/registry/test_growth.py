"""An index that was filled as rows, and what many drafts cost."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, select
from sqlalchemy.orm import Session

from bench import seed
from greenroom.models import File
from greenroom.registry import (
    accounts,
    catalogue,
    drafts,
    housekeeping,
    journal,
    search,
    storage_identity,
)
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel


def test_a_seeded_index_goes_on_like_any_other(services: Services, tmp_path: Path) -> None:
    seed.seed(services.database, projects=12, files=1011, drafts=1)

    with services.writing() as uow:
        bench = accounts.get_user(uow.db, "bench")
        before = journal.last_serial(uow.db)
        names = [project.name for project in catalogue.projects(uow.db)]
        large = catalogue.find(uow.db, sorted(names, key=lambda name: _size(uow.db, name))[-1])
        factories.release(uow, bench, make_wheel(tmp_path, "example"))

        assert len(names) == 12
        assert uow.db.scalar(select(func.count()).select_from(File)) == 1011 + 1 + 1
        assert large is not None
        assert len(catalogue.listing(uow.db, large).files) == 1000
        assert search.find(uow.db, names[0], 0, 9).releases[0].project.name == names[0]
        assert journal.last_serial(uow.db) == before + 4
        assert len(drafts.all_live(uow)) == 1


def _size(db: Session, name: str) -> int:
    project = catalogue.find(db, name)
    assert project is not None
    return len(catalogue.listing(db, project).files)


def test_many_drafts_expire_in_transactions_of_their_own(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, batch = 200, 64
    monkeypatch.setattr(housekeeping, "_BATCH", batch)
    storage_identity.check(services)
    # As many live ones, which are none of its business.
    seed.seed(services.database, projects=2 * count, drafts=count, expired=count)
    sizes = [0]
    reads: list[str] = []

    def begin(connection: Connection) -> None:
        sizes.append(0)

    def execute(connection: Connection, cursor: object, statement: str, *rest: object) -> None:
        sizes[-1] += not statement.startswith(("BEGIN", "PRAGMA"))
        if statement.startswith("SELECT drafts.id \n") and "expires <= " in statement:
            reads.append(statement)

    engine = services.database.engine
    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", execute)
    report = housekeeping.keep_house(services)
    event.remove(engine, "begin", begin)
    event.remove(engine, "before_cursor_execute", execute)

    assert report.drafts_expired == count
    assert len(reads) == count // batch + 1
    assert len(sizes) >= count + len(reads)
    assert max(sizes) <= 24
    with services.reading() as uow:
        assert len(drafts.all_live(uow)) == count
