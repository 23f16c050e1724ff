"""What a page says when its form cannot be taken as it is."""

from collections.abc import Mapping
from typing import TypeAlias

from pyramid.httpexceptions import HTTPSeeOther
from wtforms import Form

from greenroom.registry.errors import Refusal
from greenroom.web.http.refusals import PAGE
from greenroom.web.http.request import Request

View: TypeAlias = dict[str, object] | HTTPSeeOther
"""What the view of a form answers: what its page shows, or where to go."""


def invalid(request: Request, page: Mapping[str, object], status: int = 422) -> dict[str, object]:
    """The page once more, with the form that says what is wrong."""
    request.response.status_int = status
    return dict(page)


def refused(
    request: Request, page: Mapping[str, object], form: Form, refusal: Refusal
) -> dict[str, object]:
    """The page once more, with every reason of the refusal; nothing of the act is kept."""
    request.tm.doom()
    form.form_errors.extend(refusal.details)
    return invalid(request, page, PAGE.status(type(refusal)))
