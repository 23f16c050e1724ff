"""Sending messages: what the job of a message does, and the message that an operator asks for."""

from datetime import datetime

import structlog

from greenroom import smtp_client, times
from greenroom.mailing import messages
from greenroom.mailing.messages import Body
from greenroom.models.base import JSONObject
from greenroom.registry import accounts, mail
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.mail import Letter
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from greenroom.smtp_client import MailRefused
from greenroom.web.http.urls import Urls

log = structlog.get_logger("greenroom.mail")


def send(services: Services, payload: JSONObject) -> None:
    """Send the message of a job, if it is still to be sent.

    What a server refuses for good is given up, with a line in the log. A process that is killed
    after the server took a message sends it again, with the same Message-ID.

    Raises:
        smtp_client.MailFailed: the server may take it later.
    """
    if services.settings.mail_url is None:
        return
    # A link is made by whoever sends it, so that nobody keeps its secret for them.
    opened = services.writing() if mail.makes_link(payload) else services.reading()
    with opened as uow:
        letter, now = mail.letter(uow, payload), uow.now
    if letter is None:
        return
    try:
        message = messages.message(services.settings, letter, now).as_bytes()
        _deliver(services.settings, letter.address, message)
    except (MailRefused, ValueError) as refusal:
        log.warning("mail is given up", user=letter.username, act=letter.act, reason=str(refusal))
        return
    with services.writing() as uow:
        mail.sent(uow, payload)
    log.info("mail is sent", user=letter.username, act=letter.act)


def send_test(settings: Settings, address: str, now: datetime) -> str:
    """Send a message that says that mail works, and give what the server answered.

    Raises:
        InvalidRequest: no mail is sent by this index, or it is no address.
        smtp_client.MailFailed: the server does not take it.
    """
    if settings.mail_url is None:
        raise InvalidRequest("This index sends no mail: set GREENROOM_MAIL_URL first.")
    problems = accounts.email_problems(address)
    if problems:
        raise InvalidRequest(problems[0], problems)
    letter = Letter("", address, "test", {}, f"test {times.microseconds(now)} {address}")
    body = Body(
        "Mail works",
        ("This message was asked for on the command line, to see whether mail arrives.",),
        (),
        ("The index", Urls(settings.url or "").home()),
        "",
        "There is nothing to do.",
    )
    message = messages.composed(settings, letter, body, now).as_bytes()
    return _deliver(settings, address, message)


def _deliver(settings: Settings, address: str, message: bytes) -> str:
    server = smtp_client.server_of(settings.mail_url or "")
    sender = messages.sender(settings)
    return smtp_client.send(server, messages.host(settings), sender, address, message)
