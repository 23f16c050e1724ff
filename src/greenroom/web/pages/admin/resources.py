"""``/admin/``."""

from greenroom.web.http.traversal import Node


class Admin(Node):
    """``/admin/``: for administrators; not there for anyone else."""

    is_for_signed_in = True
