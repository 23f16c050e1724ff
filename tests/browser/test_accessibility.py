"""Every kind of page, looked at by axe: light and dark, on a wide screen and on a phone.

Each is walked through with the Tab key, too. A page that is in no list here fails a test.

``make test`` gets axe from npm, by the lock file in ``packages``.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete, func, select, update

from greenroom.models import (
    Job,
    LinkKind,
    ProjectReport,
    ReportKind,
    RuleKind,
    SecondFactor,
    SignInSession,
    Token,
)
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import (
    account_links,
    accounts,
    password_resets,
    prohibited_names,
    projects,
    reports,
    trusted_publishers,
    upstream_pages,
    upstream_rules,
)
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_pages import Said
from greenroom.registry.upstream_policy import Refused, Why
from greenroom.registry.upstream_usage import Usage, Who
from tests import factories
from tests.browser.inhabited import Inhabited, settle
from tests.browser.keyboard import found_by_tab
from tests.browser.test_publish import sign_in
from tests.conftest import FakeClock
from tests.factories import PASSWORD
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, identity_provider
from tests.operations.fronts import free_ports
from tests.serving import Server, serving
from tests.web.conftest import Site
from tests.web.test_every_route import ADDRESSES

AXE = Path(sys.prefix) / "browser" / "node_modules" / "axe-core" / "axe.min.js"
# What a page must not have. Only some rules depend on how the page is looked at.
_RUN = """
async (rules) => (await axe.run(document, {
  resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})
})).violations
  .filter(found => ["serious", "critical"].includes(found.impact))
  .map(found => `${found.id}: ${found.nodes.slice(0, 3).map(node => node.html).join(" | ")}`)
