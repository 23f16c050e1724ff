"""``/_metrics``"""

from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node


class Metrics(Node):
    """``/_metrics``"""

    is_leaf = True
    refusals = TEXT
