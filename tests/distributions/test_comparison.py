"""What has changed between two distributions."""

from pathlib import Path

import pytest

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions import comparison
from greenroom.distributions.comparison import (
    FieldChange,
    added_lines,
    member_changes,
    metadata_changes,
    place_of,
    text_difference,
)
from greenroom.distributions.contents import survey
from tests.artifacts import make_sdist, make_wheel

BEFORE = {"example/old.txt": b"old", "example/kept.txt": b"kept", "example/a.txt": b"one\ntwo\n"}
AFTER = {
    "example/sub/kept.txt": b"kept",
    "example/a.txt": b"one\n2\n",
    "example/new.txt": b"new",
    "example/empty.txt": b"",
}


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_members_are_matched_by_place(tmp_path: Path, make: type[Path]) -> None:
    old: Path = make(tmp_path, version="1.0", extra_files=BEFORE)
    new: Path = make(tmp_path, version="1.1", extra_files=AFTER)
    is_sdist = old.suffix != ".whl"
    changes = {
        change.place: change
        for change in member_changes(
            survey(old, old.name), survey(new, new.name), is_sdist=is_sdist
        )
    }
    expected = {
        "example/a.txt": (False, False, None),
        "example/empty.txt": (True, False, None),
        "example/new.txt": (True, False, None),
        "example/old.txt": (False, True, None),
        "example/sub/kept.txt": (False, False, "example/kept.txt"),
    }
    told = {
        place: (change.is_added, change.is_removed, change.moved_from)
        for place, change in changes.items()
        if place.startswith("example/") and not place.endswith("__init__.py")
    }
    assert told == expected
    # The version is in these, whose places are the same.
    metadata = "PKG-INFO" if is_sdist else "*.dist-info/METADATA"
    assert changes[metadata].before is not None
    assert changes[metadata].after is not None
    assert member_changes(survey(old, old.name), survey(old, old.name), is_sdist=is_sdist) == ()


@pytest.mark.parametrize(
    ("path", "is_sdist", "place"),
    [
        ("example-1.0/a/b.py", True, "a/b.py"),
        ("example-1.0/example.egg-info/PKG-INFO", True, "*.egg-info/PKG-INFO"),
        ("example-1.0.dist-info/METADATA", False, "*.dist-info/METADATA"),
        ("example-1.0.data/scripts/run", False, "*.data/scripts/run"),
        ("example/data/x", False, "example/data/x"),
        ("alone", True, "alone"),
    ],
)
def test_the_name_of_the_archive_does_not_count(path: str, is_sdist: bool, place: str) -> None:
    assert place_of(path, is_sdist=is_sdist) == place


def test_fields_are_compared_value_by_value() -> None:
    before = CoreMetadata(
        metadata_version="2.1",
        version="1.0",
        summary="One",
        description="long",
        requires_dist=("a", "b>=1"),
        project_urls=(("Source", "https://a.example"),),
    )
    after = CoreMetadata(
        metadata_version="2.4",
        version="1.1",
        summary="Two",
        requires_dist=("a", "b>=2", "c"),
        requires_python=">=3.11",
        project_urls=(("Source", "https://b.example"),),
    )
    assert metadata_changes(before, after) == (
        FieldChange("summary", ("One",), ("Two",)),
        FieldChange("requires_dist", ("b>=1",), ("b>=2", "c")),
        FieldChange("requires_python", (), (">=3.11",)),
        FieldChange("project_urls", ("Source: https://a.example",), ("Source: https://b.example",)),
    )
    assert metadata_changes(after, after) == ()


def test_texts_are_compared_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert text_difference("a\nb\n", "a\nc\n") == ("@@ -1,2 +1,2 @@", " a", "-b", "+c")
    assert text_difference("a\n", "a\n") == ()
    assert added_lines("a\nb\n", "b\nc\na\nc\n") == ("c", "c")
    monkeypatch.setattr(comparison, "LONGEST_LINE", 4)
    assert text_difference("", "abcdefgh") == ("@@ -0,0 +1 @@", "+abc…")
    monkeypatch.setattr(comparison, "MOST_LINES", 2)
    assert text_difference("a\nb\nc", "a") is None
