"""Moments as text, the same wherever a program reads them."""

from datetime import UTC, datetime
from pathlib import Path

import greenroom
from greenroom import times

MOMENT = datetime(2026, 6, 1, 9, 5, 7, 250, tzinfo=UTC)


def test_whole_seconds() -> None:
    assert times.seconds(MOMENT) == "2026-06-01T09:05:07Z"


def test_fractions_always_have_six_digits() -> None:
    assert times.microseconds(MOMENT) == "2026-06-01T09:05:07.000250Z"
    assert times.microseconds(MOMENT.replace(microsecond=0)) == "2026-06-01T09:05:07.000000Z"


def test_names_of_files_have_no_separators() -> None:
    assert times.compact(MOMENT) == "20260601T090507Z"


def test_no_other_module_writes_moments_for_programs() -> None:
    sources = {path: path.read_text() for path in Path(greenroom.__file__).parent.rglob("*.py")}
    assert [path for path, source in sources.items() if "strftime(" in source] == []
    del sources[Path(times.__file__)]
    assert [path for path, source in sources.items() if "%dT%H" in source] == []
    writers = [path.name for path, source in sources.items() if ".isoformat(" in source]
    assert writers == []
