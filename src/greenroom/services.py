"""Opens what outlives a unit of work: the database and the storage of the settings."""

from greenroom.database import Database
from greenroom.registry.unit_of_work import Clock, Services, utc_now
from greenroom.settings import PRIVATE_FOLDER, Settings
from greenroom.storage import open_storage
from greenroom.storage.disk import disk_errors, make_folder


def open_services(settings: Settings, clock: Clock = utc_now) -> Services:
    """The database and the storage of these settings; nothing is connected yet.

    The data folder is made where there is none, for the account of the index alone.

    Raises:
        ValueError: the storage's URL is not understood.
        greenroom.storage.StorageUnavailable: its driver is not installed, or the folder cannot be
            made.
    """
    with disk_errors(settings.data):
        make_folder(settings.data.absolute(), PRIVATE_FOLDER)
    return Services(
        database=Database(settings.sqlalchemy_url),
        storage=open_storage(
            settings.storage_url,
            settings.files,
            s3_endpoint=settings.s3_endpoint,
            s3_public_endpoint=settings.s3_public_endpoint,
        ),
        settings=settings,
        clock=clock,
    )
