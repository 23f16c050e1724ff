"""Migrations: they make what the models say, lose nothing, and can be undone."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import alembic.autogenerate
import alembic.command
import alembic.runtime.migration
import pytest
import sqlalchemy
from sqlalchemy import Connection, event, select
from sqlalchemy.engine.interfaces import ReflectedIndex

from greenroom import paths
from greenroom.database import Database
from greenroom.models import Base, JournalEntry, RoleName, SearchDocument
from greenroom.models.search import FULL_TEXT
from greenroom.registry import (
    catalogue,
    invitations,
    projects,
    publishing,
    roles,
    search,
    search_words,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests import factories, processes
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import MakeDatabase

CREATED = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database without any schema."""
    if request.param == "sqlite":
        (tmp_path / "empty.sqlite").touch()
        url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    else:
        make: MakeDatabase = request.getfixturevalue("new_postgresql_database")
        url = make()
    made = Database(url)
    yield made
    made.close()


def upgrade(database: Database, revision: str) -> None:
    alembic.command.upgrade(database._alembic(), revision)


def downgrade(database: Database, revision: str) -> None:
    alembic.command.downgrade(database._alembic(), revision)


def tables(database: Database) -> set[str]:
    found = set(sqlalchemy.inspect(database.engine).get_table_names()) - {"alembic_version"}
    return {name for name in found if is_of_the_models(name)}


def is_of_the_models(name: str | None, kind: str = "", parents: object = None) -> bool:
    """Whether models can say what this is; each database searches in a way of its own."""
    return FULL_TEXT not in (name or "")


def condition(index: ReflectedIndex) -> str:
    """What rows have to fulfil to be in an index; empty where all are."""
    options = index.get("dialect_options", {})
    return "".join(str(value) for name, value in options.items() if name.endswith("_where"))


def schema(database: Database) -> dict[str, object]:
    """Everything that can be found out about the tables."""
    inspector = sqlalchemy.inspect(database.engine)
    return {
        table: (
            sorted(
                (c["name"], str(c["type"]), c["nullable"])
                for c in inspector.get_columns(table)
                if is_of_the_models(c["name"])
            ),
            sorted(
                (str(index["name"]), condition(index))
                for index in inspector.get_indexes(table)
                if is_of_the_models(index["name"])
            ),
            sorted(str(key["name"]) for key in inspector.get_foreign_keys(table)),
            sorted(str(unique["name"]) for unique in inspector.get_unique_constraints(table)),
            sorted(str(check["name"]) for check in inspector.get_check_constraints(table)),
        )
        for table in sorted(tables(database))
    }


def test_migrations_make_exactly_what_the_models_say(database: Database) -> None:
    database.upgrade()
    with database.engine.connect() as connection:
        context = alembic.runtime.migration.MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": is_of_the_models}
        )
        assert alembic.autogenerate.compare_metadata(context, Base.metadata) == []


def test_they_make_the_constraints_of_the_models(database: Database) -> None:
    """Those that autogenerate does not compare: checks, and on what indexes are partial."""
    database.upgrade()
    migrated = schema(database)
    with database.engine.begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
    assert migrated == schema(database)


def test_indexes_are_partial(database: Database) -> None:
    database.upgrade()
    indexes = sqlalchemy.inspect(database.engine).get_indexes("roles")
    conditions = {index["name"]: condition(index) for index in indexes}
    assert "team_id IS NULL" in conditions["ix_roles_own"]
    assert conditions["ix_roles_user_id"] == ""


def test_who_writes_a_migration_is_told_on_what_indexes_are_partial(tmp_path: Path) -> None:
    scripts = tmp_path / "migrations"
    shutil.copytree(paths.MIGRATIONS, scripts, ignore=shutil.ignore_patterns("versions"))
    (scripts / "versions").mkdir()
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = {scripts}\n")
    (tmp_path / "greenroom.sqlite").touch()
    processes.run(
        [sys.executable, "-m", "alembic", "revision", "--autogenerate", "-m", "all"],
        env={**os.environ, "GREENROOM_DATA": str(tmp_path)},
        cwd=tmp_path,
        check=True,
    )
    (written,) = scripts.glob("versions/*.py")
    (line,) = re.findall(r".*create_index\('ix_roles_own'.*", written.read_text())
    assert "sqlite_where=sa.text('team_id IS NULL')" in line
    assert "postgresql_where=sa.text('team_id IS NULL')" in line


