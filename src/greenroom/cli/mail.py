"""``greenroom mail``: whether mail works."""

import click

from greenroom.cli.failures import fail
from greenroom.mailing import sending
from greenroom.registry.unit_of_work import utc_now
from greenroom.settings import load_settings
from greenroom.smtp_client import MailFailed


@click.group("mail")
def mail_group() -> None:
    """The mail that the index sends."""


@mail_group.command("test")
@click.argument("address")
def mail_test(address: str) -> None:
    """Send a message to ADDRESS now, and print what the mail server answered."""
    try:
        answer = sending.send_test(load_settings(), address, utc_now())
    except MailFailed as failure:
        fail(str(failure))
    click.echo(f"The mail server took it: {answer}")
