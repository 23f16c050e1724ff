"""``/admin/projects/`` and ``/admin/names/``: projects, and names that nobody gets."""

from pyramid.view import view_config

from greenroom.registry import prohibited_names, project_oversight, projects, reports, roles
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.project_oversight import ProjectState, WantedProjects
from greenroom.registry.reports import WantedReports
from greenroom.settings import parse_size
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.admin import chosen
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.acts import Act, asked
from greenroom.web.pages.admin.forms import NameForm, QuotaForm, ReasonForm, TransferForm
from greenroom.web.pages.admin.resources import AdminNames, AdminProject, AdminProjects
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other

_ON_A_PAGE = 50
_ACT = "pages/admin/act.jinja2"
_BOTH = ("GET", "POST")


@view_config(context=AdminProjects, request_method="GET", renderer="pages/admin/projects.jinja2")
def all_projects(context: AdminProjects, request: Request) -> View:
    """Every project by name, with its size and its quota."""
    begin(request)
    wanted = WantedProjects(chosen.words(request), chosen.one_of(request, "state", ProjectState))
    number = page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = project_oversight.listed(request.uow, wanted, start=start, count=_ON_A_PAGE)
    total = project_oversight.count_of(request.uow, wanted)
    return {
        "projects": page_from(found, number, _ON_A_PAGE, total),
        "wanted": wanted,
        "states": [state.value for state in ProjectState],
        "query": chosen.kept(q=wanted.words, state=wanted.state),
    }


@view_config(context=AdminProject, request_method="GET", renderer="pages/admin/project.jinja2")
def one_project(context: AdminProject, request: Request) -> View:
    """A project: how it stands, who works on it, and what can be done to it."""
    begin(request)
    project = context.project
    wanted = WantedReports(is_open=True, project=project.name)
    return {
        "overseen": project_oversight.look_at(request.uow, project),
        "people": roles.people(project),
        "reports": reports.count_of(request.uow, wanted),
    }


@view_config(
    context=AdminProject,
    name="quota",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def quota(context: AdminProject, request: Request) -> View:
    """Set how large the project may be."""
    project = context.project
    act = _act(
        context,
        request,
        "quota",
        f"How large may {project.name} be?",
        "All files of the project together, staged ones too. A project that is larger keeps its "
        "files, and takes no more.",
        "Set the quota",
    )

    def do(form: ReasonForm) -> str:
        text = (form["quota"].data or "").strip()
        project_oversight.set_quota(
            request.uow, request.person, project, _size(text), form.reason.data or ""
        )
        return f"{project.name} has another quota."

    now = f"{project.quota}" if project.quota is not None else ""
    return asked(request, act, do, QuotaForm, quota=now)


def _size(text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_size(text)
    except ValueError:
        raise InvalidRequest(
            "A quota is a whole number with an optional KiB, MiB, GiB or TiB, such as 10GiB."
        ) from None


@view_config(
    context=AdminProject,
    name="transfer",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def transfer(context: AdminProject, request: Request) -> View:
    """Give the project to another owner."""
    project = context.project
    act = _act(
        context,
        request,
        "transfer",
        f"Give {project.name} to another owner?",
        "The person is its only owner from then on, without being asked; who owned it before is a "
        "maintainer.",
        "Transfer the project",
        typed=project.name,
    )

    def do(form: ReasonForm) -> str:
        username = (form["username"].data or "").strip()
        project_oversight.transfer(
            request.uow, request.person, project, username, form.reason.data or ""
        )
        return f"{username} owns {project.name}."

    return asked(request, act, do, TransferForm)


@view_config(
    context=AdminProject,
    name="quarantine",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def quarantine(context: AdminProject, request: Request) -> View:
    """Keep the project away from everyone."""
    project = context.project
    act = _act(
        context,
        request,
        "quarantine",
        f"Quarantine {project.name}?",
        "None of its files can be downloaded by anyone, no list and no search shows it, and its "
        "people can look at it and nothing else. Everybody can read the reason on its page.",
        "Quarantine the project",
        typed=project.name,
    )

    def do(form: ReasonForm) -> str:
        projects.quarantine(request.uow, request.person, project, form.reason.data or "")
        return f"{project.name} is in quarantine."

    return asked(request, act, do)


@view_config(
    context=AdminProject,
    name="lift-quarantine",
    request_method=_BOTH,
    renderer=_ACT,
    needs_confirmation=(),
)
def lift_quarantine(context: AdminProject, request: Request) -> View:
    """Give the project back as it was."""
    project = context.project
    act = _act(
        context,
        request,
        "lift-quarantine",
        f"Lift the quarantine of {project.name}?",
        "It is there again for everybody, as it was.",
        "Lift the quarantine",
    )

    def do(form: ReasonForm) -> str:
        projects.lift_quarantine(request.uow, request.person, project, form.reason.data or "")
        return f"{project.name} is out of quarantine."

    return asked(request, act, do)


def _act(
    context: AdminProject,
    request: Request,
    name: str,
    question: str,
    explanation: str,
    button: str,
    typed: str | None = None,
) -> Act:
    project = context.project
    return Act(
        question=question,
        explanation=explanation,
        button=button,
        address=request.paths.admin_item("projects", project.name, name),
        back=request.paths.admin_item("projects", project.name),
        where=project.name,
        is_dangerous=typed is not None,
        typed=typed,
    )


@view_config(context=AdminNames, request_method=_BOTH, renderer="pages/admin/names.jinja2")
def names(context: AdminNames, request: Request) -> View:
    """The names that are prohibited, and the form for another one."""
    begin(request)
    form = NameForm(request.POST if request.method not in SAFE_METHODS else None)
    if request.method in SAFE_METHODS:
        return _names_page(request, form)
    if not form.validate():
        return invalid(request, _names_page(request, form))
    try:
        kept = prohibited_names.prohibit(
            request.uow, request.person, form.data["name"] or "", form.reason.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, _names_page(request, form), form, refusal)
    return see_other(request, request.paths.admin_part("names"), f"Nobody may register {kept}.")


def _names_page(request: Request, form: NameForm) -> dict[str, object]:
    words, number = chosen.words(request), page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = prohibited_names.listed(request.uow, words, start=start, count=_ON_A_PAGE)
    total = prohibited_names.count_of(request.uow, words)
    return {
        "form": form,
        "names": page_from(found, number, _ON_A_PAGE, total),
        "words": words,
        "query": chosen.kept(q=words),
        "by_settings": request.services.settings.prohibited_names,
    }


@view_config(context=AdminNames, name="remove", request_method=_BOTH, renderer=_ACT)
def remove_name(context: AdminNames, request: Request) -> View:
    """Let a name be registered again."""
    begin(request)
    name = (
        query_value(request, "name")
        if request.method in SAFE_METHODS
        else str(request.POST.get("name", ""))
    ) or ""
    page = request.paths.admin_part("names")
    act = Act(
        question=f"Allow the name {name}?",
        explanation="It can be registered again, as can what looks like it.",
        button="Allow the name",
        address=request.paths.admin_part("names", "remove"),
        back=page,
        where="Prohibited names",
        fields={"name": name},
    )

    def do(form: ReasonForm) -> str:
        kept = prohibited_names.allow(request.uow, request.person, name, form.reason.data or "")
        return f"{kept} is not prohibited any more."

    return asked(request, act, do)