def test_up_down_and_up_again(database: Database) -> None:
    database.upgrade()
    whole = schema(database)
    assert tables(database) == set(Base.metadata.tables)
    downgrade(database, "base")
    assert tables(database) == set()
    assert not database.is_current()
    database.upgrade()
    assert schema(database) == whole
    assert database.is_current()


def test_one_step_down_and_up_again(database: Database) -> None:
    upgrade(database, "0001")
    first = schema(database)
    database.upgrade()
    whole = schema(database)
    downgrade(database, "0001")
    assert schema(database) == first
    database.upgrade()
    assert schema(database) == whole


ROWS: dict[str, dict[str, object]] = {
    "users": {
        "username": "ada",
        "normalized_username": "ada",
        "email": "ada@index.example",
        "email_verified": True,
        "password_hash": "x",
        "is_administrator": False,
        "created": CREATED,
    },
    "projects": {
        "name": "example",
        "normalized_name": "example",
        "confusable_name": "example",
        "created": CREATED,
        "last_serial": 3,
        "created_by_id": 1,
    },
    "releases": {
        "project_id": 1,
        "version": "1.0",
        "canonical_version": "1",
        "created": CREATED,
        "yanked": True,
        "yanked_reason": "broken",
        "summary": "An example.",
        "requires_python": ">=3.11",
        "core_metadata": {"name": "example"},
        "description_html": "<p>",
    },
    "files": {
        "release_id": 1,
        "filename": "example-1.0.tar.gz",
        "packagetype": "sdist",
        "python_tag": "source",
        "requires_python": None,
        "size": 3_000_000_000,
        "sha256": "0" * 64,
        "md5": "0" * 32,
        "blake2_256": "0" * 64,
        "metadata_sha256": "1" * 64,
        "core_metadata": {"name": "example"},
        "created": CREATED,
        "uploaded_by_id": 1,
    },
    "roles": {"project_id": 1, "user_id": 1, "name": "owner"},
    "tokens": {
        "user_id": 1,
        "project_id": 1,
        "label": "ci",
        "prefix": "gr_12345678",
        "digest": "2" * 64,
        "permissions": ["stage"],
        "created": CREATED,
        "expires": None,
        "revoked": None,
        "last_used": None,
    },
    "published_names": {"filename": "example-1.0.tar.gz", "sha256": "0" * 64},
    "journal": {
        "id": 1,
        "project_name": "example",
        "version": "1.0",
        "action": "new release",
        "at": CREATED,
        "by": "ada",
    },
}


def rows(connection: Connection) -> dict[str, list[dict[str, object]]]:
    metadata = sqlalchemy.MetaData()
    metadata.reflect(connection)
    found = {}
    for name in ROWS:
        result = connection.execute(sqlalchemy.select(metadata.tables[name])).mappings()
        found[name] = [{key: _aware(value) for key, value in row.items()} for row in result]
    return found


