"""What was typed into a form that came too late is in it again, and nothing was done."""

from datetime import timedelta

import pytest
import webtest
from sqlalchemy import select, update

from greenroom.models import AuditEntry, Project, SignInSession
from greenroom.registry import kept_forms, sealing, sessions
from greenroom.registry.housekeeping import keep_house
from greenroom.web.pages.filled_forms import filled
from tests.factories import PASSWORD
from tests.registry.authenticators import Authenticator
from tests.web.conftest import Site
from tests.web.pages.test_approvals import show_factor
from tests.web.pages.test_second_factors import FACTORS, add_app, challenge
from tests.web.pages.test_sessions import (
    ASKING,
    FIELDS,
    LONG_AGO,
    PROJECT,
    WEBHOOKS,
    confirm,
    csrf,
    stocked,
)
from tests.web.reading import text

__all__ = ["stocked"]

OURS = {"hidden", "submit"}
SECRET = {"password", "file"}
TOKENS = "/account/tokens/"


def form_of(page: webtest.TestResponse, action: str) -> webtest.Form | None:
    """The form of this page that is sent there, where somebody types into it."""
    for form in page.forms.values():
        if form.action.partition("?")[0] == action and form.method.lower() == "post":
            return form
    return None


def is_secret(field: webtest.forms.Field) -> bool:
    """Whether it is typed anew: a password, a code, or what the page says nobody is shown."""
    attributes = field.attrs
    is_code = attributes.get("autocomplete") == "one-time-code"
    return attributes.get("type") in SECRET or is_code or field.name in ("url", "token")


def typed_into(form: webtest.Form) -> dict[str, object]:
    """Something in every control; what it was, but for what is secret."""
    typed: dict[str, object] = {}
    for number, (name, fields) in enumerate(form.fields.items()):
        for index, field in enumerate(fields):
            if not name or field.tag == "button" or field.attrs.get("type") in OURS:
                continue
            if "readonly" in field.attrs:
                continue
            if isinstance(field, webtest.forms.Checkbox):
                field.checked = not field.checked
                typed[f"{name} {index}"] = field.checked
            elif isinstance(field, webtest.forms.Select | webtest.forms.Radio):
                field.value = field.options[-1][0]
                typed[name] = field.value
            elif isinstance(field, webtest.forms.MultipleSelect):
                raise AssertionError(name)
            else:
                value = {"datetime-local": "2030-01-02T03:04", "number": "3"}.get(
                    field.attrs.get("type", ""), f'<b>"{number}"</b> & ü\n  it\'s'
                )
                value = value if field.tag == "textarea" else value.partition("\n")[0]
                field.value = value
                if not is_secret(field):
                    typed[name] = value
    return typed


def held(form: webtest.Form, typed: dict[str, object]) -> dict[str, object]:
    """What is in those controls."""
    found: dict[str, object] = {}
    for key in typed:
        name, _, index = key.partition(" ")
        field = form.fields[name][int(index or 0)]
        if isinstance(field, webtest.forms.Checkbox):
            found[key] = field.checked
        else:
            found[key] = str(field.value).replace("\r\n", "\n")
    return found


def acts(site: Site) -> list[str]:
    with site.services.reading() as uow:
        return list(uow.db.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))


def shows_who_it_is(site: Site) -> None:
    """As the question does, without a password that takes its time: others here answer it."""
    with site.services.writing() as uow:
        uow.db.execute(update(SignInSession).values(authenticated=uow.now))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone
def test_every_act_that_asks_has_in_its_form_what_was_typed(stocked: Site) -> None:
    browser, before, shown = stocked.sign_in(), len(acts(stocked)), set()
    for act, (action, page) in ASKING.items():
        form = form_of(browser.get(page, status="*"), action)
        typed = typed_into(form) if form is not None else {}
        stocked.clock.advance(LONG_AGO)
        if form is None:  # it asks about what is not there
            browser.post(action, FIELDS | csrf(browser), status=303)
            assert dict(kept(stocked).fields) == FIELDS, act
        else:
            form.submit(status=303)
        shows_who_it_is(stocked)
        if not typed:
            continue
        page_again = browser.get(page)
        again = form_of(page_again, action)
        assert again is not None, act
        assert held(again, typed) == typed, act
        assert "Nothing was done yet: here is what you typed." in text(page_again), act
        assert page_again.headers["Cache-Control"] == "private, no-store", act
        shown.add(act)
    assert acts(stocked)[before:] == []
    assert len(shown) >= 35, sorted(set(ASKING) - shown)


def kept(site: Site) -> kept_forms.KeptForm:
    """What the only session keeps."""
    with site.services.reading() as uow:
        [session] = uow.db.scalars(select(SignInSession))
        person = sessions.get(uow, session.id)
        assert person.session is not None
        found = kept_forms.find(uow, person.session)
    assert found is not None
    return found


