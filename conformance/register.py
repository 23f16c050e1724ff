"""The cases: each is a function that carries the sentences of the text which it checks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.laboratory import Laboratory


class Level(StrEnum):
    """How much the text wants it.

    ``STATED`` is what it says without a key word, as a fact ("the server returns …") or as a row of
    a table of states; a server that does otherwise speaks another protocol, so that it counts as
    ``MUST`` does. ``MAY`` is a permission: nothing to be checked.
    """

    MUST = "MUST"
    STATED = "stated"
    SHOULD = "SHOULD"
    MAY = "MAY"

    @property
    def binding(self) -> bool:
        """Whether a server that does otherwise does not conform."""
        return self in (Level.MUST, Level.STATED)


MUST, STATED, SHOULD, MAY = Level


class Need(StrEnum):
    """What somebody who runs the suite has to allow, or to give to it."""

    PUBLISHING = "publishing is allowed (not with --no-publish)"
    SECOND = "another account (--second-token)"
    STAGE_ONLY = "credentials that may stage and not publish (--stage-only-token)"
    ROLES = "commands that give and take a role (--grant-command, --revoke-command)"
    INDEX = "the address of the public simple index (--index)"
    REVIEW = "an index that defers publication, and a version it refuses (--refused-version)"


Check = Callable[["Laboratory"], None]


@dataclass(frozen=True)
class Case:
    """One thing to check. ``quotes`` are the words of the text, ``…`` where some are left out."""

    name: str
    section: str
    level: Level
    quotes: tuple[str, ...]
    how: str
    check: Check
    needs: tuple[Need, ...] = ()
    # Looks back at every answer of the run, and so has to be the last.
    looks_back: bool = False


@dataclass(frozen=True)
class Unchecked:
    """Sentences that are not checked, and the reason."""

    section: str
    level: Level
    quotes: tuple[str, ...]
    reason: str


CASES: list[Case] = []


def case(
    section: str,
    level: Level,
    *quotes: str,
    needs: tuple[Need, ...] = (),
    looks_back: bool = False,
) -> Callable[[Check], Check]:
    """Make a function a case: its name is the case's, its docstring says how it is checked."""

    def register(check: Check) -> Check:
        name = getattr(check, "__name__", "")
        how = " ".join(inspect.getdoc(check).split())  # type: ignore[union-attr]
        CASES.append(Case(name, section, level, quotes, how, check, needs, looks_back))
        return check

    return register
