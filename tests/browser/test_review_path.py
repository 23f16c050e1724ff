"""The whole way of a release: staged by a workflow, reviewed, repaired, approved, and public."""

import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import update

from greenroom.models import RoleName, SignInSession
from greenroom.registry import (
    approvals,
    expected_files,
    projects,
    required_checks,
    trusted_publishers,
    webhooks,
)
from greenroom.registry.approvals import Rules
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.webhooks import OfIndex, Wanted
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.browser import test_second_factors
from tests.browser.test_second_factors import FACTORS, having_authenticator
from tests.clients.twine_stage.conftest import Uploader
from tests.issuing import FakeCI, closed_port, issuing
from tests.registry.test_trusted_publishers import CLAIMS, VALUES
from tests.serving import Server, serving
from tests.webhook_receivers import WAIT, Receiver, receiving

PROJECTS = ("beacon", "harbour", "lantern")
LINUX = "cp313-cp313-manylinux_2_17_x86_64"
DRAFT = "/manage/project/{}/draft/2.0/"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Stage:
    """An index, the CI service whose workflow it trusts, and who is told of what happens."""

    server: Server
    ci: FakeCI
    receiver: Receiver
    folder: Path

    @property
    def url(self) -> str:
        """Passkeys are bound to names: none is of an address."""
        return self.server.url.replace("127.0.0.1", "localhost")

    def job(self) -> Uploader:
        """A job of the workflow, with a token that it got for what its service says of it."""
        audience = self.ask("/_/oidc/audience")["audience"]
        given = self.ask("/_/oidc/mint-token", {"token": self.ci.sign({"aud": audience})})
        home = self.folder / f"job-{given['token'][-6:]}"
        home.mkdir()
        return Uploader(home, self.url, given["token"])

    def ask(self, path: str, body: object = None, token: str = "") -> Any:
        """What a program gets."""
        request = urllib.request.Request(
            path if path.startswith("http") else self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                pytest.fail(error.read().decode())

    def wheel(self, project: str, *, tag: str = "py3-none-any", pth: bool = False) -> Path:
        extra = {f"{project}.pth": b"import os; os.environ.get('HOME')\n"} if pth else {}
        return make_wheel(
            self.folder / ("planted" if pth else "dist"), project, "2.0", tag=tag, extra_files=extra
        )

    def forget_factors(self) -> None:
        """As if an hour went by."""
        with self.server.services() as services, services.writing() as uow:
            uow.db.execute(update(SignInSession).values(second_factor=None))


def _settle(uow: UnitOfWork, ci: FakeCI, receiver: Receiver, folder: Path) -> None:
    """Three projects that two people work on, with releases; what they want of the next ones."""
    ada = Person(factories.make_user(uow, "ada"))
    grace = factories.make_user(uow, "grace")
    service = trusted_publishers.service_named(uow.settings, "github")
    for name in PROJECTS:
        files = [make_sdist(folder, name), make_wheel(folder, name)]
        files += [make_wheel(folder, name, tag=LINUX)] if name == "beacon" else []
        project = factories.release(uow, ada, *files)
        factories.add_role(uow, project, grace, RoleName.OWNER)
        values = {**VALUES, "repository": "harbour"}
        trusted_publishers.add(uow, OPERATOR, project, service, values, may_publish=False)
        approvals.change_rules(uow, OPERATOR, project, Rules(2, by_others=True))
    beacon = projects.get(uow, "beacon")
    expected_files.change(uow, OPERATOR, beacon, "sdist\nmanylinux x86_64 cp313")
    required_checks.change(uow, OPERATOR, beacon, ["tests"])
    wanted = Wanted("Room", receiver.url, "json", ("checked", "approved", "published"))
    webhooks.add(uow, OPERATOR, OfIndex(), wanted)
    ci.claims = {
        **CLAIMS,
        "repository": "ada/harbour",
        "workflow_ref": "ada/harbour/.github/workflows/release.yml@refs/tags/v1.0",
    }


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    port = closed_port()
    with issuing() as ci, receiving() as receiver:
        settings = {
            "GREENROOM_URL": f"http://localhost:{port}",
            "GREENROOM_TRUSTED_ISSUERS": f"github={ci.url}",
            "GREENROOM_WEBHOOK_NETWORKS": "127.0.0.0/8",
        }
        with serving(tmp_path, settings=settings, port=port) as server:
            with server.services() as services, services.writing() as uow:
                _settle(uow, ci, receiver, tmp_path / "before")
            yield Stage(server, ci, receiver, tmp_path)


class Reviewer(test_second_factors.Person):
    """Somebody who works on the projects, with a passkey."""

    def add_passkey(self) -> None:
        self.enter_password()
        self.go(f"{FACTORS}passkey")
        self.page.get_by_label("Name").fill("Laptop")
        self.press("Add a passkey")
        self.codes()

    def review(self, project: str) -> None:
        """Open the review of a draft, and read it again until all files were looked into."""
        self.go(DRAFT.format(project))
        self.page.get_by_role("button", name="Review", exact=True).click()
        while self.page.get_by_role("link", name="Reload this page").count():
            self.page.wait_for_timeout(300)
            self.page.reload()

    def open_set(self) -> None:
        """Go from a draft to its set."""
        self.go(DRAFT.format("beacon"))
        self.page.get_by_role("link", name="ada/2026.11").click()

    def open_publishing(self) -> None:
        """Ask to publish the set, with the passkey."""
        self.open_set()
        self.press("Publish…")
        self.confirm()
        self.heading("Publish 2026.11?")

    def confirm(self) -> None:
        """Show the passkey once more."""
        self.heading("Confirm who you are")
        self.press("Use a passkey")


@contextmanager
def reading_all_the_time(stage: Stage) -> Iterator[list[tuple[str, ...]]]:
    """Somebody who asks for all projects, beginning with another one each time.

    What is shown of one project is shown of all that are asked for later. Gives, for each turn in
    which this was not so, what was seen.
    """
    halves: list[tuple[str, ...]] = []
    over = threading.Event()

    def has(project: str) -> bool:
        page = stage.server.get(f"/simple/{project}/", SIMPLE_JSON)
        return "2.0" in json.loads(page.body)["versions"]

    def read() -> None:
        for first in cycle(range(len(PROJECTS))):
            if over.is_set():
                return
            order = (*PROJECTS[first:], *PROJECTS[:first])
            seen = [has(project) for project in order]
            if sorted(seen) != seen:
                halves.append(tuple(f"{a} {b}" for a, b in zip(order, seen, strict=True)))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            yield halves
        finally:
            over.set()
        reader.result()


def told(receiver: Receiver, event: str, count: int) -> Counter[str]:
    """Wait until the receiver was told of an event so often; gives how often of each project."""
    while True:
        bodies = [json.loads(heard.body) for heard in list(receiver.heard)]
        found = Counter(each["project"] for each in bodies if each["event"] == event)
        if found.total() >= count:
            return found
        receiver.arrivals.get(timeout=WAIT)


def test_three_projects_are_staged_reviewed_repaired_approved_and_published_as_one(
    stage: Stage, browser: Browser
) -> None:
    # A workflow stages into a set: one wheel is missing, and another one has a file too many.
    job = stage.job()
    files = [stage.wheel(name, pth=name == "harbour") for name in PROJECTS]
    job.run("stage", "--set", "2026.11", *files, make_sdist(files[0].parent, "beacon", "2.0"))

    with ExitStack() as stack:
        people = [
            Reviewer(stack.enter_context(having_authenticator(browser, stage.server, name))[0].page,
                     stage.server, name)
            for name in ("ada", "grace")
        ]  # fmt: skip
        ada, grace = people
        for person in people:
            person.add_passkey()

        # The reviewer sees both.
        ada.review("harbour")
        expect(ada.page.locator("#findings")).to_contain_text("harbour.pth")
        expect(ada.page.locator("#origin")).to_contain_text("github:ada/harbour")
        ada.review("beacon")
        obstacles = ada.page.locator(".obstacles")
        expect(obstacles).to_contain_text("manylinux x86_64 cp313")
        expect(obstacles).to_contain_text("tests")
        stage.forget_factors()
        ada.open_publishing()
        expect(ada.page.get_by_role("alert")).to_contain_text("manylinux x86_64 cp313")

        # CI repairs, and says that its tests have passed.
        job.run("stage", stage.wheel("beacon", tag=LINUX), stage.wheel("harbour"))
        session = stage.ask("/api/drafts/beacon/2.0", token=job.token)
        passed = {
            "name": "tests",
            "status": "passed",
            "content-digest": session["content-digest"],
        }
        stage.ask("/api/drafts/beacon/2.0/checks", passed, token=job.token)

        # What was looked at is not there any more.
        ada.press("Publish all")
        expect(ada.page.locator("#changed")).to_contain_text("Nothing was published.")
        expect(ada.page.locator("#changed")).to_contain_text("harbour")
        ada.review("harbour")
        expect(ada.page.locator("#findings")).not_to_contain_text("harbour.pth")

        # One approves of all, the other one publishes all.
        grace.open_set()
        grace.press("Approve of yours")
        grace.confirm()
        grace.press("Approve of yours")
        expect(grace.page.get_by_text("1 of 2 approvals")).to_have_count(3)
        stage.forget_factors()
        ada.open_publishing()
        expect(ada.page.get_by_role("alert")).to_have_count(0)
        waiter = stack.enter_context(
            job.start("session", "wait", "harbour==2.0", "--timeout", "120s", "--json")
        )
        pool = stack.enter_context(ThreadPoolExecutor(1))
        status = pool.submit(stage.ask, session["links"]["session"] + "?wait=60", token=job.token)
        with reading_all_the_time(stage) as halves:
            ada.press("Publish all")
            expect(
                ada.page.get_by_text("2026.11 is published, with all its drafts.")
            ).to_be_visible()
        assert halves == []
        # All hear of it, once.
        assert status.result()["status"] == "published"
        out, errors = waiter.communicate(timeout=WAIT)
        assert waiter.returncode == 0, errors
        assert json.loads(out)["outcome"] == "published"
        ada.page.goto(f"{stage.url}/project/harbour/2.0/")
        expect(ada.page.get_by_text("Published after review by")).to_contain_text("grace")

    assert told(stage.receiver, "published", 3) == Counter(PROJECTS)
    assert told(stage.receiver, "approved", 3) == Counter(PROJECTS)
    assert told(stage.receiver, "checked", 1) == Counter(["beacon"])
    assert len({heard.headers["webhook-id"] for heard in stage.receiver.heard}) == 7
    _assert_published_as_one(stage)


def _assert_published_as_one(stage: Stage) -> None:
    """The journal has all of it in a row, and each release says who has approved of it."""
    with stage.server.services() as services, services.reading() as uow:
        lines = factories.journal_of(uow)
    serials = [serial for serial, version, _ in lines if version == "2.0"]
    assert serials == list(range(serials[0], lines[-1][0] + 1))
    for project in PROJECTS:
        page = stage.server.get(f"/simple/{project}/", SIMPLE_JSON)
        assert "2.0" in json.loads(page.body)["versions"]
        [publication] = stage.ask(f"/api/releases/{project}/2.0/approval")["publications"]
        given = publication["approvals"]
        assert {(each["by"], each["second-factor"]) for each in given} == {
            ("ada", "passkey"),
            ("grace", "passkey"),
        }
        found = {each["severity"] for approval in given for each in approval["findings"]}
        assert found <= {"note", "look", "warning", "problem"}
        assert found or project != "beacon"
