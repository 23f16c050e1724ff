"""``/admin/upstream/adopt``: copying a release of an upstream into the index, to stay."""

from typing import cast

from pyramid.view import view_config

from greenroom.registry import names, upstream_adoption
from greenroom.registry.errors import NotFound
from greenroom.web.http.request import Request
from greenroom.web.pages.admin import chosen
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.acts import Act, asked
from greenroom.web.pages.admin.forms import AdoptForm, ReasonForm
from greenroom.web.pages.admin.resources import AdminUpstream
from greenroom.web.pages.form_responses import View


@view_config(
    context=AdminUpstream,
    name="adopt",
    request_method=("GET", "POST"),
    renderer="pages/admin/act.jinja2",
)
def adopt(context: AdminUpstream, request: Request) -> View:
    """Have a release adopted, by a job."""
    begin(request)
    project = names.lookup_name(chosen.item(request, "project"))
    version = names.parse_version(chosen.item(request, "version"))
    if not project or version is None:
        raise NotFound("There is no such release to adopt.")
    act = Act(
        question=f"Adopt {project} {version}?",
        explanation="Its files are copied into this index, to stay. From then on this index "
        f"answers for {project} alone: other versions of it come from upstream no more, until "
        "they are adopted as well.",
        button="Adopt it",
        address=request.paths.admin_part("upstream", "adopt"),
        back=request.paths.project_named(project),
        where=project,
        is_dangerous=True,
        fields={"project": project, "version": str(version)},
        typed=f"{project} {version}",
    )

    def do(form: ReasonForm) -> str:
        owner = str(cast("AdoptForm", form).owner.data or "")
        wanted = upstream_adoption.order(
            request.uow, request.person, project, str(version), owner, form.reason.data or ""
        )
        upstream_adoption.enqueue(request.uow, wanted)
        return f"{project} {version} is being adopted: reload this page in a while."

    return asked(request, act, do, AdoptForm, owner=request.person.name)
