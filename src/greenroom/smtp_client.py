"""Hands one message to a mail server: SMTP (RFC 5321), STARTTLS (RFC 3207), AUTH (RFC 4954)."""

import smtplib
import ssl
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from msgspec import Struct

TIMEOUT_SECONDS = 20
"""So long each answer may take."""

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_LONGEST_ANSWER = 300
_SLOW = "The mail server did not answer within {} seconds."


class MailFailed(Exception):
    """The message was not taken, and may be later. The text is a short reason without secrets."""


class MailRefused(MailFailed):
    """The server will never take this message, or never for this recipient."""


class MailServer(Struct, frozen=True):
    """Where mail is handed in.

    Attributes:
        user: None where one does not sign in.
        is_tls: whether the connection begins with TLS.
        is_plain: whether nothing is ever encrypted.
    """

    host: str
    port: int
    user: str | None
    password: str
    is_tls: bool = False
    is_plain: bool = False

    @property
    def needs_starttls(self) -> bool:
        """Whether nothing is sent before STARTTLS."""
        return not (self.is_tls or self.is_plain or self.is_here)

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, so that nobody can listen on the way."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def server_of(url: str) -> MailServer:
    """The server of a URL such as ``smtp://user:password@host:587``.

    ``smtps`` begins with TLS. ``smtp`` goes on with STARTTLS, and fails where the server has not
    got it, unless it is on this machine. ``smtp+plain`` encrypts nothing.
    """
    parts = urlsplit(url)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password or ""),
        is_tls=parts.scheme == "smtps",
        is_plain=parts.scheme == "smtp+plain",
    )


def send(server: MailServer, hello: str, sender: str, recipient: str, message: bytes) -> str:
    """Hand a message in, and give what the server said when it took it.

    Args:
        server: where.
        hello: what this machine calls itself.
        sender: the address that what cannot be delivered goes back to.
        recipient: the one address that it goes to.
        message: header and body (RFC 5322), lines ending in CRLF.

    Raises:
        MailRefused: the recipient or the message was refused for good (5xx).
        MailFailed: the server cannot be reached, does not let us in, or wants it later.
    """
    try:
        client = _connected(server, hello)
        try:
            answer = _hand_in(client, sender, recipient, message)
            with suppress(smtplib.SMTPException, OSError):  # it is taken, whatever comes now
                client.quit()
            return answer
        finally:
            client.close()
    except TimeoutError:
        raise MailFailed(_SLOW.format(TIMEOUT_SECONDS)) from None
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message.rstrip(".")
        raise MailFailed(f"The certificate of the mail server is not trusted: {why}.") from None
    except smtplib.SMTPServerDisconnected as error:
        if isinstance(error.__context__, TimeoutError):
            raise MailFailed(_SLOW.format(TIMEOUT_SECONDS)) from None
        raise MailFailed("The mail server closed the connection.") from None
    except smtplib.SMTPResponseException as error:
        raise MailFailed(_answered("The mail server", error.smtp_code, error.smtp_error)) from None
    except smtplib.SMTPException as error:
        raise MailFailed(f"The mail server cannot be used: {type(error).__name__}.") from None
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else None
        raise MailFailed(
            f"The mail server cannot be reached: {reason or type(error).__name__}."
        ) from None


def _connected(server: MailServer, hello: str) -> smtplib.SMTP:
    """A connection, as private as the server's settings demand, and signed in."""
    context = ssl.create_default_context()
    if server.is_tls:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, hello, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        client = smtplib.SMTP(server.host, server.port, hello, timeout=TIMEOUT_SECONDS)
    try:
        client.ehlo_or_helo_if_needed()
        if not server.is_tls and not server.is_plain:
            _begin_tls(client, server, context)
        if server.user is not None:
            _sign_in(client, server.user, server.password)
    except BaseException:
        client.close()
        raise
    return client


def _begin_tls(client: smtplib.SMTP, server: MailServer, context: ssl.SSLContext) -> None:
    """Go on with TLS where that is demanded, or where a password follows and it is offered.

    Mail servers on the same machine often have certificates that nobody signed, and nobody needs.
    """
    if client.has_extn("starttls") and (server.needs_starttls or server.user is not None):
        client.starttls(context=context)
        client.ehlo_or_helo_if_needed()
    elif server.needs_starttls:
        raise MailFailed(
            "The mail server does not offer STARTTLS: use smtps, or smtp+plain where nobody can "
            "listen on the way."
        )


def _sign_in(client: smtplib.SMTP, user: str, password: str) -> None:
    try:
        client.login(user, password)
    except smtplib.SMTPAuthenticationError as error:  # its text may repeat what was sent
        raise MailFailed(
            f"The mail server refused the user name and the password ({error.smtp_code})."
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise MailFailed("The mail server lets nobody sign in over this connection.") from None


def _hand_in(client: smtplib.SMTP, sender: str, recipient: str, message: bytes) -> str:
    code, text = client.mail(sender)
    if code != 250:
        raise MailFailed(_answered("The mail server takes nothing of this sender and", code, text))
    code, text = client.rcpt(recipient)
    if code not in (250, 251):
        _refuse("The mail server does not take this recipient and", code, text)
    try:
        code, text = client.data(message)
    except smtplib.SMTPDataError as error:
        code, text = error.smtp_code, _bytes(error.smtp_error)
    if code != 250:
        _refuse("The mail server does not take this message and", code, text)
    return f"{code} {_text(text)}"


def _refuse(who: str, code: int, text: bytes) -> None:
    kind = MailRefused if 500 <= code < 600 else MailFailed
    raise kind(_answered(who, code, text))


def _answered(who: str, code: int, text: bytes | str) -> str:
    return f"{who} answered {code} {_text(_bytes(text))}."


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def _text(answer: bytes) -> str:
    """What a server said, on one line, and not for ever."""
    said = " ".join(answer.decode("utf-8", "replace").split())
    return "".join(c for c in said if c.isprintable())[:_LONGEST_ANSWER].rstrip(".")
