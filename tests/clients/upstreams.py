"""Servers of ours with an upstream behind them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.serving import Server, serving

MODES = ("redirect", "cache")
LOOPBACK = "127.0.0.0/8"


def settings(mode: str, **upstreams: str) -> dict[str, str]:
    """What makes these the upstreams, in their order: names with the addresses of their indexes."""
    return {
        "GREENROOM_UPSTREAMS": ",".join(f"{name}={url}" for name, url in upstreams.items()),
        "GREENROOM_UPSTREAM_MODE": mode,
        "GREENROOM_UPSTREAM_NETWORKS": LOOPBACK,
    }


@contextmanager
def in_front_of(
    url: str,
    folder: Path,
    mode: str,
    *,
    database_url: str | None = None,
    more: Mapping[str, str] | None = None,
    workers: int = 2,
) -> Iterator[Server]:
    """A server with one upstream behind it, whose index is there.

    Args:
        url: of its simple index.
        folder: for what our server keeps.
        mode: redirect or cache.
        database_url: SQLite where there is none.
        more: further settings.
        workers: how many processes answer.
    """
    chosen = settings(mode, up=url) | dict(more or {})
    with serving(folder, database_url, settings=chosen, workers=workers) as server:
        yield server
