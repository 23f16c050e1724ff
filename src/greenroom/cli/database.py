"""``greenroom db``: the schema, and moving to another database."""

import sys
from contextlib import closing

import click

from greenroom.cli.locks import stopped
from greenroom.cli.opening import opened, with_services
from greenroom.cli.printing import print_table, progress_bar
from greenroom.database import Database
from greenroom.registry import database_copy, schema
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services
from greenroom.settings import check_database_url
from greenroom.settings_sources import BadSettings


@click.group()
def db() -> None:
    """The database's schema."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema to the newest revision."""
    with opened(may_begin=True) as services:
        schema.upgrade(services, OPERATOR)
    click.echo("The database is up to date.")


@db.command("check")
def db_check() -> None:
    """Say whether the schema is at the newest revision; exit status 1 when it is behind."""
    with opened(may_begin=False) as services:
        if not services.database.is_current():
            raise BadSettings("The database is behind: run 'greenroom db upgrade'.")
    click.echo("The database is up to date.")


@db.command("copy")
@click.argument("url", metavar="URL|-")
@with_services
def db_copy(services: Services, url: str) -> None:
    """Copy the database into the empty one at URL, such as postgresql+psycopg2://host/database.

    With '-' the URL is read from standard input, where no other account sees a password in it. The
    index has to be stopped meanwhile. Afterwards, set GREENROOM_DATABASE_URL to the URL.
    """
    if url == "-":
        url = sys.stdin.readline().strip()
    check_database_url("URL", url)
    with stopped(services), closing(Database(url)) as target, progress_bar() as progress:
        copied = database_copy.copy(services, target, progress)
    print_table(("Table", "Rows"), [(each.table, each.rows) for each in copied])
    click.echo(
        "All rows are in both databases. Set GREENROOM_DATABASE_URL to the new one, and start no "
        "index on the old one any more: the storage belongs to whichever has this identity."
    )
