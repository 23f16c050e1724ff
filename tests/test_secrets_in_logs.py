"""That secrets in the logs of tests are noticed."""

import logging
from pathlib import Path

import pytest
import structlog

from greenroom.registry import accounts, random_text
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories, secrets_in_logs
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


def log_a_password(folder: Path) -> None:
    with serving(folder, workers=1) as server, (folder / "serve.log").open("a") as log:
        accounts._hashed("a password that was sent")
        log.write(f"{server.url} has got a password that was sent\n")
