"""The hierarchy of refusals."""

import greenroom.web.uploads.legacy.forms  # noqa: F401  (it has refusals of its own)
from greenroom.registry.errors import Refusal


def test_every_refusal_has_a_code_of_its_own_and_a_title() -> None:
    # Other tests may have made refusals for themselves.
    kinds = [kind for kind in _all_kinds() if kind.__module__.startswith("greenroom.")]

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind.title and kind.code == kind.code.lower() for kind in kinds)


def _all_kinds() -> list[type[Refusal]]:
    return [Refusal, *_below(Refusal)]


def _below(kind: type[Refusal]) -> list[type[Refusal]]:
    return [below for child in kind.__subclasses__() for below in (child, *_below(child))]
