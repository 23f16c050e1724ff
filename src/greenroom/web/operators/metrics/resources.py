"""``/_metrics``"""

from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node, ReadBy


class Metrics(Node):
    """``/_metrics``"""

    is_leaf = True
    refusals = TEXT
    read_by = ReadBy.ANYBODY
