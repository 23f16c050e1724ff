"""``/account/second-step`` after the password, and ``/account/passkey`` in its place."""

from pyramid.view import view_config

from greenroom.counters import Counted, count
from greenroom.registry import second_steps
from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import NotAllowed, NotAuthenticated
from greenroom.registry.second_steps import Shown
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.pages.account import devices, questions
from greenroom.web.pages.account.forms import ShowFactorForm, SignInForm
from greenroom.web.pages.account.resources import Account
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid
from greenroom.web.pages.redirects import local_next, see_other

WRONG = "That is no code or passkey of yours, or it was used before: try the next one."
_NO_PASSKEY = "This passkey opens no account here: sign in with your password."


@view_config(
    context=Account,
    name="second-step",
    request_method="GET",
    renderer="pages/account/second_step.jinja2",
)
def second_step_page(context: Account, request: Request) -> View:
    """Ask for a code or a passkey."""
    never_cache(request)
    return _page(request, _pending(request), ShowFactorForm())


@view_config(
    context=Account,
    name="second-step",
    request_method="POST",
    renderer="pages/account/second_step.jinja2",
)
def second_step(context: Account, request: Request) -> View:
    """Begin the session, or count a failed sign-in."""
    never_cache(request)
    user, form = _pending(request), ShowFactorForm(request.POST)
    if not form.validate():
        return invalid(request, _page(request, user, form))
    try:
        secret = second_steps.finish_sign_in(
            devices.services(request),
            user,
            shown(request, form),
            request.address,
            authentication.browser(request),
            devices.recognized(request, user.username),
        )
    except NotAuthenticated:
        raise see_other(request, request.paths.sign_in(local_next(request))) from None
    if secret is None:
        count(Counted.SIGN_IN_FAILURES, "second-factor")
        form.form_errors.append(WRONG)
        return invalid(request, _page(request, user, form), status=403)
    authentication.go_on(request, secret)
    devices.remember(request, user)
    return see_other(request, _next(request))


@view_config(
    context=Account, name="passkey", request_method="POST", renderer="pages/account/sign_in.jinja2"
)
def sign_in_with_passkey(context: Account, request: Request) -> View:
    """Sign in with nothing but a passkey, whose device has asked who holds it."""
    never_cache(request)
    form = ShowFactorForm(request.POST)
    found, why = None, _NO_PASSKEY
    if form.validate():
        try:
            found = second_steps.sign_in_with_passkey(
                devices.services(request),
                questions.answer(request, form.credential.data or ""),
                request.address,
                authentication.browser(request),
            )
        except NotAllowed as refusal:
            why = str(refusal)
    if found is None:
        count(Counted.SIGN_IN_FAILURES, "passkey")
        other = SignInForm()
        other.form_errors.append(why)
        page = {
            "form": other,
            "next": local_next(request),
            "passkey_options": questions.to_sign_in(request),
        }
        return invalid(request, page, status=403)
    authentication.go_on(request, found[1])
    devices.remember(request, found[0])
    return see_other(request, _next(request))


def shown(request: Request, form: ShowFactorForm) -> Shown:
    """What somebody shows in this form."""
    text = form.credential.data
    return Shown(form.code.data or "", questions.answer(request, text) if text else None)


def _pending(request: Request) -> SignedIn:
    """Who has shown the password.

    Raises:
        HTTPSeeOther: nobody has, or it is too long ago; it leads to where they do.
    """
    user = authentication.pending(request, request.services.clock())
    if user is None:
        raise see_other(request, request.paths.sign_in(local_next(request)))
    return user


def _page(request: Request, user: SignedIn, form: ShowFactorForm) -> dict[str, object]:
    return {
        "form": form,
        "next": local_next(request),
        "username": user.username,
        "passkey_options": questions.to_show_one(request, user.id),
    }


def _next(request: Request) -> str:
    return local_next(request) or request.paths.managed_projects()
