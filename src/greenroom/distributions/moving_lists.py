"""Lists that others keep, and add to: versions and fields of metadata, and platforms of wheels.

What ``packaging`` knows is taken from it, so that a newer release of it renews the list. What it
does not say is written down here, as it was on 2026-11-28. To renew that, run
``tests/distributions/test_moving_lists.py`` with the newest ``packaging``, compare
:data:`PLATFORMS` with the platform compatibility tags of the packaging specifications (PEP 425 and
those that add to it), and set the date.
"""

import re
from typing import cast

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata


def _is_known(version: str) -> bool:
    raw = cast("RawMetadata", {"metadata_version": version})
    try:
        return Metadata.from_raw(raw, validate=False).metadata_version == version
    except InvalidMetadata:
        return False


METADATA_VERSIONS = tuple(
    version
    for version in (f"{major}.{minor}" for major in range(1, 4) for minor in range(20))
    if _is_known(version)
)
"""The versions of core metadata, the oldest first."""

ADDED_IN: dict[str, str] = {
    field: getattr(vars(Metadata).get(field), "added", "1.0")
    for field in RawMetadata.__annotations__
    # setuptools wrote License-File long before 2.4 defined it.
    if field != "license_files"
}
"""With which version of core metadata a field came."""

PLATFORMS = (
    "any",
    "manylinux(1|2010|2014)_ARCH",  # PEP 513, 571, 599
    "manylinux_N_N_ARCH",  # PEP 600
    "musllinux_N_N_ARCH",  # PEP 656
    "macosx_N_N_ARCH",
    "win32",
    "win_ARCH",
    "android_N_ARCH",  # PEP 738
    "ios_N_N_ARCH",  # PEP 730
    "pyemscripten_YEAR_N_wasm32",  # PEP 783
)
"""Families of platform tags. N is a number, YEAR one of four digits, ARCH any machine."""

PRIVATE_PLATFORMS = (
    "linux_ARCH",
    "pyodide_N_N_wasm32",
)
"""Families that fit one machine, or one release of one program: for an index of one's own."""


def platform_pattern(families: tuple[str, ...]) -> re.Pattern[str]:
    """What matches every platform tag of these families, in any letter case."""
    alternatives = "|".join(families)
    for placeholder, pattern in (
        ("YEAR", "[0-9]{4}"),
        ("ARCH", "[a-z0-9_]+"),
        ("_N", "_[0-9]+"),
    ):
        alternatives = alternatives.replace(placeholder, pattern)
    return re.compile(alternatives, re.IGNORECASE | re.ASCII)
