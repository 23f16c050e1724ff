"""``POST /pypi``: XML-RPC as its clients speak it, and what is no such thing."""

import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from greenroom.models import JournalEntry, RoleName
from greenroom.registry import accounts, projects, removal
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Response, Site
from tests.web.standing import StockedSite, fetch

METHODS = (
    "changelog_last_serial",
    "changelog_since_serial",
    "list_packages_with_serial",
    "package_roles",
    "user_packages",
)


class Transport(xmlrpc.client.Transport):
    """Carries the calls of Python's own client to the application."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site

    def request(
        self, host: Any, handler: str, request_body: Any, verbose: bool = False
    ) -> tuple[Any, ...]:
        response = post(self._site, request_body, path=handler)
        assert response.status_int == 200
        parser, unmarshaller = self.getparser()
        parser.feed(response.body)
        parser.close()
        result: tuple[Any, ...] = unmarshaller.close()
        return result


def client(site: Site) -> Any:
    return xmlrpc.client.ServerProxy("http://index.example/pypi", transport=Transport(site))


def post(
    site: Site, body: bytes, *, path: str = "/pypi", content_type: str = "text/xml"
) -> Response:
    return site.app.post(
        path,
        body,  # type: ignore[arg-type] # WebTest takes bytes, too
        content_type=content_type,
        status="*",
    )


def fault_of(site: Site, body: bytes) -> xmlrpc.client.Fault:
    response = post(site, body)
    assert response.status_int == 200
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    with pytest.raises(xmlrpc.client.Fault) as raised:
        xmlrpc.client.loads(response.body)
    return raised.value


@pytest.fixture
def published(site: Site, tmp_path: Path) -> Site:
    """Zope.Example 1.0 and a draft of 2.0; ``hidden`` is only a draft, ``other`` is public."""
    site.user("bob")
    with site.services.writing() as uow:
        ada = factories.make_user(uow)
        factories.release(uow, ada, make_wheel(tmp_path, "Zope.Example"))
        factories.stage(uow, ada, make_sdist(tmp_path, "Zope.Example", "2.0"))
        factories.stage(uow, ada, make_wheel(tmp_path, "hidden"))
        factories.release(uow, ada, make_sdist(tmp_path, "other"))
    site.role("zope.example", "bob", RoleName.MAINTAINER)
    return site


def test_the_last_serial_is_that_of_the_list(published: Site) -> None:
    serial = client(published).changelog_last_serial()

    assert serial == 9
    assert fetch(published, "/simple/").headers["X-PyPI-Last-Serial"] == str(serial)


def test_an_index_without_history_is_at_serial_zero(site: Site) -> None:
    assert client(site).changelog_last_serial() == 0
    assert client(site).changelog_since_serial(0) == []
    assert client(site).list_packages_with_serial() == {}


def test_the_changelog_tells_what_happened_in_public_in_order(published: Site) -> None:
    now = int(published.clock.now.timestamp())
    wheel, sdist = "zope_example-1.0-py3-none-any.whl", "other-1.0.tar.gz"

    assert client(published).changelog_since_serial(0) == [
        ["Zope.Example", None, now, "create", 1],
        ["Zope.Example", None, now, "add Owner ada", 2],
        ["Zope.Example", "1.0", now, "new release", 3],
        ["Zope.Example", "1.0", now, f"add py3 file {wheel}", 4],
        ["other", None, now, "create", 5],
        ["other", None, now, "add Owner ada", 6],
        ["other", "1.0", now, "new release", 7],
        ["other", "1.0", now, f"add source file {sdist}", 8],
        ["Zope.Example", None, now, "add Maintainer bob", 9],
    ]


def test_the_changelog_goes_on_from_a_serial(published: Site) -> None:
    assert [row[-1] for row in client(published).changelog_since_serial(7)] == [8, 9]
    assert client(published).changelog_since_serial(9) == []


@pytest.mark.parametrize("serial", [10, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**4000])
def test_nothing_happened_after_a_serial_that_is_not_reached(
    stocked: StockedSite, serial: int
) -> None:
    call = b"<methodCall><methodName>changelog_since_serial</methodName><params><param><value>"
    call += b"<int>%d</int></value></param></params></methodCall>" % (serial + 1000)

    (rows,), _ = xmlrpc.client.loads(post(stocked.site, call).body)

    assert rows == []


@pytest.mark.parametrize("serial", [-1, -(2**31), -(2**63), -(10**4000)])
def test_everything_happened_after_a_negative_serial(stocked: StockedSite, serial: int) -> None:
    call = b"<methodCall><methodName>changelog_since_serial</methodName><params><param><value>"
    call += b"<i8>%d</i8></value></param></params></methodCall>" % serial

    (rows,), _ = xmlrpc.client.loads(post(stocked.site, call).body)

    assert rows == client(stocked.site).changelog_since_serial(0) != []


def test_no_more_than_fifty_thousand_entries_come_at_once(published: Site) -> None:
    with published.services.writing() as uow:
        entry = {
            "project_name": "other",
            "normalized_name": "other",
            "action": "create",
            "at": uow.now,
            "by": "ada",
        }
        entries = [{"id": serial, **entry} for serial in range(10, 50_021)]
        uow.db.execute(insert(JournalEntry), entries)

    rows = client(published).changelog_since_serial(0)

    assert [row[-1] for row in rows] == list(range(1, 50_001))
    assert len(client(published).changelog_since_serial(50_000)) == 20


def test_public_projects_are_listed_with_their_serials(published: Site) -> None:
    assert client(published).list_packages_with_serial() == {"Zope.Example": 9, "other": 8}


@pytest.mark.parametrize("name", ["Zope.Example", "zope-example", "ZOPE_EXAMPLE"])
def test_roles_are_told_of_a_project_in_any_spelling(published: Site, name: str) -> None:
    assert client(published).package_roles(name) == [["Owner", "ada"], ["Maintainer", "bob"]]


def test_a_user_s_public_projects_are_told_with_the_role(published: Site) -> None:
    published.role("other", "bob", RoleName.OWNER)

    assert client(published).user_packages("ada") == [["Owner", "Zope.Example"], ["Owner", "other"]]
    assert client(published).user_packages("BOB") == [
        ["Owner", "other"],
        ["Maintainer", "Zope.Example"],
    ]


@pytest.mark.parametrize("name", ["hidden", "nothing", "", "é", "a b", "x" * 10_000])
def test_of_what_is_not_public_nothing_is_told(stocked: StockedSite, name: str) -> None:
    assert client(stocked.site).package_roles(name) == []
    assert client(stocked.site).user_packages(name) == []


def test_what_the_journal_says_of_a_deleted_project_stays(published: Site) -> None:
    with published.services.writing() as uow:
        removal.remove_project(uow, OPERATOR, projects.get(uow, "other"))

    rows = client(published).changelog_since_serial(4)

    assert [(name, action) for name, _, _, action, _ in rows if name == "other"] == [
        ("other", "create"),
        ("other", "add Owner ada"),
        ("other", "new release"),
        ("other", "add source file other-1.0.tar.gz"),
        ("other", "remove project"),
    ]
    assert client(published).list_packages_with_serial() == {"Zope.Example": 9}
    assert client(published).package_roles("other") == []
    assert client(published).user_packages("ada") == [["Owner", "Zope.Example"]]


def test_a_project_in_quarantine_is_listed_but_nobody_s_merit(published: Site) -> None:
    with published.services.writing() as uow:
        projects.quarantine(uow, OPERATOR, projects.get(uow, "other"))

    assert client(published).list_packages_with_serial() == {"Zope.Example": 9, "other": 10}
    assert client(published).package_roles("other") == [["Owner", "ada"]]
    assert client(published).user_packages("ada") == [["Owner", "Zope.Example"]]


def test_a_call_neither_waits_for_writers_nor_writes(published: Site) -> None:
    with published.services.writing() as uow:
        accounts.get_user(uow.db, "ada").email_verified = False
        uow.db.flush()

        assert client(published).changelog_last_serial() == 9


def test_an_answer_is_kept_by_nobody(stocked: StockedSite) -> None:
    response = post(stocked.site, xmlrpc.client.dumps((), "changelog_last_serial").encode())

    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    "method", ["search", "release_data", "system.listMethods", "perform", "\U0001f4a5"]
)
def test_another_method_is_a_fault_that_names_those_there_are(
    stocked: StockedSite, method: str
) -> None:
    fault = fault_of(stocked.site, xmlrpc.client.dumps((), method).encode())

    assert fault.faultCode == -32601
    assert all(name in fault.faultString for name in METHODS)


@pytest.mark.parametrize(
    ("method", "parameters", "takes"),
    [
        ("changelog_last_serial", (1,), "takes no parameters"),
        ("changelog_since_serial", (), "takes serial (an integer)"),
        ("changelog_since_serial", ("1",), "takes serial (an integer)"),
        ("changelog_since_serial", (True,), "takes serial (an integer)"),
        ("changelog_since_serial", (1.5,), "takes serial (an integer)"),
        ("changelog_since_serial", (None,), "takes serial (an integer)"),
        ("changelog_since_serial", (1, 2), "takes serial (an integer)"),
        ("list_packages_with_serial", ([],), "takes no parameters"),
        ("package_roles", (), "takes name (a string)"),
        ("package_roles", (1,), "takes name (a string)"),
        ("package_roles", (xmlrpc.client.Binary(b"a"),), "takes name (a string)"),
        ("user_packages", ({"user": "ada"},), "takes user (a string)"),
        ("user_packages", ("ada", "bob"), "takes user (a string)"),
    ],
)
def test_other_parameters_are_a_fault_that_says_what_it_takes(
    stocked: StockedSite, method: str, parameters: tuple[Any, ...], takes: str
) -> None:
    body = xmlrpc.client.dumps(parameters, method, allow_none=True)

    fault = fault_of(stocked.site, body.encode())

    assert fault.faultCode == -32602
    assert takes in fault.faultString


CALL = b"<methodCall><methodName>changelog_last_serial</methodName>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no XML",
        b"\0",
        b"\xff\xfe",
        CALL,
        b"<methodCall/>",
        b"<methodCall><methodName></methodName></methodCall>",
        b"<methodResponse><params/></methodResponse>",
        b"<methodCall><params></params></methodCall>",
        CALL + b"<params><param><value><int>x</int></value></param></params></methodCall>",
        CALL + b"<params><param><value><int>" + b"9" * 5000 + b"</int></value></param></params>"
        b"</methodCall>",
        CALL + b"<params><param><value><dateTime.iso8601>x</dateTime.iso8601></value></param>"
        b"</params></methodCall>",
        CALL + b"<params><param><value><boolean>7</boolean></value></param></params></methodCall>",
        CALL + b"<params><param><value><base64>*</base64></value></param></params></methodCall>",
        CALL + b"<params><param><value><bigdecimal>x</bigdecimal></value></param></params>"
        b"</methodCall>",
        CALL + b"<params><param><value><struct><member><value>1</value></member></struct></value>"
        b"</param></params></methodCall>",
        CALL + b"<params><param></array></param></params></methodCall>",
        CALL + b"<params></data></params></methodCall>",
        b"<?xml version='1.0' encoding='hex'?>" + CALL + b"</methodCall>",
        b"<?xml version='1.0' encoding='no-such'?>" + CALL + b"</methodCall>",
        xmlrpc.client.dumps(xmlrpc.client.Fault(1, "x")).encode(),
        CALL + b"<params>" + b"<array><data><value>" * 3000 + b"</params></methodCall>",
    ],
)
def test_what_is_no_call_is_a_fault(stocked: StockedSite, body: bytes) -> None:
    assert fault_of(stocked.site, body).faultCode in (-32700, -32602)


@pytest.mark.parametrize(
    "declaration",
    [
        b"<!DOCTYPE methodCall>",
        b'<!DOCTYPE methodCall SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    ],
)
def test_a_document_type_is_refused(stocked: StockedSite, declaration: bytes) -> None:
    fault = fault_of(stocked.site, b"<?xml version='1.0'?>" + declaration + CALL + b"</methodCall>")

    assert fault.faultCode == -32700
    assert "document type" in fault.faultString


def test_a_call_has_its_limit(stocked: StockedSite) -> None:
    fitting = xmlrpc.client.dumps(("x" * 60_000,), "package_roles").encode()
    response = post(stocked.site, fitting + b" " * (65536 + 1 - len(fitting)))

    assert post(stocked.site, fitting + b" " * (65536 - len(fitting))).status_int == 200
    assert response.status_int == 413
    assert "65536 bytes" in response.json["message"]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/html", ""],
)
def test_what_is_sent_as_something_else_is_no_call(stocked: StockedSite, content_type: str) -> None:
    body = xmlrpc.client.dumps((), "changelog_last_serial").encode()

    response = fetch(
        stocked.site, "/pypi", method="POST", body=body, headers={"Content-Type": content_type}
    )

    assert response.status_int == 415
    assert "/legacy/" in response.json["message"]


def test_a_call_is_answered_where_clients_send_it(stocked: StockedSite) -> None:
    body = xmlrpc.client.dumps((), "changelog_last_serial").encode()

    assert post(stocked.site, body).status_int == 200
    slashed = post(stocked.site, body, path="/pypi/")
    assert (slashed.status_int, slashed.location) == (308, "http://index.example/pypi")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_calls_are_posted(stocked: StockedSite, method: str) -> None:
    response = fetch(stocked.site, "/pypi", method=method)

    assert response.status_int == 405
    assert response.allow == ("POST",)
