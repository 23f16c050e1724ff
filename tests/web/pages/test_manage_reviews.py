"""``/manage/project/<name>/reviews``: expected files, and findings that are silenced."""

from pathlib import Path

import pytest

from greenroom.models import RoleName
from tests import jobs
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.reading import text

REVIEWS = "/manage/project/example/reviews"


@pytest.fixture
def drafted(site: Site, tmp_path: Path) -> Site:
    """Ada owns a project that has a draft with a finding; Mia maintains it."""
    site.user()
    site.user("mia")
    site.upload(
        make_wheel(tmp_path, extra_files={"a.pth": b"import a\n"}), site.token(), staged=True
    )
    site.role("example", "mia", RoleName.MAINTAINER)
    jobs.do_due(site.services)
    return site


def test_owners_say_what_is_expected_and_what_is_not_told(drafted: Site) -> None:
    browser = drafted.sign_in()
    page = browser.get("/manage/project/example/").click("Reviews")
    form = page.forms["expect"]
    form["expected_files"] = "sdist\nmanylinux x86_64"
    page = form.submit().follow()
    assert page.forms["expect"]["expected_files"].value == "sdist\nmanylinux x86_64"
    publish = browser.get("/manage/project/example/draft/1.0/publish")
    assert "expects a source distribution" in text(publish)

    form = page.forms["expect"]
    form["expected_files"] = "sdist\nmanylinux cp312"
    again = form.submit(status=400)
    assert "Line 2 does not say for which machine" in text(again)
    assert again.forms["expect"]["expected_files"].value == "sdist\nmanylinux cp312"

    form = browser.get(f"{REVIEWS}?code=pth-file&pattern=a.pth").forms["silence"]
    assert (form["code"].value, form["pattern"].value) == ("pth-file", "a.pth")
    assert "Give a reason" in text(form.submit(status=400))
    form["reason"] = "<b>It is ours.</b>"
    page = form.submit().follow()
    assert "<b>It is ours.</b>" in text(page)
    (unsilence,) = (form for name, form in page.forms.items() if str(name).startswith("unsilence"))
    assert "Everything that is found is told." in text(unsilence.submit().follow())
    unsilence.submit(status=404)
    unsilence["silence"] = "x"
    unsilence.submit(status=400)


def test_maintainers_look_and_others_see_nothing(drafted: Site) -> None:
    browser = drafted.sign_in("mia")
    page = browser.get(REVIEWS)
    assert "expect" not in page.forms
    csrf = browser.get("/account/").forms["logout"]["csrf_token"].value
    for act in ("expected-files", "silence", "unsilence"):
        browser.post(f"/manage/project/example/{act}", {"csrf_token": csrf}, status=403)
    drafted.user("eve")
    drafted.sign_in("eve").get(REVIEWS, status=404)
    drafted.sign_in().get(f"{REVIEWS}?code=nonsense&pattern=%ff", status=400)
    drafted.sign_in().get(f"{REVIEWS}?code=nonsense")
