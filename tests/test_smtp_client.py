"""Handing a message to a mail server: a real one, which refuses, waits, or is not there."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom import smtp_client
from greenroom.smtp_client import MailFailed, MailRefused
from tests.mail_server import PASSWORD, USER, MailServer, certificate, mail_server

MESSAGE = b"Subject: Hello\r\n\r\nText\r\n"


def send(url: str) -> str:
    server = smtp_client.server_of(url)
    return smtp_client.send(
        server, "index.example", "from@index.example", "to@mail.example", MESSAGE
    )


# A server of which each connection begins with TLS does not count that.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_message_is_taken_over_starttls_with_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate(tmp_path)
    with mail_server(context, is_tls=True, authenticates=True) as server:
        with pytest.raises(MailFailed, match="certificate of the mail server is not trusted"):
            send(server.url_of(scheme="smtps"))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert send(server.url_of(scheme="smtps")) == "250 Queued as 7"
    with mail_server(context, authenticates=True) as server:
        assert send(server.url_of()) == "250 Queued as 7"
        with pytest.raises(
            MailFailed, match=r"refused the user name and the password \(535\)"
        ) as no:
            send(server.url_of("another password"))
        assert "another password" not in str(no.value)
        with pytest.raises(MailFailed, match="answered 530"):
            send(server.url)  # nobody signs in
    assert server.signed_in == [USER]
    assert [to for to, _ in server.taken] == [["to@mail.example"]]


def test_only_on_this_machine_or_where_the_url_says_so_nothing_needs_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = {
        url: smtp_client.server_of(url).needs_starttls
        for url in (
            *("smtp://mail.example", "smtp://user:password@mail.example:25"),
            *("smtp+plain://mail.example", "smtp://localhost", "smtp://[::1]:25"),
            *("smtp://127.0.0.1", "smtps://mail.example"),
        )
    }
    assert list(needs.values()) == [True, True, False, False, False, False, False]
    assert smtp_client.server_of("smtp://a%40b:p%2Fq@mail.example").password == "p/q"
    monkeypatch.setattr(smtp_client.MailServer, "is_here", False)
    with mail_server() as server:
        with pytest.raises(MailFailed, match="does not offer STARTTLS"):
            send(server.url)
        assert send(server.url.replace("smtp", "smtp+plain")) == "250 Queued as 7"
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("say", "kind", "sentence"),
    [
        (lambda s: s.answers.append("550 No such user"), MailRefused, "550 No such user"),
        (lambda s: s.answers.append("450 Come back"), MailFailed, "450 Come back"),
        (lambda s: s.to_data.append("554 Spam"), MailRefused, "554 Spam"),
        (lambda s: s.to_data.append("451 Later"), MailFailed, "451 Later"),
    ],
)
def test_what_is_refused_for_good_is_told_from_what_may_be_taken_later(
    say: Callable[[MailServer], None], kind: type[MailFailed], sentence: str
) -> None:
    with mail_server() as server:
        say(server)
        with pytest.raises(MailFailed, match=sentence) as failure:
            send(server.url)
        assert type(failure.value) is kind
        assert send(server.url) == "250 Queued as 7"


def test_a_server_that_is_away_or_slow_or_none_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with mail_server() as server:
        server.delay = 5
        monkeypatch.setattr(smtp_client, "TIMEOUT_SECONDS", 0.2)
        with pytest.raises(MailFailed, match="did not answer within"):
            send(server.url)
    with pytest.raises(MailFailed, match="cannot be reached"):
        send(server.url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        with pytest.raises(MailFailed, match=r"closed the connection|cannot be reached"):
            send(f"smtp://127.0.0.1:{port}")
    assert PASSWORD not in server.url