"""
_BY_LOOK = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
_LOOKS: list[tuple[Literal["light", "dark"], int]] = [
    ("light", 1280),
    ("light", 390),
    ("dark", 1280),
    ("dark", 390),
]
_HELP = ("clients", "errors")
_WHEEL = "tidewatch-2.0-cp314-cp314-win_amd64.whl"
_METADATA = "tidewatch-2.0.dist-info/METADATA"
_OLD_WHEEL = "tidewatch-1.0-py3-none-any.whl"
_PROJECT = "/manage/project/tidewatch/"

PUBLIC = [
    "/",
    "/project/tidewatch/",
    "/project/tidewatch/1.0/",
    "/project/lighthouse/",
    "/project/plain/1.0/",
    "/project/requests/",  # of an upstream
    "/user/ada/",
    "/search/",
    "/search/?q=tide",
    "/search/?q=tidewtch",
    "/search/?q=Programming+Language+::+Python+::+3",
    "/help/",
    *(f"/help/{name}/" for name in _HELP),
    f"/project/tidewatch/1.0/contents/{_OLD_WHEEL}/",
    f"/project/tidewatch/1.0/contents/{_OLD_WHEEL}/?member=tidewatch/__init__.py",
    "/draft/{open}/",
    f"/draft/{{open}}/contents/{_WHEEL}/?find=tide",
    "/draft/{discarded}/",
    "/draft/{set}/",
    "/draft/{ended_set}/",
    "/no/such/page/",
    "/account/login",
    "/account/register",
    "/account/forgotten-password",
    "/account/first-administrator?key=x",
]
SIGNED_IN = [
    "/",
    "/search/?q=buoy",
    "/project/tidewatch/",
    "/project/tidewatch/2.0/",
    "/account/",
    "/account/tokens/",
    "/account/sessions/",
    "/account/second-factors/",
    "/account/second-factors/app",
    "/account/second-factors/passkey",
    "/account/tokens/revoke-all",
    "/account/audit",
    "/account/publishers/",
    "/account/publishers/remove?publisher=1",
    "/account/email",
    "/account/notifications/",
    "/admin/",
    "/admin/audit?person=nobody",
    "/admin/users/",
    "/admin/users/?q=nobody",
    "/admin/users/grace/",
    "/admin/users/grace/delete",
    "/admin/invitations/",
    "/admin/projects/",
    "/admin/projects/tidewatch/",
    "/admin/projects/tidewatch/transfer",
    "/admin/names/",
    "/admin/drafts/",
    "/admin/jobs/",
    "/admin/storage/",
    "/admin/upstream/",
    "/admin/upstream/projects/",
    "/admin/upstream/refusals/",
    "/admin/upstream/rules/",
    "/admin/settings/",
    "/admin/health/",
    "/admin/reports/",
    "/project/tidewatch/report",
    "/account/delete",
    "/manage/",
    _PROJECT,
    f"{_PROJECT}history/",
    f"{_PROJECT}audit",
    f"{_PROJECT}people",
    f"{_PROJECT}tokens",
    f"{_PROJECT}remove-role?user=grace",
    f"{_PROJECT}remove-team?team=wool",
    f"{_PROJECT}hand-over",
    "/account/invitations/",
    "/account/teams/",
    "/account/teams/wool/",
    "/account/teams/wool/remove?user=ada",
    "/account/teams/wool/delete",
    f"{_PROJECT}publishers/",
    f"{_PROJECT}reviews?code=pth-file&pattern=*.pth",
    f"{_PROJECT}publishers/remove?publisher=1",
    f"{_PROJECT}webhooks/",
    f"{_PROJECT}webhooks/1/",
    f"{_PROJECT}webhooks/1/remove",
    "/admin/webhooks/",
    f"{_PROJECT}archive",
    f"{_PROJECT}visibility",
    f"{_PROJECT}quarantine",
    f"{_PROJECT}delete",
    f"{_PROJECT}release/1.0/",
    f"{_PROJECT}release/1.1/",
    f"{_PROJECT}release/1.1/yank",
    f"{_PROJECT}release/1.1/delete",
    f"{_PROJECT}release/1.0/yank-file?filename={_OLD_WHEEL}",
    f"{_PROJECT}release/1.0/delete-file?filename={_OLD_WHEEL}",
    f"{_PROJECT}draft/2.0/",
    f"{_PROJECT}draft/2.0/review",
    f"{_PROJECT}draft/2.0/contents/{_WHEEL}/",
    f"{_PROJECT}draft/2.0/contents/{_WHEEL}/?member={_METADATA}&against=1.1",
    f"{_PROJECT}draft/2.0/publish",
    f"{_PROJECT}draft/2.0/discard",
    f"{_PROJECT}draft/2.0/rotate",
    f"{_PROJECT}draft/2.0/edit-comment?comment=1",
    f"{_PROJECT}draft/2.0/delete-comment?comment=1",
    f"{_PROJECT}draft/2.0/remove?filename={_WHEEL}",
    "/manage/project/flotsam/draft/1.0/",
    "/manage/project/plain/draft/1.1/",
    "/manage/project/nothing/",
    "/manage/sets/",
    "/manage/sets/{set_key}/",
    "/manage/sets/{set_key}/review",
    "/manage/sets/{set_key}/publish",
    "/manage/sets/{set_key}/discard",
    "/manage/sets/{set_key}/rotate",
    "/manage/sets/{set_key}/remove?project=buoy&version=0.1",
]
# Those of one form, and what is another page only by what it says: looked at once. The numbers are
# of what :func:`_furnish` makes.
ACTS = [
    "/admin/upstream/adopt?project=requests&version=2.32.3",
    f"{_PROJECT}end-token?token={{token}}",
    "/account/tokens/revoke?token={token}",
    "/account/teams/wool/leave-project?project=tidewatch",
    *(f"/admin/projects/tidewatch/{act}" for act in ("quota", "quarantine", "lift-quarantine")),
    *(
        f"/admin/users/grace/{act}"
        for act in (
            *("disable", "enable", "verify", "make-administrator", "take-administrator"),
            *("password-link", "end-sessions"),
        )
    ),
    "/account/teams/yarn/",  # of others, so that administrators say why
    "/account/teams/yarn/delete",
    "/admin/users/ada/revoke?token={token}",
    "/admin/users/ada/end-session?session={session}",
    "/admin/names/remove?name=acme",
    "/admin/drafts/discard?project=tidewatch&version=2.0",
    "/admin/reports/{report}/",
    "/admin/jobs/{job}/retry",
    "/admin/upstream/refusals/1/allow",
    "/admin/upstream/rules/{rule}/remove",
]
_KINDS = (LinkKind.INVITATION, LinkKind.PASSWORD_RESET, LinkKind.EMAIL_VERIFICATION)
LINKS = [f"/account/{kind.value}?key={{{kind.name}}}" for kind in _KINDS]
WITH_FACTOR = [
    "/account/second-factors/",
    "/account/second-factors/rename?factor={factor}",
    "/account/second-factors/remove?factor={factor}",
    "/admin/users/ada/reset-second-factors",
]
BETWEEN = ["/account/confirm", "/account/second-step"]
"""Pages on the way to another one."""

ANSWERS = {
    "pages/account/confirm_with_factor.jinja2",
    "pages/account/deleted.jinja2",
    "pages/account/link_identity.jinja2",
    "pages/account/password_was_reset.jinja2",
    "pages/account/recovery_codes.jinja2",
    "pages/account/token_created.jinja2",
    "pages/admin/link.jinja2",
    "pages/project/reported.jinja2",
    "pages/webhooks/secret.jinja2",
}
"""Pages that no address has: forms are answered with them."""

_PICTURES = {"/project/*/badge.svg"}
"""Made of templates, and no pages."""

_INSTEAD = {
    "pages/contents/difference.jinja2",
    "pages/contents/member.jinja2",
    "pages/draft/ended.jinja2",
    "pages/draft/ended_set.jinja2",
    "pages/manage/ended_draft.jinja2",
}
"""Of addresses that have two pages or more: each of them is among those above."""


Numbers: TypeAlias = dict[str, object]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Inhabited, Numbers]]:
    folder = tmp_path_factory.mktemp("inhabited")
    port, nobody = free_ports()
    with identity_provider() as provider:
        settings = {
            "GREENROOM_REGISTRATION": "open",
            "GREENROOM_URL": f"http://127.0.0.1:{port}",
            "GREENROOM_TRUSTED_ISSUERS": "github, gitlab=https://git.example",
            "GREENROOM_MAIL_URL": f"smtp://127.0.0.1:{nobody}",
            "GREENROOM_MAIL_FROM": "greenroom@index.example",
            "GREENROOM_UPSTREAMS": f"pypi=http://127.0.0.1:{nobody}/simple/",
            "GREENROOM_OIDC_ISSUER": provider.url,
            "GREENROOM_OIDC_CLIENT_ID": CLIENT_ID,
            "GREENROOM_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }
        with serving(folder, settings=settings, port=port) as server:
            inhabited = settle(server, folder / "dist")
            yield server, inhabited, _furnish(server)


def _furnish(server: Server) -> Numbers:
    """What else there are pages of, with the numbers and keys that are in their addresses."""
    _use_upstreams(server)
    values = {"owner": "ada", "repository": "tidewatch", "workflow": "release.yml"}
    with server.services() as services, services.writing() as uow:
        service = trusted_publishers.service_named(uow.settings, "github")
        project = projects.get(uow, "tidewatch")
        trusted_publishers.add(uow, OPERATOR, project, service, values, may_publish=True)
        factories.add_webhooks(uow, "tidewatch")
        ada, grace = accounts.get_user(uow.db, "ada"), accounts.get_user(uow.db, "grace")
        trusted_publishers.add_pending(
            uow, Person(ada), ada, "new-thing", service, values, may_publish=False
        )
        reports.report(uow, Person(grace), project, ReportKind.SPAM, "It is spam.", "10.0.0.1")
        prohibited_names.prohibit(uow, Person(ada), "acme", "It is ours.")
        rule = upstream_rules.make(uow, Person(ada), RuleKind.DENY, "acme-*", "It is ours.")
        job = Job(kind="mail", payload={}, state="failed", created=uow.now, due=uow.now)
        uow.db.add(job)
        uow.db.flush()
        links = [
            account_links.make(uow, kind, by=OPERATOR, user=user, email=email)
            for kind, user, email in zip(
                _KINDS, (None, grace, grace), ("new@index.example", "", grace.email), strict=True
            )
        ]
        return {
            "report": uow.db.scalar(select(ProjectReport.id)),
            "token": uow.db.scalar(select(Token.id)),
            "job": job.id,
            "rule": rule.id,
            **{LinkKind(link.kind).name: link.key for link in links},
        }


def _use_upstreams(server: Server) -> None:
    """Note that projects of an upstream are used, and a file was refused."""
    usage, who = Usage(), Who("ada", "gr_12345678 (ci)")
    refused = Refused(
        Why.AGE,
        "requests 2.99.0 was uploaded 3 hours ago: this index lets files in from pypi after 7 "
        "days. Its administrators can let it in earlier.",
    )
    page = ProjectPage(
        "requests",
        tuple(
            PageFile(
                f"requests-{version}-py3-none-any.whl",
                "https://files.example/r.whl",
                {},
                upload_time="2026-01-02T03:04:05Z",
                yanked=yanked,
            )
            for version, yanked in (("2.32.3", None), ("2.32.0", "Broken."))
        ),
        status="archived",
        status_reason="It is finished.",
    )
    with server.services() as services, services.writing() as uow:
        [upstream] = uow.settings.upstreams
        said = Said(f"{upstream.url}requests/", timedelta(hours=1))
        upstream_pages.keep(uow, upstream, "requests", page, said)
    with server.services() as services:
        now = services.clock()
        for project in ("requests", "urllib3"):
            usage.note_page("pypi", project, Who(), now, was_kept=True)
            usage.note_file("pypi", project, who, now, was_kept=False, size=65_000)
        name = "requests-2.99.0-py3-none-any.whl"
        usage.note_refusal("pypi", "requests", name, refused, who, now)
        usage.note_failure("pypi", "The host does not answer.", now)
        usage.write(services)


@pytest.fixture
def seen(browser: Browser) -> Iterator[Page]:
    """A window in which axe is at hand, past the pages' policy, and colors change at once."""
    if not AXE.exists():
        pytest.skip("axe is not installed: `make test` installs it where there is npm.")
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce")
    context.add_init_script(path=AXE)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def findings(page: Page, url: str, looks: int = len(_LOOKS)) -> dict[str, list[str]]:
    """What is serious or critical, by how the page is looked at, so often."""
    page.goto(url)
    return looked_at(page, url, looks)


