"""Templates get values, never rows. Every application of the tests sees to it: here, for all."""

import dataclasses
from pathlib import Path

import pytest

from greenroom import paths
from greenroom.models import Base, Project, User
from greenroom.web.http import authentication
from tests import factories
from tests.artifacts import make_sdist
from tests.conftest import SECRET_KEY
from tests.web.conftest import Site, rendered
from tests.web.rendered import rows_in
from tests.web.standing import stock, with_settings

PROJECT = "/manage/project/Example/"
RELEASE = f"{PROJECT}release/1.0/"
DRAFT = f"{PROJECT}draft/3.0/"
WHEEL = "example-1.0-py3-none-any.whl"
ARRIVING = "example-3.0-py2-none-any.whl"

ADDRESSES = [
    "/",
    "/search/?q=example",
    "/project/Example/",
    "/project/Example/1.0/",
    "/project/Example/3.0/",
    "/user/ada/",
    "/nothing/",
    "/help/",
    "/help/errors/",
    "/draft/{open}/",
    "/draft/{released}/",
    "/account/",
    "/account/tokens/",
    "/account/tokens/revoke?token=1",
    "/account/audit",
    "/admin/",
    "/admin/audit",
    "/manage/",
    PROJECT,
    f"{PROJECT}history/",
    f"{PROJECT}audit",
    f"{PROJECT}archive",
    f"{PROJECT}quarantine",
    f"{PROJECT}delete",
    f"{PROJECT}remove-role?user=ada",
    "/manage/project/released/draft/1.0/",
    RELEASE,
    f"{RELEASE}yank",
    f"{RELEASE}delete",
    f"{RELEASE}yank-file?filename={WHEEL}",
    f"{RELEASE}delete-file?filename={WHEEL}",
    DRAFT,
    f"{DRAFT}publish",
    f"{DRAFT}discard",
    f"{DRAFT}rotate",
    f"{DRAFT}remove?filename=example-3.0.tar.gz",
    f"{DRAFT}remove?filename={ARRIVING}",
]
# What others extend, include and import.
PARTS = {"pages/layout.jinja2", "pages/manage/confirm.jinja2"}


def names_of_templates() -> set[str]:
    """Every template that a view renders."""
    found = paths.TEMPLATES.rglob("*.jinja2")
    names = {path.relative_to(paths.TEMPLATES).as_posix() for path in found}
    return {name for name in names - PARTS if not name.startswith("pages/parts/")}


def test_no_page_is_made_of_rows(site: Site, tmp_path: Path) -> None:
    """A row that is handed to a template is an error of the page's, in all tests."""
    rendered.clear()
    key = authentication.first_administrator_key(SECRET_KEY)
    site.app.get(f"/account/first-administrator?key={key}")
    site.app.get("/account/login")
    with_settings(site, registration="open").app.get("/account/register")
    stocked = stock(site, tmp_path / "dist")
    with site.services.writing() as uow:
        ada = uow.db.query(User).one()
        ada.is_administrator = True
        draft = factories.find_draft(uow, "example", "3.0")
        assert draft is not None
        arriving = make_sdist(tmp_path, version="3.0").rename(tmp_path / ARRIVING)
        factories.announce(uow, ada, draft, arriving)
    browser = site.sign_in()

    for address in ADDRESSES:
        browser.get(address.format_map(stocked.slugs), status="*")
    form = browser.get("/account/tokens/").forms["new-token"]
    form["label"] = "laptop"
    form.set("permissions", True, 0)
    form.submit(status=200)

    assert {name: rows for name, rows in rendered.items() if rows} == {}
    assert names_of_templates() - set(rendered) == set()


@dataclasses.dataclass
class Holder:
    held: object


@pytest.mark.parametrize(
    "value",
    [
        Project(),
        {"project": Project()},
        {Project(): 1},
        [(Project(),)],
        {"page": Holder([Project()])},
    ],
)
def test_rows_are_noticed(value: object) -> None:
    assert len(list(rows_in(value, "value"))) == 1


def test_nothing_else_is_taken_for_one() -> None:
    assert list(rows_in({"kind": Base, "holder": Holder("text"), "class": Holder}, "value")) == []
