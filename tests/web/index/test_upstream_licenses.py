"""Files of upstreams are judged by their licences before they are sent."""

import json
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_usage import PENDING
from tests import upstream_cache
from tests.conftest import FakeClock
from tests.upstream_server import HeldFile, UpstreamServer, upstream_running
from tests.web.conftest import Site

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
FREE, OTHER, SILENT, SDIST = (
    "thing-1.0-py3-none-any.whl",
    "thing-2.0-py3-none-any.whl",
    "thing-3.0-py3-none-any.whl",
    "thing-4.0.tar.gz",
)


def metadata(version: str, *more: str) -> bytes:
    lines = ("Metadata-Version: 2.4", "Name: thing", f"Version: {version}", *more, "")
    return "\n".join(lines).encode()


@pytest.fixture
def upstream() -> Iterator[UpstreamServer]:
    with upstream_running() as upstream:
        upstream.project("thing").files += [
            HeldFile(FREE, b"free", metadata("1.0", "License-Expression: MIT OR GPL-3.0-only")),
            HeldFile(OTHER, b"other", metadata("2.0", "License-Expression: GPL-3.0-only")),
            HeldFile(SILENT, b"silent", metadata("3.0")),
            HeldFile(SDIST, b"sdist", None),
        ]
        yield upstream


def site_of(
    services: Services, clock: FakeClock, upstream: UpstreamServer, **asked: object
) -> Site:
    settings = upstream_cache.with_upstream(services.settings, upstream, **asked)
    return Site(replace(services, settings=settings), clock)


@pytest.fixture(autouse=True)
def _nothing_is_noted() -> Iterator[None]:
    PENDING.forget()
    yield
    PENDING.forget()


def addresses(site: Site) -> dict[str, str]:
    page = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    return {file["filename"]: "/" + file["url"].removeprefix("../../") for file in page["files"]}


def test_the_metadata_is_read_before_the_file_is_sent(
    services: Services, clock: FakeClock, upstream: UpstreamServer
) -> None:
    site = site_of(services, clock, upstream, upstream_licenses=("MIT",))
    there = addresses(site)
    assert site.app.get(there[FREE]).body == b"free"
    for end in ("", ".metadata"):
        answer = site.app.get(there[OTHER] + end, status=403)
        assert answer.text == (
            "thing 2.0 is under GPL-3.0-only: this index lets files in from up under MIT. "
            "Its administrators can let it in.\n"
        )
    assert upstream.asked(upstream.file(OTHER)) == 0
    assert site.app.get(there[SILENT]).body == b"silent"
    assert site.app.get(there[SDIST]).body == b"sdist"
    PENDING.write(site.services)
    page = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    refused = {file["filename"]: file["yanked"] for file in page["files"]}
    assert {name for name, why in refused.items() if why} == {OTHER}
    assert "GPL-3.0-only" in refused[OTHER]
    services.asking.close()


def test_what_says_no_license_is_refused_where_that_is_asked(
    services: Services, clock: FakeClock, upstream: UpstreamServer
) -> None:
    site = site_of(
        services,
        clock,
        upstream,
        upstream_licenses=("MIT",),
        upstream_unknown_licenses="refuse",
    )
    there = addresses(site)
    assert site.app.get(there[FREE]).body == b"free"
    for name in (SILENT, SDIST):
        answer = site.app.get(there[name], status=403)
        assert "says no licence that can be read" in answer.status
    assert upstream.asked(upstream.file(SILENT)) == upstream.asked(upstream.file(SDIST)) == 0
    services.asking.close()


def test_no_metadata_is_read_where_licenses_are_not_asked(
    services: Services, clock: FakeClock, upstream: UpstreamServer
) -> None:
    site = site_of(services, clock, upstream)
    there = addresses(site)
    assert site.app.get(there[OTHER]).body == b"other"
    assert upstream.asked(upstream.file(OTHER) + ".metadata") == 0
    services.asking.close()