def looked_at(page: Page, url: str, looks: int = len(_LOOKS)) -> dict[str, list[str]]:
    """The same of the page that is there, which may be what a form was answered with."""
    found = {}
    for number, (scheme, width) in enumerate(_LOOKS[:looks]):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        if violations := page.evaluate(_RUN, _BY_LOOK if number else None):
            found[f"{url} {scheme} {width}"] = violations
        if not number and (missed := found_by_tab(page)):
            found[f"{url} by keyboard"] = missed
    return found


Place: TypeAlias = tuple[Server, Inhabited, Numbers]


def test_pages_for_everybody_are_accessible(place: Place, seen: Page) -> None:
    server, inhabited, numbers = place
    found: dict[str, list[str]] = {}
    for path in [*PUBLIC, *LINKS]:
        found |= findings(seen, server.url + path.format(**vars(inhabited), **numbers))

    assert found == {}


def test_pages_for_those_signed_in_are_accessible(place: Place, seen: Page) -> None:
    server, inhabited, _ = place
    sign_in(seen, server)
    found: dict[str, list[str]] = {}
    for path in SIGNED_IN:
        found |= findings(seen, server.url + path.format(**vars(inhabited)))

    assert found == {}


def test_pages_that_ask_before_an_act_are_accessible(place: Place, seen: Page) -> None:
    server, _, numbers = place
    sign_in(seen, server)
    with server.services() as services, services.reading() as uow:
        numbers["session"] = uow.db.scalar(select(func.max(SignInSession.id)))
    found: dict[str, list[str]] = {}
    for path in ACTS:
        found |= findings(seen, server.url + path.format(**numbers), looks=1)
        assert seen.locator("form button[type=submit]").count(), path

    assert found == {}


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).last.click()
    page.wait_for_load_state()


