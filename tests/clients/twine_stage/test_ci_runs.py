"""What docs/ci.md says, run as it stands: each line of its jobs, against a real index.

A job has a folder and an environment of its own, as a runner gives them; what is replaced in the
lines is the address of the index and the name of the project. The tools are there already, so that
``pip install`` of them has nothing to fetch; the project itself is installed from the index.
"""

import json
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from greenroom.registry import (
    accounts,
    projects,
    publishing,
    required_checks,
    trusted_publishers,
)
from greenroom.registry.errors import CannotPublish
from greenroom.registry.permissions import OPERATOR, Person
from tests import factories, processes
from tests.clients.twine_stage.conftest import public_files
from tests.clients.twine_stage.test_ci import GITHUB, GITLAB, PAGE, PERSON_PUBLISHES, consoles
from tests.issuing import FakeCI, closed_port, issuing
from tests.serving import Server, plain_environment, serving

PROJECT = Path(__file__).resolve().parents[3] / "examples" / "release-automation" / "project"
SCRIPTS = {
    f"release/{name}.sh": text
    for name, text in zip(
        ("token", "check"), re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL), strict=True
    )
}
FILES = ["tidewatch-1.0-py3-none-any.whl", "tidewatch-1.0.tar.gz"]
TAG = "v1.0"


@dataclass
class Runner:
    """A CI service that runs jobs of one release: what they say to each other is kept here."""

    server: Server
    folder: Path
    ci: FakeCI | None = None
    breaks: bool = False
    said: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    output: str = ""

    def checkout(self, job: str) -> Path:
        """The project as it was tagged, with the scripts that the page wants in it."""
        folder = self.folder / job.replace(":", "-") / "checkout"
        shutil.copytree(PROJECT, folder)
        for name, text in SCRIPTS.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(self.ours(text))
        if self.breaks:
            module = folder / "src" / "tidewatch" / "__init__.py"
            module.write_text(module.read_text().replace("> 0", "> 2"))
        return folder

    def ours(self, text: str) -> str:
        """The text with the index and the project that there are here."""
        text = text.replace("https://index.example", self.server.url)
        return re.sub(r"\bthing\b", "tidewatch", text)

    def environment(self, job: str, values: Mapping[str, str]) -> dict[str, str]:
        """Of a job: a Python of its own, which has the tools, and what the page sets."""
        there = self.folder / job.replace(":", "-")
        python = there / "python"
        if not python.exists():
            made = processes.run(
                [sys.executable, "-m", "venv", "--without-pip", python],
                env=plain_environment(there),
                timeout=120,
            )
            assert made.returncode == 0, made.stderr
            packages = next((python / "lib").glob("python*/site-packages"))
            (packages / "tools.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        environment = plain_environment(there / "home")
        search = f"{python / 'bin'}{os.pathsep}{environment['PATH']}"
        return environment | {name: self.ours(text) for name, text in values.items()} | {
            "PATH": search
        }  # fmt: skip

    def run(self, script: str, folder: Path, environment: Mapping[str, str]) -> int:
        """Run some lines as runners do: the first that fails ends them."""
        result = processes.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.ours(script)],
            env=environment,
            cwd=folder,
            timeout=300,
            is_client=True,
        )
        self.output = f"{result.stdout}{result.stderr}"
        return result.returncode


class OnGitHub(Runner):
    """The jobs of a workflow of GitHub Actions."""

    def job(self, document: Mapping[str, Any], name: str) -> str:
        """Run a job; gives ``success`` or ``failure``, which later jobs read in ``needs``."""
        job = document["jobs"][name]
        folder, values = self.checkout(name), dict[str, str]()
        for number, step in enumerate(job["steps"]):
            if "run" not in step:
                continue  # an action, such as the checkout
            given = {**document["env"], **job.get("env", {}), **step.get("env", {})}
            given = {key: self._filled(value) for key, value in given.items()}
            written = {each: folder / f"{each}-{number}" for each in ("OUTPUT", "ENV", "SUMMARY")}
            runner = {
                "GITHUB_OUTPUT": str(written["OUTPUT"]),
                "GITHUB_ENV": str(written["ENV"]),
                "GITHUB_STEP_SUMMARY": str(written["SUMMARY"]),
                "GITHUB_REF_NAME": TAG,
                "GITHUB_SERVER_URL": "https://forge.example",
                "GITHUB_REPOSITORY": "ada/example",
                "GITHUB_RUN_ID": "4711",
                **self._asking_for_tokens(job),
            }
            environment = self.environment(name, {**runner, **values, **given})
            if self.run(step["run"], folder, environment):
                self.results[name] = "failure"
                return "failure"
            values |= _variables(written["ENV"])
            for key, value in _variables(written["OUTPUT"]).items():
                self.said[f"steps.{step['id']}.outputs.{key}"] = value
            self.summary += _text(written["SUMMARY"])
        for key, value in job.get("outputs", {}).items():
            self.said[f"needs.{name}.outputs.{key}"] = self._filled(value)
        self.results[name] = "success"
        return "success"

    def _asking_for_tokens(self, job: Mapping[str, Any]) -> dict[str, str]:
        if self.ci is None or "id-token" not in str(job.get("permissions")):
            return {}
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.ci.url}/token?api=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job",
        }

    def _filled(self, value: str) -> str:
        """A value of ``env``, with what the expression in it stands for."""
        found = re.fullmatch(r"\$\{\{ (.+) \}\}", value)
        if found is None:
            return value
        name = found[1]
        if name.startswith("secrets."):
            permission = name.removeprefix("secrets.").removesuffix("_TOKEN").lower()
            return self.server.token("ada", permission)
        if name.endswith(".result"):
            return self.results[name.split(".")[1]]
        return self.said[name]


