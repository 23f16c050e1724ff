"""``…/webhooks/``: who is told of what happens in a project, or in the whole index.

The secret that signs is shown once, in the answer that makes it: it is in no address and in no
cookie.
"""

from msgspec import Struct
from pyramid.view import view_config

from greenroom.models import SetState
from greenroom.registry import projects, webhook_deliveries, webhooks
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.webhook_events import CHOICES
from greenroom.registry.webhooks import Hook
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import Request
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other
from greenroom.web.pages.webhook_nodes import Place, WebhookNode, Webhooks
from greenroom.web.pages.webhooks.forms import (
    FORMATS,
    DeliveryForm,
    Switch,
    SwitchForm,
    WebhookForm,
)

_LIST = "pages/webhooks/webhooks.jinja2"
_ONE = "pages/webhooks/webhook.jinja2"
_ON_A_PAGE = 25


class ShownSet(Struct, frozen=True):
    """The release set that webhooks are of."""

    name: str
    key: str
    is_open: bool


@view_config(context=Webhooks, request_method="GET", renderer=_LIST)
def list_webhooks(context: Webhooks, request: Request) -> View:
    """All of them, and the form for another one."""
    return _list_page(context.place, request, WebhookForm(data={"events": list(CHOICES)}))


@view_config(
    context=Webhooks,
    request_method="POST",
    renderer=_LIST,
    repeatable=("events",),
    needs_confirmation=(),
    secret_fields=("url", "token"),
)
def add(context: Webhooks, request: Request) -> View:
    """One more; its secret is shown here and never again."""
    place, form = context.place, WebhookForm(request.POST)
    place.scope.require(request.person)
    if not form.validate():
        return invalid(request, _list_page(place, request, form))
    try:
        hook, text = webhooks.add(request.uow, request.person, place.scope, form.wanted)
    except InvalidRequest as refusal:
        return refused(request, _list_page(place, request, form), form, refusal)
    return _secret_page(place, request, hook, text, is_new=True)


@view_config(context=WebhookNode, request_method="GET", renderer=_ONE)
def show(context: WebhookNode, request: Request) -> View:
    """One of them: what it was sent, and the form that changes it."""
    found = _found(context, request)
    return _page(context, request, found, _filled(found))


@view_config(
    context=WebhookNode,
    request_method="POST",
    renderer=_ONE,
    repeatable=("events",),
    needs_confirmation=(),
    secret_fields=("url", "token"),
)
def change(context: WebhookNode, request: Request) -> View:
    """Change what it is told, where, or in which form."""
    found, form, place = _found(context, request), WebhookForm(request.POST), context.place
    if not form.validate():
        return invalid(request, _page(context, request, found, form))
    try:
        changed = webhooks.change(
            request.uow, request.person, place.scope, context.number, form.wanted
        )
    except InvalidRequest as refusal:
        return refused(request, _page(context, request, found, form), form, refusal)
    notice = f"The webhook “{changed.name}” is changed."
    return see_other(request, place.address(request, context.number), notice)


@view_config(
    context=WebhookNode,
    name="rotate",
    request_method="POST",
    renderer=_ONE,
    needs_confirmation=(),
)
def rotate(context: WebhookNode, request: Request) -> View:
    """Another secret, shown here and never again."""
    place = context.place
    hook, text = webhooks.rotate(request.uow, request.person, place.scope, context.number)
    return _secret_page(place, request, hook, text, is_new=False)


@view_config(context=WebhookNode, name="test", request_method="POST", renderer=_ONE)
def test(context: WebhookNode, request: Request) -> View:
    """Send a message that tells of nothing."""
    found, place = _found(context, request), context.place
    try:
        webhook_deliveries.try_out(request.uow, request.person, place.scope, context.number)
    except InvalidRequest as refusal:
        form = _filled(found)
        return refused(request, _page(context, request, found, form), form, refusal)
    notice = "A message is on its way. Look at this page again in a moment to see what came of it."
    return see_other(request, place.address(request, context.number), notice)


