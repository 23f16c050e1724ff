"""The list of the standard library's modules has all that the Python which runs this has."""

import pkgutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from greenroom.registry.standard_library import BACKPORTS, SUBMODULES, TOP_LEVEL

_SAMPLES = ("xxlimited", "xxlimited_35", "xxsubtype")
"""Modules that show how to write one; nobody imports them."""

_TESTS = frozenset({"test", "tests", "idle_test"})


def _top_level() -> set[str]:
    return {
        module
        for module in sys.stdlib_module_names
        if not module.startswith("_") and module not in _SAMPLES
    }


def _submodules(folder: Path, package: str) -> Iterator[str]:
    """Public modules below a package, found without importing it."""
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_") and module.name not in _TESTS:
            name = f"{package}.{module.name}"
            yield name
            if module.ispkg:
                yield from _submodules(folder / module.name, name)


def test_no_module_of_this_python_is_missing() -> None:
    """To renew the list: run this on a newer Python, add what is missing, and set the date."""
    missing = {name for name in _top_level() if canonicalize_name(name) not in TOP_LEVEL}

    assert not missing, f"add these to _MODULES in standard_library.py: {sorted(missing)}"


def test_no_module_in_a_package_of_this_python_is_missing() -> None:
    library = Path(sysconfig.get_path("stdlib"))
    found = {
        name
        for package in _top_level() - _TESTS
        if (library / package / "__init__.py").is_file()
        for name in _submodules(library / package, package)
    }
    missing = {name for name in found if canonicalize_name(name) not in SUBMODULES}

    assert "xmlrpc.server" in found
    assert not missing, f"add these to _SUBMODULES in standard_library.py: {sorted(missing)}"


def test_a_backport_bears_the_name_of_a_module() -> None:
    assert BACKPORTS <= TOP_LEVEL | SUBMODULES
