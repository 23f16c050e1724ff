"""An upstream with TLS: asked only when its certificate is right, and never without."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests import processes
from tests.artifacts import make_wheel
from tests.clients.installers import Installation, pip
from tests.clients.upstreams import in_front_of
from tests.serving import Server, command
from tests.test_background import wait_until
from tests.tls import Authority, Front, make_authority, tls_before
from tests.upstream_server import Redirects, UpstreamServer, upstream_running

JSON = "application/vnd.pypi.simple.v1+json"
WAIT = 120  # seconds after which a test that waits for an answer has failed
HOST = "localhost"
USER, PASSWORD = "ada", "of-the-upstream-alone"
WITHOUT = "is without TLS, and the upstream is not."


@dataclass
class Stage:
    """An index with an upstream behind it that is asked by https alone."""

    server: Server
    upstream: UpstreamServer
    tls: Front
    authority: Authority
    folder: Path
    made: int = 0

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.tls.port}"

    def new(self) -> str:
        """A project of the upstream that nobody has asked for."""
        self.made += 1
        name = f"theirs-{self.made}"
        self.upstream.add(make_wheel(self.folder, name))
        return name

    def wheel(self, name: str) -> str:
        return f"{name.replace('-', '_')}-1.0-py3-none-any.whl"

    def get(self, path: str) -> requests.Response:
        url = urljoin(self.server.url, path)
        return requests.get(url, headers={"Accept": JSON}, timeout=WAIT)

    def page(self, name: str) -> requests.Response:
        return self.get(f"/simple/{name}/")

    def address(self, name: str) -> str:
        """Where the only file of a project is."""
        page = self.page(name)
        assert page.status_code == 200, page.text
        [file] = page.json()["files"]
        address: str = urljoin(page.url, file["url"])
        return address

    def log(self) -> str:
        return (self.server.home.parent / "serve.log").read_text()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("tls")
    with ExitStack() as stack:
        upstream = stack.enter_context(upstream_running(credentials=(USER, PASSWORD)))
        authority = make_authority(folder, HOST)
        port = urlsplit(upstream.origin).port or 0
        tls = stack.enter_context(tls_before(port, authority))
        url = f"https://{USER}:{PASSWORD}@{HOST}:{tls.port}/simple/"
        # So that nothing but the lack of TLS speaks against what is without.
        more = {
            "GREENROOM_UPSTREAM_HOSTS": HOST,
            "GREENROOM_UPSTREAM_NETWORKS": "127.0.0.0/8,::1",
            "SSL_CERT_FILE": str(authority.certificate),
        }
        server = stack.enter_context(in_front_of(url, folder, "cache", more=more, workers=1))
        server.user("ada")
        yield Stage(server, upstream, tls, authority, folder / "dist")


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    """One whose certificate is right, before each test and after it."""
    yield shared
    shared.tls.show(shared.authority.server)
    shared.upstream.heal()
    name = shared.new()
    wait_until(lambda: shared.page(name).status_code == 200)
    assert "Traceback" not in shared.log()
    assert PASSWORD not in shared.log()


def test_what_is_behind_a_certificate_of_an_authority_of_ones_own_is_installed(
    stage: Stage, tmp_path: Path
) -> None:
    name = stage.new()
    home = Installation(stage.server, tmp_path / "here", f"{stage.server.url}/simple/")

    python = pip(home, name, "--no-cache-dir")

    assert stage.server.run(*python, "-c", f"import {name.replace('-', '_')}").stdout == ""
    stage.upstream.go_away()
    assert stage.get(stage.address(name)).content == stage.upstream._file(stage.wheel(name)).content
    stage.upstream.come_back()


def another_authority(stage: Stage, folder: Path) -> Path:
    return make_authority(folder, HOST).server


def expired(stage: Stage, folder: Path) -> Path:
    return stage.authority.issue(folder / "expired.pem", HOST, until=timedelta(days=-1))


def another_name(stage: Stage, folder: Path) -> Path:
    return stage.authority.issue(folder / "other.pem", "index.example", f"x.{HOST}")


def another_address(stage: Stage, folder: Path) -> Path:
    return stage.authority.issue(folder / "address.pem", "127.0.0.1")


WRONG: dict[str, tuple[Callable[[Stage, Path], Path], str]] = {
    "another authority": (
        another_authority,
        "self-signed certificate in certificate chain|unable to get local issuer certificate",
    ),
    "expired": (expired, "certificate has expired"),
    "another name": (another_name, f"certificate is not valid for '{HOST}'"),
    "an address": (another_address, f"certificate is not valid for '{HOST}'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_nothing_is_asked_where_the_certificate_is_wrong(
    what: str, stage: Stage, tmp_path: Path
) -> None:
    make, why = WRONG[what]
    sentence = rf"has a certificate that is not trusted: [^.]*({why})\.(?!\.)"
    kept, known, unseen = stage.new(), stage.new(), stage.new()
    content = stage.get(stage.address(kept)).content
    file = stage.address(known)
    stage.upstream.forget()
    begin = len(stage.log())
    stage.tls.show(make(stage, tmp_path))

    page = stage.page(unseen)
    not_had = stage.get(file)

    for refused in (page, not_had):
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["Cache-Control"] == "no-store"
        assert PASSWORD not in refused.text
    assert "(up) does not answer as it should" in page.text
    assert re.search(sentence, not_had.text), not_had.text
    for message in ("an upstream was not read", "a file is not fetched"):
        lines = [line for line in stage.log()[begin:].splitlines() if message in line]
        assert any(re.search(sentence, line) for line in lines), lines
    # Nothing that was sent, with TLS or without, came to anybody.
    assert stage.upstream.requests == []
    assert stage.tls.asked == []
    assert stage.get(stage.address(kept)).content == content

    stage.tls.show(stage.authority.server)
    wait_until(lambda: stage.page(unseen).status_code == 200)
    wait_until(lambda: stage.get(file).status_code == 200)
    assert {asked.headers.get("authorization") is None for asked in stage.upstream.requests} == {
        False
    }


def test_the_command_line_says_that_a_certificate_is_wrong(stage: Stage, tmp_path: Path) -> None:
    name = stage.new()
    adopt = ["upstream", "adopt", name, "1.0", "--owner", "ada"]
    stage.tls.show(expired(stage, tmp_path))

    refused = command(stage.server.environment, *adopt)

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith(": certificate has expired.")
    stage.tls.show(stage.authority.server)
    assert "Files that came: 1." in command(stage.server.environment, *adopt).stdout


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_to_where_no_tls_is_is_refused(status: int, stage: Stage) -> None:
    upstream, known, unseen = stage.upstream, stage.new(), stage.new()
    without = f"http://{HOST}:{urlsplit(upstream.origin).port}"
    file, path = stage.address(known), upstream.file(stage.wheel(known))
    upstream.fail(upstream.page(unseen), Redirects(without + upstream.page(unseen), status))
    upstream.fail(path, Redirects(without + path, status))
    upstream.forget()
    begin = len(stage.log())

    page = stage.page(unseen)
    not_had = stage.get(file)

    assert (page.status_code, not_had.status_code) == (503, 503)
    assert WITHOUT in not_had.text
    assert stage.log()[begin:].count(WITHOUT) >= 2
    # Each was asked for once, and not again at the other address.
    assert (upstream.asked(upstream.page(unseen)), upstream.asked(path)) == (1, 1)


def test_a_file_to_which_a_page_leads_without_tls_is_not_fetched(stage: Stage) -> None:
    upstream, name = stage.upstream, stage.new()
    upstream.file_origin = f"http://{HOST}:{urlsplit(upstream.origin).port}"

    refused = stage.get(stage.address(name))

    upstream.file_origin = ""
    assert refused.status_code == 503
    assert WITHOUT in refused.text
    assert upstream.asked(upstream.file(stage.wheel(name))) == 0
    assert PASSWORD not in refused.text


def test_another_host_of_files_has_a_certificate_of_its_own_and_gets_no_credentials(
    stage: Stage, tmp_path: Path
) -> None:
    upstream, name = stage.upstream, stage.new()
    wrong = make_authority(tmp_path, HOST)
    with tls_before(stage.tls.backend[1], wrong) as files:
        upstream.file_origin = f"https://{HOST}:{files.port}"
        upstream.forget()
        path, address = upstream.file(stage.wheel(name)), stage.address(name)

        refused = stage.get(address)

        upstream.file_origin = ""
        assert refused.status_code == 503
        assert f"{HOST}:{files.port}" in refused.text
        assert "has a certificate that is not trusted" in refused.text
        assert upstream.asked(path) == 0

        upstream.credentials = None
        files.show(stage.authority.server)
        wait_until(lambda: stage.get(address).status_code == 200)
        upstream.credentials = (USER, PASSWORD)
    assert [each.headers.get("authorization") for each in upstream.requests_of(path)] == [None]


def test_authorities_of_a_folder_are_trusted(stage: Stage, tmp_path: Path) -> None:
    """As they are where a system has them."""
    name, folder = stage.new(), tmp_path / "certificates"
    folder.mkdir()
    shutil.copy(stage.authority.certificate, folder / "authority.pem")
    hashed = processes.run(["openssl", "rehash", str(folder)], check=True)
    assert hashed.stdout == ""
    environment = {
        **stage.server.environment,
        "SSL_CERT_FILE": str(tmp_path / "none.pem"),
        "SSL_CERT_DIR": str(folder),
    }

    result = command(environment, "upstream", "adopt", name, "1.0", "--owner", "ada")

    assert "Files that came: 1." in result.stdout, result.stderr
