"""Imports modules without others that they would import, and that nothing here needs of them."""

import importlib
import sys
from types import ModuleType


def import_structlog() -> None:
    """Import structlog without rich, which it would read for tracebacks in colour.

    That is 50 ms and 4 MiB of every start.
    """
    import_without("structlog", "rich")


def import_without(module: str, another: str) -> None:
    """Import a module as if another one were not installed, unless that is there already."""
    if another not in sys.modules:
        # None is what Python takes for not there.
        _import_with({another: None}, module)


def import_with(stand_in: ModuleType, *modules: str) -> None:
    """Import modules with something else in the place of a module that they import.

    Where that module is there already, they get it. Whoever imports it later gets it, too.
    """
    name = stand_in.__name__
    _import_with({} if name in sys.modules else {name: stand_in}, *modules)


def _import_with(others: dict[str, ModuleType | None], *modules: str) -> None:
    sys.modules.update(others)  # type: ignore[arg-type]  # None is not in its types
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        for name in others:
            del sys.modules[name]