@pytest.mark.parametrize("way", ["password", "code", "passkey"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone
def test_it_is_there_in_whichever_way_one_shows_who_one_is(stocked: Site, way: str) -> None:
    browser, key, app = stocked.sign_in(), Authenticator(), None
    if way == "code":
        app, _ = add_app(browser, stocked)
    if way == "passkey":
        page = browser.get(f"{FACTORS}passkey")
        form = page.forms["add-passkey"]
        made = key.make(challenge(page, "add-passkey", "create")).text
        form["name"], form["credential"] = "Key", made
        form.submit(status=200)
    form = browser.get(TOKENS).forms["new-token"]
    typed = typed_into(form)
    stocked.clock.advance(LONG_AGO)
    question = form.submit(status=303).follow()
    assert "Nothing was done" in text(question)
    assert str(typed["label"]) not in question.text
    if way == "password":
        confirm(question, "wrong", status=403)
        back = confirm(question)
    elif app is not None:
        question.forms["confirm"]["code"] = app.at(stocked.clock.now)
        back = question.forms["confirm"].submit(status=303)
    else:
        question.forms["passkey"]["credential"] = key.show(challenge(question, "passkey")).text
        back = question.forms["passkey"].submit(status=303)
    again = back.follow().forms["new-token"]
    assert held(again, typed) == typed
    assert held(browser.get(TOKENS).forms["new-token"], typed) != typed  # it was shown once
    assert "token-create" not in acts(stocked)
    again["label"] = "CI"
    again["project"] = "example"
    assert "CI" in text(again.submit(status=200))
    assert acts(stocked).count("token-create") == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone
def test_it_is_there_where_only_a_fresh_second_factor_does(stocked: Site) -> None:
    with stocked.services.writing() as uow:
        uow.db.execute(update(Project).values(auto_publish_releases=False))
    browser = stocked.sign_in()
    app, _ = add_app(browser, stocked)
    form = browser.get(f"{PROJECT}draft/2.0/").forms["set-time"]
    form["at"], form["is_embargoed"] = "2026-06-02T09:30", True
    stocked.clock.advance(timedelta(minutes=6))
    page = show_factor(form.submit(status=303), app, stocked)
    form = page.forms["set-time"]
    assert (form["at"].value, form["is_embargoed"].checked) == ("2026-06-02T09:30", True)
    assert "It is published on 2 Jun 2026, 09:30 UTC." in text(form.submit().follow())


def test_nobody_else_sees_it_and_not_for_long(stocked: Site) -> None:
    browser = stocked.sign_in()
    form = browser.get(TOKENS).forms["new-token"]
    form["label"] = "not for others"
    stocked.clock.advance(LONG_AGO)
    form.submit(status=303)
    with stocked.services.reading() as uow:
        mine = uow.db.scalars(select(SignInSession)).one()
        assert mine.kept_form is not None
        assert "others" not in mine.kept_form
        assert (
            sealing.unseal(stocked.services.settings, "a form of session 7", mine.kept_form) is None
        )
    # A copy of the cookie, of whoever cannot say who they are, and another session of the person.
    assert "not for others" not in browser.get(TOKENS).text
    other = stocked.sign_in()
    assert "not for others" not in other.get(TOKENS).text
    # It is somewhere else that the person goes first.
    confirm(browser.get("/account/confirm"))
    assert "not for others" not in browser.get(f"{PROJECT}publishers/").text
    stocked.clock.advance(timedelta(minutes=14, seconds=59))
    keep_house(stocked.services)
    assert "not for others" in browser.get(TOKENS).text

    form.submit(status="4*")  # with the CSRF token of before: nothing is kept of it
    form = browser.get(TOKENS).forms["new-token"]
    form["label"] = "too late"
    stocked.clock.advance(LONG_AGO)
    form.submit(status=303)
    stocked.clock.advance(LONG_AGO)
    keep_house(stocked.services)
    with stocked.services.reading() as uow:
        assert set(uow.db.scalars(select(SignInSession.kept_form))) == {None}
    confirm(browser.get("/account/confirm"))
    assert "too late" not in browser.get(TOKENS).text


def test_secrets_are_kept_nowhere(stocked: Site) -> None:
    browser = stocked.sign_in()
    sent = {
        "/account/email": {"email": "a@index.example", "current": PASSWORD},
        f"{FACTORS}app": {"name": "Phone", "sealed": "x", "code": "123456"},
        f"{FACTORS}passkey": {"name": "Key", "credential": "{}"},
        WEBHOOKS: {"label": "CI", "url": "https://ci.example/secret", "token": "x", "events": "y"},
        f"{WEBHOOKS}1/": {"label": "CI", "url": "https://ci.example/secret", "token": "x"},
    }
    stocked.clock.advance(LONG_AGO)
    for action, fields in sent.items():
        browser.post(action, fields | csrf(browser), status=303)
        left = {"email", "name", "label", "events"} & set(fields)
        assert set(dict(kept(stocked).fields)) == left, action


PAGE = """<details><summary>More</summary>
<form method="post" action="/act%20"><input type="hidden" name="who" value="eve">
<input name="why" value="of eve"></form>
<form method=post action=/act%20><input type="hidden" name="who" value="ada"><p>é</p>
<input name="why" value="&quot;"><input type="password" name="word"><textarea name="text">
old &amp; long</textarea>
<select name="one"><option>a</option><option selected value="b">B</option></select>
<input type="checkbox" name="box" checked><button name="to" value="on">Go</button></form>
</details><form action="/act "><input name="why"></form>
"""


def test_a_page_is_filled_as_browsers_read_it() -> None:
    sent = [
        *(("who", "ada"), ("why", '"></form>'), ("word", "secret"), ("text", "\n</textarea>\r\nx")),
        *(("one", "a"), ("to", "off"), ("elsewhere", "x")),
    ]
    page = filled(PAGE, "/act ", sent)
    assert page is not None
    read = webtest.TestResponse(page)
    of_eve, form, _ = (read.forms[number] for number in range(3))
    assert of_eve["why"].value == "of eve"
    assert (form["who"].value, form["why"].value, form["word"].value) == ("ada", '"></form>', "")
    assert form["text"].value.replace("\r\n", "\n") == "\n</textarea>\nx"
    assert (form["one"].value, form["box"].checked) == ("a", False)
    assert "secret" not in page
    assert page.startswith("<details open>")
    # Nothing is filled that is about somebody else, and nothing where there is no such form.
    assert filled(PAGE, "/act ", [("who", "joan"), ("why", "x")]) is None
    assert filled(PAGE, "/other", sent) is None
    # What is no choice any more leaves the choice alone.
    unknown = filled(PAGE, "/act ", [("who", "ada"), ("one", "c")])
    assert unknown is not None
    assert webtest.TestResponse(unknown).forms[1]["one"].value == "b"