@view_config(context=WebhookNode, name="send-again", request_method="POST", renderer=_ONE)
def send_again(context: WebhookNode, request: Request) -> View:
    """Send a message once more."""
    found, place, form = _found(context, request), context.place, DeliveryForm(request.POST)
    if not form.validate() or form.delivery.data is None:
        raise NotFound("There is no such message to this webhook.")
    try:
        webhook_deliveries.send_again(
            request.uow, request.person, place.scope, context.number, form.delivery.data
        )
    except InvalidRequest as refusal:
        shown = _filled(found)
        return refused(request, _page(context, request, found, shown), shown, refusal)
    notice = "The message is on its way once more."
    return see_other(request, place.address(request, context.number), notice)


@view_config(context=WebhookNode, name="switch", request_method="POST", renderer=_ONE)
def switch(context: WebhookNode, request: Request) -> View:
    """Switch it off, or on again."""
    place, form = context.place, SwitchForm(request.POST)
    if not form.validate():
        raise InvalidRequest("Choose on or off.")
    is_on = form.to.data == Switch.ON
    hook = webhooks.switch(request.uow, request.person, place.scope, context.number, on=is_on)
    notice = f"The webhook “{hook.name}” is switched {'on' if is_on else 'off'}."
    return see_other(request, place.address(request, context.number), notice)


@view_config(
    context=WebhookNode,
    name="remove",
    request_method="GET",
    renderer="pages/webhooks/remove.jinja2",
)
def confirm_removing(context: WebhookNode, request: Request) -> View:
    """Ask whether to remove it."""
    never_cache(request)
    return {"hook": _found(context, request), **_where(context.place, request)}


@view_config(context=WebhookNode, name="remove", request_method="POST", renderer=_ONE)
def remove(context: WebhookNode, request: Request) -> View:
    """Remove it, with its log."""
    place = context.place
    hook = webhooks.remove(request.uow, request.person, place.scope, context.number)
    notice = f"The webhook “{hook.name}” is removed."
    return see_other(request, place.address(request), notice)


def _found(context: WebhookNode, request: Request) -> Hook:
    return webhooks.find(request.uow, request.person, context.place.scope, context.number)


def _filled(hook: Hook) -> WebhookForm:
    return WebhookForm(
        data={"label": hook.name, "format": hook.format, "events": list(hook.events)}
    )


def _where(place: Place, request: Request) -> dict[str, object]:
    """What all pages know: of what the webhooks are told, and where they are."""
    project, release_set = place.project, place.release_set

    def address(number: int | None = None, act: str = "") -> str:
        return place.address(request, number, act)

    return {
        "project": projects.summary(project) if project is not None else None,
        "release_set": (
            ShownSet(release_set.name, release_set.key, release_set.state == SetState.OPEN)
            if release_set is not None
            else None
        ),
        "at": address,
        "formats": FORMATS,
        "events": CHOICES,
    }


def _list_page(place: Place, request: Request, form: WebhookForm) -> dict[str, object]:
    never_cache(request)
    return {
        **_where(place, request),
        "hooks": webhooks.listed(request.uow, request.person, place.scope),
        "most": webhooks.MOST,
        "form": form,
    }


def _page(
    context: WebhookNode, request: Request, hook: Hook, form: WebhookForm
) -> dict[str, object]:
    never_cache(request)
    number, size = page_number(request), _ON_A_PAGE
    shown, total = webhook_deliveries.listed(
        *(request.uow, request.person, context.place.scope, context.number),
        start=(number - 1) * size,
        count=size,
    )
    return {
        **_where(context.place, request),
        "hook": hook,
        "form": form,
        "page": page_from(shown, number, size, total),
    }


def _secret_page(
    place: Place, request: Request, hook: Hook, text: str, *, is_new: bool
) -> dict[str, object]:
    request.override_renderer = "pages/webhooks/secret.jinja2"
    never_cache(request)
    return {
        **_where(place, request),
        "hook": hook,
        "secret": text,
        "is_new": is_new,
    }
