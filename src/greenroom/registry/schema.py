"""The schema of the database, brought up to date by somebody."""

from greenroom.registry import audit
from greenroom.registry.audit import Doer, Kind
from greenroom.registry.unit_of_work import Services


def upgrade(services: Services, by: Doer) -> None:
    """Bring the schema to the newest revision, which the audit log then says.

    It says nothing of a schema that is new: what has no row yet is an empty database.

    Raises:
        greenroom.database.UnusableDatabase: the database lacks something that the schema needs, or
            is of a newer version of Greenroom.
    """
    if services.database.is_current():
        return
    before = services.database.revision()
    services.database.upgrade()
    after = services.database.revision()
    if before is not None and before != after:
        detail = f"from {before} to {after}"
        with services.writing() as uow:
            audit.write(uow, Kind.DATABASE_UPGRADE, by, detail=detail)
