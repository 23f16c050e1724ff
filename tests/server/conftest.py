"""The server that tests share which leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.server.process import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running
