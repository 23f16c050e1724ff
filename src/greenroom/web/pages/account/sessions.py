"""``/account/sessions/``: where one is signed in, and the end of that."""

from pyramid.view import view_config

from greenroom.counts import counted
from greenroom.registry import sessions
from greenroom.registry.errors import NotFound
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import Request
from greenroom.web.pages.account.forms import EndSessionForm
from greenroom.web.pages.account.resources import Sessions
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.redirects import see_other, signed_in_or_sign_in

_ON_A_PAGE = 20


@view_config(context=Sessions, request_method="GET", renderer="pages/account/sessions.jinja2")
def list_sessions(context: Sessions, request: Request) -> View:
    """Each browser in which one is signed in, the one that was used last first."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    number = page_number(request)
    total = sessions.count_of(request.uow, person.user)
    start = (number - 1) * _ON_A_PAGE
    found = sessions.of_user(request.uow, person.user, start=start, count=_ON_A_PAGE)
    return {
        "sessions": page_from(found, number, _ON_A_PAGE, total),
        "this": person.session.id if person.session is not None else None,
    }


@view_config(context=Sessions, name="end", request_method="POST")
def end(context: Sessions, request: Request) -> View:
    """End one of them at once."""
    person = signed_in_or_sign_in(request)
    form = EndSessionForm(request.POST)
    if not form.validate() or form.session.data is None:
        raise NotFound("There is no such session.")
    ended = sessions.end(request.uow, person, person.user, form.session.data)
    notice = f"The session in {ended.device} has ended."
    return see_other(request, request.paths.sessions(), notice)


@view_config(context=Sessions, name="end-others", request_method="POST")
def end_others(context: Sessions, request: Request) -> View:
    """End all but the one that asks."""
    person = signed_in_or_sign_in(request)
    this = person.session.id if person.session is not None else None
    ended = sessions.end_all(request.uow, person, person.user, but=this)
    has = "has" if ended == 1 else "have"
    notice = f"{counted(ended, 'other session')} of yours {has} ended."
    return see_other(request, request.paths.sessions(), notice)
