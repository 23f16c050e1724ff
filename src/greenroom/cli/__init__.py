"""The command line. It parses, asks the registry, and prints.

Exit status 0, 1 for a refusal, 2 for wrong usage; errors are one sentence on standard error.

Each group of commands is a module, which is imported when it is asked for: to import all of them
takes as long as most commands.
"""

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING

import click

from greenroom.unread import import_structlog

if TYPE_CHECKING:
    from greenroom.server.supervisor import Order

# Where each command is: the module here, and what it is called there.
_PLACES = {
    "audit": ("audit", "audit_command"),
    "backup": ("backups", "backup"),
    "config": ("configuration", "config"),
    "db": ("database", "db"),
    "downloads": ("downloads", "downloads_group"),
    "draft": ("drafts", "draft"),
    "housekeeping": ("housekeeping", "keep_house"),
    "import": ("imports", "import_"),
    "jobs": ("jobs", "jobs_group"),
    "publisher": ("publishers", "publisher"),
    "mail": ("mail", "mail_group"),
    "project": ("projects", "project_group"),
    "prohibited": ("prohibited", "prohibited"),
    "restore": ("backups", "restore"),
    "role": ("accounts", "role"),
    "session": ("credentials", "session"),
    "serve": ("serving", "serve"),
    "set": ("sets", "release_set"),
    "storage": ("storage", "storage"),
    "team": ("teams", "team"),
    "token": ("credentials", "token"),
    "upstream": ("upstream", "upstream_group"),
    "user": ("users", "user"),
    "webhook": ("webhooks", "webhook"),
    "work": ("working", "work"),
}


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name; each is imported when it is looked at."""

    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        self._places = places
        self._there: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._there:
            module, attribute = self._places[name]
            import_structlog()
            found: click.Command = getattr(import_module(f"{__name__}.{module}"), attribute)
            self._there[name] = found
        return self._there[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._there[name] = command

    def __delitem__(self, name: str) -> None:
        del self._there[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._places, **self._there})

    def __len__(self) -> int:
        return len({**self._places, **self._there})


def main(order: "Order | None" = None) -> None:
    """Run the command line; what the index refuses is a sentence and exit status 1.

    Args:
        order: what ``serve`` is to do for who supervises it; None: it supervises, too.
    """
    try:
        greenroom(standalone_mode=True, obj=order)
    except Exception as error:
        # Imported here: whoever only asks for the version has no use for it.
        from greenroom.cli import failures

        failures.tell(error)


@click.group(commands=_Commands(_PLACES))
@click.version_option(
    package_name="greenroom", prog_name="greenroom", message="%(prog)s %(version)s"
)
def greenroom() -> None:
    """A Python package index whose releases can wait unseen until they are published.

    Settings are environment variables that start with GREENROOM_, or names in the TOML file
    GREENROOM_CONFIG; see docs/operating.md, and 'greenroom config' for those that hold.
    """
    # The module of the command has been imported, and the command comes next.
    if not gc.isenabled():  # see __main__
        gc.freeze()
        gc.enable()
