"""Purging: what a cache in front of the index is told, by real requests to a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenroom.database import Database
from greenroom.purge_client import PurgeFailed
from greenroom.registry import job_handlers
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests.caches import Cache, cache_running

Purge = Callable[..., None]


@pytest.fixture
def cache() -> Iterator[Cache]:
    with cache_running() as running:
        yield running


@pytest.fixture
def purge(tmp_path: Path) -> Purge:
    """Does the job that purges these keys, with these settings."""

    def purge(*keys: str, url: str | None = None, token: str | None = None) -> None:
        settings = Settings(data=tmp_path, purge_url=url, purge_token=token)
        services = Services(
            Database(settings.sqlalchemy_url), open_storage(None, settings.files), settings
        )
        job_handlers.purge(services, {"keys": list(keys)})

    return purge


def test_the_keys_are_sent_with_the_token(cache: Cache, purge: Purge) -> None:
    purge("project/example", "all-projects", url=cache.url, token="secret")
    assert cache.next() == ("POST", "/purge", "all-projects project/example", "Bearer secret")


def test_without_a_token_none_is_sent(cache: Cache, purge: Purge) -> None:
    purge("all-projects", url=cache.url)
    assert cache.next() == ("POST", "/purge", "all-projects", None)


@pytest.mark.parametrize("answer", [500, 503, 403, 404, None], ids=str)
def test_a_purge_that_fails_says_so_after_one_request(
    cache: Cache, purge: Purge, answer: int | None
) -> None:
    cache.answers = [answer]
    with pytest.raises(PurgeFailed, match=str(answer or "HTTP")) as failure:
        purge("all-projects", url=cache.url, token="secret")
    assert cache.requests.qsize() == 1
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_a_failure_and_the_token_goes_nowhere(
    cache: Cache, purge: Purge, status: int
) -> None:
    cache.answers = [status]
    with pytest.raises(PurgeFailed, match=str(status)):
        purge("all-projects", url=cache.url, token="secret")
    assert cache.requests.qsize() == 1


def test_a_cache_that_is_not_there_is_a_failure(purge: Purge) -> None:
    with pytest.raises(PurgeFailed, match="cannot be reached"):
        purge("all-projects", url="http://127.0.0.1:9/purge")


def test_without_a_url_nothing_is_sent(cache: Cache, purge: Purge) -> None:
    purge("all-projects", token="secret")
    assert cache.requests.empty()
