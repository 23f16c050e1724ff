"""Caddy in front of the index, with the configuration of `examples/operations`: TLS, as people
and clients have it.
"""

import json
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from bench.caches import example
from bench.wheels import MIB, make_wheel
from tests import processes
from tests.factories import PASSWORD
from tests.operations.fronts import free_ports, skip_without, wait_until_open
from tests.serving import Server, plain_environment, serving


@dataclass(frozen=True)
class Proxied:
    """An index behind Caddy: its address, the certificate to trust, what Caddy has logged."""

    url: str
    authority: Path
    log: Path
    server: Server


@pytest.fixture(scope="module")
def caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    skip_without("caddy")
    folder = tmp_path_factory.mktemp("caddy")
    port, plain_port = free_ports()
    configuration = folder / "Caddyfile"
    own = f"\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttp_port {plain_port}\n"
    configuration.write_text(example("Caddyfile", ("\tadmin off\n", own)), encoding="utf-8")
    url = f"https://localhost:{port}"
    settings = {"GREENROOM_URL": url, "GREENROOM_TRUSTED_PROXIES": "127.0.0.1"}
    backend_port, _ = free_ports()
    log = folder / "log"
    with serving(folder, settings=settings, port=backend_port) as server, log.open("wb") as output:
        process = processes.start(
            ["caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)],
            env=plain_environment(folder / "home")
            | {"GREENROOM_URL": url, "UPSTREAM": f"127.0.0.1:{backend_port}"},
            stdout=output,
            stderr=output,
        )
        try:
            wait_until_open(process, port, log)
            share = folder / "home" / "share" / "caddy"
            authority = share / "pki" / "authorities" / "local" / "root.crt"
            yield Proxied(url, authority, log, server)
        finally:
            process.terminate()
            process.wait(30)


def test_twine_and_pip_work_over_tls(caddy: Proxied, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "thing", "1.0", noise=8 * MIB)
    token = caddy.server.token(caddy.server.user("ada"))
    trust = {"REQUESTS_CA_BUNDLE": str(caddy.authority), "PIP_CERT": str(caddy.authority)}
    account = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": token}
    index = ["--index-url", f"{caddy.url}/simple/"]
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--target", str(target)]
    twine = [sys.executable, "-m", "twine", "upload", "--repository-url"]

    staged = caddy.server.run(
        *twine, f"{caddy.url}/legacy/?staged=true", str(wheel.path), environment=trust | account
    )
    public = caddy.server.run(*pip, *index, "thing", environment=trust, check=False)
    (draft,) = _drafts(caddy)
    address = f"{caddy.url}/draft/{draft}/simple/"
    caddy.server.run(*pip, "--index-url", address, "thing", environment=trust)

    assert caddy.url in staged.stdout
    assert public.returncode != 0
    assert (target / "thing-1.0.dist-info").is_dir()


def test_a_refusal_reaches_who_has_not_sent_everything(caddy: Proxied, tmp_path: Path) -> None:
    """Of what is larger Caddy reads no more than this, and closes."""
    wheel = make_wheel(tmp_path, "other", "1.0", noise=200_000)
    with wheel.path.open("rb") as file:
        answer = requests.post(
            f"{caddy.url}/legacy/",
            data={":action": "file_upload", "name": "other", "version": "1.0"},
            files={"content": (wheel.path.name, file)},
            auth=("__token__", "gr_nothing"),
            verify=str(caddy.authority),
            timeout=60,
        )
    assert answer.status_code == 403


def test_people_sign_in_with_cookies_that_need_tls(caddy: Proxied) -> None:
    caddy.server.user("grace")
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(caddy.authority)
        page = session.get(f"{caddy.url}/account/login", timeout=60)
        token = re.search(r'name="csrf_token" value="([^"]+)', page.text)
        assert token is not None
        answer = session.post(
            f"{caddy.url}/account/login",
            data={"username": "grace", "password": PASSWORD, "csrf_token": token[1]},
            headers={"Referer": page.url},
            timeout=60,
        )
        assert answer.url.startswith(f"{caddy.url}/")
        assert "grace" in answer.text
        assert all(cookie.secure for cookie in session.cookies)
        assert "Strict-Transport-Security" in answer.headers
        assert "Surrogate-Key" not in answer.headers


def test_addresses_of_drafts_are_not_in_its_log(caddy: Proxied) -> None:
    """Caddy writes down what fails, with the address: here because the index does not answer."""
    slug = "abcdEFGHijklMNOPqrstUV"
    caddy.server.process.send_signal(signal.SIGTERM)
    caddy.server.process.wait(60)

    answer = requests.get(
        f"{caddy.url}/draft/{slug}/simple/", verify=str(caddy.authority), timeout=60
    )

    assert answer.status_code == 502
    assert "/draft/abcd…/simple/" in caddy.log.read_text()
    assert slug not in caddy.log.read_text()


def _drafts(caddy: Proxied) -> list[str]:
    listed = json.loads(caddy.server.greenroom("draft", "list", "--json"))
    return [draft["slug"] for draft in listed if draft["project"] == "thing"]
