"""The log: its form, its secrets, and that nobody waits for whoever reads it."""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import structlog

from greenroom import logs
from greenroom.database import Database
from greenroom.registry.random_text import random_text
from greenroom.settings import Settings


@contextmanager
def logging_to() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    before, handlers = structlog.get_config(), list(logging.root.handlers)
    with redirect_stderr(io.StringIO()) as stream:
        logs.configure(Settings(log_format="json"))
        try:
            yield stream
        finally:
            structlog.configure(**before)
            logging.root.handlers[:] = handlers


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_of_libraries_have_the_form_of_our_own() -> None:
    with logging_to() as said, structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.get_logger("greenroom").warning("ours", count=2)
        logging.getLogger("gunicorn.error").warning("%s of a library", "theirs")

    ours, theirs = lines(said)
    assert ours == {"event": "ours", "count": 2} | {
        key: ours[key] for key in ("timestamp", "level", "request_id")
    }
    assert theirs["event"] == "theirs of a library"
    for line in (ours, theirs):
        assert (line["level"], line["request_id"]) == ("warning", "abc")
        assert str(line["timestamp"]).endswith("Z")


def test_no_exception_says_what_is_secret(tmp_path: Path) -> None:
    with logging_to() as said:
        slug, token = random_text(22), "gr_" + random_text(48)
        (tmp_path / "empty.sqlite").touch()
        engine = Database(f"sqlite:///{tmp_path}/empty.sqlite").engine
        for statement, parameters in (
            (f"SELECT nothing FROM [{slug}] WHERE x = ?", ("a password",)),
            ("SELECT ? FROM nowhere", (token,)),
        ):
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql(statement, parameters)
            except Exception:
                structlog.get_logger("greenroom").exception(
                    "failed", of=[slug], who={"token": token}
                )
                logging.getLogger("another").exception("failed with %s", token)
        engine.dispose()

    assert len(lines(said)) == 4
    assert "no such table" in said.getvalue()
    for secret in (slug, token, "a password"):
        assert secret not in said.getvalue()


def test_who_logs_waits_for_nobody_and_what_is_dropped_is_said() -> None:
    with logging_to() as said:
        reading, writing = os.pipe()
        writer = logs.Writer(writing, most_waiting=200_000)
        line = "x" * 999 + "\n"
        for _ in range(2000):
            writer.put(line, soon=True)  # nobody reads: it is more than may wait
        got: list[bytes] = []
        reader = threading.Thread(
            target=lambda: got.extend(iter(lambda: os.read(reading, 65536), b""))
        )
        reader.start()
        writer.close()
        os.close(writing)
        reader.join()
        os.close(reading)

    arrived = b"".join(got).splitlines()
    assert {bytes(each) for each in arrived} == {line.encode().rstrip()}
    (complaint,) = lines(said)
    assert complaint["event"] == "log lines were dropped"
    assert complaint["count"] == 2000 - len(arrived)
    assert 200 <= len(arrived) < 2000


def test_a_log_that_nobody_takes_any_more_is_given_up() -> None:
    with logging_to() as said:
        reading, writing = os.pipe()
        os.close(reading)
        writer = logs.Writer(writing)
        writer.put("one\ntwo\n")
        writer.close()
        os.close(writing)

    assert [line["count"] for line in lines(said)] == [2]
