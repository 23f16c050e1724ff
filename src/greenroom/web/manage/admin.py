"""``/admin/``: every user and every live draft, for administrators; nothing for anyone else."""

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.view import view_config

from greenroom.registry import accounts, drafts
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import is_administrator
from greenroom.web.manage.forms import VerifyForm
from greenroom.web.page_addresses import PageAddresses, see_other
from greenroom.web.page_caching import never_cache
from greenroom.web.paging import page_from, page_number, page_of
from greenroom.web.request import Request
from greenroom.web.resources import Admin

_USERS_ON_A_PAGE = 50
_DRAFTS_ON_A_PAGE = 50


@view_config(context=Admin, request_method="GET", renderer="manage/admin.jinja2")
def admin(context: Admin, request: Request) -> dict[str, object]:
    """Who is here, and what is in the making."""
    _check_administrator(request)
    never_cache(request)
    session = request.index.session
    number = page_number(request, "users")
    users = accounts.users(session, start=(number - 1) * _USERS_ON_A_PAGE, count=_USERS_ON_A_PAGE)
    total = accounts.count_users(session)
    return {
        "users": page_from(users, number, _USERS_ON_A_PAGE, total, "users"),
        "drafts": page_of(request, drafts.all_live(request.index), _DRAFTS_ON_A_PAGE, "drafts"),
        "now": request.index.now,
    }


@view_config(context=Admin, name="verify", request_method="POST")
def verify(context: Admin, request: Request) -> HTTPSeeOther:
    """Vouch for a user."""
    _check_administrator(request)
    form = VerifyForm(request.POST)
    if not form.validate() or form.user.data is None:
        raise NotFound("There is no such user.")
    user = accounts.verify_user(request.index, request.person, form.user.data)
    notice = f"{user.username} is verified and may register project names."
    return see_other(request, PageAddresses(request).admin(), notice)


def _check_administrator(request: Request) -> None:
    if not is_administrator(request.person):
        raise HTTPNotFound
