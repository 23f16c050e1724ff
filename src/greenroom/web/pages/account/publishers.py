"""``/account/publishers/``: the workflows that may register a name for you."""

from pyramid.view import view_config

from greenroom.models import User
from greenroom.registry import trusted_publishers
from greenroom.registry.errors import InvalidRequest, NameNotAvailable, NotAllowed, NotFound
from greenroom.registry.trusted_publishers import Pending
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account.resources import PendingPublishers
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.publisher_forms import (
    RIGHTS,
    ProjectNameForm,
    PublisherForm,
    WhichForm,
    chosen_service,
    publisher_form,
    service_choices,
)
from greenroom.web.pages.redirects import see_other, user_or_sign_in

_TEMPLATE = "pages/account/publishers.jinja2"


@view_config(context=PendingPublishers, request_method="GET", renderer=_TEMPLATE)
def publishers(context: PendingPublishers, request: Request) -> View:
    """The workflows that may, and the form for another one."""
    user = user_or_sign_in(request)
    service = chosen_service(request)
    form = publisher_form(request, service, named=True) if service is not None else None
    return _page(request, user, form)


@view_config(
    context=PendingPublishers,
    request_method="POST",
    renderer=_TEMPLATE,
    needs_confirmation=("service",),
)
def add(context: PendingPublishers, request: Request) -> View:
    """Let one more."""
    user = user_or_sign_in(request)
    service = chosen_service(request)
    if service is None:
        raise NotFound(trusted_publishers.OFF)
    form = publisher_form(request, service, named=True)
    if not form.validate() or not isinstance(form, ProjectNameForm):
        return invalid(request, _page(request, user, form))
    try:
        added = trusted_publishers.add_pending(
            request.uow,
            request.person,
            user,
            (form.project_name.data or "").strip(),
            service,
            form.values,
            may_publish=form.may_publish,
        )
    except (InvalidRequest, NameNotAvailable, NotAllowed) as refusal:
        return refused(request, _page(request, user, form), form, refusal)
    notice = f"{added.publisher.described} may register {added.project_name} for you."
    return see_other(request, request.paths.pending_publishers(), notice)


@view_config(
    context=PendingPublishers,
    name="remove",
    request_method="GET",
    renderer="pages/account/remove_publisher.jinja2",
)
def confirm_removing(context: PendingPublishers, request: Request) -> View:
    """Ask whether to let this one no more."""
    user = user_or_sign_in(request)
    never_cache(request)
    wanted = query_value(request, "publisher")
    return {"pending": _find(trusted_publishers.of_user(request.uow, user), wanted)}


@view_config(context=PendingPublishers, name="remove", request_method="POST")
def remove(context: PendingPublishers, request: Request) -> View:
    """Let it no more."""
    user = user_or_sign_in(request)
    form = WhichForm(request.POST)
    if not form.validate() or form.publisher.data is None:
        raise NotFound("You have no such pending publisher.")
    trusted_publishers.remove_pending(request.uow, request.person, user, form.publisher.data)
    notice = "The workflow may not register the name any more."
    return see_other(request, request.paths.pending_publishers(), notice)


def _page(request: Request, user: User, form: PublisherForm | None) -> dict[str, object]:
    never_cache(request)
    service = chosen_service(request)
    return {
        "pending": trusted_publishers.of_user(request.uow, user),
        "services": service_choices(request),
        "service": service.issuer.name if service is not None else None,
        "form": form,
        "rights": RIGHTS,
    }


def _find(pending: list[Pending], wanted: str | None) -> Pending:
    for each in pending:
        if str(each.publisher.id) == wanted:
            return each
    raise NotFound("You have no such pending publisher.")
