"""Where the files of packages are: what Pyramid needs ``pkg_resources`` for.

To import that takes 4 MiB, and a tenth of the start.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from greenroom.unread import import_with

_USERS = ("pyramid.asset", "pyramid.path", "pyramid.static", "pyramid.config.assets")


def import_pyramid() -> None:
    """Import those modules of Pyramid that import ``pkg_resources``, without it."""
    stand_in = ModuleType("pkg_resources")
    for function in (resource_filename, resource_exists, resource_isdir):
        setattr(stand_in, function.__name__, function)
    # Pyramid makes a class of this one, for files that take the place of others: there are none.
    stand_in.DefaultProvider = object  # type: ignore[attr-defined]
    import_with(stand_in, *_USERS)


def resource_filename(package: str, name: str) -> str:
    """The path of a file of a package; of its folder, where the name is empty."""
    module = sys.modules.get(package) or import_module(package)
    folder = Path(module.__file__ or "").parent
    return str(folder.joinpath(*name.split("/")))


def resource_exists(package: str, name: str) -> bool:
    """Whether a package has such a file, or folder."""
    return Path(resource_filename(package, name)).exists()


def resource_isdir(package: str, name: str) -> bool:
    """Whether it is a folder."""
    return Path(resource_filename(package, name)).is_dir()