class OnGitLab(Runner):
    """The jobs of a pipeline of GitLab."""

    def job(self, document: Mapping[str, Any], name: str) -> str:
        """Run a job; gives ``success`` or ``failure``."""
        job = document[name]
        folder = self.checkout(name)
        given = {**document["variables"], **job.get("variables", {})}
        given = {key: self._filled(value) for key, value in given.items()}
        runner = {
            "CI_COMMIT_TAG": TAG,
            "CI_JOB_NAME": name,
            "CI_PIPELINE_URL": "https://forge.example/ada/example/-/pipelines/12",
            **self._tokens(job),
        }
        script = "\n".join(job["script"])
        failed = self.run(script, folder, self.environment(name, {**runner, **self.said, **given}))
        self.said |= _variables(folder / "staged.env")
        self.summary += _text(folder / "review.md")
        self.results[name] = "failure" if failed else "success"
        return self.results[name]

    def _tokens(self, job: Mapping[str, Any]) -> dict[str, str]:
        if "id_tokens" not in job:
            return {}
        assert self.ci is not None
        # What the page has as `aud` is the address of its index without the scheme.
        assert job["id_tokens"] == {"INDEX_ID_TOKEN": {"aud": "index.example"}}
        return {"INDEX_ID_TOKEN": self.ci.sign({"aud": urlsplit(self.server.url).netloc})}

    def _filled(self, value: str) -> str:
        found = re.fullmatch(r"\$([A-Z]+)_TOKEN", value)
        return self.server.token("ada", found[1].lower()) if found else value


def _variables(file: Path) -> dict[str, str]:
    lines = _text(file).splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


BOTH = pytest.mark.parametrize(
    ("service", "document"),
    [(OnGitHub, GITHUB), (OnGitLab, GITLAB)],
    ids=["github", "gitlab"],
)
BY_A_PERSON = pytest.mark.parametrize(
    ("service", "document", "names"),
    [
        (OnGitHub, PERSON_PUBLISHES[0], ("stage", "test", "report", "wait")),
        (OnGitLab, PERSON_PUBLISHES[1], ("stage", "test", "report:passed", "wait")),
    ],
    ids=["github", "gitlab"],
)
Service = type[OnGitHub] | type[OnGitLab]


@BOTH
def test_what_passes_its_tests_is_published(
    server: Server, tmp_path: Path, service: Service, document: Mapping[str, Any]
) -> None:
    server.user("ada")
    runner = service(server, tmp_path)

    for name in ("stage", "test"):
        assert runner.job(document, name) == "success", runner.output
        assert public_files(server, "tidewatch") == []
    assert runner.job(document, "publish") == "success", runner.output

    assert public_files(server, "tidewatch") == FILES


@BOTH
def test_what_does_not_is_discarded(
    server: Server, tmp_path: Path, service: Service, document: Mapping[str, Any]
) -> None:
    server.user("ada")
    runner = service(server, tmp_path, breaks=True)

    assert runner.job(document, "stage") == "success", runner.output
    assert runner.job(document, "test") == "failure"
    assert "FAILED" in runner.output
    assert runner.job(document, "discard") == "success", runner.output

    assert public_files(server, "tidewatch") == []
    assert json.loads(server.greenroom("draft", "list", "--json")) == []


