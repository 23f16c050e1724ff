"""Whether the lists that others keep are as they keep them.

What fails here after `packaging` was renewed is to be renewed, too: see moving_lists.py.
"""

import importlib.metadata
from datetime import date

import pytest
from packaging import tags
from packaging.metadata import Metadata, RawMetadata
from packaging.version import Version

from greenroom.distributions import moving_lists
from greenroom.distributions.moving_lists import (
    ADDED_IN,
    METADATA_VERSIONS,
    PLATFORMS,
    PRIVATE_PLATFORMS,
    platform_pattern,
)

_NEWEST_PACKAGING = Version("26.3")
"""The release of packaging with which the lists were compared."""


def test_metadata_versions_are_those_of_packaging() -> None:
    assert METADATA_VERSIONS[:3] == ("1.0", "1.1", "1.2")
    assert METADATA_VERSIONS[3:9] == ("2.1", "2.2", "2.3", "2.4", "2.5", "2.6")


def test_fields_came_when_packaging_says() -> None:
    assert ADDED_IN["name"] == "1.0"
    assert ADDED_IN["requires_python"] == "1.2"
    assert ADDED_IN["dynamic"] == "2.2"
    assert ADDED_IN["license_expression"] == "2.4"
    assert ADDED_IN["import_names"] == "2.5"
    assert ADDED_IN.keys() == RawMetadata.__annotations__.keys() - {"license_files"}
    assert all(hasattr(vars(Metadata)[field], "added") for field in ADDED_IN)
    assert set(ADDED_IN.values()) <= set(METADATA_VERSIONS)


@pytest.mark.parametrize(
    "known",
    [
        *tags.mac_platforms((10, 15), "x86_64"),
        *tags.mac_platforms((14, 0), "arm64"),
        *tags.ios_platforms((13, 0), "arm64-iphoneos"),
        *tags.ios_platforms((17, 2), "x86_64-iphonesimulator"),
        *tags.android_platforms(24, "arm64_v8a"),
        "pyemscripten_2026_0_wasm32",
    ],
)
def test_every_platform_that_packaging_knows_is_taken(known: str) -> None:
    assert platform_pattern(PLATFORMS).fullmatch(known)


def test_platforms_of_this_machine_are_taken() -> None:
    either = platform_pattern((*PLATFORMS, *PRIVATE_PLATFORMS))
    assert all(either.fullmatch(known) for known in tags.platform_tags())


def test_families_are_told_apart() -> None:
    assert not platform_pattern(PLATFORMS).fullmatch("linux_x86_64")
    assert not platform_pattern(PRIVATE_PLATFORMS).fullmatch("manylinux_2_28_x86_64")


def test_the_lists_say_when_they_were_compared() -> None:
    """After a release of packaging: compare the platforms, then set the date and the release."""
    installed = Version(importlib.metadata.version("packaging"))
    assert installed.release[:2] <= _NEWEST_PACKAGING.release[:2], "renew moving_lists.py"
    (written,) = [
        word.rstrip(".") for word in (moving_lists.__doc__ or "").split() if word.startswith("20")
    ]
    assert date.fromisoformat(written) >= date(2026, 11, 28)
