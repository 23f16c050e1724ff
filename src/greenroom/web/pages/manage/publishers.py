"""``/manage/project/<name>/publishers/``: the workflows that a project trusts."""

from pyramid.view import view_config

from greenroom.registry import projects, trusted_publishers
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Act, require_right
from greenroom.registry.trusted_publishers import Publisher
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.manage.confirmation import confirmed
from greenroom.web.pages.manage.forms import RemovePublisherForm
from greenroom.web.pages.manage.resources import ManagedPublishers
from greenroom.web.pages.publisher_forms import (
    RIGHTS,
    PublisherForm,
    chosen_service,
    publisher_form,
    service_choices,
)
from greenroom.web.pages.redirects import see_other

_TEMPLATE = "pages/manage/publishers.jinja2"


@view_config(context=ManagedPublishers, request_method="GET", renderer=_TEMPLATE)
def publishers(context: ManagedPublishers, request: Request) -> View:
    """The workflows that are trusted, and the form for another one."""
    require_right(request.person, Act.MANAGE, context.project)
    service = chosen_service(request)
    form = publisher_form(request, service) if service is not None else None
    return _page(context, request, form)


@view_config(
    context=ManagedPublishers,
    request_method="POST",
    renderer=_TEMPLATE,
    needs_confirmation=("service",),
)
def add(context: ManagedPublishers, request: Request) -> View:
    """Trust one more."""
    project = context.project
    require_right(request.person, Act.MANAGE, project)
    service = chosen_service(request)
    if service is None:
        raise NotFound(trusted_publishers.OFF)
    form = publisher_form(request, service)
    if not form.validate():
        return invalid(request, _page(context, request, form))
    try:
        added = trusted_publishers.add(
            request.uow,
            request.person,
            project,
            service,
            form.values,
            may_publish=form.may_publish,
        )
    except InvalidRequest as refusal:
        return refused(request, _page(context, request, form), form, refusal)
    notice = f"{project.name} trusts {added.service}: {added.described}."
    return see_other(request, request.paths.publishers(project), notice)


@view_config(
    context=ManagedPublishers,
    name="remove",
    request_method=("GET", "POST"),
    renderer="pages/manage/remove_publisher.jinja2",
    needs_confirmation=("publisher",),
)
def remove(context: ManagedPublishers, request: Request) -> View:
    """Ask for the project's name to be typed; then trust the workflow no more."""
    project, form = context.project, RemovePublisherForm(request.POST)
    require_right(request.person, Act.MANAGE, project)
    asked = request.method in SAFE_METHODS
    wanted = query_value(request, "publisher") if asked else str(form.publisher.data)
    found = _find(context, request, wanted)
    form.expected = project.name

    def do() -> tuple[str, str]:
        trusted_publishers.remove(request.uow, request.person, project, found.id)
        notice = f"{project.name} trusts {found.described} no more."
        return request.paths.publishers(project), notice

    return confirmed(request, project, form, {"publisher": found}, do)


def _page(
    context: ManagedPublishers, request: Request, form: PublisherForm | None
) -> dict[str, object]:
    never_cache(request)
    service = chosen_service(request)
    return {
        "project": projects.summary(context.project),
        "publishers": trusted_publishers.of_project(request.uow, request.person, context.project),
        "services": service_choices(request),
        "service": service.issuer.name if service is not None else None,
        "form": form,
        "rights": RIGHTS,
    }


def _find(context: ManagedPublishers, request: Request, wanted: str | None) -> Publisher:
    for each in trusted_publishers.of_project(request.uow, request.person, context.project):
        if str(each.id) == wanted:
            return each
    raise NotFound("The project trusts no such workflow.")
