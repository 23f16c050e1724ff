"""Acts of administrators: a page that asks why, and what happens when it is answered."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct, field

from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.forms import ReasonForm, TypedReasonForm
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other

Do: TypeAlias = Callable[[ReasonForm], str]
"""Does the act, as the form says, and gives the notice that is shown then."""


class Act(Struct, frozen=True):
    """What the page says that asks.

    Attributes:
        question: its heading.
        explanation: what follows of the act.
        button: what the button says that does it.
        address: where the form goes.
        back: where one goes who does not want it, and afterwards.
        where: what that page is called.
        is_dangerous: whether it cannot be undone, or hurts somebody.
        fields: values that the form carries along.
        typed: what has to be typed to confirm it; None where the button is enough.
    """

    question: str
    explanation: str
    button: str
    address: str
    back: str
    where: str
    is_dangerous: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    typed: str | None = None


def asked(
    request: Request, act: Act, do: Do, form: type[ReasonForm] | None = None, **values: object
) -> View:
    """The page that asks, until a reason was given; then the act is done.

    Args:
        request: for the page, or of the form.
        act: what the page says.
        do: does it, given the form.
        form: which form it is, where it has more than a reason.
        values: what stands in its fields at first.

    Raises:
        HTTPNotFound: it is no administrator who asks.
        Refusal: the act is refused for a reason that no other answer would change.
    """
    begin(request)
    kind = form or (TypedReasonForm if act.typed is not None else ReasonForm)
    filled = kind(request.POST if request.method not in SAFE_METHODS else None, data=values)
    if isinstance(filled, TypedReasonForm):
        filled.expected = act.typed or ""
    page = {"act": act, "form": filled}
    if request.method in SAFE_METHODS:
        return page
    if not filled.validate():
        return invalid(request, page)
    try:
        notice = do(filled)
    except (InvalidRequest, NotAllowed, NotFound) as refusal:
        return refused(request, page, filled, refusal)
    return see_other(request, act.back, notice)
