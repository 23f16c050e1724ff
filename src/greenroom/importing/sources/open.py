"""Which kind of source an address or a folder is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, field

from greenroom.importing.candidates import Source
from greenroom.importing.fetching import Fetcher, NotAnAddress, login_of_environment, shown, split
from greenroom.importing.requirements import Wanted
from greenroom.importing.sources.devpi import DATA, DevpiSource
from greenroom.importing.sources.folder import FolderSource
from greenroom.importing.sources.index import IndexSource
from greenroom.importing.sources.mirror import MirrorSource, root_of


class NotASource(ValueError):
    """Where to import from does not make sense; the text is a sentence."""


class Selection(Struct, frozen=True):
    """What to take of a source.

    Attributes:
        wanted: the projects; empty for all.
        is_all: whether all of an index is meant.
        indexes: which indexes of a devpi server.
        owner: the user name whose everything is to be, None where the source's users are mapped.
        user_names: user names here, by the source's; empty for nobody.
        connections: how many at once.
    """

    wanted: Mapping[str, Wanted] = field(default_factory=dict)
    is_all: bool = False
    indexes: tuple[str, ...] = ()
    owner: str | None = None
    user_names: Mapping[str, str] = field(default_factory=dict)
    connections: int = 4

    def user(self, name: str) -> str | None:
        """The user name here of one of the source's."""
        return self.user_names.get(name, name) or None


def named(address: str) -> str:
    """What the audit log calls the source at an address, or in a folder: without credentials."""
    return shown(address) if "://" in address else str(Path(address).absolute())


@contextmanager
def open_source(address: str, selection: Selection) -> Iterator[Source]:
    """The source at an address, or in a folder.

    Raises:
        NotASource: there is none, or what is wanted of it does not fit it.
        SourceFailed: it cannot be read.
    """
    is_index = "://" in address
    if not is_index and not Path(address).is_dir():
        raise NotASource(f"{address} is neither a folder nor an http or https address.")
    is_export = not is_index and (Path(address) / DATA).is_file()
    if selection.indexes and not is_export:
        raise NotASource("--index is for what devpi-export has written.")
    if selection.user_names and not is_export:
        raise NotASource("--map-user is for what devpi-export has written: say --owner NAME.")
    if is_index:
        with _index(address, selection) as source:
            yield source
    elif is_export:
        yield DevpiSource(
            Path(address),
            selection.wanted,
            indexes=selection.indexes,
            map_user=selection.user if selection.owner is None else None,
        )
    elif (root := root_of(Path(address))) is not None:
        yield MirrorSource(root, selection.wanted)
    else:
        yield FolderSource(Path(address), selection.wanted)


@contextmanager
def _index(address: str, selection: Selection) -> Iterator[Source]:
    if not selection.wanted and not selection.is_all:
        raise NotASource(
            "Say which projects: their names, --requirements FILE, or --all for all of the index."
        )
    if selection.wanted and selection.is_all:
        raise NotASource("Say either which projects or --all.")
    try:
        base, login = split(address)
    except NotAnAddress as error:
        raise NotASource(str(error)) from None
    fetcher = Fetcher(base, login or login_of_environment(), connections=selection.connections)
    try:
        yield IndexSource(fetcher, base, selection.wanted)
    finally:
        fetcher.close()
