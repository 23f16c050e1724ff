"""The suite can fail: it finds every broken variant of the index, and says what is broken."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from conformance.register import CASES, Case
from conformance.runner import Outcome, run
from greenroom.settings import Settings
from tests.conformance.broken_index import VARIANTS, BrokenIndex, Variant
from tests.conformance.conftest import URL, Subject, examined
from tests.conformance.wsgi_adapter import session_of
from tests.conftest import SECRET_KEY

# What most of the scenes begin with, and a refusal.
_TO_LOOK_BACK_AT = ("created_is_open", "second_creation_is_a_conflict", "good_file_is_completed")


class Subjects:
    """An index that publishes at once and one that reviews, for all tests of this module."""

    def __init__(self, stack: ExitStack, folder: Path, migrated: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._migrated = migrated
        self._made: dict[bool, Subject] = {}

    def get(self, *, reviewed: bool) -> Subject:
        if reviewed not in self._made:
            folder = self._folder / str(reviewed)
            folder.mkdir()
            database = folder / "greenroom.sqlite"
            shutil.copy(self._migrated, database)
            settings = Settings(
                data=folder / "data",
                database_url=f"sqlite:///{database}",
                secret_key=SECRET_KEY,
                url=URL,
                new_projects_per_hour=0,
            )
            subject = self._stack.enter_context(examined(settings, reviewed=reviewed))
            self._made[reviewed] = subject
        return self._made[reviewed]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Subjects]:
    with ExitStack() as stack:
        yield Subjects(stack, tmp_path_factory.mktemp("broken"), migrated_sqlite)


def cases_around(broken: Variant) -> list[Case]:
    """The cases that are named, and all of the same sections.

    To run all cases for every variant takes minutes: ``CONFORMANCE_VARIANTS=whole`` does so.
    """
    if os.environ.get("CONFORMANCE_VARIANTS") == "whole":
        return CASES
    named = broken.finds | broken.blocks
    sections = {case.section for case in CASES if case.name in named}
    return [
        case
        for case in CASES
        if case.section in sections or case.looks_back or case.name in _TO_LOOK_BACK_AT
    ]


@pytest.mark.parametrize("broken", VARIANTS, ids=lambda broken: broken.name)
def test_a_broken_index_is_found(subjects: Subjects, broken: Variant) -> None:
    subject = subjects.get(reviewed=broken.reviewed)
    choices = subject.choices
    app = BrokenIndex(subject.app, broken, choices.authorization, choices.second or "")

    report = run(replace(choices, transport=partial(session_of, app)), cases_around(broken))

    assert report.names(Outcome.FAILED, Outcome.WARNED) == broken.finds
    assert report.names(Outcome.BLOCKED) == broken.blocks
    assert not report.holds(strict=True)


def test_every_case_is_known_that_a_variant_names() -> None:
    named = frozenset().union(*(broken.finds | broken.blocks for broken in VARIANTS))

    assert named - {case.name for case in CASES} == set()