def _let_time_pass(server: Server) -> None:
    with server.services() as services, services.writing() as uow:
        before = uow.now - timedelta(hours=1)
        uow.db.execute(update(SignInSession).values(authenticated=before))


@contextmanager
def _factor_of_ada(server: Server) -> Iterator[int]:
    """She has a second factor for a while."""
    with server.services() as services, services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        uow.db.execute(update(SignInSession).values(authenticated=uow.now))
        factor = SecondFactor(user_id=ada.id, kind="app", name="Phone", created=uow.now)
        uow.db.add(factor)
        uow.db.flush()
        number = factor.id
    yield number
    with server.services() as services, services.writing() as uow:
        uow.db.execute(delete(SecondFactor))


def test_pages_about_second_factors_are_accessible(place: Place, seen: Page) -> None:
    server, _, _ = place
    sign_in(seen, server)
    _let_time_pass(server)
    found = findings(seen, f"{server.url}/account/confirm")
    with _factor_of_ada(server) as factor:
        for path in WITH_FACTOR:
            found |= findings(seen, server.url + path.format(factor=factor))
        seen.goto(f"{server.url}/account/second-factors/")
        _press(seen, "recovery codes")
        found |= looked_at(seen, "the recovery codes")
        assert seen.locator(".recovery-codes").count()
        _let_time_pass(server)
        found |= findings(seen, f"{server.url}/account/confirm")
        assert seen.locator("input[name=code]").count()
        seen.get_by_role("button", name="Sign out").click()
        seen.wait_for_url(f"{server.url}/")
        seen.goto(f"{server.url}/account/login")
        seen.get_by_label("User name").fill("ada")
        seen.get_by_label("Password").fill(PASSWORD)
        seen.get_by_role("button", name="Sign in", exact=True).click()
        seen.wait_for_url(f"{server.url}/account/second-step")
        found |= findings(seen, f"{server.url}/account/second-step")

    assert found == {}


