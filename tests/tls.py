"""TLS on loopback: a certificate authority made for the test, and what ends TLS before a server."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_PIECE = 64 * 1024
_HANDSHAKE = b"\x16"


@dataclass(frozen=True)
class Authority:
    """A certificate authority: the file that clients are to trust, and one that a server shows."""

    certificate: Path
    server: Path
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    def issue(self, path: Path, *hosts: str, until: timedelta = timedelta(days=1)) -> Path:
        """Write what a server of these names and addresses shows, until so long from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        names = x509.SubjectAlternativeName([_named(host) for host in hosts])
        shown = _certificate(subject, _NAME, key, self._key, names, until)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + shown)
        return path


def make_authority(folder: Path, *hosts: str) -> Authority:
    """An authority, with a certificate for a server of these names and addresses."""
    own = ec.generate_private_key(ec.SECP256R1())
    root = _certificate(_NAME, _NAME, own, own, x509.BasicConstraints(ca=True, path_length=0))
    made = Authority(folder / "authority.pem", folder / "server.pem", own)
    made.certificate.write_bytes(root)
    made.issue(made.server, *hosts)
    return made


_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    until: timedelta = timedelta(days=1),
) -> bytes:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + until)
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


@dataclass
class Front:
    """Ends TLS on loopback, for whoever connects, or asks for it as a proxy is asked (CONNECT).

    ``asked`` has the hosts that it was asked for as a proxy: all of them are the one server.
    """

    port: int
    backend: tuple[str, int]
    context: ssl.SSLContext
    asked: list[str] = field(default_factory=list)
    _open: set[socket.socket] = field(default_factory=set)

    def show(self, server: Path) -> None:
        """Show another certificate from now on, for which all connections are ended."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server)
        self.context = context
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection: socket.socket) -> None:
        """One connection, to its end."""
        with suppress(OSError), closing(connection):
            connection.settimeout(60)
            if connection.recv(1, socket.MSG_PEEK) != _HANDSHAKE:
                self._answer_connect(connection)
            with (
                self.context.wrap_socket(connection, server_side=True) as plain,
                socket.create_connection(self.backend) as server,
            ):
                self._open.add(server)
                try:
                    back = threading.Thread(target=_copy, args=(server, plain), daemon=True)
                    back.start()
                    _copy(plain, server)
                    back.join()
                finally:
                    self._open.discard(server)

    def _answer_connect(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(_PIECE)
            if not piece:
                raise OSError("no request")
            head += piece
        self.asked.append(head.split()[1].decode())
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def tls_before(port: int, authority: Authority) -> Iterator[Front]:
    """TLS before what listens on a port of loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server)
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        front = Front(listening.getsockname()[1], ("127.0.0.1", port), context)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=front.serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield front
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join()
