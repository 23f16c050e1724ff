"""Acts on a project that are confirmed by typing."""

from collections.abc import Mapping

from greenroom.models import Project
from greenroom.registry import projects
from greenroom.registry.errors import InvalidRequest, Refusal
from greenroom.registry.permissions import Act, require_right
from greenroom.web.http.request import Request
from greenroom.web.pages.confirmation import ConfirmForm, Do, asked_first
from greenroom.web.pages.form_responses import View


def confirmed(
    request: Request,
    project: Project,
    form: ConfirmForm,
    page: Mapping[str, object],
    do: Do,
    *,
    needs: Act = Act.MANAGE,
    refusals: tuple[type[Refusal], ...] = (InvalidRequest,),
) -> View:
    """The page that asks, until what the form expects was typed; then the act is done.

    Raises:
        NotAllowed: the person may not; nothing is asked then.
        Refusal: the act is refused for a reason that no other answer would change: any that is not
            one of ``refusals``.
    """
    require_right(request.person, needs, project)
    asked = {"project": projects.summary(project), **page}
    return asked_first(request, form, asked, do, refusals=refusals)
