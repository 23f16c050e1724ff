"""That secrets in the logs of tests are noticed."""

import logging
import os
import sys
from pathlib import Path

import pytest
import structlog

from greenroom.registry import passwords, random_text
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories, processes, secrets_in_logs
from tests.secrets_in_logs import SecretLogged
from tests.serving import serving


def test_a_secret_that_is_logged_here_is_noticed(uow: UnitOfWork) -> None:
    slug, token = (
        random_text.random_text(22),
        factories.make_token(uow, factories.make_user(uow)),
    )
    for ordinary in (slug[:4], token[:11], "correct horse", f"/draft/{slug}/", token):
        structlog.get_logger("greenroom").warning("said", of=ordinary)
    secrets_in_logs.look_through()  # what is cut is none any more

    for secret in (" ".join(slug[:21]).replace(" ", ""), factories.PASSWORD):
        logging.getLogger("another").warning("it is %s", secret)
        with pytest.raises(SecretLogged):
            secrets_in_logs.look_through()


def test_a_secret_in_the_log_of_a_server_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(SecretLogged):
        log_a_password(tmp_path)


@pytest.mark.parametrize("end", ["returns", "is killed"])
def test_a_secret_in_the_log_of_another_process_is_noticed(end: str) -> None:
    slug = random_text.random_text(22)
    code = f"import os, sys; print({slug!r}, file=sys.stderr, flush=True)"
    if end == "is killed":
        code += "; os.kill(os.getpid(), 9)"
    with pytest.raises(SecretLogged, match=slug):
        processes.run([sys.executable, "-c", code])
    with processes.start([sys.executable, "-c", code]) as process:
        assert process.communicate() == ("", f"{slug}\n")
    with pytest.raises(SecretLogged, match=slug):
        processes.look_through_ended()
    processes.look_through_ended()  # it is told once

    child = processes.fork(lambda: logging.getLogger("another").warning(slug[:21]))
    assert os.waitpid(child, 0)[1] != 0


def log_a_password(folder: Path) -> None:
    with serving(folder, workers=1) as server, (folder / "serve.log").open("a") as log:
        passwords.hashed("a password that was sent")
        log.write(f"{server.url} has got a password that was sent\n")
