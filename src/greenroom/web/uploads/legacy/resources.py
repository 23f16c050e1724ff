"""``/legacy/``."""

from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node, ReadBy


class LegacyUpload(Node):
    """``/legacy/``: where upload clients send files."""

    refusals = TEXT
    read_by = ReadBy.ANYBODY
    takes_uploads = True
