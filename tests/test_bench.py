"""What the bench times and asks is there: it is run by hand, and code moves on."""

import importlib
from typing import Any

import pytest

from bench import upload_cost


@pytest.mark.parametrize("target", upload_cost.STEPS)
def test_what_is_timed_is_there(target: str) -> None:
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)
