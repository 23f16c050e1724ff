"""The release that stands for each project of a list."""

from collections.abc import Sequence

from greenroom.models import Project
from greenroom.registry import catalogue, releases
from greenroom.registry.releases import ReleaseSummary
from greenroom.web.http.request import Request


def standing_releases(request: Request, projects: Sequence[Project]) -> dict[str, ReleaseSummary]:
    """The release that stands for each of these projects that is public, by the project's name."""
    latest = catalogue.latest_of_each(request.uow.db, projects)
    return {
        project.name: releases.summary(latest[project.id])
        for project in projects
        if project.id in latest
    }
