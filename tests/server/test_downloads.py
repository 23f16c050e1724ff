"""Downloads that a running server sends are counted, wherever it takes the bytes from."""

import random
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError

from sqlalchemy import select

from greenroom.models import File, FileDownloads
from greenroom.registry import accounts
from greenroom.web.http.urls import published_file_path
from tests import factories
from tests.artifacts import make_wheel
from tests.serving import Server, serving


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> int:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{server.url}{path}", headers=said, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        return error.code


def counts(server: Server) -> dict[str, int]:
    with server.services() as services, services.reading() as uow:
        rows = uow.db.execute(
            select(File.filename, FileDownloads.count).join(
                FileDownloads, FileDownloads.file_id == File.id
            )
        )
        return {filename: count for filename, count in rows}  # noqa: C416


def test_each_whole_answer_counts_once_and_nothing_else(tmp_path: Path) -> None:
    small = make_wheel(tmp_path / "dist", "small")
    large = make_wheel(tmp_path / "dist", "large", payload=random.Random(1).randbytes(200_000))
    draft = make_wheel(tmp_path / "dist", "draft")
    day = datetime.now(UTC).date()
    with serving(tmp_path, settings={"GREENROOM_URL": "http://index.example"}) as server:
        server.user("ada")
        with server.services() as services, services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            factories.release(uow, ada, small)
            factories.release(uow, ada, large)
            slug = factories.stage(uow, ada, draft).slug
        for path in (small, large):
            digest = factories.artifact_of(path).sha256
            address = f"/{published_file_path(digest, path.name)}"
            for _ in range(3):  # the first is the application's, the others are kept
                assert ask(server, address) == 200
            assert ask(server, address, Range="bytes=0-") == 206
            assert ask(server, address, Range="bytes=10-20") == 206
            assert ask(server, address, Range="bytes=-5") == 206
            assert ask(server, address, "HEAD") == 200
            assert ask(server, address, If_None_Match=f'"{digest}"') == 304
            assert ask(server, f"{address}.metadata") == 200
            assert ask(server, address.replace(digest[4:], "0" * 60)) == 404
        assert ask(server, f"/draft/{slug}/files/{draft.name}") == 200
        stopped = server
    if datetime.now(UTC).date() == day:
        assert counts(stopped) == {small.name: 4, large.name: 4}
