"""Moving an index from one database to another, of either kind."""

import re
from pathlib import Path

import pytest

from greenroom.registry import accounts, audit_reading, search, storage_identity
from greenroom.registry.audit import Kind
from greenroom.registry.audit_reading import Wanted
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import MakeDatabase
from tests.serving import command, new_database, serving
from tests.whole_index import Environment, index_in, inhabit, opened, rows_of

KINDS = [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("postgresql", "postgresql")]


@pytest.mark.parametrize(("source", "target"), KINDS)
def test_all_that_there_is_is_in_the_copy_and_it_goes_on(
    source: str, target: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    original = index_in(tmp_path)
    url = new_database(request, source)
    if url is not None:
        original["GREENROOM_DATABASE_URL"] = url
    inhabit(original, tmp_path / "dist")
    new_url = f"sqlite:///{tmp_path}/new.sqlite"
    if target == "postgresql":
        new_url = request.getfixturevalue("new_postgresql_database")()
        new_url += f"{'&' if '?' in new_url else '?'}application_name=secret"  # as a password may

    result = command(original, "db", "copy", "-", stdin=f"{new_url}\n")

    assert result.returncode == 0, result.stderr
    assert "All rows are in both databases." in result.stdout
    copy = original | {"GREENROOM_DATABASE_URL": new_url}
    assert rows_of(copy) == rows_of(original)
    with opened(copy) as services:
        storage_identity.check(services)
        with services.reading() as uow:
            wanted = Wanted(act=Kind.DATABASE_COPY)
            [line] = audit_reading.everything(uow, OPERATOR, wanted, None, 10).lines
            assert "secret" not in line.detail
            assert re.fullmatch(rf"from {source}\S*:\S+ to {target}\S*:\S+", line.detail)
        with services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            factories.release(uow, ada, make_wheel(tmp_path / "dist", "third", summary="A kite."))
            factories.stage(uow, ada, make_wheel(tmp_path / "dist", "fourth"))
        with services.reading() as uow:
            for words, found in (("kite", "third"), ("other", "other")):
                releases = search.find(uow.db, words, 0, 10).releases
                assert [release.project.name for release in releases] == [found]
    assert command(copy, "storage", "verify").returncode == 0


def refused(environment: Environment, url: str) -> str:
    result = command(environment, "db", "copy", url)
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_copy_that_cannot_be_made_changes_nothing(
    tmp_path: Path, new_postgresql_database: MakeDatabase
) -> None:
    original, empty = index_in(tmp_path / "one"), new_postgresql_database()
    inhabit(original, tmp_path / "dist")
    other = index_in(tmp_path / "two")
    inhabit(other, tmp_path / "dist")
    full = f"sqlite:///{tmp_path}/two/data/greenroom.sqlite"
    before = rows_of(other)

    assert "The target is not empty: its table audit has rows" in refused(original, full)
    assert "URL is not understood" in refused(original, "mysql://host/database")
    with serving(tmp_path / "one"):
        assert "The index is running: stop 'greenroom serve'" in refused(original, empty)
    assert rows_of(other) == before
    with opened(original) as services, services.writing() as uow:
        accounts.get_user(uow.db, "ada").email = "a" * 300
    assert "does not take a row of the table users" in refused(original, empty)
    changing = index_in(tmp_path / "three")
    with opened(changing) as services, services.writing() as uow:
        uow.db.connection().exec_driver_sql(
            "CREATE TRIGGER changing AFTER INSERT ON users "
            "BEGIN UPDATE users SET email = 'other' WHERE id = new.id; END"
        )
    third = f"sqlite:///{tmp_path}/three/data/greenroom.sqlite"
    assert "The table users is not the same in both databases" in refused(original, third)
    for index in (original | {"GREENROOM_DATABASE_URL": empty}, changing):
        rows = rows_of(index)
        assert {name for name, found in rows.items() if found} <= {"identity"}
