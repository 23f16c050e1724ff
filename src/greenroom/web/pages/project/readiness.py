"""What those ask who watch the index: whether it is alive, and whether it can do its work."""

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Root
from greenroom.web.http.upload_refusals import wants_json
from greenroom.web.pages.readiness import readiness

_RETRY_AFTER = 5


@view_config(context=Root, name="_health", request_method="GET")
def health(context: Root, request: Request) -> Response:
    """That this process answers. Whoever restarts it when it does not asks for nothing else."""
    return _unkept(Response("ok\n", content_type="text/plain"))


@view_config(context=Root, name="_ready", request_method="GET")
def ready(context: Root, request: Request) -> Response:
    """Whether database and storage are there, writable, one another's, and have room; else 503."""
    findings = readiness(request).findings()
    problems = [finding for finding in findings if finding.problem]
    if wants_json(request):
        response = Response(
            json_body={
                "ready": not problems,
                "checks": {finding.name: finding.problem or "ok" for finding in findings},
            }
        )
    else:
        lines = [f"{finding.name}: {finding.problem}" for finding in problems] or ["ok"]
        response = Response("".join(f"{line}\n" for line in lines), content_type="text/plain")
    if problems:
        response.status_int = 503
        response.retry_after = _RETRY_AFTER
    response.vary = ("Accept",)
    return _unkept(response)


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
