"""Stock twine and stock uv publish without a secret: over TLS, with ID tokens of a real issuer."""

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from twine.utils import DEFAULT_REPOSITORY

from greenroom import paths
from greenroom.models import AuditEntry, DraftEvent, MintedToken
from greenroom.registry import accounts, projects, trusted_publishers
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.clients.uploaders import Checkout, make_checkout
from tests.issuing import FakeCI, issuing
from tests.registry.test_trusted_publishers import CLAIMS, VALUES
from tests.serving import Server, serving
from tests.tls import Authority, Front, make_authority, tls_before

# The one index whose trusted publishing twine takes part in: it is reached through a proxy here,
# behind which everything is our server.
_TWINES_HOST = urlsplit(DEFAULT_REPOSITORY).hostname or ""


@dataclass
class Stage:
    """An index behind TLS that takes the tokens of a CI service, and what runs a job of that."""

    server: Server
    services: Services
    front: Front
    authority: Authority
    ci: FakeCI

    def trust(self, name: str, *, may_publish: bool) -> None:
        """A project, and that it trusts the workflow of a repository of its name."""
        with self.services.writing() as uow:
            project = projects.create(uow, Person(accounts.get_user(uow.db, "ada")), name)
            project.registered = uow.now
            service = trusted_publishers.service_named(uow.settings, "github")
            values = {**VALUES, "repository": name}
            trusted_publishers.add(uow, OPERATOR, project, service, values, may_publish=may_publish)
        self.run_as(name)

    def run_as(self, repository: str) -> None:
        """Let jobs be of a workflow of this repository from now on."""
        self.ci.claims = {
            **CLAIMS,
            "repository": f"ada/{repository}",
            "workflow_ref": f"ada/{repository}/.github/workflows/release.yml@refs/tags/v1.0",
        }

    def job(self, checkout: Checkout, *command: str, **environment: str) -> CompletedProcess[str]:
        """Run a client as a step of a job does, with what GitHub Actions sets."""
        return self.server.run(
            *command,
            environment={
                "GITHUB_ACTIONS": "true",
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{self.ci.port}/token?api=2",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job",
                "REQUESTS_CA_BUNDLE": str(self.authority.certificate),
                "SSL_CERT_FILE": str(self.authority.certificate),
                **environment,
            },
            folder=checkout.folder,
            check=False,
        )

    def twine(self, checkout: Checkout, query: str = "") -> CompletedProcess[str]:
        files = [str(file) for file in checkout.files]
        return self.job(
            checkout,
            *(sys.executable, "-m", "twine", "upload", "--non-interactive", "--verbose", *files),
            TWINE_REPOSITORY_URL=f"{DEFAULT_REPOSITORY}{query}",
            HTTPS_PROXY=f"http://127.0.0.1:{self.front.port}",
        )

    def uv(self, checkout: Checkout, query: str = "") -> CompletedProcess[str]:
        return self.job(
            checkout,
            *("uv", "publish", "--trusted-publishing", "always"),
            UV_PUBLISH_URL=f"https://localhost:{self.front.port}/legacy/{query}",
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("trusted")
    authority = make_authority(folder, "localhost", _TWINES_HOST)
    with issuing() as ci:
        settings = {
            "GREENROOM_URL": "https://index.example",
            "GREENROOM_TRUSTED_ISSUERS": f"github={ci.url}",
        }
        with serving(folder, settings=settings) as server, server.services() as services:
            server.user("ada")
            port = urlsplit(server.url).port or 0
            with tls_before(port, authority) as front:
                yield Stage(server, services, front, authority, ci)


@pytest.mark.parametrize("client", ["twine", "uv"])
def test_a_workflow_stages(stage: Stage, client: str, tmp_path: Path) -> None:
    name = f"staged-by-{client}"
    stage.trust(name, may_publish=False)
    checkout = make_checkout(tmp_path, name)

    result = getattr(stage, client)(checkout, "?staged=true")

    assert result.returncode == 0, result.stdout
    with stage.services.reading() as uow:
        draft = factories.find_draft(uow, name, "1.0")
        assert draft is not None
        assert len(draft.files) == 2
        events = uow.db.scalars(select(DraftEvent).where(DraftEvent.draft_id == draft.id)).all()
        assert {event.by for event in events} == {f"github:ada/{name}"}
        assert all("run 4711" in (event.means or "") for event in events)
        # uv gives its token back.
        tokens = select(MintedToken.burned).where(MintedToken.name == f"github:ada/{name}")
        assert [burned is not None for burned in uow.db.scalars(tokens)] == [client == "uv"]


@pytest.mark.parametrize("client", ["twine", "uv"])
def test_a_workflow_publishes_where_it_may(stage: Stage, client: str, tmp_path: Path) -> None:
    name = f"published-by-{client}"
    stage.trust(name, may_publish=True)

    result = getattr(stage, client)(make_checkout(tmp_path, name))

    assert result.returncode == 0, result.stdout
    with stage.services.reading() as uow:
        assert len(factories.public_filenames(uow, name)) == 2
        uploads = select(AuditEntry).where(
            AuditEntry.act == "file-upload", AuditEntry.project == name
        )
        assert {entry.by for entry in uow.db.scalars(uploads)} == {f"github:ada/{name}"}


@pytest.mark.parametrize("client", ["twine", "uv"])
def test_clients_print_why_not(stage: Stage, client: str, tmp_path: Path) -> None:
    stage.run_as("unheard-of")

    result = getattr(stage, client)(make_checkout(tmp_path, "unheard-of"))

    assert result.returncode != 0
    said = " ".join(result.stdout.split())
    assert "invalid-publisher" in said
    assert "no project of this index trusts the workflow that it is of: github:ada/unheard" in said


def _lines_of_the_guide(url: str) -> str:
    """What ``docs/trusted-publishing.md`` has a step do to get a token, at this index."""
    text = (paths.DOCS / "trusted-publishing.md").read_text()
    block = next(found for found in re.findall(r"- run: \|\n((?: {10}.*\n)+)", text))
    assert "mint-token" in block
    return textwrap.dedent(block).replace("https://index.example", url)


def test_twine_stages_with_the_token_that_the_lines_of_the_guide_get(
    stage: Stage, tmp_path: Path
) -> None:
    stage.trust("by-the-guide", may_publish=False)
    checkout = make_checkout(tmp_path / "checkout", "by-the-guide")
    url = f"https://localhost:{stage.front.port}"
    variables = tmp_path / "variables"

    step = stage.job(
        checkout,
        *("bash", "-e", "-c", _lines_of_the_guide(url)),
        CURL_CA_BUNDLE=str(stage.authority.certificate),
        GITHUB_ENV=str(variables),
    )

    assert step.returncode == 0, step.stdout
    name, _, token = variables.read_text().strip().partition("=")
    assert name == "TWINE_PASSWORD"
    assert step.stdout.splitlines()[-1] == f"::add-mask::{token}"
    result = stage.job(
        checkout,
        *(sys.executable, "-m", "twine", "upload", *map(str, checkout.files)),
        TWINE_REPOSITORY_URL=f"{url}/legacy/?staged=true",
        TWINE_USERNAME="__token__",
        TWINE_PASSWORD=token,
    )
    assert result.returncode == 0, result.stdout
    with stage.services.reading() as uow:
        assert factories.find_draft(uow, "by-the-guide", "1.0") is not None


def test_a_first_release(stage: Stage, tmp_path: Path) -> None:
    stage.run_as("first-thing")
    with stage.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        service = trusted_publishers.service_named(uow.settings, "github")
        values = {**VALUES, "repository": "first-thing"}
        trusted_publishers.add_pending(
            uow, Person(ada), ada, "first-thing", service, values, may_publish=True
        )

    result = stage.uv(make_checkout(tmp_path, "first-thing"))

    assert result.returncode == 0, result.stdout
    with stage.services.reading() as uow:
        project = projects.get(uow, "first-thing")
        assert [role.user.username for role in project.roles] == ["ada"]
        assert len(factories.public_filenames(uow, "first-thing")) == 2
