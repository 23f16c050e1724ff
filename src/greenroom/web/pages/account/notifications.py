"""``/account/notifications/``: what one is told of by mail."""

from pyramid.view import view_config

from greenroom.models import User
from greenroom.registry import mail
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.notices import CHOICES, Category
from greenroom.web.http.request import Request
from greenroom.web.pages.account.forms import NotificationsForm
from greenroom.web.pages.account.resources import Notifications
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, refused
from greenroom.web.pages.redirects import see_other, user_or_sign_in

_TEMPLATE = "pages/account/notifications.jinja2"


@view_config(context=Notifications, request_method="GET", renderer=_TEMPLATE)
def notifications(context: Notifications, request: Request) -> View:
    """What is told, and what not."""
    user = user_or_sign_in(request)
    return _page(request, user, NotificationsForm())


@view_config(
    context=Notifications, request_method="POST", renderer=_TEMPLATE, repeatable=("wanted",)
)
def choose(context: Notifications, request: Request) -> View:
    """Be told of what is chosen, and of nothing else but security."""
    user = user_or_sign_in(request)
    form = NotificationsForm(request.POST)
    try:
        mail.choose(request.uow, user, form.wanted.data or [])
    except InvalidRequest as refusal:
        return refused(request, _page(request, user, form), form, refusal)
    return see_other(request, request.paths.notifications(), "Your choice is kept.")


def _page(request: Request, user: User, form: NotificationsForm) -> dict[str, object]:
    never_cache(request)
    off = mail.unwanted(request.uow, user)
    return {
        "form": form,
        "choices": [(each.value, each.about, each not in off) for each in CHOICES],
        "security": Category.SECURITY.about,
        "sends_mail": request.services.settings.mail_url is not None,
    }
