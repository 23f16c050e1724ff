"""``/admin/upstream/``: the indexes behind this one, what of them is used, refused, and let in."""

from pyramid.view import view_config

from greenroom.models import RuleKind
from greenroom.registry import upstream_overview, upstream_refusals, upstream_rules
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.upstream_policy import Why
from greenroom.settings import settings_that_hold
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.admin import chosen
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.acts import Act, asked
from greenroom.web.pages.admin.forms import ReasonForm, UpstreamRuleForm
from greenroom.web.pages.admin.resources import (
    AdminUpstream,
    AdminUpstreamProjects,
    AdminUpstreamRefusal,
    AdminUpstreamRefusals,
    AdminUpstreamRule,
    AdminUpstreamRules,
)
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other

_ON_A_PAGE = 50
_ACT = "pages/admin/act.jinja2"
_BOTH = ("GET", "POST")
_ASKED = (
    *("GREENROOM_UPSTREAM_DENY", "GREENROOM_UPSTREAM_ALLOW", "GREENROOM_UPSTREAM_MIN_AGE"),
    *("GREENROOM_UPSTREAM_WHEELS_ONLY", "GREENROOM_UPSTREAM_MAX_FILE_SIZE"),
    *("GREENROOM_UPSTREAM_LICENSES", "GREENROOM_UPSTREAM_UNKNOWN_LICENSES"),
)
_DOES = {
    RuleKind.ALLOW: "lets in",
    RuleKind.EARLY: "lets in early",
    RuleKind.DENY: "denies",
}


@view_config(context=AdminUpstream, request_method="GET", renderer="pages/admin/upstream.jinja2")
def overview(context: AdminUpstream, request: Request) -> View:
    """How the upstreams are doing, how much is kept, and what the settings ask of files."""
    begin(request)
    settings = request.services.settings
    found = upstream_overview.of_all(request.uow)
    shown = {setting.name: setting.value for setting in settings_that_hold(settings)}
    taken, total = upstream_overview.taken(request.uow, count=_ON_A_PAGE)
    return {
        "upstreams": found,
        "taken": taken,
        "taken_total": total,
        "mode": settings.upstream_mode,
        "size": sum(each.kept.size for each in found),
        "most": settings.upstream_cache_size,
        "asked": [(name, shown[name]) for name in _ASKED],
        "used": upstream_overview.count_used(request.uow),
        "refused": upstream_refusals.count_of(request.uow),
        "rules": upstream_rules.count_of(request.uow),
    }


@view_config(
    context=AdminUpstreamProjects,
    request_method="GET",
    renderer="pages/admin/upstream_projects.jinja2",
)
def used_projects(context: AdminUpstreamProjects, request: Request) -> View:
    """Which projects are used and by whom, the last one first."""
    begin(request)
    words, number = chosen.words(request), page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = upstream_overview.used(request.uow, words, start=start, count=_ON_A_PAGE)
    total = upstream_overview.count_used(request.uow, words)
    return {
        "projects": page_from(found, number, _ON_A_PAGE, total),
        "words": words,
        "query": chosen.kept(q=words),
    }


@view_config(
    context=AdminUpstreamRefusals,
    request_method="GET",
    renderer="pages/admin/upstream_refusals.jinja2",
)
def refusals(context: AdminUpstreamRefusals, request: Request) -> View:
    """Which files were refused, the last one first."""
    begin(request)
    words, why = chosen.words(request), chosen.one_of(request, "why", Why)
    number = page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = upstream_refusals.listed(request.uow, words, why, start=start, count=_ON_A_PAGE)
    total = upstream_refusals.count_of(request.uow, words, why)
    return {
        "refusals": page_from(found, number, _ON_A_PAGE, total),
        "words": words,
        "why": why.value if why is not None else "",
        "kinds": [each.value for each in Why],
        "query": chosen.kept(q=words, why=why),
    }


@view_config(context=AdminUpstreamRefusal, name="allow", request_method=_BOTH, renderer=_ACT)
def allow(context: AdminUpstreamRefusal, request: Request) -> View:
    """Let in what was refused."""
    begin(request)
    refusal = upstream_refusals.get(request.uow, context.number)
    whole = "" if refusal.version else " The name of the file says no version: it is about all."
    act = Act(
        question=f"Let {refusal.selection} in?",
        explanation=f"It was refused with these words: {refusal.sentence} From now on a rule "
        f"{_DOES[refusal.kind]} {refusal.selection}.{whole}",
        button="Let it in",
        address=request.paths.admin_upstream("refusals", refusal.id, "allow"),
        back=request.paths.admin_upstream("refusals"),
        where="Refused files",
    )

    def do(form: ReasonForm) -> str:
        rule = upstream_refusals.let_in(
            request.uow, request.person, refusal.id, form.reason.data or ""
        )
        return f"A rule {_DOES[rule.kind]} {rule.selection}."

    return asked(request, act, do)


@view_config(
    context=AdminUpstreamRules, request_method=_BOTH, renderer="pages/admin/upstream_rules.jinja2"
)
def rules(context: AdminUpstreamRules, request: Request) -> View:
    """The rules, and the form for another one."""
    begin(request)
    form = UpstreamRuleForm(request.POST if request.method not in SAFE_METHODS else None)
    if request.method in SAFE_METHODS:
        return _rules_page(request, form)
    if not form.validate():
        return invalid(request, _rules_page(request, form))
    try:
        made = upstream_rules.make(
            request.uow,
            request.person,
            RuleKind(form.kind.data),
            form.about.data or "",
            form.reason.data or "",
            form.until.data,
        )
    except InvalidRequest as refusal:
        return refused(request, _rules_page(request, form), form, refusal)
    there = request.paths.admin_upstream("rules")
    return see_other(request, there, f"A rule {_DOES[made.kind]} {made.selection}.")


def _rules_page(request: Request, form: UpstreamRuleForm) -> dict[str, object]:
    words, number = chosen.words(request), page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = upstream_rules.listed(request.uow, words, start=start, count=_ON_A_PAGE)
    total = upstream_rules.count_of(request.uow, words)
    return {
        "form": form,
        "rules": page_from(found, number, _ON_A_PAGE, total),
        "does": {kind.value: said for kind, said in _DOES.items()},
        "words": words,
        "query": chosen.kept(q=words),
    }


@view_config(context=AdminUpstreamRule, name="remove", request_method=_BOTH, renderer=_ACT)
def remove_rule(context: AdminUpstreamRule, request: Request) -> View:
    """Remove a rule."""
    begin(request)
    rule = upstream_rules.get(request.uow, context.number)
    said = f"{_DOES[rule.kind]} {rule.selection}"
    act = Act(
        question=f"Remove the rule that {said}?",
        explanation="From then on the other rules and the settings decide.",
        button="Remove the rule",
        address=request.paths.admin_upstream("rules", rule.id, "remove"),
        back=request.paths.admin_upstream("rules"),
        where="Rules",
    )

    def do(form: ReasonForm) -> str:
        upstream_rules.remove(request.uow, request.person, rule.id, form.reason.data or "")
        return f"The rule that {said} is removed."

    return asked(request, act, do)
