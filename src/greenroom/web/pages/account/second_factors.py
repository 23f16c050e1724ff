"""``/account/second-factors/``: authenticator apps, passkeys and recovery codes."""

from markupsafe import Markup
from pyramid.view import view_config

from greenroom.registry import authenticator_apps, recovery_codes, sealing, second_factors
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Person
from greenroom.registry.second_factors import FactorSummary
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account import questions
from greenroom.web.pages.account.forms import (
    FactorForm,
    NewAppForm,
    NewPasskeyForm,
    RenameFactorForm,
)
from greenroom.web.pages.account.resources import SecondFactors
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other, signed_in_or_sign_in

_SEALED_FOR = "an authenticator app that is being added"
_CODES = "pages/account/recovery_codes.jinja2"


@view_config(
    context=SecondFactors, request_method="GET", renderer="pages/account/second_factors.jinja2"
)
def list_factors(context: SecondFactors, request: Request) -> View:
    """What one has, and how many recovery codes are left."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    return {
        "factors": second_factors.of_user(request.uow, person.user),
        "codes_left": recovery_codes.left(request.uow, person.user.id),
        "count": recovery_codes.COUNT,
    }


@view_config(
    context=SecondFactors,
    name="app",
    request_method=("GET", "POST"),
    renderer="pages/account/add_app.jinja2",
    needs_confirmation=(),
    secret_fields=("code",),
)
def add_app(context: SecondFactors, request: Request) -> View:
    """Show a secret, and take the app that shows a code of it."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    if request.method in SAFE_METHODS:
        secret = authenticator_apps.new_secret()
        sealed = sealing.seal(request.services.settings, _purpose(person), secret)
        return _app_page(request, person, NewAppForm(sealed=sealed), secret)
    form = NewAppForm(request.POST)
    unsealed = sealing.unseal(request.services.settings, _purpose(person), form.sealed.data or "")
    if unsealed is None:
        raise InvalidRequest("This form is too old: add the app anew.")
    page = _app_page(request, person, form, unsealed)
    if not form.validate():
        return invalid(request, page)
    try:
        codes = second_factors.add_app(
            request.uow, person, form.name.data or "", unsealed, form.code.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    return _added(request, form.name.data or "", codes)


@view_config(
    context=SecondFactors,
    name="passkey",
    request_method=("GET", "POST"),
    renderer="pages/account/add_passkey.jinja2",
    needs_confirmation=(),
)
def add_passkey(context: SecondFactors, request: Request) -> View:
    """Ask the browser for a passkey, and take it."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    form = NewPasskeyForm(request.POST if request.method not in SAFE_METHODS else None)
    page = {"form": form, "passkey_options": questions.to_make_one(request, person.user)}
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    answer = questions.answer(request, form.credential.data or "")
    try:
        codes = second_factors.add_passkey(request.uow, person, form.name.data or "", answer)
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    return _added(request, form.name.data or "", codes)


@view_config(
    context=SecondFactors,
    name="rename",
    request_method=("GET", "POST"),
    renderer="pages/account/rename_factor.jinja2",
    needs_confirmation=("factor",),
)
def rename(context: SecondFactors, request: Request) -> View:
    """Give one another name."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    if request.method in SAFE_METHODS:
        factor = _asked(request, person)
        return {"factor": factor, "form": RenameFactorForm(name=factor.name, factor=factor.id)}
    form = RenameFactorForm(request.POST)
    page = {"factor": _named(request, person, form), "form": form}
    if not form.validate():
        return invalid(request, page)
    try:
        renamed = second_factors.rename(
            request.uow, person, form.factor.data or 0, form.name.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    return see_other(request, request.paths.second_factors(), f"It is called {renamed.name} now.")


@view_config(
    context=SecondFactors,
    name="remove",
    request_method=("GET", "POST"),
    renderer="pages/account/remove_factor.jinja2",
    needs_confirmation=("factor",),
)
def remove(context: SecondFactors, request: Request) -> View:
    """Ask whether to take one away; then do it."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    if request.method in SAFE_METHODS:
        return {"factor": _asked(request, person), "form": FactorForm()}
    form = FactorForm(request.POST)
    page = {"factor": _named(request, person, form), "form": form}
    try:
        removed = second_factors.remove(request.uow, person, form.factor.data or 0)
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    return see_other(request, request.paths.second_factors(), f"{removed.name} is removed.")


@view_config(
    context=SecondFactors,
    name="recovery-codes",
    request_method="POST",
    renderer=_CODES,
    needs_confirmation=(),
)
def new_codes(context: SecondFactors, request: Request) -> View:
    """Other recovery codes, shown here and never again."""
    person = signed_in_or_sign_in(request)
    never_cache(request)
    if not second_factors.count_of(request.uow, person.user.id):
        raise InvalidRequest("Recovery codes stand for a second factor: add one first.")
    return {"codes": recovery_codes.replace(request.uow, person), "added": None}


def _added(request: Request, name: str, codes: list[str]) -> View:
    """The recovery codes, where they were made; else the list."""
    if not codes:
        return see_other(request, request.paths.second_factors(), f"{name.strip()} is added.")
    request.override_renderer = _CODES
    return {"codes": codes, "added": name.strip()}


def _app_page(request: Request, person: Person, form: NewAppForm, secret: str) -> dict[str, object]:
    import segno  # which is needed nowhere else

    issuer = f"Greenroom at {request.host}".replace(":", " ")
    picture = segno.make(
        authenticator_apps.address(secret, person.user.username, issuer), micro=False
    )
    drawn = picture.svg_inline(scale=5, border=3, dark="#000", light="#fff", omitsize=True)
    shown = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    # It is made of numbers alone.
    return {"form": form, "secret": shown, "picture": Markup(drawn)}  # noqa: S704


def _asked(request: Request, person: Person) -> FactorSummary:
    text = query_value(request, "factor") or ""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise NotFound("There is no such second factor.")
    return second_factors.get(request.uow, person.user, int(text))


def _named(request: Request, person: Person, form: FactorForm) -> FactorSummary:
    form.validate()
    if form.factor.errors or form.factor.data is None:
        raise NotFound("There is no such second factor.")
    return second_factors.get(request.uow, person.user, form.factor.data)


def _purpose(person: Person) -> str:
    return f"{_SEALED_FOR} by user {person.user.id}"
