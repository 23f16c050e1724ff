"""``/legacy/``."""

from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node


class LegacyUpload(Node):
    """``/legacy/``: where upload clients send files."""

    refusals = TEXT
    takes_uploads = True
