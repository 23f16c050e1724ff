"""``/packages/``: published files, by their digests."""

from __future__ import annotations

from greenroom.models import Visibility
from greenroom.registry import catalogue
from greenroom.registry.catalogue import OfferedFile
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, ReadBy

_DIGITS_BELOW = {0: 2, 2: 2, 4: 60}


class Packages(Node):
    """``/packages/<2>/<2>/<60>/<filename>``: the hexadecimal digits of the SHA-256 digest."""

    refusals = TEXT
    read_by = ReadBy.PROGRAMS

    digest = ""

    def __getitem__(self, name: str) -> Node:
        if len(self.digest) == 64:
            return _published_file(self.request, digest=self.digest, name=name, parent=self)
        if len(name) != _DIGITS_BELOW[len(self.digest)]:
            raise KeyError(name)
        folder = Packages(self.request, name, self)
        folder.digest = self.digest + name
        return folder


class PublishedFile(Node):
    """``/packages/…/<filename>``"""

    is_leaf = True

    def __init__(self, request: Request, name: str, file: OfferedFile, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.file = file


class PublishedMetadata(PublishedFile):
    """``/packages/…/<filename>.metadata`` (PEP 658)"""


def _published_file(request: Request, digest: str, name: str, parent: Node) -> PublishedFile:
    db = request.uow.db
    filename = name.removesuffix(".metadata")
    file = catalogue.offered_file(db, filename)
    if file is None or file.sha256 != digest:
        raise KeyError(name)
    request.is_for_everybody = file.visibility == Visibility.PUBLIC
    if filename == name:
        return PublishedFile(request, name, file, parent)
    if not file.is_wheel:
        raise KeyError(name)
    return PublishedMetadata(request, name, file, parent)
