"""``GET /api/releases/<project>/<version>/approval``: who let a release become public."""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom import times
from greenroom.registry import approvals
from greenroom.registry.approvals import ApprovedPublication, PublishedApproval
from greenroom.web.http.caching import cached, conditional
from greenroom.web.http.cors import open_to_all_origins, preflight
from greenroom.web.http.json import to_json
from greenroom.web.http.request import Request
from greenroom.web.uploads.draft_lookup.resources import Approval


@view_config(context=Approval, request_method="GET")
def approval(context: Approval, request: Request) -> Response:
    """Each publication of the release that people had approved of, the oldest first."""
    project, release = context.project, context.release
    published = approvals.published(request.uow.db, release)
    if not published:
        raise HTTPNotFound
    body = {
        "project": project.name,
        "version": release.version,
        "publications": [_publication(each) for each in published],
    }
    response = conditional(request, to_json(body), "application/json")
    return open_to_all_origins(cached(response, f"project/{project.normalized_name}"))


@view_config(context=Approval, request_method="OPTIONS")
def options(context: Approval, request: Request) -> Response:
    """What scripts of other origins may do."""
    return preflight()


def _publication(published: ApprovedPublication) -> dict[str, object]:
    return {
        "content-digest": published.content_digest,
        "published": times.seconds(published.published),
        "approvals": [_approval(each) for each in published.approvals],
    }


def _approval(approval: PublishedApproval) -> dict[str, object]:
    return {
        "by": approval.by,
        "at": times.seconds(approval.at),
        "second-factor": approval.factor,
        **approval.standing,
    }
