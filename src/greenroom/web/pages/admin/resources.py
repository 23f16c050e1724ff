"""``/admin/`` and what is below it: for administrators; not there for anyone else."""

from __future__ import annotations

import re
from collections.abc import Callable

from greenroom.models import Project
from greenroom.registry import account_list, accounts, projects
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node
from greenroom.web.pages.webhook_nodes import Webhooks


class Admin(Node):
    """``/admin/``"""

    is_for_signed_in = True
    open_before_enrolment = frozenset()

    def __getitem__(self, name: str) -> Node:
        if not self.request.person.is_administrator:
            raise KeyError(name)
        return _BELOW[name](self.request, name, self)


class AdminUsers(Node):
    """``/admin/users/``"""

    def __getitem__(self, name: str) -> AdminUser:
        return AdminUser(self.request, name, self)


class AdminUser(Node):
    """``/admin/users/…/``: an account, also one that was deleted.

    Raises:
        KeyError: there never was one of this name.
    """

    def __init__(self, request: Request, name: str, parent: Node) -> None:
        found = account_list.find(request.uow, name)
        if found is None:
            raise KeyError(name)
        super().__init__(request, found.username, parent)
        self.user = found
        self.account = accounts.summary(found)


class AdminInvitations(Node):
    """``/admin/invitations/``"""


class AdminProjects(Node):
    """``/admin/projects/``"""

    def __getitem__(self, name: str) -> AdminProject:
        found = projects.find(self.request.uow, name)
        if found is None:
            raise KeyError(name)
        return AdminProject(self.request, found, self)


class AdminProject(Node):
    """``/admin/projects/…/``: a project, registered or reserved."""

    def __init__(self, request: Request, project: Project, parent: Node) -> None:
        super().__init__(request, project.name, parent)
        self.project = project


class AdminNames(Node):
    """``/admin/names/``: those that nobody may register."""


class AdminDrafts(Node):
    """``/admin/drafts/``"""


class AdminJobs(Node):
    """``/admin/jobs/``"""

    def __getitem__(self, name: str) -> AdminJob:
        return AdminJob(self.request, name, self)


class AdminJob(Node):
    """``/admin/jobs/…/``: a job by its number. It has no page, but acts."""

    def __init__(self, request: Request, name: str, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.number = _number(name)


class AdminReports(Node):
    """``/admin/reports/``"""

    def __getitem__(self, name: str) -> AdminReport:
        return AdminReport(self.request, name, self)


class AdminReport(Node):
    """``/admin/reports/…/``: a report by its number."""

    def __init__(self, request: Request, name: str, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.number = _number(name)


class AdminStorage(Node):
    """``/admin/storage/``"""


class AdminSettings(Node):
    """``/admin/settings/``"""


class AdminHealth(Node):
    """``/admin/health/``"""


class AdminUpstream(Node):
    """``/admin/upstream/``: the indexes behind this one."""

    def __getitem__(self, name: str) -> Node:
        return _BELOW_UPSTREAM[name](self.request, name, self)


class AdminUpstreamProjects(Node):
    """``/admin/upstream/projects/``: what of them is used."""


class AdminUpstreamRefusals(Node):
    """``/admin/upstream/refusals/``: files that were refused."""

    def __getitem__(self, name: str) -> AdminUpstreamRefusal:
        return AdminUpstreamRefusal(self.request, name, self)


class AdminUpstreamRefusal(Node):
    """``/admin/upstream/refusals/…/``: a refusal by its number. It has no page, but acts."""

    def __init__(self, request: Request, name: str, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.number = _number(name)


class AdminUpstreamRules(Node):
    """``/admin/upstream/rules/``: what is let in, and denied."""

    def __getitem__(self, name: str) -> AdminUpstreamRule:
        return AdminUpstreamRule(self.request, name, self)


class AdminUpstreamRule(Node):
    """``/admin/upstream/rules/…/``: a rule by its number. It has no page, but acts."""

    def __init__(self, request: Request, name: str, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.number = _number(name)


def _number(name: str) -> int:
    """What a name stands for that is a number.

    Raises:
        KeyError: it is none.
    """
    if re.fullmatch(r"[1-9][0-9]{0,9}", name, re.ASCII) is None:
        raise KeyError(name)
    return int(name)


_BELOW_UPSTREAM: dict[str, Callable[[Request, str, Node], Node]] = {
    "projects": AdminUpstreamProjects,
    "refusals": AdminUpstreamRefusals,
    "rules": AdminUpstreamRules,
}
_BELOW: dict[str, Callable[[Request, str, Node], Node]] = {
    "drafts": AdminDrafts,
    "health": AdminHealth,
    "invitations": AdminInvitations,
    "jobs": AdminJobs,
    "names": AdminNames,
    "projects": AdminProjects,
    "reports": AdminReports,
    "settings": AdminSettings,
    "storage": AdminStorage,
    "upstream": AdminUpstream,
    "users": AdminUsers,
    "webhooks": Webhooks.of_index,
}
