"""``/simple/<project>/`` of names that an index behind this one answers for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from pypi_simple import ProjectPage

from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import EVERYTHING, Status, UpstreamServer, upstream_running
from tests.web.conftest import Site

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.add(make_wheel(tmp_path, "thing", "1.0"), requires_python=">=3.9")
        running.add(make_sdist(tmp_path, "thing", "1.0"), yanked="Broken.")
        yield running


@pytest.fixture
def settings(settings: Settings, upstream: UpstreamServer) -> Settings:
    behind = (Upstream("up", upstream.url),)
    return settings.model_copy(update={"upstreams": behind, "upstream_networks": LOOPBACK})


def test_a_name_that_is_not_here_is_answered_from_the_upstream(
    site: Site, upstream: UpstreamServer
) -> None:
    answer = site.app.get("/simple/thing/", headers=JSON)
    page = json.loads(answer.body)

    assert page["meta"] == {"api-version": "1.4"}
    assert (page["name"], page["versions"]) == ("thing", ["1.0"])
    wheel, sdist = page["files"]
    assert wheel["url"] == upstream.origin + upstream.file(wheel["filename"])
    assert wheel["requires-python"] == ">=3.9"
    assert wheel["core-metadata"] == wheel["data-dist-info-metadata"] != {}
    assert (wheel["yanked"], sdist["yanked"]) == (False, "Broken.")
    assert sdist["upload-time"] == "2026-01-02T03:04:05.678900Z"
    assert "X-PyPI-Last-Serial" not in answer.headers
    assert answer.headers["Surrogate-Key"] == "project/thing"


def test_both_forms_say_the_same(site: Site, upstream: UpstreamServer) -> None:
    html = site.app.get("/simple/thing/").text
    found = ProjectPage.from_html("thing", html, base_url="http://index.example/simple/thing/")
    said = json.loads(site.app.get("/simple/thing/", headers=JSON).body)

    assert "SERIAL" not in html
    for one, other in zip(found.packages, said["files"], strict=True):
        assert (one.filename, one.url) == (other["filename"], other["url"])
        assert one.digests == other["hashes"]
        assert (one.requires_python, one.is_yanked) == (
            other["requires-python"],
            other["yanked"] is not False,
        )


def test_it_is_asked_once_and_again_when_it_is_no_longer_fresh(
    site: Site, upstream: UpstreamServer, tmp_path: Path
) -> None:
    page = upstream.page("thing")
    for _ in range(3):
        site.app.get("/simple/thing/")
    assert upstream.asked(page) == 1

    site.clock.advance(timedelta(minutes=11))
    before = site.app.get("/simple/thing/").body
    _settle(site)
    assert site.app.get("/simple/thing/").body == before
    assert [asked.headers.get("if-none-match") is not None for asked in
            upstream.requests_of(page)] == [False, True]  # fmt: skip

    upstream.add(make_wheel(tmp_path, "thing", "2.0"))
    site.clock.advance(timedelta(minutes=11))
    assert b"thing-2.0" not in site.app.get("/simple/thing/").body
    _settle(site)
    assert b"thing-2.0" in site.app.get("/simple/thing/").body


def _settle(site: Site) -> None:
    """Wait until nothing is asked any more."""
    for running in list(site.services.asking._running.values()):
        running.result(60)


def test_what_the_upstream_has_not_is_not_there(site: Site, upstream: UpstreamServer) -> None:
    for _ in range(2):
        site.app.get("/simple/other/", status=404)
    assert upstream.asked(upstream.page("other")) == 1


def test_an_upstream_that_is_away_is_an_outage_with_its_name(
    site: Site, upstream: UpstreamServer
) -> None:
    upstream.fail(EVERYTHING, Status(503, retry_after=40))
    answer = site.app.get("/simple/thing/", status=503)

    assert answer.headers["Retry-After"] == "40"
    assert "(up)" in answer.text
