"""A mail server on this machine: it takes what is sent, and keeps it for tests to look at."""

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "greenroom", "a password of the mail server"


@dataclass
class MailServer:
    """A running server.

    Attributes:
        port: where it listens.
        taken: what it took, the oldest first: to whom, and the message.
        answers: what it says to the next recipients, in place of taking them.
        to_data: what it says to the next messages, in place of taking them.
        delay: so many seconds pass before it says anything to a recipient.
        signed_in: under which names somebody signed in.
    """

    port: int = 0
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    to_data: list[str] = field(default_factory=list)
    delay: float = 0.0
    signed_in: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its URL, without a user."""
        return f"smtp://127.0.0.1:{self.port}"

    def url_of(self, password: str = PASSWORD, scheme: str = "smtp") -> str:
        """Its URL, with a user."""
        quoted = password.replace(" ", "%20")
        return f"{scheme}://{USER}:{quoted}@localhost:{self.port}"

    def subjects(self) -> list[tuple[str, str]]:
        """To whom each message went, and its subject without the name of the index."""
        return [
            (",".join(to), str(message["Subject"]).removeprefix("[index.example] "))
            for to, message in self.taken
        ]

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802 (the name that aiosmtpd looks for)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await asyncio.sleep(self.delay)
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.to_data:
            return self.to_data.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        made = message_from_bytes(content, policy=policy.default)
        assert isinstance(made, EmailMessage)
        self.taken.append((list(envelope.rcpt_tos), made))
        return "250 Queued as 7"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        if right:
            self.signed_in.append(data.login.decode())
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None,
    *,
    port: int = 0,
    is_tls: bool = False,
    authenticates: bool = False,
) -> Iterator[MailServer]:
    """A server that runs until the block ends.

    Args:
        tls: what STARTTLS goes on with; none is offered without it.
        port: where to listen; anywhere by default.
        is_tls: whether connections begin with TLS.
        authenticates: whether it takes mail of nobody who has not signed in, over TLS.
    """
    made = MailServer()

    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            made,
            hostname="mail.example",
            tls_context=None if is_tls else tls,
            require_starttls=authenticates and not is_tls,
            auth_required=authenticates,
            auth_require_tls=authenticates and not is_tls,
            authenticator=made.authenticate if authenticates else None,
            loop=loop,
        )

    # In a thread of its own from its beginning: tests of browsers have a loop in this one.
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    begin = loop.create_server(protocol, "127.0.0.1", port, ssl=tls if is_tls else None)
    server = asyncio.run_coroutine_threadsafe(begin, loop).result()
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    """Let nobody in, and end what goes on."""
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)  # in which transports close


def certificate(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """What a server shows that calls itself so, and the file of who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    with_key = folder / "with-key.pem"
    with_key.write_bytes(
        file.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(with_key)
    return context, file