def test_what_forms_are_answered_with_is_accessible(place: Place, seen: Page) -> None:
    server, _, _ = place
    with server.services() as services, services.writing() as uow:
        link = password_resets.make_link(uow, OPERATOR, "kim")
        factories.make_user(uow, "leaver")
    found: dict[str, list[str]] = {}

    def look(heading: str) -> None:
        expect(seen.get_by_role("heading", level=1)).to_contain_text(heading)
        found.update(looked_at(seen, heading))

    seen.goto(f"{server.url}/account/password-reset?key={link.key}")
    for field in seen.locator("input[type=password]").all():
        field.fill("quiet otters paint lighthouses")
    _press(seen, "password")
    look("password")
    sign_in(seen, server)
    seen.goto(f"{server.url}/account/")
    seen.locator("#link button").click()
    look("Link your account")
    seen.goto(f"{server.url}/account/tokens/")
    seen.locator("input[name=label]").fill("CI")
    _press(seen, "Make the token")
    look("token")
    assert seen.locator("text=gr_").count()
    seen.goto(f"{server.url}/manage/project/tidewatch/webhooks/")
    seen.locator("#new-webhook input[name=label]").fill("Another")
    seen.locator("#new-webhook input[name=url]").fill("https://hooks.example/")
    seen.locator("#new-webhook button").click()
    look("The secret of Another")
    assert seen.locator("text=whsec_").count()
    seen.goto(f"{server.url}/admin/users/grace/password-link")
    seen.get_by_label("Reason").fill("She forgot it.")
    _press(seen, "Make the link")
    look("link")
    seen.goto(f"{server.url}/admin/users/grace/disable")
    seen.locator("form#act").evaluate("form => form.submit()")
    seen.wait_for_selector(".mistake")
    look("Disable")
    seen.goto(f"{server.url}/project/tidewatch/report")
    seen.locator("textarea[name=text]").fill("It is spam.")
    _press(seen, "Send the report")
    look("Thank you")
    seen.goto(f"{server.url}/account/")
    seen.get_by_role("button", name="Sign out").click()
    sign_in(seen, server, "leaver")
    seen.goto(f"{server.url}/account/delete")
    seen.get_by_role("textbox").last.fill("leaver")
    _press(seen, "Delete my account")
    look("is deleted")

    assert found == {}


