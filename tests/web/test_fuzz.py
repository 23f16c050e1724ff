"""Requests that were made up or taken apart: each gets an answer of ours, and none is a 5xx.

`tests/fuzzing.py` says how to let it run for long.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import webob
from hypothesis import given
from hypothesis import strategies as st

from tests.artifacts import make_sdist, make_wheel
from tests.fuzzing import Step, fuzzed, mutated, steps
from tests.malformed.cases import MULTIPART, form, part
from tests.malformed.sending import values
from tests.web.conftest import Site, form_fields
from tests.web.standing import KINDS, fetch, state, stocked_site, with_settings


class Ground:
    """An index with something in it, that minds no number of requests."""

    def __init__(self, site: Site, values: Mapping[str, str], folder: Path) -> None:
        self.site, self.values = site, values
        self.files = [make_wheel(folder, "fuzzed"), make_sdist(folder, "fuzzed")]

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> webob.Response:
        """The answer to a request, of which it is known that it is ours and no failure."""
        response = fetch(self.site, path, method=method, headers=headers, body=body)
        assert 200 <= response.status_int < 500, response.status
        assert response.status.isascii()
        assert response.status.isprintable()
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert list(self.site.services.storage.incoming.iterdir()) == []
        return response


@pytest.fixture(scope="module", params=KINDS)
def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("fuzz")
    with stocked_site(request, folder, request.param) as stocked:
        known = values(stocked)
        site = with_settings(stocked.site, url=None, new_projects_per_hour=0)
        yield Ground(site, known, folder / "fuzzed")


# The upload form

WORDS = (
    "", "fuzzed", "Fuzzed", "example", "hidden", "json", "1.0", "3.0", "1.0+x", "one", "true",
    "false", "file_upload", "submit", "1", "2", "sdist", "bdist_wheel", "bdist_egg", "py3",
    "source", "0" * 32, "0" * 64, "UNKNOWN", " ", "a\0b", "é", "\u202e", "x" * 5000, "9" * 500,
    "../x", "fuzzed-1.0-py3-none-any.whl", "fuzzed-1.0.tar.gz", "example-1.0.tar.gz", "image/png",
)  # fmt: skip
NAMES = (
    ":action", "protocol_version", "name", "version", "filetype", "pyversion", "md5_digest",
    "sha256_digest", "blake2_256_digest", "staged", "draft", "metadata_version", "summary",
    "description", "classifiers", "content", "gpg_signature", "", "é", "x",
)  # fmt: skip
PART_HEADERS = (
    "", 'Content-Disposition: form-data; name="name"', "Content-Disposition: attachment",
    "Content-Type: text/plain; charset=utf-16", "Content-Type: image/png", "Content-Length: 5",
    "Content-Transfer-Encoding: base64", "X: y", "X", ": y", "content-disposition: form-data",
)  # fmt: skip

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=20))
parts = st.builds(
    lambda name, filename, header, content: part(
        f'Content-Disposition: form-data; name="{name}"'
        + (f'; filename="{filename}"' if filename is not None else "")
        + (f"\r\n{header}" if header else ""),
        content,
    ),
    st.one_of(st.sampled_from(NAMES), st.text(max_size=5)).filter(lambda s: s.isprintable()),
    st.one_of(st.none(), words.filter(lambda s: s.isprintable())),
    st.sampled_from(PART_HEADERS),
    st.one_of(words.map(lambda s: s.encode("utf-8", "surrogatepass")), st.binary(max_size=40)),
)
changes = st.lists(st.tuples(st.sampled_from(["add", "drop", "twice", "replace", "swap"]),
                             st.integers(0, 30), parts), max_size=4)  # fmt: skip
queries = st.sampled_from(
    ["", "staged=true", "staged=false", "draft=1", "%ff", "staged=%00", ":action=submit", "&&=&;"]
)
authorizations = st.sampled_from(
    ["Bearer {token}"] * 8 + ["", "Bearer x", "Basic e30=", "Basic \xff", "Bearer {token} ", "a"]
)
content_types = st.sampled_from(
    [MULTIPART] * 12 + ["", "multipart/form-data", f"{MULTIPART}; boundary=x", f"{MULTIPART}\xff",
                        "multipart/form-data; boundary=b0undar", "text/plain"]
)  # fmt: skip


@cache
def sound_parts(path: Path) -> list[bytes]:
    """What a truthful client sends."""
    fields = [
        part(f'Content-Disposition: form-data; name="{name}"', str(value))
        for name, value in form_fields(path).items()
    ]
    head = f'Content-Disposition: form-data; name="content"; filename="{path.name}"'
    return [*fields, part(head, path.read_bytes())]


def changed(parts: list[bytes], changes: list[tuple[str, int, bytes]]) -> list[bytes]:
    parts = list(parts)
    for kind, place, other in changes:
        at = place % (len(parts) + 1)
        match kind:
            case "add":
                parts.insert(at, other)
            case "drop":
                del parts[at : at + 1]
            case "twice":
                parts[at:at] = parts[at : at + 1]
            case "replace":
                parts[at : at + 1] = [other]
            case "swap":
                parts[at:] = parts[at:][::-1]
    return parts


@fuzzed(150)
@given(
    which=st.integers(0, 1),
    changes=changes,
    steps=st.one_of(st.just([]), steps(3)),
    query=queries,
    authorization=authorizations,
    content_type=content_types,
)
def test_fuzzed_uploads_are_answered(
    ground: Ground,
    which: int,
    changes: list[tuple[str, int, bytes]],
    steps: list[Step],
    query: str,
    authorization: str,
    content_type: str,
) -> None:
    body = mutated(form(changed(sound_parts(ground.files[which]), changes)), steps)
    headers = {
        "Content-Type": content_type,
        "Authorization": authorization.format(token=ground.values["token"]),
    }

    response = ground.answer("POST", f"/legacy/?{query}", headers, body)

    assert response.status_int in (200, 201, 400, 403, 410)


# Addresses

SEGMENTS = (
    "", ".", "..", "%2e%2e", "simple", "Simple", "example", "Example", "hidden", "released",
    "nothing", "project", "1.0", "3.0", "v1", "2.0rc1", "user", "ada", "Ada", "draft", "{open}",
    "{discarded}", "{expired}", "{rotated}", "{released}", "files", "example-3.0.tar.gz",
    "example-3.0-py3-none-any.whl", "example-3.0-py3-none-any.whl.metadata", "packages", "aa",
    "0" * 60, "api", "drafts", "manage", "account", "login", "logout", "tokens", "password",
    "register", "first-administrator", "publish", "admin", "verify", "static", "greenroom.css",
    "legacy", "search", "pypi", "json", "rss", "updates.xml", "robots.txt", "sitemap.xml",
    "favicon.ico", "_debug_toolbar", "@@view", "%00", "%ff", "%0d%0a", "%2f", "%5c", "%25", "*",
    "%c3%a9", "%ed%a0%80", "%f0%9f%98%80", "9" * 400, "x" * 3000,
)  # fmt: skip
METHODS = ("GET",) * 8 + (
    "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "X",
)  # fmt: skip
HEADERS = (
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control",
    "Content-Length", "Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host",
    "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Origin",
    "Range", "Referer", "Transfer-Encoding", "X-CSRF-Token", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-PyPI-Is-Staged",
    "X-Requested-With",
)  # fmt: skip
HEADER_WORDS = (
    "text/html", "application/vnd.pypi.simple.v1+json", "application/json", "*/*", ";q=", "0.5",
    "-1", "9" * 40, "bytes=", "0-4", "-", ",", ";", "=", '"', "W/", "*", "greenroom=", "\\377",
    "Bearer ", "Basic ", "e30=", "{token}", "{session}", "Thu, 01 Jan ", "2000", "99999999",
    " 00:00:00 GMT", "+9999", "index.example", "[::1]", ":80", "http://", "chunked", "charset=",
    "utf-16", "application/x-www-form-urlencoded", "multipart/form-data; boundary=", "\xff", "\xe9",
    "\x80", "(", ")", " ", "\t", "%00", "nan", "1e999",
)  # fmt: skip

segments = st.one_of(
    st.sampled_from(SEGMENTS),
    st.binary(max_size=6).map(quote),
    st.text(max_size=6).map(lambda text: quote(text, errors="surrogatepass")),
)
paths = st.lists(segments, max_size=6).map(lambda parts: "/" + "/".join(parts))
query_strings = st.one_of(
    st.just(""),
    st.sampled_from(
        ["next=/", "next=//x", "page=0", "page=9", "key=x", "q=%ff", "q=%00", "a=%00", "&", "="]
    ),
    st.binary(max_size=20).map(quote),
)
latin = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=12)
header_values = st.lists(st.one_of(st.sampled_from(HEADER_WORDS), latin), max_size=5).map("".join)
headers = st.dictionaries(st.sampled_from(HEADERS), header_values, max_size=4)


def filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@fuzzed(500)
@given(
    method=st.sampled_from(METHODS),
    path=paths,
    query=query_strings,
    headers=headers,
    body=st.one_of(st.just(b""), st.binary(max_size=30)),
)
def test_fuzzed_addresses_are_answered(
    ground: Ground, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    address = filled(path, ground.values) + (f"?{query}" if query else "")
    sent = {name: filled(value, ground.values) for name, value in headers.items()}
    before = state(ground.site)

    ground.answer(method, address, sent, body)

    assert state(ground.site) == before


KNOWN = (
    "/", "/simple/", "/simple/example/", "/project/Example/", "/project/Example/1.0/", "/user/ada/",
    "{file}", "{file}.metadata", "/draft/{open}/", "/draft/{open}/simple/example/",
    "/draft/{open}/files/example-3.0.tar.gz", "/draft/{discarded}/", "/account/login",
    "/account/tokens/", "/manage/", "/manage/project/Example/", "/admin/",
    "/admin/users/?q=a", "/admin/projects/?q=a", "/admin/jobs/?kind=purge", "/admin/settings/",
    "/admin/users/ada/",
    "/manage/project/Example/draft/3.0/", "/api/drafts/example/3.0",
    "/api/drafts/example/3.0/checks",
    "/api/drafts/example/3.0/review", "/api/openapi.json", "/static/greenroom.css",
    "/api/releases/example/1.0/approval", "/account/confirm?fresh=1&next=/manage/",
    "/robots.txt", "/legacy/",
    "/search/?q=example", "/pypi/example/json", "/pypi/example/1.0/json", "/rss/updates.xml",
    "/rss/packages.xml", "/rss/project/example/releases.xml", "/sitemap.xml",
    "/manage/project/Example/webhooks/", "/manage/project/Example/webhooks/1/", "/admin/webhooks/",
    "/manage/project/Example/history/", "/manage/project/Example/publishers/",
    "/manage/sets/", "/manage/sets/nothing/", "/upload/2.0/set/", "/upload/2.0/set/?name=a",
    "/account/publishers/", "/_/oidc/audience", "/_/oidc/mint-token", "/.well-known/pytp/x",
)  # fmt: skip


@fuzzed(300)
@given(path=st.sampled_from(KNOWN), headers=headers, signed_in=st.booleans())
def test_fuzzed_headers_are_answered(
    ground: Ground, path: str, headers: dict[str, str], signed_in: bool
) -> None:
    sent = {name: filled(value, ground.values) for name, value in headers.items()}
    if signed_in:
        sent["Cookie"] = ground.values["session"]

    before = state(ground.site)

    ground.answer("GET", filled(path, ground.values), sent)

    assert state(ground.site) == before


# What is searched for, and called

CALL_WORDS = (
    "<methodCall>", "</methodCall>", "<methodName>", "</methodName>", "<params>", "</params>",
    "<param>", "</param>", "<value>", "</value>", "<int>", "</int>", "<i8>", "<string>",
    "</string>", "<array>", "<data>", "<struct>", "<member>", "<name>", "<nil/>", "<double>",
    "<dateTime.iso8601>", "<base64>", "changelog_since_serial", "changelog_last_serial",
    "package_roles", "user_packages", "list_packages_with_serial", "system.multicall", "example",
    "1", "-1", "9" * 40, "&#0;", "&#1;", "&amp;", "&x;", "<![CDATA[", "]]>", "<?xml?>", "<!--",
    '<?xml version="1.0" encoding="utf-16"?>', "<!DOCTYPE a>", "\0", "\xff", "é",
)  # fmt: skip
CALL = (
    "<methodCall><methodName>{}</methodName><params><param><value>{}</value></param></params>"
    "</methodCall>"
)
call_words = st.lists(st.sampled_from(CALL_WORDS), max_size=8).map("".join)


@fuzzed(150)
@given(
    call=st.one_of(call_words, st.builds(CALL.format, st.sampled_from(CALL_WORDS), call_words)),
    steps=st.one_of(st.just([]), steps(2)),
)
def test_fuzzed_calls_are_answered(ground: Ground, call: str, steps: list[Step]) -> None:
    ground.answer("POST", "/pypi", {"Content-Type": "text/xml"}, mutated(call.encode(), steps))


SEARCH_WORDS = (
    "example", "exa", '"', "'", "*", "^", "(", ")", "AND", "OR", "NOT", "NEAR", ":", "-", "+", "&",
    "|", "!", "<->", "%", "_", "\\", "\u202e", "\u0130", "\U0001f600", "\uffff", " ", "\t", "\n",
)  # fmt: skip


@fuzzed(150)
@given(words=st.lists(st.one_of(st.sampled_from(SEARCH_WORDS), st.text(max_size=5)), max_size=8))
def test_fuzzed_searches_are_answered(ground: Ground, words: list[str]) -> None:
    query = quote("".join(words), errors="surrogatepass")

    ground.answer("GET", f"/search/?q={query}", {})


# Forms of people who are signed in

FORMS = (
    "/account/login", "/account/login?next=/", "/account/password", "/account/tokens/",
    "/account/tokens/revoke", "/account/register", "/admin/names/", "/account/confirm",
    "/account/sessions/end", "/account/sessions/end-others",
    "/admin/jobs/1/retry", "/admin/upstream/rules/",
    "/admin/projects/Example/quota", "/project/Example/report", "/admin/invitations/",
    "/admin/users/ada/disable", "/account/delete",
    "/account/invitation?key=x", "/account/password-reset?key=x",
    "/account/sessions/end", "/account/sessions/end-others", "/account/second-step",
    "/account/passkey", "/account/second-factors/app", "/account/second-factors/passkey",
    "/account/second-factors/rename", "/account/second-factors/remove",
    "/admin/users/ada/reset-second-factors",
    "/admin/retry",
    "/manage/project/Example/add-role", "/manage/project/Example/remove-role",
    "/account/tokens/revoke", "/account/register", "/admin/verify",
    "/admin/retry",
    "/manage/project/Example/invite", "/manage/project/Example/remove-role",
    "/manage/project/Example/invite-team", "/manage/project/Example/withdraw",
    "/manage/project/Example/make-maintainer", "/manage/project/Example/hand-over",
    "/account/invitations/accept", "/account/invitations/decline", "/account/teams/",
    "/account/teams/wool/invite", "/account/teams/wool/change", "/account/teams/wool/show",
    "/manage/project/Example/settings", "/manage/project/Example/required-checks",
    "/manage/project/Example/approvals", "/manage/project/Example/draft/3.0/approve",
    "/manage/project/Example/draft/3.0/withdraw", "/manage/project/Example/draft/3.0/schedule",
    "/manage/project/Example/draft/3.0/unschedule", "/manage/project/Example/draft/3.0/members",
    "/manage/project/Example/draft/3.0/check", "/manage/project/Example/draft/3.0/comment",
    "/manage/project/Example/draft/3.0/edit-comment", "/api/drafts/example/3.0/checks",
    "/manage/project/Example/draft/3.0/delete-comment", "/manage/project/Example/draft/3.0/remove",
    "/manage/project/Example/draft/3.0/discard", "/manage/project/Example/draft/9/discard",
    "/manage/project/Example/publishers/", "/manage/project/Example/publishers/remove",
    "/account/publishers/", "/account/publishers/remove",
    "/manage/sets/new", "/manage/project/Example/draft/3.0/set",
    "/manage/project/Example/webhooks/", "/admin/webhooks/", "/manage/project/Example/webhooks/1/",
    "/manage/project/Example/webhooks/1/test", "/manage/project/Example/webhooks/1/send-again",
    "/manage/project/Example/webhooks/1/switch", "/manage/project/Example/webhooks/1/rotate",
    "/manage/project/nothing/settings", "/manage/", "/project/Example/", "/user/ada/",
)  # fmt: skip
FORM_FIELDS = (
    "needed", "by_others", "team", "at", "is_embargoed", "members_only",
    "text", "comment", "status", "summary", "link", "required", "content_digest",
    "username", "password", "current", "new", "label", "project", "permissions", "lifetime",
    "token", "user", "job", "role", "typed", "filename", "auto_publish_releases", "csrf_token",
    "session", "x", "",
    "token", "user", "job", "role", "team", "name", "invitation",
    "receiver", "typed", "filename", "auto_publish_releases", "csrf_token", "x", "",
    "session", "factor", "code", "credential", "sealed", "name", "x", "",
    "publisher", "project_name", "rights", "of-0", "x", "",
    "url", "format", "events", "delivery", "to", "x", "",
    "session", "x", "", "reason", "name", "quota", "kind", "text", "email",
)  # fmt: skip
form_values = st.one_of(
    st.sampled_from(["", "ada", "eve", "Owner", "stage", "90", "never", "0", "-1", "9" * 30, "y",
                     "example", "true", "x" * 4000, "\u202e", "\ud800", "\0", "1e9", "\u0663"]),
    st.text(max_size=12),
)  # fmt: skip


@fuzzed(200)
@given(
    path=st.sampled_from(FORMS),
    fields=st.lists(st.tuples(st.sampled_from(FORM_FIELDS), form_values), max_size=6),
    steps=st.one_of(st.just([]), steps(2)),
    signed_in=st.sampled_from([True, True, True, False]),
)
def test_fuzzed_forms_are_answered(
    ground: Ground, path: str, fields: list[tuple[str, str]], steps: list[Step], signed_in: bool
) -> None:
    encoded = urlencode(fields, errors="surrogatepass").encode()
    body = f"csrf_token={ground.values['csrf']}&".encode() + mutated(encoded, steps)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if signed_in:
        headers["Cookie"] = ground.values["session"]

    ground.answer("POST", path, headers, body)
