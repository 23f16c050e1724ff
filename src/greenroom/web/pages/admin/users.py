"""``/admin/users/``: the accounts, and what administrators do to one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from pyramid.view import view_config

from greenroom.registry import (
    account_invitations,
    account_list,
    account_states,
    password_resets,
    second_factor_resets,
    session_oversight,
    token_oversight,
    tokens,
)
from greenroom.registry.account_links import NewLink
from greenroom.registry.account_list import AccountState, WantedAccounts
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http.paging import page_from, page_number, page_of
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.admin import chosen
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.acts import Act, asked
from greenroom.web.pages.admin.forms import InviteForm, ReasonForm
from greenroom.web.pages.admin.resources import AdminInvitations, AdminUser, AdminUsers
from greenroom.web.pages.form_responses import View, invalid, refused

_ON_A_PAGE = 50
_ACT = "pages/admin/act.jinja2"
_BOTH = ("GET", "POST")


@view_config(context=AdminUsers, request_method="GET", renderer="pages/admin/users.jinja2")
def users(context: AdminUsers, request: Request) -> View:
    """Who has an account: those who wait to be verified first."""
    begin(request)
    wanted = _wanted(request)
    number = page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = account_list.listed(request.uow, wanted, start=start, count=_ON_A_PAGE)
    total = account_list.count_of(request.uow, wanted)
    kept = {"q": wanted.words, "state": wanted.state.value if wanted.state else ""}
    return {
        "users": page_from(found, number, _ON_A_PAGE, total),
        "wanted": wanted,
        "states": [state.value for state in AccountState],
        "query": {name: value for name, value in kept.items() if value},
    }


def _wanted(request: Request) -> WantedAccounts:
    state = query_value(request, "state") or None
    known = {each.value: each for each in AccountState}
    if state is not None and state not in known:
        raise NotFound("Accounts do not stand so.")
    return WantedAccounts(
        query_value(request, "q") or "", known[state] if state is not None else None
    )


@view_config(context=AdminUser, request_method="GET", renderer="pages/admin/user.jinja2")
def user(context: AdminUser, request: Request) -> View:
    """An account: how it stands, its roles and tokens, and what can be done to it."""
    begin(request)
    uow, found = request.uow, context.user
    number = page_number(request, "roles")
    roles = account_list.roles_of(uow, found, start=(number - 1) * _ON_A_PAGE, count=_ON_A_PAGE)
    total = account_list.count_roles(uow, found)
    return {
        "account": context.account,
        "roles": page_from(roles, number, _ON_A_PAGE, total, "roles"),
        "tokens": page_of(request, tokens.of_user(uow, found), _ON_A_PAGE, "tokens"),
        "sessions": page_of(
            request,
            [each.session for each in session_oversight.listed(uow, found)],
            _ON_A_PAGE,
            "sessions",
        ),
        "uploads": account_list.count_uploads(uow, found),
        "is_own": found.id == request.person.user_id,
    }


class Change(Protocol):
    """A use case that changes an account."""

    def __call__(self, uow: UnitOfWork, actor: Actor, username: str, reason: str, /) -> object:
        """Do it."""


@view_config(
    context=AdminUser, name="disable", request_method=_BOTH, renderer=_ACT, needs_confirmation=()
)
def disable(context: AdminUser, request: Request) -> View:
    """Let nothing be done with the account."""
    return _asked(
        context,
        request,
        "disable",
        "Disable the account",
        account_states.disable,
        "is disabled: its sessions and tokens have ended.",
        "Nothing can be done with it any more: sessions and API tokens end at once, for good, and "
        "what its person is doing just now is refused. Open drafts of its projects get other "
        "addresses. Roles stay, and the account can be enabled again.",
        is_dangerous=True,
    )


@view_config(
    context=AdminUser, name="enable", request_method=_BOTH, renderer=_ACT, needs_confirmation=()
)
def enable(context: AdminUser, request: Request) -> View:
    """Let the account be used again."""
    return _asked(
        context,
        request,
        "enable",
        "Enable the account",
        account_states.enable,
        "is enabled.",
        "Its person can sign in again, and makes new API tokens: the old ones stay revoked.",
    )


@view_config(
    context=AdminUser, name="verify", request_method=_BOTH, renderer=_ACT, needs_confirmation=()
)
def verify(context: AdminUser, request: Request) -> View:
    """Vouch for the person."""
    return _asked(
        context,
        request,
        "verify",
        "Verify the account",
        account_states.verify,
        "is verified and may register project names.",
        "Whoever is verified may register the names of new projects.",
    )


@view_config(
    context=AdminUser,
    name="make-administrator",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def make_administrator(context: AdminUser, request: Request) -> View:
    """Give the person the powers of an administrator."""
    return _asked(
        context,
        request,
        "make-administrator",
        "Make an administrator",
        account_states.make_administrator,
        "is an administrator.",
        "An administrator sees and does what you see and do here, to every account and project.",
        is_dangerous=True,
    )


@view_config(
    context=AdminUser,
    name="take-administrator",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def take_administrator(context: AdminUser, request: Request) -> View:
    """Take these powers away."""
    return _asked(
        context,
        request,
        "take-administrator",
        "Take the powers away",
        account_states.take_administrator,
        "is no administrator any more.",
        "The account stays, with its roles, and has no powers of an administrator.",
        is_dangerous=True,
    )


@view_config(
    context=AdminUser, name="delete", request_method=_BOTH, renderer=_ACT, needs_confirmation=()
)
def delete(context: AdminUser, request: Request) -> View:
    """Delete the account for good."""
    return _asked(
        context,
        request,
        "delete",
        "Delete the account",
        account_states.delete_account,
        "is deleted.",
        "The account is gone at once and for good, with its address, password, tokens, sessions "
        "and roles. Its name stays where something was done under it, and nobody gets it again.",
        is_dangerous=True,
        typed=context.account.username,
    )


@view_config(
    context=AdminUser,
    name="reset-second-factors",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def reset_second_factors(context: AdminUser, request: Request) -> View:
    """Take the second factors of somebody away who has lost them."""
    return _asked(
        context,
        request,
        "reset-second-factors",
        "Reset the second factors",
        second_factor_resets.reset,
        "has no second factor any more. All sessions have ended.",
        "Authenticator apps, passkeys and recovery codes are gone, and all sessions end. Whoever "
        "knows the password signs in with it alone then: be certain of who asks. The person reads "
        "the reason, too.",
        is_dangerous=True,
    )


def _asked(
    context: AdminUser,
    request: Request,
    name: str,
    button: str,
    change: Change,
    done: str,
    explanation: str,
    *,
    is_dangerous: bool = False,
    typed: str | None = None,
) -> View:
    account = context.account
    act = _act(
        context,
        request,
        name,
        f"{button}: {account.username}?",
        explanation,
        button,
        is_dangerous=is_dangerous,
        typed=typed,
    )

    def do(form: ReasonForm) -> str:
        change(request.uow, request.person, account.username, form.reason.data or "")
        return f"{account.username} {done}"

    return asked(request, act, do)


def _act(
    context: AdminUser,
    request: Request,
    name: str,
    question: str,
    explanation: str,
    button: str,
    *,
    is_dangerous: bool = False,
    fields: Mapping[str, str] = MappingProxyType({}),
    typed: str | None = None,
) -> Act:
    account = context.account
    return Act(
        question=question,
        explanation=explanation,
        button=button,
        address=request.paths.admin_user(account, name),
        back=request.paths.admin_user(account),
        where=account.username,
        is_dangerous=is_dangerous,
        fields=fields,
        typed=typed,
    )


@view_config(
    context=AdminUser,
    name="revoke",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=("token",),
)
def revoke(context: AdminUser, request: Request) -> View:
    """End a token of the account at once."""
    begin(request)
    number = chosen.item(request, "token")
    of_user = tokens.of_user(request.uow, context.user)
    found = next((token for token in of_user if str(token.id) == number), None)
    if found is None:
        raise NotFound("There is no such token.")
    act = _act(
        context,
        request,
        "revoke",
        f"Revoke the token “{found.label}” of {context.account.username}?",
        f"The token {found.prefix}… stops working at once, wherever it is used.",
        "Revoke the token",
        is_dangerous=True,
        fields={"token": number},
    )

    def do(form: ReasonForm) -> str:
        token_oversight.revoke(request.uow, request.person, number, form.reason.data or "")
        return f"The token “{found.label}” is revoked."

    return asked(request, act, do)


@view_config(
    context=AdminUser,
    name="end-session",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=("session",),
)
def end_session(context: AdminUser, request: Request) -> View:
    """End a session of the account at once."""
    begin(request)
    number = chosen.item(request, "session")
    of_user = session_oversight.listed(request.uow, context.user)
    found = next((each.session for each in of_user if str(each.session.id) == number), None)
    if found is None:
        raise NotFound("There is no such session, or it has ended.")
    act = _act(
        context,
        request,
        "end-session",
        f"End a session of {context.account.username}?",
        f"Whoever is signed in there ({found.device}) is no longer.",
        "End the session",
        is_dangerous=True,
        fields={"session": number},
    )

    def do(form: ReasonForm) -> str:
        session_oversight.end(request.uow, request.person, found.id, form.reason.data or "")
        return f"The session in {found.device} has ended."

    return asked(request, act, do)


@view_config(
    context=AdminUser,
    name="end-sessions",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def end_sessions(context: AdminUser, request: Request) -> View:
    """End every session of the account at once."""
    account = context.account
    act = _act(
        context,
        request,
        "end-sessions",
        f"End every session of {account.username}?",
        "The person signs in again, wherever that was. API tokens go on.",
        "End the sessions",
        is_dangerous=True,
    )

    def do(form: ReasonForm) -> str:
        ended = session_oversight.end_all(
            request.uow, request.person, account.username, form.reason.data or ""
        )
        return f"Sessions of {account.username} that have ended: {ended}."

    return asked(request, act, do)


@view_config(
    context=AdminUser,
    name="password-link",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def password_link(context: AdminUser, request: Request) -> View:
    """A link with which the person sets another password, shown here and never again."""
    begin(request)
    account = context.account
    form = ReasonForm(request.POST if request.method not in SAFE_METHODS else None)
    act = _act(
        context,
        request,
        "password-link",
        f"Make a link that sets another password of {account.username}?",
        "Whoever opens the link sets the password: give it to its person alone. It "
        "can be used once, within a day. The password of now goes on until then.",
        "Make the link",
    )
    page = {"act": act, "form": form}
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    try:
        link = password_resets.make_link(
            request.uow, request.person, account.username, form.reason.data or ""
        )
    except (InvalidRequest, NotAllowed) as refusal:
        return refused(request, page, form, refusal)
    return _link_page(request, link, f"another password of {account.username}")


@view_config(
    context=AdminInvitations,
    request_method=_BOTH,
    renderer="pages/admin/invite.jinja2",
    needs_confirmation=(),
)
def invite(context: AdminInvitations, request: Request) -> View:
    """A link with which somebody makes an account, shown here and never again."""
    begin(request)
    form = InviteForm(request.POST if request.method not in SAFE_METHODS else None)
    page: dict[str, object] = {"form": form}
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    email = (form.email.data or "").strip()
    try:
        link = account_invitations.invite(
            request.uow, request.person, email, form.reason.data or ""
        )
    except (InvalidRequest, NotAllowed) as refusal:
        return refused(request, page, form, refusal)
    return _link_page(request, link, f"an account of {email}")


def _link_page(request: Request, link: NewLink, what: str) -> View:
    """The page that shows a link: its key is in no cookie, no address and no log."""
    request.override_renderer = "pages/admin/link.jinja2"
    return {"link": request.urls.one_time_link(link), "expires": link.expires, "what": what}