def test_the_lines_between_the_workflows_run_too(server: Server, tmp_path: Path) -> None:
    server.user("ada")
    runner = OnGitHub(server, tmp_path)
    wait, stage, status = consoles(PAGE)
    assert runner.job(GITHUB, "stage") == "success", runner.output
    given = {**GITHUB["env"], "TWINE_PASSWORD": server.token("ada", "stage")}
    session = runner.said["needs.stage.outputs.session_url"]
    environment = runner.environment("stage", {**given, "SESSION_URL": session})

    def run(line: str) -> str:
        assert runner.run(line, tmp_path / "stage" / "checkout", environment) == 0, runner.output
        return runner.output

    run(stage)
    found = json.loads(run(status))
    assert (found["project"], found["status"]) == ("tidewatch", "open")
    assert runner.job(GITHUB, "publish") == "success", runner.output
    assert "tidewatch 1.0: published" in run(wait)
    assert "already published" in run(stage)


@dataclass(frozen=True)
class Trusted:
    """What a workflow is known by to an index that trusts it: its service, and two views of it."""

    name: str
    values: Mapping[str, str]
    claims: Mapping[str, str]


TRUSTED = {
    OnGitHub: Trusted(
        "github",
        {"owner": "ada", "repository": "example", "workflow": "release.yml"},
        {
            "repository": "ada/example",
            "repository_owner_id": "65",
            "workflow_ref": "ada/example/.github/workflows/release.yml@refs/tags/v1.0",
            "ref": "refs/tags/v1.0",
        },
    ),
    OnGitLab: Trusted(
        "gitlab",
        {"owner": "ada", "repository": "example", "workflow": ".gitlab-ci.yml"},
        {
            "project_path": "ada/example",
            "namespace_id": "65",
            "ci_config_ref_uri": "HOST/ada/example//.gitlab-ci.yml@refs/tags/v1.0",
            "ref_path": "refs/tags/v1.0",
        },
    ),
}


@contextmanager
def trusting(folder: Path, trusted: Trusted) -> Iterator[tuple[Server, FakeCI]]:
    """An index that lets a workflow of ada's stage a project, which is not there yet."""
    port = closed_port()
    with issuing() as ci:
        host = urlsplit(ci.url).netloc
        ci.claims = {name: text.replace("HOST", host) for name, text in trusted.claims.items()}
        settings = {
            "GREENROOM_URL": f"http://127.0.0.1:{port}",
            "GREENROOM_TRUSTED_ISSUERS": f"{trusted.name}={ci.url}",
        }
        with serving(folder, settings=settings, port=port) as server:
            server.user("ada")
            with server.services() as services, services.writing() as uow:
                ada = accounts.get_user(uow.db, "ada")
                of = trusted_publishers.service_named(uow.settings, trusted.name)
                trusted_publishers.add_pending(
                    *(uow, Person(ada), ada, "tidewatch", of, trusted.values), may_publish=False
                )
            yield server, ci


def publish(server: Server) -> None:
    """What ada does on the page of the draft, as soon as the check that it requires has passed."""
    with server.services() as services, services.writing() as uow:
        draft = factories.find_draft(uow, "tidewatch", "1.0")
        assert draft is not None
        ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
        publishing.publish(uow, ada, draft)


@BY_A_PERSON
def test_where_a_person_publishes_the_jobs_stage_report_and_wait(
    tmp_path: Path, service: Service, document: Mapping[str, Any], names: tuple[str, ...]
) -> None:
    with trusting(tmp_path / "index", TRUSTED[service]) as (server, ci):
        runner = service(server, tmp_path, ci)
        for name in names[:2]:
            assert runner.job(document, name) == "success", runner.output
        with server.services() as services, services.writing() as uow:
            required_checks.change(uow, OPERATOR, projects.get(uow, "tidewatch"), ["tests"])
        assert "tidewatch" in runner.summary
        with pytest.raises(CannotPublish, match="tests"):
            publish(server)
        assert runner.job(document, names[2]) == "success", runner.output

        with ThreadPoolExecutor(1) as beside:
            waiting = beside.submit(runner.job, document, names[3])
            publish(server)
            assert waiting.result() == "success", runner.output

        assert public_files(server, "tidewatch") == FILES


def test_every_job_of_the_page_is_run_here() -> None:
    first = ["stage", "test", "publish", "discard"]
    known = {"stages", "variables", "workflow", "default"}
    jobs = [list(GITHUB["jobs"]), [name for name in GITLAB if name not in known]]
    assert jobs == [first, first]
    github, gitlab = PERSON_PUBLISHES
    assert list(github["jobs"]) == ["stage", "test", "report", "wait"]
    # What a job that failed reports, it does with the lines of the one that passed.
    assert gitlab["report:failed"]["script"] == gitlab["report:passed"]["script"]
    assert {*gitlab} - known == {"stage", "test", "report:passed", "report:failed", "wait"}
