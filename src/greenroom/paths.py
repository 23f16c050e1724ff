"""Where the files that are not Python lie: templates, migrations, docs, static files.

In a wheel they are inside the package; in a checkout they stand at the top of the repository,
where people look for them. The build (``pyproject.toml``) moves them from the one place to the
other.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent.parent


def _installed_or_checkout(name: str) -> Path:
    inside = PACKAGE / name
    return inside if inside.is_dir() else CHECKOUT / name


TEMPLATES = _installed_or_checkout("templates")
DOCS = _installed_or_checkout("docs")
MIGRATIONS = _installed_or_checkout("migrations")