def _kind(path: str) -> str:
    """A path, without the names that are in it."""
    path = re.sub(r"[^/]*[0-9{][^/]*", "*", path.partition("?")[0])
    named = "drafts?|help|projects?|release|reports|teams|users?"
    return re.sub(rf"/({named})/[^/]+/", r"/\1/*/", path)


def test_every_page_is_looked_at(services: Services, clock: FakeClock) -> None:
    """A page is what a view answers GET with, or a template that a form is answered with."""
    listed = {_kind(path) for path in (*PUBLIC, *LINKS, *SIGNED_IN, *ACTS, *WITH_FACTOR, *BETWEEN)}
    missing, with_address = set(), set()
    for entry in Site(services, clock).wsgi.router.registry.introspector.get_category("views"):
        view = entry["introspectable"]
        template = next(
            (each["name"] for each in entry["related"] if each.category_name == "templates"), ""
        )
        methods = view["request_methods"] or ("GET",)
        if template.startswith("pages/") and "GET" in methods:
            with_address.add(template)
            context = view["context"]
            assert isinstance(context, type)
            page = _kind(ADDRESSES[context] + view["name"])
            missing |= {page} - listed - _PICTURES
    folder = Path(__file__).parents[2] / "templates"
    pages = {
        str(each.relative_to(folder))
        for each in folder.glob("pages/*/*.jinja2")
        if each.parent.name != "parts"
    }
    source = "".join(each.read_text() for each in folder.rglob("*.jinja2"))
    parts = set(re.findall(r'(?:extends|include) "([^"]+)"', source))

    assert missing == set()
    assert pages - with_address - parts == ANSWERS | _INSTEAD


def test_axe_finds_what_is_wrong(seen: Page) -> None:
    """Else the others would pass whatever the pages are."""
    page = "data:text/html,<html lang=en><title>x</title><main><h1>x</h1><img src=x></main>"

    assert any("image-alt" in one for found in findings(seen, page).values() for one in found)


def test_the_walk_finds_what_is_wrong(seen: Page) -> None:
    seen.set_content(
        "<style>*:focus{outline:none}b{outline:1px solid}</style><main><h1>x</h1>"
        "<a href=/1>one</a> <a href=/2 tabindex=2>two</a> <a href=/3 tabindex=-1>three</a>"
        "<button>four</button> <a href=/5 tabindex=1>five</a></main>"
    )
    found = " ".join(found_by_tab(seen))
    assert 'not reached: <a href="/3"' in found
    assert "focus is not seen: <button>" in found
    assert "not in order" in found

    seen.set_content(
        "<a href=/1>one</a><input onkeydown=\"event.key === 'Tab' && event.preventDefault()\">"
        "<a href=/2>two</a>"
    )
    found = " ".join(found_by_tab(seen))
    assert "the focus does not come round" in found
    assert 'not reached: <a href="/2"' in found