def _aware(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


@pytest.fixture
def filled(database: Database) -> Database:
    """A database at the first revision with a row in each table."""
    upgrade(database, "0001")
    with database.engine.begin() as connection:
        metadata = sqlalchemy.MetaData()
        metadata.reflect(connection)
        for name, row in ROWS.items():
            table = metadata.tables[name]
            connection.execute(table.insert().values(row))
    return database


def test_what_was_there_before_drafts_has_always_been_public(filled: Database) -> None:
    upgrade(filled, "0002")
    with filled.engine.connect() as connection:
        found = rows(connection)
    for name, row in ROWS.items():
        (after,) = found[name]
        assert {key: after[key] for key in row} == row, name
    assert found["releases"][0]["published"] == CREATED
    assert found["files"][0]["published"] == CREATED
    assert found["files"][0]["draft_id"] is None
    assert found["projects"][0]["registered"] == CREATED
    assert found["projects"][0]["auto_publish_releases"]
    assert_sound(filled)


def test_it_is_the_same_after_a_step_down(filled: Database) -> None:
    with filled.engine.connect() as connection:
        before = rows(connection)
    upgrade(filled, "0002")
    downgrade(filled, "0001")
    with filled.engine.connect() as connection:
        assert rows(connection) == before
    assert_sound(filled)


def test_the_public_sees_it_after_the_upgrade(filled: Database) -> None:
    filled.upgrade()
    with filled.reading() as session:
        project = catalogue.project(session, "example")
        assert project is not None
        (file,) = catalogue.listing(session, project).files
        assert (file.filename, file.upload_time) == ("example-1.0.tar.gz", CREATED)


def test_what_is_published_already_is_found_after_the_upgrade(
    database: Database, tmp_path: Path
) -> None:
    database.upgrade()
    storage, settings = open_storage(None, tmp_path / "files"), Settings(data=tmp_path)
    with database.writing() as session:
        uow = UnitOfWork(session, storage, settings, CREATED)
        ada = factories.make_user(uow, "ada")
        factories.release(uow, ada, make_wheel(tmp_path, "two-words", summary="Old."))
        keywords = [("Keywords", "counting,sheep")]
        newer = make_wheel(
            tmp_path, "two-words", "1.10", summary="Größer.", metadata_extra=keywords
        )
        factories.release(uow, ada, newer, make_wheel(tmp_path, "two-words", "1.9"))
        factories.stage(uow, ada, make_wheel(tmp_path, "two-words", "2.0", summary="Secret."))
        factories.stage(uow, ada, make_wheel(tmp_path, "hidden"))
        session.commit()
    documents = sqlalchemy.select(SearchDocument.__table__)
    with database.reading() as session:
        by_publication = session.execute(documents).all()

    downgrade(database, "0002")
    database.upgrade()

    with database.reading() as session:
        assert session.execute(documents).all() == by_publication
        assert [row.name for row in by_publication] == ["two words"]
        for query, count in {"grösser": 1, "sheep two": 1, "twowords": 1, "old": 0}.items():
            assert search.find(session, query, 0, 10).total == count
        assert search.find(session, "secret", 0, 10).total == 0
        assert search.find(session, "hidden", 0, 10).total == 0
    assert_sound(database)


def test_what_is_published_already_is_found_by_its_classifiers(
    database: Database, tmp_path: Path
) -> None:
    """Classifiers came to the words after the first documents: those that are there learn them."""
    database.upgrade()
    storage, settings = open_storage(None, tmp_path / "files"), Settings(data=tmp_path)
    says = [("Classifier", "Topic :: Software Development"), ("Keywords", "sheep")]
    with database.writing() as session:
        uow = UnitOfWork(session, storage, settings, CREATED)
        ada = factories.make_user(uow, "ada")
        factories.release(uow, ada, make_wheel(tmp_path, "one", metadata_extra=says))
        factories.release(uow, ada, make_wheel(tmp_path, "two"))
        session.commit()

    def learned() -> set[str]:
        with database.reading() as session:  # of the older schema only what is asked for is there
            words = select(SearchDocument.keywords).where(SearchDocument.name == "one")
            return set(session.scalars(words).one().split())

    classifier = search_words.classifier("Topic :: Software Development")
    downgrade(database, "0009")
    assert learned() == {"sheep"}
    database.upgrade()
    assert learned() == {"sheep", classifier}
    with database.reading() as session:
        found = search.find(session, "Topic :: Software Development", 0, 10).releases
        assert [release.project.name for release in found] == ["one"]
    assert_sound(database)


def test_files_from_before_comments_have_none(filled: Database) -> None:
    upgrade(filled, "0006")
    with filled.engine.connect() as connection:
        before = rows(connection)
    filled.upgrade()
    with filled.engine.connect() as connection:
        (file,) = rows(connection)["files"]
    assert file["comment"] == ""
    downgrade(filled, "0006")
    with filled.engine.connect() as connection:
        assert rows(connection) == before
    assert_sound(filled)


def test_a_step_down_removes_what_is_staged_and_keeps_what_is_published(
    database: Database, tmp_path: Path
) -> None:
    database.upgrade()
    storage, settings = open_storage(None, tmp_path / "files"), Settings(data=tmp_path)
    with database.writing() as session:
        uow = UnitOfWork(session, storage, settings, CREATED)
        ada = factories.make_user(uow, "ada")
        factories.release(uow, ada, make_wheel(tmp_path))
        factories.stage(uow, ada, make_sdist(tmp_path))
        factories.stage(uow, ada, make_sdist(tmp_path, version="2.0"))
        reserving = factories.stage(uow, ada, make_wheel(tmp_path, "reserved"))
        factories.make_token(uow, ada, project=reserving.project)
        published = factories.stage(uow, ada, make_wheel(tmp_path, version="3.0"))
        publishing.publish(uow, Person(ada), published)
        session.commit()
    downgrade(database, "0001")
    with database.engine.connect() as connection:
        found = rows(connection)
    assert [row["name"] for row in found["projects"]] == ["example"]
    assert sorted(str(row["version"]) for row in found["releases"]) == ["1.0", "3.0"]
    assert sorted(str(row["filename"]) for row in found["files"]) == [
        "example-1.0-py3-none-any.whl",
        "example-3.0-py3-none-any.whl",
    ]
    assert len(found["roles"]) == 1
    assert found["tokens"] == []
    assert_sound(database)
    database.upgrade()
    with database.reading() as session:
        project = catalogue.project(session, "example")
        assert project is not None
        assert len(catalogue.listing(session, project).files) == 2


def assert_sound(database: Database) -> None:
    """Every foreign key names a row that is there; PostgreSQL sees to that by itself."""
    if database.is_sqlite:
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_all_revisions_are_one_transaction(database: Database) -> None:
    """Whoever begins meanwhile would else go on from where the first one was."""
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    database.upgrade()
    assert len(commits) == 1


def test_many_who_upgrade_at_once_all_succeed(database: Database) -> None:
    """As processes do that are started together; alembic itself serves one thread at a time."""
    url = database.engine.url.render_as_string(hide_password=False)
    program = "import sys; from greenroom.database import Database; Database(sys.argv[1]).upgrade()"
    running = [processes.start([sys.executable, "-c", program, url]) for _ in range(3)]
    assert [process.communicate() for process in running] == [("", "")] * 3
    assert [process.returncode for process in running] == [0, 0, 0]
    assert database.is_current()


def test_the_journal_is_about_projects_in_every_spelling(database: Database) -> None:
    upgrade(database, "0006")
    with database.engine.begin() as connection:
        metadata = sqlalchemy.MetaData()
        metadata.reflect(connection)
        row = ROWS["journal"]
        for number, name in enumerate(["Lab.Spell", "lab__spell", "other"], 1):
            connection.execute(
                metadata.tables["journal"]
                .insert()
                .values(row | {"id": number, "project_name": name})
            )
    database.upgrade()
    with database.reading() as session:
        found = session.execute(
            sqlalchemy.select(JournalEntry.id, JournalEntry.normalized_name).order_by(
                JournalEntry.id
            )
        ).all()
    assert found == [(1, "lab-spell"), (2, "lab-spell"), (3, "other")]


def test_a_step_down_keeps_what_people_may_do_by_teams(database: Database, tmp_path: Path) -> None:
    database.upgrade()
    storage, settings = open_storage(None, tmp_path / "files"), Settings(data=tmp_path)
    with database.writing() as session:
        uow = UnitOfWork(session, storage, settings, CREATED)
        ada, bob, eve = (factories.make_user(uow, name) for name in ("ada", "bob", "eve"))
        project = factories.release(uow, ada, make_wheel(tmp_path))
        factories.add_role(uow, project, bob, RoleName.MAINTAINER)
        factories.make_team(uow, ada, "wool", bob, eve, works_on=project)
        invitations.offer_to_team(uow, Person(ada), project, "wool", leaves=True)
        factories.make_team(uow, eve, "yarn", bob, works_on=project)
        invitations.invite(uow, Person(ada), project, factories.make_user(uow, "kim").username,
                           RoleName.OWNER)  # fmt: skip
        session.commit()
    downgrade(database, "0017")
    with database.engine.connect() as connection:
        found = rows(connection)
    assert sorted(str(row["name"]) for row in found["roles"]) == ["owner", "owner", "owner"]
    assert len({row["user_id"] for row in found["roles"]}) == 3
    assert_sound(database)
    database.upgrade()
    with database.reading() as session:
        uow = UnitOfWork(session, storage, settings, CREATED)
        parts = roles.own_parts(projects.get(uow, "example"))
        assert {user.username: name.value for user, name in parts.items()} == {
            "ada": "owner",
            "bob": "owner",
            "eve": "owner",
        }
