"""Acts that are confirmed by typing: a page that asks, and what happens when it is answered."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from wtforms import Form, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from greenroom.registry.errors import InvalidRequest, Refusal
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other

# Does the act, and gives the path to go to and the notice to show there.
Do: TypeAlias = Callable[[], tuple[str, str]]

AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
"""Of fields that take names."""


class ConfirmForm(Form):
    """Something that has to be typed before it is done. ``expected`` is what."""

    typed = StringField(
        "", [InputRequired("Type it to confirm."), Length(max=255)], render_kw=AS_TYPED
    )
    expected = ""

    def validate_typed(self, field: StringField) -> None:
        """Compare what was typed, in any letter case."""
        if (field.data or "").strip().lower() != self.expected.lower():
            raise ValidationError(f"That is not {self.expected}: nothing was done.")


def asked_first(
    request: Request,
    form: ConfirmForm,
    page: Mapping[str, object],
    do: Do,
    *,
    refusals: tuple[type[Refusal], ...] = (InvalidRequest,),
) -> View:
    """The page that asks, until what the form expects was typed; then the act is done.

    Raises:
        Refusal: the act is refused for a reason that no other answer would change: any that is not
            one of ``refusals``.
    """
    never_cache(request)
    asked = {"form": form, **page}
    if request.method in SAFE_METHODS:
        return asked
    if not form.validate():
        return invalid(request, asked)
    try:
        path, notice = do()
    except refusals as refusal:
        return refused(request, asked, form, refusal)
    return see_other(request, path, notice)
