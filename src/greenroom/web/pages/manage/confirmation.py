"""Acts that are confirmed by typing: a page that asks, and what happens when it is answered."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pyramid.httpexceptions import HTTPSeeOther

from greenroom.models import Project
from greenroom.registry import projects
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Act, require
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import invalid, refused
from greenroom.web.pages.manage.forms import ConfirmForm
from greenroom.web.pages.redirects import see_other

View: TypeAlias = dict[str, object] | HTTPSeeOther

# Does the act, and gives the path to go to and the notice to show there.
Do: TypeAlias = Callable[[], tuple[str, str]]


def confirmed(
    request: Request,
    project: Project,
    form: ConfirmForm,
    page: Mapping[str, object],
    do: Do,
    *,
    needs: Act = Act.MANAGE,
) -> View:
    """The page that asks, until what the form expects was typed; then the act is done.

    Raises:
        NotAllowed: the person may not; nothing is asked then.
        Refusal: the act is refused for a reason that no other answer would change.
    """
    require(request.person, needs, project)
    never_cache(request)
    asked = {"project": projects.summary(project), "form": form, **page}
    if request.method in SAFE_METHODS:
        return asked
    if not form.validate():
        return invalid(request, asked)
    try:
        path, notice = do()
    except InvalidRequest as refusal:
        return refused(request, asked, form, refusal)
    return see_other(request, path, notice)
